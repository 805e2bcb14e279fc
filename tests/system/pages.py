#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pages for people: alerts and rules on "/", and the page that asks, as HTTP answers them and, where
there is a Chromium, as a browser shows them.
"""
import base64
import hashlib
import html.parser
import os
import re
import shutil
import subprocess
import urllib.parse

from harness import Daemon, Sandbox, Skip, ask, eventually, folder, run_tests

HOSTILE = "</textarea></script><script>document.title=1</script><img src=x onerror=alert(1)>"
RULES = """
groups:
  - name: night
    interval: 1s
    rules:
      - alert: RedisThere
        expr: redis_up == 1
        labels: {severity: critical, evil: '%s'}
        annotations: {summary: "{{ $labels.target }} %s", runbook_url: "https://wiki.example/redis"}
      - {alert: Later, expr: redis_up, for: 1h, labels: {severity: warning}}
      - {record: "bad:join", expr: "up * on () group_left () redis_up"}
""" % (HOSTILE, HOSTILE)

sandbox = Sandbox(only="redis")
home = folder()
with open(os.path.join(home, "night.yml"), "w", encoding="utf-8") as rules:
    rules.write(RULES)
daemon = Daemon(f"""
global: {{interval: 1s, timeout: 900ms}}
targets:
  - {{name: a, type: redis, url: "redis://127.0.0.1:{sandbox.servers['redis']['port']}"}}
  - {{name: b, type: redis, url: "redis://127.0.0.1:{sandbox.servers['redis']['port']}"}}
rules: {{files: ["{home}/night.yml"]}}
""")


class Dom(html.parser.HTMLParser):
    """What a browser made of a page: its elements, and the text of those with an id or a class."""

    VOID = {"meta", "link", "img", "input", "br"}

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.found = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if tag not in self.VOID:
            keys = [attrs.get("id")] + (attrs.get("class") or "").split() + [tag]
            self.open.append((tag, keys))
            for key in keys:
                self.found.setdefault(key, []).append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, keys in self.open:
            for key in keys:
                self.found[key][-1] += data

    def text(self, key):
        return (self.found.get(key) or [""])[-1]

    def count(self, tag):
        return sum(found == tag for found, _ in self.elements)


def browse(path):
    """The DOM after the page has run."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        raise Skip("there is no chromium")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={folder()}", "--virtual-time-budget=8000", "--dump-dom",
         f"http://{daemon.address}{path}"], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-2000:]
    return Dom(done.stdout)


def path_of(expr, **parameters):
    return "/graph?" + urllib.parse.urlencode(
        {"g0.expr": expr, **{f"g0.{name}": value for name, value in parameters.items()}})


def the_policy_allows_exactly_what_the_page_holds():
    for path in ("/graph", "/query?g0.expr=1"):
        answer = daemon.get(path)
        assert answer.status == 200, answer.status
        policy = answer.headers["Content-Security-Policy"]
        for element in ("style", "script"):
            parts = re.findall(rf"<{element}>(.*?)</{element}>", answer.text, re.S)
            assert len(parts) == 1
            digest = base64.b64encode(hashlib.sha256(parts[0].encode()).digest()).decode()
            assert f"{element}-src 'sha256-{digest}'" in policy, policy
        assert not re.search(r"(src|href)=\"(?!\./|data:)", answer.text), "it needs others"
    answer = daemon.get("/")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def sections_have_addresses():
    for name in ("alerts", "rules", "targets"):
        answer = daemon.get("/" + name)
        assert (answer.status, answer.headers["Location"]) == (302, "/#" + name)
        assert f'id="{name}"' in daemon.get("/").text


