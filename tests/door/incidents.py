"""An outage is one alert to everybody, and one end; and what is no outage alerts nobody.

Receivers write down what they get; Alertmanager is a real one. Everything here mostly waits, so it waits at
the same time.
"""

import concurrent.futures
import contextlib
import json
import re
import time
import traceback

from claims import Broken, claim, hold, same
from programs import ask, upstream, wait_for
from receivers import ROUTING_KEY, SIGNING_KEY, SLACK_PATH, Alertmanager, Receiver, notified, pagerduty, slack, telling, webhook
from traffic import Traffic

CHAT = "/v1/chat/completions"
OUTAGE = [{"status": 500, "body": {"error": {"message": "The server had an error", "type": "server_error"}}}]
MODEL = "gpt-4o"

#: Requests a second, from callers who do not wait for each other.
RATE = 5
BEFORE_S = 4
OUTAGE_S = 60
#: Four requests fail, the last 0.6 s after the first; the rest is for a machine that is busy.
OPENED_WITHIN_S = 3
#: An incident is open for a minute at least (resilience 13.5).
OPEN_MIN_S = 60
#: Its failures have to leave a window of a minute in buckets of ten seconds; a breaker that is open lets the first
#: requests through within five seconds.
RESOLVED_WITHIN_S = 60 + 10 + 5
#: Somebody who fails twice is told the third time: after up to 1 s, then up to 2 s.
FLAKY_WITHIN_S = 8
#: A batch of rows of the journal, and a command to be run.
ON_RECORD_S = 3
#: For anything that is only waited for.
HEARD_S = 30

ENVIRONMENT = {"ALERT_SECRET": SIGNING_KEY, "PAGERDUTY_KEY": ROUTING_KEY}
CREDENTIALS = (SIGNING_KEY, ROUTING_KEY, SLACK_PATH, "sk-incident-canary")


def traffic(gateway):
    """Requests, each with a body of its own."""
    return Traffic(lambda number: call(gateway, MODEL, f"question {number}"), RATE)


def call(gateway, model, content, fault=None):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]})
    headers = {"content-type": "application/json", "authorization": "Bearer sk-incident-canary", **({"x-chaos": fault} if fault else {})}
    return ask(gateway.port, "POST", CHAT, body, headers, timeout=60)[0]


class Everybody:
    """A receiver of each kind, one that never answers, and one that fails twice."""

    def __init__(self, door, with_alertmanager=True):
        #: Done while the webhook's receiver takes its first word.
        self.at_first_word = lambda: None
        self.webhook, self.slack, self.pagerduty = Receiver(self._webhook), Receiver(), Receiver()
        self.hanging = Receiver(lambda number: None)
        self.flaky = Receiver(lambda number: 500 if number < 2 else 200)
        self.behind_alertmanager = Receiver()
        self.door = door
        self.alertmanager = None
        self.with_alertmanager = with_alertmanager

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        for one in (self.webhook, self.slack, self.pagerduty, self.hanging, self.flaky, self.behind_alertmanager):
            self.stack.enter_context(one)
        if self.with_alertmanager:
            config = telling(self.behind_alertmanager)
            self.alertmanager = self.door._ready(lambda: Alertmanager(self.door.folder, "alertmanager", config))  # noqa: SLF001
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _webhook(self, number):
        if number == 0:
            self.at_first_word()
        return 200

    def config(self, with_bad=True):
        """Their tables; those that never answer or fail come first, so that the others would have to wait."""
        tables = [("webhook", "hanging", self.hanging.url, "${ALERT_SECRET}"), ("webhook", "flaky", self.flaky.url, "${ALERT_SECRET}")]
        tables = (tables if with_bad else []) + [
            ("webhook", "hook", self.webhook.url, "${ALERT_SECRET}"),
            ("slack", "chat", "${SLACK_URL}", None),
            ("pagerduty", "pager", self.pagerduty.url, "${PAGERDUTY_KEY}"),
        ]
        if self.alertmanager:
            tables.append(("alertmanager", "manager", self.alertmanager.url, None))
        return "".join(
            f'[[alert]]\nkind = "{kind}"\nname = "{name}"\nurl = "{url}"\n' + (f'secret = "{secret}"\n' if secret else "")
            for kind, name, url, secret in tables
        )

    def environment(self):
        return {**ENVIRONMENT, "SLACK_URL": self.slack.url + SLACK_PATH}


