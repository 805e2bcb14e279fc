#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A server with several databases: each is visited, one that cannot be costs only itself, and all of
that needs one connection beside the one that the rounds have."""
import contextlib
import json
import os
import subprocess
import time

from harness import Daemon, Sandbox, eventually, folder, run_tests

sandbox = Sandbox(only="primary,pgbouncer")
SERVER = sandbox.servers["primary"]
HOSTILE = "host=evil dbname='x' \"q\" \\ ü" + "y" * 34
NAMES = ["alpha", "beta", "closed", "dropped", "held", HOSTILE]
OFTEN = "{enabled: true, interval: 1s}"
EACH = ["user_tables", "statio_user_tables", "user_indexes", "table_sizes"]


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def connection(database):
    """Of the superuser, whatever the name is."""
    return (f"host={sandbox.run} port={SERVER['port']} user=postgres dbname='"
            + database.replace("\\", "\\\\").replace("'", "\\'") + "'")


def sql(statement, database="postgres"):
    return sandbox.sql(statement, dsn=connection(database))


def config(databases="{}", timeout="600ms", extra=""):
    collectors = ", ".join(f"{name}: {OFTEN}" for name in EACH)
    return f"""
global: {{interval: 200ms, timeout: {timeout}}}
targets:
  - name: many
    type: postgres
    dsn: {json.dumps(SERVER["dsn"])}
    databases: {databases}
    collectors: {{{collectors}, database_size: {{interval: 1s, timeout: 5s}}{extra}}}
"""


assert len(HOSTILE.encode()) == 63
for each in NAMES:
    sql(f"CREATE DATABASE {identifier(each)}")
    sql("CREATE TABLE thing (id int PRIMARY KEY)", each)
sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")


class Witness:
    """Looks at the server all the time: how many connections does the daemon have there?"""

    def __init__(self):
        self.path = os.path.join(folder(), "seen")
        self.file = open(self.path, "wb")
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-d", connection("postgres")], stdin=subprocess.PIPE,
            stdout=self.file, stderr=subprocess.DEVNULL)
        self.process.stdin.write(
            b"SELECT count(*), count(*) FILTER (WHERE state = 'active') FROM pg_stat_activity WHERE "
            b"application_name = 'dbvitals' AND backend_type = 'client backend' \\watch 0.01\n")
        self.process.stdin.flush()

    def end(self):
        """Return: the numbers of connections that were seen."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.file.close()
        with open(self.path, encoding="utf-8") as file:
            return [int(line.split("|")[0]) for line in file if "|" in line]


witness = Witness()
daemon = Daemon(config())


def page():
    return daemon.page("many")


def value(name, **labels):
    return page().value(name, **labels)


def databases_of(name, **labels):
    return {pairs["datname"] for pairs, _ in page().find(name, **labels)}


def walks():
    return len(daemon.logged(r"walk ends after"))


def another_walk():
    before = walks()
    eventually(lambda: walks() > before + 1, what="a whole walk")


def every_database_is_visited_whatever_it_is_called():
    daemon.wait_up("many")
    here = {"alpha", "beta", "dropped", "held", "shop", HOSTILE}
    tables = ("pg_stat_user_tables_seq_scan", "pg_statio_user_tables_heap_blocks_read",
              "pg_stat_user_tables_table_size_bytes", "dbvitals_pg_index_scans_total",
              "pg_statio_user_indexes_idx_blks_hit_total")
    for name in tables:
        eventually(lambda n=name: databases_of(n) == here, what=name)
    assert value("pg_stat_user_tables_seq_scan", datname=HOSTILE, relname="thing") is not None
    assert databases_of("pg_database_size_bytes") >= here
    # A loaded machine may make one late for once.
    eventually(lambda: all(v == 1 for _, v in page().find("dbvitals_collector_success")),
               what="no collector that fails")


def what_is_found_is_true():
    sql("INSERT INTO thing SELECT generate_series(1, 77)", "beta")
    eventually(lambda: value("pg_stat_user_tables_n_tup_ins", datname="beta",
                             relname="thing") == 77)
    assert value("pg_stat_user_tables_n_tup_ins", datname="alpha", relname="thing") == 0
    size = int(sql("SELECT pg_table_size('thing')", "beta")[0][0])
    eventually(lambda: value("pg_stat_user_tables_table_size_bytes", datname="beta",
                             relname="thing") == size)


