# SPDX-License-Identifier: Apache-2.0
"""Instruments of the benchmarks: CPU clocks of other processes, memory, HTTP and wrk."""
import http.client
import os
import re
import subprocess
import time


def cpu_ns(pid):
    """CPU time of a process with all its threads, also ended ones, in nanoseconds; None if gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # the kernel's clock id of that process
    except OSError:
        return None


def children_cpu_ns(pid):
    """CPU time of children that have ended and been waited for, in steps of a clock tick."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return (int(fields[13]) + int(fields[14])) * 10**9 // os.sysconf("SC_CLK_TCK")


def children(pid):
    """Living children of a process with one thread."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def family_cpu_ns(pid):
    """CPU time of a process, its living children and those it has waited for."""
    living = sum(cpu_ns(child) or 0 for child in children(pid))
    return (cpu_ns(pid) or 0) + living + children_cpu_ns(pid)


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def median(values):
    values = sorted(values)
    if not values:
        return None
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


class Http:
    """One kept connection; a request that fails or hangs closes it."""

    def __init__(self, port, timeout):
        self.port, self.timeout = port, timeout
        self.connection = None

    def get(self, path, gzip=False):
        """(seconds, status, bytes); status 0 when there was no answer in time."""
        begin = time.perf_counter()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=self.timeout)
            headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
            self.connection.request("GET", path, headers=headers)
            response = self.connection.getresponse()
            body = response.read()
            return time.perf_counter() - begin, response.status, len(body)
        except (OSError, http.client.HTTPException):
            self.close()
            return time.perf_counter() - begin, 0, 0

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def wait_answer(port, path, seconds, process):
    """Seconds until the path is answered with 200, or None; asks again every millisecond."""
    begin = time.perf_counter()
    client = Http(port, seconds)
    while time.perf_counter() - begin < seconds and process.poll() is None:
        if client.get(path)[1] == 200:
            client.close()
            return time.perf_counter() - begin
        time.sleep(0.001)
    client.close()
    return None


def wrk(port, path, connections, seconds, gzip=False):
    """(requests a second, p99 in ms) of one run of wrk, or None when requests failed."""
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "5s"]
    if gzip:
        argv += ["-H", "Accept-Encoding: gzip"]
    process = subprocess.run(argv + [f"http://127.0.0.1:{port}{path}"], capture_output=True,
                             text=True, timeout=seconds + 30, check=False)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", process.stdout)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", process.stdout)
    if not rate or "Non-2xx" in process.stdout:
        return None
    scale = {"us": 0.001, "ms": 1, "s": 1000}
    return float(rate[1]), float(tail[1]) * scale[tail[2]] if tail else 0.0