def started(door, chaos, everybody, name="gateway", data=None):
    config = "[server]\n" + everybody.config() + upstream(chaos)
    return door.gateway(config, name=name, data=data, environment=everybody.environment())


def told(receiver):
    """What a webhook's receiver was told: id, type and data of each."""
    return [webhook(post) for post in receiver.posts()]


def kinds(receiver):
    return [kind for _, kind, _ in told(receiver)]


def opened(receiver):
    return "incident.opened" in kinds(receiver)


def resolved(receiver):
    return "incident.resolved" in kinds(receiver)


def no_credential_in(text, where):
    for credential in CREDENTIALS:
        hold(credential not in text, f"{where} holds a credential")


# Without an outage.


@claim(waits=True)
def a_test_arrives_in_the_form_of_each_and_is_taken_back(door):
    with Everybody(door) as everybody:
        config = door.folder / "seawall.toml"
        config.write_text(everybody.config(with_bad=False))
        code, out, err = door.run("incidents", "test-alert", "--resolve", "--config", config, environment=everybody.environment())
        same(code, 0, f"seawall incidents test-alert: {out}{err}")
        (first, began, open_), (last, ended, closed) = told(everybody.webhook)
        same((began, ended, first != last, closed["id"]), ("incident.opened", "incident.resolved", True, open_["id"]), "what the webhook heard")
        hold(open_["test"] is True and "TEST" in open_["title"], f"a test that does not say so: {open_}")
        same(["TEST" in slack(post) for post in everybody.slack.posts()], [True, True], "whether Slack is told that it is a test")
        same([pagerduty(post) for post in everybody.pagerduty.posts()], [("trigger", open_["id"]), ("resolve", open_["id"])], "events in PagerDuty")
        wait_for("Alertmanager tells of the end", HEARD_S, lambda: notified(everybody.behind_alertmanager)[1:] or not everybody.alertmanager.alerts())
        same(everybody.alertmanager.alerts(), [], "alerts that stay")
        no_credential_in(out + err, "what it says")


# One outage.


@claim(waits=True)
def an_outage_is_one_alert_to_everybody_and_one_end(door):
    chaos = door.chaos()
    with Everybody(door) as everybody:
        gateway = started(door, chaos, everybody)
        with traffic(gateway) as running:
            time.sleep(BEFORE_S)
            scene = Scene(door, chaos, gateway, everybody, running)
            scene.play()
        failed = [check.__name__ for check in CASES if not report(door, check, scene)]
        hold(not failed, f"{len(failed)} of {len(CASES)} cases do not hold: {', '.join(failed)}")


class Scene:
    """The outage, and when what happened."""

    def __init__(self, door, chaos, gateway, everybody, traffic):
        self.door, self.chaos, self.gateway, self.everybody, self.traffic = door, chaos, gateway, everybody, traffic

    def play(self):
        everybody = self.everybody
        self.began = time.monotonic()
        self.chaos.script(OUTAGE)
        wait_for("the outage is told", HEARD_S, lambda: opened(everybody.webhook))
        wait_for("Alertmanager tells of it", HEARD_S, lambda: notified(everybody.behind_alertmanager))
        self.held = everybody.alertmanager.alerts()
        # The record of it is written within a tenth of a second.
        (_, _, data), *_ = told(everybody.webhook)
        wait_for("it is on record", ON_RECORD_S, lambda: data["id"] in listed(self.door, self.gateway)[0])
        self.listed = listed(self.door, self.gateway)
        self.open_metric = self.gateway.total("seawall_incidents_open", kind="failures")
        time.sleep(max(0, self.began + OUTAGE_S - time.monotonic()))
        self.ended = time.monotonic()
        same(ask(self.chaos.port, "DELETE", "/chaos/script")[0], 200, "the end of the outage")
        wait_for("the end is told", RESOLVED_WITHIN_S + HEARD_S, lambda: resolved(everybody.webhook))
        others = (everybody.slack, everybody.pagerduty, everybody.flaky)
        wait_for("everybody hears of the end", HEARD_S, lambda: all(len(one.posts()) > 1 for one in others))
        wait_for("Alertmanager tells of the end", HEARD_S, lambda: notified(everybody.behind_alertmanager)[1:])


