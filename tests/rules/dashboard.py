"""What is on the Grafana dashboard: panels as data, and the JSON that Grafana wants made of them.

    tests/rules/run --write     writes deploy/grafana/seawall.json anew

Every expression is for the gateways that the variables choose, and computes from Seawall's own metrics only, so
that the dashboard works without the recording rules.
"""

import json

#: A window that always holds four scrapes, as Grafana computes it.
RATE = "$__rate_interval"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8

#: What the variables choose, in braces with what else is wanted.
OF = 'job=~"$job", instance=~"$instance"'
OF_MODEL = OF + ', model=~"$model"'
OF_PLACE = OF_MODEL + ', upstream=~"$upstream"'
OF_UPSTREAM = OF + ', upstream=~"$upstream"'

OF_LIMITS = OF_PLACE + ', class=~"ok|rate_limited|quota|auth"'
#: Closed lists: of outcomes, the answers and the failures; of classes, those that speak against an upstream.
ANSWERED = "passed|retried|failed_over|hedged"
LOST = "exhausted|ambiguous|budget|deadline|unavailable|shed"
AGAINST = "not_sent|bad_gateway|server_error|overloaded|ambiguous|mid_stream"

VARIABLES = [
    ("job", "seawall_build_info", "Job"),
    ("instance", 'seawall_build_info{job=~"$job"}', "Gateway"),
    ("upstream", 'seawall_attempts_total{job=~"$job"}', "Upstream"),
    ("model", 'seawall_requests_total{job=~"$job"}', "Model"),
]

STATES = ["closed", "guarded", "open", "half open", "ramp"]
GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"
STATE_COLOURS = [GREEN, YELLOW, RED, ORANGE, YELLOW]


def rate(metric, chosen=OF):
    return f"rate({metric}{{{chosen}}}[{RATE}])"


def quantile(share, metric, by):
    return f"histogram_quantile({share}, sum by ({by}, le) ({rate(metric + '_bucket')}))"


def share_lost(by=""):
    over = f"sum by ({by})" if by else "sum"
    lost = f'{OF_MODEL}, outcome=~"{LOST}"'
    judged = f'{OF_MODEL}, outcome=~"{ANSWERED}|{LOST}"'
    # Nothing lost is 0, and not unknown.
    top = f"({over} ({rate('seawall_requests_total', lost)}) or {over} ({rate('seawall_requests_total', judged)}) * 0)"
    return f"{top} / ({over} ({rate('seawall_requests_total', judged)}) > 0)"


def share_against():
    against = f'{OF_PLACE}, class=~"{AGAINST}"'
    judged = f'{OF_PLACE}, class=~"ok|{AGAINST}"'
    over = "sum by (upstream, model)"
    top = f"({over} ({rate('seawall_attempts_total', against)}) or {over} ({rate('seawall_attempts_total', judged)}) * 0)"
    return f"{top} / ({over} ({rate('seawall_attempts_total', judged)}) > 0)"


class Panel:
    """One picture: its title, what it says to whom who hovers, its queries (expression, legend), and its unit."""

    def __init__(self, kind, title, said, unit, *queries, width=8, stack=False, steps=(), names=None, instant=False):
        self.kind, self.title, self.said, self.unit, self.queries = kind, title, said, unit, queries
        self.width, self.stack, self.steps, self.names, self.instant = width, stack, steps, names, instant

    @property
    def height(self):
        return STAT_HEIGHT if self.kind == "stat" else GRAPH_HEIGHT

    def json(self, number, x, y):
        defaults = {"unit": self.unit, "min": 0, "color": {"mode": "palette-classic"}}
        steps = [{"color": GREEN, "value": None}] + [{"color": colour, "value": value} for value, colour in self.steps]
        if self.kind == "timeseries":
            defaults["custom"] = {"lineWidth": 1, "fillOpacity": 20 if self.stack else 0, "showPoints": "never"}
            defaults["custom"]["stacking"] = {"mode": "normal" if self.stack else "none", "group": "A"}
            if self.steps:
                defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
        if self.kind != "timeseries":
            defaults["color"] = {"mode": "thresholds"}
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if self.names:
            told = {str(at): {"index": at, "text": name, "color": colour} for at, (name, colour) in enumerate(self.names)}
            defaults["mappings"] = [{"type": "value", "options": told}]
        targets = [
            {
                "refId": chr(ord("A") + at),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": self.instant,
                "range": not self.instant,
            }
            for at, (expression, legend) in enumerate(self.queries)
        ]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.said,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": OPTIONS[self.kind],
            "targets": targets,
        }


LEGEND = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
OPTIONS = {
    "timeseries": {"legend": LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "area",
        "textMode": "auto",
    },
    "state-timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single"},
    },
}


