#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus finds the targets by /sd, scrapes them, and `instance` is the database; what rules
make, it gets by /federate."""
import os
import urllib.parse

from harness import Daemon, Prometheus, Sandbox, ask, eventually, find_peer, folder, run_tests, scrapes

PROMETHEUS = find_peer("prometheus")
sandbox = Sandbox()
home = folder()
with open(os.path.join(home, "rules.yml"), "w", encoding="utf-8") as file:
    file.write("""groups: [{name: g, interval: 1s, rules: [
        {alert: ThereIsRedis, expr: redis_up == 1, labels: {severity: info}},
        {record: "cluster:up:sum", expr: sum by (cluster) (up)}]}]""")
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 1s, timeout: 900ms, labels: {site: ams1}")
                    + f"rules: {{files: ['{home}/rules.yml']}}\n")
prometheus = Prometheus(PROMETHEUS, sandbox.spare_ports[0], scrapes(daemon) + f"""
  - job_name: federate
    honor_labels: true
    metrics_path: /federate
    params: {{"match[]": ['{{__name__=~"ALERTS|cluster:.*"}}', redis_up]}}
    static_configs: [{{targets: ["{daemon.address}"]}}]
""")


def query(expression):
    path = "query?" + urllib.parse.urlencode({"query": expression})
    try:
        status, answer = ask(prometheus.address, path)
    except OSError:
        return []
    return answer["data"]["result"] if status == 200 else []


def all_targets_are_up():
    daemon.wait_ready()

    def healthy():
        up = query('up == 1')
        return {r["metric"]["target"] for r in up if "target" in r["metric"]} == {
            "orders-1", "orders-2", "orders-pool", "cache-1", "cache-2", "cache-sentinel",
            "dbvitals"}
    eventually(healthy, 40, "Prometheus says that all are up")


def instance_is_the_address_of_the_database():
    wanted = f"127.0.0.1:{sandbox.servers['primary']['port']}"
    found = eventually(lambda: query('pg_up{job="postgres", target="orders-1"}'), 20)
    assert found[0]["metric"]["instance"] == wanted, found
    assert found[0]["metric"]["cluster"] == "orders"


def both_ways_of_scraping_agree():
    eventually(lambda: len(query('redis_up{job="joined"} == 1')) == 3, 20)
    assert len(query('redis_up{job!="joined", site=""} == 1')) == 3


def what_rules_made_comes_by_federation():
    found = eventually(lambda: query('ALERTS{alertname="ThereIsRedis", target="cache-1"}'), 20)
    assert found[0]["metric"]["alertstate"] == "firing", found
    assert found[0]["metric"]["job"] == "redis", found
    assert found[0]["metric"]["site"] == "ams1", found
    found = eventually(lambda: query('{"cluster:up:sum", cluster="cache"} == 3'), 20)
    assert "instance" not in found[0]["metric"], found
    assert len(query('redis_up{site="ams1"} == 1')) == 3


def no_scrape_was_refused():
    failed = query('min_over_time(up{target!=""}[5s]) == 0')
    assert not failed, failed
    dropped = [line for line in prometheus.log().splitlines()
               if "duplicate" in line.lower() or "out of order" in line.lower()]
    assert not dropped, dropped[:5]


def it_stops_cleanly():
    prometheus.end()
    daemon.end(0)


run_tests([
    all_targets_are_up,
    instance_is_the_address_of_the_database,
    both_ways_of_scraping_agree,
    what_rules_made_comes_by_federation,
    no_scrape_was_refused,
    it_stops_cleanly,
])
