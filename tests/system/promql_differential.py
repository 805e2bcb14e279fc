#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our PromQL engine against a real Prometheus: random expressions over the same series.

    promql_differential.py [--seed N] [--count N] [--show N] [--expressions FILE]

Labels, values (to 12 digits), errors and annotations must be the same.  Where the newest Prometheus
means something else than the one compared with, the difference is in the table EXCLUSIONS with its
reason; what falls under it is counted, not compared.  --expressions only parses and prints those of
a file (one a line) on both sides.
"""
import argparse
import collections
import math
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from harness import folder  # noqa: E402
from promql_generate import Generator, make_series  # noqa: E402
from promql_peer import Ours, Prometheus, write_series  # noqa: E402

PRECISION = 1e-12
SAME_LABELS = "vector cannot contain metrics with the same labelset"
MANY_TO_ONE = "multiple matches for labels: many-to-one matching must be explicit"
MOST_ANNOTATIONS = 10
# A last digit that differs between Go's and C's libraries becomes a large one here.
UNSTEADY = re.compile(r"%|stddev|stdvar|deriv|predict_linear|\b(sin|cos|tan|floor|ceil|round)\(")
UNSTEADY_PRECISION = 1e-6
UNSTEADY_LEAST = 1e-9

# (reason, of the expression, of our error, of their error); an error of None: there is none, "" any.
EXCLUSIONS = [
    ("3.5 does not know the lower bound of a fraction's first bucket",
     "histogram_fraction", None, None),
    ("3.5 merges no series that never meet", "label_replace|label_join|-", None, SAME_LABELS),
    ("3.5 knows no last sample before 1970", "ts_of_last", None, None),
    ("3.5 fails for pairs that a comparison would drop", "[=!<>]", MANY_TO_ONE, None),
]


def find_program(name):
    done = subprocess.run([os.path.join(ROOT, "tests", "support", "peers"), "fetch", name],
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        print(f"1..0 # SKIP no {name} to compare with: {done.stderr.strip()}")
        sys.exit(0)
    return done.stdout.strip()


def close(a, b, unsteady):
    precision, least = (UNSTEADY_PRECISION, UNSTEADY_LEAST) if unsteady else (PRECISION, 1e-300)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= precision * max(abs(a), abs(b)) or abs(a - b) < least


def stable(text):
    """A message without what depends on the order of series or on the version."""
    text = re.sub(r"(match group) .* (on the (left|right) hand-side of the operation).*", r"\1 \2", text)
    # Whether parentheses around a parameter belong to it depends on how constant it is.
    text = re.sub(r"(quantile value .*) \(\d+:\d+\)", r"\1", text)
    text = re.sub(r' for metric name "(\\.|[^"\\])*"', "", text)
    return re.sub(r", from buckets .* samples from \S+ to \S+ \(", " (", text)


def by_labels(rows):
    return {tuple(sorted(row["labels"].items())): row["samples"] for row in rows}


def difference(expression, ours, theirs):
    """What differs first, as a sentence; None when nothing does."""
    if ("error" in ours) != ("error" in theirs):
        return f"error: ours {ours.get('error')!r}, theirs {theirs.get('error')!r}"
    if "error" in ours:
        if stable(ours["error"]) != stable(theirs["error"]) and ours.get("parsed", True):
            return f"message: ours {ours['error']!r}, theirs {theirs['error']!r}"
        return None
    if ours["type"] != theirs["type"]:
        return f"type: ours {ours['type']}, theirs {theirs['type']}"
    left, right = by_labels(ours["rows"]), by_labels(theirs["rows"])
    unsteady = UNSTEADY.search(expression)
    if set(left) != set(right):
        return (f"labels: only ours {sorted(set(left) - set(right))[:3]}, "
                f"only theirs {sorted(set(right) - set(left))[:3]}")
    for labels, samples in left.items():
        other = right[labels]
        if [t for t, _ in samples] != [t for t, _ in other]:
            return f"times of {dict(labels)}: ours {samples[:4]}, theirs {other[:4]}"
        for (t, a), (_, b) in zip(samples, other):
            if not close(a, b, unsteady):
                return f"value of {dict(labels)} at {t}: ours {a!r}, theirs {b!r}"
    for side in (ours, theirs):
        for kind in ("warnings", "infos"):
            side[kind] = [stable(text) for text in side[kind]
                          if "sort is ineffective for range" not in text]
    for kind in ("warnings", "infos"):
        if len(theirs[kind]) <= MOST_ANNOTATIONS and len(ours[kind]) <= MOST_ANNOTATIONS \
                and set(ours[kind]) != set(theirs[kind]):
            return (f"{kind}: only ours {sorted(set(ours[kind]) - set(theirs[kind]))}, "
                    f"only theirs {sorted(set(theirs[kind]) - set(ours[kind]))}")
    return None


def order_difference(expression, ours, theirs):
    if "error" in ours or ours["type"] != "vector" \
            or not re.fullmatch(r"sort(_desc)?\(\w+\)|sort_by_label\w*\(.*|(top|bottom)k ?\(\S+, \w+\)", expression):
        return None
    left, right = ([row["labels"] for row in side["rows"]] for side in (ours, theirs))
    return None if left == right else f"order: ours {left}, theirs {right}"


def excluded(expression, ours, theirs):
    for reason, pattern, our_error, their_error in EXCLUSIONS:
        if re.search(pattern, expression) and fits(our_error, ours) and fits(their_error, theirs):
            return reason
    return None


def fits(wanted, answer):
    error = answer.get("error")
    return error is None if wanted is None else error is not None and wanted in error


def compare_all(peer, ours, seed, count, show):
    generator = Generator(seed)
    counts = collections.Counter()
    shown = 0
    for _ in range(count):
        question = generator.question()
        left, right = ours.answer(*question), peer.answer(*question)
        what = difference(question[1], left, right) or order_difference(question[1], left, right)
        reason = what and excluded(question[1], left, right)
        if what is None:
            counts["both fail" if "error" in left else
                   "the same" if left["rows"] else "both empty"] += 1
        elif reason:
            counts[f"excluded: {reason}"] += 1
        else:
            counts["different"] += 1
            if shown < show:
                shown += 1
                print(f"# {' '.join(map(str, (question[0], *question[2:])))} {question[1]}\n"
                      f"#     {what}", flush=True)
    for name, n in counts.most_common():
        print(f"# {n:6} {name}")
    # A comparison of errors and empty vectors would say little.
    if counts["the same"] < count / 2:
        print("# most expressions had no values to compare")
        return False
    return counts["different"] == 0


def compare_printing(peer, ours, expressions, show):
    differences = 0
    for expression in expressions:
        left, right = ours.printed("pretty", expression), peer.ask("format_query", query=expression)
        same = left.get("text") == right.get("data") if right["status"] == "success" \
            else "error" in left
        if same and "text" in left:
            # The one-line form of what is one line already.
            once = ours.printed("print", expression)["text"]
            same = ours.printed("print", once).get("text") == once
            right = {"data": once} if not same else right
        if not same:
            differences += 1
            if differences <= show:
                print(f"# {expression}\n#   ours   {left.get('text') or left.get('error')!r}\n"
                      f"#   theirs {right.get('data') or right.get('error')!r}")
    print(f"# {len(expressions)} printed, {differences} different")
    return differences == 0


def generated_expressions(seed, count):
    generator = Generator(seed)
    return [generator.question()[1] for _ in range(count)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--expressions")
    parser.add_argument("--delayed-names", action="store_true")
    options = parser.parse_args()
    program = os.environ.get("DBVITALS_PROMQL_ANSWER") or os.path.join(
        ROOT, "build", "tests", "promql", "promql_answer")
    home = folder()
    series = make_series(options.seed)
    write_series(os.path.join(home, "series"), series)
    delayed = options.delayed_names
    peer = Prometheus(find_program("prometheus"), home, series,
                      ["promql-experimental-functions",
                       *(["promql-delayed-name-removal"] if delayed else [])])
    ours = Ours(program, os.path.join(home, "series"),
                ["--experimental", *(["--delayed-names"] if delayed else [])])
    try:
        if options.expressions:
            with open(options.expressions, encoding="utf-8") as file:
                good = compare_printing(peer, ours, file.read().splitlines(), options.show)
            print(f"1..1\n{'ok' if good else 'not ok'} 1 - both print the same")
            return 0 if good else 1
        print("1..2")
        values = compare_all(peer, ours, options.seed, options.count, options.show)
        print(f"{'ok' if values else 'not ok'} 1 - both evaluate to the same", flush=True)
        texts = compare_printing(peer, ours, generated_expressions(options.seed, options.count),
                                 options.show)
        print(f"{'ok' if texts else 'not ok'} 2 - both print the same")
        return 0 if values and texts else 1
    finally:
        ours.stop()
        peer.stop()


if __name__ == "__main__":
    sys.exit(main())
