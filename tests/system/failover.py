#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""When nobody may be promoted: real servers, a real daemon in mode automatic.  Each case is a row of
the fault matrix and prints what it expects and what was seen."""
import os
import re
import signal
import socket
import struct
import threading
import time

from fleet import LONG, Fleet
from harness import eventually, run_tests, throughout

fleet = Fleet(only="postgres,pgbouncer")


def watcher():
    return fleet.watcher


def row_4_a_restart_is_no_death():
    fleet.fresh()
    for how in ("fast", "immediate"):
        fleet.stop("primary", how)
        fleet.start("primary")
        watcher().wait("healthy")
    fleet.nothing_happens(4, "a restart", 2)


def held_startup():
    """The process that recovers the primary, stopped; or None."""
    for pid in fleet.family("primary").pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"startup" not in file.read():
                    continue
            os.kill(pid, signal.SIGSTOP)
            return pid
        except OSError:  # it has ended meanwhile
            pass
    return None


def row_15_a_long_recovery_is_no_death():
    fleet.fresh()
    fleet.settings("primary", checkpoint_timeout="1h", max_wal_size="4GB")
    fleet.sql("CREATE TABLE much AS SELECT generate_series(1, 1000000) AS number")
    fleet.kill("primary")
    starter = threading.Thread(target=fleet.start, args=("primary",))
    starter.start()
    startup = eventually(held_startup, what="it recovers")
    watcher().wait("starting")
    fleet.nothing_happens(15, "an alert", 6)
    assert "dead" not in fleet.verdicts() and "silent" not in fleet.verdicts(), fleet.verdicts()
    os.kill(startup, signal.SIGCONT)
    starter.join(60)
    watcher().wait("healthy")
    fleet.spoil()


def row_11_a_pause_of_a_second_is_no_death():
    fleet.fresh()
    fleet.family("primary").pause()
    time.sleep(1)
    fleet.family("primary").resume()
    watcher().wait("healthy")
    fleet.nothing_happens(11, "a pause", 2)
    assert "silent" not in fleet.verdicts()


class Crowd:
    """Sessions that take all connections of a server; a superuser may have the last ones too."""

    def __init__(self, server="primary"):
        self.server, self.sessions = server, []

    def join(self):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.settimeout(20)
        one.connect(f"{fleet.sandbox.run}/.s.PGSQL.{fleet.port(self.server)}")
        words = b"user\0postgres\0database\0postgres\0\0"
        one.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
        if not self.is_good(one):
            one.close()
            return False
        self.sessions.append(one)
        return True

    @staticmethod
    def is_good(one):
        """Reads messages until the server is ready for another, or hangs up: whether none of them is
        an error."""
        good = True
        with one.makefile("rb") as stream:
            while head := stream.read(5):
                got, length = struct.unpack("!cI", head)
                stream.read(length - 4)
                good &= got != b"E"
                if got == b"Z":
                    return good
        return False

    def ask(self, statement):
        words = statement.encode() + b"\0"
        self.sessions[0].sendall(b"Q" + struct.pack("!I", len(words) + 4) + words)
        return self.is_good(self.sessions[0])

    def end(self):
        for one in self.sessions:
            one.close()


END_OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'"


def row_12_no_connection_left_is_no_death():
    fleet.fresh()
    crowd = Crowd()
    try:
        assert crowd.join()
        # Whoever is sooner gets what becomes free; we come back each half second.
        def full():
            crowd.ask(END_OURS)
            while crowd.join():
                pass
            return watcher().verdict() == "degraded"
        eventually(full, what="no connection for us")
        fleet.nothing_happens(12, f"{len(crowd.sessions)} sessions of others, all that there are", 4)
    finally:
        crowd.end()
    watcher().wait("healthy")
    assert "dead" not in fleet.verdicts()


def row_1_a_replica_that_lets_nobody_in_is_promoted():
    """Readers rush to it: only the connections that we have kept are left."""
    fleet.fresh()
    crowd = Crowd("replica")
    try:
        while crowd.join():
            pass
        began = time.monotonic()
        fleet.kill("primary")
        eventually(lambda: crowd.ask("CREATE TABLE IF NOT EXISTS taken (x int)"), LONG, "writes")
        took = time.monotonic() - began
        plan = fleet.wait_plan("done", "failed", "unknown", "withdrawn")
    finally:
        crowd.end()
    fleet.one("1, the replica is full", 1,
              how=lambda _: f"; {len(crowd.sessions)} sessions of others on the replica, writes "
              f"{took:.2f} s after the kill")
    promote = [note["text"] for note in plan["notes"] if note["step"] == "promote"]
    assert len(promote) == 1, fleet.text(plan)
    assert re.search("returned true; over the connection of the probe, .*too many clients",
                     promote[0]), promote


def row_13_another_password_is_no_death():
    fleet.fresh()
    password = fleet.sandbox.passwords["monitor"].replace("\\", "\\\\").replace("'", "''")
    fleet.sql("ALTER ROLE monitor PASSWORD 'another'")
    try:
        fleet.sql(END_OURS)
        watcher().wait("degraded")
        fleet.nothing_happens(13, "refused", 4)
    finally:
        fleet.sql(f"ALTER ROLE monitor PASSWORD E'{password}'")
    watcher().wait("healthy")
    assert "dead" not in fleet.verdicts()


def row_26_a_monitor_that_slept_judges_anew():
    fleet.fresh()
    watcher().signal(signal.SIGSTOP)
    # What it would have seen is over when it wakes, but for what its sockets tell.
    fleet.stop("primary", "immediate")
    time.sleep(4)
    fleet.start("primary")
    time.sleep(2)
    watcher().signal(signal.SIGCONT)
    eventually(lambda: "late by" in watcher().log()[fleet.mark:], what="it noticed")
    watcher().wait("healthy")
    fleet.nothing_happens(26, "it slept through an outage")


def row_16_a_killed_replica_is_no_death():
    fleet.fresh()
    fleet.kill("replica")
    eventually(lambda: watcher().state()["candidate"] is None, what="no candidate")
    fleet.nothing_happens(16, "the primary lives")
    assert set(fleet.verdicts()) <= {"suspect", "healthy"}, fleet.verdicts()
    watcher().wait("healthy")
    fleet.start("replica")
    fleet.wait_streams("replica")


def row_9_a_stopped_primary_is_only_told():
    fleet.fresh()
    fleet.family("primary").pause()
    watcher().alarms("silent")
    plan = fleet.wait_plan("would_have")
    fleet.nothing_happens(9, "an alert", 5)
    assert "only behind a fence" in fleet.text(plan), plan
    fleet.family("primary").resume()
    watcher().wait("healthy")
    assert len(fleet.plans()) == 1, fleet.plans()


def row_3_a_fast_stop_is_its_operators():
    fleet.fresh()
    fleet.stop("primary", "fast")
    watcher().alarms("stopped")
    fleet.nothing_happens(3, "an alert", 4)
    watcher().wait("stopped")
    assert not fleet.plans(), fleet.plans()


def row_53_a_fast_stop_is_remembered_over_a_restart():
    watcher().end(0)
    fleet.restart_watcher()
    watcher().wait("stopped")
    fleet.nothing_happens(53, "an alert", 4)
    assert set(fleet.verdicts()) <= {"stopped", "suspect", "void"}, fleet.verdicts()
    assert not fleet.plans(), fleet.plans()
    fleet.start("primary")


def row_54_when_everything_was_rebooted_the_primary_may_come_last():
    fleet.fresh()
    # Another life of the machine.
    watcher().wait_view()
    boot = os.path.join(fleet.folder, "boot_id")
    with open(boot, "w", encoding="ascii") as file:
        file.write("11111111-2222-3333-4444-555555555555\n")
    fleet.kill("primary", "replica")
    watcher().kill()
    fleet.start("replica")
    old = watcher().command
    watcher().command = ["unshare", "--mount", "--map-root-user", "sh", "-c",
                         'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', boot,
                         *old]
    fleet.restart_watcher()
    eventually(lambda: watcher().state()["primary_view"] == "gone", LONG, "gone")
    fleet.nothing_happens(54, "not armed", 4)
    assert not watcher().ready("armed") and watcher().ready("candidate"), watcher().state()
    fleet.start("primary")
    fleet.whole()
    fleet.nothing_happens(54, "the primary came last", 1)


def row_30_a_hook_that_others_may_write_is_refused():
    loose = os.path.join(fleet.folder, "loose")
    fleet.write_hook(loose)
    fleet.fresh(hooks={"post": [[loose]]})
    watcher().end(0)
    os.chmod(loose, 0o757)
    fleet.restart_watcher()
    eventually(lambda: watcher().ready("votes") and not watcher().ready("hooks"), 40, "not ready")
    assert re.search(f"a hook cannot be run: .*{loose}", watcher().log()), watcher().log()
    fleet.kill("primary")
    plan = fleet.wait_plan("would_have")
    assert "hooks" in fleet.text(plan), plan
    fleet.nothing_happens(30, "refused", 2)


def row_34_a_killed_pooler_has_its_own_hook():
    fleet.fresh(hooks={"pool": [[fleet.hook]]})
    watcher().wait_up("orders-pool")
    fleet.stop("pgbouncer", "kill")
    watcher().wait_down("orders-pool")
    eventually(lambda: fleet.hooks("pool"), LONG, "the pool hook")
    throughout(lambda: not fleet.promoted() and not fleet.acted() and len(fleet.hooks()) == 1, 6,
               "its hook once, and nothing else")
    fleet.show(34, "0, pool hook once")
    fleet.start("pgbouncer")
    watcher().wait_up("orders-pool")


def row_40_observing_does_nothing():
    fleet.fresh(mode="observe")
    for outage in (1, 2):
        fleet.kill("primary")
        eventually(lambda n=outage: len(fleet.plans()) == n, what="an entry of the journal")
        fleet.wait_plan("would_have")
        fleet.nothing_happens(40, f"{outage} entries of as many outages", 2)
        assert len(fleet.plans()) == outage, fleet.plans()
        assert watcher().ready("acknowledged")
        # What has been seen of an outage is not forgotten in it.
        watcher().reload()
        throughout(lambda: len(fleet.plans()) == outage, 1, "one entry per outage")
        log = watcher().log()[fleet.mark:]
        assert log.count("'orders': was void") == log.count(", is void"), fleet.verdicts()
        fleet.start("primary")
        fleet.whole()


try:
    run_tests([
        row_4_a_restart_is_no_death,
        row_15_a_long_recovery_is_no_death,
        row_11_a_pause_of_a_second_is_no_death,
        row_12_no_connection_left_is_no_death,
        row_1_a_replica_that_lets_nobody_in_is_promoted,
        row_13_another_password_is_no_death,
        row_26_a_monitor_that_slept_judges_anew,
        row_16_a_killed_replica_is_no_death,
        row_9_a_stopped_primary_is_only_told,
        row_3_a_fast_stop_is_its_operators,
        row_53_a_fast_stop_is_remembered_over_a_restart,
        row_54_when_everything_was_rebooted_the_primary_may_come_last,
        row_30_a_hook_that_others_may_write_is_refused,
        row_34_a_killed_pooler_has_its_own_hook,
        row_40_observing_does_nothing,
    ])
finally:
    fleet.end()
