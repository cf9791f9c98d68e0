"""Alerts that fire, and that end: the deployed rules as they are, in a real Prometheus, during two outages.

One gateway's upstream fails outright for as long as the alerts with `for: 2m` take; that of another one fails a little,
and retries hide it. The second is over at once, since an incident lasts a minute and its alert two more: so both take
three minutes, side by side. Each gateway is a job of its own, so that neither changes the rates of the other. The rules
are the deployed file itself; only scrapes and evaluations are closer, a second apart.
"""

import contextlib
import datetime
import http.client
import itertools
import json
import re
import textwrap
import threading
import time

import deployed
import programs
from claims import hold, same
from live import CHAT, Prometheus
from programs import ask, upstream

#: What callers ask for. A name of theirs may hold anything; in a summary it means nothing.
MODEL, ODD_MODEL = "gpt-4o", "gpt<4o>|@here"
ODD_MODEL_SHOWN = "gpt_4o___here"
FAILS, HIDES = "seawall-fails", "seawall-hides"
OUTAGE = [{"status": 500, "body": {"error": {"message": "The server had an error", "type": "server_error"}}}]

#: Requests one after the other, as the outage begins: more than a breaker (10) or an incident (4) waits for.
BURST = 14
#: Then one in so many seconds: what callers lost has to be less than 5 % of what they get after it.
EVERY_S = 2
#: Of the hidden outage every so many-th request fails at first: more than 5 %, far from what opens a breaker.
ONE_IN = 10
#: Answers in one go, between two looks at the alerts.
ANSWERS = 50

#: Some scrapes and evaluations, a second apart, on a machine that is busy.
SEEN_S = 20
#: From the first failure to the first evaluation that finds enough. Counters that begin with the outage count from their
#: second value on, and then it takes four requests of the slow rate.
AT_ONCE_S = 45
FOR_S = 120
FIRES_WITHIN_S = AT_ONCE_S + FOR_S + SEEN_S
#: A breaker's longest pause is 5 s; then probes, and 5 answers.
CLOSES_S = 30
#: Until what failed is less than one in twenty of five minutes.
DILUTED_S = 60
#: An incident lasts a minute at least, and until a minute has few failures; its alert remembers it for two.
FORGOTTEN_S = 60 + 75 + 120

CONFIG = """[server]
[retry]
cap = "5ms"
[budget]
start = 1000
"""


class Expected:
    """An alert that must fire: whose job, its other labels, its summary as a pattern, how long it waits."""

    def __init__(self, name, job, labels, summary, waits_s=0):
        self.name, self.job, self.summary, self.waits_s = name, job, summary, waits_s
        self.text = deployed.alerts()[name]
        self.labels = {"alertname": name, "job": job, "severity": re.search(r"severity: (\w+)", self.text).group(1), **labels}

    def description(self):
        """As the file has it, the labels put in."""
        lines = re.search(r"^          description: \|\n((?:            .*\n)+)", self.text + "\n", flags=re.M).group(1)
        return re.sub(r"{{ \$labels\.(\w+) }}", lambda match: self.labels[match.group(1)], textwrap.dedent(lines))


PLACE = {"upstream": "openai", "model": MODEL}
ODD_PLACE = {"upstream": "openai", "model": ODD_MODEL}
SHARE = r"\d+(\.\d+)?%"
#: Of the outage, and of that which retries hide.
WAITING = [
    Expected("SeawallUpstreamFails", FAILS, PLACE, rf"{MODEL} at openai: {SHARE} of the attempts fail", FOR_S),
    Expected("SeawallBreakerOpen", FAILS, PLACE, rf"{MODEL} at openai: a breaker has not closed for two minutes", FOR_S),
    Expected("SeawallCallersFail", FAILS, {}, rf"{SHARE} of the callers get failures", FOR_S),
]
AT_ONCE = Expected("SeawallIncidentFailures", FAILS, {**PLACE, "kind": "failures"}, rf"{MODEL} at openai fails")
HIDDEN = [
    Expected("SeawallIncidentFailures", HIDES, {**ODD_PLACE, "kind": "failures"}, rf"{ODD_MODEL_SHOWN} at openai fails"),
    Expected("SeawallFailuresMasked", HIDES, {}, rf"{SHARE} of the answers needed another attempt, three times the usual"),
]
#: What would send somebody after another cause. The alerts about a machine that is too slow are not among them: it may be.
ELSEWHERE = (
    "SeawallCredentialsRefused",
    "SeawallRateLimited",
    "SeawallDown",
    "SeawallNotScraped",
    "SeawallAlertsFailing",
    "SeawallRequestsDiagnosed",
    "SeawallSheds",
    "SeawallWebSocketsBreak",
)
MUST_NOT = {
    FAILS: {*ELSEWHERE, "SeawallFailuresMasked", "SeawallIncidentMasked"},
    HIDES: {*ELSEWHERE, "SeawallCallersFail", "SeawallBreakerOpen"},
}