def listed(door, gateway):
    """What the command line and the admin side say, each as text."""
    code, out, err = door.run("incidents", "--json", "--data-dir", gateway.data)
    same((code, err), (0, ""), "seawall incidents --json")
    status, _, body = ask(gateway.admin, "GET", "/api/v1/incidents")
    same(status, 200, "/api/v1/incidents")
    json.loads(body)
    return out, body.decode()


def report(door, check, scene):
    problem = None
    began = time.monotonic()
    try:
        check(scene)
    except Broken as broken:
        problem = str(broken)
    except Exception:  # noqa: BLE001 - what cannot be tested does not hold
        problem = traceback.format_exc()
    door.case(check.__name__, problem, time.monotonic() - began)
    return problem is None


def the_webhook_hears_once_that_it_began_and_once_that_it_is_over(scene):
    same(kinds(scene.everybody.webhook), ["incident.opened", "incident.resolved"], "what it heard")
    (first, _, open_), (last, _, closed) = told(scene.everybody.webhook)
    hold(first != last, f"two messages with the id {first}")
    same(closed["id"], open_["id"], "the incident that is over")
    same((open_["scope"]["upstream"], open_["scope"]["model"]), ("chaos", MODEL), "where it is")
    same((open_["kind"], open_["rule"]), ("failures", "consecutive"), "what it is, and what found it")
    same(open_["counts"]["window"]["failed"] in (4, 5, 6), True, f"failures when it opened: {open_['counts']}")
    hold(open_["requests"], "no request is named")
    for request in open_["requests"]:
        code, _, err = scene.door.run("show", request, "--data-dir", scene.gateway.data)
        hold(code == 0, f"seawall show {request}: {err}")


def it_is_told_within_seconds_and_over_as_soon_as_that_is_sure(scene):
    first, last = scene.everybody.webhook.posts()
    print(f"      {first.at - scene.began:.2f} s until it was told, {last.at - scene.ended:.1f} s from its end until that was", flush=True)
    hold(first.at - scene.began <= OPENED_WITHIN_S, f"told {first.at - scene.began:.2f} s after it began")
    hold(last.at - first.at >= OPEN_MIN_S, f"over {last.at - first.at:.1f} s after it was told")
    hold(0 < last.at - scene.ended <= RESOLVED_WITHIN_S, f"over {last.at - scene.ended:.1f} s after its end")


def slack_and_pagerduty_hear_the_same(scene):
    lines = [slack(post) for post in scene.everybody.slack.posts()]
    same(len(lines), 2, f"messages in Slack: {lines}")
    hold(all(MODEL in line and "chaos" in line for line in lines), f"{lines}")
    events = [pagerduty(post) for post in scene.everybody.pagerduty.posts()]
    ((_, _, data), _) = told(scene.everybody.webhook)
    same(events, [("trigger", data["id"]), ("resolve", data["id"])], "events in PagerDuty")
    for one in (scene.everybody.slack, scene.everybody.pagerduty):
        hold(one.posts()[0].at - scene.began <= OPENED_WITHIN_S, f"told {one.posts()[0].at - scene.began:.2f} s after it began")


def a_real_alertmanager_has_one_alert_and_then_none(scene):
    same(len(scene.held), 1, f"alerts while it lasts: {json.dumps(scene.held)}")
    labels = scene.held[0]["labels"]
    same((labels["upstream"], labels["model"], labels["kind"]), ("chaos", MODEL, "failures"), "its labels")
    hold(scene.held[0]["annotations"]["summary"], "an alert without a summary")
    same([status for status, _ in notified(scene.everybody.behind_alertmanager)], ["firing", "resolved"], "what it told its receiver")
    same(scene.everybody.alertmanager.alerts(), [], "alerts when it is over")


