# SPDX-License-Identifier: Apache-2.0
"""What the lints share: walking the tree, and a report in TAP with one test a rule."""

import os
import sys


def files(root, *tops):
    """Paths relative to root of all files below the given folders, in order."""
    found = []
    for top in tops:
        start = os.path.join(root, top)
        for folder, folders, names in os.walk(start):
            folders[:] = sorted(
                f for f in folders
                if not f.startswith((".git", "__pycache__", "build"))
                and not os.path.exists(os.path.join(folder, f, "meson-private")))
            found += [os.path.relpath(os.path.join(folder, n), root) for n in sorted(names)]
    return [path.removeprefix("./") for path in found]


def c_files(root, *tops):
    return [path for path in files(root, *tops) if path.endswith((".c", ".h"))]


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")


class Report:
    """Violations by rule; a rule without any is a passed test."""

    def __init__(self, *rules):
        self.found = {rule: [] for rule in rules}

    def add(self, rule, path, line, text):
        self.found[rule].append(f"{path}:{line}: {text}")

    def finish(self):
        print(f"1..{len(self.found)}")
        for number, (rule, violations) in enumerate(self.found.items(), 1):
            print(f"{'not ok' if violations else 'ok'} {number} - {rule}")
            for violation in violations:
                # On stderr for people: meson shows no comments of TAP.
                print(f"# {violation}")
                print(violation, file=sys.stderr)
        return 1 if any(self.found.values()) else 0
