# SPDX-License-Identifier: Apache-2.0
"""What tests of alerts and dashboards share: rule files as the tree writes them, and names in PromQL.

The reader knows the YAML of our own rule files and nothing else, so that tests need no library; what
it does not understand is an error, and promtool reads the same files with a real one.
"""
import glob
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

KEY = re.compile(r"( *)(- )?([a-z_]+):(?: (.*))?$")
FLOW = re.compile(r"\{([a-z_]+): ([^,{}]+)\}$")
# Words of PromQL that are no metric; functions are known by their parenthesis.
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{([^{}]*)\}")
MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
RANGE = re.compile(r"\[([^\[\]]*)\]")
IDENTIFIER = re.compile(r"(?<![\w.$])[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()(?![\w:])")
THRESHOLD = r"on \(instance, target\) group_left \(\)\s+dbvitals_threshold\{name=\"(\w+)\"\}"
COMPARED = re.compile(r"([<>]=?|==|!=)\s*(?:(-?\d[\d.e]*)\b|" + THRESHOLD + ")")


PARAMETER = re.compile(r'\{"(\w+)", (\w+), PARAMETER_\w+, ([^,]+),')
JOINED = re.compile(r'dbvitals_threshold\{name="(\w+)"\}')
TYPES = re.compile(r'#define ([A-Z_]+) +"([a-z, ]+)"')
SIZES = {"MIB": 2**20, "GIB": 2**30}


class Rule:
    """An alert: its file, line, fields (expr, for, keep_firing_for), labels and annotations."""

    def __init__(self, path, line, group):
        self.path, self.line, self.group = path, line, group
        self.fields, self.labels, self.annotations = {}, {}, {}

    @property
    def name(self):
        return self.fields["alert"]

    @property
    def expr(self):
        return self.fields["expr"]


def scalar(text):
    if len(text) > 1 and text[0] == text[-1] == '"':
        return json.loads(text)
    return text


def block(lines, at, indent):
    """The lines below a '|' or '>-'; returns (text lines, index behind them)."""
    found = []
    while at < len(lines) and (not lines[at].strip() or
                               len(lines[at]) - len(lines[at].lstrip()) > indent):
        found.append(lines[at].strip())
        at += 1
    return found, at


def rule_files(root=ROOT):
    """Paths of all bundled rule files, relative to the root."""
    found = glob.glob(os.path.join(root, "alerts", "*.yml")) + \
        glob.glob(os.path.join(root, "alerts", "cluster", "*.yml"))
    return sorted(os.path.relpath(path, root) for path in found)


def read_rules(path, root=ROOT):
    """The rules of a file; a group is a dictionary that its rules share."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        lines = file.read().splitlines()
    rule, group, into, at = None, None, None, 0
    rules = []
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = KEY.match(line)
        if not match:
            raise ValueError(f"{path}:{number}: not the YAML of a bundled rule file: {line}")
        spaces, dash, key, value = match.groups()
        indent = len(spaces) + (2 if dash else 0)
        if value in ("|", ">-"):
            found, at = block(lines, at, indent)
            value = ("\n" if value == "|" else " ").join(found)
        if indent == 4 and dash:
            group, into = {}, None
        elif indent == 8 and dash:
            rule = Rule(path, number, group)
            rules.append(rule)
        if indent == 4 and key != "rules":
            group[key] = value
        elif indent == 8 and key == "annotations":
            into = rule.annotations
        elif indent == 8 and key == "labels":
            flow = FLOW.match(value)
            if not flow:
                raise ValueError(f"{path}:{number}: labels are written {{name: value}}")
            rule.labels[flow[1]] = flow[2]
        elif indent == 8:
            rule.fields[key] = scalar(value)
        elif indent == 10:
            into[key] = scalar(value)
    return rules


def all_rules(root=ROOT):
    return [rule for path in rule_files(root) for rule in read_rules(path, root)]


def dashboards(root=ROOT):
    """(path, parsed JSON) of each committed dashboard."""
    for path in sorted(glob.glob(os.path.join(root, "dashboards", "*.json"))):
        with open(path, encoding="utf-8") as file:
            yield os.path.relpath(path, root), json.load(file)


def panels(dashboard):
    """All panels, those inside collapsed rows included."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def metric_names(expr):
    """(names, patterns) of the metrics in an expression; patterns come from __name__=~."""
    names, patterns = set(), set()
    for name, inside in SELECTOR.findall(expr):
        for label, operator, value in MATCHER.findall(inside):
            if label == "__name__" and operator == "=~":
                patterns.add(json.loads(value))
            elif label == "__name__" and operator == "=":
                names.add(json.loads(value))
    bare = SELECTOR.sub(lambda m: m[1] or " ", STRING.sub('""', expr))
    bare = RANGE.sub(" ", GROUPING.sub(" ", bare))
    bare = re.sub(r"\b\d[\da-z.]*", " ", bare)  # numbers and durations
    names.update(word for word in IDENTIFIER.findall(bare) if word.lower() not in WORDS
                 and word not in ("by", "without"))
    return names, patterns


def label_names(expr):
    """Labels that an expression reads: in matchers and in lists of by, without, on."""
    found = set()
    for _, inside in SELECTOR.findall(expr):
        found.update(label for label, _, _ in MATCHER.findall(inside))
    for _, inside in GROUPING.findall(STRING.sub('""', expr)):
        found.update(label.strip() for label in inside.split(",") if label.strip())
    return found - {"__name__"}


def parameters(root=ROOT):
    """Name to (types, default) of the parameters that the program knows; no types: all."""
    with open(os.path.join(root, "exporter", "rules", "parameter_table.c"),
              encoding="utf-8") as file:
        text = file.read()
    types = dict(TYPES.findall(text))
    found = {}
    for name, kind, value in PARAMETER.findall(text):
        product = 1.0
        for factor in value.split("*"):
            product *= SIZES.get(factor.strip()) or float(factor)
        found[name] = ([word.strip() for word in types.get(kind, "").split(",") if word], product)
    return found


def limits(expr):
    """(operator, number) of each comparison with a number, or with a parameter's default."""
    known = parameters()
    return [(operator, float(number) if number else known[name][1])
            for operator, number, name in COMPARED.findall(expr)]


def loosened(expr):
    """The expression with every comparison with a number or parameter made true for any number."""
    return COMPARED.sub("> -Inf", expr)


def loose(rule):
    """The rule without thresholds; where it asks for an absence, it asks for the presence."""
    expr = loosened(rule.expr).replace("unless on", "and on")
    return {"alert": "Loose" + rule.name, "expr": expr, "labels": rule.labels,
            "annotations": rule.annotations}


def metric_rows(text):
    """What 'dbvitals metrics' prints: name (which may end with *) to its set of labels."""
    rows = {}
    for match in re.finditer(r"^    ([a-zA-Z_:][\w:]*\*?)(?:\{([^}]*)\})? "
                             r"(counter|gauge|untyped|histogram|summary|info)$", text, re.M):
        labels = set(re.findall(r"\w+", match[2] or ""))
        rows.setdefault(match[1], set()).update(labels)
        if match[3] in ("histogram", "summary"):
            for suffix in ("_bucket", "_sum", "_count"):
                rows.setdefault(match[1] + suffix, set()).update(labels)
    return rows