def who_never_answers_delays_nobody(scene):
    hanging = scene.everybody.hanging
    hold(hanging.attempts(), "it was never tried")
    same(hanging.posts(), [], "what it took")
    for one in (scene.everybody.webhook, scene.everybody.slack, scene.everybody.pagerduty):
        hold(one.posts()[0].at - hanging.attempts()[0].at <= OPENED_WITHIN_S, "somebody waited for it")
    # Well before, and well after; while all fails, callers wait for retries.
    quick = [took for status, took in scene.traffic.since(scene.ended + 10) if status == 200]
    hold(len(quick) >= RATE * 20, f"only {len(quick)} answers")
    quick.sort()
    late = quick[int(len(quick) * 0.99)]
    hold(late < 1, f"one answer in a hundred took {late:.2f} s")


def who_fails_twice_is_told_as_soon_as_it_answers(scene):
    flaky = scene.everybody.flaky
    same(kinds(flaky), ["incident.opened", "incident.resolved"], "what it heard")
    first, second, third = flaky.attempts()[:3]
    same([post.headers["webhook-id"] for post in (second, third)], [first.headers["webhook-id"]] * 2, "the id of an attempt more")
    hold(third.at - first.at <= FLAKY_WITHIN_S, f"told after {third.at - first.at:.1f} s")
    same(len(flaky.attempts()), 4, "attempts")


def the_command_line_the_admin_side_and_the_metric_know_it(scene):
    ((_, _, data), _) = told(scene.everybody.webhook)
    for said in scene.listed:
        hold(data["id"] in said, f"{data['id']} is not in {said[:500]}")
    hold(scene.open_metric >= 1, f"seawall_incidents_open is {scene.open_metric} in an outage")
    same(scene.gateway.total("seawall_incidents_open"), 0, "seawall_incidents_open when it is over")
    for said in listed(scene.door, scene.gateway):
        hold(data["id"] in said, f"{data['id']} is not in {said[:500]} when it is over")
    sent = scene.gateway.total("seawall_alerts_total", result="sent")
    same(sent, 10, "alerts that arrived, two at each of five")
    same(scene.gateway.total("seawall_alerts_total", sink="hanging", result="sent"), 0, "alerts that arrived where nobody answers")


def no_credential_is_told(scene):
    everybody = scene.everybody
    no_credential_in(scene.gateway.said(), "the log")
    for said in scene.listed:
        no_credential_in(said, "the list of incidents")
    for one in (everybody.webhook, everybody.slack, everybody.flaky, everybody.behind_alertmanager):
        for post in one.posts():
            no_credential_in(post.body.decode(), "an alert")


CASES = [
    the_webhook_hears_once_that_it_began_and_once_that_it_is_over,
    it_is_told_within_seconds_and_over_as_soon_as_that_is_sure,
    slack_and_pagerduty_hear_the_same,
    a_real_alertmanager_has_one_alert_and_then_none,
    who_never_answers_delays_nobody,
    who_fails_twice_is_told_as_soon_as_it_answers,
    the_command_line_the_admin_side_and_the_metric_know_it,
    no_credential_is_told,
]


# A gateway that is killed.