ROWS = [
    (
        "What callers get",
        [
            Panel("stat", "Incidents open", "Each once, however many gateways see it: `seawall incidents`.", "none",
                  (f"count(max by (upstream, model, route, kind) (seawall_incidents_open{{{OF}}}) > 0) or vector(0)", "open"),
                  width=6, steps=[(1, RED)]),
            Panel("stat", "Callers that get failures", "Of those that Seawall or an upstream had to answer for, retries included.", "percentunit",
                  (share_lost(), "failures"), width=6, steps=[(0.01, YELLOW), (0.05, RED)]),
            Panel("stat", "Answers saved in an hour", "Answers that only another attempt made possible.", "none",
                  (f"sum(increase(seawall_saved_total{{{OF}}}[1h]))", "saved"), width=6),
            Panel("stat", "Requests a second", "Requests that ended.", "reqps",
                  (f"sum({rate('seawall_requests_total', OF_MODEL)})", "requests"), width=6),
            Panel("timeseries", "Requests by outcome", "`seawall explain OUTCOME` says what each means.", "reqps",
                  (f"sum by (outcome) ({rate('seawall_requests_total', OF_MODEL)})", "{{outcome}}"), stack=True),
            Panel("timeseries", "Callers that get failures", "By model. The alert is at 5 %, where they are more than chance makes.", "percentunit",
                  (share_lost("model"), "{{model}}"), steps=[(0.05, RED)]),
            Panel("timeseries", "Answers saved", "By another attempt; a rise that callers do not see is often how an outage begins.", "reqps",
                  (f"sum by (instance) ({rate('seawall_saved_total')})", "saved, {{instance}}"),
                  (f"sum by (instance) ({rate('seawall_adopted_total')})", "adopted, {{instance}}")),
            Panel("timeseries", "Tokens", "Of answers, as far as upstreams counted them; `seawall bill` has what failures cost.", "none",
                  (f"sum by (kind) ({rate('seawall_tokens_total', OF_MODEL)})", "{{kind}}, a second")),
            Panel("timeseries", "First content", "From an attempt's beginning to its content.", "s",
                  (quantile(0.5, "seawall_first_content_seconds", "endpoint"), "half, {{endpoint}}"),
                  (quantile(0.95, "seawall_first_content_seconds", "endpoint"), "95 %, {{endpoint}}")),
            Panel("timeseries", "Whole requests", "From arrival to the end of the answer.", "s",
                  (quantile(0.5, "seawall_request_duration_seconds", "endpoint"), "half, {{endpoint}}"),
                  (quantile(0.95, "seawall_request_duration_seconds", "endpoint"), "95 %, {{endpoint}}")),
        ],
    ),
    (
        "What upstreams do",
        [
            Panel("timeseries", "Attempts by class", "`seawall explain CLASS` says what each means, and whose fault it is.", "reqps",
                  (f"sum by (class) ({rate('seawall_attempts_total', OF_PLACE)})", "{{class}}"), stack=True),
            Panel("timeseries", "Attempts that fail", "By upstream and model, without what is the caller's, the key's or a rate limit.", "percentunit",
                  (share_against(), "{{model}} at {{upstream}}"), steps=[(0.05, RED)]),
            Panel("timeseries", "Keys and limits", "Rate limits, exhausted quotas and refused keys.", "reqps",
                  (f"sum by (upstream, class) ({rate('seawall_attempts_total', OF_LIMITS)})", "{{class}}, {{upstream}}")),
            Panel("state-timeline", "Incidents", "Of a model at an upstream, or of a route.", "none",
                  (f"max by (upstream, model, route, kind) (seawall_incidents_open{{{OF}}})", "{{kind}}: {{model}} at {{upstream}}{{route}}"),
                  names=[("well", GREEN), ("open", RED)]),
            Panel("state-timeline", "Breakers", "The furthest gone of all gateways.", "none",
                  (f"max by (upstream, model) (seawall_breaker_state{{{OF_PLACE}}})", "{{model}} at {{upstream}}"),
                  names=list(zip(STATES, STATE_COLOURS))),
            Panel("state-timeline", "Status pages", "What providers say of themselves. No decision depends on it.", "none",
                  (f"max by (upstream, indicator) (seawall_status_page{{{OF}}})", "{{upstream}}: {{indicator}}"),
                  names=[("no", GREEN), ("says so", YELLOW)]),
        ],
    ),
    (
        "What keeps it from getting worse",
        [
            Panel("timeseries", "Retry budget", "Retries that could be paid. None left: failures go to callers after one attempt.", "none",
                  (f"seawall_retry_budget_tokens{{{OF}}}", "{{instance}}"), width=6),
            Panel("timeseries", "Waiting", "Requests in the queue for an upstream to come back.", "none",
                  (f"seawall_requests_waiting{{{OF}}}", "{{instance}}"), width=6),
            Panel("timeseries", "Clients' own retries", "Retries that nobody asked for, on top of Seawall's.", "reqps",
                  (f"sum by (instance) ({rate('seawall_client_retries_total')})", "{{instance}}"), width=6),
            Panel("timeseries", "Requests at fault themselves", "By cause, and the attempts that were made to find out.", "reqps",
                  (f"sum by (cause) ({rate('seawall_diagnosed_total')})", "{{cause}}"),
                  (f"sum({rate('seawall_probes_total')})", "probes"), width=6),
        ],
    ),
    (
        "The gateways",
        [
            Panel("timeseries", "Time that Seawall adds", "To an answered request.", "s",
                  (quantile(0.5, "seawall_overhead_seconds", "instance"), "half, {{instance}}"),
                  (quantile(0.99, "seawall_overhead_seconds", "instance"), "99 %, {{instance}}"), steps=[(0.025, RED)]),
            Panel("timeseries", "In hand", "Requests being served, streams and WebSockets open.", "none",
                  (f"seawall_requests_in_flight{{{OF}}}", "in flight, {{instance}}"),
                  (f"seawall_streams_open{{{OF}}}", "streams, {{instance}}"),
                  (f"seawall_upgrades_open{{{OF}}}", "WebSockets, {{instance}}")),
            Panel("timeseries", "Memory held for callers", "Bodies, held streams and held answers; the limit is `server.memory_max`.", "bytes",
                  (f"seawall_memory_held_bytes{{{OF}}}", "{{instance}}")),
            Panel("timeseries", "Journal", "Rows written, rows lost, and failures told before they were on disk.", "ops",
                  (f"sum by (instance) ({rate('seawall_journal_rows_total')})", "written, {{instance}}"),
                  (f"sum by (instance) ({rate('seawall_journal_dropped_total')})", "lost, {{instance}}"),
                  (f"sum by (instance) ({rate('seawall_journal_late_total')})", "late, {{instance}}")),
            Panel("state-timeline", "Journal can be written", "Otherwise failures are kept in memory.", "none",
                  (f"seawall_journal_degraded{{{OF}}}", "{{instance}}"), names=[("yes", GREEN), ("no", RED)]),
            Panel("timeseries", "Alerts sent", "By where they went and whether they arrived.", "ops",
                  (f"sum by (sink, result) ({rate('seawall_alerts_total')})", "{{result}}, {{sink}}")),
            Panel("timeseries", "WebSockets that ended", "By how.", "ops",
                  (f"sum by (upstream, ending) ({rate('seawall_upgrades_total', OF_UPSTREAM)})", "{{ending}}, {{upstream}}")),
            Panel("timeseries", "Not HTTP", "Connections that spoke something else, or more than is read.", "ops",
                  (f"sum by (instance) ({rate('seawall_malformed_total')})", "{{instance}}")),
            Panel("stat", "Versions", "Gateways by the version that they run.", "none",
                  (f"count by (version) (seawall_build_info{{{OF}}})", "{{version}}"), instant=True),
        ],
    ),
]


