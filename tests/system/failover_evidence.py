#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence beside probes and receivers, on real servers: synchronous standbys, other managers,
witnesses, rights.  Cases of the fault matrix print their number, what is expected and what was
seen."""
import contextlib
import os
import re
import signal
import statistics
import subprocess
import tempfile

from harness import Daemon, Sandbox, eventually, run_tests, throughout
from proxy import Proxy

sandbox = Sandbox(only="postgres,redis,redis-replica,sentinel")
proxy = Proxy(sandbox.servers["primary"]["port"])


def configuration(cluster="orders", witness=None, through_proxy=False):
    with open(sandbox.config, encoding="utf-8") as file:
        text = file.read()
    if through_proxy:
        text = text.replace(f":{sandbox.servers['primary']['port']}/", f":{proxy.port}/")
    more = f", witness: [\"{witness}\"]" if witness else ""
    return f"{text}failover: [{{cluster: {cluster}{more}}}]\n"


class Watcher(Daemon):
    def state(self):
        data = self.get("/api/v1/failover").json["data"]
        self.plans = data["plans"]
        return data["clusters"][0]

    def verdict(self):
        return self.state()["verdict"]

    def wait(self, verdict, seconds=20):
        eventually(lambda: self.verdict() == verdict, seconds,
                   f"verdict '{verdict}', it is {self.state()}")

    def whole(self, seconds=40):
        eventually(lambda: (lambda s: s["verdict"] == "healthy" and all(s["ready"].values()))(
            self.state()), seconds, f"healthy and ready, it is {self.state()}")

    def ready(self, reason):
        return self.state()["ready"][reason]

    def wait_ready(self, reason, value):
        eventually(lambda: self.ready(reason) == value, what=f"{reason}: {value}")

    def entries(self):
        self.state()
        return sum(plan["state"] == "would_have" for plan in self.plans)

    def seen(self):
        return re.findall(r"cluster '\w+': was \w+, is (\w+):", self.log())


def show(row, expected, watcher):
    print(f"# row {row}: expected {expected}; seen {' '.join(watcher.seen())}", flush=True)


def settings(server, **values):
    for name, value in values.items():
        sandbox.sql(f"ALTER SYSTEM RESET {name}" if value is None else
                    f"ALTER SYSTEM SET {name} = '{value}'", server=server)
    sandbox.sql("SELECT pg_reload_conf()", server=server)


def connect_anew():
    """What changes seldom is asked of each new connection."""
    for server in ("primary", "replica"):
        sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'monitor'", server=server)


watcher = Watcher(configuration())


def the_replica_is_the_synchronous_standby():
    """By its application_name, of which pg_stat_wal_receiver tells."""
    watcher.whole()
    name = sandbox.sql("SELECT application_name FROM pg_stat_replication")[0][0]
    settings("primary", synchronous_standby_names=f'FIRST 1 ("{name}")')
    eventually(lambda: sandbox.sql("SELECT sync_state FROM pg_stat_replication") == [["sync"]],
               what="it is synchronous")
    eventually(lambda: watcher.ready("synchronous"), what="proven")
    throughout(lambda: watcher.ready("synchronous"), 1.5, "proven")


def who_waits_for_nobody_of_ours_proves_nothing():
    settings("primary", synchronous_standby_names="somebody")
    watcher.wait_ready("synchronous", False)
    assert "cannot prove that 'orders-2' holds every acknowledged commit" in \
        watcher.state()["not_ready"]
    assert watcher.state()["members"][1]["obstacle"] == "synchronous"
    assert watcher.state()["candidate"] is None
    settings("primary", synchronous_standby_names=None)
    watcher.whole()


@contextlib.contextmanager
def vault():
    """A synchronous standby that is no member: it only keeps what it receives."""
    program = os.path.join(os.path.dirname(sandbox.servers["primary"]["program"]), "pg_receivewal")
    with tempfile.TemporaryDirectory(prefix="dbv") as folder:
        process = subprocess.Popen(
            [program, "--synchronous", "--no-loop", "-D", folder, "-d",
             re.sub(r"dbname=\S+", "application_name=vault", sandbox.servers["primary"]["dsn_super"])],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def row_46_without_the_synchronous_standby_nobody_follows():
    name = sandbox.sql("SELECT application_name FROM pg_stat_replication")[0][0]
    before = watcher.entries()
    with vault() as process:
        settings("primary", synchronous_standby_names=f'FIRST 1 (vault, "{name}")')
        eventually(lambda: sandbox.sql(
            "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'vault'")
            == [["sync"]], what="the vault is synchronous")
        watcher.wait_ready("synchronous", False)
        sandbox.control("stop", "primary", "kill")
        process.kill()
        watcher.wait("dead")
        eventually(lambda: watcher.entries() == before + 1, what="one entry of the journal")
    note = watcher.plans[0]["notes"][-1]["text"]
    assert "would have done nothing" in note and "cannot prove" in note, note
    throughout(lambda: watcher.state()["candidate"] is None, 1, "no candidate")
    show(46, "dead, no candidate", watcher)
    print(f"#   {note}", flush=True)
    sandbox.control("start", "primary")
    settings("primary", synchronous_standby_names=None)
    watcher.whole()


def a_restart_of_the_monitor_forgets_no_synchronous_standby():
    name = sandbox.sql("SELECT application_name FROM pg_stat_replication")[0][0]
    with vault() as process:
        settings("primary", synchronous_standby_names=f'FIRST 1 (vault, "{name}")')
        watcher.wait_ready("synchronous", False)
        watcher.wait_view()
        watcher.kill()
        sandbox.control("stop", "primary", "kill")
        process.kill()
        watcher.start()
        watcher.wait("dead")
        assert not watcher.ready("synchronous")
        assert watcher.state()["candidate"] is None
    sandbox.control("start", "primary")
    settings("primary", synchronous_standby_names=None)
    watcher.whole()


def a_copied_list_makes_commits_wait():
    settings("replica", synchronous_standby_names="old")
    watcher.wait_ready("commits", False)
    assert "commits would wait for a standby once 'orders-2' is promoted" in \
        watcher.state()["not_ready"]
    eventually(lambda: watcher.page().value("dbvitals_failover_ready", cluster="orders",
                                            reason="commits") == 0, what="the metric")
    settings("replica", synchronous_standby_names=None)
    watcher.wait_ready("commits", True)


def change_right(statement, expected):
    """On the replica, too, before it is asked."""
    sandbox.sql(statement)
    has = "SELECT has_function_privilege('monitor', 'pg_promote(boolean, integer)', 'EXECUTE')"
    eventually(lambda: sandbox.sql(has, server="replica") == [[expected]], what="it is replayed")
    connect_anew()


def the_right_to_promote_is_checked():
    change_right("REVOKE EXECUTE ON FUNCTION pg_promote FROM monitor", "f")
    try:
        watcher.wait_ready("promote", False)
        assert "GRANT EXECUTE ON FUNCTION pg_promote" in watcher.state()["not_ready"]
    finally:
        change_right("GRANT EXECUTE ON FUNCTION pg_promote TO monitor", "t")
    watcher.whole()


def in_charge(name):
    connect_anew()

    def is_seen():  # for a moment nobody knows; then there is no name either
        state = watcher.state()
        return state["manager"] == name and state["ready"]["manager"] is (name is None)
    eventually(is_seen, what=f"manager: {name}")


def other_managers_are_recognised():
    for create, drop, name in (
            ("CREATE ROLE rds_superuser", "DROP ROLE rds_superuser", "Amazon RDS"),
            ("CREATE ROLE streaming_replica", "DROP ROLE streaming_replica", "CloudNativePG"),
            ("CREATE SCHEMA repmgr", "DROP SCHEMA repmgr", "repmgr")):
        sandbox.sql(create)
        in_charge(name)
        assert f"{name} is in charge" in watcher.state()["not_ready"]
        sandbox.sql(drop)
        in_charge(None)


def a_session_of_patroni_is_recognised():
    session = subprocess.Popen(
        ["psql", "-XAtq", "-d",
         sandbox.servers["primary"]["dsn_super"] + " application_name='Patroni heartbeat'"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    eventually(lambda: sandbox.sql("SELECT 1 FROM pg_stat_activity "
                                   "WHERE application_name LIKE 'Patroni%'"), what="its session")
    in_charge("Patroni")
    session.stdin.close()
    session.wait()
    eventually(lambda: not sandbox.sql("SELECT 1 FROM pg_stat_activity "
                                       "WHERE application_name LIKE 'Patroni%'"), what="its end")
    in_charge(None)


def report(daemon, cluster="orders", wait_ms=250):
    answer = daemon.get(f"/api/v1/failover/witness?cluster={cluster}&wait_ms={wait_ms}")
    return answer.json["data"], answer.seconds


def a_witness_probes_at_once_and_says_when_it_heard():
    reports = [report(watcher, wait_ms=5000) for _ in range(15)]
    for said, _ in reports:
        assert said["cluster"] == "orders" and said["primary"] == "orders-1", said
    # By itself it probes each 500 ms. A loaded machine may delay some.
    assert sum(said["fails"] for said, _ in reports) < 5, reports
    heard = statistics.median(said["answered_ms_ago"] for said, _ in reports)
    took = statistics.median(seconds for _, seconds in reports)
    assert heard < 100 and took < 1, (heard, took)
    assert watcher.get("/api/v1/failover/witness?cluster=none").status == 404
    assert watcher.get("/api/v1/failover/witness?cluster=orders&wait_ms=x").status == 400
    sandbox.control("pause", "primary")
    eventually(lambda: report(watcher)[0]["fails"], what="it fails there")
    said, _ = report(watcher, wait_ms=100)
    assert said["answered_ms_ago"] > 400, said
    eventually(lambda: report(watcher, wait_ms=100)[1] < 0.4, what="it waits no longer than it may")
    sandbox.control("resume", "primary")
    watcher.whole()


def cut_off(far):
    """Monitor and replica lose the primary at once, nobody else does."""
    proxy.set("closed")
    conninfo = sandbox.sql("SHOW primary_conninfo", server="replica")[0][0].replace("'", "''")
    settings("replica", primary_conninfo="host=127.0.0.1 port=1")
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_wal_receiver", server="replica")
    return conninfo


def mend(conninfo):
    settings("replica", primary_conninfo=conninfo)
    proxy.set("pass")


def row_51_a_witness_that_hears_it_forbids_it():
    # Without a witness that is a death: what the other one is worth.
    alone = Watcher(configuration(through_proxy=True))
    alone.whole()
    conninfo = cut_off(alone)
    alone.wait("dead")
    mend(conninfo)
    alone.end(0)
    watcher.whole()
    far = Watcher(configuration(through_proxy=True, witness=f"http://{watcher.address}"))
    far.whole()
    conninfo = cut_off(far)
    far.wait("unreachable")
    throughout(lambda: far.verdict() == "unreachable", 5, "unreachable")
    show(51, "unreachable", far)
    assert "dead" not in far.seen() and far.entries() == 0
    # A witness that says nothing has no word.
    watcher.signal(signal.SIGSTOP)
    far.wait("dead")
    watcher.signal(signal.SIGCONT)
    assert "says nothing" in far.log()
    mend(conninfo)
    far.end(0)
    watcher.end(0)


def a_configured_sentinel_is_in_charge():
    redis = Watcher(configuration(cluster="cache"))
    eventually(lambda: redis.state()["manager"] == "Sentinel", what="Sentinel")
    assert not redis.ready("manager")
    redis.end(0)


def row_36_what_sentinel_promotes_is_adopted():
    text = re.sub(r"  - name: cache-sentinel\n(    .*\n)+", "", configuration(cluster="cache"))
    assert "cache-sentinel" not in text
    redis = Watcher(text)
    eventually(lambda: redis.state()["manager"] == "Sentinel", what="Sentinel, by its channel")
    sandbox.redis("SENTINEL", "SET", "cache", "down-after-milliseconds", "1000",
                  server="sentinel")
    sandbox.control("stop", "redis", "kill")
    eventually(lambda: redis.state()["primary"] == "cache-2", 60, "adopted")
    show(36, "no death, adopted", redis)
    assert "dead" not in redis.seen() and redis.entries() == 0
    redis.end(0)


run_tests([
    the_replica_is_the_synchronous_standby,
    who_waits_for_nobody_of_ours_proves_nothing,
    row_46_without_the_synchronous_standby_nobody_follows,
    a_restart_of_the_monitor_forgets_no_synchronous_standby,
    a_copied_list_makes_commits_wait,
    the_right_to_promote_is_checked,
    other_managers_are_recognised,
    a_session_of_patroni_is_recognised,
    a_witness_probes_at_once_and_says_when_it_heard,
    row_51_a_witness_that_hears_it_forbids_it,
    a_configured_sentinel_is_in_charge,
    row_36_what_sentinel_promotes_is_adopted,
])
