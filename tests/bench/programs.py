# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks start and how they show what came of it."""
import ctypes
import http.client
import os
import signal
import subprocess

from measure import Http, children_cpu_ns, cpu_ns, wait_answer

LIBC = ctypes.CDLL(None)


def end_with_us():
    """Runs in a child: should the benchmark be killed, what it measures ends too."""
    LIBC.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG


class Table:
    """The result: rows of what was measured beside what it is compared with."""

    def __init__(self):
        self.rows = []

    def add(self, what, ours, other, goal, unit, more_is_better=False):
        ratio = None
        if ours and other:
            ratio = ours / other if more_is_better else other / ours
        self.rows.append({"what": what, "ours": ours, "other": other, "ratio": ratio,
                          "goal": goal, "unit": unit})

    def title(self, text):
        """A line of its own above the rows that follow."""
        self.rows.append({"what": text})

    def show(self):
        def number(value, unit):
            if value is None:
                return "-"
            text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
            return f"{text} {unit}".rstrip()
        lines = [("what", "ours", "peers or yardstick", "ratio", "goal")]
        for row in self.rows:
            if "unit" not in row:
                lines.append((row["what"], "", "", "", ""))
                continue
            ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3g}"
            lines.append((row["what"], number(row["ours"], row["unit"]),
                          number(row["other"], row["unit"]), ratio, row["goal"]))
        widths = [max(len(line[i]) for line in lines) for i in range(5)]
        for line in lines:
            print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


class Program:
    """A daemon or an exporter under measurement."""

    def __init__(self, name, argv, port, log, env=None, timeout=3):
        self.name, self.argv, self.port, self.log = name, argv, port, log
        self.env = {**os.environ, **(env or {})}
        self.paths = ["/metrics"]  # what one scrape asks for
        self.process = None
        self.http = Http(port, timeout)

    def start(self, seconds=10):
        """Seconds from exec to the first answered scrape, or None."""
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=self.env, preexec_fn=end_with_us)
        return wait_answer(self.port, "/metrics", seconds, self.process)

    def stop(self):
        self.http.close()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def cpu(self):
        return (cpu_ns(self.process.pid) or 0) + children_cpu_ns(self.process.pid)

    def text(self, path="/metrics"):
        """A page, or None."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request("GET", path)
            return client.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            client.close()

    def families(self):
        return {line.split()[2] for line in (self.text() or "").splitlines()
                if line.startswith("# TYPE ")}

    def value(self, metric):
        """{series: value} of a metric on the program's page."""
        rows = [line for line in (self.text() or "").splitlines()
                if line.startswith(metric + "{") or line.startswith(metric + " ")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in rows}
