#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus finds the targets by /sd, scrapes them, and `instance` is the database."""
import urllib.parse

from harness import Daemon, Prometheus, Sandbox, ask, eventually, find_peer, run_tests, scrapes

PROMETHEUS = find_peer("prometheus")
sandbox = Sandbox()
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 1s, timeout: 900ms"))
prometheus = Prometheus(PROMETHEUS, sandbox.spare_ports[0], scrapes(daemon))


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
    assert len(query('redis_up{job!="joined"} == 1')) == 3


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
    no_scrape_was_refused,
    it_stops_cleanly,
])