@claim(waits=True)
def kill_9_in_an_incident_neither_tells_it_again_nor_forgets_its_end(door):
    chaos = door.chaos()
    with Everybody(door) as everybody:
        gateway = started(door, chaos, everybody)
        with traffic(gateway):
            time.sleep(BEFORE_S)
            chaos.script(OUTAGE)
            wait_for("the outage is told", HEARD_S, lambda: opened(everybody.webhook) and everybody.slack.posts() and everybody.pagerduty.posts())
            time.sleep(3)
            gateway.kill()
        again = started(door, chaos, everybody, name="gateway-again", data=gateway.data)
        with traffic(again):
            # It fails for so long that an incident that was forgotten would be found again.
            time.sleep(5)
            same(ask(chaos.port, "DELETE", "/chaos/script")[0], 200, "the end of the outage")
            wait_for("the end is told", OPEN_MIN_S + RESOLVED_WITHIN_S + HEARD_S, lambda: resolved(everybody.webhook))
            wait_for("and everywhere", HEARD_S, lambda: len(everybody.slack.posts()) > 1 and len(everybody.pagerduty.posts()) > 1)
        same(kinds(everybody.webhook), ["incident.opened", "incident.resolved"], "what the webhook heard")
        (_, _, open_), (_, _, closed) = told(everybody.webhook)
        same(closed["id"], open_["id"], "the incident that is over")
        same(closed["since"], open_["since"], "since when it was")
        same(len(everybody.slack.posts()), 2, "messages in Slack")
        same([pagerduty(post) for post in everybody.pagerduty.posts()], [("trigger", open_["id"]), ("resolve", open_["id"])], "events in PagerDuty")
        wait_for("Alertmanager tells of the end", HEARD_S, lambda: notified(everybody.behind_alertmanager)[1:])
        same([status for status, _ in notified(everybody.behind_alertmanager)], ["firing", "resolved"], "what Alertmanager told")


@claim(waits=True)
def kill_9_at_the_first_word_of_an_incident_loses_and_invents_nothing(door):
    """What a receiver heard is on record by then, as a failure is that a caller is told of. It had no time to say
    that it heard, so it is told once more, under the same id."""
    chaos = door.chaos()
    with Everybody(door, with_alertmanager=False) as everybody:
        gateway = started(door, chaos, everybody)
        everybody.at_first_word = gateway.kill
        with traffic(gateway):
            time.sleep(BEFORE_S)
            chaos.script(OUTAGE)
            wait_for("the outage is told", HEARD_S, everybody.webhook.posts)
        again = started(door, chaos, everybody, name="gateway-again", data=gateway.data)
        with traffic(again):
            time.sleep(5)
            same(ask(chaos.port, "DELETE", "/chaos/script")[0], 200, "the end of the outage")
            wait_for("the end is told", OPEN_MIN_S + RESOLVED_WITHIN_S + HEARD_S, lambda: resolved(everybody.webhook))
        by_id = {post.headers["webhook-id"]: data for post, (_, _, data) in zip(everybody.webhook.posts(), told(everybody.webhook))}
        same(len(by_id), 2, "different messages to the webhook, which are a beginning and an end")
        same(len({data["id"] for data in by_id.values()}), 1, "incidents")
        same([kinds(everybody.webhook)[0], kinds(everybody.webhook)[-1]], ["incident.opened", "incident.resolved"], "its first and its last word")
        for one in (everybody.slack, everybody.pagerduty, everybody.flaky):
            hold(2 <= len(one.posts()) <= 3, f"somebody heard {len(one.posts())} things")


# Names from an enemy.

HOSTILE = {
    "headers": "evil\r\nX-Injected: yes\r\n\r\nbody",
    "terminal": "\x1b[31mred\x1b]0;title\x07",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "code": "`rm -rf /` ```block``` *bold* _italic_",
    "mention": "<!channel> @channel @here <@U012345>",
    "link": "<https://evil.example|click> &amp; [click](https://evil.example)",
    "formula": "=cmd|' /C calc'!A0",
    "direction": "safe\u202egpj.exe\u2066",
}
#: Names with control characters are taken for none, so these are one: as if no model had been named.
NAMELESS = {"headers", "terminal"}
TOLD = len(HOSTILE) - len(NAMELESS) + 1
#: What moves a cursor, ends a line or turns the direction of writing; the line's end is Seawall's own in places.
ACTIVE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
OUR_LINK = re.compile(r"<http://127\.0\.0\.1:\d+/[A-Za-z0-9_/]*\|[a-z]+>")


