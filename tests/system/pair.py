# SPDX-License-Identifier: Apache-2.0
"""A primary and its replica for failovers: made once, and fresh again as often as needed, which takes
a copy of two stopped data folders and not a new cluster."""
import os
import shutil
import signal
import subprocess
import sys
import time

from harness import ROOT, Sandbox, eventually

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from sandbox_servers import Servers  # noqa: E402

NAMES = ("primary", "replica")


class Pair(Sandbox):
    """settings: lines for postgresql.conf by server.  schema: SQL for the database 'shop'."""

    def __init__(self, pooler=False, settings=None, schema=None):
        super().__init__(only="postgres,pgbouncer" if pooler else "postgres")
        self.here = Servers(self.dir)
        self.here.load()
        if schema:
            self.sql(schema, database="shop")
        for name in NAMES:
            self.here.family(name).end(signal.SIGINT, 20)
            with open(os.path.join(self.data(name), "postgresql.conf"), "a", encoding="utf-8") as file:
                file.write("\n".join((settings or {}).get(name, [])) + "\n")
            self.copy(self.data(name), self.data(name) + ".fresh")

    def data(self, name):
        return os.path.join(self.dir, name, "data")

    @staticmethod
    def copy(source, target):
        subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True, timeout=60)

    def kill(self, name):
        """The server and all its processes by SIGKILL, at once; the moment before the first."""
        family = self.here.family(name)
        pids = family.pids()
        began = time.monotonic()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        family.end(signal.SIGKILL, 10)
        return began

    def end(self, name):
        """Ends it and takes away the piece of shared memory that a killed one leaves behind."""
        segment = None
        try:
            with open(os.path.join(self.data(name), "postmaster.pid"), encoding="ascii") as file:
                segment = file.read().splitlines()[6].split()[1]
        except (OSError, IndexError):
            pass
        self.kill(name)
        if segment:
            subprocess.run(["ipcrm", "-m", segment], stderr=subprocess.DEVNULL, check=False)

    def renew(self):
        """Both as they were at first, running, the replica streaming."""
        for name in NAMES:
            self.end(name)
            shutil.rmtree(self.data(name), ignore_errors=True)
            self.copy(self.data(name) + ".fresh", self.data(name))
        for name in NAMES:
            self.here.start_server(name)
        eventually(lambda: self.sql("SELECT count(*) FROM pg_stat_replication "
                                    "WHERE state = 'streaming'") == [["1"]], 30, "streaming")

    def promotions(self):
        """How often either was promoted since then: each leaves a file of history."""
        return sum(file.endswith(".history") for name in NAMES
                   for file in os.listdir(os.path.join(self.data(name), "pg_wal")))
