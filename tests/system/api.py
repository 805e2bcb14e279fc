#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""promtool takes the daemon for a Prometheus, and both give the same answers to the same questions.

A real Prometheus finds the targets by /sd and scrapes them once a second, so both know the same
series.  What never changes is compared byte for byte at the same times; what is refused is compared by
status, type and text.  Then questions that are too heavy: they cost their askers, not the loop.
"""
import concurrent.futures
import functools
import json
import socket
import subprocess
import time
import urllib.parse

from harness import (DBVITALS, Daemon, Prometheus, Sandbox, Skip, ask, eventually, find_peer, run,
                     run_tests, scrapes)

ASAN = "asan" in DBVITALS
CONSTANT = 'pg_settings_max_connections{cluster="orders"}'
PROMETHEUS, PROMTOOL = find_peer("prometheus"), find_peer("promtool")
sandbox = Sandbox()
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 1s, timeout: 900ms"), level="info")
prometheus = Prometheus(PROMETHEUS, sandbox.spare_ports[0], scrapes(daemon, joined=False))
peer_address = prometheus.address


def both(path):
    return ask(daemon.address, path), ask(peer_address, path)


def path_of(name, **parameters):
    return name + "?" + urllib.parse.urlencode(parameters)


def promtool(address, *words):
    """Output of promtool query; words[0] is what."""
    done = subprocess.run([PROMTOOL, "query", words[0], *words[1:-1], f"http://{address}", words[-1]]
                          if words[0] != "series" else
                          [PROMTOOL, "query", "series", *words[1:], f"http://{address}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Of what the questions are about: the longest look back, and a scrape on both sides of it.
SECONDS = 8


@functools.cache
def begin():
    """When both know everything."""
    return eventually(both_know, 60, "both have the constant series")


def settled():
    """A time before which both know everything, for long enough."""
    now = eventually(lambda: time.time() if time.time() > begin() + SECONDS else None, 30)
    return int(now) - 1


def both_know():
    for address in (daemon.address, peer_address):
        status, answer = 0, None
        try:
            status, answer = ask(address, path_of("query", query=f"count({CONSTANT})"))
        except OSError:
            return None
        if status != 200 or [r["value"][1] for r in answer["data"]["result"]] != ["2"]:
            return None
    return time.time()


def promtool_gets_the_same_from_both():
    at = settled()
    questions = [
        ("instant", f"--time={at}", f"sort({CONSTANT})"),
        ("instant", f"--time={at}", f'sum by (cluster, job) ({CONSTANT}) / 3'),
        ("instant", f"--time={at}", f'max_over_time({CONSTANT}[5s]) * 1e-9'),
        ("instant", f"--time={at}", "1/0"),
        ("range", f"--start={at - 5}", f"--end={at}", "--step=1s", CONSTANT),
        ("range", f"--start={at - 5}", f"--end={at}", "--step=500ms",
         f"label_replace({CONSTANT}, 'x', '$1', 'target', '(.*)-.*') > bool 5"),
        ("labels", f"--start={at - 5}", f"--end={at}", "cluster"),
        ("labels", f"--start={at - 5}", f"--end={at}", "target"),
    ]
    for words in questions:
        ours, theirs = promtool(daemon.address, *words), promtool(peer_address, *words)
        if words[0] == "instant":  # Prometheus gives vectors in no order
            ours, theirs = sorted(ours.splitlines()), sorted(theirs.splitlines())
        assert ours == theirs and ours, f"{words}:\n{ours}\nagainst\n{theirs}"
    for match in (CONSTANT, '{__name__=~"pg_settings_.*|redis_(up|uptime.*)"}',
                  'pgbouncer_up{instance!=""}'):
        words = ("series", f"--match={match}", f"--start={at - 5}", f"--end={at}")
        ours, theirs = promtool(daemon.address, *words), promtool(peer_address, *words)
        assert sorted(ours.splitlines()) == sorted(theirs.splitlines()) and ours, match
        assert ours.splitlines() == sorted(ours.splitlines())


def answers_are_the_same_json():
    at = settled()
    for path in (
            path_of("query", query=CONSTANT, time=at),
            path_of("query", query=CONSTANT, time=f"{at}.25"),
            path_of("query", query=f"sum({CONSTANT})", limit=1, time=at),
            path_of("query_range", query=f"topk(1, {CONSTANT} * on(target) group_left() "
                    f"label_replace(vector(2), 'target', 'orders-1', '', ''))", start=at, end=at,
                    step=1, limit=1),
            path_of("query", query=f"quantile(2, {CONSTANT})", time=at),
            path_of("query", query="nothing", time=at),
            path_of("query", query="vector(1e-7)", time=at),
            path_of("query", query="vector(1e21) or on() vector(0)", time=at),
            path_of("query", query="-(0/0)", time=at),
            path_of("query", query="time()", time="2024-02-29T12:00:00.5Z"),
            path_of("query", query="-1^0.5", time="1e9"),
            path_of("query_range", query=CONSTANT, start=at - 5, end=at, step="2s"),
            path_of("query_range", query="time()", start=at - 5, end=at, step="0.5"),
            path_of("format_query", query="sum(rate(a[5m]))by(b)/on(c)group_left(d)e offset 1h"),
            path_of("metadata", metric="nothing"),
            path_of("query_exemplars", query="up", start=at, end=at),
            path_of("label/nothing/values"),
            path_of("label/U__clus_74_er/values", **{"match[]": CONSTANT}),
            path_of("rules", type="alert"), "alerts", "alertmanagers",
    ):
        ours, theirs = both(path)
        for status, answer in (ours, theirs):
            # A vector has no order of its own.
            result = answer["data"].get("result") if isinstance(answer["data"], dict) else None
            if isinstance(result, list) and result and isinstance(result[0], dict):
                result.sort(key=lambda r: json.dumps(r["metric"], sort_keys=True))
        assert ours == theirs, f"{path}:\n{ours}\nagainst\n{theirs}"
        assert ours[0] == 200, ours


def refusals_are_the_same():
    for path in (
            "query", "query?query=", "query?query=1&time=x",
            "query?query=1&timeout=x", "query?query=1&limit=x", "query?query=1&limit=-1",
            "query?query=1&lookback_delta=x",
            "query_range?query=1", "query_range?query=1&start=1", "query_range?query=1&start=1&end=2",
            "query_range?query=1&start=2&end=1&step=1", "query_range?query=1&start=1&end=2&step=0",
            "query_range?query=1&start=1&end=2&step=-1", "query_range?query=1&start=1&end=2&step=1e30",
            "query_range?query=1&start=0&end=11001&step=1", "query_range?query=1&start=x&end=2&step=1",
            "query_range?query=up%5B1m%5D&start=1&end=2&step=1",
            "query_range?query=%22a%22&start=1&end=2&step=1",
            "series", "series?match[]=%7B%7D", "series?match[]=%7Ba!%3D%22x%22%7D",
            "series?match[]=up&start=x", "series?match[]=up&limit=-1",
            "labels?match[]=%7Ba%3D~%22.*%22%7D", "labels?end=x", "label/a/values?limit=x",
            "rules?type=x", "metadata?limit=x", "format_query?query=",
            "query?query=vector(1)%20%2B%20on()%20(vector(1)%20or%20label_replace(vector(2)%2C%22a%22"
            "%2C%22b%22%2C%22%22%2C%22%22))",
    ):
        ours, theirs = both(path)
        # Which word was not expected is said in words of our own.
        same = ours == theirs or (
            ours[0] == theirs[0] and ours[1]["errorType"] == theirs[1]["errorType"]
            and "parse error" in ours[1]["error"] and "parse error" in theirs[1]["error"])
        assert same, f"{path}:\n{ours}\nagainst\n{theirs}"
        assert ours[0] in (400, 422), ours


def hostile_questions_are_refused():
    for path, status in (
            ("query?query=" + "(" * 10000, 400),
            ("query?query=" + "-" * 10000 + "1", 400),
            ("query?query=%FF%FE", 400),
            ("query?query=a%00b", 400),
            ("query?query=1&" + "&".join(f"match[]={i}" for i in range(100)), 400),
            ("query?query=up%7Ba%3D~%22(%22%7D", 400),
            ("query?query=up%7Ba%3D~%22(a%7B1000%7D)%7B1000%7D%22%7D", 400),
            ("query?query=1&time=1e400", 200),
            ("query?query=up&time=-1e300", 200),
            ("query?query=up%5B290y%5D%20offset%20-290y&time=1e300", 200),
            ("query_range?query=up&start=-9e99&end=9e99&step=9e9", 200),
            ("label/..%2F..%2Fetc/values", 200),
            ("label/" + "a" * 5000 + "/values", 200),
            ("%2e%2e/query?query=1", 404),
            ("query/", 404),
    ):
        got, answer = ask(daemon.address, path)
        assert got == status or (got == 400 and status == 200 and answer["status"] == "error"), \
            (path[:80], got, answer)
        if got != 200 and "status" in answer:  # the server itself knows no forms of errors
            assert answer["status"] == "error" and answer["errorType"] and answer["error"], answer
    big = b"query=" + b"1%2B" * 300000 + b"1"
    try:
        assert ask(daemon.address, "query", big)[0] in (400, 413)
    except OSError:
        pass  # cut while it was still sending
    assert ask(daemon.address, "query?query=1", b"")[0] == 200


def the_command_asks_and_prints():
    at = settled()
    done = run("query", CONSTANT, f"--url=http://{daemon.address}/", f"--time={at}")
    assert done.returncode == 0 and done.stdout.count("pg_settings_max_connections{") == 2, done
    done = run("query", CONSTANT, f"--url=http://{peer_address}", f"--start={at - 5}",
               f"--end={at}", "--step=1s")
    assert done.returncode == 0 and done.stdout.startswith("SERIES"), done
    done = run("query", "up[", f"--url=http://{daemon.address}")
    assert done.returncode == 1 and "bad_data: invalid parameter" in done.stderr, done
    done = run("query", "--format=json", f"--url=http://{daemon.address}", "--", "-1")
    assert json.loads(done.stdout)["data"]["result"][1] == "-1", done


def worst_lateness():
    """Of the loop, in seconds, since it was asked last."""
    return daemon.page("dbvitals").value("dbvitals_loop_lateness_max_seconds")


# Much to compute, little to hold: a median of 3600 values at each of 13600 steps, and again.
HEAVY = ('quantile_over_time(0.5, quantile_over_time(0.5, vector(time())[1h:1s])[1h:1s])')


def heavy_questions_leave_the_loop_alone():
    now = int(time.time())
    path = path_of("query_range", query=HEAVY, start=now - 10000, end=now, step=1, timeout="1s")
    worst_lateness()
    lateness, slowest, statuses = [], 0.0, []
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, daemon.address, path) for _ in range(6)]
        while not all(one.done() for one in asked):
            answer = daemon.get("/healthz")
            assert answer.status == 200
            slowest = max(slowest, answer.own)
            time.sleep(0.02)
            if len(lateness) < (time.time() - now):
                lateness.append(worst_lateness())
        statuses = [one.result() for one in asked]
    assert {status for status, _ in statuses} <= {503, 422}, statuses
    assert any(answer["errorType"] == "timeout" for _, answer in statuses), statuses
    print(f"# loop at most {max(lateness) * 1000:.1f} ms late, "
          f"/healthz within {slowest * 1000:.1f} ms")
    # Two cores for two workers, servers, a Prometheus and us.
    assert max(lateness) < (0.1 if not ASAN else 1), lateness
    assert slowest < (0.2 if not ASAN else 2), slowest
    assert daemon.up("orders-1") == 1


def what_needs_too_much_memory_is_422():
    if ASAN:
        raise Skip("the address space is not bounded under sanitizers")
    now = int(time.time())
    every = '{__name__=~".+"}'
    status, answer = ask(daemon.address, path_of(
        "query_range", query=f'{every} or {every} or {every} or {every}', start=now - 10000,
        end=now, step=1))
    assert status == 422 and answer["errorType"] == "execution", (status, answer)
    assert "memory" in answer["error"] or "MiB" in answer["error"], answer
    assert ask(daemon.address, "query?query=1")[0] == 200


def children():
    path = f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children"
    with open(path, encoding="ascii") as lines:
        return lines.read().split()


def a_worker_ends_when_its_client_hangs_up():
    now = int(time.time())
    eventually(lambda: not children(), what="no workers are left")
    host, port = daemon.address.rsplit(":", 1)
    path = path_of("query_range", query=HEAVY, start=now - 10000, end=now, step=1, timeout="100s")
    clients = []
    for _ in range(4):
        client = socket.create_connection((host, int(port)))
        client.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        clients.append(client)
    eventually(lambda: len(children()) == 2, what="two work, two wait")
    for client in clients:
        client.close()
    eventually(lambda: not children(), 5, "their workers have ended")
    assert ask(daemon.address, "query?query=1")[0] == 200


def all_is_well_at_the_end():
    daemon.end(expected=0)


run_tests([
    promtool_gets_the_same_from_both,
    answers_are_the_same_json,
    refusals_are_the_same,
    hostile_questions_are_refused,
    the_command_asks_and_prints,
    heavy_questions_leave_the_loop_alone,
    what_needs_too_much_memory_is_422,
    a_worker_ends_when_its_client_hangs_up,
    all_is_well_at_the_end,
])
