#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breakers and caches that applications keep: each form of page from a server of the test, keys of a
real Redis, and pages of somebody who means no good."""
import base64
import json
import os
import time

from harness import Daemon, FakeServer, Sandbox, eventually, folder, run_tests, throughout

SANDBOX = Sandbox(only="redis")
REDIS = f"redis://127.0.0.1:{SANDBOX.servers['redis']['port']}"
PAGES = folder()
MIB = 1024 * 1024


def page(name, text, status=200):
    """What the server answers for /NAME from now on."""
    path = os.path.join(PAGES, name)
    with open(path + ".new", "wb") as file:
        file.write(f"{status}\n".encode() + (text if isinstance(text, bytes) else text.encode()))
    os.rename(path + ".new", path)


def send(peer, status, body, headers=()):
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers]
    peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def endless(peer):
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        peer.sendall(b"circuit_breaker_state{name=\"" + b"x" * 65536)


def slow(peer):
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    while True:
        peer.sendall(b"#")
        time.sleep(0.05)


def with_user(peer, head):
    word = base64.b64encode(b"monitor:s3cret").decode()
    good = f"authorization: basic {word}".lower() in head.lower()
    send(peer, 200 if good else 401, b'{"circuitBreakers":{}}')


def with_token(peer, head):
    send(peer, 200 if "authorization: bearer t0ken" in head.lower() else 403, b"a 1\n")


HOSTILE = {
    "/hang": lambda peer: time.sleep(100),
    "/endless": endless,
    "/slow": slow,
    "/closed": lambda peer: None,
    "/garbage": lambda peer: peer.sendall(b"\x00\xff+OK\r\n" * 1000),
    "/redirect": lambda peer: send(peer, 302, b"", ["Location: /actuator"]),
}


def serve(peer):
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            more = peer.recv(65536)
            if not more:
                return
            head += more
        head = head.decode()
        path = head.split()[1]
        if path in HOSTILE:
            HOSTILE[path](peer)
            return
        if path in ("/user", "/token"):
            (with_user if path == "/user" else with_token)(peer, head)
            continue
        with open(PAGES + path, "rb") as file:
            status, body = file.read().split(b"\n", 1)
        send(peer, int(status), body)


server = FakeServer(serve)
BASE = f"http://127.0.0.1:{server.port}"


def spring(breakers):
    """breakers: name to (state, rate, failed)."""
    return json.dumps({"circuitBreakers": {
        name: {"failureRate": rate, "slowCallRate": "-1.0%", "failureRateThreshold": "50.0%",
               "slowCallRateThreshold": "100.0%", "bufferedCalls": 10, "failedCalls": failed,
               "slowCalls": 0, "slowFailedCalls": 0, "notPermittedCalls": 0, "state": state}
        for name, (state, rate, failed) in breakers.items()}})


def health(state, hits=4000):
    return json.dumps({"status": "degraded", "circuit_breaker": {"state": state, "failures": 4,
                                                                 "rate": 25.0},
                       "cache": {"l1": {"hits": hits, "misses": 300, "size": 100},
                                 "l2": {"hits": 200, "misses": 100, "evictions": 7, "rate": 0.66}}})


MICROMETER = """# TYPE resilience4j_circuitbreaker_state gauge
resilience4j_circuitbreaker_state{name="pay",state="closed"} 0.0
resilience4j_circuitbreaker_state{name="pay",state="half_open"} 1.0
resilience4j_circuitbreaker_failure_rate{name="pay"} 40.0
cache_gets_total{cache="users",result="hit"} 100
"""
ENVOY = """# TYPE envoy_cluster_circuit_breakers_default_cx_open gauge
envoy_cluster_circuit_breakers_default_cx_open{envoy_cluster_name="orders"} 0
envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="orders"} 1
envoy_cluster_circuit_breakers_high_rq_open{envoy_cluster_name="orders"} 0
envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name="orders"} 2
"""
FIRST = {"payments": ("CLOSED", "-1.0%", 0), "stock": ("OPEN", "62.5%", 5)}
page("actuator", spring(FIRST))
page("health", health("open"), status=503)
page("metrics", MICROMETER)
page("envoy", ENVOY)
page("many", spring({f"b{i}": ("OPEN", "50.0%", 5) for i in range(1000)}))
page("too-many", spring({f"b{i}": ("OPEN", "50.0%", 5) for i in range(1001)}))
page("odd", b'{"circuitBreakers":{"' + b"x" * 200000 + b'":{"state":"OPEN","failureRate":"1e308%",'
     b'"failedCalls":123456789012345678901234567890.0},"\\n\\"":{"state":"' + b"y" * 200000 +
     b'","failedCalls":"1e309"}}}')
page("deep", b'{"circuitBreakers":' + b"[" * 100000)
page("values", b'{"circuitBreakers":[' + b"1," * 200000)
page("long", b'{"circuitBreakers":{"a":"' + b"x" * MIB + b'"}}')
page("large", b'{"circuitBreakers":{"a":"' + b"x" * (4 * MIB))
page("bytes", b'{"circuitBreakers":{"\xff\xfe":{"state":"OPEN"}}}')
page("number", b'{"circuitBreakers":{"a":{"failedCalls":1e999}}}')
page("html", "<html>it works</html>")
page("empty", "")
page("unavailable", "no healthy upstream", status=503)
page("error", "{}", status=500)

# name: (format, page, the reason that is said)
BAD = {
    "hang": ("resilience4j", "hang", "timeout"), "endless": ("prometheus", "endless", "too_large"),
    "slow": ("prometheus", "slow", "timeout"), "closed": ("resilience4j", "closed", "closed"),
    "garbage": ("envoy", "garbage", "protocol"), "redirect": ("envoy", "redirect", "unsupported"),
    "too-many": ("resilience4j", "too-many", "too_large"), "deep": ("resilience4j", "deep", "too_large"),
    "values": ("resilience4j", "values", "too_large"), "long": ("resilience4j", "long", "too_large"),
    "large": ("resilience4j", "large", "too_large"),
    "bytes": ("resilience4j", "bytes", "protocol"), "number": ("resilience4j", "number", "protocol"),
    "html": ("resilience4j", "html", "protocol"), "html-text": ("prometheus", "html", "protocol"),
    "empty": ("prometheus", "empty", "protocol"), "missing": ("envoy", "user", "auth"),
    "forbidden": ("envoy", "token", "permission"), "error": ("resilience4j", "error", "query"),
    "unavailable": ("resilience4j", "unavailable", "query"),
}


def target(name, form, path, more=""):
    return f'  - {{name: {name}, type: breakers, format: {form}, url: "{BASE}/{path}"{more}}}\n'


GOOD = f"""global: {{interval: 300ms, timeout: 5s}}
targets:
{target("checkout", "resilience4j", "actuator", ", cluster: shop, labels: {tier: gold}")}
{target("web", "prometheus", "metrics")}
{target("mesh", "envoy", "envoy")}
{target("user", "resilience4j", "user", ", basic_auth: {username: monitor, password: s3cret}")}
{target("token", "prometheus", "token", ", authorization: {credentials: t0ken}")}
{target("many", "resilience4j", "many")}
{target("odd", "resilience4j", "odd")}
  - name: basket
    type: breakers
    url: "{BASE}/health"
    format: json
    breakers: [{{name: db, state: /circuit_breaker/state, failures: /circuit_breaker/failures,
                failure_rate: /circuit_breaker/rate, percent: true}}]
    caches:
      - {{name: pages, layer: L1, hits: /cache/l1/hits, misses: /cache/l1/misses, size: /cache/l1/size}}
      - {{name: pages, layer: L2, hits: /cache/l2/hits, misses: /cache/l2/misses,
         evictions: /cache/l2/evictions, hit_rate: /cache/l2/rate}}
    states: {{LIMPING: half_open}}
  - {{name: kv, type: breakers, format: redis, url: "{REDIS}", keys: ["breaker:a", "breaker:b",
     "breaker:none"], states: {{SICK: open}}}}
  - {{name: kv-all, type: breakers, format: redis, url: "{REDIS}", pattern: "breaker:*"}}
  - {{name: cache-1, type: redis, url: "{REDIS}"}}
