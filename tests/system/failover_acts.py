#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who is promoted, once and behind its fence, and what hooks that fail and people who were faster
come to: real servers, a real daemon in mode automatic.  Each case is a row of the fault matrix and
prints what it expects and what was seen."""
import os
import signal
import subprocess
import time

from fleet import Fleet
from harness import SANDBOX, eventually, run, run_tests, throughout

fleet = Fleet()


def watcher():
    return fleet.watcher


# ---- one, and never a second ----


def timed(row, how):
    fleet.fresh()
    fleet.sql("CREATE TABLE before_it AS SELECT 1")
    start = time.monotonic()
    fleet.stop("primary", how)
    stopped = time.monotonic()

    def writes():
        done = subprocess.run(["psql", "-XAtq", "-d", fleet.super_dsn("replica"), "-c",
                               "CREATE TABLE IF NOT EXISTS taken (x int)"], capture_output=True,
                              check=False)
        return done.returncode == 0
    eventually(writes, 60, "writes")
    took = time.monotonic()
    plan = fleet.one(row, 1, how=lambda _: f"; writes {took - start:.2f} s after the stop began, "
                     f"{took - stopped:.2f} s after its end")
    assert plan["reason"] == "dead", plan
    assert "orphans possible" in fleet.text(plan), fleet.text(plan)
    return plan


def row_1_a_killed_primary_is_replaced():
    plan = timed(1, "kill")
    eventually(lambda: watcher().state()["primary"] == "orders-2", what="the new primary")
    assert not watcher().ready("acknowledged")
    assert plan["recovery_seconds"] >= 1.4, plan
    # Whoever comes back is an alarm, and changes nothing.
    fleet.start("primary")
    watcher().alarms("split_brain")
    throughout(lambda: len(fleet.acted()) == 1, 2, "one plan")
    assert fleet.promoted() == ["orders-2"]


def row_2_an_immediate_stop_is_a_death():
    timed(2, "immediate")


def row_3_a_fast_stop_is_a_death_where_that_is_wanted():
    fleet.fresh(failover_on_clean_stop=True, restart_grace="4s")
    start = time.monotonic()
    fleet.stop("primary", "fast")
    watcher().wait("stopped")
    assert not fleet.acted()
    fleet.one("3 failover_on_clean_stop", 1,
              how=lambda _: f"; {time.monotonic() - start:.1f} s after the stop, the grace is 4 s")
    assert time.monotonic() - start >= 4


def row_22_flapping_promotes_once_at_most():
    fleet.fresh()
    flaps, end = 0, time.monotonic() + 12
    while time.monotonic() < end:
        fleet.stop("primary", "immediate")
        time.sleep(2)
        fleet.start("primary")
        time.sleep(2)
        flaps += 1
    throughout(lambda: len(fleet.promoted()) <= 1 and len(fleet.acted()) <= 1, 2, "one at most")
    fleet.show(22, "1 at most", f"; {flaps} flaps")
    assert len(fleet.hooks("pre")) <= 1, fleet.hooks()


def row_25_a_promotion_that_was_interrupted_is_not_repeated():
    """The hook promotes, and then hangs: whoever comes after it knows nothing."""
    mark = os.path.join(fleet.folder, "pid")
    fleet.fresh(hooks={"promote": [[fleet.hook, "sh", "-c",
                                    f"psql -XAtqd '{fleet.super_dsn('replica')}' -c "
                                    f"'SELECT pg_promote()'; echo $$ >{mark}; exec sleep 60"]]})
    fleet.kill("primary")
    eventually(lambda: os.path.exists(mark) and os.path.getsize(mark), 60, "the hook hangs")
    watcher().kill()
    with open(mark, encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGKILL)
    fleet.restart_watcher()
    fleet.wait_plan("unknown")
    throughout(lambda: len(fleet.acted()) == 1 and len(fleet.hooks("promote")) == 1, 5,
               "it is not repeated")
    fleet.show(25, "no second, unknown")
    assert fleet.promoted() == ["orders-2"]
    assert not watcher().ready("acknowledged")
    eventually(lambda: watcher().page().value("dbvitals_failover_ready", cluster="orders",
                                              reason="acknowledged") == 0, what="the alert's metric")


def row_39_a_reload_changes_nothing_of_what_is_under_way():
    other, go = os.path.join(fleet.folder, "other"), os.path.join(fleet.folder, "go")
    fleet.write_hook(other)
    fleet.fresh(hooks={"pre": [[fleet.hook, "sh", "-c",
                                f"until test -e {go}; do sleep 0.1; done"]]})
    fleet.kill("primary")
    fleet.wait_plan("pre")
    watcher().write_config(fleet.configuration(
        mode="observe", hooks={"pre": [[other]], "post": [[other]], "failed": [[other]]}))
    watcher().reload()
    with open(go, "w", encoding="ascii"):
        pass
    fleet.one(39, "1, as it was begun")
    assert all(run[1] == fleet.hook for run in fleet.hooks()), fleet.hooks()
    eventually(lambda: watcher().state()["mode"] == "observe", what="the new configuration")


# ---- the monitor is stopped ----


def stopped_in(held, row, **item):
    """SIGTERM while this hook runs, which ends well afterwards; then another life. Return: the plan."""
    go = os.path.join(fleet.folder, f"go {row}")
    wait = f"until test -e '{go}'; do sleep 0.1; done; {item.pop('then', 'true')}"
    fleet.fresh(hooks={held: [[fleet.hook, "sh", "-c", wait]]}, **item)
    if row == "switchover":
        done = run("failover", "switchover", "orders", "--to", "orders-2", "--no-wait",
                   "--storage.path", os.path.join(watcher().folder, "storage"))
        assert done.returncode == 0, done.stderr
    else:
        fleet.kill("primary")
    fleet.wait_plan(held)
    eventually(lambda: fleet.hooks(held), what="the hook runs")
    watcher().signal(signal.SIGTERM)
    eventually(lambda: watcher().logged("stopping when"), what="it is being stopped")
    with open(go, "w", encoding="ascii"):
        pass
    assert watcher().process.wait(60) == 0, watcher().log()[-3000:]
    events = [run[0] for run in fleet.hooks()]
    fleet.restart_watcher()
    plan = fleet.wait_plan("done", "failed", "unknown", "withdrawn")
    throughout(lambda: len(fleet.acted()) == 1 and len(fleet.hooks()) == len(events), 3,
               "nothing more is done")
    fleet.show(f"stopped in {row}", plan["state"])
    assert not watcher().ready("acknowledged")
    return plan, events


def one_that_is_stopped_before_the_promotion_promotes_nobody():
    plan, events = stopped_in("fence", "fence")
    assert plan["state"] == "failed" and not fleet.promoted(), fleet.text(plan)
    assert events == ["pre", "fence", "failed"], events
    assert "being stopped" in fleet.text(plan), fleet.text(plan)
    assert not any(note["step"] == "promote" for note in plan["notes"]), fleet.text(plan)


def one_that_is_stopped_after_the_promotion_goes_to_its_end():
    plan, events = stopped_in("post", "post")
    assert plan["state"] == "done" and fleet.promoted() == ["orders-2"], fleet.text(plan)
    assert events == ["pre", "post"], events


def a_switchover_that_has_stopped_its_primary_goes_to_its_end():
    plan, events = stopped_in(
        "fence", "switchover",
        then=f"exec '{SANDBOX}' stop primary fast --dir '{fleet.sandbox.dir}'")
    assert plan["state"] == "done" and fleet.promoted() == ["orders-2"], fleet.text(plan)
    assert events == ["pre", "fence", "post"], events


# ---- hooks that fail ----


def row_28_a_pre_hook_that_hangs_stops_the_plan():
    mark = os.path.join(fleet.folder, "hanging")
    fleet.fresh(hooks={"pre": [[fleet.hook, "sh", "-c",
                                f"trap '' TERM; echo $$ >{mark}; while :; do sleep 1; done"]],
                       "timeout": "2s"})
    fleet.kill("primary")
    plan = fleet.wait_plan("failed")
    fleet.show("28 pre", "0, failed hooks once")
    assert not fleet.promoted() and len(fleet.hooks("failed")) == 1, fleet.hooks()
    with open(mark, encoding="ascii") as file:
        pid = file.read().strip()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), what="the hook is killed")
    throughout(lambda: len(fleet.acted()) == 1 and not fleet.promoted(), 3, "no other try")
    assert not watcher().ready("acknowledged"), plan


def row_28_a_post_hook_that_hangs_does_not_undo_the_promotion():
    fleet.fresh(hooks={"post": [[fleet.hook, "sleep", "60"]], "timeout": "2s"})
    fleet.kill("primary")
    fleet.wait_plan("failed")
    fleet.show("28 post", "1, failed hooks once, latched")
    assert fleet.promoted() == ["orders-2"] and fleet.takes_writes("replica")
    assert len(fleet.hooks("post")) == 1 and len(fleet.hooks("failed")) == 1, fleet.hooks()
    assert not watcher().ready("acknowledged")
    assert watcher().state()["primary"] == "orders-2"


def row_29_a_fence_that_fails_stops_the_plan():
    fleet.fresh(hooks={"fence": [[fleet.hook, "false"]]})
    fleet.kill("primary")
    fleet.wait_plan("failed")
    throughout(lambda: len(fleet.plans()) == 1 and not fleet.promoted(), 4, "no other try or entry")
    fleet.show(29, "0, failed hooks once, one entry")
    assert len(fleet.hooks("fence")) == 1 and len(fleet.hooks("failed")) == 1, fleet.hooks()


def a_promotion_whose_hook_takes_its_time_loses_nothing_by_that():
    """Probes see that the new primary takes writes before the step has ended."""
    fleet.fresh(hooks={"promote": [[fleet.hook, "sh", "-c",
                                    f"psql -XAtqd '{fleet.super_dsn('replica')}' -c "
                                    f"'SELECT pg_promote()'; sleep 2"]]})
    fleet.kill("primary")
    plan = fleet.one("1 by a slow hook", 1)
    print(f"#   {plan['lost_bytes']} bytes are lost at least", flush=True)
    assert plan["lost_bytes"] < 1 << 20, plan


# ---- fences ----


def fenced_first(row):
    """The fence came before the promotion, and before anything that follows it."""
    plan = fleet.one(row, "1, fence first")
    assert [run[0] for run in fleet.hooks()] == ["pre", "fence", "post"], fleet.hooks()
    steps = [note["step"] for note in plan["notes"]]
    assert steps.index("fence") < steps.index("look") < steps.index("promote"), steps
    return plan


def row_10_a_stopped_primary_is_replaced_behind_its_fence():
    fleet.fresh(hooks={"fence": fleet.fence()})
    fleet.family("primary").pause()
    plan = fenced_first(10)
    assert plan["reason"] == "silent", plan
    assert not fleet.is_up("primary")


def leave_an_orphan():
    """A backend that commits on, although its postmaster is gone."""
    fleet.sql("CREATE TABLE kept (n bigint)")
    orphan = subprocess.Popen(
        ["psql", "-XAtq", "-d", fleet.super_dsn("primary"), "-c",
         "DO $$ BEGIN FOR i IN 1..100000000 LOOP INSERT INTO kept VALUES (i); COMMIT; "
         "PERFORM pg_sleep(0) FROM generate_series(1, 100); END LOOP; END $$"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: fleet.sql("SELECT count(*) > 10 FROM kept") == [["t"]], what="it commits")
    family = fleet.family("primary")
    family.signal(family.main(), signal.SIGKILL)
    return orphan


def row_44_a_postmaster_without_its_backend():
    for row, item in (("44 unfenced", {}), ("44 fenced", {"hooks": {"fence": fleet.fence()}})):
        fleet.fresh(**item)
        orphan = leave_an_orphan()
        try:
            plan = fleet.wait_plan("done", "failed", "unknown", "withdrawn")
            left = len(fleet.family("primary").pids())
            print(f"#   {row}: {left} processes of the old primary are left at the end", flush=True)
            if item:
                fenced_first(row)
                assert left == 0
            else:
                fleet.one(row, "1, 'orphans possible'")
                assert "orphans possible" in fleet.text(plan)
        finally:
            orphan.kill()
            orphan.wait()
            fleet.kill("primary")


# ---- promoted by others ----


def row_19_a_promotion_by_hand_while_the_primary_lives():
    fleet.fresh()
    fleet.sql("SELECT pg_promote()", "replica")
    watcher().alarms("split_brain")
    throughout(lambda: not fleet.acted() and not fleet.hooks(), 3, "nobody acts")
    fleet.kill("primary")
    watcher().wait("done_by_others")
    eventually(lambda: watcher().state()["primary"] == "orders-2", 60, "adopted")
    fleet.show("19 alive", "0 of ours, split_brain, then adopted")
    assert not fleet.plans() and not fleet.hooks()


def row_19_a_promotion_by_hand_within_our_window():
    fleet.fresh()
    fleet.kill("primary")
    fleet.sql("SELECT pg_promote()", "replica")
    watcher().wait("done_by_others")
    throughout(lambda: not fleet.acted() and not fleet.hooks(), 3, "nobody acts")
    fleet.show("19 in the window", "0 of ours, done_by_others")


def row_19_a_promotion_by_hand_while_ours_is_under_way():
    """It happens in the pre hook; the fence and the last look are still to come."""
    fleet.fresh(hooks={"pre": [[fleet.hook, "psql", "-XAtqd", fleet.super_dsn("replica"), "-c",
                                "SELECT pg_promote()"]]})
    fleet.kill("primary")
    plan = fleet.wait_plan("failed", "done", "unknown", "withdrawn")
    fleet.show("19 under way", "0 of ours")
    assert plan["state"] == "failed", fleet.text(plan)
    assert not any(note["step"] == "promote" for note in plan["notes"]), fleet.text(plan)
    assert not fleet.hooks("post") and len(fleet.hooks("failed")) == 1


try:
    run_tests([
        row_1_a_killed_primary_is_replaced,
        row_2_an_immediate_stop_is_a_death,
        row_3_a_fast_stop_is_a_death_where_that_is_wanted,
        row_22_flapping_promotes_once_at_most,
        row_25_a_promotion_that_was_interrupted_is_not_repeated,
        row_39_a_reload_changes_nothing_of_what_is_under_way,
        one_that_is_stopped_before_the_promotion_promotes_nobody,
        one_that_is_stopped_after_the_promotion_goes_to_its_end,
        a_switchover_that_has_stopped_its_primary_goes_to_its_end,
        row_28_a_pre_hook_that_hangs_stops_the_plan,
        row_28_a_post_hook_that_hangs_does_not_undo_the_promotion,
        row_29_a_fence_that_fails_stops_the_plan,
        a_promotion_whose_hook_takes_its_time_loses_nothing_by_that,
        row_10_a_stopped_primary_is_replaced_behind_its_fence,
        row_44_a_postmaster_without_its_backend,
        row_19_a_promotion_by_hand_while_the_primary_lives,
        row_19_a_promotion_by_hand_within_our_window,
        row_19_a_promotion_by_hand_while_ours_is_under_way,
    ])
finally:
    fleet.end()
