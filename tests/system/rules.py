#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bundled alerts and dashboards find what they look for in what real servers show.

A real Prometheus scrapes the sandbox through the daemon both ways, by /sd and as a joined page.  Unit
tests make their series up; here every selector meets the real ones.  Rules are loaded a second time
with their thresholds taken away, so that each fires and its annotations are rendered.
"""
import json
import os
import re
import subprocess
import sys
import urllib.parse

from harness import (ROOT, Daemon, Prometheus, Sandbox, ask, eventually, find_peer, folder, run_tests,
                     scrapes)

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import rulefiles  # noqa: E402

# What cannot be seen on healthy servers: alert to reason.
SILENT = {
    "ExporterAbsent": "the daemon is there",
    "PostgresConfigChanged": "it looks at settings five minutes ago",
    "ReplicationLagUnusual": "it looks at the last hour",
    "ReplicationSlotLost": "no slot has lost its WAL",
}
# Rules of whole clusters have no job.
WITHOUT_JOB = {"Watchdog", "NoPrimary", "SplitBrain", "ReplicaMissing", "RedisNoMaster"}
# Metrics that the sandbox's servers do not have: name to reason.
ABSENT = {
    "pg_stat_database_checksum_failures": "its clusters have no data checksums",
    "redis_cluster_state": "its Redis is no cluster",
    "dbvitals_failover_last_recovery_seconds": "its cluster has not failed over",
    "dbvitals_failover_last_lost_bytes": "its cluster has not failed over",
    "dbvitals_failover_last_lost_seconds": "its cluster has not failed over",
    "dbvitals_failover_last_timestamp_seconds": "its cluster has not failed over",
    "dbvitals_failover_last_failure_timestamp_seconds": "its cluster has not failed over",
}
# Of two, each version of PostgreSQL has one.
EITHER = {
    "pg_stat_checkpointer_num_requested_total": "pg_stat_bgwriter_checkpoints_req_total",
    "pg_stat_checkpointer_num_timed_total": "pg_stat_bgwriter_checkpoints_timed_total",
}


PROMETHEUS = find_peer("prometheus")
RULES = rulefiles.all_rules()
sandbox = Sandbox()
sandbox.redis("HSET", "app:breaker", "state", "closed", "failures", "0")
with open(sandbox.config, encoding="utf-8") as file:
    # The database with tables, and the statements, which are asked for on request only.
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s", "interval: 1s, timeout: 900ms")
                    .replace('/postgres"\n', '/shop"\n    collectors: {statements: {enabled: true, '
                             'interval: 1s}}\n', 1) + "  - {name: host-1, type: host, cluster: orders, "
                    "collectors: {filesystem: {interval: 1s}, netclass: {interval: 1s}}}\n"
                    "  - {name: checkout, type: breakers, format: redis, keys: 'app:breaker', cluster: orders, "
                    f"url: 'redis://127.0.0.1:{sandbox.servers['redis']['port']}'}}\n"
                    "breakers: [{name: shop, target: orders-pool}]\n"
                    "failover: [{cluster: orders}]\n"
                    f"rules: {{files: ['{ROOT}/alerts/*.yml']}}\n")
home = folder()
with open(os.path.join(home, "loose.yml"), "w", encoding="utf-8") as file:
    json.dump({"groups": [{"name": "loose", "interval": "1s",
                           "rules": [rulefiles.loose(rule) for rule in RULES]}]}, file)
prometheus = Prometheus(
    PROMETHEUS, sandbox.spare_ports[0],
    f'rule_files: ["{ROOT}/alerts/*.yml", "{ROOT}/alerts/cluster/*.yml", "{home}/loose.yml"]\n'
    + scrapes(daemon))
traffic = subprocess.Popen(
    [os.path.join(ROOT, "tests", "support", "traffic"), "--dir", sandbox.dir, "--seconds", "150"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def data_of(path, **parameters):
    """The API's data, or None while Prometheus is not there yet."""
    try:
        status, answer = ask(prometheus.address, path + "?" + urllib.parse.urlencode(parameters))
    except OSError:
        return None
    if status == 503:
        return None
    assert status == 200, f"{parameters}: {answer}"
    return answer["data"]


def nothing_left(problems, seconds):
    """Polls until problems() is an empty list; tells what is left at the deadline."""
    left = []

    def none():
        left[:] = problems()
        return not left
    try:
        eventually(none, seconds)
    except AssertionError:
        raise AssertionError(f"after {seconds} s: {left}") from None


def query(expression):
    data = data_of("query", query=expression)
    return data["result"] if data else []


def jobs(results):
    """Which of the two ways of scraping the results come from."""
    return {"joined" if result["metric"].get("job") == "joined" else "sd" for result in results}


