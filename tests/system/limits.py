#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Too little of what the system gives, too much of what servers say: it is told, and answering goes
on."""
import os

from harness import Daemon, FakeServer, Sandbox, Skip, eventually, run_tests
from hostile_peers import COMPLETE, be_sane, data_row, postgres, row_description

sandbox = Sandbox(only="redis")
PORT = sandbox.servers["redis"]["port"]


def config(count, host="127.0.0.1"):
    return ("global: {interval: 500ms, timeout: 400ms}\ntargets:\n" + "".join(
        f"  - {{name: cache-{i}, type: redis, url: 'redis://{host}:{PORT}'}}\n"
        for i in range(count)))


def limited(command, *before):
    return [*before, "bash", "-c", f'ulimit {command}; exec "$@"', "limited"]


def more_targets_than_descriptors_leave_some_for_us():
    daemon = Daemon(config(60), wrapper=limited("-n 40"), flags=["--web.enable-lifecycle"])
    eventually(lambda: daemon.logged("no file descriptors|Too many open files"))
    for _ in range(20):
        assert daemon.get("/healthz").status == 200
        page = daemon.page()
    up = sum(value for _, value in page.find("dbvitals_target_up"))
    assert 10 <= up < 40, up
    assert page.find("dbvitals_target_errors_total", reason="local")
    daemon.write_config(config(3))
    assert daemon.get("/-/reload", method="POST").status == 200
    daemon.wait_up("cache-0", "cache-1", "cache-2")
    daemon.end(0)


def the_limit_of_descriptors_is_raised_as_far_as_it_may():
    daemon = Daemon(config(1), wrapper=limited("-Sn 40"))
    page = daemon.page()
    assert page.value("process_max_fds", target="dbvitals") > 40
    daemon.end(0)


def without_processes_what_needs_none_goes_on():
    if os.getuid() != 0:
        raise Skip("the limit of processes must be that of a user who has none")
    daemon = Daemon(config(1), flags=["--web.enable-lifecycle", "--storage.path=:memory:"],
                    wrapper=limited("-u 1", "setpriv", "--reuid=54321", "--regid=54321",
                                    "--clear-groups"),
                    # Looking for leaks takes a process.
                    environment={"ASAN_OPTIONS": "detect_leaks=0"})
    daemon.wait_up("cache-0")
    answer = daemon.get("/-/reload", method="POST")
    assert answer.status == 500 and "no process could be made" in answer.text, answer.text
    assert daemon.up("cache-0") == 1
    daemon.end(0)


def rows_of(count):
    """As many databases; only a name and a counter of each."""
    names = ["datid", "datname"] + [f"xact_{i}" for i in ("commit", "rollback")] + [
        "tup_returned", "tup_fetched", "tup_inserted", "tup_updated", "blks_read", "blks_hit"]
    return row_description(names) + b"".join(
        data_row([b"%d" % i, b"db%d" % i] + [b"1"] * (len(names) - 2)) for i in range(count)
    ) + COMPLETE


def more_series_than_the_limit_never_hide_whether_it_is_up():
    many = rows_of(8000)
    server = FakeServer(postgres(lambda peer, sql, answer: many
                                 if "FROM pg_catalog.pg_stat_database WHERE" in sql else answer))
    be_sane(False)
    daemon = Daemon("global: {interval: 1s, timeout: 900ms}\ntargets: [{name: many, type: postgres, "
                    f"dsn: 'postgresql://m:x@127.0.0.1:{server.port}/d?sslmode=disable'}}]\n")
    eventually(lambda: len(daemon.page("many").samples) >= 50000, what="the limit is reached")
    eventually(lambda: daemon.page().value("dbvitals_dropped_samples_total", target="many"))
    assert daemon.up("many") == 1
    assert daemon.page("many").value("pg_up") == 1
    eventually(lambda: daemon.page("many").value("dbvitals_rounds_total") >= 3)
    assert len(daemon.logged("are left out")) == 1
    daemon.end(0)
    server.end()


run_tests([
    more_targets_than_descriptors_leave_some_for_us,
    the_limit_of_descriptors_is_raised_as_far_as_it_may,
    without_processes_what_needs_none_goes_on,
    more_series_than_the_limit_never_hide_whether_it_is_up,
])
