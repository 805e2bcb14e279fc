#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus finds the targets by /sd, scrapes them, and `instance` is the database."""
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

from harness import ROOT, Daemon, Sandbox, eventually, folder, run_tests


def find_prometheus():
    path = shutil.which("prometheus")
    if path:
        return path
    done = subprocess.run([os.path.join(ROOT, "tests", "support", "peers"), "path", "prometheus"],
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        print(f"1..0 # SKIP no Prometheus here: {done.stderr.strip()}")
        sys.exit(0)
    return done.stdout.strip()


PROMETHEUS = find_prometheus()
sandbox = Sandbox()
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 1s, timeout: 900ms"))
port = sandbox.spare_ports[0]
home = folder()
with open(os.path.join(home, "prometheus.yml"), "w", encoding="utf-8") as file:
    file.write(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: databases
    http_sd_configs: [{{url: "http://{daemon.address}/sd", refresh_interval: 1s}}]
  - job_name: joined
    honor_labels: true
    static_configs: [{{targets: ["{daemon.address}"]}}]
""")
prometheus = subprocess.Popen(
    [PROMETHEUS, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
     f"--web.listen-address=127.0.0.1:{port}"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    stderr=open(os.path.join(home, "log"), "wb"))


def query(expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


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
    dropped = [line for line in open(os.path.join(home, "log"), encoding="utf-8", errors="replace")
               if "duplicate" in line.lower() or "out of order" in line.lower()]
    assert not dropped, dropped[:5]


def it_stops_cleanly():
    prometheus.terminate()
    prometheus.wait(20)
    daemon.end(0)


try:
    run_tests([
        all_targets_are_up,
        instance_is_the_address_of_the_database,
        both_ways_of_scraping_agree,
        no_scrape_was_refused,
        it_stops_cleanly,
    ])
finally:
    if prometheus.poll() is None:
        prometheus.kill()
        prometheus.wait()