def one_without_the_right_to_connect_is_counted_and_said_once():
    another_walk()
    eventually(lambda: value("dbvitals_databases_failed") == 1, what="one failed database")
    assert value("dbvitals_databases") == 8  # with postgres and shop
    assert value("dbvitals_walk_duration_seconds") > 0
    said = daemon.logged(r"database 'closed' cannot be visited: permission")
    assert len(said) == 1, said
    with open(SERVER["log"], encoding="utf-8", errors="replace") as log:
        assert 'permission denied for database "closed"' not in log.read()
    sql("GRANT CONNECT ON DATABASE closed TO PUBLIC")
    eventually(lambda: "closed" in databases_of("pg_stat_user_tables_seq_scan"))
    eventually(lambda: value("dbvitals_databases_failed") == 0)
    sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")


def one_that_is_dropped_leaves_the_page():
    sql("DROP DATABASE dropped WITH (FORCE)")
    eventually(lambda: "dropped" not in databases_of("pg_stat_user_tables_seq_scan"))
    assert "alpha" in databases_of("pg_stat_user_tables_seq_scan")
    eventually(lambda: value("dbvitals_databases") == 7)
    assert daemon.up("many") == 1


def a_limited_one_keeps_its_last_place_for_others():
    sql("ALTER DATABASE beta CONNECTION LIMIT 1")
    eventually(lambda: daemon.logged(r"database 'beta' cannot be visited: connections"))
    another_walk()
    sql("ALTER DATABASE beta CONNECTION LIMIT -1")
    eventually(lambda: daemon.logged(r"database 'beta' can be visited again"))
    assert len(daemon.logged(r"database 'beta' cannot be visited")) == 1


@contextlib.contextmanager
def held(catalog, database):
    """Somebody holds a catalog of a database alone."""
    locker = subprocess.Popen(["psql", "-Xq", "-d", connection(database)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    locker.stdin.write(f"BEGIN; LOCK TABLE pg_catalog.{catalog} IN ACCESS EXCLUSIVE MODE;\n"
                       "\\echo locked\n")
    locker.stdin.flush()
    assert locker.stdout.readline().strip() == "locked"
    try:
        yield
    finally:
        locker.stdin.close()
        locker.wait(10)
        locker.stdout.close()


def rounds_keep_their_rhythm(during):
    """Rounds end every 200 ms while something else happens."""
    before, start = page(), time.monotonic()
    during()
    after, seconds = page(), time.monotonic() - start
    done, skipped, failed = (after.value(name) - before.value(name) for name in (
        "dbvitals_rounds_total", "dbvitals_rounds_skipped_total", "dbvitals_rounds_failed_total"))
    assert done >= 0.8 * seconds / 0.2 - 2, (done, seconds)
    assert skipped <= done / 10 and failed == 0, (skipped, failed)


def a_lock_in_one_database_fails_there_alone_and_rounds_keep_their_rhythm():
    with held("pg_statistic", "held"):  # the planner reads it
        eventually(lambda: "held" not in databases_of("pg_stat_user_tables_seq_scan"))
        eventually(lambda: page().find("dbvitals_collector_errors_total",
                                       collector="user_tables", reason="lock"))
        assert daemon.logged(r"collector 'user_tables' fails in database 'held': lock")
        rounds_keep_their_rhythm(lambda: (another_walk(), another_walk()))
        here = databases_of("pg_stat_user_tables_seq_scan")
        assert here >= {"alpha", "beta", "shop", HOSTILE} and "held" not in here, here
        assert value("dbvitals_collector_success", collector="user_tables") == 0
        eventually(lambda: value("dbvitals_collector_success", collector="database_size") == 1)
        assert value("dbvitals_databases_failed") == 1
    eventually(lambda: "held" in databases_of("pg_stat_user_tables_seq_scan"), 30)
    eventually(lambda: value("dbvitals_collector_success", collector="user_tables") == 1, 30)


def a_reload_may_change_what_is_visited():
    daemon.write_config(config('{include: ["*a"], exclude: [beta]}'))
    daemon.reload()
    eventually(lambda: databases_of("pg_stat_user_tables_seq_scan") == {"alpha"})
    daemon.write_config(config().replace("    databases: {}\n", ""))
    daemon.reload()
    eventually(lambda: "thing" not in {p["relname"] for p, _ in page().find(
        "pg_stat_user_tables_seq_scan")})
    daemon.write_config(config())
    daemon.reload()
    eventually(lambda: databases_of("pg_stat_user_tables_seq_scan") >= {"alpha", "beta", "held"})


def there_were_never_more_than_two_connections():
    seen = witness.end()
    assert len(seen) > 300, len(seen)
    assert max(seen) == 2 and min(seen) >= 0, max(seen)


def our_backends():
    return int(sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor' OR "
                   "(usename IS NULL AND backend_type = 'client backend')")[0][0])


def a_database_that_hangs_is_passed_by():
    with held("pg_index", "held"):  # a new backend reads it before it can be limited in time
        eventually(lambda: daemon.logged(r"database 'held' cannot be visited: timeout"))
        rounds_keep_their_rhythm(lambda: (another_walk(), another_walk()))
        here = databases_of("pg_stat_user_tables_seq_scan")
        assert here >= {"alpha", "beta", "shop", HOSTILE}, here
        most = max(our_backends() for _ in range(20))
        assert most <= 3, most  # the rounds', the walk's, and the one that hangs
        assert len(daemon.logged(r"database 'held' cannot be visited: timeout")) == 1
    daemon.write_config(config(extra=", locks: {interval: 7s}"))
    daemon.reload()  # what was put off is tried again
    eventually(lambda: "held" in databases_of("pg_stat_user_tables_seq_scan"))


def seconds_for(statement):
    start = time.monotonic()
    sql(statement)
    return time.monotonic() - start


def make_sizes_slow():
    """The server looks at every file. Return: how long the size of all databases takes."""
    oid = sql("SELECT oid FROM pg_database WHERE datname = 'shop'")[0][0]
    base = os.path.join(sandbox.dir, "primary", "data", "base", oid)
    for part in range(20):
        for i in range(10000):
            os.close(os.open(f"{base}/filler.{part}.{i}", os.O_CREAT | os.O_WRONLY))
        slow = min(seconds_for("SELECT pg_database_size('shop')") for _ in range(3)) \
            - max(seconds_for("SELECT 1") for _ in range(3))
        if slow > 0.1:
            return slow
    raise AssertionError("this machine is too fast")


def a_slow_collector_gets_the_time_that_it_was_given():
    timeout = max(int(make_sizes_slow() * 1000 * 3 / 2), 100)  # a third of it is not enough
    given = ", database_size: {interval: 1s, timeout: 20s}"
    text = config(timeout=f"{timeout}ms").replace("    databases: {}\n", "")
    daemon.write_config(text.replace(", database_size: {interval: 1s, timeout: 5s}",
                                     ", database_size: {interval: 1s}"))
    daemon.reload()
    eventually(lambda: page().find("dbvitals_collector_errors_total", collector="database_size",
                                   reason="timeout"))
    eventually(lambda: value("pg_database_size_bytes", datname="shop") is None)
    daemon.write_config(text.replace(", database_size: {interval: 1s, timeout: 5s}", given))
    daemon.reload()
    eventually(lambda: value("pg_database_size_bytes", datname="shop"), 30)
    assert value("dbvitals_databases") is None
    assert value("dbvitals_walk_duration_seconds") > timeout / 3000
    daemon.write_config(config())
    daemon.reload()


def it_stops_cleanly_in_the_middle_of_a_walk():
    before = walks()
    eventually(lambda: walks() > before)
    daemon.end(0)
    eventually(lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                           "'dbvitals'") == [["0"]])


