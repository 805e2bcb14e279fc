# SPDX-License-Identifier: Apache-2.0
"""Compares pages of an exporter with pages of ours, family by family, and says what differs.

The pages alternate: exporter, ours, exporter, ours, ..., exporter.  So each value of ours lies in
time between two of the exporter's, and what time explains can be told from what is wrong.
"""
import math
import re

# What is about the program that answers and not about the server.
INTERNAL = re.compile(r"(go|promhttp|process|python)_|\w+_exporter_build_info$")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
# Here a value that stands still in one page and not in the other is wrong.
SETTINGS = re.compile(r"pg_settings_|redis_config_|pgbouncer_config_")

# Rows that stand for what is going on at the moment: each page has others.
MOMENTARY = re.compile(r"pg_stat_activity_")

# How far a gauge may be from what the exporter saw, by its name; the first that fits counts.
# (pattern, absolute, relative, also if the exporter saw it stand still). Both programs are clients
# with buffers, each sees the other only now and then, and they look at the same moment of a second
# each time; all else that stands still must be equal.
TOLERANCES = [(re.compile(row[0]), *row[1:]) for row in [
    (r"_hz$|_instantaneous_", 2, 0.6, False),
    (r"clients|connections|backends|activity|locks_count|servers", 2, 0, True),
    (r"lag_seconds|seconds_ago|_age$|uptime|idle|maxwait", 2, 0, True),
    (r"memory_used|_mem_|allocator_.*bytes", 65536, 0.05, True),
    (r"_(seconds|sec)$|_time_", 2, 0.05, False),
    (r"_ratio$", 0.5, 0.2, False),
    (r"percentage$", 1, 1, False),
    (r"bytes|offset|lsn", 65536, 0.05, False),
    (r"", 0, 0.01, False)]]


class Family:
    """The samples of one name of a page, by their labels; a label without a value is none."""

    def __init__(self, kind):
        self.kind = kind
        self.series = {}

    def add(self, name, labels, value):
        labels = frozenset((k, v) for k, v in labels.items() if v != "")
        self.series[name, labels] = value

    def label_names(self):
        return {k for _, labels in self.series for k, _ in labels}


def families(page, unlike=()):
    """{name: Family} of a harness.Page, without the labels that `unlike` names; see compare()."""
    found = {}
    for name, labels, value in page.samples:
        family = name
        for suffix in ("_bucket", "_sum", "_count"):
            base = name.removesuffix(suffix)
            if base != name and suffix in SUFFIXES.get(page.types.get(base), ()):
                family = base
        if family not in found:
            found[family] = Family(page.types.get(family, "untyped"))
        for rule in unlike:
            if re.fullmatch(rule.family, family) is not None and rule.label in labels:
                labels = {**labels, rule.label: "(not compared)"}
        found[family].add(name, labels, value)
    return found


class Finding:
    """One difference; `labels` are those of the series it is about, as a dictionary."""

    def __init__(self, kind, theirs, ours, labels=None):
        self.kind, self.theirs, self.ours, self.labels = kind, theirs, ours, labels or {}


def series_text(key):
    name, labels = key
    inside = ",".join(f'{k}="{v}"' for k, v in sorted(labels))
    return f"{name}{{{inside}}}" if inside else name


def number(value):
    whole = math.isfinite(value) and value == int(value)
    return str(int(value)) if whole else f"{value:.9g}"


def grows(kind, name):
    """Whether a series of a family of this type can only grow."""
    return kind == "counter" or kind in SUFFIXES and name.endswith(SUFFIXES[kind])


def counter_differs(theirs, ours):
    """Each value of ours between the exporter's before and after; a reset explains the rest."""
    for i, value in enumerate(ours):
        low, high = theirs[i], theirs[i + 1]
        slack = 1e-9 * max(abs(low), abs(high))
        if low <= high and not low - slack <= value <= high + slack:
            return f"{number(low)} to {number(high)}", number(value)
    return None


def gauge_differs(family, theirs, ours):
    """The middle one of ours within what the exporter saw, and a tolerance by the kind of value."""
    if any(math.isnan(v) for v in theirs + ours):
        both = all(math.isnan(v) for v in theirs + ours)
        return None if both else (number(theirs[0]), number(ours[0]))
    value = sorted(ours)[len(ours) // 2]
    low, high = min(theirs), max(theirs)
    absolute, relative, always = next(row[1:] for row in TOLERANCES if row[0].search(family))
    slack = 0
    if not SETTINGS.match(family) and (always or low != high):
        slack = max(absolute, relative * max(abs(low), abs(high)))
    if low - slack <= value <= high + slack:
        return None
    return number(low) if low == high else f"{number(low)} to {number(high)}", number(value)


def everywhere(pages, name):
    """The series of a family that each page has."""
    sets = [set(page[name].series) if name in page else set() for page in pages]
    return set.intersection(*sets)


def anywhere(pages, name):
    return {key for page in pages if name in page for key in page[name].series}


def compare_series(name, kind, theirs, ours):
    """Findings about single series of a family that both have."""
    lasting = everywhere(theirs, name)
    here = anywhere if MOMENTARY.match(name) else everywhere
    for key in sorted(lasting - here(ours, name), key=series_text):
        yield Finding("series missing", series_text(key), "", dict(key[1]))
    for key in sorted(everywhere(ours, name) - anywhere(theirs, name), key=series_text):
        yield Finding("series only here", "", series_text(key), dict(key[1]))
    for key in sorted(lasting & everywhere(ours, name), key=series_text):
        values = [[page[name].series[key] for page in pages] for pages in (theirs, ours)]
        differs = counter_differs(*values) if grows(kind, key[0]) else gauge_differs(name, *values)
        if differs:
            yield Finding("value", f"{series_text(key)} {differs[0]}", differs[1], dict(key[1]))


def compare_family(name, theirs, ours):
    """Findings about one family; theirs and ours are lists of {name: Family}."""
    if not any(name in page for page in ours):
        return [Finding("missing", next(p[name].kind for p in theirs if name in p), "")]
    first, here = (next(p[name] for p in pages if name in p) for pages in (theirs, ours))
    findings = []
    if first.kind != here.kind:
        findings.append(Finding("type", first.kind, here.kind))
    names = [set().union(*(p[name].label_names() for p in pages if name in p))
             for pages in (theirs, ours)]
    # With a series in common, those that are not say it more exactly: perhaps only the connection
    # of one of the programs has the label.
    if names[0] != names[1] and not anywhere(theirs, name) & anywhere(ours, name):
        findings.append(Finding("labels", ",".join(sorted(names[0])) or "none",
                                ",".join(sorted(names[1])) or "none"))
        return findings
    return findings + list(compare_series(name, first.kind, theirs, ours))


def compare(theirs, ours, unlike=()):
    """{family: findings} over all families that the exporter shows in each of its pages. theirs and
    ours are lists of harness.Page, one more of theirs. `unlike` has rules with a family (a regular
    expression) and a label that both must have there, each with a value of its own."""
    theirs, ours = [families(p, unlike) for p in theirs], [families(p, unlike) for p in ours]
    lasting = set.intersection(*(set(page) for page in theirs))
    return {name: compare_family(name, theirs, ours)
            for name in sorted(lasting) if not INTERNAL.match(name)}