def the_status_page_shows_the_alerts_of_the_api():
    def fires():
        _, answer = ask(daemon.address, "alerts")
        return sorted(a["state"] for a in answer["data"]["alerts"]) == ["firing"] * 2 + ["pending"] * 2
    eventually(fires, what="two alerts fire, two are pending")
    page = Dom(daemon.get("/").text)
    assert ", 2 alerts fire - dbvitals" in page.text("title"), page.text("title")
    shown = [text for text in page.found["state"] if text in ("firing", "pending")]
    assert shown == ["firing"] * 2 + ["pending"] * 2, shown
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert "/graph?g0.expr=redis_up%20%3D%3D%201&g0.tab=0&g0.range_input=1h" in links, links
    assert links.count("https://wiki.example/redis") == 2
    assert page.count("script") == page.count("img") == 0


def a_rule_that_fails_is_told():
    page = eventually(lambda: (p := daemon.get("/").text) and "1 rule fails" in p and p)
    assert ">bad:join</a>: found duplicate series" in page, page


def groups_have_metrics():
    def counted():
        page = daemon.page("dbvitals")
        group = {"rule_group": f"{home}/night.yml;night"}
        total = page.value("dbvitals_rule_evaluations_total", **group)
        failures = page.value("dbvitals_rule_evaluation_failures_total", **group)
        assert page.value("dbvitals_rule_group_rules", **group) == 3
        assert page.value("dbvitals_rule_group_interval_seconds", **group) == 1
        assert page.types["dbvitals_rule_evaluation_failures_total"] == "counter"
        assert page.value("dbvitals_rule_group_iterations_missed_total", **group) is not None
        return (total >= 9 and 0 < failures < total
                and page.value("dbvitals_alerts", state="firing") == 2
                and page.value("dbvitals_alerts", state="pending") == 2
                and page.value("dbvitals_rule_group_last_evaluation_samples", **group) == 4
                and page.value("dbvitals_history_samples_total") > 0)
    eventually(counted)


def a_browser_shows_a_table():
    dom = browse(path_of("redis_up", tab=1))
    assert dom.count("tr") == 2 and 'target="a"' in dom.text("result"), dom.text("result")
    assert "2 series" in dom.text("about")
    assert dom.text("title") == "redis_up - dbvitals"


def a_browser_draws_a_graph():
    def has_a_past():
        _, answer = ask(daemon.address, "query?query=count_over_time(redis_up[30s])>7")
        return len(answer["data"]["result"]) == 2
    eventually(has_a_past)
    dom = browse(path_of("redis_uptime_in_seconds or vector(1)", tab=0, range_input="1m"))
    lines = [attrs["d"] for tag, attrs in dom.elements
             if tag == "path" and attrs.get("d", "").count("L") > 3]
    assert len(lines) >= 2, (lines, dom.text("messages"))
    assert dom.text("legend").count('target="') == 2, dom.text("legend")


def a_browser_marks_the_mistake():
    dom = browse(path_of("sum(\nredis_up +)", tab=1))
    assert "2:11: parse error" in dom.text("messages"), dom.text("messages")
    assert dom.text("mark") == ")", dom.text("mark")


def a_browser_takes_nothing_for_markup():
    for tab in (0, 1):
        for expr in (HOSTILE, f'label_replace(vector(1), "x", "{HOSTILE}", "", "")',
                     'ALERTS{alertname="RedisThere"}'):
            dom = browse(path_of(expr, tab=tab, range_input=HOSTILE if expr == HOSTILE else "1m",
                                 end_input="", step_input=""))
            assert dom.count("script") == 1 and dom.count("img") == 0, expr
            assert dom.text("title").endswith(" - dbvitals"), dom.text("title")
            if expr != HOSTILE:
                assert "onerror=alert(1)" in dom.text("result"), dom.text("messages")


def all_is_well_at_the_end():
    daemon.end(expected=0)


run_tests([
    the_policy_allows_exactly_what_the_page_holds,
    sections_have_addresses,
    the_status_page_shows_the_alerts_of_the_api,
    a_rule_that_fails_is_told,
    groups_have_metrics,
    a_browser_shows_a_table,
    a_browser_draws_a_graph,
    a_browser_marks_the_mistake,
    a_browser_takes_nothing_for_markup,
    all_is_well_at_the_end,
])