def judged():
    """The rules that have something to find here."""
    return [rule for rule in RULES if rule.name not in SILENT
            and not rulefiles.metric_names(rule.expr)[0] & set(ABSENT)]


def alerts(name):
    data = data_of("alerts")
    return [a for a in data["alerts"] if a["labels"]["alertname"] == name] if data else []


def both_ways_bring_all_targets():
    daemon.wait_ready()
    sandbox.redis("config", "set", "maxmemory-policy", "noeviction")

    def seen():
        found = query("dbvitals_target_up == 1")
        return jobs(found) == {"joined", "sd"} and len(found) == 16
    eventually(seen, 40, "eight targets are up, both ways")


def every_metric_of_the_rules_is_there():
    names = set().union(*(rulefiles.metric_names(rule.expr)[0] for rule in RULES))
    nothing_left(lambda: [name for name in sorted(names - set(ABSENT) - set(EITHER.values()))
                          if jobs(query(f"{name} or {EITHER.get(name, name)}"))
                          != {"joined", "sd"}], 60)
    wrong = [name for name in ABSENT if query(name)]
    assert not wrong, f"the sandbox does have {wrong}"


def every_rule_finds_its_series():
    """Without its threshold each rule has a result for both ways of scraping."""
    sandbox.sql("CHECKPOINT")  # a share of none would be no number
    def missing():
        for rule in judged():
            found = jobs(query(rulefiles.loose(rule)["expr"]))
            wanted = {"sd"} if rule.name in WITHOUT_JOB else {"joined", "sd"}
            if found != wanted:
                yield rule.name, found
    nothing_left(lambda: list(missing()), 60)


def annotations_are_rendered():
    for rule in judged():
        found = eventually(lambda r=rule: alerts("Loose" + r.name), 20, rule.name)
        for alert in found:
            text = " ".join(alert["annotations"].values())
            assert not re.search(r"<no value>|<error|%!|\{\{", text), text
        for label in set(re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values()))):
            assert any(alert["labels"].get(label) for alert in found), f"{rule.name}: no {label}"


def prometheus_finds_no_fault_in_any_rule():
    def rules():
        return [rule for group in data_of("rules")["groups"] for rule in group["rules"]]

    def evaluated():
        return all(rule["health"] != "unknown" for rule in rules())
    eventually(evaluated, 30, "every rule was evaluated")
    found = rules()
    assert len(found) == 2 * len(RULES), f"{len(found)} rules"
    faults = [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"]
    assert not faults, faults


def fill_in(expression, cluster):
    values = {"$__rate_interval": "5s", "$cluster": cluster, "$target": ".*", "$instance": ".*"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


def every_panel_has_data():
    clusters = {"dbvitals-database": "orders", "dbvitals-cache": "cache",
                "dbvitals-failover": "orders"}

    def empty():
        for _, dashboard in rulefiles.dashboards():
            for panel in rulefiles.panels(dashboard):
                for target in panel.get("targets", []):
                    if rulefiles.metric_names(target["expr"])[0] & set(ABSENT):
                        continue
                    for cluster in (".*", clusters[dashboard["uid"]]):
                        if not query(fill_in(target["expr"], cluster)):
                            yield panel["title"], target["refId"], cluster
    nothing_left(lambda: list(empty()), 30)


def every_variable_has_values():
    for path, dashboard in rulefiles.dashboards():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]).groups()
            found = data_of("series", **{"match[]": fill_in(series, ".*")})
            assert {s.get(label) for s in found} - {None}, (path, variable["name"])
        for annotation in dashboard["annotations"]["list"]:
            query(fill_in(annotation["expr"], ".*"))


def the_watchdog_fires_and_nothing_critical_does():
    eventually(lambda: any(a["state"] == "firing" for a in alerts("Watchdog")), 30)
    firing = query('ALERTS{alertname!~"Loose.*", alertstate="firing", severity="critical"}')
    assert not firing, firing


def a_stopped_redis_makes_its_alert_pending():
    assert not alerts("RedisDown")
    sandbox.control("stop", "redis", "kill")

    def noticed():
        found = [a for a in alerts("RedisDown") if a["labels"]["target"] == "cache-1"]
        return len(found) == 2 and all(a["state"] in ("pending", "firing") for a in found)
    eventually(noticed, 40, "RedisDown of cache-1, both ways")


try:
    run_tests([
        both_ways_bring_all_targets,
        every_metric_of_the_rules_is_there,
        every_rule_finds_its_series,
        annotations_are_rendered,
        prometheus_finds_no_fault_in_any_rule,
        every_panel_has_data,
        every_variable_has_values,
        the_watchdog_fires_and_nothing_critical_does,
        a_stopped_redis_makes_its_alert_pending,
    ])
finally:
    traffic.terminate()
    traffic.wait(20)
