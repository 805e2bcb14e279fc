#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Failovers while the monitor itself is in trouble (killed, its clock, its disk, its journal, its
names, its descriptors), and while the primary's disk is full.  Rows of the fault matrix print their
number, what is expected and what was seen."""
import contextlib
import ctypes
import os
import re
import resource
import subprocess
import sys
import time

from failover_fixture import (Actor, Hooks, Preloaded, end_connections, promotions, run_rows, show,
                              stays)
from harness import ROOT, Sandbox, Skip, eventually, folder
from proxy import Proxy

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from name_server import NameServer, Unavailable, wrapper  # noqa: E402

AUTOMATIC = "mode: automatic, unfenced: accept_split_brain"
CLONE_NEWNS = 0x20000

# Mounts of this test are its own, and end with it, whatever happens.
may_mount = os.geteuid() == 0 and ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0 and \
    subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode == 0

sandbox = Sandbox(only="postgres")
proxy = Proxy(sandbox.servers["primary"]["port"])
hooks = Hooks()
HOOKS = hooks.option("pre", "post", "failed")


def mount(path, size, owner=None):
    if not may_mount:
        raise Skip("no right to mount a small file system of its own")
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path],
                   check=True)
    if owner:
        os.chown(path, owner.st_uid, owner.st_gid)


def fill(path):
    """Takes all room of the file system of a folder. Return: the file that holds it."""
    filler = os.path.join(path, "filler")
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            pass
    return filler


def start_primary():
    sandbox.control("start", "primary")


def kill_primary():
    sandbox.control("stop", "primary", "kill")


def no_promotion(seconds, before=0):
    stays(lambda: promotions(sandbox), before, seconds, "promotions")


def an_unchanged_configuration_keeps_what_is_known():
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}")
    actor.whole()
    actor.reload()
    stays(lambda: actor.state()["ready"]["armed"], True, 1, "armed")
    assert actor.log().count("was void") == 1, actor.log()
    actor.end(0)


def row_27_jumps_of_the_clock_promote_nobody():
    clock = Preloaded("clock_shim", "CLOCK_SHIM_FILE")
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", environment=clock.environment)
    actor.whole()
    for hours in (1, -1, 24, -24, 0):
        clock.set(hours * 3600)
        no_promotion(0.7)
    actor.whole()
    show(27, "0 promotions", f"{promotions(sandbox)}, verdicts {' '.join(actor.seen())}")
    assert hooks.runs() == [] and "dead" not in actor.seen() and actor.plans() == []
    actor.end(0)


def announced_maintenance_lasts_as_long_as_was_said_whatever_the_clock_says():
    clock = Preloaded("clock_shim", "CLOCK_SHIM_FILE")
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", environment=clock.environment)
    actor.whole()

    def maintenance():
        return not actor.state()["ready"]["maintenance"]
    actor.order(order="maintenance", cluster="orders", seconds=600)
    clock.set(3600)
    stays(maintenance, True, 1, "maintenance")
    actor.order(order="maintenance", cluster="orders", seconds=4)
    start = time.monotonic()
    clock.set(-3600)
    eventually(lambda: not maintenance(), 60, "its end")
    took = time.monotonic() - start
    show("27 (maintenance)", "it goes on an hour ahead; an hour back it ends after 4 s",
         f"it went on; it ended after {took:.1f} s")
    assert took > 3, took
    actor.end(0)


def row_52_without_names_nobody_is_promoted():
    try:
        names = NameServer("orders.test")
        names.answers = True
        alone = wrapper(folder(), names)
    except Unavailable as reason:
        raise Skip(str(reason)) from None
    port = sandbox.servers["primary"]["port"]
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", wrapper=alone,
                  edit=lambda text: text.replace(f"127.0.0.1:{port}/", f"one.orders.test:{port}/"))
    actor.whole()
    names.answers = False
    end_connections(sandbox)
    no_promotion(6)
    verdict = actor.verdict()
    names.answers = True
    actor.whole()
    show("52 (names)", "0 promotions", f"{promotions(sandbox)}, verdicts {' '.join(actor.seen())}")
    assert verdict != "dead" and "dead" not in actor.seen() and actor.plans() == []
    actor.end(0)
    names.end()


def row_52_without_descriptors_nobody_is_promoted():
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}")
    actor.whole()
    pid = actor.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    end_connections(sandbox)
    # Nobody can be answered meanwhile: the log tells.
    eventually(lambda: re.search(r"is (void|unreachable)", actor.log()) or
               "Too many open files" in actor.log(), what="it says what it lacks")
    no_promotion(6)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    actor.whole()
    show("52 (descriptors)", "0 promotions",
         f"{promotions(sandbox)}, verdicts {' '.join(actor.seen())}")
    assert "dead" not in actor.seen() and actor.plans() == [] and hooks.runs() == []
    actor.end(0)


def row_51_a_witness_that_hears_it_forbids_it():
    near = Actor(sandbox, "mode: observe")
    near.whole()
    port = sandbox.servers["primary"]["port"]
    far = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}, witness: [\"http://{near.address}\"]",
                edit=lambda text: text.replace(f":{port}/", f":{proxy.port}/"))
    far.whole()
    conninfo = sandbox.sql("SHOW primary_conninfo", server="replica")[0][0].replace("'", "''")
    proxy.set("closed")
    for statement in ("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'",
                      "SELECT pg_reload_conf()",
                      "SELECT pg_terminate_backend(pid) FROM pg_stat_wal_receiver"):
        sandbox.sql(statement, server="replica")
    far.wait("unreachable")
    no_promotion(6)
    show(51, "0 promotions", f"{promotions(sandbox)}, verdicts {' '.join(far.seen())}")
    assert "dead" not in far.seen() and far.plans() == [] and hooks.runs() == []
    sandbox.sql(f"ALTER SYSTEM SET primary_conninfo = '{conninfo}'", server="replica")
    sandbox.sql("SELECT pg_reload_conf()", server="replica")
    proxy.set("pass")
    far.end(0)
    near.end(0)


def nothing_is_done_because_of_the_journal(row, actor, seconds):
    """Detection and answers go on, and the reason is told."""
    actor.wait("dead")
    eventually(lambda: not actor.state()["ready"]["journal"], seconds, "the journal is an obstacle")
    no_promotion(4)
    assert hooks.runs() == [], hooks.runs()
    actor.wait("dead")  # a machine that is busy may have lost sight of it in between
    why = re.search(r"failover journal: .*", actor.log())
    show(row, "0 promotions, says why", f"{promotions(sandbox)}; {why and why.group(0)}")
    assert why, actor.log()
    eventually(lambda: actor.page().value("dbvitals_failover_ready", cluster="orders",
                                          reason="journal") == 0, what="the metric")


def row_38_with_a_full_disk_nobody_is_promoted():
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", prepare=lambda path: mount(path, "2m"))
    actor.whole()
    filler = fill(os.path.join(actor.folder, "storage"))
    kill_primary()
    nothing_is_done_because_of_the_journal("38 (full)", actor, 15)
    start_primary()
    os.unlink(filler)
    actor.whole()  # also without a restart
    actor.end(0)


def row_38_with_a_stalled_disk_nobody_is_promoted():
    disk = Preloaded("fsync_shim", "FSYNC_SHIM_FILE")
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", environment=disk.environment)
    actor.whole()
    disk.set(1)
    kill_primary()
    try:
        nothing_is_done_because_of_the_journal("38 (stalled)", actor, 25)
        start_primary()
        actor.wait("healthy")
    finally:
        disk.set(0)
    actor.whole()
    no_promotion(2)
    assert hooks.runs() == []
    actor.end(0)


def on_a_disk_that_takes_seconds_for_a_record_no_look_is_acted_on_that_is_as_old():
    disk = Preloaded("fsync_shim", "FSYNC_SHIM_FILE")
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}", environment=disk.environment)
    actor.whole()
    disk.set(2500)
    kill_primary()
    try:
        plan = actor.wait_plan("failed", 60)
        notes = [(note["step"], note["event"]) for note in plan["notes"]]
        assert ("look", "succeeded") in notes and ("promote", "failure") in notes, plan["notes"]
        assert "too old" in next(note["text"] for note in plan["notes"]
                                 if note["step"] == "promote"), plan["notes"]
        start_primary()
        actor.wait("healthy")
    finally:
        disk.set(0)
    no_promotion(2)
    assert hooks.events() == ["pre", "failed"], hooks.runs()
    actor.order(order="ack", id=plan["id"])
    actor.whole()
    actor.end(0)
    os.unlink(hooks.lines)


def row_49_with_a_damaged_journal_nobody_is_promoted_before_people_have_looked():
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}")
    actor.whole()
    actor.order(order="maintenance", cluster="orders", seconds=600)
    eventually(lambda: not actor.state()["ready"]["maintenance"], what="maintenance")
    kill_primary()
    actor.wait_plan("would_have")
    start_primary()
    actor.whole(but=("maintenance",))
    actor.order(order="maintenance", cluster="orders", seconds=0)
    actor.whole()
    actor.end(0)
    with open(os.path.join(actor.folder, "storage", "failover.journal"), "r+b") as file:
        file.seek(40)
        file.write(b"\x00\xff\x00\xff")
    actor.start()
    actor.whole(but=("acknowledged",))
    kill_primary()
    actor.wait("dead")
    no_promotion(5)
    assert hooks.runs() == [], (hooks.runs(), actor.plans())
    stands = [plan for plan in actor.plans() if plan["cluster"] == ""]
    assert len(stands) == 1 and stands[0]["state"] == "failed", actor.plans()
    actor.order(order="ack", id=stands[0]["id"])
    done = actor.wait_plan("done")
    show(49, "0 promotions before the acknowledgement, then 1",
         f"0, then {promotions(sandbox)} by {done['id']}")
    assert promotions(sandbox) == 1 and hooks.events() == ["pre", "post"]
    actor.end(0)


def another_sandbox():
    global sandbox, hooks, HOOKS  # pylint: disable=global-statement
    sandbox.down()
    sandbox = Sandbox(only="postgres")
    hooks = Hooks()
    HOOKS = hooks.option("pre", "post", "failed")


def row_24_a_monitor_killed_before_its_plan_acts_after_its_restart():
    another_sandbox()
    # A window that is long enough to be killed in.
    actor = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}, failures: 8")
    actor.whole()
    actor.wait_view()
    kill_primary()
    eventually(lambda: actor.verdict() == "suspect", what="suspect")
    actor.kill()
    no_promotion(2)
    assert hooks.runs() == []
    start = time.monotonic()
    actor.start()
    plan = actor.wait_plan("done")
    show(24, "0, then 1 promotion after the restart", f"0, then {promotions(sandbox)}", start)
    assert promotions(sandbox) == 1 and hooks.events() == ["pre", "post"]
    assert len(actor.plans()) == 1 and plan["new_primary"] == "orders-2"
    assert plan["recovery_seconds"] < 600, plan  # and not since the machine was started
    actor.end(0)


def row_14_a_full_data_disk_is_no_death():
    another_sandbox()
    data = os.path.join(sandbox.dir, "primary", "data")
    sandbox.control("stop", "primary", "fast")
    owner = os.stat(data)
    os.rename(data, f"{data}.disk")
    mount(data, "192m", owner)
    mount(f"{data}.wal", "192m", owner)
    subprocess.run(["cp", "-a", f"{data}.disk/pg_wal/.", f"{data}.wal"], check=True)
    subprocess.run(["rm", "-r", f"{data}.disk/pg_wal"], check=True)
    subprocess.run(["cp", "-a", f"{data}.disk/.", data], check=True)
    os.symlink(f"{data}.wal", f"{data}/pg_wal")
    # What ends is the whole server: else it would try to recover and answer that it does, until it
    # finds out that there is no room for that either.
    with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as file:
        file.write("restart_after_crash = off\n")
    start_primary()
    global full  # pylint: disable=global-statement
    full = Actor(sandbox, f"{AUTOMATIC}, {HOOKS}")
    full.whole()
    filler = fill(data)
    try:
        sandbox.sql("CREATE TABLE much AS SELECT repeat('x', 500) FROM generate_series(1, 40000)")
        raise AssertionError("the disk is not full")
    except AssertionError as problem:
        assert "No space left" in str(problem), problem
    end_connections(sandbox)
    no_promotion(6)
    verdict = full.verdict()
    os.unlink(filler)
    full.whole()
    show("14 (data)", "0 promotions", f"{promotions(sandbox)}, then '{verdict}', "
         f"verdicts {' '.join(full.seen())}")
    assert "dead" not in full.seen() and full.plans() == [] and hooks.runs() == []


def row_14_a_full_disk_of_its_log_is_a_death():
    if not may_mount:
        raise Skip("no right to mount a small file system of its own")
    wal = os.path.join(sandbox.dir, "primary", "data.wal")
    fill(wal)
    start = time.monotonic()

    def has_ended():
        with contextlib.suppress(AssertionError):
            sandbox.sql("CREATE TABLE IF NOT EXISTS more (t text); "
                        "INSERT INTO more SELECT repeat('x', 500) FROM generate_series(1, 20000)")
        with open(sandbox.servers["primary"]["log"], encoding="utf-8", errors="replace") as file:
            return "database system is shut down" in file.read().split("No space left")[-1]
    eventually(has_ended, 60, "the postmaster ends for want of space")
    plan = full.wait_plan("done", 40)
    show("14 (WAL)", "1 promotion", f"{promotions(sandbox)}, verdicts {' '.join(full.seen())}",
         start)
    assert promotions(sandbox) == 1 and hooks.events() == ["pre", "post"]
    assert plan["reason"] == "dead", plan
    full.end(0)


run_rows([
    an_unchanged_configuration_keeps_what_is_known,
    row_27_jumps_of_the_clock_promote_nobody,
    announced_maintenance_lasts_as_long_as_was_said_whatever_the_clock_says,
    row_52_without_names_nobody_is_promoted,
    row_52_without_descriptors_nobody_is_promoted,
    row_51_a_witness_that_hears_it_forbids_it,
    row_38_with_a_full_disk_nobody_is_promoted,
    row_38_with_a_stalled_disk_nobody_is_promoted,
    on_a_disk_that_takes_seconds_for_a_record_no_look_is_acted_on_that_is_as_old,
    row_49_with_a_damaged_journal_nobody_is_promoted_before_people_have_looked,
    row_24_a_monitor_killed_before_its_plan_acts_after_its_restart,
    row_14_a_full_data_disk_is_no_death,
    row_14_a_full_disk_of_its_log_is_a_death,
])
