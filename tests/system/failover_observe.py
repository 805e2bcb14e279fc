#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the watch over primaries says of real outages: the verdict that is expected comes, `dead` only
where the primary is, and the journal has one entry for each outage.  Each case prints its number in
the fault matrix, what is expected and what was seen."""
import json
import os
import re
import signal
import struct
import time

from harness import Daemon, Sandbox, eventually, run, run_tests, throughout
from proxy import Proxy

WINDOW = 1.5  # failures: 3, interval: 500ms
SLACK = 0.5

sandbox = Sandbox(only="postgres,redis,redis-replica")
proxies = {name: Proxy(sandbox.servers[name]["port"]) for name in ("primary", "replica")}


def configuration(through_proxies=False):
    with open(sandbox.config, encoding="utf-8") as file:
        text = file.read()
    if through_proxies:
        for name, proxy in proxies.items():
            text = text.replace(f":{sandbox.servers[name]['port']}/", f":{proxy.port}/")
    return text + "failover: [{cluster: orders}, {cluster: cache}]\n"


class Watcher(Daemon):
    """A daemon that observes, and what it says of one cluster."""

    def __init__(self, cluster="orders", **more):
        super().__init__(configuration(**more))
        self.cluster = cluster
        self.mark = 0

    def state(self):
        answer = self.get("/api/v1/failover").json
        assert answer["status"] == "success", answer
        self.plans = [p for p in answer["data"]["plans"] if p["cluster"] == self.cluster]
        return [c for c in answer["data"]["clusters"] if c["cluster"] == self.cluster][0]

    def verdict(self):
        return self.state()["verdict"]

    def wait(self, verdict, seconds=20):
        eventually(lambda: self.verdict() == verdict, seconds,
                   f"verdict '{verdict}', it is {self.state()}")

    def healthy(self, seconds=40):
        """Whole again: what is said from now on is of the next fault."""
        eventually(lambda: (lambda s: s["verdict"] == "healthy" and all(s["ready"].values()))(
            self.state()), seconds, f"healthy and ready, it is {self.state()}")
        self.mark = len(self.log())

    def seen(self):
        """All verdicts since then, in their order."""
        return re.findall(rf"cluster '{self.cluster}': was \w+, is (\w+):", self.log()[self.mark:])

    def entries(self):
        """Outages in the journal that are written to their end."""
        self.state()
        assert all(plan["state"] in ("drafted", "would_have") for plan in self.plans), self.plans
        return sum(plan["state"] == "would_have" for plan in self.plans)


def show(row, expected, watcher, more=""):
    seen = watcher.seen()
    print(f"# row {row}: expected {expected}; seen {' '.join(seen) or 'nothing new'}{more}",
          flush=True)
    assert expected == "dead" or "dead" not in seen, seen
    return seen


watcher = Watcher()


def timed_death(row, how, most):
    """most: from the end of the stop on."""
    before = watcher.entries()
    start = time.monotonic()
    sandbox.control("stop", "primary", how)
    stopped = time.monotonic()
    eventually(lambda: re.search(r"cluster 'orders': was \w+, is dead", watcher.log()[watcher.mark:]),
               what="dead")
    took = time.monotonic() - start
    show(row, "dead", watcher, f"; {took:.2f} s after the stop was asked for, "
         f"{stopped - start:.2f} s of them the stop itself")
    assert took - (stopped - start) < most, took
    eventually(lambda: watcher.entries() == before + 1, what="one entry of the journal")
    plan = watcher.plans[0]
    assert (plan["old_primary"], plan["new_primary"]) == ("orders-1", "orders-2"), plan
    assert plan["reason"] == "dead", plan
    assert "would have promoted 'orders-2'" in plan["notes"][-1]["text"], plan
    throughout(lambda: watcher.entries() == before + 1, 2, "one entry per outage")
    sandbox.control("start", "primary")
    watcher.healthy()


def row_1_a_killed_primary_is_dead_in_time():
    watcher.healthy()
    timed_death(1, "kill", WINDOW + SLACK)


def row_2_an_immediate_stop_is_a_death():
    # While it ends it turns us away with an answer, after which counting starts anew.
    timed_death(2, "immediate", WINDOW + 2 * SLACK)


def row_3_a_fast_stop_is_its_operators():
    before = watcher.entries()
    sandbox.control("stop", "primary", "fast")
    watcher.wait("stopped")
    throughout(lambda: watcher.verdict() == "stopped", 3, "stopped")
    show(3, "stopped", watcher)
    assert watcher.entries() == before


def row_53_a_fast_stop_is_remembered_over_a_restart():
    before = watcher.entries()
    watcher.end(0)
    watcher.start()
    watcher.mark = 0
    watcher.wait("stopped")
    throughout(lambda: watcher.verdict() == "stopped", 3, "stopped")
    show(53, "stopped", watcher)
    assert watcher.entries() == before
    sandbox.control("start", "primary")
    watcher.healthy()


def row_4_a_restart_is_no_death():
    sandbox.control("stop", "primary", "fast")
    sandbox.control("start", "primary")
    watcher.wait("healthy")
    show(4, "not dead", watcher)
    watcher.healthy()


def row_24_a_death_while_the_monitor_is_away_is_seen():
    before = watcher.entries()
    view = os.path.join(watcher.folder, "storage", "failover-orders.view")
    since = os.stat(view).st_mtime_ns
    eventually(lambda: os.stat(view).st_mtime_ns > since, what="a view of the whole cluster")
    watcher.kill()
    sandbox.control("stop", "primary", "kill")
    watcher.start()
    watcher.mark = 0
    watcher.wait("dead")
    eventually(lambda: watcher.entries() == before + 1, what="one entry of the journal")
    assert watcher.plans[0]["new_primary"] == "orders-2", watcher.plans[0]
    show(24, "dead", watcher)
    sandbox.control("start", "primary")
    watcher.healthy()


def row_16_a_killed_replica_is_no_death():
    sandbox.control("stop", "replica", "kill")
    eventually(lambda: watcher.state()["candidate"] is None, what="no candidate")
    throughout(lambda: watcher.verdict() == "healthy", 3, "healthy")
    show(16, "healthy, no candidate", watcher)
    sandbox.control("start", "replica")
    watcher.healthy()


def end_our_connections():
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'")


def answers_that_refuse(row, spoil, mend):
    sandbox.sql(spoil)
    try:
        end_our_connections()
        watcher.wait("degraded")
        # A machine that is busy may need longer than an interval to refuse us, once.
        throughout(lambda: watcher.verdict() in ("degraded", "suspect"), 3, "degraded")
        watcher.wait("degraded")
        show(row, "degraded", watcher)
    finally:
        sandbox.sql(mend)
    watcher.healthy()


def row_12_no_connection_left_is_no_death():
    limit = sandbox.sql("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'monitor'")[0][0]
    answers_that_refuse(12, "ALTER ROLE monitor CONNECTION LIMIT 0",
                        f"ALTER ROLE monitor CONNECTION LIMIT {limit}")


def row_13_another_password_is_no_death():
    password = sandbox.passwords["monitor"].replace("'", "''")
    answers_that_refuse(13, "ALTER ROLE monitor PASSWORD 'another'",
                        f"ALTER ROLE monitor PASSWORD E'{password}'".replace("\\", "\\\\"))


def row_11_a_pause_of_a_second_is_no_death():
    sandbox.control("pause", "primary")
    time.sleep(1)
    sandbox.control("resume", "primary")
    watcher.wait("healthy")
    show(11, "not dead", watcher)
    assert "silent" not in watcher.seen()
    watcher.healthy()


def row_9_a_stopped_primary_is_silent():
    """The replica ends its receiver after wal_receiver_timeout; before that it is not lost."""
    before = watcher.entries()
    sandbox.control("pause", "primary")
    watcher.wait("silent", 30)
    eventually(lambda: watcher.entries() == before + 1, what="one entry of the journal")
    assert "only behind a fence" in watcher.plans[0]["notes"][-1]["text"], watcher.plans[0]
    throughout(lambda: watcher.verdict() in ("silent", "unreachable"), 3, "silent")
    show(9, "silent", watcher)
    sandbox.control("resume", "primary")
    watcher.healthy()


def row_22_flapping_is_told_once_an_outage():
    before = watcher.entries()
    flaps = 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        sandbox.control("stop", "primary", "immediate")
        sandbox.control("start", "primary")
        flaps += 1
        throughout(lambda: True, 1)
    watcher.wait("healthy")
    seen = watcher.seen()
    print(f"# row 22: expected no more entries than outages of the window; seen {flaps} flaps, "
          f"{seen.count('dead')} deaths, {watcher.entries() - before} entries", flush=True)
    assert watcher.entries() - before <= seen.count("dead") <= flaps
    watcher.healthy()


def row_26_a_monitor_that_slept_judges_anew():
    watcher.signal(signal.SIGSTOP)
    time.sleep(5)
    watcher.signal(signal.SIGCONT)
    eventually(lambda: "late by" in watcher.log()[watcher.mark:], what="it noticed")
    watcher.wait("healthy")
    throughout(lambda: watcher.verdict() == "healthy", 3, "healthy")
    show(26, "not dead", watcher)


def cut(row, expected, mode, names, seconds):
    for name in names:
        proxies[name].set(mode)
    far.wait(expected)
    throughout(lambda: far.verdict() == expected, seconds, expected)
    show(row, f"{expected} ({mode})", far)
    for name in names:
        proxies[name].set("pass")
    far.healthy()


def row_6_what_replicas_hear_is_unreachable_by_us():
    global far  # pylint: disable=global-statement
    watcher.end(0)
    far = Watcher(through_proxies=True)
    far.healthy()
    cut("6 closed", "unreachable", "closed", ["primary"], 5)
    # By default an idle receiver hears nothing for half a minute.
    sandbox.sql("ALTER SYSTEM SET wal_receiver_timeout = '60s'", server="replica")
    sandbox.sql("SELECT pg_reload_conf()", server="replica")
    cut("6 dropped, no writes", "unreachable", "drop", ["primary"], 40)
    sandbox.sql("ALTER SYSTEM RESET wal_receiver_timeout", server="replica")
    sandbox.sql("SELECT pg_reload_conf()", server="replica")


def row_7_without_anybody_we_are_cut_off():
    cut("7 closed", "cut_off", "closed", ["primary", "replica"], 4)
    cut("7 dropped", "cut_off", "drop", ["primary", "replica"], 4)


def row_35_a_killed_redis_is_dead_after_its_grace():
    global redis  # pylint: disable=global-statement
    far.end(0)
    redis = Watcher(cluster="cache")
    redis.healthy()
    start = time.monotonic()
    sandbox.control("stop", "redis", "kill")
    throughout(lambda: redis.verdict() != "dead", 9, "not before the grace is over")
    redis.wait("dead")
    took = time.monotonic() - start
    show(35, "dead", redis, f"; {took:.2f} s after the kill")
    assert 10 <= took < 10 + SLACK + 0.5, took
    eventually(lambda: redis.entries() == 1, what="one entry of the journal")
    sandbox.control("start", "redis")
    redis.healthy()


def row_37_a_redis_that_comes_back_in_time_is_not():
    for _ in range(2):
        sandbox.control("stop", "redis", "kill")
        time.sleep(3)
        sandbox.control("start", "redis")
        redis.wait("healthy")
    show(37, "not dead", redis)
    assert redis.entries() == 1
    redis.healthy()


def the_command_lists_what_the_api_says():
    done = run("failover", "list", "--url", f"http://{redis.address}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cache +healthy +cache-1 +cache-2", done.stdout, re.M), done.stdout
    done = run("failover", "list", "--format", "json", "--url", f"http://{redis.address}")
    assert done.returncode == 0 and isinstance(json.loads(done.stdout), list), done.stdout
    # The page is made anew at most once a second.
    eventually(lambda: redis.page().value("dbvitals_failover_candidate", cluster="cache",
                                          member="cache-2") == 1, what="the candidate")
    page = redis.page()
    assert page.value("dbvitals_failover_verdict", cluster="cache", verdict="healthy") == 1
    assert page.value("dbvitals_failover_verdict", cluster="cache", verdict="dead") == 0
    assert page.value("dbvitals_failover_primary", cluster="cache", member="cache-1") == 1


def a_damaged_journal_is_set_aside():
    redis.end(0)
    storage = os.path.join(redis.folder, "storage")
    with open(os.path.join(storage, "failover.journal"), "r+b") as file:
        file.seek(40)
        file.write(b"\x00\xff\x00\xff")
    redis.start()
    redis.wait("healthy")
    assert redis.entries() == 0
    # Whether a failover is under way nobody knows: it takes an acknowledgement.
    lost = redis.get("/api/v1/failover").json["data"]["plans"][0]
    assert lost["state"] == "failed" and not redis.state()["ready"]["acknowledged"], lost
    done = run("failover", "ack", lost["id"], "--storage.path", storage)
    assert done.returncode == 0, done.stderr
    redis.healthy()
    assert any(name.startswith("failover.journal.bad-") for name in os.listdir(storage))


def crc32c(text):
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    crc = 0xFFFFFFFF
    for byte in text:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def journal_record(kind, *values):
    """As failover/book.c writes it: version, kind, then numbers and texts."""
    text = struct.pack("<QQ", 1, kind)
    for value in values:
        if isinstance(value, str):
            text += struct.pack("<Q", len(value)) + value.encode()
        else:
            text += struct.pack("<Q", value)
    return struct.pack("<II", len(text), crc32c(text)) + text


def a_full_journal():
    """An acknowledged failover that lost 4096 bytes, then outages that were observed, 15 MiB of them."""
    def draft(name, mode, evidence):
        return journal_record(1, name, "cache", "cache-1", "", "cache-2", "", "dead", evidence, "0",
                              1, mode, 1000)

    def event(name, step, number):
        return journal_record(2, name, step, number, 2000, "")
    whole = b"dbvlog1\n" + draft("old", 2, "") + event("old", 0, 2)
    for step in range(2, 8):  # pre to post: each succeeds
        whole += event("old", step, 3) + (journal_record(3, "old", 1500, 4096, 40) if step == 6 else b"")
    whole += event("old", 9, 8)
    count = 0
    while len(whole) < 15 << 20:
        whole += draft(f"o{count}", 0, "e" * 64000) + event(f"o{count}", 0, 0)
        count += 1
    return whole, count


def a_journal_near_its_limit_is_shortened_at_the_start():
    redis.end(0)
    path = os.path.join(redis.folder, "storage", "failover.journal")
    whole, count = a_full_journal()
    with open(path, "wb") as file:
        file.write(whole)
    with open(path + ".new", "wb") as file:  # as a crash leaves it
        file.write(whole[:1000])
    redis.start()
    redis.healthy()  # and ready: its journal has room again
    said = re.search(r"shortened to (\d+) bytes, (\d+) of (\d+) plans are kept", redis.log())
    size = os.stat(path).st_size
    print(f"# {len(whole)} bytes, {count + 1} plans: {said and said[0]}; {size} bytes", flush=True)
    assert said and int(said[1]) == size < 4 << 20 and int(said[3]) == count + 1, redis.log()
    assert not os.path.exists(path + ".new")
    eventually(lambda: redis.page().value("dbvitals_failover_plans", cluster="cache",
                                          state="would_have") == count, what="the count")
    page = redis.page()
    assert page.value("dbvitals_failover_plans", cluster="cache", state="closed") == 1
    assert page.value("dbvitals_failover_last_lost_bytes", cluster="cache") == 4096
    assert page.value("dbvitals_failover_last_timestamp_seconds", cluster="cache") == 2


def row_19_a_second_primary_is_split_brain_and_then_the_only_one():
    global last  # pylint: disable=global-statement
    redis.end(0)
    last = Watcher()
    last.healthy()
    sandbox.sql("SELECT pg_promote()", server="replica")
    last.wait("split_brain")
    sandbox.control("stop", "primary", "kill")
    last.wait("done_by_others")
    eventually(lambda: last.state()["primary"] == "orders-2", what="adopted")
    show(19, "split_brain, done_by_others", last)
    assert last.entries() == 0
    last.end(0)


run_tests([
    row_1_a_killed_primary_is_dead_in_time,
    row_2_an_immediate_stop_is_a_death,
    row_3_a_fast_stop_is_its_operators,
    row_53_a_fast_stop_is_remembered_over_a_restart,
    row_4_a_restart_is_no_death,
    row_24_a_death_while_the_monitor_is_away_is_seen,
    row_16_a_killed_replica_is_no_death,
    row_12_no_connection_left_is_no_death,
    row_13_another_password_is_no_death,
    row_11_a_pause_of_a_second_is_no_death,
    row_9_a_stopped_primary_is_silent,
    row_22_flapping_is_told_once_an_outage,
    row_26_a_monitor_that_slept_judges_anew,
    row_6_what_replicas_hear_is_unreachable_by_us,
    row_7_without_anybody_we_are_cut_off,
    row_35_a_killed_redis_is_dead_after_its_grace,
    row_37_a_redis_that_comes_back_in_time_is_not,
    the_command_lists_what_the_api_says,
    a_damaged_journal_is_set_aside,
    a_journal_near_its_limit_is_shortened_at_the_start,
    row_19_a_second_primary_is_split_brain_and_then_the_only_one,
])
