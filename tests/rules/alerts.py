"""The files, as the tools of Prometheus and Alertmanager read them; and that each alert has its tests."""

import concurrent.futures
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

from claims import hold, same
from deployed import ALERTMANAGER, PROMETHEUS, RULES, RULES_TEST, alerts

#: Whom the example tells of what.
TOLD = {"critical": "page", "warning": "chat", "info": "nobody"}
#: The alert that gateways send by themselves.
OF_A_GATEWAY = "SeawallIncident"
#: A summary is one line of a chat; what does not fit on a telephone is not read.
SUMMARY_MAX = 120


def tool(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def every_limit_of_every_alert_is_tested(folder):
    """Runs the alerts' tests twice at once: as they are, and so that promtool tells what each alert says."""
    probe = folder / "probe_test.yml"
    probe.write_text(probing())
    shutil.copy(RULES, folder / RULES.name)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        plain, told = pool.map(lambda path: tool("promtool", "test", "rules", path), [RULES_TEST, probe])
    code, said = plain
    hold(code == 0, said)
    fires = {case.alert: case for case in cases() if case.fires}
    for name in alerts():
        hold(name in fires, f"no test in which {name} fires")
        over = [case for case in cases() if case.alert == name and not case.fires and case.group == fires[name].group]
        hold(any(case.minute > fires[name].minute for case in over), f"no test in which {name} is over after it has fired")
    yield told[1]


class Case:
    """One claim of a test: whether an alert fires in a minute, and which group of time series it is about."""

    def __init__(self, alert, minute, fires, group):
        self.alert, self.minute, self.fires, self.group = alert, minute, fires, group


def groups():
    """The file's parts: what is before the first group of time series, and each group."""
    return re.split(r"^(?=  - interval:)", RULES_TEST.read_text(), flags=re.M)


def cases():
    claimed = r'alertname="(\w+)".*\n        eval_time: (\d+)m\n        exp_samples:(.*)'
    return [
        Case(match.group(1), int(match.group(2)), match.group(3) != " []" and "pending" not in match.group(3), number)
        for number, group in enumerate(groups())
        for match in re.finditer(claimed, group)
    ]


def probing():
    """The tests, and for each alert at a moment when it fires the claim that it does not."""
    written = groups()
    for number, group in enumerate(written):
        fires = {case.alert: case.minute for case in cases() if case.fires and case.group == number}
        if not fires or "alert_rule_test:" in group:
            continue
        claims = [f"      - {{alertname: {name}, eval_time: {minute}m, exp_alerts: []}}\n" for name, minute in fires.items()]
        written[number] = group.rstrip() + "\n    alert_rule_test:\n" + "".join(claims) + "\n"
    return "".join(written)


def what_alerts_say_is_complete(told):
    """Severity, summary and description of each, as they were computed."""
    for name, text in alerts().items():
        got = re.search(rf"alertname: {name}, time: \S+, *\n +exp:\[\], *\n +got:\[\n(.*?)\n +\]", told, flags=re.S)
        hold(got, f"promtool did not tell what {name} says:\n{told[-3000:]}")
        said = got.group(1)
        hold(re.search(r'severity="(critical|warning|info)"', said), f"{name} has no severity: {said}")
        for wrong in ("<no value>", "error expanding", "{{", "NaN"):
            hold(wrong not in said, f"{name}: {wrong} in {said}")
        summary = re.search(r'summary="(.*?)"(?:[,}]|$)', said)
        hold(summary and summary.group(1).strip(), f"{name} has no summary: {said}")
        hold(len(summary.group(1)) <= SUMMARY_MAX, f"{name}: a summary of {len(summary.group(1))} characters: {summary.group(1)}")
        hold("`seawall " in text, f"{name} names no command that leads on")


def promtool_takes_rules_and_configuration(_):
    for command in (["rules", RULES], ["config", PROMETHEUS]):
        code, said = tool("promtool", "check", *command)
        hold(code == 0, said)


def the_example_of_alertmanager_tells_the_right_people(_):
    code, said = tool("amtool", "check-config", ALERTMANAGER)
    hold(code == 0, said)
    for severity, receiver in TOLD.items():
        code, said = tool("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, f"severity={severity}")
        same((code, said.splitlines()[0]), (0, receiver), f"who is told of {severity}")
    named = set(re.findall(r"Seawall\w+", ALERTMANAGER.read_text())) - {OF_A_GATEWAY}
    hold(named <= set(alerts()), f"no such alerts: {sorted(named - set(alerts()))}")


CHECKS = [
    every_limit_of_every_alert_is_tested,
    what_alerts_say_is_complete,
    promtool_takes_rules_and_configuration,
    the_example_of_alertmanager_tells_the_right_people,
]


# By hand: is a limit that moves noticed?

#: A number that is compared with, or waited for. What is left out: windows, which change no limit.
LIMIT = re.compile(r"((?:>=?|==) )(\d+(?:\.\d+)?)|(        for: )(\d+)m")


def moved_limits():
    unnoticed = 0
    text = RULES.read_text()
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        folder = pathlib.Path(folder)
        shutil.copy(RULES_TEST, folder / RULES_TEST.name)
        for name, own in alerts().items():
            at = text.index(f"- alert: {name}\n")
            end = min((place for place in (text.find("\n      - ", at), text.find("\n  - name", at)) if place > 0), default=len(text))
            for match in LIMIT.finditer(text, at, end):
                value = float(match.group(2) or match.group(4))
                for factor in (0.5, 2.0):
                    moved = value * factor if value else factor
                    written = f"{match.group(1)}{moved:g}" if match.group(2) else f"{match.group(3)}{max(int(moved), 0)}m"
                    (folder / RULES.name).write_text(text[: match.start()] + written + text[match.end() :])
                    code, _ = tool("promtool", "test", "rules", folder / RULES_TEST.name)
                    print(f"{'noticed  ' if code else 'UNNOTICED'} {name}: {match.group(0).strip()} -> {written.strip()}", flush=True)
                    unnoticed += code == 0
    print(f"{unnoticed} unnoticed")
    return 1 if unnoticed else 0