class Caller:
    """Requests on one connection, each with a body of its own."""

    def __init__(self, gateway, model):
        self.gateway, self.model = gateway, model
        self.numbers = itertools.count()
        self.connection = None

    def ask(self, **headers):
        number = next(self.numbers)
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": f"question {number}"}]})
        headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
        try:
            self.connection.request("POST", CHAT, body=body, headers=headers)
            reply = self.connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if reply.will_close:
            self.close()
        return reply.status

    def answered(self, count):
        for _ in range(count):
            same(self.ask(), 200, "an answer")

    def hidden(self):
        """One that fails at first, as all do in the outage."""
        same(self.ask(x_chaos="500*1", x_chaos_key=f"{self.model}-{time.monotonic_ns()}"), 200, "an answer thanks to a retry")

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Steady:
    """A caller who goes on, in a thread: some requests at once, then one in `EVERY_S`. What came of each is kept."""

    def __init__(self, gateway, model, burst):
        self.gateway, self.model, self.burst = gateway, model, burst
        self.heard = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        caller = Caller(self.gateway, self.model)
        for number in itertools.count():
            if self.is_over.wait(0 if number < self.burst else EVERY_S):
                caller.close()
                return
            try:
                self.heard.append(caller.ask())
            except (OSError, http.client.HTTPException) as broken:
                self.heard.append(repr(broken))

    def end(self):
        self.is_over.set()
        self.thread.join()


