"""The files in deploy/, and what they name. They are read as text: Python has no YAML of its own."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus/seawall.rules.yml"
RULES_TEST = DEPLOY / "prometheus/seawall.rules_test.yml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager/alertmanager.yml"
GRAFANA = DEPLOY / "grafana/seawall.json"
GUIDE = ROOT / "docs/guides/prometheus.md"
REFERENCE = ROOT / "docs/reference/metrics.md"

#: A metric, and not the middle of a recorded series (`job:seawall_saved:ratio30m`).
METRIC = re.compile(r"(?<![:\w])seawall_[a-z0-9_]+(?![:\w])")
#: A metric with what is chosen of it, and one `label="value"` in there.
SELECTOR = re.compile(r"(?<![:\w])(seawall_[a-z0-9_]+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
#: Another name of the same: what a histogram is read by.
SUFFIXES = ("_bucket", "_sum", "_count")


def rules():
    """The rules without their comments."""
    return "\n".join(line for line in RULES.read_text().splitlines() if not line.lstrip().startswith("#"))


def alerts():
    """Each alert's own text, by its name."""
    parts = re.split(r"^      - (?:alert|record): (.+)$", rules(), flags=re.M)
    kinds = re.findall(r"^      - (alert|record): ", rules(), flags=re.M)
    return {name: text for kind, name, text in zip(kinds, parts[1::2], parts[2::2]) if kind == "alert"}


def expressions():
    """Everything that the dashboard asks: where, the expression, and its legend."""
    board = json.loads(GRAFANA.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"], target["legendFormat"]
    for note in board["annotations"]["list"]:
        yield f"annotation {note['name']}", note["expr"], note["titleFormat"] + note["textFormat"]


def asked():
    """All expressions as one text: of the rules without their annotations, and of the dashboard."""
    computed = re.sub(r"^        annotations:\n(?:          .*\n|\n)+", "", rules() + "\n", flags=re.M)
    return computed + "\n".join(expression for _, expression, _ in expressions())
