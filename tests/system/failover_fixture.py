# SPDX-License-Identifier: Apache-2.0
"""What the tests of failovers that act share: a daemon that does, its plans and orders, hooks that
write down each run of theirs, and how often a server was promoted."""
import functools
import http.client
import json
import mmap
import os
import re
import socket
import struct
import time

from harness import DBVITALS, Daemon, Skip, eventually, folder, run_tests, throughout

ACTORS = []


class Hooks:
    """One program for all events: it writes a line for each run of it, then does what `body`, a
    shell script, says."""

    def __init__(self, body=""):
        self.folder = folder()
        self.program = os.path.join(self.folder, "hook")
        self.lines = os.path.join(self.folder, "runs")
        with open(self.program, "w", encoding="utf-8") as file:
            file.write(f"""#!/bin/sh
printf '%s %s %s %s %s\\n' "$DBVITALS_EVENT" "$DBVITALS_FAILOVER_ID" "$DBVITALS_OLD_PRIMARY" \
    "$DBVITALS_NEW_PRIMARY" "$DBVITALS_DRY_RUN" >>{self.lines}
{body}
""")
        os.chmod(self.program, 0o755)

    def option(self, *events, more=""):
        """As a key of an item of `failover:`."""
        lists = ", ".join(f"{event}: [[{self.program}]]" for event in events)
        return f"hooks: {{{lists}{more}}}"

    def runs(self):
        """(event, id, old primary, new primary, whether it was a rehearsal) of each."""
        if not os.path.exists(self.lines):
            return []
        with open(self.lines, encoding="utf-8") as file:
            return [(*line.split()[:4], line.split()[4] == "1") for line in file]

    def events(self):
        return [run[0] for run in self.runs()]


class Preloaded:
    """A shim, and the number that it reads."""

    def __init__(self, name, variable):
        self.library = os.path.join(os.path.dirname(DBVITALS), "tests", "system", f"lib{name}.so")
        assert os.path.exists(self.library), self.library
        path = os.path.join(folder(), "value")
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.value = mmap.mmap(file.fileno(), 8)
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = {"LD_PRELOAD": self.library, variable: path, "ASAN_OPTIONS": asan}

    def set(self, value):
        self.value[:8] = struct.pack("q", value)


class ControlConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class Actor(Daemon):
    """A daemon with one item of `failover:`, asked over its control socket."""

    def __init__(self, sandbox, keys, cluster="orders", edit=lambda text: text, prepare=None,
                 **more):
        with open(sandbox.config, encoding="utf-8") as file:
            text = edit(file.read())
        self.cluster, self.prepare = cluster, prepare
        ACTORS.append(self)
        super().__init__(f"{text}failover: [{{cluster: {cluster}, {keys}}}]\n", **more)

    def start(self, wait=True):
        if self.prepare:
            self.prepare(os.path.join(self.folder, "storage"))
            self.prepare = None
        super().start(wait)

    def ask(self, method="GET", body=None):
        connection = ControlConnection(os.path.join(self.folder, "storage", "control.sock"))
        try:
            connection.request(method, "/api/v1/failover",
                               body=json.dumps(body) if body else None,
                               headers={"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def order(self, expected=200, **body):
        status, answer = self.ask("POST", body)
        assert status == expected, (body, status, answer)
        return answer

    def state(self):
        status, answer = self.ask()
        assert status == 200, answer
        self.all_plans = answer["data"]["plans"]
        return answer["data"]["clusters"][0]

    def plans(self, state=None):
        """The newest first."""
        self.state()
        return [plan for plan in self.all_plans if state in (None, plan["state"])]

    def verdict(self):
        return self.state()["verdict"]

    def wait(self, verdict, seconds=30):
        eventually(lambda: self.verdict() == verdict, seconds,
                   f"verdict '{verdict}', it is {self.state()}")

    def whole(self, seconds=60, but=()):
        """Healthy, and nothing forbids a failover but what is named."""
        def is_whole():
            self.last = self.state()
            return self.last["verdict"] == "healthy" and \
                {reason for reason, good in self.last["ready"].items() if not good} == set(but)
        try:
            eventually(is_whole, seconds, "whole")
        except AssertionError:
            raise AssertionError(f"not whole within {seconds} s: {self.last}") from None

    def wait_plan(self, state, seconds=30):
        """The newest plan, once it has come to this."""
        def has_come():
            plans = self.plans()
            return plans[0] if plans and plans[0]["state"] == state else None
        try:
            return eventually(has_come, seconds)
        except AssertionError:
            raise AssertionError(f"no plan is '{state}' within {seconds} s: {self.plans()}; "
                                 f"{self.state()}") from None

    def acknowledge(self):
        for plan in self.plans():
            if plan["state"] in ("done", "failed", "unknown"):
                self.order(order="ack", id=plan["id"])
        eventually(lambda: self.state()["ready"]["acknowledged"], what="nothing is latched")

    def seen(self):
        return re.findall(rf"cluster '{self.cluster}': was \w+, is (\w+):", self.log())

    def steps(self, plan):
        """What a plan has gone through, in its order."""
        return [note["step"] for note in plan["notes"]]


def promotions(sandbox, server="replica"):
    """How often a PostgreSQL server was promoted: each leaves the history of a timeline behind."""
    return int(sandbox.sql("SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '[.]history$'",
                           server=server)[0][0])


def end_connections(sandbox, server="primary"):
    """Those of the monitor, at once."""
    sandbox.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'",
                server=server)


def stays(count, expected, seconds, what):
    throughout(lambda: count() == expected, seconds, f"{what}: {expected}")


def show(row, expected, seen, since=None):
    took = f" after {time.monotonic() - since:.2f} s" if since else ""
    print(f"# row {row}: expected {expected}; seen {seen}{took}", flush=True)


def run_rows(rows):
    """As run_tests(), and what a case that has failed leaves behind acts on no other one's servers."""
    def alone(row):
        @functools.wraps(row)
        def guarded():
            try:
                row()
            except Skip:
                raise
            except BaseException:
                for actor in ACTORS:
                    if actor.process.poll() is None:
                        actor.kill()
                raise
        return guarded
    run_tests([alone(row) for row in rows])
