# SPDX-License-Identifier: Apache-2.0
"""Series with everything that is hard about series, and random expressions over them.

An expression is well typed and mostly well matched: it parses, and most evaluate.  Ties are left to
chance nowhere: topk and bottomk only see values that all differ, because of two equal values either
one may win.
"""
import random
import struct

STEP_MS = 15_000
START_MS = -1_800_000
END_MS = 5_400_000
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
NAN = float("nan")
INF = float("inf")
JOBS = ("api", "db", "queue")
BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")


class Stale:
    """The marker that ends a series."""


def _times(rng, step=STEP_MS, jitter=0):
    return [t + (rng.randrange(jitter) if jitter else 0) for t in range(START_MS, END_MS, step)]


def _counter(rng, times, rate):
    value, out = rng.randrange(1000), []
    for t in times:
        value = 0 if rng.random() < 0.01 else value + rng.randrange(rate)
        out.append((t, float(value)))
    return out


def _gauge(rng, times, odd):
    value, out = rng.uniform(-50, 50), []
    for t in times:
        value += rng.uniform(-5, 5)
        chosen = value
        if rng.random() < odd:
            chosen = rng.choice([NAN, INF, -INF, 0.0, -0.0, 1e308, 3e-308])
        out.append((t, chosen))
    return out


def _gaps(rng, samples, share):
    """Takes stretches out; some of them begin with the marker."""
    out, hole = [], 0
    for t, value in samples:
        if hole == 0 and rng.random() < share:
            hole = rng.randrange(2, 60)
            if rng.random() < 0.5:
                out.append((t, Stale))
                continue
        if hole > 0:
            hole -= 1
            continue
        out.append((t, value))
    return out


def _histogram(rng, add, labels, broken):
    times = _times(rng, 30_000)
    counts = [0.0] * len(BOUNDS)
    columns = [[] for _ in BOUNDS]
    total, total_sum = [], []
    for t in times:
        for i in range(len(BOUNDS)):
            counts[i] += rng.randrange(8)
        running = 0.0
        for i in range(len(BOUNDS)):
            running += counts[i]
            lowered = broken and rng.random() < 0.1
            columns[i].append((t, running / 2 if lowered else running))
        total.append((t, running))
        total_sum.append((t, running * 0.7))
    for bound, column in zip(BOUNDS, columns):
        add("latency_seconds_bucket", {**labels, "le": bound}, column)
    add("latency_seconds_count", labels, total)
    add("latency_seconds_sum", labels, total_sum)


def make_series(seed):
    """A list of (labels, [(time in ms, value)]); values may be Stale."""
    rng = random.Random(seed)
    series = []

    def add(name, labels, samples):
        series.append(({"__name__": name, **labels}, samples))

    for job in JOBS:
        for instance in ("1", "2"):
            where = {"job": job, "instance": instance}
            for code in ("200", "404", "500"):
                add("requests_total", {**where, "code": code},
                    _gaps(rng, _counter(rng, _times(rng, jitter=900), 40), 0.01))
            add("temperature", where, _gaps(rng, _gauge(rng, _times(rng), 0), 0.01))
            add("pressure", where, _gauge(rng, _times(rng, 60_000), 0))
            add("odd", where, _gaps(rng, _gauge(rng, _times(rng), 0.15), 0.02))
            add("flag", where, [(t, float(rng.randrange(3))) for t in _times(rng, 60_000)])
            add("started_seconds", where, [(t, 1.7e9 + 1e5 * len(series)) for t in _times(rng)])
            _histogram(rng, add, where, job == "queue")
        add("limit", {"job": job}, [(t, 10.0 * len(series)) for t in _times(rng, 60_000)])
        add("info", {"job": job, "version": f"1.{len(job)}", "zone": rng.choice("ab")},
            [(t, 1.0) for t in _times(rng, 60_000)])
        add("sparse", {"job": job}, _gauge(rng, _times(rng, 420_000), 0))
    add("latency_seconds_bucket", {"job": "odd", "instance": "1", "le": "many"},
        _counter(rng, _times(rng, 60_000), 5))
    add("latency_seconds_bucket", {"job": "odd", "instance": "2", "le": "1"},
        _counter(rng, _times(rng, 60_000), 5))
    for text in ("a b", 'quo"te', "back\\slash", "new\nline", "é", "a9", "a10"):
        add("word", {"text": text, "job": rng.choice(JOBS)},
            _gauge(rng, _times(rng, 120_000), 0.05))
    return series


