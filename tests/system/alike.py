#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon alerts as a real Prometheus does that scrapes it and has the same rules.

Both tell an Alertmanager of their own while servers die, wait and come back.  Then the same alerts must
have been pending, fired and ended at the same times, with the same labels and texts.

What may differ, and why:
- Times.  The daemon sees a server at its round, or at once when a connection closes, and evaluates at
  its slot or at once.  Prometheus sees that at its next scrape and evaluates it at its next slot: what
  begins or ends does so there from one interval earlier (the daemon's slot was later) to two later.
- What lasts for less than two intervals can pass between two scrapes; in the same way something can
  last for as long as `for` on one side only, and then fires until keep_firing_for is over, or pause for
  as long as keep_firing_for, and then begins anew: there the other side's pause counts as none, too.
- What fired already when the comparison began: Prometheus began later.
- What rules find that look back behind Prometheus' first scrape (HINDSIGHT).
- The words of an error in a template.
- A text that tells a number which changes all the time is compared without its digits.
Where a scrape takes longer than its second all series of the target end in Prometheus: then there is
nothing to compare, and the cases are skipped.
Nothing else: labels, instance, job and generatorURL are the same.
"""
import collections
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

# It measures time, which sanitizers change.
os.environ.update({"DBVITALS": plain for plain in [os.environ.get("DBVITALS_PLAIN")] if plain})
from harness import (ROOT, Alertmanager, Daemon, Prometheus, Sandbox, Skip, ask,  # noqa: E402
                     eventually, find_peer, folder, run_tests, scrapes)

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import rulefiles  # noqa: E402

INTERVAL = 1.0
# Where others keep the machine busy rounds, scrapes and evaluations come late at times.
SLACK = 0.75
EARLIER, LATER = INTERVAL + SLACK, 2 * INTERVAL + SLACK
SHORT = 2 * INTERVAL + SLACK
STEP = 0.25
# Of the bundled rules, and the pause between two firings that one side may have bridged.
FOR, KEPT = 2.0, 1.0
PAUSE = FOR + SHORT
# What the past before Prometheus' first scrape decides.
HINDSIGHT = {"LoosePostgresCacheHitLow"}
# The cases of the drama; bundled alerts come and go with them.
ACTED = {"RecordedDown", "ClusterIncomplete", "RedisGone", "RedisGoneShortly", "RedisGoneKept",
         "RedisGoneForLong", "RedisGoneLate", "PostgresGone", "NoMaster", "NoMasterSeen",
         "ReplayPaused", "PausedBesidePrimary", "PoolWaits", "Restarted", "SomethingFires",
         "ActiveForLong", "PostgresGoneForLong"}

BUNDLED = {rule.name for rule in rulefiles.all_rules()}
PROMETHEUS, ALERTMANAGER = find_peer("prometheus"), find_peer("alertmanager")
sandbox = Sandbox()
rules = folder()


def write_rules():
    """Bundled ones with their waits cut short, the same without thresholds, and our cases."""
    for path in rulefiles.rule_files():
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = re.sub(r"\binterval: \w+", "interval: 1s", file.read())
        text = re.sub(r"\bkeep_firing_for: \w+", f"keep_firing_for: {KEPT:.0f}s", text)
        text = re.sub(r"(?<!_)\bfor: \w+", f"for: {FOR:.0f}s", text)
        with open(os.path.join(rules, os.path.basename(path)), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(rules, "loose.yml"), "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "loose", "interval": "1s", "rules": [
            rulefiles.loose(rule) for rule in rulefiles.all_rules()]}]}, file)
    os.symlink(os.path.join(ROOT, "tests", "system", "alike.yml"), os.path.join(rules, "alike.yml"))


write_rules()
address = f"127.0.0.1:{sandbox.spare_ports[0]}"
# In this order: ours, theirs.
managers = [Alertmanager(ALERTMANAGER), Alertmanager(ALERTMANAGER)]
with open(sandbox.config, encoding="utf-8") as file:
    daemon = Daemon(file.read().replace("interval: 5s, timeout: 3s",
                                        "interval: 1s, timeout: 900ms, labels: {site: ams1}") + f"""
  - {{name: host-1, type: host, cluster: orders}}
rules: {{files: ["{rules}/*.yml"], interval: 1s}}
notify: {{resend_delay: 5s, alertmanagers: ["{managers[0].url}"]}}
""", flags=[f"--web.listen-address={address}", f"--web.external-url=http://{address}"])
prometheus = Prometheus(
    PROMETHEUS, sandbox.spare_ports[1],
    scrapes(daemon, joined=False).replace(
        "scrape_timeout: 1s", "scrape_timeout: 1s, evaluation_interval: 1s, "
        "external_labels: {site: ams1}") + f"""
rule_files: ["{rules}/*.yml"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{managers[1].address}"]}}]}}]}}
""", [f"--web.external-url=http://{address}", "--web.route-prefix=/",
     # What it finds before it knows its Alertmanagers is lost, and told again only then.
     "--rules.alert.resend-delay=5s"])
SIDES = {"ours": daemon.address, "theirs": prometheus.address}


def seconds(text):
    """Since 1970, of a time as the APIs write it."""
    whole, _, rest = text.replace("Z", "+00:00").partition(".")
    fraction = re.match(r"\d*", rest)[0]
    zone = rest[len(fraction):] if rest else ""
    return datetime.datetime.fromisoformat(whole + zone).timestamp() + float("0." + (fraction or "0"))


def key_of(labels):
    return tuple(sorted(labels.items()))


class Recorder(threading.Thread):
    """Looks at both Alertmanagers until told to end."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        # For each: labels to beginnings to the last entry seen, and when.
        self.seen = [collections.defaultdict(dict) for _ in managers]
        self.problem = None

    def run(self):
        try:
            while not self.over.wait(0.1):
                for manager, seen in zip(managers, self.seen):
                    for alert in manager.alerts():
                        alert["seen"] = time.time()
                        seen[key_of(alert["labels"])][seconds(alert["startsAt"])] = alert
        except Exception as problem:  # noqa: BLE001 - told by end()
            self.problem = problem

    def end(self):
        self.over.set()
        self.join()
        if self.problem:
            raise self.problem


def active(side):
    """Alerts of one side by name, or None while it is not there."""
    try:
        status, answer = ask(SIDES[side], "alerts")
    except OSError:
        return None
    found = collections.defaultdict(list)
    if status == 200:
        for alert in answer["data"]["alerts"]:
            found[alert["labels"]["alertname"]].append(alert)
    return found


def fires(*names):
    def on_both():
        for side in SIDES:
            found = active(side)
            if found is None or any(not any(a["state"] == "firing" for a in found[name])
                                    for name in names):
                return False
        return True
    eventually(on_both, 30, f"{names} fire on both sides")


def gone(*names):
    def on_both():
        return all(found is not None and not any(found[name] for name in names)
                   for found in map(active, SIDES))
    eventually(on_both, 30, f"{names} are over on both sides")


def is_bundled(key):
    return dict(key)["alertname"] in BUNDLED


def joined(runs, others):
    """Runs as (first, last, ...) of which a pause that one side may have bridged is none: where the other
    side bridged one, a longer one of this side at the same time is the same pause."""
    bridged = [(a[1], b[0]) for a, b in zip(others, others[1:]) if b[0] - a[1] < PAUSE]
    found = []
    for run in runs:
        pause = (found[-1][1], run[0]) if found else None
        if pause and (pause[1] - pause[0] < PAUSE or
                      pause[1] - pause[0] < PAUSE + SHORT and
                      any(pause[0] < end and begin < pause[1] for begin, end in bridged)):
            found[-1] = (found[-1][0], *run[1:])
        else:
            found.append(run)
    return found


def both_joined(key, ours, theirs):
    if not is_bundled(key):
        return ours, theirs
    return joined(ours, theirs), joined(theirs, ours)


def may_be_missed(key, lasted):
    return lasted < SHORT + (KEPT if is_bundled(key) else 0)


recorder = Recorder()
BEGIN = []


def both_begin_alike():
    daemon.wait_ready()
    traffic = [os.path.join(ROOT, "tests", "support", "traffic"), "--dir", sandbox.dir]
    processes.append(subprocess.Popen([*traffic, "--seconds", "120"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    fires("Watchdog", "NoSuchThing", "LoosePostgresDown", "LooseRedisDown")
    gone(*ACTED, "ExporterAbsent")
    # Else a rate has its second sample on one side only when a server dies.
    query = "query?" + urllib.parse.urlencode({"query": "min(count_over_time(up[1m])) >= 4"})
    eventually(lambda: ask(SIDES["theirs"], query)[1]["data"]["result"], what="some scrapes of each target")
    recorder.start()
    BEGIN.append(time.time())


def servers_die_and_come_back():
    sandbox.control("stop", "redis", "kill")
    fires("RedisGone", "RecordedDown", "RedisGoneShortly", "RedisGoneKept", "RedisGoneLate", "NoMaster",
          "NoMasterSeen", "ClusterIncomplete", "ActiveForLong", "SomethingFires")
    sandbox.sql("SELECT pg_wal_replay_pause()", server="replica")
    fires("ReplayPaused", "PausedBesidePrimary")
    for _ in range(16):
        processes.append(subprocess.Popen(
            ["psql", "-Xqd", sandbox.servers["pgbouncer"]["dsn_app"], "-c", "SELECT pg_sleep(30)"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    fires("PoolWaits")
    sandbox.control("stop", "primary", "immediate")
    fires("PostgresGone", "PostgresDown", "NoPrimary", "PostgresGoneForLong")
    sandbox.control("start", "primary")
    sandbox.control("start", "redis")
    sandbox.sql("SELECT pg_wal_replay_resume()", server="replica")
    fires("Restarted")
    end_processes()
    gone(*ACTED)
    # An Alertmanager is told of the end after the API shows it.
    eventually(lambda: not any(a["labels"]["alertname"] in ACTED for m in managers for a in m.alerts()),
               what="both Alertmanagers know that it is over")
    recorder.end()


processes = []


def end_processes():
    while processes:
        process = processes.pop()
        process.terminate()
        process.wait()


def presences(side, until):
    """Runs of each ALERTS series: labels to a list of (first, last)."""
    path = "query_range?" + urllib.parse.urlencode(
        {"query": "ALERTS", "start": BEGIN[0], "end": until, "step": STEP})
    status, answer = ask(SIDES[side], path)
    assert status == 200, answer
    found = {}
    for series in answer["data"]["result"]:
        runs = []
        for t, _ in series["values"]:
            if runs and t - runs[-1][1] < 1.5 * STEP:
                runs[-1] = (runs[-1][0], t)
            else:
                runs.append((t, t))
        found[key_of(series["metric"])] = runs
    return found


def skip_if_scrapes_failed():
    query = f"count(min_over_time(up[{time.time() - BEGIN[0] + 5:.0f}s]) == 0)"
    _, answer = ask(SIDES["theirs"], "query?" + urllib.parse.urlencode({"query": query}))
    if answer["data"]["result"]:
        raise Skip("the machine is too busy: scrapes of Prometheus took longer than a second")


def near(ours, theirs):
    return -EARLIER <= theirs - ours <= LATER


def pair(ours, theirs, ends):
    """Pairs of (ours, theirs), and what neither side has a partner for."""
    pairs, alone, left = [], [], list(theirs)
    for mine in ours:
        found = next((other for other in left if near(mine[0], other[0]) and
                      (not ends or near(mine[1], other[1]))), None)
        if found is None:
            alone.append(("only ours", mine))
        else:
            left.remove(found)
            pairs.append((mine, found))
    return pairs, alone + [("only theirs", other) for other in left]


def summary(what, differences):
    differences = sorted(differences)
    print(f"# {what}: {len(differences)}, theirs later by {statistics.median(differences):.3f} s at the "
          f"median, {differences[0]:.3f} to {differences[-1]:.3f} s")


def alerts_series_are_the_same():
    skip_if_scrapes_failed()
    until = time.time()
    eventually(lambda: time.time() > until + 2.5, what="a moment")
    ours, theirs = presences("ours", until), presences("theirs", until)
    assert len(ours) > 200, len(ours)
    begun, ended, short, problems = [], [], 0, []
    for key in sorted(set(ours) | set(theirs)):
        if dict(key)["alertname"] in HINDSIGHT:
            continue
        pairs, alone = pair(*both_joined(key, ours.get(key, []), theirs.get(key, [])), True)
        for mine, other in pairs:
            if mine[0] > BEGIN[0] + SHORT:
                begun.append(other[0] - mine[0])
            if mine[1] < until - SHORT:
                ended.append(other[1] - mine[1])
        for side, run in alone:
            if may_be_missed(key, run[1] - run[0]):
                short += 1
            else:
                problems.append((side, [t - BEGIN[0] for t in run], dict(key)))
    missing = ACTED - {dict(key)["alertname"] for key in ours}
    assert not missing, missing
    print(f"# {len(ours)} series of ALERTS; {short} times one was too short for one of the sides")
    summary("beginnings", begun)
    summary("ends", ended)
    for problem in problems:
        print(f"# {problem}")
    assert not problems, len(problems)


def texts_of(alert):
    return {name: text[:26] if text.startswith("<error expanding template:") else text
            for name, text in alert["annotations"].items()}


def without_digits(texts):
    return {name: re.sub(r"[-+]?\d[\d.e+-]*\w*( \d+[dhms])*", "N", text)
            for name, text in texts.items()}


def told(seen, key):
    """(Beginning, end, alert); of all that fired before, the comparison sees the same."""
    return [(max(t, BEGIN[0]), alert["seen"], alert) for t, alert in sorted(seen.get(key, {}).items())]


def alertmanagers_were_told_the_same():
    skip_if_scrapes_failed()
    ours, theirs = recorder.seen
    names = {dict(key)["alertname"] for key in ours}
    assert ACTED - {"RedisGoneForLong"} <= names, ACTED - names
    begun, n_texts, n_changing, n_short, problems = [], 0, 0, 0, []
    for key in sorted(set(ours) | set(theirs)):
        if dict(key)["alertname"] in HINDSIGHT:
            continue
        pairs, alone = pair(*both_joined(key, told(ours, key), told(theirs, key)), False)
        for side, (begin, end, _) in alone:
            if may_be_missed(key, end - begin):
                n_short += 1
            else:
                problems.append((side, begin - BEGIN[0], end - begin, dict(key)))
        for (mine, _, a), (other, _, b) in pairs:
            if mine > BEGIN[0] and other > BEGIN[0]:
                begun.append(other - mine)
            assert a["labels"]["site"] == "ams1"
            assert a["generatorURL"] == b["generatorURL"], (a["generatorURL"], b["generatorURL"])
            n_texts += 1
            if texts_of(a) != texts_of(b):
                n_changing += 1
                if dict(key)["alertname"] in ACTED or \
                        without_digits(texts_of(a)) != without_digits(texts_of(b)):
                    problems.append((texts_of(a), texts_of(b)))
    print(f"# {len(ours)} label sets were told; texts of {n_texts} alerts compared, of {n_changing} "
          f"without digits; {n_short} alerts were too short for one of the sides")
    summary("startsAt", begun)
    for problem in problems:
        print(f"# {problem}")
    assert not problems, len(problems)


def every_acted_alert_came_sooner_or_within_an_interval():
    ours, theirs = recorder.seen
    found = []
    for key in ours:
        if dict(key)["alertname"] in ("RedisGone", "PostgresGone", "NoMaster"):
            found += [other - mine for mine, other in zip(sorted(ours[key]), sorted(theirs[key]))]
    summary("alerts of lost connections", found)
    assert len(found) >= 3 and min(found) > -SLACK, found


try:
    run_tests([both_begin_alike, servers_die_and_come_back, alerts_series_are_the_same,
               alertmanagers_were_told_the_same,
               every_acted_alert_came_sooner_or_within_an_interval])
finally:
    end_processes()
    for name, process, text in (("the daemon", daemon.process, daemon.log()),
                                ("Prometheus", prometheus.process, prometheus.log())):
        if process.poll() is not None:
            print(f"# {name} has ended with {process.returncode}:")
            print("\n".join("# " + line for line in text.splitlines()[-30:]))
