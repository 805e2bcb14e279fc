#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Thresholds are changed in the running daemon: who may, what comes of it, and what a kill leaves."""
import glob
import http.client
import json
import os
import socket
import subprocess
import sys
import time

from harness import DBVITALS, Daemon, Sandbox, eventually, folder, run, run_tests, Skip

SANDBOX = Sandbox("redis")
RULES = """
groups:
  - name: own
    interval: 1s
    rules:
      - alert: TooManyClients
        expr: |
          redis_connected_clients
            > on (instance, target) group_left () dbvitals_threshold{name="clients_allowed"}
"""
HOME = folder()
STORAGE = os.path.join(HOME, "storage")
RUNNING = []


def config(value=1000):
    redis = SANDBOX.servers["redis"]
    rules = os.path.join(HOME, "own.yml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write(RULES)
    return f"""
global: {{interval: 500ms, timeout: 400ms}}
rules: {{files: ["{rules}"], parameters: {{clients_allowed: {value}, redis_hit_ratoi: 0.5}}}}
targets:
  - {{name: cache, type: redis, url: "redis://127.0.0.1:{redis['port']}", cluster: shop, labels: {{tier: gold}}}}
  - {{name: gone, type: postgres, dsn: "postgresql://nobody@127.0.0.1:1/x"}}
"""


def start(**more):
    for daemon in RUNNING:  # of a case that failed
        daemon.end()
    RUNNING.clear()
    # The last --storage.path counts.
    daemon = Daemon(config(**more), flags=["--storage.path", STORAGE])
    RUNNING.append(daemon)
    daemon.wait_ready()
    return daemon


def set_parameter(*words, wrapper=()):
    return subprocess.run([*wrapper, DBVITALS, "set", *words, "--storage.path", STORAGE],
                          capture_output=True, text=True, timeout=30)


def changed(*words):
    done = set_parameter(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def threshold(daemon, target="cache", name="clients_allowed"):
    found = [value for pairs, value in daemon.page().find("dbvitals_threshold", target=target)
             if pairs["name"] == name]
    assert len(found) < 2, found
    return found[0] if found else None


def firing(daemon):
    alerts = daemon.get("/api/v1/alerts").json["data"]["alerts"]
    return [alert["labels"]["target"] for alert in alerts if alert["state"] == "firing"]


class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(os.path.join(STORAGE, "control.sock"))


def control(method, path, body=None):
    connection = Control("dbvitals")
    try:
        connection.request(method, path, body=body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def a_change_counts_from_the_next_round_on_and_alerts_follow():
    daemon = start()
    assert firing(daemon) == []
    assert threshold(daemon) == 1000
    assert "clients_allowed of cache is 0, it was 1000" in changed("clients_allowed=0",
                                                                  "--target", "cache")
    eventually(lambda: threshold(daemon) == 0, 3, "the threshold is shown")
    assert threshold(daemon, "gone") == 1000
    eventually(lambda: firing(daemon) == ["cache"], what="the alert fires")
    assert daemon.logged(r"parameter 'clients_allowed' of target 'cache' is now 0, it was 1000 "
                         rf"\(by uid {os.geteuid()}, pid \d+\)")
    found = daemon.get('/api/v1/query?query=dbvitals_threshold{name="clients_allowed",target="cache"}'
                       .replace('"', "%22").replace("{", "%7B").replace("}", "%7D")).json
    labels = found["data"]["result"][0]["metric"]
    assert labels["job"] == "redis" and labels["cluster"] == "shop" and labels["tier"] == "gold", labels
    assert labels["instance"].endswith(str(SANDBOX.servers["redis"]["port"])), labels
    assert "it was 0" in changed("clients_allowed=", "--target", "cache")
    eventually(lambda: firing(daemon) == [], what="the alert is over")
    listed = changed()
    assert "replication_lag_seconds" in listed and "clients_allowed" in listed, listed
    daemon.end(0)


def only_what_the_type_of_a_target_has_is_shown():
    daemon = start()
    page = daemon.page()
    names = {pairs["name"] for pairs, _ in page.find("dbvitals_threshold", target="cache")}
    assert "redis_hit_ratio" in names and "round_seconds" in names and "clients_allowed" in names
    assert not [name for name in names if name.startswith(("postgres_", "host_", "pool_"))], names
    own = daemon.page("cache")
    assert {"name": "redis_hit_ratio"} in [pairs for pairs, _ in own.find("dbvitals_threshold")]
    assert daemon.logged(r"parameter 'redis_hit_ratoi': no rule reads it \(did you mean "
                         r"'redis_hit_ratio'\?\)")
    assert not daemon.logged(r"parameter 'clients_allowed': no rule")
    daemon.end(0)


def changes_survive_a_kill_and_a_stale_socket_does_not_stop_the_start():
    daemon = start()
    changed("clients_allowed=7")
    changed("clients_allowed=8", "--target", "cache")
    daemon.process.kill()
    daemon.process.wait()
    assert os.path.exists(os.path.join(STORAGE, "control.sock"))
    refused = set_parameter("clients_allowed=9")
    assert refused.returncode == 1 and "does not run" in refused.stderr, refused.stderr
    daemon = start(value=20)
    assert threshold(daemon) == 8 and threshold(daemon, "gone") == 7
    assert "others" not in changed("clients_allowed=")
    changed("clients_allowed=", "--target", "cache")
    eventually(lambda: threshold(daemon) == 20, 3, "the configuration's")
    daemon.end(0)
    assert not os.path.exists(os.path.join(STORAGE, "control.sock"))


def a_second_daemon_leaves_the_folder_alone():
    daemon = start()
    done = run("run", "--config.file", daemon.config_file, "--storage.path", STORAGE,
               "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 1, done
    assert f"another dbvitals (process {daemon.process.pid}) uses it" in done.stderr, done.stderr
    changed("clients_allowed=3")
    eventually(lambda: threshold(daemon) == 3, 3, "the first still listens")
    changed("clients_allowed=")
    daemon.end(0)


def tcp_is_refused_and_told_what_to_do():
    daemon = start()
    path = "/api/v1/parameters/clients_allowed"
    for method in ("PUT", "DELETE"):
        answer = daemon.get(path, method=method, body='{"value": 1}')
        assert answer.status == 403 and "dbvitals set" in answer.json["error"], answer.body
    assert threshold(daemon) == 1000
    assert daemon.get(path).json["data"]["parameters"][0]["value"] == 1000
    status, answer = control("PUT", path, '{"value": 1}')
    assert status == 200 and answer["data"]["previous"] == 1000 and answer["data"]["persistent"]
    status, answer = control("DELETE", path)
    assert status == 200 and answer["data"]["value"] == 1000, answer
    daemon.end(0)


def other_users_may_not():
    if os.geteuid() != 0:
        raise Skip("it takes root to be somebody else")
    daemon = start()
    os.chmod(HOME, 0o755)
    try:
        # The folder keeps them away, then the socket's mode, then what the kernel says of them.
        for opened in ([], [(STORAGE, 0o755)],
                       [(STORAGE, 0o755), (os.path.join(STORAGE, "control.sock"), 0o666)]):
            for path, mode in opened:
                os.chmod(path, mode)
            done = set_parameter("clients_allowed=1", wrapper=("setpriv", "--reuid=65534",
                                                              "--clear-groups"))
            assert done.returncode != 0 and done.stdout == "", done
        assert daemon.logged("refusing user 65534")
        assert not daemon.logged("parameter 'clients_allowed'")
    finally:
        os.chmod(STORAGE, 0o700)
    daemon.end(0)


def a_damaged_file_is_set_aside():
    daemon = start()
    changed("clients_allowed=5")
    daemon.end(0)
    state = os.path.join(STORAGE, "parameters.state")
    with open(state, "rb") as file:
        good = file.read()
    bad = bytearray(good)
    bad[-9] ^= 4
    for number, contents in enumerate((bytes(bad), good[:-1], b"", b"dbvitals parameters 9\n"), 1):
        with open(state, "wb") as file:
            file.write(contents)
        daemon = start()
        assert daemon.logged(rf"parameters '\S+' are not used: .* is kept as '\S+bad-{number}'")
        assert threshold(daemon) == 1000
        daemon.end(0)
        with open(f"{state}.bad-{number}", "rb") as file:
            assert file.read() == contents
        assert not os.path.exists(state), glob.glob(STORAGE + "/*")


def a_reload_keeps_what_was_changed():
    daemon = start()
    changed("clients_allowed=5", "--target", "cache")
    daemon.write_config(config(value=50))
    daemon.reload()
    eventually(lambda: threshold(daemon, "gone") == 50, 3, "the new configuration counts")
    assert threshold(daemon) == 5
    changed("clients_allowed=", "--target", "cache")
    daemon.end(0)


def a_disk_that_refuses_is_told_and_tried_again():
    daemon = start()
    blocker = os.path.join(STORAGE, "parameters.state.new")
    os.mkdir(blocker)
    done = set_parameter("clients_allowed=6")
    assert done.returncode == 1 and "a restart will forget it" in done.stderr, done
    assert "clients_allowed of all targets is 6" in done.stdout
    eventually(lambda: threshold(daemon) == 6, 3, "it counts all the same")
    os.rmdir(blocker)
    state = os.path.join(STORAGE, "parameters.state")
    before = time.monotonic()
    eventually(lambda: os.path.exists(state) and b"clients_allowed" in open(state, "rb").read(), 20,
               "it is written later")
    print(f"# written {time.monotonic() - before:.1f} s after the disk was well again")
    changed("clients_allowed=")
    daemon.end(0)


def without_a_folder_nothing_can_be_changed_but_all_is_shown():
    daemon = Daemon(config(), flags=["--storage.path", ":memory:"])
    daemon.wait_ready()
    answer = daemon.get("/api/v1/parameters/clients_allowed")
    assert answer.json["data"]["persistent"] is False, answer.body
    answer = daemon.get("/api/v1/parameters/clients_allowed", method="PUT", body='{"value": 1}')
    assert answer.status == 403 and "--storage.path" in answer.json["error"], answer.body
    daemon.end(0)


def mistakes_are_told_in_a_sentence():
    daemon = start()
    cases = {
        ("clients_allowd=5",): "no rule reads it",
        ("redis_hit_rati=5",): "did you mean 'redis_hit_ratio'",
        ("redis_hit_ratio=70",): "80 % is written 0.8",
        ("redis_hit_ratio=0.7", "--target", "cach"): "there is no target",
        ("redis_hit_ratio=0.7", "--target", "gone"): "one of redis, sentinel targets",
        ("redis_hit_ratio",): "NAME=VALUE",
        ("Redis=1",): "small letters",
        ("round_seconds=5MiB",): "a duration such as",
    }
    for words, part in cases.items():
        done = set_parameter(*words)
        assert done.returncode == 1 and part in done.stderr and done.stderr.count("\n") == 1, done
    daemon.end(0)
    done = run("set", "--storage.path", os.path.join(HOME, "elsewhere"))
    assert done.returncode == 1 and "no daemon uses the storage folder" in done.stderr, done


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run_tests([
        a_change_counts_from_the_next_round_on_and_alerts_follow,
        only_what_the_type_of_a_target_has_is_shown,
        changes_survive_a_kill_and_a_stale_socket_does_not_stop_the_start,
        a_second_daemon_leaves_the_folder_alone,
        tcp_is_refused_and_told_what_to_do,
        other_users_may_not,
        a_damaged_file_is_set_aside,
        a_reload_keeps_what_was_changed,
        a_disk_that_refuses_is_told_and_tried_again,
        without_a_folder_nothing_can_be_changed_but_all_is_shown,
        mistakes_are_told_in_a_sentence,
    ])
