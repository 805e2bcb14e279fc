#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who is promoted when networks are cut, and among several replicas: real servers, a real daemon in
mode automatic.  Each case is a row of the fault matrix and prints what it expects and what was
seen."""
import os

from fleet import LONG, Fleet, Watcher
from harness import eventually, run, run_tests, throughout
from proxy import Proxy

fleet = Fleet(more=("third", "fourth"))
# Between the monitor and the servers, and between the primary and its replica.
near = {name: Proxy(fleet.port(name)) for name in ("primary", "replica")}
between = Proxy(fleet.port("primary"))
THROUGH = {name: proxy.port for name, proxy in near.items()}
NOBODY = 1  # a port on which nobody listens


def watcher():
    return fleet.watcher


def refused(row, expected, words, seconds=3):
    """The primary is dead, and the journal says why nothing follows from that."""
    plan = fleet.wait_plan("would_have")
    fleet.nothing_happens(row, expected, seconds)
    text = fleet.text(plan)
    assert words in text, text
    return plan


# ---- cut networks ----


def cut(row, verdict, mode, names, seconds):
    for name in names:
        near[name].set(mode)
    watcher().wait(verdict)
    fleet.nothing_happens(row, f"{verdict} ({mode})", seconds)
    assert "dead" not in fleet.verdicts() and "silent" not in fleet.verdicts(), fleet.verdicts()
    watcher().alarms(verdict)
    for name in names:
        near[name].set("pass")
    fleet.whole()
    fleet.begin()


def row_6_what_replicas_hear_is_unreachable_by_us():
    fleet.fresh(through=THROUGH)
    cut("6 closed", "unreachable", "closed", ["primary"], 4)
    # Without writes the receiver hears something every half of its timeout of 5 s.
    cut("6 dropped, no writes", "unreachable", "drop", ["primary"], 8)


def row_7_without_anybody_we_are_cut_off():
    fleet.fresh(through=THROUGH)
    cut("7 closed", "cut_off", "closed", ["primary", "replica"], 4)
    cut("7 dropped", "cut_off", "drop", ["primary", "replica"], 4)


def row_8_a_replica_that_lost_a_living_primary():
    fleet.fresh(through=THROUGH)
    fleet.follow("replica", between.port)
    fleet.wait_streams("replica")
    between.set("closed")
    eventually(lambda: not watcher().ready("votes"), LONG, "the replica is lost")
    fleet.nothing_happens(8, "healthy, not ready: votes", 4)
    watcher().wait("healthy")
    assert "dead" not in fleet.verdicts(), fleet.verdicts()
    eventually(lambda: watcher().page().value("dbvitals_failover_ready", cluster="orders",
                                              reason="votes") == 0, what="the alert's metric")


def row_41_a_loss_of_before_is_no_vote():
    """As row 8 left it: the replica has lost the primary for long when we lose it as well."""
    fleet.begin()
    near["primary"].set("closed")
    watcher().wait("unproven")
    fleet.nothing_happens(41, "unproven", 4)
    assert "dead" not in fleet.verdicts()
    near["primary"].set("pass")
    between.set("pass")
    fleet.wait_streams("replica")
    fleet.whole()


# ---- replicas that may not follow ----


def fall_behind():
    """The replica still streams, through a network that is too slow for what is written."""
    between.set("slow")
    fleet.follow("replica", between.port)
    fleet.wait_streams("replica")
    fleet.sql("SELECT count(pg_logical_emit_message(false, 'x', repeat('x', 1000000))) "
              "FROM generate_series(1, 64)")
    behind = int(fleet.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn)::bigint FROM "
                           "pg_stat_replication WHERE application_name = 'replica'")[0][0])
    # What was last seen of the primary is what counts.
    last = fleet.sql("SELECT pg_current_wal_lsn() - '0/0'")[0][0]

    def seen():
        position = watcher().state()["members"][0]["position"].split("/")
        return int(position[0], 16) << 32 | int(position[1], 16) >= int(last)
    eventually(seen, what="the position of the primary")
    assert fleet.streams("replica") and behind > 17 << 20, behind
    return behind


def mend_behind():
    between.set("pass")
    fleet.spoil()


def row_17_a_replica_that_is_far_behind_does_not_follow():
    fleet.fresh()
    behind = fall_behind()
    fleet.kill("primary")
    watcher().wait("dead")
    refused(17, f"no candidate, the replica is {behind >> 20} MiB behind", "candidate")
    assert watcher().state()["members"][1]["obstacle"] == "lag", watcher().state()
    mend_behind()


def row_18_the_replica_that_is_ahead_follows():
    fleet.fresh("third", max_lag_bytes="1GiB")
    behind = fall_behind()
    fleet.kill("primary")
    fleet.one(18, f"1, orders-3; orders-2 is {behind >> 20} MiB behind", "orders-3")
    mend_behind()


def row_45_one_that_is_paused_or_delayed_does_not_follow():
    fleet.fresh()
    fleet.settings("replica", recovery_min_apply_delay="5min")
    eventually(lambda: watcher().state()["members"][1]["obstacle"] == "delayed", what="delayed")
    fleet.kill("primary")
    refused("45 delayed", "no candidate", "candidate")
    fleet.start("primary")
    watcher().wait("healthy")  # else it might follow still
    fleet.settings("replica", recovery_min_apply_delay=None)
    fleet.whole()
    fleet.begin()
    fleet.sql("SELECT pg_wal_replay_pause()", "replica")
    eventually(lambda: watcher().state()["members"][1]["obstacle"] == "paused", what="paused")
    fleet.kill("primary")
    refused("45 paused", "no candidate", "candidate")
    fleet.start("primary")
    watcher().wait("healthy")
    fleet.sql("SELECT pg_wal_replay_resume()", "replica")
    fleet.whole()


def row_45_the_other_one_follows():
    fleet.fresh("third")
    eventually(lambda: watcher().state()["candidate"] == "orders-2", what="the first by its name")
    fleet.sql("SELECT pg_wal_replay_pause()", "replica")
    eventually(lambda: watcher().state()["candidate"] == "orders-3", what="the other one")
    fleet.kill("primary")
    fleet.one("45 paused, two replicas", "1, orders-3", "orders-3")
    assert not fleet.takes_writes("replica")


# ---- more than one replica ----


def row_20_a_clone_that_was_promoted_by_hand_is_an_alarm():
    fleet.fresh("third", hooks={"fence": fleet.fence()})
    fleet.settings("third", primary_conninfo="")
    fleet.sql("SELECT pg_promote()", "third")
    watcher().alarms("split_brain")
    throughout(lambda: not fleet.hooks() and not fleet.acted(), 4, "nobody acts, nothing is fenced")
    fleet.show(20, "0 of ours, split_brain, nothing fenced")
    assert fleet.promoted() == ["orders-3"]
    assert watcher().state()["primary"] == "orders-1"
    assert fleet.is_up("primary") and fleet.is_up("third")


def row_23_a_second_failure_waits_for_the_acknowledgement():
    fleet.fresh("third", quorum=1)
    fleet.kill("primary")
    first = fleet.one("23, the first", 1)
    fleet.follow("third", fleet.port("replica"))
    fleet.wait_streams("third")
    eventually(lambda: (lambda s: s["verdict"] == "healthy" and s["primary"] == "orders-2" and
                        [r for r in s["ready"] if not s["ready"][r]] == ["acknowledged"])(
        watcher().state()), LONG, f"all but the acknowledgement, it is {watcher().state()}")
    fleet.kill("replica")
    watcher().wait("dead")
    plan = fleet.wait_plan("would_have")
    assert "acknowledged" in fleet.text(plan), plan
    throughout(lambda: len(fleet.acted()) == 1 and not fleet.takes_writes("third"), 4,
               "no second one")
    fleet.show("23, before the acknowledgement", "no second")
    done = run("failover", "ack", first["id"], "--storage.path",
               os.path.join(watcher().folder, "storage"))
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: [p["state"] for p in fleet.acted()] == ["done", "closed"], LONG,
               "the second one after the acknowledgement")
    fleet.show("23, after it", "a second")
    assert fleet.takes_writes("third")


def row_43_a_cascaded_replica_has_no_vote():
    fleet.fresh("third", through=THROUGH)
    fleet.follow("third", fleet.port("replica"))
    fleet.wait_streams("third")
    fleet.whole()
    fleet.kill("replica")
    fleet.nothing_happens("43, its upstream is gone", "healthy", 3)
    watcher().wait("healthy")
    eventually(lambda: not fleet.streams("third"), what="it has lost its upstream")
    near["primary"].set("closed")
    eventually(lambda: watcher().verdict() in ("unproven", "cut_off"), LONG, "nobody votes")
    fleet.nothing_happens("43, and the monitor loses the primary", "nobody's vote", 4)
    assert "dead" not in fleet.verdicts()
    near["primary"].set("pass")
    fleet.spoil()


def row_46_without_the_synchronous_standby_nobody_follows():
    fleet.fresh("third", quorum=1)
    # It is known when it was seen: first one that proves nothing, then one that does.
    fleet.settings("primary", synchronous_standby_names="somebody")
    eventually(lambda: not watcher().ready("synchronous"), what="not proven")
    fleet.settings("primary", synchronous_standby_names="FIRST 1 (third)")
    eventually(lambda: fleet.sql("SELECT application_name FROM pg_stat_replication "
                                 "WHERE sync_state = 'sync'") == [["third"]], what="sync")
    eventually(lambda: watcher().ready("synchronous"), what="proven")
    fleet.kill("third", "primary")
    watcher().wait("dead")
    refused(46, "cannot prove", "synchronous")
    assert "cannot prove" in watcher().state()["not_ready"], watcher().state()
    assert watcher().state()["members"][1]["obstacle"] == "synchronous"
    fleet.spoil()


def row_42_one_replica_that_still_streams_forbids_it():
    fleet.fresh("third", "fourth", through=THROUGH)
    near["primary"].set("closed")
    for name in ("replica", "third"):
        fleet.follow(name, NOBODY)
    eventually(lambda: not fleet.streams("replica") and not fleet.streams("third"), LONG,
               "two have lost it")
    watcher().alarms("unreachable")
    fleet.nothing_happens(42, "unreachable", 5)
    assert "dead" not in fleet.verdicts() and fleet.streams("fourth")
    near["primary"].set("pass")
    fleet.spoil()


def row_21_a_member_of_another_system_is_refused():
    fleet.fresh()
    watcher().end(0)
    fleet.found("fourth")
    fleet.watcher = Watcher(fleet.configuration(names=["primary", "replica", "fourth"]))
    watcher().alarms("misconfigured")
    fleet.begin()
    assert not watcher().ready("system")
    fleet.kill("primary")
    fleet.nothing_happens(21, "misconfigured", 5)
    watcher().wait("misconfigured")
    assert watcher().get("/-/ready").status == 200
    fleet.spoil()


try:
    run_tests([
        row_6_what_replicas_hear_is_unreachable_by_us,
        row_7_without_anybody_we_are_cut_off,
        row_8_a_replica_that_lost_a_living_primary,
        row_41_a_loss_of_before_is_no_vote,
        row_17_a_replica_that_is_far_behind_does_not_follow,
        row_45_one_that_is_paused_or_delayed_does_not_follow,
        row_45_the_other_one_follows,
        row_18_the_replica_that_is_ahead_follows,
        row_20_a_clone_that_was_promoted_by_hand_is_an_alarm,
        row_23_a_second_failure_waits_for_the_acknowledgement,
        row_43_a_cascaded_replica_has_no_vote,
        row_46_without_the_synchronous_standby_nobody_follows,
        row_42_one_replica_that_still_streams_forbids_it,
        row_21_a_member_of_another_system_is_refused,
    ])
finally:
    fleet.end()
