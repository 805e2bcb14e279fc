# SPDX-License-Identifier: Apache-2.0
"""Turns the tables of database.py, cache.py and failover.py into Grafana's dashboard JSON.

A table is a list of rows, a row a list of panels.  In expressions '@' stands for the matchers of the
variables: pg_up{@} becomes pg_up{cluster=~"$cluster",target=~"$target",instance=~"$instance"}. '#' stands
for the cluster alone: what is known of clusters stands on the daemon's own page.
Panels flow from left to right, 24 columns wide, and begin a new line where one does not fit.
"""

SCHEMA_VERSION = 42
MATCHERS = 'cluster=~"$cluster",target=~"$target",instance=~"$instance"'
CLUSTER_MATCHER = 'cluster=~"$cluster"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UP_OR_DOWN = [{"type": "value", "options": {"0": {"text": "down", "color": "red", "index": 0},
                                            "1": {"text": "up", "color": "green", "index": 1}}}]


YES_OR_NO = [{"type": "value", "options": {"0": {"text": "no", "color": "red", "index": 0},
                                           "1": {"text": "yes", "color": "green", "index": 1}}}]


class Panel:
    """limits: rows (alert or None, value, colour), drawn as lines; a test compares them with the
    rules. below: the limits are lower ones, as of a hit rate."""

    def __init__(self, kind, title, description, unit, queries, limits=(), below=False, width=8,
                 height=8, top=None, stack=False, mappings=None, reduce="lastNotNull"):
        self.kind, self.title, self.description, self.unit = kind, title, description, unit
        self.queries, self.limits, self.below = queries, limits, below
        self.width, self.height = width, height
        self.top, self.stack, self.mappings, self.reduce = top, stack, mappings, reduce


def graph(title, description, unit, *queries, **more):
    """Lines over time; a query is (expression, legend)."""
    return Panel("timeseries", title, description, unit, queries, **more)


def number(title, description, unit, expression, **more):
    """One big number: the newest, over all that is selected."""
    more.setdefault("width", 4)
    more.setdefault("height", 4)
    return Panel("stat", title, description, unit, [(expression, "")], **more)


def servers(title, description, expression):
    """A table of targets, one a line, that are up (1) or down (0)."""
    return Panel("table", title, description, "none", [(expression, "")], width=24, height=7,
                 mappings=UP_OR_DOWN)


def timeline(title, description, *queries, **more):
    """Bars over time, a line for each series: what was when. mappings say what a number is."""
    more.setdefault("width", 12)
    return Panel("state-timeline", title, description, "none", queries, **more)


def steps(panel):
    good = "text" if panel.kind == "table" else "green"
    marks = sorted(panel.limits, key=lambda limit: limit[1])
    if not panel.below:
        return [{"value": None, "color": good}] + \
            [{"value": value, "color": colour} for _, value, colour in marks]
    colours = [colour for _, _, colour in marks] + [good]
    return [{"value": value, "color": colour}
            for value, colour in zip([None] + [value for _, value, _ in marks], colours)]


def description(panel):
    """The panel's own words, and which alerts its lines belong to."""
    names = ", ".join(dict.fromkeys(alert for alert, _, _ in panel.limits if alert))
    shown = "colours" if panel.kind == "stat" else "lines"
    return f"{panel.description} The {shown} are those of {names}." if names else panel.description


def timeseries(panel):
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if panel.stack else 5,
        "showPoints": "never", "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.limits else "off"},
    }
    options = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                          "calcs": ["lastNotNull", "max"]},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return custom, {"mode": "palette-classic"}, options


def stat(panel):
    options = {"graphMode": "area", "colorMode": "value" if panel.limits else "none",
               "justifyMode": "auto", "textMode": "auto", "wideLayout": True,
               "showPercentChange": False, "percentChangeColorMode": "standard",
               "orientation": "auto",
               "reduceOptions": {"calcs": [panel.reduce], "fields": "", "values": False}}
    return {}, {"mode": "thresholds"}, options


def table(panel):
    options = {"frameIndex": 0, "showHeader": True, "cellHeight": "sm"}
    # The state has the colour of its mapping; all else that of text, which is the only threshold.
    custom = {"align": "auto", "inspect": False, "cellOptions": {"type": "color-text"}}
    return custom, {"mode": "thresholds"}, options


