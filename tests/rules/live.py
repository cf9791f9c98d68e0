"""A real gateway that has some trouble, and a real Prometheus with the deployed rules that looks at it."""

import contextlib
import json
import re
import subprocess
import time
import urllib.parse

import dashboard
import deployed
import programs
import sockets
from alerts import OF_A_GATEWAY
from claims import hold, same
from pages import Page, words
from programs import ask, free_port, upstream, wait_for
from receivers import SIGNING_KEY, Alertmanager

#: Metrics that Seawall has and nobody is shown, each with why.
LEFT_OUT = {
    "seawall_telemetry_exports_total": "only where a collector is configured, which has a dashboard of its own",
    "seawall_telemetry_dropped_total": "the same",
}
#: Labels that Prometheus puts on what it scrapes.
OF_TARGET = {"job", "instance"}
#: Labels of which Seawall shows every value from the start.
SHOWN = {"cause", "result"}
#: Labels that most series leave empty, which to Prometheus is the same as not having them.
MAY_BE_EMPTY = {"route"}
#: Labels whose values are closed lists that `seawall explain` knows. Some words are in both.
EXPLAINED = {"class", "outcome"}

#: Until rates of everything can be computed: some scrapes, half a second apart.
SCRAPED_S = 15
SEEN = 'count_over_time(up{job="seawall"}[1m]) > 5 and on() job:seawall_requests_judged:increase5m and on() seawall_incidents_open > 0'
CHAT = "/v1/chat/completions"

CONFIG = """[server]
[status_page]
poll = "always"
[retry]
cap = "5ms"
[budget]
start = 1000
[[alert]]
kind = "webhook"
url = "http://127.0.0.1:9"
secret = "${ALERT_SECRET}"
"""


class Prometheus(programs.Program):
    """Debian's, with the deployed rules, in a folder of its own. It looks at a gateway for each job."""

    def __init__(self, folder, jobs, name="prometheus", *flags, every="500ms"):
        self.port = free_port()
        looked_at = ", ".join(f"{{job_name: {job}, static_configs: [{{targets: ['127.0.0.1:{gateway.admin}']}}]}}" for job, gateway in jobs.items())
        config = folder / f"{name}.yml"
        config.write_text(
            f"global: {{scrape_interval: {every}, evaluation_interval: {every}}}\nrule_files: ['{deployed.RULES}']\n"
            f"scrape_configs: [{looked_at}]\n"
        )
        listen = f"127.0.0.1:{self.port}"
        super().__init__(folder, name, ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / f'{name}-tsdb'}", f"--web.listen-address={listen}", *flags])

    def is_ready(self):
        return programs.answers(self.port, "/-/ready")

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        _, _, body = ask(self.port, "GET", f"/api/v1/{path}?{query}")
        return json.loads(body)

    def query(self, expression):
        answer = self.api("query", query=expression)
        hold(answer["status"] == "success", f"{answer.get('error')}\n{expression}")
        return answer["data"]["result"]


