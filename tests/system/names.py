#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile names of databases, roles and applications are exposed correctly."""
from harness import Daemon, Page, Sandbox, eventually, run_tests

sandbox = Sandbox(only="primary,redis")
NAMES = ['"', "back\\slash", "new\nline", "{brace}", "snow \u2603 man", "x" * 63, "a=b,c",
         "tab\there", "'quote'"]
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 500ms, timeout: 400ms"))


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def databases_with_any_name_are_shown():
    for name in NAMES:
        sandbox.sql(f"CREATE DATABASE {ident(name)} TEMPLATE template0 STRATEGY file_copy")
    daemon.wait_up("orders-1")

    def all_there():
        found = {p["datname"] for p, _ in
                 daemon.page("orders-1").find("pg_stat_database_numbackends")}
        return set(NAMES) <= found
    eventually(all_there, what="every name is a label")
    page = daemon.page()
    for name in NAMES:
        assert page.value("pg_stat_database_numbackends", datname=name, target="orders-1") == 0


def bytes_that_are_no_utf8_do_not_stop_the_target():
    sandbox.sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'SQL_ASCII' "
                "LC_COLLATE 'C' LC_CTYPE 'C'")
    dsn = sandbox.servers["primary"]["dsn_super"].replace("dbname=postgres", "dbname=latin")
    sandbox.sql("SET client_encoding = 'SQL_ASCII'; CREATE ROLE \"caf\u00e9\"", dsn=dsn)
    sandbox.sql("SET client_encoding = 'SQL_ASCII'; "
                "DO $$ BEGIN EXECUTE 'CREATE DATABASE ' || quote_ident(E'caf\\351') || "
                "' TEMPLATE template0'; EXCEPTION WHEN OTHERS THEN NULL; END $$", dsn=dsn)
    rounds = daemon.page("orders-1").value("dbvitals_rounds_total")
    eventually(lambda: daemon.page("orders-1").value("dbvitals_rounds_total") > rounds + 3)
    assert daemon.up("orders-1") == 1
    daemon.get("/metrics").body.decode("utf-8")


def a_redis_client_name_cannot_break_the_page():
    sandbox.redis("CONFIG", "SET", "latency-tracking", "yes")
    sandbox.redis("SET", 'k"ey\n', "1")
    Page(daemon.get("/metrics").text)


def unknown_targets_are_answered_with_care():
    for path in ("/metrics?target=%22%0A%3Cb%3E", "/metrics?target=" + "x" * 300,
                 "/metrics?target=%00", "/metrics?target=orders-1%00x"):
        answer = daemon.get(path)
        assert answer.status in (400, 404), (path, answer.status)
        assert "error" in answer.json


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    databases_with_any_name_are_shown,
    bytes_that_are_no_utf8_do_not_stop_the_target,
    a_redis_client_name_cannot_break_the_page,
    unknown_targets_are_answered_with_care,
    it_stops_cleanly,
])
