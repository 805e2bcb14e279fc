# SPDX-License-Identifier: Apache-2.0
"""Runs a lint over small trees made for it, and reports in TAP."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run(lint, tree):
    """Return: exit code and output of the lint over a tree {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, os.path.join(HERE, lint), root],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


def check(lint, good, bad):
    """good: a tree without violations. bad: rows (name, changes to the tree, the violation's line);
    a change to None removes the file, and a violation of None means that the tree stays good."""
    print(f"1..{len(bad) + 1}")
    failed = 0
    rows = [("a good tree passes", {}, None), *bad]
    for number, (name, changes, violation) in enumerate(rows, 1):
        tree = {p: t for p, t in (good | changes).items() if t is not None}
        code, output = run(lint, tree)
        if violation is None:
            passed = code == 0 and "not ok" not in output
        else:
            found = [line for line in output.splitlines() if line.startswith("# ")]
            passed = code == 1 and output.count("not ok") == 1 and f"# {violation}" in found
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
        if not passed:
            failed = 1
            print(f"# expected: {violation}")
            print("".join(f"# {line}\n" for line in output.splitlines()), end="")
    return failed
