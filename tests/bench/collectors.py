# SPDX-License-Identifier: Apache-2.0
"""What the daemon asks by default, for configurations that are fair to both sides."""
import re
import subprocess

UNITS = {"s": 1, "m": 60, "h": 3600}
DEFAULT_SECONDS = 5  # between two rounds


class Collector:
    def __init__(self, kind, name, when):
        self.kind, self.name = kind, name
        self.off = "off" in when
        period = re.search(r"every (\d+)([smh])", when)
        self.seconds = int(period[1]) * UNITS[period[2]] if period else 0  # 0: every round
        self.families = set()
        self.vital = False


def read_collectors(daemon):
    """Those of 'dbvitals metrics', which begins each kind with the vital one."""
    text = subprocess.run([daemon, "metrics"], check=True, capture_output=True, text=True).stdout
    found = []
    for line in text.splitlines():
        head = re.match(r"(\w+): (\w+) \((.*)\)$", line)
        family = re.match(r" {4}([A-Za-z_:][\w:]*)[{ ]", line)
        if head:
            found.append(Collector(*head.groups()))
            found[-1].vital = all(c.kind != head[1] for c in found[:-1])
        elif family and found:
            found[-1].families.add(family[1])
    return found


def settings(collectors, kind, interval_seconds, families=None):
    """The collectors of a target as YAML: their intervals stand to that of the rounds as they do by
    default. With families, those are off that show none of them."""
    rows = []
    for c in collectors:
        if c.kind != kind or c.off or c.vital:
            continue
        if families is not None and not c.families & families:
            rows.append(f"{c.name}: false")
        elif c.seconds > DEFAULT_SECONDS:
            milliseconds = c.seconds * 1000 * interval_seconds // DEFAULT_SECONDS
            rows.append(f"{c.name}: {{interval: {milliseconds}ms}}")
    return "{" + ", ".join(rows) + "}"
