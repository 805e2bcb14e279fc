#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""/metrics/json: the samples of the text page, and figures that are what the servers did."""
import gzip
import json
import subprocess

from harness import Daemon, Sandbox, eventually, run_tests

sandbox = Sandbox(only="primary,pgbouncer,redis")
with open(sandbox.config, encoding="utf-8") as file:
    text = file.read().replace("interval: 5s, timeout: 3s", "interval: 300ms, timeout: 250ms")
# The extension is wherever its owner wants it.
SCHEMA = '"it\'s \\ %I ""quoted"""'
for line in (f"CREATE SCHEMA {SCHEMA}", f"GRANT USAGE ON SCHEMA {SCHEMA} TO monitor",
             f"ALTER EXTENSION pg_stat_statements SET SCHEMA {SCHEMA}"):
    sandbox.sql(line)
daemon = Daemon(text.replace(
    "name: orders-1\n", "name: orders-1\n    collectors: {statements: {enabled: true, "
    "interval: 300ms, limit: 20, slow_query: 50ms}}\n"))
TARGETS = ("orders-1", "orders-pool", "cache-1")


def ask(target=None, **headers):
    answer = daemon.get("/metrics/json" + (f"?target={target}" if target else ""), headers=headers)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json", answer.text
    body = answer.body
    if answer.headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    return json.loads(body)


def summary(target):
    return ask(target)["targets"][0]["summary"]


def series_of(page):
    return {(sample.get("name", family["name"]), tuple(sorted(sample["labels"].items())))
            for family in page["metrics"] for sample in family["samples"]}


def it_has_the_series_of_the_text_page():
    daemon.wait_up(*TARGETS)
    for target in TARGETS:
        def same(target=target):
            text = {(name, tuple(sorted(labels.items())))
                    for name, labels, _ in daemon.page(target).samples}
            return text == series_of(ask(target)["targets"][0])
        eventually(same, what=f"{target} has the same series on both pages")


def all_targets_are_there_compressed_or_not():
    plain, packed = ask(), ask(**{"Accept-Encoding": "gzip"})
    for page in (plain, packed):
        assert [t["name"] for t in page["targets"]] == [*TARGETS, "dbvitals"], page["targets"]
        assert page["targets"][0]["cluster"] == "orders"
        assert page["targets"][-1]["summary"] is None


def a_cache_that_is_used_shows_hits():
    assert sandbox.redis("SET", "there", "1") == "OK"
    eventually(lambda: summary("cache-1")["cache"]["hits"] is not None)
    before = summary("cache-1")["cache"]
    for _ in range(15):
        sandbox.redis("GET", "there")
    for _ in range(5):
        sandbox.redis("GET", "not-there")

    def counted():
        now = summary("cache-1")["cache"]
        return now["hits"] == before["hits"] + 15 and now["misses"] == before["misses"] + 5
    eventually(counted, what="15 hits and 5 misses")
    found = summary("cache-1")
    assert 0 < found["cache"]["hit_rate_percent"] < 100
    assert found["cache"]["eviction_rate_percent"] == 0
    assert found["database"]["query_count"] is None
    assert ask()["summary"]["cache"]["hits"] == found["cache"]["hits"]


def rollbacks_are_errors():
    eventually(lambda: summary("orders-1")["database"]["query_count"] is not None)
    for _ in range(5):
        subprocess.run(["psql", "-Xq", "-d", sandbox.servers["primary"]["dsn_super"],
                        "-c", "BEGIN", "-c", "SELECT 1/0", "-c", "ROLLBACK"],
                       capture_output=True, timeout=30)
    rate = eventually(lambda: summary("orders-1")["database"]["error_rate_percent"])
    assert 0 < rate < 100, rate
    assert summary("orders-1")["database"]["throughput_qps"] > 0


def statements_give_a_servers_latency():
    eventually(lambda: summary("orders-1")["database"]["avg_latency_ms"] is not None)
    for _ in range(8):
        sandbox.sql("SELECT pg_sleep(0.1)")
    # The daemon's own statements are among those that the average is of.
    latency = eventually(lambda: summary("orders-1")["database"]["avg_latency_ms"])
    assert 0 < latency < 110, latency
    page = daemon.page("orders-1")
    shown = page.find("pg_stat_statements_calls_total")
    assert len(shown) == 20, len(shown)
    rest = page.value("dbvitals_pg_statements_rest_calls")
    assert rest > 0
    [[counted]] = sandbox.sql(f"SELECT sum(calls) FROM {SCHEMA}.pg_stat_statements")
    assert rest + sum(value for _, value in shown) <= int(counted)

    def is_slow():
        means = daemon.page("orders-1").find("dbvitals_pg_slow_statement_mean_seconds")
        return any(0.1 <= value < 1 for _, value in means)
    eventually(is_slow, what="the sleeper is a slow statement")


def a_database_without_the_extension_is_told_what_it_lacks():
    sandbox.sql("DROP EXTENSION pg_stat_statements")
    eventually(lambda: daemon.logged("collector 'statements' fails: unsupported: the database has "
                                     "no extension pg_stat_statements"))
    page = daemon.page("orders-1")
    assert page.value("dbvitals_collector_success", collector="statements") == 0
    assert summary("orders-1")["database"]["avg_latency_ms"] is None


def a_poolers_queries_have_a_latency_and_count_once():
    dsn = sandbox.servers["pgbouncer"]["dsn_monitor"]
    eventually(lambda: summary("orders-pool")["database"]["query_count"] is not None)
    for _ in range(10):
        sandbox.sql("SELECT pg_sleep(0.02)", dsn=dsn)
    latency = eventually(lambda: summary("orders-pool")["database"]["avg_latency_ms"])
    assert 15 < latency < 500, latency

    def total_is_the_servers():
        page = ask()
        parts = {t["name"]: t["summary"] for t in page["targets"] if t["summary"]}
        total = page["summary"]
        server, pooler = parts["orders-1"], parts["orders-pool"]
        return (total["database"]["query_count"] == server["database"]["query_count"]
                and abs(total["database"]["avg_latency_ms"]
                        - pooler["database"]["avg_latency_ms"]) < 1e-6
                and total["connection_pool"]["total_connections"]
                == server["connection_pool"]["total_connections"]
                and pooler["connection_pool"]["total_connections"] is not None)
    # A round may end between the head of the page and a target.
    eventually(total_is_the_servers)


def a_restart_gives_null_and_never_nonsense():
    assert summary("cache-1")["cache"]["hits"] >= 15
    sandbox.control("stop", "redis")
    daemon.wait_down("cache-1")
    down = summary("cache-1")["cache"]
    assert down["hits"] is None and down["hit_rate_percent"] is None, down
    sandbox.control("start", "redis")
    daemon.wait_up("cache-1")
    eventually(lambda: summary("cache-1")["cache"]["hits"] is not None)
    assert summary("cache-1")["cache"]["hits"] == 0
    assert summary("cache-1")["cache"]["window_seconds"] < 30


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    it_has_the_series_of_the_text_page,
    all_targets_are_there_compressed_or_not,
    a_cache_that_is_used_shows_hits,
    rollbacks_are_errors,
    statements_give_a_servers_latency,
    a_database_without_the_extension_is_told_what_it_lacks,
    a_poolers_queries_have_a_latency_and_count_once,
    a_restart_gives_null_and_never_nonsense,
    it_stops_cleanly,
])
