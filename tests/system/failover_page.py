#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A failover by hand as the status page shows it, with a breaker of the same cluster; and that who was
promoted by us is the primary at once, for whoever looks."""
import html
import http.client
import json
import os
import re
import socket
import time
import urllib.parse

from harness import ROOT, Daemon, Sandbox, ask, eventually, run_tests

SANDBOX = Sandbox(only="postgres")
with open(SANDBOX.config, encoding="utf-8") as file:
    CONFIG = file.read().replace("interval: 5s, timeout: 3s", "interval: 500ms, timeout: 400ms") + """
breakers:
  - {name: writes, target: orders-1, circuit: write, group: shop, recovery: {timeout: 1h, max_timeout: 1h}}
  - {name: reads, target: orders-2, circuit: read, group: shop}
failover: [{cluster: orders, mode: manual, unfenced: accept_split_brain}]
"""
daemon = Daemon(CONFIG)
daemon.wait_ready()


def seen():
    return daemon.get("/api/v1/failover").json["data"]


def cluster():
    return seen()["clusters"][0]


def order(**body):
    connection = http.client.HTTPConnection("dbvitals")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(os.path.join(daemon.folder, "storage", "control.sock"))
    connection.request("POST", "/api/v1/failover", body=json.dumps(body))
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    assert reply.status == 200, text


def section(name):
    """The rows of a section of the page, as a reader has them: words of cells."""
    text = daemon.get("/").text
    found = re.search(rf'<h2 id="{name}">.*?<tbody>(.*?)</tbody>', text, re.S)
    if not found:
        return None
    return [[html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()
             for cell in re.findall(r"<t[hd][ >][^<]*(?:<(?!/t[hd]>)[^<]*)*", row)]
            for row in re.findall(r"<tr>.*?</tr>", found.group(1), re.S)]


def pills():
    return re.findall(r'<p class="state (\w+)"><a href="#(\w+)">([^<]+)</a>', daemon.get("/").text)


def words(row):
    return " ".join(word for cell in row for word in cell)


def a_healthy_cluster_is_ready_or_says_what_is_missing():
    eventually(lambda: cluster()["verdict"] == "healthy", 30, what="healthy")
    eventually(lambda: all(cluster()["ready"].values()), 30, what="ready")
    row = words(section("failover")[0])
    assert "orders" in row and "healthy" in row and "orders-1" in row and "orders-2" in row, row
    assert "manual" in row and "ready" in row and "not ready" not in row, row
    assert section("plans") is None and pills() == [], pills()
    rows = section("breakers")
    assert ["closed" in words(row) for row in rows] == [True, True], rows


def a_reload_of_the_same_configuration_starts_nothing_anew():
    eventually(lambda: cluster()["verdict_seconds"] > 2, 20, what="known for a while")
    daemon.reload()
    found = cluster()
    assert found["verdict"] == "healthy" and found["verdict_seconds"] > 2, found


def a_failover_that_waits_shows_the_command():
    for _ in range(5):
        daemon.get("/api/v1/breakers/writes/report", "POST", body='{"success": false}')
    SANDBOX.sql("CREATE TABLE written AS SELECT generate_series(1, 20000)")
    eventually(lambda: (cluster()["wal_bytes_per_second"] or 0) > 10000, what="it writes")
    SANDBOX.control("stop", "primary", "kill")
    plan = eventually(lambda: (found := seen()["plans"]) and found[0]["state"] == "waiting"
                      and found[0], 60, what="a failover waits")
    row = words(section("plans")[0])
    assert f"dbvitals failover approve {plan['id']}" in row, row
    assert "waiting" in row and "orders-1 to orders-2" in row, row
    # What the loss is judged by: the primary was written to until it died.
    assert plan["wal_bytes_per_second"] > 0 and 1 < plan["position_age_seconds"] < 60, plan
    assert f"the last position is {plan['position_age_seconds']:.1f} s old" in row, row
    assert re.search(r"/s were written, so about [0-9.]+ k?M?B more may be lost", row), row
    assert daemon.page("dbvitals").value("dbvitals_failover_wal_bytes_per_second",
                                         cluster="orders") > 0
    assert "dead" in words(section("failover")[0])
    rows = section("breakers")
    assert "writes" in words(rows[0]) and "open" in words(rows[0]), rows
    assert "consecutive_failures" in words(rows[0]) and "shop" in words(rows[0]), rows
    found = {name: (state, text) for state, name, text in pills()}
    assert found["failover"] == ("down", "1 cluster is not healthy"), found
    assert found["plans"] == ("down", "1 failover waits for you"), found
    assert found["breakers"] == ("pending", "1 breaker keeps calls back"), found
    eventually(lambda: daemon.page("dbvitals").value("dbvitals_failover_waiting",
                                                     cluster="orders") == 1)


def who_was_promoted_is_the_primary_from_then_on():
    order(order="approve", id=seen()["plans"][0]["id"])
    eventually(lambda: seen()["plans"][0]["state"] == "done", 60, what="done")
    after, deadline = [], time.monotonic() + 3
    while time.monotonic() < deadline or after[-1][1] != "healthy":
        found = cluster()
        after.append((found["primary"], found["verdict"]))
        assert time.monotonic() < deadline + 30, after[-1]
        time.sleep(0.02)
    assert {primary for primary, _ in after} == {"orders-2"}, set(after)
    assert "split_brain" not in {verdict for _, verdict in after}, set(after)


def one_that_is_done_shows_its_figures_until_it_is_acknowledged():
    plan = seen()["plans"][0]
    row = words(section("plans")[0])
    assert f"{plan['recovery_seconds']:.1f} s lost {plan['lost_bytes']} B" in row, row
    assert f"dbvitals failover ack {plan['id']}" in row and "done" in row, row
    row = words(section("failover")[0])
    assert "not ready" in row and "an earlier failover waits for its acknowledgement" in row, row
    page = eventually(lambda: (found := daemon.page("dbvitals")).value(
        "dbvitals_failover_latched", cluster="orders") == 1 and found)
    assert page.value("dbvitals_failover_last_recovery_seconds", cluster="orders") > 0
    assert page.value("dbvitals_failover_last_timestamp_seconds", cluster="orders") > 0
    # What dashboards ask, and has no answer before: also when it is asked of the daemon itself.
    with open(os.path.join(ROOT, "dashboards", "failover.json"), encoding="utf-8") as file_:
        queries = [target["expr"] for panel in json.load(file_)["panels"]
                   for target in panel.get("targets", []) if "dbvitals_failover_last_" in target["expr"]]
    found = {query: len(ask(daemon.address, "query?" + urllib.parse.urlencode(
        {"query": query.replace("$cluster", "orders")}))[1]["data"]["result"]) for query in queries}
    assert {count for query, count in found.items() if "last_failure" not in query} == {1}, found
    order(order="ack", id=plan["id"])
    eventually(lambda: seen()["plans"][0]["state"] == "closed", 20, what="closed")
    row = words(section("plans")[0])
    assert "closed" in row and "dbvitals failover" not in row, row
    assert "acknowledgement" not in words(section("failover")[0])


run_tests([
    a_healthy_cluster_is_ready_or_says_what_is_missing,
    a_reload_of_the_same_configuration_starts_nothing_anew,
    a_failover_that_waits_shows_the_command,
    who_was_promoted_is_the_primary_from_then_on,
    one_that_is_done_shows_its_figures_until_it_is_acknowledged,
])