class Scene:
    def __init__(self, door, chaos, failing, hiding, prometheus):
        self.chaos, self.failing, self.hiding, self.prometheus = chaos, failing, hiding, prometheus
        #: Each alert's states in the order in which they were seen: by name and job.
        self.states = {}
        #: Who goes on asking: in the outage, and after the one that retries hid.
        self.callers = []
        self.unserved = None
        self.began = None

    def look(self):
        """The alerts of now."""
        answer = self.prometheus.api("alerts")
        same(answer["status"], "success", f"what Prometheus says ({answer})")
        alerts = answer["data"]["alerts"]
        for alert in alerts:
            seen = self.states.setdefault((alert["labels"]["alertname"], alert["labels"].get("job")), [])
            if not seen or seen[-1] != alert["state"]:
                seen.append(alert["state"])
        return alerts

    def of(self, expected):
        """This alert's, in whatever state."""
        return [alert for alert in self.look() if (alert["labels"]["alertname"], alert["labels"].get("job")) == (expected.name, expected.job)]

    def fires(self, expected):
        return [alert for alert in self.of(expected) if alert["state"] == "firing"]

    def until(self, what, seconds, condition, meanwhile=lambda: time.sleep(0.1)):
        """Looks until it is so, with something to do between two looks; fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            hold(time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s; seen: {self.states}; scrapes that failed: {self.lost_scrapes()}")
            meanwhile()
        return found

    def lost_scrapes(self):
        """Scrapes that failed, of each job. One is enough to have an alert wait anew."""
        return {series["metric"]["job"]: series["value"][1] for series in self.prometheus.query("count_over_time(up[10m]) - sum_over_time(up[10m])")}

    def begin(self, gateway, model, burst=0):
        self.callers.append(Steady(gateway, model, burst))
        self.callers[-1].thread.start()
        return self.callers[-1]


@contextlib.contextmanager
def while_all_is_well_no_alert_fires(folder):
    door = programs.Door(None)
    door.folder = folder / "outage"
    door.folder.mkdir()
    scene = None
    try:
        chaos = door.chaos(name="chaos-fails")
        other = door.chaos(name="chaos-hides")
        failing = door.gateway(CONFIG + upstream(chaos, name="openai"), name="fails")
        hiding = door.gateway(CONFIG + upstream(other, name="openai"), name="hides")
        prometheus = door._ready(lambda: Prometheus(door.folder, {FAILS: failing, HIDES: hiding}, every="1s"))  # noqa: SLF001
        scene = Scene(door, chaos, failing, hiding, prometheus)
        for gateway, model in ((failing, MODEL), (hiding, ODD_MODEL)):
            caller = Caller(gateway, model)
            caller.answered(ANSWERS)
            # One failure is weather. What it is counted in is there from now on: the first value of a counter is no increase.
            caller.hidden()
            caller.close()
        seen = "count(count_over_time(up[1m]) > 4 and on (job) job:seawall_requests_judged:increase5m and on (job) seawall_attempts_total{class!='ok'}) == 2"
        scene.until("both are looked at", SEEN_S, lambda: prometheus.query(seen))
        same(scene.look(), [], "alerts while all is well")
        chaos.script(OUTAGE)
        scene.began = time.monotonic()
        scene.unserved = scene.begin(failing, MODEL, BURST)
        yield scene
    finally:
        for caller in scene.callers if scene else []:
            caller.end()
        for program in reversed(door.programs):
            program.end()


def complete(scene, expected):
    """An alert that fires, once, with the labels and annotations that the file promises; and not before its time."""
    found = scene.fires(expected)
    same(len(found), 1, f"{expected.name} of {expected.job}: {found}")
    (alert,) = found
    written = re.search(r"^        for: (\d+)m$", expected.text, flags=re.M)
    same(expected.waits_s, int(written.group(1)) * 60 if written else 0, f"what {expected.name} waits for, here and in the file")
    same(alert["labels"], expected.labels, f"the labels of {expected.name}")
    said = alert["annotations"]
    same(set(said), {"summary", "description"}, f"the annotations of {expected.name}")
    hold(re.fullmatch(expected.summary, said["summary"]), f"the summary of {expected.name}: {said['summary']}")
    same(said["description"], expected.description(), f"the description of {expected.name}")
    for text in said.values():
        for wrong in ("{{", "}}", "<no value>", "error expanding", "NaN", "$labels", "$value"):
            hold(wrong not in text, f"{wrong} in what {expected.name} says: {text}")
    since = moment(alert["activeAt"])
    hold(time.time() - since >= expected.waits_s, f"{expected.name} fires {time.time() - since:.0f} s after it was found, and should wait {expected.waits_s}")
    same(scene.states[expected.name, expected.job], ["pending", "firing"] if expected.waits_s else ["firing"], f"the states of {expected.name}")


def moment(written):
    """Of `2026-01-02T03:04:05.123456789Z`, in seconds since 1970."""
    whole, _, part = written.removesuffix("Z").partition(".")
    return datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{part or 0}")


def an_outage_that_retries_hide_fires_its_alerts_at_once(scene):
    caller = Caller(scene.hiding, ODD_MODEL)

    def some():
        caller.hidden()
        caller.answered(ONE_IN - 1)

    scene.until("the hidden outage", AT_ONCE_S, lambda: all([scene.fires(expected) for expected in HIDDEN]), some)
    for expected in HIDDEN:
        complete(scene, expected)
    # It is over. Its answers are what it will be measured by.
    masked = HIDDEN[1]
    scene.until("the end of what retries hid", DILUTED_S, lambda: not scene.of(masked), lambda: caller.answered(ANSWERS))
    caller.close()
    # An incident ends by answers, and not because nobody asks any more.
    scene.begin(scene.hiding, ODD_MODEL)


def an_incident_fires_at_once(scene):
    """Four failed requests; whatever share they are."""
    scene.until("the incident's alert", AT_ONCE_S, lambda: scene.fires(AT_ONCE))
    complete(scene, AT_ONCE)


def an_outage_of_two_minutes_fires_the_alerts_that_wait(scene):
    scene.until("pending", AT_ONCE_S, lambda: all([scene.of(expected) for expected in WAITING]))
    left = scene.began + FIRES_WITHIN_S - time.monotonic()
    scene.until("the outage's alerts", left, lambda: all([scene.fires(expected) for expected in WAITING]))
    for expected in (*WAITING, AT_ONCE):
        complete(scene, expected)
    heard = scene.unserved.heard
    hold(len(heard) > BURST and all(isinstance(status, int) and status >= 500 for status in heard), f"what callers got in the outage: {heard}")


def no_alert_sends_anybody_after_another_cause(scene):
    for job, names in MUST_NOT.items():
        same(sorted(name for name in names if "firing" in scene.states.get((name, job), [])), [], f"alerts of {job}")
    jobs = {job for _, job in scene.states}
    same(jobs, {FAILS, HIDES}, "jobs of which there were alerts")


def after_recovery_they_are_over(scene):
    status, _, _ = ask(scene.chaos.port, "DELETE", "/chaos/script")
    same(status, 200, "the end of the outage")
    scene.unserved.end()
    caller = Caller(scene.failing, MODEL)

    def closed():
        caller.ask()
        return scene.failing.total("seawall_breaker_state", **PLACE) == 0

    scene.until("the breaker closes", CLOSES_S, closed, lambda: time.sleep(0.25))
    scene.until("the end of the outage's alerts", DILUTED_S, lambda: not any([scene.of(expected) for expected in WAITING]), lambda: caller.answered(ANSWERS))
    caller.close()


def the_incident_is_over_two_minutes_after_its_end(scene):
    """Of the hidden outage: the other one's began to end just now."""
    incident = HIDDEN[0]
    left = scene.began + AT_ONCE_S + FORGOTTEN_S - time.monotonic()
    scene.until("the end of the incident's alert", left, lambda: not scene.of(incident))
    same(scene.states[incident.name, incident.job], ["firing"], "its states")


CHECKS = [
    while_all_is_well_no_alert_fires,
    an_outage_that_retries_hide_fires_its_alerts_at_once,
    an_incident_fires_at_once,
    an_outage_of_two_minutes_fires_the_alerts_that_wait,
    no_alert_sends_anybody_after_another_cause,
    after_recovery_they_are_over,
    the_incident_is_over_two_minutes_after_its_end,
]
