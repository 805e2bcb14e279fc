#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy sends clients where the daemon says: by its health checks over HTTP, by its
agent-checks, and by the weights of both."""
import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from harness import _FOLDERS, Daemon, Sandbox, eventually, folder, run_tests, throughout

HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
if HAPROXY is None:
    print("1..0 # SKIP no haproxy here: './dev test' installs it")
    sys.exit(0)

sandbox = Sandbox(only="postgres")
HTTP, AGENT = sandbox.spare_ports[:2]
LAG = "replica lag=5s fallback=primary"


def start_daemon():
    with open(sandbox.config, encoding="utf-8") as file:
        config = file.read().replace("interval: 5s, timeout: 3s", "interval: 600ms, timeout: 550ms")
    return Daemon(config, flags=[f"--web.listen-address=127.0.0.1:{HTTP}",
                                 f"--web.agent-address=127.0.0.1:{AGENT}"])


class Haproxy:
    """In front of both servers; each backend asks in a way of its own."""

    # name: how a server is checked
    BACKENDS = {
        "reads": f"check addr 127.0.0.1 port {HTTP} {{agent}} \"{{name}} {LAG}\\n\"",
        "writes": f"check addr 127.0.0.1 port {HTTP}",
        # Their own check is whether the port is open.
        "agent": f"check {{agent}} \"{{name}} {LAG}\\n\"",
        "roles": "check {agent} \"{name} primary\\n\"",
        "gentle": "check {agent} \"{name} replica lag=5s drain\\n\"",
        "mistaken": "check {agent} \"{name} replica lag=often\\n\"",
        "strangers": "check {agent} \"not-{name} replica\\n\"",
    }
    ASKS = {"reads": "replica?lag=5s&fallback=primary", "writes": "primary"}

    def __init__(self):
        self.folder = folder()
        self.stats = os.path.join(self.folder, "stats")
        text = f"""
global
    stats socket {self.stats} mode 600 level admin
defaults
    mode tcp
    timeout connect 1s
    timeout client 10s
    timeout server 10s
    timeout check 2s
    default-server inter 200ms fall 2 rise 1 weight 100 on-marked-down shutdown-sessions
