"""A cold read: with README and help alone, from the first command to the support ticket, in under ten commands.

The commands are those of README, word for word but for ids; the program is README's. What they print is kept as
docs/cold-read.md (`UPDATE=1 tests/door/run --only cold_read`), and compared with what they print now: ids, times and
measured numbers may differ, words may not. Ports here are the system's choice, and shown as README has them.
"""

import json
import os
import re
import signal
import subprocess
import time

from claims import claim, hold, same
from programs import BINARY, ROOT, TEST, answers, clean_environment, free_port, wait_for

README = ROOT / "README.md"
PAGE = ROOT / "docs" / "cold-read.md"
COMMANDS_MAX = 9
LINES_MAX = 40

HEAD = """# A cold read

<!-- Generated: UPDATE=1 tests/door/run --only cold_read -->

Everything from the first command to the support ticket, with nothing but [README](../README.md) and help: see what it does, put it in
front of a program, find a failed request by the id in its exception, write the ticket. A test runs these commands and compares; ids,
times and measured numbers are those of one run. What a whole ticket looks like: [an example](example-report.md).
"""


class Shell:
    """A shell with its working folder, of which everything is written down."""

    def __init__(self, door, ports):
        self.door = door
        self.ports = ports
        self.steps = []
        self.children = []
        self.folder = door.folder
        tools = self.folder / "bin"
        tools.mkdir()
        for name, program in [("seawall", BINARY), ("python3", TEST / "venv" / "bin" / "python")]:
            (tools / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
            (tools / name).chmod(0o755)
        home = self.folder / "home"
        home.mkdir()
        path = f"{tools}:{os.environ['PATH']}"
        said = {"PATH": path, "HOME": str(home), "COLUMNS": "100", "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
        self.environment = clean_environment(said)

    def here(self, command):
        """The command with the ports that there are."""
        for shown, real in self.ports.items():
            command = command.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{real}")
        # Where a default stands in README, it has to be said here.
        command = command.replace("seawall chaos ", f"seawall chaos --listen 127.0.0.1:{self.ports[7599]} ")
        return command.replace("seawall serve ", f"seawall serve --listen 127.0.0.1:{self.ports[7500]} --admin 127.0.0.1:{self.ports[7501]} ")

    def shown(self, text):
        for shown, real in self.ports.items():
            text = text.replace(f"127.0.0.1:{real}", f"127.0.0.1:{shown}")
        return text.replace(str(self.folder / "home"), "/home/someone").replace(str(self.folder), "/home/someone")

    def run(self, command, seconds=90):
        """A command to its end; what it printed."""
        done = subprocess.run(
            ["bash", "-c", self.here(command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, env=self.environment, timeout=seconds, check=False
        )
        out = done.stdout.decode()
        same(done.returncode, 0, f"{command}\n{out[-3000:]}")
        self.steps.append((command, self.shown(out)))
        return out

    def leave_running(self, command, port, path):
        """A command that goes on; what it printed until it was ready."""
        hold(command.endswith(" &"), command)
        file = self.folder / f"{len(self.children)}.out"
        with open(file, "wb") as out:
            child = subprocess.Popen(
                ["bash", "-c", "exec " + self.here(command[:-2])], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, cwd=self.folder, env=self.environment
            )
        self.children.append(child)
        wait_for(command, 20, lambda: answers(port, path) and "ready" in file.read_text())
        self.steps.append((command, self.shown(file.read_text())))

    def end(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            child.wait(20)


def block(after, word):
    """The block of README behind a line that begins so."""
    text = README.read_text()
    found = re.search(rf"{re.escape(after)}.*?^```{word}\n(.*?)^```$", text, re.M | re.S)
    hold(found, f"README has no block of {word} after {after!r}")
    return found[1]


def commands_of(text):
    return [line.split("  #")[0].strip() for line in text.splitlines() if line.strip()]


def plain(text):
    """What may differ from run to run, made alike."""
    text = re.sub(r"\b(sw|req|inc)_[0-9a-f]{16,}", r"\1_0", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME", text)
    text = re.sub(r"\b\d\d:\d\d(:\d\d)?\b", "TIME", text)
    text = re.sub(r"\d[\d.,]*", "0", text)
    text = re.sub(r"\b0 (µs|ms|s|min)\b", "0 s", text)
    return re.sub(r"[ ─-]+", " ", text)


def cut(text):
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= LINES_MAX else [*lines[:LINES_MAX], "…"])


def page(steps):
    parts = [HEAD]
    for command, out in steps:
        parts.append(f"```console\n$ {command}\n{cut(out)}\n```\n" if out.strip() else f"```console\n$ {command}\n```\n")
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


@claim
def a_cold_read_leads_from_the_first_command_to_the_support_ticket(door):
    readme = README.read_text()
    shell = Shell(door, {7500: free_port(), 7501: free_port(), 7599: free_port()})
    try:
        same(commands_of(block("## Two commands", "sh")), ["cargo run --release -- serve", "./test"], "the two commands of a fresh machine")
        (demo,) = commands_of(block("What it does, in ten seconds", "sh"))
        out = shell.run(demo)
        hold("with Seawall" in out and "An incident opened" in out, out)
        chaos, serve = commands_of(block("let it stand in", "sh"))
        shell.leave_running(chaos, shell.ports[7599], "/chaos/stats")
        shell.leave_running(serve, shell.ports[7501], "/readyz")
        (door.folder / "app.py").write_text(block("A program, `app.py`", "python"))
        (app,) = commands_of(block("print(n, \"failed:\"", "sh"))
        failed = re.findall(r"^\d failed: 500 (req_\w+)$", shell.run(app), re.M)
        same(len(failed), 6, "the program's failures, each with the x-request-id of its exception")
        show, explain, incidents, report = commands_of(block("## When something fails", "sh"))
        out = shell.run(show.replace("REQUEST_ID", failed[0]))
        hold(failed[0] in out and "outcome              exhausted" in out, f"the request by its id: {out}")
        out = shell.run(explain)
        hold("on record:" in out, out)
        incident = wait_for("the incident is on record", 5, lambda: listed(shell))
        out = shell.run(incidents)
        hold(incident in out, out)
        shell.run(report)
        shell.run("head -n 3 report.md")
        ticket = (door.folder / "report.md").read_text()
        hold(incident in ticket and sum(one in ticket for one in failed) > 0, ticket)
    finally:
        shell.end()
    hold(len(shell.steps) <= COMMANDS_MAX, f"{len(shell.steps)} commands")
    told = re.sub(r"(sw|req|inc)_[0-9a-f]+", "REQUEST_ID", readme)
    for command, _ in shell.steps[:-1]:
        known = re.sub(r"(sw|req|inc)_[0-9a-f]+", "REQUEST_ID", command)
        hold(known in told, f"README does not have: {command}")
    made = page(shell.steps)
    if os.environ.get("UPDATE"):
        PAGE.write_text(made)
    kept = PAGE.read_text()
    if plain(kept) != plain(made):
        (door.folder / "cold-read.md").write_text(made)
    different = [(was, now) for was, now in zip(plain(kept).splitlines(), plain(made).splitlines(), strict=False) if was != now]
    same((different[:3], len(kept.splitlines())), ([], len(made.splitlines())), "docs/cold-read.md: UPDATE=1 tests/door/run --only cold_read")


def listed(shell):
    """The newest incident's id, if there is one; not one of the commands of a reader."""
    done = subprocess.run([str(BINARY), "incidents", "--json"], capture_output=True, cwd=shell.folder, env=shell.environment, timeout=20, check=False)
    time.sleep(0.02)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    told = [row["id"] for row in rows if row["under"] is None]
    return told[0] if told else None
