#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""All kinds of targets at once: everything is up, pages are right, discovery and health agree."""
import gzip
import os
import re
import shutil
import subprocess

from harness import Daemon, Page, Sandbox, Skip, eventually, run_tests

sandbox = Sandbox()
daemon = Daemon(config_file=sandbox.config)
TARGETS = ["orders-1", "orders-2", "orders-pool", "cache-1", "cache-2", "cache-sentinel"]


def every_target_comes_up():
    daemon.wait_ready()
    daemon.wait_up(*TARGETS)
    page = daemon.page()
    for target in TARGETS:
        assert page.value("dbvitals_target_up", target=target) == 1, target
    assert {p["target"]: v for p, v in page.find("pg_up")} == {"orders-1": 1, "orders-2": 1}
    assert len(page.find("redis_up")) == 3
    assert len(page.find("pgbouncer_up")) == 1


def no_collector_fails_and_no_cell_is_skipped():
    page = daemon.page()
    bad = [p for p, v in page.find("dbvitals_collector_success") if v != 1]
    assert not bad, bad
    skipped = [(p, v) for p, v in page.find("dbvitals_collector_skipped_cells_total") if v]
    assert not skipped, skipped
    assert not page.find("dbvitals_target_errors_total"), daemon.log()[-2000:]


def roles_are_told():
    page = daemon.page()
    roles = {p["target"]: p["role"] for p, _ in page.find("dbvitals_target_info")}
    assert roles["orders-1"] == "primary" and roles["orders-2"] == "replica", roles
    assert roles["cache-1"] == "primary" and roles["cache-2"] == "replica", roles
    assert page.value("pg_replication_is_replica", target="orders-1") == 0
    assert page.value("pg_replication_is_replica", target="orders-2") == 1


def the_joined_page_names_each_family_once_and_its_target_in_each_sample():
    page = daemon.page()  # the parser refuses a second TYPE
    assert all("target" in labels for _, labels, _ in page.samples)
    assert all(labels.get("cluster") in (None, "orders", "cache")
               for _, labels, _ in page.samples)
    seen = set()
    for name, labels, _ in page.samples:
        key = (name, tuple(sorted(labels.items())))
        assert key not in seen, key
        seen.add(key)


def the_lines_of_a_family_stand_together():
    order = []
    for line in daemon.page().text.splitlines():
        if line.startswith("# TYPE"):
            order.append(line.split()[2])
        elif not line.startswith("#"):
            assert re.match(re.escape(order[-1]) + r"(_bucket|_sum|_count)?[{ ]", line), line
    assert order == sorted(order)


def a_targets_own_page_has_none_of_our_labels():
    page = daemon.page("orders-1")
    assert page.value("pg_up") == 1
    assert not [p for _, p, _ in page.samples if "target" in p or "cluster" in p]
    names = {n.split("_")[0] for n in page.names()}
    assert names <= {"pg", "dbvitals", "db", "circuit"}, names
    assert len(page.samples) > 300


def probe_and_scrape_are_the_same_page():
    for path in ("/probe", "/scrape"):
        answer = daemon.get(path + "?target=cache-1")
        assert answer.status == 200
        assert Page(answer.text).value("redis_up") == 1
    assert daemon.get("/probe").status == 400


def values_are_the_servers():
    page = daemon.page("orders-1")
    limit = float(sandbox.sql("SHOW max_connections")[0][0])
    assert page.value("pg_settings_max_connections") == limit
    sandbox.redis("SET", "counted", "1")
    eventually(lambda: daemon.page("cache-1").value("redis_db_keys", db="db0") ==
               float(sandbox.redis("DBSIZE")), what="keys are counted")


def settings_are_not_those_of_our_session():
    page = daemon.page("orders-1")
    for name, unit in (("statement_timeout", "_seconds"), ("lock_timeout", "_seconds"),
                       ("idle_in_transaction_session_timeout", "_seconds")):
        shown = sandbox.sql(f"SELECT reset_val FROM pg_settings WHERE name = '{name}'")[0][0]
        assert page.value(f"pg_settings_{name}{unit}") == float(shown) / 1000, name
    assert page.value("pg_settings_default_transaction_read_only") == 0
    assert page.value("pg_settings_transaction_read_only") == 0
    assert daemon.page("orders-2").value("pg_settings_transaction_read_only") == 1


