#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Replication lag: 0 on an idle, caught-up replica; growing while replay is paused; honest about a
receiver that is gone."""
from harness import Daemon, Sandbox, eventually, run_tests, throughout

sandbox = Sandbox(only="postgres")
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 500ms, timeout: 400ms"))


def replica(name, **labels):
    return daemon.page("orders-2").value(name, **labels)


def lag_stays_zero_on_an_idle_primary():
    daemon.wait_up("orders-1", "orders-2")
    sandbox.sql("CREATE TABLE IF NOT EXISTS lag_test (n int)")
    eventually(lambda: replica("pg_replication_lag_seconds") == 0, what="caught up")
    throughout(lambda: replica("pg_replication_lag_seconds") == 0, 4, "lag stays 0")
    assert replica("dbvitals_replication_lag_seconds") == 0
    assert daemon.page("orders-1").value("pg_replication_lag_seconds") == 0
    assert replica("pg_replication_connected") == 1


def lag_grows_while_replay_is_paused():
    sandbox.sql("SELECT pg_wal_replay_pause()", server="replica")
    sandbox.sql("INSERT INTO lag_test SELECT generate_series(1, 100000)")
    first = eventually(lambda: replica("pg_replication_lag_seconds"), what="lag is seen")
    eventually(lambda: replica("pg_replication_lag_seconds") >= first + 2, 10, "lag grows")
    lag = replica("pg_replication_lag_seconds")
    assert lag < 60, lag
    assert 2 <= replica("dbvitals_replication_lag_seconds") <= lag + 1


def lag_is_zero_again_after_replay():
    sandbox.sql("SELECT pg_wal_replay_resume()", server="replica")
    eventually(lambda: replica("pg_replication_lag_seconds") == 0, what="caught up")


def lag_in_bytes_is_measured_against_the_primary():
    eventually(lambda: replica("dbvitals_replication_lag_bytes") == 0, what="0 bytes behind")


def slots_and_senders_show_on_the_primary():
    page = daemon.page("orders-1")
    assert page.find("pg_replication_slot_slot_is_active"), "slots"
    senders = page.find("pg_stat_replication_pg_wal_lsn_diff", application_name="replica")
    assert len(senders) == 1 and senders[0][1] >= 0, senders


def a_lost_receiver_is_told():
    sandbox.control("stop", "primary", "fast")
    eventually(lambda: replica("pg_replication_connected") == 0, what="disconnected")
    # The usual lag says 0 for ever now; ours grows.
    eventually(lambda: replica("dbvitals_replication_lag_seconds") >= 1, what="lag grows")
    sandbox.control("start", "primary")
    eventually(lambda: replica("pg_replication_connected") == 1, 30, "connected again")


def a_promotion_is_seen():
    timeline = replica("pg_timeline")
    sandbox.sql("SELECT pg_promote()", server="replica")
    eventually(lambda: replica("pg_replication_is_replica") == 0, what="promoted")
    eventually(lambda: replica("pg_timeline") > timeline, what="a new timeline")
    info = daemon.page("orders-2").find("dbvitals_target_info")
    assert info[0][0]["role"] == "primary"


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    lag_stays_zero_on_an_idle_primary,
    lag_grows_while_replay_is_paused,
    lag_is_zero_again_after_replay,
    lag_in_bytes_is_measured_against_the_primary,
    slots_and_senders_show_on_the_primary,
    a_lost_receiver_is_told,
    a_promotion_is_seen,
    it_stops_cleanly,
])