NAMES = {  # name: labels that tell its series apart
    "requests_total": ("job", "instance", "code"),
    "temperature": ("job", "instance"),
    "pressure": ("job", "instance"),
    "odd": ("job", "instance"),
    "flag": ("job", "instance"),
    "started_seconds": ("job", "instance"),
    "latency_seconds_count": ("job", "instance"),
    "latency_seconds_sum": ("job", "instance"),
    "latency_seconds_bucket": ("job", "instance", "le"),
    "limit": ("job",),
    "info": ("job",),
    "sparse": ("job",),
    "word": ("text", "job"),
}
LABELS = ("job", "instance", "code", "le", "zone", "text", "absent")
DISTINCT = ("temperature", "pressure", "limit", "sparse")
ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
# Where Go's and C's libraries may differ in the last digit there is no harm in it.
SIMPLE = ("abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "deg", "rad", "sin",
          "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
DATES = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month",
         "year", "timestamp")
RANGES = ("rate", "increase", "delta", "irate", "idelta", "changes", "resets", "deriv",
          "avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time",
          "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time",
          "mad_over_time", "ts_of_min_over_time", "ts_of_max_over_time", "ts_of_last_over_time")
AGGREGATIONS = ("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar")
DURATIONS = ("1s", "30s", "1m", "2m30s", "5m", "7m", "10m", "1h", "90")