@claim(waits=True)
def names_from_an_enemy_are_inert_wherever_they_are_told(door):
    chaos = door.chaos()
    with Everybody(door) as everybody:
        gateway = started(door, chaos, everybody)
        for about, model in HOSTILE.items():
            for number in range(4):
                hold(call(gateway, model, f"{about} {number}", "500") >= 500, f"{about}: no failure")
            # So that each is an incident of its own, and not all of them one of the route's.
            for _ in range(2):
                same(call(gateway, MODEL, "well"), 200, "a request that is well")
        everyone = (everybody.webhook, everybody.slack, everybody.pagerduty, everybody.flaky)
        wait_for("each name is told everywhere", HEARD_S, lambda: all(len(one.posts()) >= TOLD for one in everyone))
        wait_for("each is in Alertmanager", HEARD_S, lambda: len(everybody.alertmanager.alerts()) >= TOLD)
        posts = [(one, post) for one in (*everyone, everybody.behind_alertmanager) for post in one.attempts()]
        for one, post in posts:
            hold("x-injected" not in post.headers, f"a header from a name: {post.headers}")
            hold(not any(byte < 0x20 and byte != 0x0A for byte in post.body), f"control characters in {post.body!r}")
            for place, text in post.strings():
                hold(not ACTIVE.search(text), f"{place}: {text!r}")
        for post in everybody.slack.posts():
            check_slack(post)
        titles = [post.json()["payload"]["summary"] for post in everybody.pagerduty.posts()]
        titles += [alert["annotations"][name] for alert in everybody.alertmanager.alerts() for name in ("summary", "description")]
        for title in titles:
            hold(not re.search("[<>]", title), f"markup in {title!r}")
            hold(title[0] not in "=+-@", f"a formula: {title!r}")
        code, out, err = door.run("incidents", "--data-dir", gateway.data)
        same(code, 0, f"seawall incidents: {err}")
        news = "\n".join(line for line in gateway.said().splitlines() if "seawall::incident" in line or "seawall::alert" in line)
        hold(news.count("an incident began") >= TOLD, "the log tells of fewer")
        for where, text in (("seawall incidents", out + err), ("the log", news), *zip(("--json", "the admin side"), listed(door, gateway))):
            hold(not ACTIVE.search(text), f"{where}: {ACTIVE.search(text)}")
            hold("\nX-Injected" not in text, f"{where} has a line from a name")


def check_slack(post):
    """Slack's own markup is only ours: links to the gateway, and names in code spans."""
    slack(post)
    for place, text in post.strings():
        rest = OUR_LINK.sub("", text)
        hold(not re.search("[<>]", rest), f"{place}: markup in {text!r}")
        hold(place != "text" or "@" not in text, f"{place}: a mention in {text!r}")
        for line in text.splitlines():
            same(line.count("`") % 2, 0, f"{place}: code spans in {line!r}")


# What is no outage.

#: Fifteen failures are fewer than 5 % of these.
WELL = 400


@claim(waits=True)
def one_error_alerts_nobody_and_three_in_a_row_do_not(door):
    """The fourth does, and by then it is sure that nothing was told of those before: each receiver hears in order."""
    chaos = door.chaos()
    with Everybody(door, with_alertmanager=False) as everybody:
        gateway = started(door, chaos, everybody)
        # So that what fails below is less than 5 % of all, and only what comes in a row can tell.
        with concurrent.futures.ThreadPoolExecutor(8) as callers:
            statuses = set(callers.map(lambda number: call(gateway, MODEL, f"well {number}"), range(WELL)))
        same(statuses, {200}, "requests that are well")
        for model, failures in (("one", ["a"]), ("three", "abc"), ("seven-the-same", "a" * 7), ("four", "abcd")):
            for content in failures:
                hold(call(gateway, model, content, "500") >= 500, f"{model}: no failure")
            if model != "four":
                for number in range(3):
                    same(call(gateway, model, f"well {number}"), 200, f"{model}: a request that is well")
        for one in (everybody.webhook, everybody.flaky):
            wait_for("the fourth is told", HEARD_S, one.posts)
            same([data["scope"].get("model") for _, _, data in told(one)], ["four"], "what is told")
        wait_for("and in Slack", HEARD_S, everybody.slack.posts)
        same(["four" in slack(post) for post in everybody.slack.posts()], [True], "what is told in Slack")
