#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that stop, hang, die, come back, refuse, or talk nonsense: the target shows it, nothing
else suffers, and it recovers by itself."""
import os
import socket
import struct
import subprocess
import time

from harness import Daemon, FakeServer, Sandbox, eventually, run_tests, throughout

sandbox = Sandbox()
TARGETS = {"orders-1": "primary", "orders-2": "replica", "orders-pool": "pgbouncer",
           "cache-1": "redis", "cache-2": "redis-replica", "cache-sentinel": "sentinel"}
# Of /proc/net/tcp.
TCP_STATES = {"01": "established", "02": "syn-sent", "04": "fin-wait-1", "05": "fin-wait-2",
              "06": "time-wait", "07": "closed", "08": "close-wait", "09": "last-ack",
              "0B": "closing"}


def configured(interval="500ms", timeout="400ms"):
    with open(sandbox.config, encoding="utf-8") as file:
        return file.read().replace("interval: 5s, timeout: 3s",
                                   f"interval: {interval}, timeout: {timeout}")


daemon = Daemon(configured())
# Asked every five minutes: one whose turn falls into an outage has the next one after this test.
SELDOM = {"table_sizes"}


def slowest(path, times=60):
    """The worst answer of so many, in seconds; the 99th percentile of a few dozen is the worst."""
    return max(daemon.get(path).own for _ in range(times))


def a_killed_server_is_down_at_once_and_comes_back():
    daemon.wait_up(*TARGETS)
    for target, server in TARGETS.items():
        sandbox.control("stop", server, "kill")
        daemon.wait_down(target, seconds=5)
        page = daemon.page(target)
        ours = ("dbvitals_", "circuit_", "pg_exporter_", "pg_scrape_", "redis_exporter_",
                "redis_target_scrape_")
        left = {n for n in page.names() if not n.startswith(ours)}
        assert len(left) == 1 and left.pop().endswith("_up"), (target, page.names())
        assert page.find("dbvitals_target_errors_total"), target
        sandbox.control("start", server)
        daemon.wait_up(target)


def a_lost_connection_is_noticed_before_the_next_round():
    slow = Daemon(configured(interval="30s", timeout="3s"))
    slow.wait_up("cache-1", "orders-1")
    for target, server in (("cache-1", "redis"), ("orders-1", "primary")):
        sandbox.control("stop", server, "kill")
        slow.wait_down(target, seconds=4)
        sandbox.control("start", server)
    slow.end(0)


def stopped_servers_do_not_delay_answers():
    daemon.wait_up(*TARGETS)
    for server in TARGETS.values():
        sandbox.control("pause", server)
    daemon.wait_down(*TARGETS)
    limit = 0.010 if "asan" not in os.environ.get("DBVITALS", "") else 0.100
    # A loaded machine may delay a single answer: one calm series of three is enough.
    for path in ("/metrics", "/healthz"):
        eventually(lambda p=path: slowest(p) < limit, 10, f"{path} within {limit} s")
    reasons = {p["target"]: p["reason"]
               for p, _ in daemon.page().find("dbvitals_target_errors_total", reason="timeout")}
    assert set(reasons) == set(TARGETS), reasons


def inodes(pid):
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:["):
            found.add(link[8:-1])
    return found


def connections():
    """The daemon's TCP connections as {inode: (port of the other side, state)}. By inode, because
    the kernel repeats the last lines of this file for who reads on while the table grows."""
    pid, found = daemon.process.pid, {}
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        for fields in (line.split() for line in table.readlines()[1:]):
            found[fields[9]] = (int(fields[2].split(":")[1], 16), TCP_STATES.get(fields[3], fields[3]))
    ours = inodes(pid)
    return {inode: what for inode, what in found.items() if inode in ours}


def a_stopped_server_does_not_collect_our_connections():
    names = {sandbox.servers[server]["port"]: target for target, server in TARGETS.items()}
    before = {target: rounds_of(target) for target in TARGETS}
    most = {target: [] for target in TARGETS}

    def time_to_pile_up():
        now = {target: [] for target in TARGETS}
        for inode, (port, state) in connections().items():
            if port in names:
                now[names[port]].append(f"{state} {inode}")
        for target, sockets in now.items():
            most[target] = max(most[target], sockets, key=len)
        return all(rounds_of(t) >= before[t] + 5 for t in TARGETS)

    eventually(time_to_pile_up, what="five rounds of each")
    for target, sockets in most.items():
        assert 1 <= len(sockets) <= 2, (target, sockets, [
            line for line in daemon.log().splitlines() if f"'{target}'" in line][-40:])


def rounds_of(target):
    return daemon.page(target).value("dbvitals_rounds_total")


def resumed_servers_are_up_again():
    for server in TARGETS.values():
        sandbox.control("resume", server)
    daemon.wait_up(*TARGETS)


def health_is_503_while_a_required_target_is_down():
    sandbox.control("stop", "redis-replica")
    daemon.wait_down("cache-2")
    answer = daemon.get("/health")
    assert answer.status == 503 and answer.headers["Retry-After"], answer.text
    sandbox.control("start", "redis-replica")
    daemon.wait_up("cache-2")
    assert daemon.get("/health").status == 200


def state_changes_are_said_once():
    before = len(daemon.logged(r"target 'cache-2': went down"))
    said = len(daemon.logged(r"target 'cache-2': still down"))
    sandbox.control("stop", "redis-replica")
    daemon.wait_down("cache-2")
    rounds = daemon.page("cache-2").value("dbvitals_rounds_total")
    eventually(lambda: daemon.page("cache-2").value("dbvitals_rounds_total") > rounds + 6)
    assert len(daemon.logged(r"target 'cache-2': went down")) == before + 1
    assert len(daemon.logged(r"target 'cache-2': still down")) <= said + 1
    page = daemon.page("cache-2")
    assert page.value("circuit_breaker_state", breaker="sampling") == 1
    sandbox.control("start", "redis-replica")
    daemon.wait_up("cache-2")
    assert daemon.page("cache-2").value("circuit_breaker_state", breaker="sampling") == 0


def rounds_take_their_time():
    """In the cases that follow nothing may be late that only a busy machine delays."""
    daemon.write_config(configured("2s", "1900ms"))
    daemon.reload()
    daemon.wait_up("orders-1")


def a_collector_behind_a_lock_fails_alone():
    rounds_take_their_time()
    locker = subprocess.Popen(
        ["psql", "-Xq", "-d", sandbox.servers["primary"]["dsn_super"]], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    locker.stdin.write("BEGIN; LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE;\n"
                       "\\echo locked\n")
    locker.stdin.flush()
    assert locker.stdout.readline().strip() == "locked"
    try:
        eventually(lambda: [p for p, v in daemon.page("orders-1").find(
            "dbvitals_collector_errors_total") if p["reason"] in ("lock", "timeout")],
            what="a collector reports the lock")
        throughout(lambda: daemon.up("orders-1") == 1, 3, "the target stays up")
        assert daemon.page("orders-1").value("pg_replication_is_replica") == 0
    finally:
        locker.stdin.close()
        locker.wait(10)

    def failing():
        return [p["collector"] for p, v in daemon.page("orders-1").find("dbvitals_collector_success")
                if v != 1 and p["collector"] not in SELDOM]
    # One that is asked each minute may have failed here, and on a busy machine once more.
    eventually(lambda: not failing(), 200, f"every collector works again; {failing()} did not")


def an_ended_backend_is_replaced_without_going_down():
    downs = len(daemon.logged(r"target 'orders-1': went down"))
    opened = daemon.page("orders-1").value("dbvitals_connections_opened_total")
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'dbvitals'")
    eventually(lambda: daemon.page("orders-1").value("dbvitals_connections_opened_total") > opened)
    daemon.wait_up("orders-1")
    assert len(daemon.logged(r"target 'orders-1': went down")) == downs


def no_connection_left_is_a_reason():
    sandbox.sql("ALTER ROLE monitor CONNECTION LIMIT 0")
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'dbvitals'")
    daemon.wait_down("orders-1")
    eventually(lambda: daemon.page("orders-1").find("dbvitals_target_errors_total",
                                                    reason="connections"),
               what=f"the reason: {daemon.page('orders-1').find('dbvitals_target_errors_total')}")
    sandbox.sql("ALTER ROLE monitor CONNECTION LIMIT -1")
    daemon.wait_up("orders-1")


def fake(kind, port):
    address = f'dsn: "postgresql://m:x@127.0.0.1:{port}/d?sslmode=disable"' \
        if kind != "redis" else f'url: "redis://127.0.0.1:{port}"'
    return (f"global: {{interval: 500ms, timeout: 400ms}}\n"
            f"targets: [{{name: fake, type: {kind}, {address}}}]\n")


def garbage(peer):
    peer.recv(4096)
    peer.sendall(os.urandom(4096))


def hangs_up(peer):
    peer.close()


def endless(peer):
    """Redis: one reply that never ends."""
    peer.recv(4096)
    peer.sendall(b"$1000000000\r\n")
    while True:
        peer.sendall(b"x" * 65536)


def huge_list(peer):
    peer.recv(4096)
    peer.sendall(b"*2147483647\r\n")
    peer.recv(4096)
    time.sleep(60)


def half_a_reply(peer):
    """Redis: greets, then dies in the middle of INFO."""
    while True:
        request = peer.recv(4096)
        if b"INFO" in request:
            peer.sendall(b"$5000\r\nredis_version:7.0.0\r\n")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            return
        peer.sendall(b"+OK\r\n" * request.count(b"SETNAME") + b"+PONG\r\n" * request.count(b"PING"))


def silence(peer):
    peer.recv(4096)
    time.sleep(60)


def nonsense_is_down_with_a_reason_and_does_no_harm():
    cases = [("redis", garbage, {"protocol", "closed"}), ("redis", hangs_up, {"closed", "refused"}),
             ("redis", endless, {"too_large", "timeout", "protocol"}),
             ("redis", huge_list, {"too_large", "protocol"}),
             ("redis", half_a_reply, {"closed"}), ("redis", silence, {"timeout"}),
             ("postgres", garbage, {"protocol", "closed", "query"}),
             ("postgres", hangs_up, {"closed", "refused"}), ("postgres", silence, {"timeout"}),
             ("pgbouncer", garbage, {"protocol", "closed", "query"}),
             ("pgbouncer", silence, {"timeout"})]
    for kind, behaviour, reasons in cases:
        server = FakeServer(behaviour)
        victim = Daemon(fake(kind, server.port))
        found = eventually(lambda v=victim: v.page("fake").find("dbvitals_target_errors_total"),
                           what=f"{kind} {behaviour.__name__}")
        shown = {p["reason"] for p, _ in found}
        assert shown & reasons, (kind, behaviour.__name__, shown, victim.log()[-1500:])
        assert victim.get("/healthz").status == 200
        resident = victim.page().value("process_resident_memory_bytes", target="dbvitals")
        assert resident < 600e6, (kind, behaviour.__name__, resident)
        victim.end(0)
        server.end()


def a_wrong_password_is_a_reason():
    port = sandbox.servers["primary"]["port"]
    redis = sandbox.servers["redis"]["port"]
    console = sandbox.servers["pgbouncer"]["port"]
    wrong = Daemon("global: {interval: 500ms, timeout: 400ms}\ntargets:\n"
                   f"  - {{name: pg, type: postgres, password: wrong, dsn: "
                   f'"postgresql://monitor@127.0.0.1:{port}/postgres"}}\n'
                   f"  - {{name: cache, type: redis, password: wrong, url: "
                   f'"redis://monitor@127.0.0.1:{redis}"}}\n'
                   f"  - {{name: pool, type: pgbouncer, password: wrong, dsn: "
                   f'"postgresql://stats@127.0.0.1:{console}/pgbouncer"}}\n')
    for target in ("pg", "cache", "pool"):
        eventually(lambda t=target: wrong.page(t).find("dbvitals_target_errors_total",
                                                       reason="auth"), what=target)
    wrong.end(0)


def no_tls_here(peer):
    """PostgreSQL without TLS: N to the client that asks for it."""
    peer.recv(8)
    peer.sendall(b"N")
    peer.recv(4096)


def refused_tls_is_a_reason():
    server = FakeServer(no_tls_here)
    plain = Daemon(fake("postgres", server.port).replace("sslmode=disable", "sslmode=require"))
    eventually(lambda: plain.page("fake").find("dbvitals_target_errors_total", reason="tls"),
               what="tls is the reason")
    plain.end(0)


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    a_killed_server_is_down_at_once_and_comes_back,
    a_lost_connection_is_noticed_before_the_next_round,
    stopped_servers_do_not_delay_answers,
    a_stopped_server_does_not_collect_our_connections,
    resumed_servers_are_up_again,
    health_is_503_while_a_required_target_is_down,
    state_changes_are_said_once,
    a_collector_behind_a_lock_fails_alone,
    an_ended_backend_is_replaced_without_going_down,
    no_connection_left_is_a_reason,
    nonsense_is_down_with_a_reason_and_does_no_harm,
    a_wrong_password_is_a_reason,
    refused_tls_is_a_reason,
    it_stops_cleanly,
])
