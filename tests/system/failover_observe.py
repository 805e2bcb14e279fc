#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a daemon that only observes says of real outages, which the tests of failovers that act do not
show: when the verdict comes, which entry the journal has of each outage, and what is told of it.  Each
case prints its number in the fault matrix, what is expected and what was seen."""
import json
import os
import re
import struct
import time

from harness import Daemon, Sandbox, eventually, run, run_tests, throughout
from proxy import Proxy

WINDOW = 1.5  # failures: 3, interval: 500ms
SLACK = 0.5

sandbox = Sandbox(only="postgres,redis,redis-replica")
proxy = Proxy(sandbox.servers["primary"]["port"])


class Watcher(Daemon):
    """A daemon that observes, and what it says of one cluster."""

    def __init__(self, through_proxy=False):
        with open(sandbox.config, encoding="utf-8") as file:
            text = file.read()
        if through_proxy:
            text = text.replace(f":{proxy.upstream}/", f":{proxy.port}/")
        super().__init__(text + "failover: [{cluster: orders}, {cluster: cache}]\n")
        self.cluster = "orders"
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
    watcher.healthy()
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
    sandbox.control("start", "primary")


def row_1_a_killed_primary_is_dead_in_time():
    timed_death(1, "kill", WINDOW + SLACK)


def row_2_an_immediate_stop_is_a_death():
    # While it ends it turns us away with an answer, after which counting starts anew.
    timed_death(2, "immediate", WINDOW + 2 * SLACK)


def row_24_a_death_while_the_monitor_is_away_is_seen():
    watcher.healthy()
    before = watcher.entries()
    watcher.wait_view()
    watcher.kill()
    sandbox.control("stop", "primary", "kill")
    watcher.start()
    watcher.mark = 0
    watcher.wait("dead")
    eventually(lambda: watcher.entries() == before + 1, what="one entry of the journal")
    assert watcher.plans[0]["new_primary"] == "orders-2", watcher.plans[0]
    show(24, "dead", watcher)
    sandbox.control("start", "primary")


def row_22_flapping_is_told_once_an_outage():
    watcher.healthy()
    before = watcher.entries()
    flaps = 0
    end = time.monotonic() + 10
    while time.monotonic() < end:
        sandbox.control("stop", "primary", "immediate")
        throughout(lambda: True, 2)  # longer than the window
        sandbox.control("start", "primary")
        flaps += 1
        throughout(lambda: True, 1)
    watcher.wait("healthy")
    seen = watcher.seen()
    print(f"# row 22: expected no more entries than outages of the window; seen {flaps} flaps, "
          f"{seen.count('dead')} deaths, {watcher.entries() - before} entries", flush=True)
    assert 1 <= watcher.entries() - before <= seen.count("dead") <= flaps


def receiver_timeout(value):
    sandbox.sql(f"ALTER SYSTEM {value}", server="replica")
    sandbox.sql("SELECT pg_reload_conf()", server="replica")


def row_6_without_writes_a_receiver_hears_nothing_for_long():
    """By default for half a minute; the cases of Redis go on meanwhile."""
    global watcher, since  # pylint: disable=global-statement
    watcher.end(0)
    receiver_timeout("SET wal_receiver_timeout = '60s'")
    watcher = Watcher(through_proxy=True)
    watcher.healthy()
    mark = watcher.mark
    proxy.set("drop")
    watcher.wait("unreachable")
    since = time.monotonic(), mark


def row_35_a_killed_redis_is_dead_after_its_grace():
    watcher.cluster = "cache"
    watcher.healthy()
    start = time.monotonic()
    sandbox.control("stop", "redis", "kill")
    stopped = time.monotonic()
    throughout(lambda: watcher.verdict() != "dead", 9, "not before the grace is over")
    watcher.wait("dead")
    end = time.monotonic()
    show(35, "dead", watcher, f"; {end - start:.2f} s after the kill was asked for, "
         f"{stopped - start:.2f} s of them the kill itself")
    assert end - start >= 10 and end - stopped < 10 + SLACK + 0.5, (start, stopped, end)
    eventually(lambda: watcher.entries() == 1, what="one entry of the journal")
    sandbox.control("start", "redis")


def row_37_a_redis_that_comes_back_in_time_is_not():
    watcher.healthy()
    for _ in range(2):
        sandbox.control("stop", "redis", "kill")
        time.sleep(3)
        sandbox.control("start", "redis")
        watcher.wait("healthy")
    show(37, "not dead", watcher)
    assert watcher.entries() == 1
    watcher.healthy()


def the_command_lists_what_the_api_says():
    done = run("failover", "list", "--url", f"http://{watcher.address}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cache +healthy +cache-1 +cache-2", done.stdout, re.M), done.stdout
    done = run("failover", "list", "--format", "json", "--url", f"http://{watcher.address}")
    assert done.returncode == 0 and isinstance(json.loads(done.stdout), list), done.stdout
    # The page is made anew at most once a second.
    eventually(lambda: watcher.page().value("dbvitals_failover_candidate", cluster="cache",
                                            member="cache-2") == 1, what="the candidate")
    page = watcher.page()
    assert page.value("dbvitals_failover_verdict", cluster="cache", verdict="healthy") == 1
    assert page.value("dbvitals_failover_verdict", cluster="cache", verdict="dead") == 0
    assert page.value("dbvitals_failover_primary", cluster="cache", member="cache-1") == 1


def a_damaged_journal_is_set_aside():
    watcher.end(0)
    storage = os.path.join(watcher.folder, "storage")
    with open(os.path.join(storage, "failover.journal"), "r+b") as file:
        file.seek(40)
        file.write(b"\x00\xff\x00\xff")
    watcher.start()
    watcher.wait("healthy")
    assert watcher.entries() == 0
    # Whether a failover is under way nobody knows: it takes an acknowledgement.
    lost = watcher.get("/api/v1/failover").json["data"]["plans"][0]
    assert lost["state"] == "failed" and not watcher.state()["ready"]["acknowledged"], lost
    done = run("failover", "ack", lost["id"], "--storage.path", storage)
    assert done.returncode == 0, done.stderr
    watcher.healthy()
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
    watcher.end(0)
    path = os.path.join(watcher.folder, "storage", "failover.journal")
    whole, count = a_full_journal()
    with open(path, "wb") as file:
        file.write(whole)
    with open(path + ".new", "wb") as file:  # as a crash leaves it
        file.write(whole[:1000])
    watcher.start()
    watcher.cluster = "cache"
    watcher.healthy()  # and ready: its journal has room again
    said = re.search(r"shortened to (\d+) bytes, (\d+) of (\d+) plans are kept", watcher.log())
    size = os.stat(path).st_size
    print(f"# {len(whole)} bytes, {count + 1} plans: {said and said[0]}; {size} bytes", flush=True)
    assert said and int(said[1]) == size < 4 << 20 and int(said[3]) == count + 1, watcher.log()
    assert not os.path.exists(path + ".new")
    eventually(lambda: watcher.page().value("dbvitals_failover_plans", cluster="cache",
                                            state="would_have") == count, what="the count")
    page = watcher.page()
    assert page.value("dbvitals_failover_plans", cluster="cache", state="closed") == 1
    assert page.value("dbvitals_failover_last_lost_bytes", cluster="cache") == 4096
    assert page.value("dbvitals_failover_last_timestamp_seconds", cluster="cache") == 2


def row_6_and_is_believed_as_long():
    watcher.cluster = "orders"
    start, watcher.mark = since
    throughout(lambda: watcher.verdict() == "unreachable", max(1, start + 40 - time.monotonic()),
               "unreachable")
    seen = show("6 dropped, no writes", "unreachable", watcher,
                f" for {time.monotonic() - start:.0f} s")
    assert seen[-1] == "unreachable" and seen.count("unreachable") == 1, seen
    proxy.set("pass")
    receiver_timeout("RESET wal_receiver_timeout")
    watcher.healthy()


run_tests([
    row_1_a_killed_primary_is_dead_in_time,
    row_2_an_immediate_stop_is_a_death,
    row_24_a_death_while_the_monitor_is_away_is_seen,
    row_22_flapping_is_told_once_an_outage,
    row_6_without_writes_a_receiver_hears_nothing_for_long,
    row_35_a_killed_redis_is_dead_after_its_grace,
    row_37_a_redis_that_comes_back_in_time_is_not,
    the_command_lists_what_the_api_says,
    row_6_and_is_believed_as_long,
    a_damaged_journal_is_set_aside,
    a_journal_near_its_limit_is_shortened_at_the_start,
])