class Generator:
    """Expressions as text; the same seed gives the same ones."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def pick(self, *choices):
        return self.rng.choice(choices)

    def chance(self, share):
        return self.rng.random() < share

    # ---- parts ----

    def number(self):
        return self.pick("0", "1", "2", "-1", "0.5", "10", "100", "1e3", "-0.25", "NaN", "Inf",
                         "-Inf", "0x1f", "5m", "3", "7")

    def share(self):
        return self.pick("0", "0.1", "0.5", "0.9", "0.99", "1", "0.25", "0.75", "-1", "2", "NaN")

    def shift(self):
        out = []
        if self.chance(0.1):
            out.append(f"offset {self.pick('', '', '-')}{self.pick(*DURATIONS)}")
        if self.chance(0.07):
            out.append(f"@ {self.pick('0', '1000', '-300', '2500.5', 'start()', 'end()')}")
        self.rng.shuffle(out)
        return "".join(" " + part for part in out)

    def matchers(self, name):
        out = []
        for label in NAMES.get(name, LABELS):
            if not self.chance(0.25):
                continue
            value = {"job": self.pick(*JOBS), "instance": self.pick("1", "2"),
                     "code": self.pick("200", "404", "500"), "le": self.pick(*BOUNDS),
                     "text": self.pick("a b", "a9", "é")}.get(label, "x")
            pattern = self.pick("a.*", ".*", ".+", "api|db", "1|2", "[0-9]+", "(?i)API", "d.|.",
                                "\\\\d\\\\d+", "")
            out.append(self.pick(f'{label}="{value}"', f'{label}!="{value}"',
                                 f'{label}=~"{pattern}"', f'{label}!~"{pattern}"'))
        return "{" + ",".join(out) + "}" if out else ""

    def selector(self, name=None):
        name = name or self.pick(*NAMES)
        if self.chance(0.03):
            return '{__name__=~"%s"%s}' % (self.pick("temperature|pressure", "li.+", "flag|odd"),
                                           self.pick("", ',job="api"', ',instance!=""'))
        return name + self.matchers(name)

    def labels(self, most=3):
        names = self.rng.sample(LABELS + ("__name__",), self.rng.randrange(most + 1))
        return ", ".join(names)

    def grouping(self):
        return self.pick("", f" by ({self.labels()})", f" without ({self.labels()})")

    # ---- types ----

    def scalar(self, depth):
        if depth <= 0 or self.chance(0.6):
            return self.number()
        return self.pick(
            lambda: f"scalar({self.vector(depth - 1)})",
            lambda: f"({self.scalar(depth - 1)} {self.pick(*ARITHMETIC)} {self.scalar(depth - 1)})",
            lambda: f"({self.scalar(depth - 1)} {self.pick(*COMPARISONS)} bool "
                    f"{self.scalar(depth - 1)})",
            lambda: self.pick("time()", "pi()"),
            lambda: f"-({self.scalar(depth - 1)})")()

    def range(self, depth, name=None):
        if depth <= 0 or self.chance(0.8):
            return f"{self.selector(name)}[{self.pick(*DURATIONS)}]{self.shift()}"
        inner = self.vector(depth - 1)
        return (f"({inner})[{self.pick('5m', '10m', '1h', '90s', '7m30s')}:"
                f"{self.pick('', '1m', '30s', '7s', '2m', '45s')}]{self.shift()}")

    def call(self, depth):
        vector = lambda: self.vector(depth - 1)  # noqa: E731
        window = lambda: self.range(depth - 1)  # noqa: E731
        return self.pick(
            lambda: f"{self.pick(*SIMPLE)}({vector()})",
            lambda: f"{self.pick(*DATES)}({self.pick('started_seconds', 'flag', vector())})",
            lambda: f"{self.pick(*DATES[:-1])}()",
            lambda: f"{self.pick(*RANGES)}({window()})",
            lambda: f"{self.pick(*RANGES)}({window()})",
            lambda: f"{self.pick(*RANGES)}({window()})",
            lambda: f"quantile_over_time({self.share()}, {window()})",
            lambda: f"predict_linear({window()}, {self.scalar(depth - 1)})",
            lambda: f"absent({vector()})",
            lambda: f"absent_over_time({window()})",
            lambda: f"clamp({vector()}, {self.scalar(depth - 1)}, {self.scalar(depth - 1)})",
            lambda: f"clamp_{self.pick('min', 'max')}({vector()}, {self.scalar(depth - 1)})",
            lambda: f"round({vector()}{self.pick('', ', 0.5', ', 10', ', 0')})",
            lambda: f"{self.pick('sort', 'sort_desc')}({self.pick(*DISTINCT)})",
            lambda: f"sort_by_label{self.pick('', '_desc')}({self.pick('word', 'odd', 'info')}, "
                    f"{self.pick('LABEL', 'LABEL, LABEL')})".replace('LABEL', '"instance"')
            if self.chance(0.3) else
            f'sort_by_label{self.pick("", "_desc")}({self.pick("word", "odd")}, "text", "job")',
            lambda: f"double_exponential_smoothing({self.range(0)}, {self.share()}, 0.3)",
            lambda: f"vector({self.scalar(depth - 1)})",
            lambda: self.labelling(depth),
            lambda: self.histogram(depth))()

    def labelling(self, depth):
        inner = self.vector(depth - 1)
        target = self.pick("new", "job", "instance", "__name__")
        source = self.pick("job", "instance", "code", "__name__", "absent")
        if self.chance(0.4):
            return f'label_join({inner}, "{target}", "-", "{source}", "job")'
        pattern = self.pick("(.*)", "(a)(.*)", "(?P<x>.).*", "", "x+", "([a-z]+)([0-9]*)")
        text = self.pick("$1", "${1}-${2}", "$x", "fixed", "", "$1x", "$$", "${x}y")
        return f'label_replace({inner}, "{target}", "{text}", "{source}", "{pattern}")'

    def histogram(self, depth):
        buckets = self.pick(
            "latency_seconds_bucket", "rate(latency_seconds_bucket[5m])",
            "sum by (job, le) (rate(latency_seconds_bucket[5m]))",
            'latency_seconds_bucket{job="api"}', 'latency_seconds_bucket{le!="+Inf"}',
            "increase(latency_seconds_bucket[10m])", "temperature",
            "latency_seconds_bucket - 1000")
        if self.chance(0.7):
            return f"histogram_quantile({self.pick(self.share(), self.scalar(depth - 1))}, {buckets})"
        return (f"histogram_fraction({self.pick('0', '-1', '0.2', '-Inf', 'NaN')}, "
                f"{self.pick('0.3', '1', 'Inf', '2', '0', 'NaN')}, {buckets})")

    def aggregation(self, depth):
        def written(name, arguments):
            grouping = self.grouping()
            if self.chance(0.2):
                return f"{name}({arguments}){grouping}"
            return f"{name}{grouping} ({arguments})"
        return self.pick(
            lambda: written(self.pick(*AGGREGATIONS), self.vector(depth - 1)),
            lambda: written(self.pick(*AGGREGATIONS), self.vector(depth - 1)),
            lambda: written(self.pick(*AGGREGATIONS), self.vector(depth - 1)),
            lambda: written("quantile", f"{self.share()}, {self.vector(depth - 1)}"),
            lambda: written(self.pick("topk", "bottomk"),
                            f"{self.pick('1', '2', '3', '0', '-1', '2.9', '100')}, "
                            f"{self.selector(self.pick('temperature', 'pressure', 'sparse'))}"),
            lambda: written("count_values", f'"{self.pick("value", "job", "v", "__name__")}", '
                            f'{self.pick("flag", "temperature > bool 0", "info", "limit")}'))()

    def binary(self, depth):
        left = lambda: self.vector(depth - 1)  # noqa: E731
        operator = self.pick(*ARITHMETIC, *COMPARISONS)
        boolean = " bool" if operator in COMPARISONS and self.chance(0.3) else ""
        operator += boolean
        wide = lambda: self.selector(self.pick("temperature", "pressure", "odd", "flag",  # noqa: E731
                                               "started_seconds"))
        narrow = lambda: self.selector(self.pick("limit", "info", "sparse"))  # noqa: E731
        include = self.pick("", "", "(zone)", "(version)", "(job)", "(zone, version)", "()")
        setting = self.pick("", "", "on (job) ", "on (job, instance) ", "ignoring (code) ",
                            f"on ({self.labels()}) ", f"ignoring ({self.labels()}) ")
        return self.pick(
            lambda: f"{left()} {operator} {self.scalar(depth - 1)}",
            lambda: f"{self.scalar(depth - 1)} {operator} {left()}",
            lambda: f"{wide()} {operator} {wide()}",
            lambda: f"{wide()} {operator} on (job, instance) {wide()}",
            lambda: f"{wide()} {operator} on (job) group_left {include} {narrow()}",
            lambda: f"{wide()} {operator} ignoring (instance, zone, version) group_left {include} "
                    f"{narrow()}",
            lambda: f"{narrow()} {operator} on (job) group_right {include} {wide()}",
            lambda: f"({left()}) {operator} {setting}({left()})",
            lambda: f"({left()}) {self.pick('and', 'or', 'unless')} {setting}({left()})",
            lambda: f"({left()}) {self.pick('and', 'or', 'unless')} {setting}({left()})")()

    def vector(self, depth):
        if depth <= 0 or self.chance(0.15):
            return self.selector() + self.shift()
        return self.pick(
            lambda: self.call(depth),
            lambda: self.call(depth),
            lambda: self.aggregation(depth),
            lambda: self.binary(depth),
            lambda: self.binary(depth),
            lambda: f"-{self.selector()}",
            lambda: f"({self.vector(depth - 1)})")()

    def question(self):
        """(kind, expression, start, end, step): times in ms; of an instant only start counts."""
        depth = self.pick(1, 2, 2, 3, 3)
        start = self.rng.randrange(START_MS - 300_000, END_MS, 500)
        kind = self.pick("instant", "range")
        if self.chance(0.05):
            expression = self.scalar(depth)
        elif kind == "instant" and self.chance(0.05):
            expression = self.range(depth)
        else:
            expression = self.vector(depth)
        step = self.pick(1_000, 15_000, 47_000, 60_000, 300_000)
        return kind, expression, start, start + step * self.rng.randrange(1, 40), step
