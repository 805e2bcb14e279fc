#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breakers for applications on a real PgBouncer and a real Redis: when they open and close, who is
told, what a kill leaves, and how two monitors agree."""
import http.client
import json
import os
import socket
import subprocess
import time

from harness import Daemon, Sandbox, eventually, folder, run, run_tests, throughout

SANDBOX = Sandbox(only="primary,pgbouncer,redis")
HOME = folder()
TOLD = os.path.join(HOME, "told")
INTERVAL = 0.5
TIMEOUT = 2.0
with open(SANDBOX.config, encoding="utf-8") as file:
    TARGETS = file.read().replace("interval: 5s, timeout: 3s", "interval: 500ms, timeout: 400ms")
REDIS = f"redis://127.0.0.1:{SANDBOX.servers['redis']['port']}"
HOOK = os.path.join(HOME, "hook")
with open(HOOK, "w", encoding="utf-8") as file:
    file.write(f"""#!/usr/bin/python3
import json, os, sys
with open({TOLD!r}, "a") as told:
    print(json.dumps([sys.argv[1:], {{k: v for k, v in os.environ.items() if "DBVITALS" in k}},
                      json.load(sys.stdin)]), file=told)
""")
os.chmod(HOOK, 0o755)


def config(breakers):
    return f"""{TARGETS}
  - {{name: kv, type: redis, url: "{REDIS}"}}
breakers:
{breakers}
"""


# The queue alone counts: a pool of one connection is full as soon as it is used.
QUEUE = f"""
  - name: queue
    target: orders-pool
    group: shop
    open_when: {{pool_utilisation: 0, waiting_clients: 5}}
    recovery: {{timeout: 2s, max_timeout: 2s, successes: 3, close_utilisation: 0.7}}
    publish: {{target: kv, key_prefix: "b:", ttl: 4s, channel: "b/changes"}}
    hooks: {{open: [[{HOOK}, shed]], close: [[{HOOK}, restore]]}}
"""
MORE = f"""
  - {{name: full, target: orders-pool, open_when: {{waiting_clients: 0}}, recovery: {{timeout: 1s}}}}
  - {{name: calls, recovery: {{timeout: 1s, max_timeout: 1s, successes: 1000}}}}
  - {{name: rule, expression: "redis_connected_clients{{target='kv'}} > 40", interval: 200ms,
     recovery: {{timeout: 1s, successes: 2}}}}
  - {{name: held, target: orders-1, circuit: write}}
  - name: shed
    target: orders-pool
    open_when: {{pool_utilisation: 0, waiting_clients: 5, rounds: 1000, shed_fraction: 0.25,
                shed_utilisation: 0.8}}