def state_timeline(panel):
    custom = {"fillOpacity": 80, "lineWidth": 0}
    options = {"mergeValues": True, "showValue": "auto", "rowHeight": 0.85, "alignValue": "left",
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False,
                          "calcs": []},
               "tooltip": {"mode": "single", "sort": "none"}}
    return custom, {"mode": "thresholds"}, options


KINDS = {"timeseries": timeseries, "stat": stat, "table": table, "state-timeline": state_timeline}


def target(panel, number_of, expression, legend):
    instant = panel.kind == "table"
    found = {"refId": chr(ord("A") + number_of), "datasource": DATASOURCE, "editorMode": "code",
             "expr": expression.replace("@", MATCHERS).replace("#", CLUSTER_MATCHER),
             "instant": instant, "range": not instant}
    if legend:
        found["legendFormat"] = legend
    if instant:
        found["format"] = "table"
    return found


def columns():
    """Which columns a table shows, in which order."""
    hidden = {"Time": True, "__name__": True, "job": True}
    order = {"cluster": 0, "target": 1, "instance": 2, "type": 3, "role": 4, "Value": 5}
    return [{"id": "organize", "options": {"excludeByName": hidden, "indexByName": order,
                                           "renameByName": {"Value": "state"}}}]


def render_panel(panel, identity, x, y):
    custom, colour, options = KINDS[panel.kind](panel)
    defaults = {"unit": panel.unit, "color": colour, "custom": custom,
                "thresholds": {"mode": "absolute", "steps": steps(panel)},
                "mappings": panel.mappings or []}
    if panel.kind == "timeseries":
        defaults["min"] = 0
    if panel.top is not None:
        defaults["max"] = panel.top
    return {
        "id": identity, "type": panel.kind, "title": panel.title,
        "description": description(panel), "datasource": DATASOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "targets": [target(panel, i, *query) for i, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options, "transformations": columns() if panel.kind == "table" else [],
    }


def render_rows(rows):
    rendered, y = [], 0
    for title, panels in rows:
        rendered.append({"id": len(rendered) + 1, "type": "row", "title": title,
                         "collapsed": False, "panels": [],
                         "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y, x, tallest = y + 1, 0, 0
        for panel in panels:
            if x + panel.width > 24:
                x, y, tallest = 0, y + tallest, 0
            rendered.append(render_panel(panel, len(rendered) + 1, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return rendered


def query_variable(name, label, series):
    query = f"label_values({series}, {name})"
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE,
            "definition": query, "query": query, "refresh": 2, "sort": 1, "multi": True,
            "includeAll": True, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]}}


def variables(types):
    """Each narrows the next. All is '.*', so that targets without a cluster are in it."""
    info = f'dbvitals_target_info{{type=~"{types}"'
    return [
        {"type": "datasource", "name": "datasource", "label": "Data source",
         "query": "prometheus"},
        query_variable("cluster", "Cluster", info + "}"),
        query_variable("target", "Target", info + ',cluster=~"$cluster"}'),
        query_variable("instance", "Instance",
                       info + ',cluster=~"$cluster",target=~"$target"}'),
    ]


def annotations():
    """Alerts that fire stand in all graphs."""
    return [{"name": "Alerts", "datasource": DATASOURCE, "enable": True, "iconColor": "red",
             "expr": 'ALERTS{alertstate="firing",severity=~"critical|warning",'
                     'cluster=~"$cluster",target=~"$target|"}',
             "step": "30s", "titleFormat": "{{alertname}}", "textFormat": "{{target}}",
             "tagKeys": "severity"}]


def dashboard(table_module):
    """The dashboard of a table as what json.dump takes."""
    return {
        "uid": table_module.UID, "title": table_module.TITLE,
        "description": table_module.DESCRIPTION, "tags": ["dbvitals"],
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": True, "graphTooltip": 1,
        "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "refresh": "30s",
        "templating": {"list": variables(table_module.TYPES)},
        "annotations": {"list": annotations()}, "links": [],
        "panels": render_rows(table_module.ROWS),
    }
