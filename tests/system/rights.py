#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a server refuses to tell is left out, each question for itself and with its reason."""
from harness import Daemon, Sandbox, eventually, run_tests

ASKED_ALONE = ["config", "latency_histogram", "latency_spikes", "slowlog", "slowlog_length"]
sandbox = Sandbox(only="sentinel,primary")
PORT = sandbox.servers["redis"]["port"]
assert sandbox.redis("ACL", "SETUSER", "poor", "on", ">poor", "-@all", "+info", "+ping",
                     "+client|setname") == "OK"
sandbox.sql("CREATE ROLE blind LOGIN PASSWORD 'blind'")
daemon = Daemon(f"""
global: {{interval: 300ms, timeout: 250ms}}
targets:
  - {{name: rich, type: redis, url: "redis://127.0.0.1:{PORT}"}}
  - {{name: poor, type: redis, url: "redis://poor:poor@127.0.0.1:{PORT}"}}
  - {{name: blind, type: postgres,
     dsn: "postgresql://blind:blind@127.0.0.1:{sandbox.servers['primary']['port']}/postgres"}}
  - {{name: bare, type: redis, url: "redis://127.0.0.1:{sandbox.servers['sentinel']['port']}"}}
""")


def errors(target, reason):
    """{collector: failures} of a target for this reason."""
    return {labels["collector"]: value for labels, value in
            daemon.page(target).find("dbvitals_collector_errors_total", reason=reason)}


def after_rounds(target, count):
    """The target's page when so many more rounds have ended."""
    def rounds():
        return daemon.page(target).value("dbvitals_rounds_total")
    begin = rounds()
    eventually(lambda: rounds() >= begin + count, what=f"{count} rounds of {target}")
    return daemon.page(target)


def who_may_ask_everything_misses_nothing():
    daemon.wait_up("rich", "poor", "bare")
    page = after_rounds("rich", 2)
    assert not page.find("dbvitals_collector_errors_total")
    assert all(value == 1 for _, value in page.find("dbvitals_collector_success"))
    assert page.value("redis_slowlog_length") is not None
    assert page.value("redis_config_maxmemory") == 64 * 1024 * 1024
    assert page.find("redis_commands_latencies_usec_bucket", cmd="info", le="+Inf")
    assert len(page.find("redis_db_keys")) == 16


def denied_commands_fail_alone_with_reason_permission():
    page = after_rounds("poor", 2)
    assert sorted(errors("poor", "permission")) == ASKED_ALONE, page.text
    assert page.value("dbvitals_target_up") == 1
    assert page.value("redis_connected_clients") > 0
    assert page.value("dbvitals_collector_success", collector="keyspace") == 1
    assert page.value("redis_slowlog_length") is None
    assert page.value("redis_config_maxmemory") is None


def unknown_commands_fail_alone_with_reason_unsupported():
    page = after_rounds("bare", 2)
    assert sorted(errors("bare", "unsupported")) == ASKED_ALONE, page.text
    assert page.value("dbvitals_target_up") == 1
    assert page.value("redis_connected_clients") > 0


def what_is_refused_is_not_asked_each_round():
    after_rounds("poor", 6)
    assert set(errors("poor", "permission").values()) == {1.0}
    denied = daemon.page("rich").value("redis_acl_access_denied_cmd_total")
    assert denied is None or denied <= len(ASKED_ALONE)  # since 7.2
    assert daemon.get("/health/detailed").json["status"] == "degraded"


def a_right_that_is_given_counts_when_the_target_returns():
    sandbox.control("stop", "redis")
    daemon.wait_down("poor")
    sandbox.control("start", "redis")
    assert sandbox.redis("ACL", "SETUSER", "poor", "on", ">poor", "-@all", "+info", "+ping",
                         "+client|setname", "+config|get", "+slowlog", "+latency") == "OK"
    daemon.wait_up("poor")
    page = after_rounds("poor", 2)
    assert page.value("redis_slowlog_length") is not None
    assert all(value == 1 for _, value in page.find("dbvitals_collector_success"))


def a_role_that_sees_only_itself_counts_nothing():
    daemon.wait_up("blind")
    page = after_rounds("blind", 2)
    assert {"connections", "transactions"} <= set(errors("blind", "permission")), page.text
    assert "GRANT pg_monitor" in daemon.log()
    assert page.value("db_pool_usage_percent") is None
    sandbox.sql("GRANT pg_monitor TO blind")
    sandbox.control("stop", "primary")
    daemon.wait_down("blind")
    sandbox.control("start", "primary")
    eventually(lambda: daemon.page("blind").value("db_pool_usage_percent") is not None)
    assert daemon.page("blind").value("dbvitals_pg_connections_clients") >= 1


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    who_may_ask_everything_misses_nothing,
    denied_commands_fail_alone_with_reason_permission,
    unknown_commands_fail_alone_with_reason_unsupported,
    what_is_refused_is_not_asked_each_round,
    a_right_that_is_given_counts_when_the_target_returns,
    a_role_that_sees_only_itself_counts_nothing,
    it_stops_cleanly,
])