def variables():
    chosen = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0, "current": {}, "options": []}]
    for name, series, label in VARIABLES:
        many = name != "job"
        chosen.append({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": f"label_values({series}, {name})", "refId": name},
            "definition": f"label_values({series}, {name})",
            "refresh": 2,
            "sort": 1,
            "multi": many,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "hide": 0,
            "options": [],
        })
    return chosen


def annotations():
    opened = f"max by (upstream, model, route, kind) (seawall_incidents_open{{{OF}}}) > 0"
    return [{
        "name": "Incidents",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": RED,
        "expr": opened,
        "step": "30s",
        "titleFormat": "{{kind}}",
        "textFormat": "{{model}} at {{upstream}}{{route}}",
    }]


def panels():
    """Rows from top to bottom, panels from left to right; a line ends where the next would not fit."""
    y = 0
    for title, row in ROWS:
        yield {"id": None, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "panels": []}
        x, y, height = 0, y + 1, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            yield panel.json(None, x, y)
            x, height = x + panel.width, max(height, panel.height)
        y += height


def dashboard():
    numbered = [{**panel, "id": number} for number, panel in enumerate(panels(), 1)]
    return {
        "uid": "seawall",
        "title": "Seawall",
        "description": "What callers get, what upstreams do, and what Seawall does about it.",
        "tags": ["seawall"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "panels": numbered,
    }


def text():
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