"""
        for number, (name, check) in enumerate(self.BACKENDS.items()):
            text += f"listen {name}\n    bind {self.folder}/.s.PGSQL.{6000 + number} mode 666\n"
            if name in self.ASKS:
                text += "    option httpchk\n    http-check send meth OPTIONS " \
                    f"uri-lf \"/targets/%[srv_name]/{self.ASKS[name]}\"\n"
            for target, server in (("orders-1", "primary"), ("orders-2", "replica")):
                agent = f"agent-check agent-addr 127.0.0.1 agent-port {AGENT} " \
                    "agent-inter 200ms agent-send"
                text += f"    server {target} 127.0.0.1:{sandbox.servers[server]['port']} " \
                    f"{check.format(agent=agent, name=target)}\n"
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen([HAPROXY, "-db", "-f", path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        _FOLDERS.callback(self.end)
        eventually(lambda: os.path.exists(self.stats), what="HAProxy listens")

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(self.stats)
            client.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    def server(self, backend, name):
        """A row of its statistics."""
        rows = csv.DictReader(self.command("show stat").lstrip("# ").splitlines())
        return next(r for r in rows if r["pxname"] == backend and r["svname"] == name)

    def status(self, backend):
        """What it thinks of both servers, "UP DOWN"; without what it counts."""
        return " ".join(re.sub(r"[^A-Z].*", "", self.server(backend, name)["status"])
                        for name in ("orders-1", "orders-2"))

    def weight(self, backend, name):
        return int(self.server(backend, name)["weight"])

    def is_replica(self, backend):
        """Whether a new client of the backend comes to a replica."""
        port = 6000 + list(self.BACKENDS).index(backend)
        return sandbox.sql("SELECT pg_is_in_recovery()",
                           dsn=f"host={self.folder} port={port} user=monitor dbname=postgres "
                           f"password={sandbox.passwords['monitor']!r}") == [["t"]]

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


daemon = start_daemon()
daemon.wait_up("orders-1", "orders-2")
balancer = Haproxy()


def settles(backend, expected):
    eventually(lambda: balancer.status(backend) == expected,
               what=f"backend {backend} is {expected}, not {balancer.status(backend)}")


def all_is_well():
    for backend in ("reads", "agent", "gentle"):
        settles(backend, "DOWN UP")
    for backend in ("writes", "roles"):
        settles(backend, "UP DOWN")
    eventually(lambda: balancer.weight("agent", "orders-2") >= 95, what="the whole weight")


def lag_begins():
    sandbox.sql("SELECT pg_wal_replay_pause()", server="replica")
    sandbox.sql("CREATE TABLE IF NOT EXISTS moved (n int); INSERT INTO moved VALUES (1)")


def lag_ends():
    sandbox.sql("SELECT pg_wal_replay_resume()", server="replica")


def reads_go_to_the_replica_and_writes_to_the_primary():
    all_is_well()
    for _ in range(5):
        assert balancer.is_replica("reads") and balancer.is_replica("agent")
        assert not balancer.is_replica("writes") and not balancer.is_replica("roles")


def the_daemon_says_the_same_to_people():
    answer = daemon.get("/targets/orders-2/replica?lag=5s")
    assert answer.status == 200 and answer.json["role"] == "replica", answer.text
    assert answer.headers["X-Dbvitals-Weight"] == f"{answer.json['weight']}%"
    assert daemon.get("/targets/orders-1/replica?lag=5s").status == 503
    assert daemon.get("/targets/orders-1/writable").status == 200
    assert daemon.get("/targets/orders-2/read-only?lag=16MB").status == 200
    assert daemon.get("/targets/orders-2/primary").status == 503
    assert daemon.get("/targets/orders-3/primary").status == 404
    # The page is made anew at most once a second.
    eventually(lambda: daemon.page().value("dbvitals_agent_checks_total", outcome="answered") > 0,
               what="checks are counted")


def weights_fall_and_reads_move_to_the_primary_as_a_replica_lags():
    lag_begins()
    weights = set()

    def it_moved():
        weights.add(balancer.weight("agent", "orders-2"))
        return balancer.status("agent") == "UP DOWN"

    eventually(it_moved, what="reads move")
    between = sorted(w for w in weights if 5 < w < 95)
    assert len(between) >= 3, weights
    settles("reads", "UP DOWN")
    assert not balancer.is_replica("reads") and not balancer.is_replica("agent")
    print(f"# weights seen on the way: {sorted(weights)}")
    row = balancer.server("agent", "orders-2")
    assert "s behind, and 5.0 s are allowed" in row["last_agt"], row


def a_backend_that_asked_for_it_drains_meanwhile():
    settles("gentle", "DOWN DRAIN")


def reads_go_back_when_the_replica_has_caught_up():
    lag_ends()
    all_is_well()
    assert balancer.is_replica("reads") and balancer.is_replica("agent")


def a_killed_replica_hands_over_and_comes_back():
    sandbox.control("stop", "replica", "kill")
    settles("reads", "UP DOWN")
    settles("agent", "UP DOWN")
    assert not balancer.is_replica("reads") and not balancer.is_replica("agent")
    sandbox.control("start", "replica")
    all_is_well()


def a_read_only_primary_is_not_writable():
    assert daemon.get("/targets/orders-1/writable").status == 200
    sandbox.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    sandbox.sql("SELECT pg_reload_conf()")
    # Settings are read once a minute, and anew when the target's configuration has changed.
    with open(daemon.config_file, encoding="utf-8") as file:
        daemon.write_config(file.read().replace(
            "cluster: orders\n",
            "cluster: orders\n    collectors: {settings: {interval: 1s}}\n", 1))
    daemon.reload()
    eventually(lambda: daemon.get("/targets/orders-1/writable").status == 503, what="no writes")
    assert daemon.get("/targets/orders-1/primary").status == 200
    sandbox.sql("ALTER SYSTEM RESET default_transaction_read_only")
    sandbox.sql("SELECT pg_reload_conf()")
    eventually(lambda: daemon.get("/targets/orders-1/writable").status == 200, what="writes again")


def a_hung_primary_stays_the_primary_for_us():
    """We cannot tell it from a line that is cut; balancers have a time-out of their own."""
    sandbox.control("pause", "primary")
    try:
        daemon.wait_down("orders-1")
        assert daemon.get("/targets/orders-1/primary").status == 200
        assert daemon.get("/targets/orders-1/primary?strict").status == 503
        assert balancer.status("roles") == "UP DOWN"
    finally:
        sandbox.control("resume", "primary")
    daemon.wait_up("orders-1")


def a_daemon_that_says_nothing_changes_nothing():
    all_is_well()
    daemon.signal(signal.SIGSTOP)
    try:
        throughout(lambda: (balancer.status("agent"), balancer.status("roles")) ==
                   ("DOWN UP", "UP DOWN"), 2, "HAProxy keeps what it was told")
    finally:
        daemon.signal(signal.SIGCONT)
    all_is_well()


def agents_that_ask_nonsense_take_nothing_out():
    assert balancer.status("mistaken") == "UP UP"
    assert balancer.status("strangers") == "UP UP"
    assert daemon.logged("lag should be a time|no target 'not-orders"), daemon.log()[-2000:]


def a_daemon_that_stops_lets_go_of_replicas_but_not_of_roles():
    lag_begins()
    settles("agent", "UP DOWN")
    settles("gentle", "DOWN DRAIN")
    daemon.end(0)
    settles("agent", "UP UP")
    assert balancer.status("gentle") == "DOWN UP", balancer.status("gentle")
    throughout(lambda: balancer.status("roles") == "UP DOWN", 1, "writes stay")
    lag_ends()
    daemon.start()
    all_is_well()


def it_stops_at_once_when_nobody_waits():
    begin = time.monotonic()
    daemon.end(0)
    assert time.monotonic() - begin < 2.5, daemon.log()[-1000:]


run_tests([
    reads_go_to_the_replica_and_writes_to_the_primary,
    the_daemon_says_the_same_to_people,
    weights_fall_and_reads_move_to_the_primary_as_a_replica_lags,
    a_backend_that_asked_for_it_drains_meanwhile,
    reads_go_back_when_the_replica_has_caught_up,
    a_killed_replica_hands_over_and_comes_back,
    a_read_only_primary_is_not_writable,
    a_hung_primary_stays_the_primary_for_us,
    a_daemon_that_says_nothing_changes_nothing,
    agents_that_ask_nonsense_take_nothing_out,
    a_daemon_that_stops_lets_go_of_replicas_but_not_of_roles,
    it_stops_at_once_when_nobody_waits,
])