def service_names_are_computed():
    page = daemon.page()
    usage = page.value("db_pool_usage_percent", target="orders-1")
    assert 0 < usage < 100, usage
    assert page.value("db_pool_usage_percent", target="orders-pool") is not None
    assert page.value("db_pool_waiting_connections", target="orders-pool") == 0
    # Our own session is not somebody's work.
    assert page.value("db_active_connections", target="orders-1") == 0
    assert page.value("cache_hits_total", target="cache-1") is not None
    assert page.value("circuit_breaker_state", target="cache-1", breaker="sampling") == 0


def service_names_can_be_hidden():
    quiet = Daemon(config_file=sandbox.config, flags=["--compat.no-service-names"])
    quiet.wait_up("orders-1")
    assert not quiet.page().find("db_pool_usage_percent")
    quiet.end(0)


def discovery_lists_every_target_and_the_daemon():
    answer = daemon.get("/sd")
    assert answer.headers["Content-Type"].startswith("application/json")
    entries = {e["labels"]["target"]: e for e in answer.json}
    assert set(entries) == set(TARGETS) | {"dbvitals"}
    first = entries["orders-1"]
    assert first["targets"] == [daemon.address]
    assert first["labels"]["instance"] == f"127.0.0.1:{sandbox.servers['primary']['port']}"
    assert first["labels"]["job"] == "postgres"
    assert first["labels"]["cluster"] == "orders"
    assert first["labels"]["__metrics_path__"] == "/metrics"
    assert first["labels"]["__param_target"] == "orders-1"


def health_says_ok():
    answer = daemon.get("/health")
    assert answer.status == 200 and answer.json["status"] == "ok", answer.text
    detailed = daemon.get("/health/detailed")
    assert detailed.status == 200
    assert "orders-1" in detailed.text


def gzip_and_etag():
    plain = daemon.get("/metrics?target=orders-1")
    packed = daemon.get("/metrics?target=orders-1", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 4
    assert gzip.decompress(packed.body).startswith(b"# HELP")

    def unchanged():
        first = daemon.get("/metrics?target=orders-1")
        again = daemon.get("/metrics?target=orders-1",
                           headers={"If-None-Match": first.headers["ETag"]})
        return again.status == 304
    eventually(unchanged, what="304 between two rounds")


def promtool_finds_only_what_the_peers_names_cause():
    promtool = shutil.which("promtool") or peer("promtool")
    checked = subprocess.run([promtool, "check", "metrics"], input=daemon.get("/metrics").body,
                             capture_output=True, timeout=60)
    ours = [line for line in (checked.stdout + checked.stderr).decode().splitlines()
            if re.match(r"(error|dbvitals_|circuit_|db_pool|cache_)", line)]
    assert not ours, ours


def peer(name):
    script = os.path.join(os.path.dirname(__file__), "..", "support", "peers")
    done = subprocess.run([script, "path", name], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Skip(f"{name} is not here: {done.stderr.strip()}")
    return done.stdout.strip()


def the_process_has_one_thread():
    assert os.listdir(f"/proc/{daemon.process.pid}/task") == [str(daemon.process.pid)]


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    every_target_comes_up,
    no_collector_fails_and_no_cell_is_skipped,
    roles_are_told,
    the_joined_page_names_each_family_once_and_its_target_in_each_sample,
    the_lines_of_a_family_stand_together,
    a_targets_own_page_has_none_of_our_labels,
    probe_and_scrape_are_the_same_page,
    values_are_the_servers,
    settings_are_not_those_of_our_session,
    service_names_are_computed,
    service_names_can_be_hidden,
    discovery_lists_every_target_and_the_daemon,
    health_says_ok,
    gzip_and_etag,
    promtool_finds_only_what_the_peers_names_cause,
    the_process_has_one_thread,
    it_stops_cleanly,
])
