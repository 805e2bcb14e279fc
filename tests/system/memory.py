#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Under valgrind: start, reload, outage, recovery, stop, and nothing is lost or misused."""
import os
import shutil
import sys

import harness
from harness import DBVITALS, Daemon, Sandbox, run_tests

if not shutil.which("valgrind"):
    print("1..0 # SKIP valgrind is not installed")
    sys.exit(0)
PLAIN = os.environ.get("DBVITALS_PLAIN") or DBVITALS
if "asan" in PLAIN or not os.path.exists(PLAIN):
    print("1..0 # SKIP valgrind needs the build without sanitizers")
    sys.exit(0)


harness.DBVITALS = PLAIN
sandbox = Sandbox()
with open(sandbox.config, encoding="utf-8") as file:
    text = file.read().replace("interval: 5s, timeout: 3s", "interval: 1s, timeout: 900ms")
# A file for each process: workers end with _exit() and may leave what they had in use.
reports = harness.folder()
daemon = Daemon(text, wrapper=["valgrind", "--leak-check=full",
                               "--show-leak-kinds=definite,indirect,possible",
                               "--errors-for-leak-kinds=definite,indirect,possible",
                               f"--log-file={reports}/%p"], level="info")


def it_runs_reloads_loses_a_server_and_recovers():
    daemon.wait_up("orders-1", "orders-2", "orders-pool", "cache-1", "cache-2", "cache-sentinel",
                   seconds=60)
    daemon.reload()
    daemon.write_config(text.replace("cluster: cache", "cluster: other"))
    daemon.reload()
    assert not daemon.logged("reload: "), daemon.log()[-2000:]
    sandbox.control("stop", "redis-replica", "kill")
    daemon.wait_down("cache-2", seconds=30)
    sandbox.control("start", "redis-replica")
    daemon.wait_up("cache-2", seconds=30)
    daemon.write_config("targets: []\n")
    daemon.reload()
    for path in ("/metrics", "/sd", "/health/detailed", "/"):
        assert daemon.get(path, headers={"Accept-Encoding": "gzip"}, timeout=30).status == 200


def nothing_is_leaked_or_misused():
    assert daemon.end() == 0, daemon.log()[-5000:]
    with open(os.path.join(reports, str(daemon.process.pid)), encoding="utf-8") as file:
        report = file.read()
    assert "ERROR SUMMARY: 0 errors" in report, report[:5000]


run_tests([it_runs_reloads_loses_a_server_and_recovers, nothing_is_leaked_or_misused])