class Scene:
    """What is looked at: the gateway's metrics in both forms, and Prometheus."""

    def __init__(self, door, gateway, prometheus):
        self.door, self.gateway, self.prometheus = door, gateway, prometheus
        self.plain = ask(gateway.admin, "GET", "/metrics")
        self.open = ask(gateway.admin, "GET", "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        self.families = {}
        self.labels, self.values = {}, {}
        for line in self.plain[2].decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.families[name] = kind
        for name, pairs in programs.samples(self.plain[2].decode()):
            self.labels.setdefault(self.family(name), set()).update(label for label, _ in pairs)
            self.values.setdefault(self.family(name), set()).update(pairs)

    def family(self, name):
        """The metric that a name in an expression is of."""
        for suffix in deployed.SUFFIXES:
            if name.endswith(suffix) and self.families.get(name.removesuffix(suffix)) == "histogram":
                return name.removesuffix(suffix)
        return name


@contextlib.contextmanager
def prometheus_has_looked_at_a_gateway(folder):
    door = programs.Door(None)
    door.folder = folder
    try:
        with Page(words("minor", "degraded_performance")) as page:
            chaos = door.chaos()
            gateway = door.gateway(CONFIG + upstream(chaos, f'status_page = "{page.url}"'), environment={"ALERT_SECRET": SIGNING_KEY})
            trouble(gateway, 0)
            prometheus = door._ready(lambda: Prometheus(folder, {"seawall": gateway}))  # noqa: SLF001
            began = time.monotonic()
            # The trouble goes on, so that counters move between scrapes.
            while time.monotonic() - began < SCRAPED_S:
                trouble(gateway, time.monotonic_ns())
                if prometheus.query(SEEN):
                    break
            else:
                hold(False, f"Prometheus has not seen it all within {SCRAPED_S} s")
            yield Scene(door, gateway, prometheus)
    finally:
        for program in reversed(door.programs):
            program.end()


def trouble(gateway, number):
    """A success, a failure, a retry that saves, a stream, a WebSocket. So much of it is an incident."""
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
    for stream, fault in ((False, None), (False, "500"), (False, "500*1"), (True, None)):
        headers = {"content-type": "application/json", **({"x-chaos": fault} if fault else {})}
        ask(gateway.port, "POST", CHAT, json.dumps({**body, "stream": stream}), headers)
    caller = sockets.Caller(gateway.port)
    caller.joined()
    caller.close()


def promtool_has_nothing_against_the_metrics(scene):
    same(scene.plain[1]["content-type"], ["text/plain; version=0.0.4; charset=utf-8"], "the type of /metrics")
    done = subprocess.run(["promtool", "check", "metrics", "--extended"], input=scene.plain[2], capture_output=True, check=False)
    hold(done.returncode == 0 and not done.stderr, f"promtool: {done.stdout.decode()[-3000:]}{done.stderr.decode()}")


def both_forms_say_the_same(scene):
    same(scene.open[1]["content-type"], ["application/openmetrics-text; version=1.0.0; charset=utf-8"], "the type that Prometheus gets")
    hold(scene.open[2].endswith(b"# EOF\n"), "OpenMetrics without its end")
    said = [{name for name, _ in programs.samples(form[2].decode())} for form in (scene.plain, scene.open)]
    same(said[0] ^ said[1], set(), "samples that are only in one form")


def a_prometheus_with_native_histograms_gets_them(scene):
    """It asks for protobuf, and keeps of a histogram the native buckets; everything else is as it was."""
    folder, gateway = scene.door.folder, scene.gateway
    native = scene.door._ready(lambda: Prometheus(folder, {"seawall": gateway}, "prometheus-native", "--enable-feature=native-histograms"))  # noqa: SLF001
    median = 'histogram_quantile(0.5, seawall_first_content_seconds{job="seawall",endpoint="chat_completions"})'
    (found,) = wait_for("a native histogram", SCRAPED_S, lambda: native.query(median))
    hold(0 < float(found["value"][1]) < 10, f"the median: {found}")
    counted = 'sum(seawall_requests_total{job="seawall"})'
    (requests,) = native.query(counted)
    hold(float(requests["value"][1]) > 0, f"requests: {requests}")
    same(native.query('up{job="seawall"}')[0]["value"][1], "1", "the scrape")
    # Without being asked to, it keeps the buckets that it has always had.
    same(scene.prometheus.query(median), [], "a native histogram where none was asked for")
    buckets = 'count(seawall_first_content_seconds_bucket{job="seawall",endpoint="chat_completions"})'
    same(scene.prometheus.query(buckets)[0]["value"][1], "18", "buckets")


def every_metric_named_in_deploy_exists_and_none_is_left_out(scene):
    named = {scene.family(name) for name in deployed.METRIC.findall(deployed.asked())}
    there = set(scene.families)
    same(sorted(named - there), [], "metrics that deploy/ names and Seawall does not have")
    same(sorted(there - named - set(LEFT_OUT)), [], "metrics that nobody is shown; LEFT_OUT says why, where that is right")
    same(sorted(set(LEFT_OUT) & named), [], "metrics on the list LEFT_OUT that are shown")


def the_reference_names_every_metric_and_the_guide_every_alert(scene):
    named = {scene.family(name) for name in deployed.METRIC.findall(deployed.REFERENCE.read_text())}
    same(sorted(named ^ set(scene.families)), [], "metrics that only the reference has, or only Seawall")
    told = deployed.GUIDE.read_text()
    named = {scene.family(name) for name in deployed.METRIC.findall(told)}
    same(sorted(named - set(scene.families)), [], "metrics that only the guide has")
    alerts = set(re.findall(r"`(Seawall[A-Z]\w+)`", told)) - {OF_A_GATEWAY}
    same(sorted(alerts ^ set(deployed.alerts())), [], "alerts that only the guide has, or only the rules")


def every_label_and_word_that_is_chosen_by_exists(scene):
    words_used = set()
    for name, chosen in deployed.SELECTOR.findall(deployed.asked()):
        for label, _, value in deployed.MATCHER.findall(chosen):
            family = scene.family(name)
            known = scene.labels.get(family, set()) | OF_TARGET
            hold(label in known, f"{name} has no label {label}, it has {sorted(known)}")
            for word in value.split("|") if label in SHOWN and not value.startswith("$") else []:
                hold((label, word) in scene.values[family], f'{name} has no {label}="{word}"')
            if label in EXPLAINED and not value.startswith("$"):
                words_used |= {(label, word) for word in value.split("|")}
    hold(len(words_used) > 15, f"only {len(words_used)} words were found")
    for label, word in sorted(words_used):
        code, out, err = scene.door.run("explain", word, "--json", "--no-journal")
        hold(code == 0, f"{label} {word}: seawall explain does not know it: {err}")
        told = json.loads(out)
        taken_for = {told["recognised"]} | {other["taken_for"] for other in told.get("also", [])}
        hold(label in taken_for, f"{word} is no {label}, but {sorted(taken_for)}")


def every_command_named_in_deploy_exists(scene):
    verbs = set()
    for path in (deployed.RULES, deployed.GRAFANA, deployed.ALERTMANAGER):
        verbs |= set(re.findall(r"`seawall ([a-z]+)", path.read_text()))
    hold(len(verbs) > 4, f"only {verbs} are named")
    for verb in sorted(verbs):
        code, _, err = scene.door.run(verb, "--help")
        hold(code == 0, f"seawall {verb}: {err}")


def prometheus_evaluates_every_rule(scene):
    rules = [rule for group in scene.prometheus.api("rules")["data"]["groups"] for rule in group["rules"]]
    hold(len(rules) > 25, f"only {len(rules)} rules")
    for rule in rules:
        hold(rule["health"] == "ok", f"{rule['name']}: {rule['health']} {rule.get('lastError')}")


def the_dashboard_shows_something_everywhere(scene):
    """Each expression has an answer, and each label of its legend is in it."""
    count = 0
    for where, expression, legend in deployed.expressions():
        count += 1
        for name, _, _ in dashboard.VARIABLES:
            expression = expression.replace(f"${name}", ".*")
        expression = expression.replace(dashboard.RATE, "1m")
        hold("$" not in expression, f"{where}: a variable that is not there: {expression}")
        answer = scene.prometheus.query(expression)
        hold(answer, f"{where} shows nothing: {expression}")
        for label in re.findall(r"{{(\w+)}}", legend):
            seen = any(label in series["metric"] for series in answer)
            hold(seen or label in MAY_BE_EMPTY, f"{where}: no label {label} in {answer[:2]}")
    hold(count > 30, f"only {count} expressions")


PLACE = {"job": "seawall", "upstream": "openai", "model": "m", "kind": "failures"}
#: An alert with its labels, what it keeps quiet with theirs; not the same elsewhere, and not what is of something else.
QUIET = [
    ("SeawallIncidentFailures", PLACE, ["SeawallUpstreamFails", "SeawallBreakerOpen", "SeawallIncidentMasked", "SeawallCallersFail", "SeawallSheds"], PLACE),
    ("SeawallCredentialsRefused", PLACE, ["SeawallCallersFail"], PLACE),
    # What a gateway tells by itself knows of no job, and of a route no more than its name.
    ("SeawallIncident", {"upstream": "openai", "model": "m", "kind": "failures"}, ["SeawallIncidentFailures"], PLACE),
    ("SeawallIncident", {"route": "default", "kind": "failures"}, ["SeawallIncidentFailures"], {**PLACE, "upstream": "", "model": "-", "route": "default"}),
]
ELSEWHERE = {"job": "other", "upstream": "other", "route": "other"}


def one_alert_keeps_quiet_what_follows_from_it(scene):
    for number, (cause, its, followers, theirs) in enumerate(QUIET):
        manager = scene.door._ready(lambda number=number: Alertmanager(scene.door.folder, f"manager-{number}", deployed.ALERTMANAGER.read_text()))  # noqa: SLF001
        manager.post([{"labels": {**its, "alertname": cause}}, {"labels": {**theirs, "alertname": "SeawallDown"}}])
        for labels in (theirs, {**theirs, **ELSEWHERE}):
            manager.post([{"labels": {**labels, "alertname": name}} for name in followers])
        count = 2 + 2 * len(followers)
        wait_for("Alertmanager has them", 5, lambda manager=manager, count=count: len(manager.alerts()) == count)
        quiet = sorted((one["labels"]["alertname"], one["labels"]["job"]) for one in manager.alerts() if one["status"]["inhibitedBy"])
        same(quiet, sorted((name, "seawall") for name in followers), f"what {cause} keeps quiet")


def the_dashboard_is_what_it_is_made_from(_):
    same(deployed.GRAFANA.read_text() == dashboard.text(), True, "deploy/grafana/seawall.json is up to date (tests/rules/run --write)")
    panels = dashboard.dashboard()["panels"]
    ids = [panel["id"] for panel in panels]
    same(len(set(ids)), len(ids), "panels with a number of their own")
    taken = {}
    for panel in panels:
        at = panel["gridPos"]
        hold(0 <= at["x"] and at["x"] + at["w"] <= dashboard.WIDTH, f"{panel['title']} is beyond the edge")
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                other = taken.setdefault((x, y), panel["title"])
                same(other, panel["title"], f"what is at {x}, {y}")
        hold(panel["type"] == "row" or panel["datasource"] == dashboard.DATASOURCE, f"{panel['title']} has a data source of its own")
        hold(panel["type"] == "row" or panel["description"], f"{panel['title']} says nothing")


CHECKS = [
    prometheus_has_looked_at_a_gateway,
    promtool_has_nothing_against_the_metrics,
    both_forms_say_the_same,
    a_prometheus_with_native_histograms_gets_them,
    every_metric_named_in_deploy_exists_and_none_is_left_out,
    the_reference_names_every_metric_and_the_guide_every_alert,
    every_label_and_word_that_is_chosen_by_exists,
    every_command_named_in_deploy_exists,
    prometheus_evaluates_every_rule,
    the_dashboard_shows_something_everywhere,
    one_alert_keeps_quiet_what_follows_from_it,
    the_dashboard_is_what_it_is_made_from,
]
