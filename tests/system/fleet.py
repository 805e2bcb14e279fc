# SPDX-License-Identifier: Apache-2.0
"""A primary, its replicas, and a daemon that fails them over, for cases that each need them whole.

Whatever a case has done to the servers, the next one begins with the same two data folders, copied
from what was taken at the start.  Promotions are counted where nobody can hide them: each leaves a
history file in the new primary's pg_wal.  Hooks write down each time that they are run.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from harness import ROOT, SANDBOX, Daemon, Sandbox, eventually, folder, throughout

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import sandbox_config  # noqa: E402
from sandbox_servers import Servers  # noqa: E402

# Servers by their names in the sandbox; those that it does not have are made here.
TARGETS = {"primary": "orders-1", "replica": "orders-2", "third": "orders-3", "fourth": "orders-4"}
SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}
LONG = 60  # for what takes a moment when the machine has one


class Watcher(Daemon):
    """A daemon, and what it says of the cluster 'orders'."""

    def state(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended by {self.process.returncode}: {self.log()[-3000:]}")
        data = self.get("/api/v1/failover").json["data"]
        self.plans = [plan for plan in data["plans"] if plan["cluster"] == "orders"]
        return data["clusters"][0]

    def verdict(self):
        return self.state()["verdict"]

    def wait(self, verdict, seconds=LONG):
        eventually(lambda: self.verdict() == verdict, seconds,
                   f"verdict '{verdict}', it is {self.state()}")

    def alarms(self, verdict):
        """It stands where the alert looks."""
        self.wait(verdict)
        eventually(lambda: self.page().value("dbvitals_failover_verdict", cluster="orders",
                                             verdict=verdict) == 1, what=f"{verdict} on the page")

    def ready(self, reason):
        return self.state()["ready"][reason]


class Fleet:
    def __init__(self, more=(), only="postgres"):
        """more: names of further servers, which stream from the primary."""
        self.sandbox = Sandbox(only=only)
        self.servers = Servers(self.sandbox.dir)
        self.servers.load()
        self.names = ["primary", "replica", *more]
        self.running = list(self.names)  # those that this case begins with
        self.watcher, self.key = None, None
        self.folder = folder()
        self.hook = os.path.join(self.folder, "hook")
        self.hook_log = os.path.join(self.folder, "hooks")
        self.write_hook(self.hook)
        self._take_copies()
        for name, port in zip(more, self.sandbox.spare_ports):
            self._add(name, port)

    def write_hook(self, path):
        """A program that writes down the event and becomes what its words say."""
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nprintf '%s %s %s %s\\n' \"$DBVITALS_EVENT\" \"$0\" "
                       "\"$DBVITALS_FAILOVER_ID\" \"$DBVITALS_NEW_PRIMARY\" >>"
                       f"'{self.hook_log}'\n" "[ $# = 0 ] || exec \"$@\"\n")
        os.chmod(path, 0o755)

    # --- servers -----------------------------------------------------------------------------

    def _add(self, name, port):
        state = self.servers.state
        state["servers"][name] = {**state["servers"]["replica"], "port": port,
                                  "log": self.servers.path("log", f"{name}.log")}
        user = (state["uid"], state["gid"])
        self.servers.make_folder(self.servers.path(name), 0o700, user)
        self.servers.make_folder(self.servers.path(name, "data"), 0o700, user)

    def end(self):
        """The sandbox ends only those that it has made."""
        if self.watcher is not None:
            self.watcher.end()
        for name in self.names[2:]:
            self.stop(name, "immediate")

    def family(self, name):
        return self.servers.family(name)

    def port(self, name):
        return self.servers.state["servers"][name]["port"]

    def is_up(self, name):
        return self.servers.is_up(name)

    def start(self, name):
        if not self.is_up(name):
            self.family(name).end(signal.SIGKILL, 0)
            self.servers.start_server(name)

    def stop(self, name, how):
        if self.family(name).pids():
            self.family(name).end(SIGNALS[how], 20)

    def kill(self, *names):
        for name in names:
            self.stop(name, "kill")

    def super_dsn(self, name):
        return f"host={self.sandbox.run} port={self.port(name)} user=postgres dbname=postgres"

    def sql(self, statement, server="primary"):
        return self.sandbox.sql(statement, dsn=self.super_dsn(server))

    def settings(self, server, **values):
        for name, value in values.items():
            self.sql(f"ALTER SYSTEM RESET {name}" if value is None else
                     f"ALTER SYSTEM SET {name} = '{value}'", server)
        self.sql("SELECT pg_reload_conf()", server)

    def follow(self, name, port):
        """A running replica streams from whoever listens on this port; the slot stays."""
        conninfo = (f"host=127.0.0.1 port={port} user=replicator "
                    f"password={sandbox_config.PASSWORDS['replicator']} application_name={name}")
        self.settings(name, primary_conninfo=conninfo)

    def streams(self, name):
        return self.sql("SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'",
                        name) != []

    def wait_streams(self, *names):
        for name in names:
            eventually(lambda n=name: self.streams(n), LONG, f"{name} streams")

    def takes_writes(self, name):
        return self.sql("SELECT pg_is_in_recovery()", name) == [["f"]]

    # --- data folders ------------------------------------------------------------------------

    def _copy(self, source, target):
        subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", target], check=True)

    def _take_copies(self):
        """The primary first: the replica then has everything."""
        for name in ("primary", "replica"):
            self.stop(name, "fast")
        for name in ("primary", "replica"):
            os.mkdir(self.servers.path(f"{name}.copy"))
            self._copy(self.servers.path(name, "data"), self.servers.path(f"{name}.copy"))

    @staticmethod
    def _clear(data):
        """The folder itself stays: its inode is the key of the server's shared memory."""
        for entry in os.scandir(data):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)

    def _fill(self, name):
        data = self.servers.path(name, "data")
        self._clear(data)
        self._copy(self.servers.path(f"{'primary' if name == 'primary' else 'replica'}.copy"), data)
        if name not in ("primary", "replica"):
            with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as file:
                file.write(f"port = {self.port(name)}\ncluster_name = '{TARGETS[name]}'\n"
                           f"primary_conninfo = 'host=127.0.0.1 port={self.port('primary')} "
                           f"user=replicator password={sandbox_config.PASSWORDS['replicator']} "
                           f"application_name={name}'\nprimary_slot_name = ''\n")

    def promoted(self):
        """Who was promoted since the beginning of the case, by whomever."""
        return [TARGETS[name] for name in self.names
                if glob.glob(self.servers.path(name, "data", "pg_wal", "*.history"))]

    def restore(self, running):
        """Those that the next case does not run have no data."""
        self.kill(*self.names)
        for name in self.names:
            if name in running:
                self._fill(name)
            else:
                self._clear(self.servers.path(name, "data"))

    def spoil(self):
        """The next case begins with new data folders."""
        self.key = None

    def found(self, name):
        """A server of another system, which waits for a primary that never comes."""
        state, data = self.servers.state, self.servers.path(name, "data")
        user = (state["uid"], state["gid"])
        self.kill(name)
        self._clear(data)
        self.servers.run([self.servers.sibling(name, "initdb"), "-D", data, "-U", "postgres",
                          "--no-sync", "--auth-local=trust"], name)
        self.servers.write(f"{data}/postgresql.conf", sandbox_config.POSTGRES.format(
            port=self.port(name), run=self.sandbox.run, tls=self.servers.path("tls"),
            cluster_name="another"), user=user)
        self.servers.write(f"{data}/pg_hba.conf", sandbox_config.POSTGRES_HBA, user=user)
        self.start(name)
        self.sql("CREATE ROLE monitor LOGIN IN ROLE pg_monitor PASSWORD " +
                 sandbox_config.sql_literal(sandbox_config.PASSWORDS["monitor"]), name)
        self.stop(name, "fast")
        self.servers.write(f"{data}/standby.signal", "", user=user)
        self.start(name)

    # --- the daemon --------------------------------------------------------------------------

    def configuration(self, through=None, names=None, **item):
        """Keys of the item of 'failover:'; through: {server: port that stands before it}."""
        with open(self.sandbox.config, encoding="utf-8") as file:
            text = file.read()
        for name in (names or self.running)[2:]:
            url = self.sandbox.servers["replica"]["url"].replace(
                f":{self.port('replica')}/", f":{self.port(name)}/")
            text += (f"  - name: {TARGETS[name]}\n    type: postgres\n    cluster: orders\n"
                     f"    dsn: \"{url}\"\n"
                     f"    password_file: {self.sandbox.dir}/secrets/monitor\n")
        for name, port in (through or {}).items():
            text = text.replace(f":{self.port(name)}/", f":{port}/")
        hooks = {"pre": [[self.hook]], "post": [[self.hook]], "failed": [[self.hook]],
                 **item.pop("hooks", {})}
        if "fence" not in hooks:
            item.setdefault("unfenced", "accept_split_brain")
        lines = [f"    {key}: {json.dumps(value)}\n" for key, value in
                 {"mode": "automatic", **item}.items()]
        lines += [f"      {key}: {json.dumps(value)}\n".replace("$", "$$")
                  for key, value in hooks.items()]
        at = next(i for i, line in enumerate(lines) if line.startswith("      "))
        return (f"{text}failover:\n  - cluster: orders\n" + "".join(lines[:at]) + "    hooks:\n" +
                "".join(lines[at:]))

    def fence(self, server="primary"):
        """A command that certainly ends a server."""
        return [[self.hook, SANDBOX, "stop", server, "kill", "--dir", self.sandbox.dir]]

    def _is_whole(self):
        return not self.promoted() and all(map(self.is_up, self.running)) and \
            self.watcher is not None and self.watcher.process.poll() is None and \
            not self.acted()

    def fresh(self, *more, **item):
        """Servers as they were at the start, and a daemon with this configuration that is ready to
        act: a new one where anything differs. more: names of the further servers to run."""
        running = ["primary", "replica", *more]
        key = (running, self.configuration(names=running, **item))
        if self.watcher is None or key != self.key or not self._is_whole():
            if self.watcher is not None:
                self.watcher.end(0 if self.watcher.process.poll() is None else None)
            if self.key is None or key[0] != self.key[0] or self.promoted() or \
                    not all(map(self.is_up, running)):
                self.restore(running)
                for name in running:
                    self.start(name)
            self.running, self.key = running, key
            self.wait_streams(*running[1:])
            self.watcher = Watcher(key[1])
        self.whole()
        self.begin()
        return self.watcher

    def whole(self):
        watcher = self.watcher
        eventually(lambda: (lambda s: s["verdict"] == "healthy" and all(s["ready"].values()))(
            watcher.state()), LONG, f"healthy and ready, it is {watcher.state()}")

    def begin(self):
        """What is told from now on belongs to this case."""
        self.watcher.state()
        self.mark, self.known = len(self.watcher.log()), {p["id"] for p in self.watcher.plans}
        with open(self.hook_log, "w", encoding="ascii"):
            pass

    def restart_watcher(self):
        """After its end, however that came; what it told before still belongs to the case."""
        self.watcher.start()
        self.mark = 0

    # --- what was seen -----------------------------------------------------------------------

    def plans(self):
        self.watcher.state()
        return [plan for plan in self.watcher.plans if plan["id"] not in self.known]

    def acted(self):
        """Plans that are more than an entry in the journal, the newest first."""
        self.watcher.state()
        return [plan for plan in self.watcher.plans if plan["mode"] != "observe"]

    def hooks(self, event=None):
        """Each run of a hook: its event, the program, the plan's id, and the new primary."""
        with open(self.hook_log, encoding="ascii") as file:
            runs = [line.split() for line in file]
        return [run for run in runs if event in (None, run[0])]

    def verdicts(self):
        return re.findall(r"cluster 'orders': was \w+, is (\w+):", self.watcher.log()[self.mark:])

    def wait_plan(self, *states):
        """The newest plan of the case, when it is there and in one of these states."""
        def there():
            plans = self.plans()
            return plans[0] if plans and plans[0]["state"] in states else None
        return eventually(there, LONG, f"a plan that is {states}, there is {self.plans()}, "
                          f"{self.watcher.state()}")

    def text(self, plan):
        return "\n".join(f"{note['step']} {note['event']}: {note['text']}"
                         for note in plan["notes"])

    def show(self, row, expected, more=""):
        plans = ", ".join(plan["state"] for plan in self.plans()) or "none"
        print(f"# row {row}: expected {expected}; seen: promoted {self.promoted() or 'nobody'}, "
              f"plans {plans}, hooks {' '.join(run[0] for run in self.hooks()) or 'none'}, "
              f"verdicts {' '.join(self.verdicts()) or 'nothing new'}{more}", flush=True)

    def nothing_happens(self, row, expected, seconds=3):
        """No promotion, no hook, no plan that acts; also none for so long."""
        throughout(lambda: not self.promoted() and not self.hooks() and not self.acted(), seconds,
                   "nobody acts")
        self.show(row, f"0, {expected}")

    def one(self, row, expected, who="orders-2", how=None):
        """Exactly this one was promoted, by one plan that ended well, with one run of each hook."""
        plan = self.wait_plan("done", "failed", "unknown", "withdrawn")
        self.show(row, expected, how(plan) if how else "")
        assert plan["state"] == "done", self.text(plan)
        assert self.promoted() == [who], self.promoted()
        assert (plan["old_primary"], plan["new_primary"]) == ("orders-1", who), plan
        assert len(self.acted()) == 1, self.acted()
        for event in ("pre", "post"):
            assert [run[2:] for run in self.hooks(event)] == [[plan["id"], who]], self.hooks()
        assert not self.hooks("failed")
        server = next(name for name, target in TARGETS.items() if target == who)
        assert self.takes_writes(server)
        self.sql("CREATE TABLE after_it (x int)", server)
        return plan