def behind_a_pooler_databases_that_it_does_not_know_cost_nothing():
    port = sandbox.servers["pgbouncer"]["port"]
    with open(f"{sandbox.dir}/monitor-password", "w", encoding="utf-8") as secret:
        secret.write(sandbox.passwords["monitor"])
    dsn = f"postgresql://monitor@127.0.0.1:{port}/postgres?sslmode=disable"
    daemon = Daemon(config().replace(json.dumps(SERVER["dsn"]), json.dumps(dsn)).replace(
        "    databases", f"    password_file: {sandbox.dir}/monitor-password\n    databases"))
    daemon.wait_up("many")
    eventually(lambda: {p["datname"] for p, _ in daemon.page("many").find(
        "pg_stat_user_tables_seq_scan")} == {"shop"})
    eventually(lambda: daemon.page("many").value("dbvitals_databases_failed") == 5)
    assert daemon.up("many") == 1
    for database in ("postgres", "shop"):
        through = sandbox.servers["pgbouncer"]["dsn_monitor"].replace(
            "/postgres", "/" + database)
        settings = sandbox.sql("SELECT current_setting('statement_timeout'), "
                               "current_setting('default_transaction_read_only'), "
                               "(SELECT count(*) FROM pg_prepared_statements)", dsn=through)
        assert settings == [["0", "off", "0"]], settings
    daemon.end(0)


run_tests([
    every_database_is_visited_whatever_it_is_called,
    what_is_found_is_true,
    one_without_the_right_to_connect_is_counted_and_said_once,
    one_that_is_dropped_leaves_the_page,
    a_limited_one_keeps_its_last_place_for_others,
    a_lock_in_one_database_fails_there_alone_and_rounds_keep_their_rhythm,
    a_reload_may_change_what_is_visited,
    there_were_never_more_than_two_connections,
    a_database_that_hangs_is_passed_by,
    a_slow_collector_gets_the_time_that_it_was_given,
    it_stops_cleanly_in_the_middle_of_a_walk,
    behind_a_pooler_databases_that_it_does_not_know_cost_nothing,
])
