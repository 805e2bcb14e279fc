# SPDX-License-Identifier: Apache-2.0
"""Runs a hook of packaging/hooks as the daemon would, with stand-ins for the programs that it calls."""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from harness import folder  # noqa: E402

HOOKS = os.path.normpath(os.path.join(HERE, "..", "..", "packaging", "hooks"))
EVENT = {
    "DBVITALS_CLUSTER": "orders", "DBVITALS_FAILOVER_ID": "7", "DBVITALS_DRY_RUN": "0",
    "DBVITALS_OLD_PRIMARY": "orders-1", "DBVITALS_OLD_PRIMARY_ADDR": "10.0.0.1:5432",
    "DBVITALS_NEW_PRIMARY": "orders-2", "DBVITALS_NEW_PRIMARY_ADDR": "10.0.0.2:5433",
    "DBVITALS_LSN": "0/5000060", "DBVITALS_TIMELINE": "3", "DBVITALS_REASON": "gone",
}
# What a name of a target or an address might try.
HOSTILE = ("$(touch {0})", "`touch {0}`", "a; touch {0}", "a' ; touch {0} '", 'a" ; touch {0} "',
           "-oProxyCommand=touch {0}", "a\ntouch {0}", "| touch {0}", "a b", "*", "")


class Hook:
    def __init__(self, name, event, settings=""):
        self.name, self.event = name, event
        self.dir = folder()
        self.bin = os.path.join(self.dir, "bin")
        self.conf = os.path.join(self.dir, "hooks.conf")
        os.mkdir(self.bin)
        self.set(settings)

    def set(self, settings):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(settings)

    def stand_in(self, name, body=""):
        """A program that notes its words, one call a line, and does what body says."""
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{{ printf '{name}'; for w; do printf ' <%s>' \"$w\"; done; echo; }}"
                       f" >>'{self.dir}/calls'\n{body}\n")
        os.chmod(path, 0o755)

    def calls(self):
        try:
            with open(f"{self.dir}/calls", encoding="utf-8") as file:
                text = file.read()
            os.unlink(f"{self.dir}/calls")
            return text.splitlines()
        except FileNotFoundError:
            return []

    def run(self, *words, stdin="{}", expect=None, **changes):
        """changes: DBVITALS_... without the prefix, in small letters. Returns code and output."""
        environment = {**EVENT, "DBVITALS_EVENT": self.event, "DBVITALS_HOOKS_CONF": self.conf,
                       "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"}
        environment.update({"DBVITALS_" + k.upper(): v for k, v in changes.items()})
        done = subprocess.run([os.path.join(HOOKS, self.name), *words], input=stdin, text=True,
                              env=environment, cwd="/", timeout=60, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if expect is not None:
            assert done.returncode == expect, (done.returncode, done.stdout)
        return done.returncode, done.stdout

    def takes_names_as_data(self, *variables):
        """Whatever stands in these, nothing of it is run; a name that cannot be is refused."""
        trap = os.path.join(self.dir, "trap")
        for variable in variables:
            for text in HOSTILE:
                self.run(**{variable: text.format(trap)})
                assert not os.path.exists(trap), (variable, text)
        self.calls()

    def touches_nothing_in_a_dry_run(self, part):
        """It says what it would do, and calls none of the stand-ins."""
        self.calls()
        _, output = self.run(dry_run="1", expect=0)
        assert part in output, output
        assert self.calls() == []

    def refuses_other_events(self):
        self.calls()
        self.run(event="breaker_open", expect=1)
        self.run(dry_run="", expect=1)
        assert self.calls() == []


def sandbox_about(sandbox):
    with open(os.path.join(sandbox.dir, "sandbox.json"), encoding="utf-8") as file:
        return json.load(file)


def as_server_user(about):
    """For subprocess: servers do not run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": about["uid"], "group": about["gid"], "extra_groups": []}
