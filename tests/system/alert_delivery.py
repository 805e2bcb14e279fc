#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Alertmanagers see of alerts while the daemon is killed and while one of them hangs."""
import contextlib
import datetime
import json
import os
import signal
import threading
import time

from harness import Alertmanager, Daemon, Sandbox, eventually, find_peer, folder, run_tests

FOR = 4.0
AWAY = 3.0
RULES = f"""
groups:
  - name: restarts
    interval: 200ms
    rules:
      - {{alert: Gone, expr: redis_up == 0}}
      - {{alert: GoneWindow, expr: "max_over_time(redis_up[2s]) == 0"}}
      - {{alert: Waiting, expr: 'redis_up == 0', for: {FOR:.0f}s}}
      - {{alert: Always, expr: vector(1)}}
"""

program = find_peer("alertmanager")
sandbox = Sandbox("redis,redis-replica")
managers = [Alertmanager(program), Alertmanager(program)]
healthy, other = managers
rules = os.path.join(folder(), "rules.yml")
with open(rules, "w", encoding="utf-8") as file:
    file.write(RULES)
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s", "interval: 1s, timeout: 900ms")
                    + f"""
rules: {{files: ["{rules}"]}}
notify: {{resend_delay: 1m, alertmanagers: ["{healthy.url}", "{other.url}"]}}
""")


def told(manager, name):
    """The alert of cache-1 (or of nothing) as an Alertmanager shows it, or None."""
    found = [a for a in manager.alerts() if a["labels"]["alertname"] == name
             and a["labels"].get("target", "cache-1") == "cache-1"]
    assert len(found) < 2, found
    return found[0] if found else None


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def active(name):
    """The alert of cache-1 as the daemon shows it, or None."""
    for alert in daemon.get("/api/v1/alerts").json["data"]["alerts"]:
        if alert["labels"]["alertname"] == name and alert["labels"].get("target") == "cache-1":
            return alert
    return None


def wait_saved(since):
    """Until what happened then is on the disk, as it is within a second."""
    state = os.path.join(daemon.folder, "storage", "alerts.state")
    eventually(lambda: os.path.exists(state) and os.stat(state).st_mtime > since + 0.1, 12,
               "the state was written")


class Watch(threading.Thread):
    """Notes every look at an Alertmanager that does not show an alert."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_, self.over, self.gone, self.looks = name, threading.Event(), 0, 0

    def run(self):
        while not self.over.wait(0.05):
            with contextlib.suppress(OSError):  # it ends with the test
                self.gone += told(healthy, self.name_) is None
                self.looks += 1

    def end(self):
        self.over.set()
        self.join()
        assert self.looks > 10 and self.gone == 0, (self.gone, self.looks)


def kill_redis():
    sandbox.control("stop", "redis", "kill")
    eventually(lambda: told(healthy, "Gone"), what="Gone is told")


def redis_returns():
    sandbox.control("start", "redis")
    eventually(lambda: not any(told(m, n) for m in managers for n in ("Gone", "GoneWindow", "Waiting")),
               what="all is over")


def the_api_names_who_is_told():
    found = json.loads(daemon.get("/api/v1/alertmanagers").body)["data"]["activeAlertmanagers"]
    assert [m["url"] for m in found] == [m.url + "/api/v2/alerts" for m in managers], found


def a_firing_alert_survives_a_crash():
    daemon.wait_up("cache-1", "cache-2")
    kill_redis()
    eventually(lambda: told(healthy, "Waiting") and told(healthy, "GoneWindow"), what="all fire")
    before = {name: told(healthy, name) for name in ("Gone", "GoneWindow", "Waiting", "Always")}
    wait_saved(max(seconds(alert["startsAt"]) for alert in before.values()))
    watches = [Watch(name) for name in before]
    for watch in watches:
        watch.start()
    daemon.kill()
    time.sleep(AWAY)
    daemon.start()
    daemon.wait_ready()
    # Told again after the restart, with the same beginning.
    for name, alert in before.items():
        now = eventually(lambda n=name, a=alert: (told(healthy, n) or a)["updatedAt"] > a["updatedAt"]
                         and told(healthy, n), what=f"{name} is told again")
        assert now["startsAt"] == alert["startsAt"], (now, alert)
    for watch in watches:
        watch.end()
    redis_returns()


def what_ended_meanwhile_ends_after_the_window():
    kill_redis()
    alert = eventually(lambda: told(healthy, "GoneWindow"), what="GoneWindow is told")
    wait_saved(seconds(alert["startsAt"]))
    daemon.kill()
    sandbox.control("start", "redis")
    daemon.start()
    daemon.wait_ready()
    begin = time.monotonic()
    eventually(lambda: not told(healthy, "Gone"), what="Gone is over")
    gone = time.monotonic() - begin
    eventually(lambda: not told(healthy, "GoneWindow"), what="GoneWindow is over")
    window = time.monotonic() - begin
    assert gone < 2, gone
    assert 1.5 < window < 5, window


def what_was_pending_goes_on_without_the_time_away():
    sandbox.control("stop", "redis", "kill")
    pending = eventually(lambda: active("Waiting"), what="Waiting is pending")
    assert pending["state"] == "pending"
    wait_saved(seconds(pending["activeAt"]))
    waited = time.time() - seconds(pending["activeAt"])
    daemon.kill()
    time.sleep(AWAY)
    daemon.start()
    daemon.wait_ready()
    ready = time.time()
    assert told(healthy, "Waiting") is None
    alert = eventually(lambda: told(healthy, "Waiting"), what="Waiting fires")
    # The file is up to a second old: so much may count again.
    later = seconds(alert["startsAt"]) - ready
    assert FOR - waited - 1 < later < FOR - waited + 2, (later, waited)
    redis_returns()


def what_nobody_was_told_yet_is_told_after_a_crash():
    """Alertmanagers were away when it fired; what waited for them is lost with the process."""
    for manager in managers:
        manager.signal(signal.SIGSTOP)
    sandbox.control("stop", "redis", "kill")
    alert = eventually(lambda: active("Gone"), what="it fires")
    assert alert["state"] == "firing", alert
    wait_saved(seconds(alert["activeAt"]))
    daemon.kill()
    for manager in managers:
        manager.end()
        manager.start()
    daemon.start()
    daemon.wait_ready()
    begin = time.monotonic()
    eventually(lambda: all(told(m, "Gone") and told(m, "Always") for m in managers), 5,
               "both are told of what fires")
    print(f"# told {time.monotonic() - begin:.1f} s after ready")
    redis_returns()


def a_hung_alertmanager_holds_nobody_up():
    other.signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            begin = time.monotonic()
            sandbox.control("stop", "redis", "kill")
            eventually(lambda: told(healthy, "Gone"), 2, "the healthy one is told")
            took = time.monotonic() - begin
            sandbox.control("start", "redis")
            eventually(lambda: not told(healthy, "Gone"), 5, "the healthy one is told of the end")
            print(f"# the healthy one was told within {took:.2f} s, stopping it included")
    finally:
        other.signal(signal.SIGCONT)
    sandbox.control("stop", "redis", "kill")
    eventually(lambda: told(other, "Gone"), 40, "the other one is told when it is back")
    redis_returns()


run_tests([
    the_api_names_who_is_told,
    a_firing_alert_survives_a_crash,
    what_ended_meanwhile_ends_after_the_window,
    what_was_pending_goes_on_without_the_time_away,
    what_nobody_was_told_yet_is_told_after_a_crash,
    a_hung_alertmanager_holds_nobody_up,
])