"""
for words in (["HSET", "breaker:a", "state", "SICK", "failures", "7", "last_failure", "1795254600"],
              ["SET", "breaker:b", '{"state":"half_open","failures":3,"failure_rate":0.3}'],
              ["LPUSH", "breaker:list", "x"], ["HSET", "breaker:empty", "other", "x"]):
    SANDBOX.redis(*words)
daemon = Daemon(GOOD + "".join(target(name, *what[:2]) for name, what in BAD.items()))
STATE = "dbvitals_app_breaker_state"


def state(name, breaker, app_page=None):
    found = (app_page or daemon.page(name)).find(STATE, name=breaker)
    assert sum(value for _, value in found) == (1 if found else 0), found
    return next((labels["state"] for labels, value in found if value == 1), None)


def each_form_shows_its_breakers():
    daemon.wait_up("checkout", "web", "mesh", "basket", "kv", "kv-all", "user", "token", "many")
    checkout = daemon.page("checkout")
    assert state("checkout", "stock") == "open" and state("checkout", "payments") == "closed"
    assert len(checkout.find(STATE, app="checkout")) == 12
    assert checkout.value("dbvitals_app_breaker_failure_rate", name="stock") == 0.625
    assert checkout.value("dbvitals_app_breaker_failure_rate", name="payments") is None
    assert checkout.value("dbvitals_app_breaker_failed_calls", name="stock") == 5
    assert checkout.value("dbvitals_app_up") == 1
    web = daemon.page("web")
    assert state("web", "pay") == "half_open"
    assert web.value("dbvitals_app_breaker_failure_rate", name="pay", app="web") == 0.4
    assert web.value("cache_hits_total", name="users") == 100
    assert state("mesh", "orders") == "open" and state("mesh", "orders/high") == "closed"
    assert daemon.page("mesh").value("dbvitals_app_breaker_ejected_hosts", name="orders") == 2


def a_health_page_that_says_503_is_a_page():
    basket = daemon.page("basket")
    assert state("basket", "db") == "open"
    assert basket.value("dbvitals_app_breaker_failed_calls", name="db") == 4
    assert basket.value("dbvitals_app_breaker_failure_rate", name="db") == 0.25
    assert basket.value("cache_hits_total", name="pages", layer="L1") == 4000
    assert basket.value("cache_misses_total", name="pages", layer="L2") == 100
    assert basket.value("dbvitals_app_cache_entries", layer="L1") == 100
    assert basket.value("dbvitals_app_cache_evictions_total", layer="L2") == 7
    assert basket.value("dbvitals_app_cache_hit_ratio", layer="L2") == 0.66


def keys_of_a_redis_are_breakers():
    for name in ("kv", "kv-all"):
        found = daemon.page(name)
        assert state(name, "breaker:b", found) == "half_open", name
        assert found.value("dbvitals_app_breaker_failed_calls", name="breaker:a") == 7
        assert found.value("dbvitals_app_breaker_failure_rate", name="breaker:b") == 0.3
        assert found.value("dbvitals_app_breaker_last_failure_timestamp_seconds",
                           name="breaker:a") == 1795254600
        assert {labels["name"] for labels, _ in found.find(STATE)} <= {"breaker:a", "breaker:b"}
    assert state("kv", "breaker:a") == "open"
    assert state("kv-all", "breaker:a") is None  # nobody has said what SICK means
    assert daemon.page("kv-all").value("dbvitals_collector_skipped_cells_total",
                                       collector="state") > 0
    # Nothing that we ask is an error there.
    assert "errorstat_" not in SANDBOX.redis("INFO", "errorstats")
    commands = SANDBOX.redis("INFO", "commandstats")
    for word in ("cmdstat_get:", "cmdstat_hgetall:", "cmdstat_keys:"):
        assert word not in commands, word


def what_changes_shows_in_the_next_round():
    page("actuator", spring({"payments": ("FORCED_OPEN", "10.0%", 1), "new": ("DISABLED", "-1.0%", 0)}))
    page("health", health("limping", 4100))
    SANDBOX.redis("HSET", "breaker:a", "state", "closed")
    eventually(lambda: state("checkout", "payments") == "forced_open")
    assert state("checkout", "new") == "disabled" and state("checkout", "stock") is None
    eventually(lambda: state("basket", "db") == "half_open")
    assert daemon.page("basket").value("cache_hits_total", layer="L1") == 4100
    eventually(lambda: state("kv", "breaker:a") == "closed")


def the_joined_page_has_targets_and_labels():
    joined = daemon.page()
    found = joined.find("dbvitals_app_up", target="checkout", cluster="shop", tier="gold")
    assert len(found) == 1 and found[0][1] == 1, found
    assert joined.value("cache_hits_total", target="web", app="web", name="users") == 100
    assert joined.value("cache_hits_total", target="cache-1") is not None
    assert joined.find("dbvitals_target_info", target="checkout")[0][0]["type"] == "breakers"
    entries = daemon.get("/sd").json
    instance = [e["targets"] for e in entries if e["labels"].get("__param_target") == "checkout"]
    assert str(server.port) in json.dumps(entries) and instance, entries


def pages_of_bad_will_are_errors_with_their_reason():
    daemon.wait_down(*BAD)
    for name, (_, _, reason) in BAD.items():
        eventually(lambda n=name, r=reason: daemon.page(n).value("dbvitals_target_errors_total",
                                                                 reason=r), what=(name, reason))
        found = {labels["reason"] for labels, _ in daemon.page(name).find("dbvitals_target_errors_total")}
        # A machine that is busy with the others may be late.
        assert found <= {reason, "timeout"}, (name, found)
        assert daemon.page(name).value("dbvitals_app_up") == 0
        assert not daemon.page(name).find(STATE), name
    for text in ("it tells of more than 1000 breakers", "nested deeper", "more than 50000 values", "longer than 512 KiB",
                 "the answer is longer than allowed", "this is no JSON", "status 302",
                 "status 503", "status 401", "not in Prometheus' text format"):
        assert daemon.logged(text), text


def long_names_are_cut_and_odd_numbers_left_out():
    odd = daemon.page("odd")
    names = {labels["name"] for labels, _ in odd.find(STATE)}
    assert names == {"x" * 256}, {name[:300] for name in names}
    assert odd.value("dbvitals_app_breaker_failed_calls", name="x" * 256) > 1e29
    assert len(odd.find("dbvitals_app_breaker_failed_calls")) == 1
    assert len(daemon.page("many").find(STATE)) == 6000
    assert daemon.page("many").value("dbvitals_collector_success", collector="state") == 1


def meanwhile_everybody_is_answered():
    answers = [daemon.get("/metrics").seconds for _ in range(50)]
    late = daemon.page("dbvitals").value("dbvitals_loop_lateness_seconds_count") or 0
    print(f"# /metrics: median {sorted(answers)[25] * 1000:.1f} ms, worst {max(answers) * 1000:.1f} ms"
          f"; {late:.0f} timers")
    throughout(lambda: daemon.up("checkout") == 1 and daemon.up("hang") == 0, 1)


def one_that_comes_back_is_up_again():
    page("error", spring({"a": ("OPEN", "50.0%", 5)}))
    daemon.wait_up("error")
    assert state("error", "a") == "open"
    page("error", "{}", status=404)
    daemon.wait_down("error")
    assert state("error", "a") is None


def a_pattern_that_finds_too_many_keys_is_refused():
    SANDBOX.redis("EVAL", "for i = 1, 1200 do redis.call('SET', 'breaker:x' .. i, 'open') end", "0")
    daemon.wait_down("kv-all")
    assert daemon.logged("the pattern finds too many keys")
    SANDBOX.redis("EVAL", "for i = 1, 1200 do redis.call('DEL', 'breaker:x' .. i) end", "0")
    daemon.wait_up("kv-all")
    assert daemon.up("kv") == 1


def a_redis_that_is_gone_and_back():
    SANDBOX.control("stop", "redis")
    daemon.wait_down("kv", "kv-all")
    SANDBOX.control("start", "redis")
    daemon.wait_up("kv", "kv-all")


def reload_changes_what_is_read():
    SANDBOX.redis("SET", "breaker:c", "OPEN")
    daemon.write_config(GOOD.replace('"breaker:none"', '"breaker:c"'))
    daemon.reload()
    eventually(lambda: state("kv", "breaker:c") == "open")
    assert daemon.up("checkout") == 1
    assert daemon.get("/metrics?target=hang").status == 404


def it_ends_well():
    daemon.end(expected=0)


run_tests([
    each_form_shows_its_breakers,
    a_health_page_that_says_503_is_a_page,
    keys_of_a_redis_are_breakers,
    what_changes_shows_in_the_next_round,
    the_joined_page_has_targets_and_labels,
    pages_of_bad_will_are_errors_with_their_reason,
    long_names_are_cut_and_odd_numbers_left_out,
    meanwhile_everybody_is_answered,
    one_that_comes_back_is_up_again,
    a_pattern_that_finds_too_many_keys_is_refused,
    a_redis_that_is_gone_and_back,
    reload_changes_what_is_read,
    it_ends_well,
])
