#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reloading: what did not change is untouched, what is wrong changes nothing, what left is gone."""
import os
import re
import signal
import socket
import time

from harness import Daemon, Sandbox, eventually, folder, run_tests, throughout

sandbox = Sandbox(only="redis,redis-replica,sentinel")
PORT = sandbox.servers["redis"]["port"]
SECOND = sandbox.servers["sentinel"]["port"]


def config(*targets, extra=""):
    return ("global: {interval: 300ms, timeout: 250ms}\n" + extra + "targets:\n" +
            "".join(f"  - {{{target}}}\n" for target in targets))


CACHE = f'name: cache, type: redis, url: "redis://127.0.0.1:{PORT}"'
WATCH = f'name: watch, type: sentinel, url: "redis://127.0.0.1:{SECOND}"'
daemon = Daemon(config(CACHE, WATCH), flags=["--web.enable-lifecycle"])


def opened(target):
    return daemon.page(target).value("dbvitals_connections_opened_total")


def successful():
    return daemon.page("dbvitals").value("dbvitals_config_last_reload_successful")


def the_same_file_keeps_connections_and_counts():
    daemon.wait_up("cache", "watch")
    before, rounds = opened("cache"), daemon.page("cache").value("dbvitals_rounds_total")
    daemon.reload()
    assert opened("cache") == before == 1
    assert daemon.page("cache").value("dbvitals_rounds_total") >= rounds


def a_wrong_file_changes_nothing_and_says_where():
    daemon.write_config(config(CACHE, WATCH.replace("type", "tpye")))
    daemon.reload()
    assert "dbvitals.yml:4:" in daemon.log() and "did you mean 'type'" in daemon.log()
    eventually(lambda: successful() == 0, what="the metric says so")
    daemon.wait_up("cache", "watch")
    answer = daemon.get("/-/reload", method="POST")
    assert answer.status in (400, 500) and "tpye" in answer.text, answer.text


def a_missing_file_changes_nothing():
    os.rename(daemon.config_file, daemon.config_file + ".away")
    daemon.reload()
    assert daemon.get("/-/reload", method="POST").status in (400, 500)
    daemon.wait_up("cache", "watch")
    os.rename(daemon.config_file + ".away", daemon.config_file)


def a_good_file_is_taken_over_http():
    daemon.write_config(config(CACHE, WATCH))
    answer = daemon.get("/-/reload", method="POST")
    assert answer.status == 200, answer.text
    eventually(lambda: successful() == 1, what="the metric says so")
    assert opened("cache") == 1


def new_labels_make_new_series():
    daemon.write_config(config(CACHE + ", labels: {tier: gold}", WATCH))
    daemon.reload()
    eventually(lambda: daemon.page().find("redis_up", target="cache", tier="gold"))
    assert len(daemon.page().find("redis_up", target="cache")) == 1
    assert opened("cache") == 1


def a_target_that_left_is_gone():
    daemon.write_config(config(CACHE))
    daemon.reload()
    assert not daemon.page().find("redis_up", target="watch")
    assert daemon.get("/metrics?target=watch").status == 404
    assert {e["labels"]["target"] for e in daemon.get("/sd").json} == {"cache", "dbvitals"}


def another_address_is_connected_anew():
    daemon.write_config(config(CACHE.replace(str(PORT), str(sandbox.spare_ports[0]))))
    daemon.reload()
    daemon.wait_down("cache")
    daemon.write_config(config(CACHE))
    daemon.reload()
    daemon.wait_up("cache")


def another_type_under_the_same_name_is_another_target():
    daemon.write_config(config(WATCH.replace("name: watch", "name: cache")))
    daemon.reload()
    eventually(lambda: daemon.page("cache").find("redis_sentinel_masters"))
    daemon.write_config(config(CACHE, WATCH))
    daemon.reload()
    daemon.wait_up("cache", "watch")


def many_reloads_at_once_are_no_problem():
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
    for _ in range(5):
        assert daemon.get("/-/reload", method="POST").status == 200
    daemon.wait_up("cache", "watch")


def the_log_level_changes_at_run_time():
    assert daemon.get("/-/log-level?level=error", method="POST").status == 200
    assert daemon.get("/-/log-level?level=nonsense", method="POST").status == 400
    daemon.signal(signal.SIGUSR1)
    eventually(lambda: "log level is now 'warn'" in daemon.log())


def without_the_flag_nothing_can_be_changed():
    plain = Daemon(config(CACHE))
    for path in ("/-/reload", "/-/log-level?level=debug"):
        answer = plain.get(path, method="POST")
        assert answer.status == 403 and "--web.enable-lifecycle" in answer.text, answer.text
    plain.end(0)


def a_rotated_password_needs_no_reload():
    path = os.path.join(folder(), "password")

    def rotate(password):
        sandbox.redis("ACL", "SETUSER", "rotated", "on", "resetpass", ">" + password, "+@all")

    def write(password):
        with open(path, "w", encoding="utf-8") as file:
            file.write(password + "\n")
    rotate("first")
    write("first")
    rotated = Daemon(config(f'name: rotated, type: redis, url: "redis://rotated@127.0.0.1:{PORT}", '
                            f'password_file: "{path}"'))
    rotated.wait_up("rotated")
    rotate("second")
    sandbox.redis("CLIENT", "KILL", "USER", "rotated")
    rotated.wait_down("rotated")
    assert rotated.page("rotated").find("dbvitals_target_errors_total", reason="auth")
    write("second")
    # Whatever else has changed in the meantime has to wait for a reload.
    with open(rotated.config_file, encoding="utf-8") as file:
        text = file.read()
    rotated.write_config(text + "  - {" + CACHE + "}\n")
    throughout(lambda: rotated.up("rotated") == 0, 11, "a changed file is not taken over")
    rotated.write_config(text)
    rotated.wait_up("rotated", seconds=30)
    rotated.end(0)


def signals_that_come_before_it_is_ready_do_no_harm():
    path = os.path.join(folder(), "dbvitals.yml")
    os.mkfifo(path)
    early = Daemon(config_file=path, wait=False)
    with open(path, "w", encoding="utf-8") as file:  # waits until the daemon has begun to read
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            early.signal(number)
        file.write(config(CACHE))
    eventually(lambda: re.search("listens on", early.log()), what="the daemon listens")
    early.end(0)


def it_stops_while_a_reload_is_waited_for():
    stuck = Daemon(config(CACHE), flags=["--web.enable-lifecycle"])
    os.unlink(stuck.config_file)
    os.mkfifo(stuck.config_file)
    with socket.create_connection(stuck.address.rsplit(":", 1)) as client:
        client.sendall(b"POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: stuck.logged("reload was asked for"), what="the reload has begun")
        start = time.monotonic()
        stuck.end(0)
        assert time.monotonic() - start < 3


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    the_same_file_keeps_connections_and_counts,
    a_wrong_file_changes_nothing_and_says_where,
    a_missing_file_changes_nothing,
    a_good_file_is_taken_over_http,
    new_labels_make_new_series,
    a_target_that_left_is_gone,
    another_address_is_connected_anew,
    another_type_under_the_same_name_is_another_target,
    many_reloads_at_once_are_no_problem,
    the_log_level_changes_at_run_time,
    without_the_flag_nothing_can_be_changed,
    a_rotated_password_needs_no_reload,
    signals_that_come_before_it_is_ready_do_no_harm,
    it_stops_while_a_reload_is_waited_for,
    it_stops_cleanly,
])
