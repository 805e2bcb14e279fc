#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real journald keeps our entries with their fields.  It runs in a mount namespace whose /run is its
own, so that the machine's journal, if there is one, hears nothing of it."""
import atexit
import json
import os
import re
import shutil
import subprocess

from harness import Daemon, Sandbox, Skip, eventually, run_tests

PROGRAMS = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
# It shall read nothing of the kernel and switch nothing on there.
START = """
mount -t tmpfs -o size=64m none /run &&
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal &&
printf '[Journal]\\nStorage=volatile\\nAudit=no\\nReadKMsg=no\\nForwardToSyslog=no\\n' \
    >/run/systemd/journald.conf.d/test.conf &&
exec "$0"
"""


def start_journald():
    """Returns its process, or the reason why there is none."""
    program = next((p for p in PROGRAMS if os.access(p, os.X_OK)), None)
    if program is None or not shutil.which("journalctl"):
        return None, "journald is not installed"
    if os.geteuid() != 0:
        return None, "only root can give journald a /run of its own"
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run"],
                      capture_output=True, timeout=30).returncode != 0:
        return None, "this machine allows no mount namespace"
    process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c",
                                START, program], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(process.wait, 10)
    atexit.register(process.terminate)
    return process, None


journald, why_not = start_journald()
INSIDE = ["nsenter", "--target", str(journald.pid if journald else 0), "--mount"]


def inside(*words):
    return subprocess.run([*INSIDE, *words], capture_output=True, text=True, timeout=30)


def entries(daemon, *matches):
    done = inside("journalctl", "--quiet", "--output=json", "--no-pager",
                  f"_PID={daemon.process.pid}", *matches)
    return [json.loads(line) for line in done.stdout.splitlines()]


def the_journal_has_what_we_say_with_its_fields():
    if journald is None:
        raise Skip(why_not)
    eventually(lambda: inside("test", "-S", "/run/systemd/journal/socket").returncode == 0,
               what="journald listens")
    sandbox = Sandbox(only="redis")
    daemon = Daemon(config_file=sandbox.config, flags=["--log.format=journal"], wrapper=INSIDE,
                    wait=False, level="info")

    def said(pattern, *matches):
        return next((e for e in entries(daemon, *matches) if re.search(pattern, e["MESSAGE"])),
                    None)
    first = eventually(lambda: said("listens on"), what="the first entry")
    assert first["PRIORITY"] == "6" and first["SYSLOG_IDENTIFIER"] == "dbvitals", first
    assert first["_TRANSPORT"] == "journal" and "TARGET" not in first, first
    eventually(lambda: said("'cache-1'.* is up", "TARGET=cache-1"), what="the target is up")
    sandbox.control("stop", "redis")
    down = eventually(lambda: said("'cache-1': went down", "TARGET=cache-1", "PRIORITY=4"),
                      what="the target is down")
    assert down["ROUND_ID"], down
    daemon.end(0)
    eventually(lambda: said("^stopping$"), what="the last entry")  # journald takes its time
    assert daemon.log() == "", "nothing is on stderr"


run_tests([
    the_journal_has_what_we_say_with_its_fields,
])
