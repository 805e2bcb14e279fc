#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libpq's ways to name a server: service files, lists of hosts, what a session must be like."""
import os

from harness import Daemon, Sandbox, eventually, folder, run_tests

sandbox = Sandbox(only="postgres")
PRIMARY = sandbox.servers["primary"]["port"]
REPLICA = sandbox.servers["replica"]["port"]
NOBODY = sandbox.spare_ports[0]
SERVICES = os.path.join(folder(), "services.conf")
PASSWORD = sandbox.passwords["monitor"]


def write_services(port):
    with open(SERVICES, "w", encoding="utf-8") as file:
        file.write("[orders]\nhost=localhost\n"
                   f"port={port}\nuser=monitor\ndbname=postgres\n"
                   f"[list]\nhost=127.0.0.1,127.0.0.1\nport={REPLICA},{PRIMARY}\n"
                   f"user=monitor\ndbname=postgres\ntarget_session_attrs=read-write\n")


def postgres(name, dsn):
    quoted = PASSWORD.replace("'", "''")
    return f"  - {{name: {name}, type: postgres, dsn: \"{dsn}\", password: '{quoted}'}}\n"


def listed(ports, attributes):
    return (f"host=127.0.0.1,127.0.0.1 port={ports} user=monitor dbname=postgres "
            f"target_session_attrs={attributes}")


write_services(PRIMARY)
CONFIG = "global: {interval: 300ms, timeout: 2s}\ntargets:\n" + "".join([
    postgres("service", "service=orders"),
    postgres("variable", ""),
    postgres("service-list", "service=list"),
    postgres("unknown-service", "service=nowhere"),
    postgres("writable", listed(f"{REPLICA},{PRIMARY}", "read-write")),
    postgres("uri", f"postgresql://monitor@127.0.0.1:{REPLICA},127.0.0.1:{PRIMARY}/postgres"
             "?target_session_attrs=read-write"),
    postgres("standby", listed(f"{PRIMARY},{REPLICA}", "standby")),
    postgres("first-is-down", listed(f"{NOBODY},{PRIMARY}", "any")),
    postgres("none-fits", listed(f"{REPLICA},{REPLICA}", "read-write")),
    postgres("any", listed(f"{PRIMARY},{REPLICA}", "any")),
    postgres("names", f"host=localhost,localhost port={REPLICA},{PRIMARY} user=monitor "
             "dbname=postgres target_session_attrs=primary"),
])
daemon = Daemon(CONFIG, environment={"PGSERVICEFILE": SERVICES, "PGSERVICE": "orders"})


def is_replica(target):
    return daemon.page(target).value("pg_replication_is_replica")


def instances():
    return {e["labels"]["target"]: e["labels"]["instance"] for e in daemon.get("/sd").json}


def a_service_file_names_the_server():
    daemon.wait_up("service", "variable", "service-list")
    assert instances()["service"] == f"localhost:{PRIMARY}", instances()
    assert instances()["variable"] == f"localhost:{PRIMARY}", instances()
    assert instances()["service-list"] == f"127.0.0.1:{REPLICA}", instances()
    assert is_replica("service") == 0
    assert is_replica("service-list") == 0


def an_unknown_service_is_said():
    daemon.wait_down("unknown-service")
    assert daemon.logged(r"target 'unknown-service': went down: local: [^\n]*nowhere"), \
        daemon.logged(r"[^\n]*unknown-service[^\n]*")


def the_first_server_that_fits_is_taken_and_the_first_named():
    daemon.wait_up("writable", "uri", "standby", "first-is-down", "names")
    found = {name: is_replica(name) for name in ("writable", "uri", "standby", "first-is-down",
                                                 "names")}
    assert found == {"writable": 0, "uri": 0, "standby": 1, "first-is-down": 0, "names": 0}, found
    named = instances()
    assert named["writable"] == named["uri"] == f"127.0.0.1:{REPLICA}", named
    assert named["standby"] == f"127.0.0.1:{PRIMARY}", named
    assert named["first-is-down"] == f"127.0.0.1:{NOBODY}", named
    assert named["names"] == f"localhost:{REPLICA}", named


def it_says_when_no_server_fits():
    daemon.wait_down("none-fits")
    assert daemon.logged(r"target 'none-fits': went down: unsupported: [^\n]*read-only"), \
        daemon.logged(r"[^\n]*none-fits[^\n]*")


def a_service_file_that_changed_counts_for_the_next_connection():
    write_services(REPLICA)
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'")
    eventually(lambda: is_replica("service") == 1, what="the service's new server is asked")


def the_next_server_is_taken_when_the_first_is_gone():
    daemon.wait_up("any")
    assert is_replica("any") == 0
    sandbox.control("stop", "primary", "immediate")
    eventually(lambda: daemon.up("any") == 1 and is_replica("any") == 1,
               what="the replica is asked instead")
    daemon.wait_down("writable")
    assert daemon.logged(r"target 'writable': went down: refused: "), daemon.log()[-2000:]
    assert instances()["any"] == f"127.0.0.1:{PRIMARY}"


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    a_service_file_names_the_server,
    an_unknown_service_is_said,
    the_first_server_that_fits_is_taken_and_the_first_named,
    it_says_when_no_server_fits,
    a_service_file_that_changed_counts_for_the_next_connection,
    the_next_server_is_taken_when_the_first_is_gone,
    it_stops_cleanly,
])
