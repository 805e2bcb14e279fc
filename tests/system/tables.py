#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tables, locks and statements of a real database, on a good day and while somebody holds a table."""
import json
import subprocess

from harness import Daemon, Sandbox, eventually, run_tests

sandbox = Sandbox(only="primary")
SERVER = sandbox.servers["primary"]
OFTEN = "{enabled: true, interval: 200ms}"
COLLECTORS = "{" + ", ".join(f"{name}: {OFTEN}" for name in (
    "locks", "statements", "statio_user_tables", "table_sizes", "user_indexes", "user_tables",
    "progress_vacuum", "process_idle", "wal", "xmin")) + "}"


def target(name, database):
    dsn = SERVER["dsn"].rsplit("/", 1)[0] + "/" + database
    return f"  - {{name: {name}, type: postgres, dsn: {json.dumps(dsn)}, collectors: {COLLECTORS}}}\n"


daemon = Daemon("global: {interval: 200ms, timeout: 900ms}\ntargets:\n" + target("shop", "shop") +
                target("bare", "template1"))


class Session:
    """A client that keeps its transaction open."""

    def __init__(self, *statements):
        self.process = subprocess.Popen(["psql", "-XqAt", "-d", SERVER["dsn_app"]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.say(*statements)

    def say(self, *statements):
        self.process.stdin.write("".join(s + ";\n" for s in statements))
        self.process.stdin.flush()

    def holds(self):
        """Waits until all that was said has been done."""
        self.say("SELECT 'done'")
        assert self.process.stdout.readline() == "done\n"

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def page():
    return daemon.page("shop")


def value(name, **labels):
    return page().value(name, **labels)


def succeeds(collector, name="shop"):
    return daemon.page(name).value("dbvitals_collector_success", collector=collector)


def tables_have_counters_and_sizes():
    daemon.wait_up("shop", "bare")
    sandbox.sql("CREATE TABLE counted (id int PRIMARY KEY); "
                "INSERT INTO counted SELECT generate_series(1, 1000)", database="shop")
    eventually(lambda: value("pg_stat_user_tables_n_tup_ins", relname="counted") == 1000)
    eventually(lambda: value("pg_stat_user_tables_table_size_bytes", relname="counted"))
    expected = sandbox.sql("SELECT pg_table_size('counted'), pg_indexes_size('counted')",
                           database="shop")[0]
    now = page()
    labels = {"datname": "shop", "schemaname": "public", "relname": "counted"}
    assert now.value("pg_stat_user_tables_index_size_bytes", **labels) == int(expected[1])
    assert now.value("pg_statio_user_tables_heap_blocks_hit", **labels) > 0
    assert now.value("pg_statio_user_indexes_idx_blks_hit_total", indexrelname="counted_pkey") > 0


def temporary_tables_are_no_series():
    session = Session("CREATE TEMP TABLE passing (id int)", "INSERT INTO passing VALUES (1)")
    session.holds()
    sandbox.sql("CREATE TABLE lasting (id int)", database="shop")
    eventually(lambda: value("pg_stat_user_tables_seq_scan", relname="lasting") is not None)
    assert value("pg_stat_user_tables_seq_scan", relname="passing") is None
    session.end()


def a_table_that_somebody_holds_costs_only_its_own_size():
    session = Session("BEGIN", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    session.holds()
    eventually(lambda: value("pg_stat_user_tables_table_size_bytes", relname="orders") is None)
    now = page()
    assert now.value("pg_stat_user_tables_table_size_bytes", relname="items") > 0
    assert now.value("pg_stat_user_tables_n_live_tup", relname="orders") is not None
    assert succeeds("table_sizes") == 1 and succeeds("user_tables") == 1
    eventually(lambda: value("pg_locks_count", datname="shop", mode="accessexclusivelock") >= 1)
    session.end()
    eventually(lambda: value("pg_stat_user_tables_table_size_bytes", relname="orders"))


def who_waits_for_a_row_is_seen():
    update = "UPDATE items SET stock = stock WHERE id = 1"
    holder = Session("BEGIN", update)
    holder.holds()
    waiter = Session(update)
    eventually(lambda: value("dbvitals_pg_locks_waiting") == 1)
    eventually(lambda: value("dbvitals_pg_locks_oldest_wait_seconds") > 0.3)
    eventually(lambda: value("dbvitals_pg_transactions_oldest_idle_seconds") > 0.3)
    eventually(lambda: value("dbvitals_pg_xmin_age_transactions", holder="backend") > 0)
    assert value("pg_long_running_transactions") >= 2
    holder.end()
    eventually(lambda: value("dbvitals_pg_locks_waiting") == 0)
    assert value("dbvitals_pg_locks_oldest_wait_seconds") == 0
    waiter.end()


def statements_that_cost_most_have_no_text():
    sandbox.sql("SELECT pg_sleep(0.25) AS secret_word")
    slow = eventually(lambda: [v for _, v in page().find("dbvitals_pg_slow_statement_mean_seconds")
                               if v >= 0.25])
    assert value("dbvitals_pg_slow_statements") >= len(slow)
    assert page().find("pg_stat_statements_calls_total", user="postgres", datname="postgres")
    assert "secret_word" not in page().text


def without_the_extension_only_statements_fail():
    eventually(lambda: succeeds("statements", "bare") == 0)
    bare = daemon.page("bare")
    failed = [labels["collector"] for labels, v in bare.find("dbvitals_collector_success") if v != 1]
    assert failed == ["statements"], failed
    assert bare.find("dbvitals_collector_errors_total", collector="statements",
                     reason="unsupported"), bare.find("dbvitals_collector_errors_total")
    assert daemon.up("bare") == 1


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    tables_have_counters_and_sizes,
    temporary_tables_are_no_series,
    a_table_that_somebody_holds_costs_only_its_own_size,
    who_waits_for_a_row_is_seen,
    statements_that_cost_most_have_no_text,
    without_the_extension_only_statements_fail,
    it_stops_cleanly,
])
