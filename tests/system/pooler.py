#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A target that turns out to be a transaction pooler: it is sampled, and no setting of ours reaches
the clients that share its connections."""
from harness import Daemon, Sandbox, eventually, run_tests

sandbox = Sandbox(only="primary,pgbouncer")
PORT = sandbox.servers["pgbouncer"]["port"]
WATCHED = ("default_transaction_read_only", "statement_timeout", "lock_timeout",
           "idle_in_transaction_session_timeout", "jit", "application_name")

with open(f"{sandbox.dir}/monitor-password", "w", encoding="utf-8") as secret:
    secret.write(sandbox.passwords["monitor"])
CONFIG = f"""
global: {{interval: 300ms, timeout: 250ms}}
targets:
  - name: behind
    type: postgres
    dsn: "postgresql://monitor@127.0.0.1:{PORT}/postgres?sslmode=disable"
    password_file: {sandbox.dir}/monitor-password
"""


def settings_seen_by_others():
    """As another client of the same pool (same database, same user) sees them."""
    query = "SELECT name, setting FROM pg_settings WHERE name IN ('%s') ORDER BY name" \
        % "', '".join(n for n in WATCHED if n != "application_name")
    return sandbox.sql(query, dsn=sandbox.servers["pgbouncer"]["dsn_monitor"])


def no_session_setting_leaks():
    before = settings_seen_by_others()
    global daemon
    daemon = Daemon(CONFIG)
    daemon.wait_up("behind")
    for _ in range(10):
        rounds = daemon.page("behind").value("dbvitals_rounds_total")
        eventually(lambda r=rounds: daemon.page("behind").value("dbvitals_rounds_total") > r)
        assert settings_seen_by_others() == before


def others_can_write():
    sandbox.sql("CREATE TEMP TABLE leak (n int)", dsn=sandbox.servers["pgbouncer"]["dsn_monitor"])


def no_prepared_statement_is_left_behind():
    rows = sandbox.sql("SELECT count(*) FROM pg_prepared_statements",
                       dsn=sandbox.servers["pgbouncer"]["dsn_monitor"])
    assert rows == [["0"]], rows


def it_is_sampled_all_the_same():
    page = daemon.page("behind")
    assert page.value("pg_up") == 1
    assert page.value("pg_settings_max_connections") is not None
    assert page.find("pg_stat_database_xact_commit")
    bad = [p for p, v in page.find("dbvitals_collector_success") if v != 1]
    assert not bad, (bad, daemon.log()[-2000:])


def a_failing_query_holds_no_server_connection():
    sandbox.sql("ALTER ROLE monitor SET lock_timeout = '50ms'")
    idle = sandbox.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor' AND "
                       "state LIKE 'idle in transaction%' AND "
                       "now() - state_change > interval '2 seconds'")
    assert idle == [["0"]], idle


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    no_session_setting_leaks,
    others_can_write,
    no_prepared_statement_is_left_behind,
    it_is_sampled_all_the_same,
    a_failing_query_holds_no_server_connection,
    it_stops_cleanly,
])
