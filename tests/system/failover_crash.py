#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The monitor dies by SIGKILL in the middle of a failover, at every record of its journal (before it is
written, when half of it is, and when it is on the disk and nothing was done about it), and while each
hook runs.  Then it is started again: never a second promotion, no hook a second time, no plan lost; what
was begun waits for people, and what was not begun is judged anew.

All cases run at the start, on a few pairs of servers side by side; each test then says how one went."""
import os
import queue
import signal
import struct
import threading
import time

from harness import DBVITALS, Daemon, eventually, folder, run, run_tests, throughout
from pair import Pair

LANES = 3
SHIM = os.path.join(os.path.dirname(DBVITALS), "tests", "system", "libjournal_shim.so")
assert os.path.exists(SHIM), SHIM
MOMENTS = ("before", "torn", "after")
# What the records of an automatic failover are, in their order: the step that a plan has reached when
# the record is durable.  The seventh is what the failover came to; its step is the sixth's.
RECORDS = ("drafted", "pre", "fence", "look", "promote", "confirm", "confirm", "post", "done")
PROMOTED = RECORDS.index("confirm") + 1  # a monitor that dies at this record or later has promoted
HELD = ("pre", "fence", "promote", "post", "failed")
QUIET_SECONDS = 2.0

# Notes that it was run; waits in the event that is held until it may go on; 'failed' needs a fence that
# fails, 'promote' does what its name says.
HOOK = """#!/bin/sh
printf '%s %s\\n' "$DBVITALS_EVENT" "$DBVITALS_FAILOVER_ID" >>FOLDER/events
if [ "$DBVITALS_EVENT" = "HOLD" ]; then
    tries=0
    while [ ! -e FOLDER/go ] && [ $tries -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    echo "it goes on" && echo "$DBVITALS_EVENT" >>FOLDER/held
fi
case $DBVITALS_EVENT in
fence) [ "HOLD" != failed ] ;;
promote) psql -XAtqw -d 'DSN' -c 'SELECT pg_promote()' >/dev/null && echo promoted >>FOLDER/ended ;;
esac
"""


def until(condition, what, tell=lambda: ""):
    """eventually(), which says how things stood at its end."""
    try:
        eventually(condition, 40, what)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is: {tell()}") from None


class Run:
    """One pair, one daemon, one death of it."""

    def __init__(self, pair, hold="", promote=False, shim=None):
        self.pair, self.folder = pair, folder()
        pair.renew()
        events = [*(["promote"] if promote else []), "pre", "fence", "post", "failed"]
        path = os.path.join(self.folder, "hook")
        with open(path, "w", encoding="ascii") as file:
            file.write(HOOK.replace("FOLDER", self.folder).replace("HOLD", hold)
                       .replace("DSN", pair.servers["replica"]["dsn_super"]))
        os.chmod(path, 0o700)
        hooks = ", ".join(f"{event}: [[{path}]]" for event in events)
        with open(pair.config, encoding="utf-8") as file:
            text = file.read() + ("failover: [{cluster: orders, mode: automatic, hooks: {"
                                  f"{hooks}, timeout: 60s, fence_timeout: 60s}}}}]\n")
        self.daemon = Daemon(text, environment=shim)
        pair.watchers.append(self)
        until(self.is_whole, "healthy and ready", self.state)
        self.daemon.wait_view()

    def state(self):
        data = self.daemon.get("/api/v1/failover").json["data"]
        # Not those that only say why nothing was done: how long that takes depends on the machine.
        self.plans = [plan for plan in data["plans"] if plan["state"] != "would_have"]
        return data["clusters"][0]

    def is_whole(self):
        state = self.state()
        return state["verdict"] == "healthy" and all(state["ready"].values())

    def events(self):
        try:
            with open(os.path.join(self.folder, "events"), encoding="ascii") as file:
                return [tuple(line.split()) for line in file]
        except FileNotFoundError:
            return []

    def restart(self):
        self.daemon.environment = dict(os.environ)
        self.daemon.start()

    def all_plans(self):
        self.state()
        return self.plans

    def all(self):
        return self.state(), self.plans

    def plan(self):
        """The newest one, as (number of plans, its state)."""
        plans = self.all_plans()
        return len(plans), plans[0]["state"] if plans else None

    def stays(self, promotions):
        """The outage is known, and nothing comes of it."""
        wanted = ("done_by_others", "healthy") if promotions else ("dead",)
        until(lambda: self.state()["verdict"] in wanted, f"one of {wanted}", self.state)
        plan, events = self.plan(), self.events()
        throughout(lambda: self.plan() == plan and self.events() == events, QUIET_SECONDS,
                   "nothing happens")
        assert self.pair.promotions() == promotions, self.pair.promotions()

    def listed(self):
        done = run("failover", "list", "--url", f"http://{self.daemon.address}")
        assert done.returncode == 0, done.stderr
        for plan in self.plans:
            assert plan["id"] in done.stdout, done.stdout

    def acknowledge(self):
        plan = self.plans[0]
        done = run("failover", "ack", plan["id"], "--storage.path",
                   os.path.join(self.daemon.folder, "storage"))
        assert done.returncode == 0, done.stdout + done.stderr
        until(lambda: [p["state"] for p in self.all_plans() if p["id"] == plan["id"]] == ["closed"],
              "acknowledged", self.all_plans)

    def finished(self, plans):
        """A new plan has done what was to be done."""
        until(lambda: self.plan() == (plans, "done"), f"{plans} plans, the newest done", self.all)
        assert self.pair.promotions() == 1, self.pair.promotions()

    def no_record_is_lost(self):
        storage = os.path.join(self.daemon.folder, "storage")
        assert not [name for name in os.listdir(storage) if ".bad" in name], os.listdir(storage)
        assert not self.daemon.logged("journal.* damaged"), self.daemon.log()
        assert len(set(self.events())) == len(self.events()), self.events()


def killed_at(record, moment, pair, say):
    path = os.path.join(folder(), "shared")
    with open(path, "wb") as file:
        file.write(struct.pack("qqq", 0, record, MOMENTS.index(moment)))
    it = Run(pair, shim={"LD_PRELOAD": SHIM, "JOURNAL_SHIM_FILE": path, "ASAN_OPTIONS":
                         os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    pair.kill("primary")
    until(lambda: it.daemon.process.poll() is not None, "the monitor dies", it.all)
    assert it.daemon.process.returncode == -signal.SIGKILL, it.daemon.log()[-2000:]
    with open(path, "rb") as file:
        assert struct.unpack("qqq", file.read())[0] == record
    promotions = int(record >= PROMOTED)
    if promotions:  # a server that was told takes its time
        until(lambda: pair.promotions() == 1, "promoted")
    assert pair.promotions() == promotions, pair.promotions()
    durable = record - (moment != "after")
    it.restart()
    if durable < 2:  # nothing was begun: the plan is withdrawn if there is one, and a new one made
        it.finished(1 + durable)
        assert [p["state"] for p in it.plans[1:]] == ["withdrawn"] * durable, it.plans
    else:
        state = "done" if durable == len(RECORDS) else "unknown"
        until(lambda: it.plan() == (1, state), f"one plan, {state}", it.all)
        steps = [note["step"] for note in it.plans[0]["notes"]]
        assert state == "done" or steps[-1] == RECORDS[durable - 1], it.plans
        it.stays(promotions)
    say(f"{len(it.plans)} plan(s), {it.plan()[1]}, {pair.promotions()} promotion(s)")
    it.listed()
    if durable >= 2:
        it.acknowledge()
        if promotions:
            it.stays(1)
        else:
            it.finished(2)
        say(f"after ack {pair.promotions()} promotion(s)")
    it.no_record_is_lost()
    it.daemon.end(0)


def killed_in_hook(held, pair, say):
    it = Run(pair, hold=held, promote=True)
    pair.kill("primary")
    until(lambda: it.events() and it.events()[-1][0] == held, f"hook {held} runs", it.all)
    it.daemon.kill()
    events = it.events()
    with open(os.path.join(it.folder, "go"), "wb"):
        pass
    # It does not die with the monitor, nor of what it writes then.
    until(lambda: os.path.exists(os.path.join(it.folder, "held")), "it goes on")
    if held == "promote":
        until(lambda: os.path.exists(os.path.join(it.folder, "ended")), "its end")
    it.restart()
    promotions = int(held in ("promote", "post"))
    until(lambda: it.plan() == (1, "unknown"), "one plan, unknown", it.all)
    it.stays(promotions)
    assert it.events() == events, it.events()
    say(f"hooks {' '.join(event for event, _ in events)}; {pair.promotions()} promotion(s)")
    it.listed()
    it.no_record_is_lost()
    it.daemon.end(0)


# ---- all cases, side by side ----

CASES = {}
for number, step in enumerate(RECORDS, 1):
    name = "outcome" if number == 7 else step
    for when in MOMENTS if number in (1, 5) else MOMENTS[1:]:
        CASES[f"killed at record {number}, {name}, {when}"] = \
            lambda pair, say, n=number, w=when: killed_at(n, w, pair, say)
for event in HELD:
    CASES[f"killed in hook {event}"] = lambda pair, say, e=event: killed_in_hook(e, pair, say)


def lane(pair, waiting, results):
    while True:
        try:
            title = waiting.get_nowait()
        except queue.Empty:
            return
        said, began, problem = [], time.monotonic(), None
        try:
            CASES[title](pair, said.append)
        except BaseException as raised:  # noqa: BLE001 - its test raises it again
            problem = raised
        for watcher in pair.watchers:  # of a case that failed: it would act in the next one
            watcher.daemon.kill()
        pair.watchers.clear()
        results[title] = (problem, "; ".join(said), time.monotonic() - began)


def run_all():
    waiting, results = queue.Queue(), {}
    for title in CASES:
        waiting.put(title)
    pairs = [Pair() for _ in range(LANES)]
    for pair in pairs:
        pair.watchers = []
    threads = [threading.Thread(target=lane, args=(pair, waiting, results)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of(title, results):
    def test():
        problem, said, seconds = results[title]
        print(f"# {title}: {said} ({seconds:.1f} s)", flush=True)
        if problem is not None:
            raise problem
    test.__name__ = title
    return test


outcome = run_all()
run_tests([test_of(title, outcome) for title in CASES])
