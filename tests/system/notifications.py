#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon tells receivers by itself: by routes, once, and also what it owed before a crash."""
import http.server
import json
import os
import signal
import threading

from harness import Daemon, Sandbox, eventually, folder, run_tests, throughout

sandbox = Sandbox(only="redis")
place = folder()
told = os.path.join(place, "told")
RULES = """
groups:
  - name: t
    interval: 1s
    rules:
      - alert: Down
        expr: redis_up == 0
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.target }} does not answer"}
      - alert: Always
        expr: vector(1)
        labels: {severity: info}
"""


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # noqa: N802 - the library's name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
hook.bodies, hook.status = [], 200
threading.Thread(target=hook.serve_forever, daemon=True).start()
with open(os.path.join(place, "rules.yml"), "w", encoding="utf-8") as file:
    file.write(RULES)
script = os.path.join(place, "page")
with open(script, "w", encoding="utf-8") as file:
    file.write(f"""#!/usr/bin/python3
import json, os, sys
body = json.load(sys.stdin)
with open({told!r}, "a") as told:
    print(json.dumps([body["status"], [a["labels"]["alertname"] for a in body["alerts"]],
                      body["alerts"][0]["annotations"], body["alerts"][0]["labels"],
                      os.environ["DBVITALS_IDEMPOTENCY_KEY"]]), file=told)
""")
os.chmod(script, 0o755)
CONFIG = f"""
global: {{interval: 500ms, timeout: 400ms, labels: {{site: ams}}}}
targets:
  - {{name: cache-1, type: redis, url: "redis://127.0.0.1:{sandbox.servers["redis"]["port"]}"}}
rules: {{files: [{place}/rules.yml], interval: 1s}}
notify:
  receivers:
    - {{name: pager, exec: {{command: [{script}]}}}}
    - {{name: all, webhook: {{url: "http://127.0.0.1:{hook.server_port}/x"}}}}
  routes:
    - {{matchers: ['severity="critical"'], receiver: pager, group_wait: 0s, group_interval: 1s,
       continue: true}}
    - {{receiver: all, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
"""


def pages():
    """What the command was told: lists of status, names, annotations, labels, key."""
    if not os.path.exists(told):
        return []
    with open(told, encoding="utf-8") as file_:
        return [json.loads(line) for line in file_]


def statuses():
    return [page[0] for page in pages()]


def names_at_hook():
    return [(body["status"], body["alerts"][0]["labels"]["alertname"]) for body in hook.bodies]


def sent(receiver):
    """Notifications that were accepted, as the daemon counts them."""
    return sum(value for labels, value in daemon.page().find("dbvitals_notifications_sent_total")
               if labels["receiver"] == receiver)


def kill_and_start():
    """A daemon that was killed, and its successor on the same storage."""
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    successor = Daemon(CONFIG, flags=["--storage.path", storage])
    successor.wait_ready()
    return successor


daemon = Daemon(CONFIG)
storage = os.path.join(daemon.folder, "storage")


def an_alert_reaches_who_its_routes_say():
    eventually(lambda: names_at_hook() == [("firing", "Always")], what="the hook is told")
    assert pages() == []
    sandbox.control("stop", "redis", "kill")
    eventually(lambda: statuses() == ["firing"], what="the command is told")
    status, names, annotations, labels, key = pages()[0]
    assert names == ["Down"] and key, pages()
    assert annotations == {"summary": "cache-1 does not answer"}, annotations
    assert labels["site"] == "ams" and labels["severity"] == "critical", labels
    eventually(lambda: ("firing", "Down") in names_at_hook(), what="the hook is told as well")
    eventually(lambda: sent("pager") == 1 and sent("all") == 2, what="it is counted")


def a_restart_tells_nobody_twice():
    global daemon
    daemon.end(0)
    daemon = Daemon(CONFIG, flags=["--storage.path", storage])
    daemon.wait_ready()
    throughout(lambda: statuses() == ["firing"] and len(hook.bodies) == 2, 4)


def a_kill_tells_nobody_twice():
    global daemon
    daemon = kill_and_start()
    throughout(lambda: statuses() == ["firing"] and len(hook.bodies) == 2, 4)


def what_ended_while_it_was_away_is_told():
    global daemon
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    sandbox.control("start", "redis")
    daemon = Daemon(CONFIG, flags=["--storage.path", storage])
    eventually(lambda: statuses() == ["firing", "resolved"], what="the end is told")
    eventually(lambda: ("resolved", "Down") in names_at_hook(), what="the hook is told as well")
    throughout(lambda: statuses() == ["firing", "resolved"], 2)


def what_nobody_took_is_delivered_after_a_kill():
    global daemon
    hook.status = 503
    hook.bodies.clear()
    sandbox.control("stop", "redis", "kill")
    eventually(lambda: ("firing", "Down") in names_at_hook(), what="an attempt")
    eventually(lambda: statuses() == ["firing", "resolved", "firing"], what="the command is told")
    throughout(lambda: len(statuses()) == 3, 1)  # and that is on the disk
    daemon = kill_and_start()
    hook.status = 200
    hook.bodies.clear()
    eventually(lambda: names_at_hook() == [("firing", "Down")], what="the delivery")
    throughout(lambda: names_at_hook() == [("firing", "Down")], 3)
    assert statuses() == ["firing", "resolved", "firing"], statuses()


def a_damaged_file_is_set_aside_and_said():
    global daemon
    daemon.end(0)
    state = os.path.join(storage, "notifications.state")
    with open(state, "r+b") as file_:
        file_.seek(os.path.getsize(state) // 2)
        byte = file_.read(1)
        file_.seek(-1, os.SEEK_CUR)
        file_.write(bytes([byte[0] ^ 1]))
    daemon = Daemon(CONFIG, flags=["--storage.path", storage])
    eventually(lambda: daemon.logged(r"notifications\.state.*bad-1"), what="it is said")
    assert os.path.exists(state + ".bad-1")
    eventually(lambda: statuses()[3:] == ["firing"], what="told anew rather than not at all")
    daemon.end(0)


run_tests([
    an_alert_reaches_who_its_routes_say,
    a_restart_tells_nobody_twice,
    a_kill_tells_nobody_twice,
    what_ended_while_it_was_away_is_told,
    what_nobody_took_is_delivered_after_a_kill,
    a_damaged_file_is_set_aside_and_said,
])