"""


class Listener:
    """What is told in the channel."""

    def __init__(self):
        port = str(SANDBOX.servers["redis"]["port"])
        self.path = os.path.join(HOME, "heard")
        with open(self.path, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(["redis-cli", "-p", port, "SUBSCRIBE", "b/changes"],
                                            stdout=out, stderr=subprocess.STDOUT)
        eventually(lambda: "subscribe" in self.text(), what="subscribed")

    def text(self):
        with open(self.path, encoding="utf-8") as heard:
            return heard.read()

    def states(self, name):
        messages = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
        return [message["state"] for message in messages if message["name"] == name]

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def shares(daemon, name, count):
    """Answers to so many questions, by status, and the Retry-After of the last that was a no."""
    connection = http.client.HTTPConnection(*daemon.address.rsplit(":", 1), timeout=10)
    counts, retry_after, times = {200: 0, 503: 0}, None, []
    for _ in range(count):
        begin = time.perf_counter()
        connection.request("GET", f"/api/v1/breakers/{name}")
        reply = connection.getresponse()
        reply.read()
        times.append(time.perf_counter() - begin)
        counts[reply.status] += 1
        retry_after = reply.headers["Retry-After"] or retry_after
    connection.close()
    return counts, retry_after, sorted(times)


class Clients:
    """Sessions through PgBouncer: the first has the pool's only connection, the others wait."""

    def __init__(self, count):
        dsn = SANDBOX.servers["pgbouncer"]["dsn_monitor"].replace("/shop", "/postgres")
        self.processes = [subprocess.Popen(["psql", "-Xqc", "SELECT pg_sleep(60)", "-d", dsn],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                          for _ in range(count)]

    def waiting(self):
        return max(int(row[3]) for row in SANDBOX.sql("SHOW POOLS", dsn=ADMIN))

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        # What PgBouncer has given to the server ends with the session there.
        SANDBOX.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE 'SELECT pg_sleep(60)%' AND pid <> pg_backend_pid()")


ADMIN = (f"host=127.0.0.1 port={SANDBOX.servers['pgbouncer']['port']} dbname=pgbouncer "
         f"user=pooladmin password={SANDBOX.passwords['pooladmin']}")


def ask(daemon, name):
    return daemon.get(f"/api/v1/breakers/{name}")


def state(daemon, name):
    rows = daemon.get("/api/v1/breakers").json["data"]["breakers"]
    return [row for row in rows if row["name"] == name][0]


def command(daemon, *words):
    return run("breaker", *words, "--storage.path", os.path.join(daemon.folder, "storage"))


def order(daemon, name, word):
    control = os.path.join(daemon.folder, "storage", "control.sock")
    connection = http.client.HTTPConnection("dbvitals")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(control)
    connection.request("POST", f"/api/v1/breakers/{name}", body=json.dumps({"order": word}))
    reply = connection.getresponse()
    body = json.loads(reply.read())
    connection.close()
    assert reply.status == 200, body
    return body["data"]


def told():
    if not os.path.exists(TOLD):
        return []
    with open(TOLD, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def key():
    text = SANDBOX.redis("GET", "b:queue")
    return json.loads(text) if text else None


daemon = Daemon(config(QUEUE + MORE), flags=["--web.external-url=http://one:1"])
daemon.wait_ready()
daemon.wait_up("orders-pool", "kv")


def a_full_pool_sheds_exactly_its_share():
    assert shares(daemon, "shed", 100)[0] == {200: 100, 503: 0}
    clients = Clients(1)
    eventually(lambda: state(daemon, "shed")["shedding"], what="it sheds")
    found = state(daemon, "shed")
    assert found["state"] == "closed" and found["reason"] == "pool_utilisation", found
    counts, retry_after, _ = shares(daemon, "shed", 1000)
    assert counts == {200: 750, 503: 250} and retry_after == "1", (counts, retry_after)
    labels = {"breaker": "shed", "target": "orders-pool"}
    eventually(lambda: daemon.page().value("dbvitals_breaker_shedding", **labels) == 1)
    page = daemon.page()
    assert page.value("circuit_breaker_state", **labels) == 0
    clients.end()
    eventually(lambda: not state(daemon, "shed")["shedding"], what="it ends with the pressure")
    assert shares(daemon, "shed", 100)[0] == {200: 100, 503: 0}
    assert state(daemon, "shed")["reason"] is None


def what_cannot_be_seen_sheds_nothing():
    clients = Clients(1)
    eventually(lambda: state(daemon, "shed")["shedding"], what="it sheds")
    SANDBOX.control("stop", "pgbouncer")
    daemon.wait_down("orders-pool")
    eventually(lambda: not state(daemon, "shed")["shedding"], what="a pooler that is down")
    SANDBOX.control("start", "pgbouncer")
    clients.end()
    daemon.wait_up("orders-pool")
    eventually(lambda: state(daemon, "queue")["state"] == "closed"
               and state(daemon, "full")["state"] == "closed", what="all are closed again")


def five_waiting_clients_open_it_within_a_round():
    assert ask(daemon, "queue").status == 200 and state(daemon, "queue")["state"] == "closed"
    clients = Clients(1)
    eventually(lambda: ask(daemon, "full").status == 503, what="a full pool opens the other one")
    assert state(daemon, "full")["reason"] == "pool_utilisation"
    assert state(daemon, "queue")["state"] == "closed"
    more = Clients(4)
    eventually(lambda: clients.waiting() == 4, what="four wait")
    throughout(lambda: ask(daemon, "queue").status == 200, 3 * INTERVAL, "four are not enough")
    last = Clients(1)
    eventually(lambda: clients.waiting() == 5, what="five wait")
    begin = time.monotonic()
    answer = eventually(lambda: (found := ask(daemon, "queue")).status == 503 and found)
    took = time.monotonic() - begin
    print(f"# open {took * 1000:.0f} ms after the fifth waits, at an interval of 500 ms")
    assert took < 2 * INTERVAL, took
    body = answer.json
    assert body["state"] == "open" and body["reason"] == "waiting_clients", body
    assert body["target"] == "orders-pool" and body["group"] == "shop", body
    assert 1 <= int(answer.headers["Retry-After"]) <= 3, answer.headers
    assert abs(body["since"] - time.time()) < 5 and body["owner"] is None
    # It stays open while they wait: each attempt after the timeout is refuted.
    throughout(lambda: state(daemon, "queue")["state"] in ("open", "half_open"), 3)
    for some in (last, more, clients):
        some.end()


def it_closes_by_what_it_samples_and_everybody_is_told():
    eventually(lambda: state(daemon, "queue")["state"] == "closed", what="closed again")
    page = daemon.page()
    labels = {"breaker": "queue", "target": "orders-pool"}
    eventually(lambda: daemon.page().value("circuit_breaker_state", **labels) == 0)
    assert page.value("dbvitals_breaker_transitions_total", **labels, **{"from": "closed",
                                                                         "to": "open"}) == 1
    assert page.value("dbvitals_breaker_open_seconds_total", **labels) > 2
    assert page.value("dbvitals_breaker_state", state="closed", **labels) in (0, 1)
    hooks = eventually(lambda: (found := told()) and len(found) == 2 and found, what="both hooks")
    assert hooks[0][0] == ["shed"] and hooks[1][0] == ["restore"], hooks
    assert hooks[0][1] == {"DBVITALS_EVENT": "breaker_open", "DBVITALS_BREAKER": "queue",
                           "DBVITALS_STATE": "open", "DBVITALS_REASON": "waiting_clients",
                           "DBVITALS_CIRCUIT": "all", "DBVITALS_TARGET": "orders-pool",
                           "DBVITALS_CLUSTER": "orders", "DBVITALS_GROUP": "shop"}, hooks[0][1]
    assert hooks[0][2]["event"] == "breaker_open" and hooks[0][2]["name"] == "queue"
    assert hooks[1][1]["DBVITALS_EVENT"] == "breaker_close"
    eventually(lambda: key() is None, what="the key is gone")
    assert daemon.logged("breaker 'queue' is open, it was closed: waiting_clients")


def reports_open_one_and_exactly_half_of_the_calls_pass():
    path = "/api/v1/breakers/calls/report"
    for _ in range(4):
        assert daemon.get(path, "POST", body='{"success": false}').status == 200
    assert ask(daemon, "calls").status == 200
    answer = daemon.get(path, "POST", body='{"success": false, "duration": 0.2}')
    assert answer.json["state"] == "open" and answer.json["reason"] == "consecutive_failures"
    assert ask(daemon, "calls").status == 503
    eventually(lambda: state(daemon, "calls")["state"] == "half_open", what="half open")
    counts, _, times = shares(daemon, "calls", 1000)
    assert counts == {200: 500, 503: 500}, counts
    print(f"# an ask over HTTP: median {times[500] * 1e6:.0f} us, 99 % {times[990] * 1e6:.0f} us")
    page = daemon.page("dbvitals")
    assert page.value("dbvitals_breaker_calls_total", breaker="calls", outcome="failure") == 5
    bad = daemon.get(path, "POST", body='{"calls": [{"success": true}, {}]}')
    assert bad.status == 400, bad.text
    assert daemon.get(path, "POST", body=json.dumps(
        {"calls": [{"success": True, "duration": 0.01}] * 990})).status == 200
    assert state(daemon, "calls")["state"] == "half_open"


def an_expression_opens_one_and_closes_it():
    assert state(daemon, "rule")["state"] == "closed"
    port = SANDBOX.servers["redis"]["port"]
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    eventually(lambda: state(daemon, "rule")["reason"] == "expression", what="open")
    for one in held:
        one.close()
    eventually(lambda: state(daemon, "rule")["state"] == "closed", what="closed")


def orders_are_for_the_socket_and_survive_a_kill():
    refused = daemon.get("/api/v1/breakers/held", "POST", body='{"order": "force_open"}')
    assert refused.status == 403 and "dbvitals breaker" in refused.json["error"], refused.text
    done = order(daemon, "held", "force_open")
    assert done["state"] == "forced_open" and done["persistent"] is True, done
    assert ask(daemon, "held").status == 503
    assert daemon.logged(rf"breaker 'held': force_open \(by uid {os.geteuid()}, pid {os.getpid()}\)")
    daemon.kill()
    daemon.start()
    daemon.wait_ready()
    assert state(daemon, "held")["state"] == "forced_open"
    answer = ask(daemon, "held")
    assert answer.status == 503 and answer.json["reason"] == "operator", answer.text
    # What was not forced and not closed is found out anew.
    assert state(daemon, "calls")["state"] in ("open", "half_open")
    eventually(lambda: daemon.page().value("dbvitals_breaker_forced", breaker="held",
                                           target="orders-1") == 1)
    assert order(daemon, "held", "lift")["state"] == "closed"
    assert ask(daemon, "held").status == 200


def a_damaged_file_is_set_aside():
    order(daemon, "held", "disable")
    daemon.end(0)
    path = os.path.join(daemon.folder, "storage", "breakers.state")
    with open(path, "r+b") as saved:
        saved.seek(-3, os.SEEK_END)
        saved.write(b"???")
    daemon.start()
    daemon.wait_ready()
    assert daemon.logged("breakers '.*' are not used: its checksum is wrong")
    assert os.path.exists(path + ".bad-1")
    assert state(daemon, "held")["state"] == "closed"


def the_key_names_its_owner_and_ends_with_the_daemon():
    listener = Listener()
    order(daemon, "queue", "force_open")
    found = eventually(key, what="the key")
    assert found["owner"] == "one:1" and found["state"] == "open", found
    assert 0 < int(SANDBOX.redis("PTTL", "b:queue")) <= 4000
    throughout(lambda: key() is not None, 6, "it is written again before its time is over")
    daemon.kill()
    begin = time.monotonic()
    eventually(lambda: key() is None, 6, "the key is gone")
    print(f"# the key went {time.monotonic() - begin:.1f} s after the kill, ttl 4 s")
    daemon.start()
    daemon.wait_ready()
    assert state(daemon, "queue")["state"] == "forced_open"
    eventually(key, what="it is published again")
    order(daemon, "queue", "lift")
    eventually(lambda: key() is None, 3, "the key is taken away")
    # Once for each change: not when it is written again, and once more by the daemon that came back.
    eventually(lambda: listener.states("queue") == ["open", "open", "closed"], what="all is told")
    listener.end()


def two_monitors_agree():
    other = Daemon(config(QUEUE), flags=["--web.external-url=http://two:2"])
    other.wait_ready()
    order(daemon, "queue", "force_open")
    answer = eventually(lambda: (found := ask(other, "queue")).status == 503 and found)
    body = answer.json
    assert body["state"] == "open" and body["owner"] == "one:1", body
    assert body["own_state"] == "closed" and body["reason"] == "operator", body
    assert 1 <= int(answer.headers["Retry-After"]) <= 4
    throughout(lambda: (key() or {"owner": "one:1"})["owner"] == "one:1", 3,
               "the other never writes it")
    # Its owner dies: the other goes on until the key's time is over, and says yes again.
    daemon.kill()
    assert ask(other, "queue").status == 503
    eventually(lambda: ask(other, "queue").status == 200, 8, "it ends with its time to live")
    assert key() is None
    # Both hold it: one writes, and the other takes over when that one lets go.
    order(other, "queue", "force_open")
    eventually(lambda: (key() or {}).get("owner") == "two:2", what="the other's")
    daemon.start()
    daemon.wait_ready()
    assert state(daemon, "queue")["own_state"] == "forced_open"
    order(other, "queue", "lift")
    eventually(lambda: (key() or {}).get("owner") == "one:1", what="taken over")
    assert ask(other, "queue").status in (200, 503)
    eventually(lambda: state(other, "queue")["owner"] == "one:1", what="and honoured")
    order(daemon, "queue", "lift")
    eventually(lambda: ask(other, "queue").status == 200 and ask(daemon, "queue").status == 200)
    # What somebody else put there harms nobody.
    SANDBOX.redis("SET", "b:queue", "no json at all")
    throughout(lambda: ask(other, "queue").status == 200, 2)
    SANDBOX.redis("DEL", "b:queue")
    other.end(0)


def a_redis_that_is_gone_stops_nothing():
    SANDBOX.control("stop", "redis")
    daemon.wait_down("kv")
    order(daemon, "queue", "force_open")
    assert ask(daemon, "queue").status == 503
    eventually(lambda: daemon.logged("target 'kv', where they are published, cannot be used"))
    SANDBOX.control("start", "redis")
    daemon.wait_up("kv")
    eventually(key, 40, "published as soon as it is back")
    order(daemon, "queue", "lift")
    assert len(daemon.logged("where they are published, cannot be used")) == 1


def a_reload_keeps_states_and_refuses_mistakes():
    order(daemon, "held", "force_closed")
    daemon.write_config(config(QUEUE + MORE).replace("> 40", "> "))
    daemon.reload()
    assert daemon.logged("reload: expression of breaker 'rule': 1:"), daemon.log()[-600:]
    daemon.write_config(config(QUEUE + MORE.replace("name: full", "name: renamed")))
    daemon.reload()
    assert state(daemon, "held")["state"] == "forced_closed"
    assert ask(daemon, "full").status == 404 and ask(daemon, "renamed").status == 200
    order(daemon, "held", "lift")


def the_command_lists_them_and_gives_orders():
    rows = {line.split()[0]: line.split() for line in command(daemon).stdout.splitlines()}
    assert set(rows) == {"NAME", "queue", "renamed", "calls", "rule", "held", "shed"}, rows
    assert rows["held"][1] == "closed" and rows["held"][4:6] == ["write", "orders-1"], rows["held"]
    done = command(daemon, "held", "--force-open")
    assert done.returncode == 0 and "forced_open" in done.stdout, done
    assert ask(daemon, "held").status == 503
    assert "forced_open" in command(daemon, "held").stdout
    assert command(daemon, "held", "--lift").returncode == 0
    assert ask(daemon, "held").status == 200
    for words, part in {("held", "--lift", "--disable"): "one order at a time",
                        ("--lift",): "needs the name", ("hold",): "no such breaker",
                        ("hold", "--lift"): "did you mean 'held'",
                        ("a/b",): "letters, digits"}.items():
        done = command(daemon, *words)
        assert done.returncode == 1 and part in done.stderr and done.stderr.count("\n") == 1, done


def it_stops_cleanly_and_the_command_says_so():
    daemon.end(0)
    done = command(daemon, "held", "--lift")
    assert done.returncode == 1 and "no daemon uses" in done.stderr, done
    good, bad = daemon.config_file, os.path.join(HOME, "bad.yml")
    with open(bad, "w", encoding="utf-8") as file_:
        file_.write("breakers: [{name: a, expression: 'up >'}]")
    assert run("check-config", "--config.file", good).returncode == 0
    done = run("check-config", "--config.file", bad)
    assert done.returncode == 1 and "expression of breaker 'a': 1:" in done.stderr, done


run_tests([
    a_full_pool_sheds_exactly_its_share,
    what_cannot_be_seen_sheds_nothing,
    five_waiting_clients_open_it_within_a_round,
    it_closes_by_what_it_samples_and_everybody_is_told,
    reports_open_one_and_exactly_half_of_the_calls_pass,
    an_expression_opens_one_and_closes_it,
    orders_are_for_the_socket_and_survive_a_kill,
    a_damaged_file_is_set_aside,
    the_key_names_its_owner_and_ends_with_the_daemon,
    two_monitors_agree,
    a_redis_that_is_gone_stops_nothing,
    a_reload_keeps_states_and_refuses_mistakes,
    the_command_lists_them_and_gives_orders,
    it_stops_cleanly_and_the_command_says_so,
])
