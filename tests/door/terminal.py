"""What a person sees: the program on a real terminal, at several widths, with colours and without."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

from claims import Broken, claim, hold, same
from programs import BINARY, ask, clean_environment, upstream

WIDTHS = [40, 80, 200]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CONFIG = '[server]\n[retry]\nmax_attempts = 2\ncap = "5ms"\n[status_page]\npoll = "off"\n'


def on_terminal(door, columns, *arguments, environment=None, errors=True, seconds=60):
    """Runs the program with a terminal of so many columns as its output, and for its errors too: exit code, and what is on it."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        said = {"TERM": "xterm-256color", **(environment or {})}
        clean = {k: v for k, v in clean_environment(said).items() if k in said or k not in ("COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE")}
        child = subprocess.Popen(
            [str(BINARY), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs if errors else subprocess.DEVNULL, cwd=door.folder, env=clean
        )
    finally:
        os.close(theirs)
    text, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.1)
        if ready:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the last one who wrote to it has gone
                break
            if not read:
                break
            text += read
        elif child.poll() is not None:
            break
    else:
        child.kill()
        raise Broken(f"{arguments} does not end")
    os.close(ours)
    return child.wait(10), text.decode().replace("\r\n", "\n")


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in ESCAPE.sub("", line))


def recorded(door):
    """A data directory with failures and an incident in it, and the gateway's configuration."""
    chaos = door.chaos("--seed", "7", "--latency", "20ms")
    gateway = door.gateway(CONFIG + upstream(chaos, name="the-only-upstream-there-is"))
    for n in range(12):
        model = "gpt-4o-mini-2024-07-18-with-a-long-name" if n % 2 else "gpt-4o"
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": f"question {n}"}]})
        ask(gateway.port, "POST", "/v1/chat/completions", body, {"content-type": "application/json", "x-chaos": "503"})
    gateway.end()
    return chaos, gateway


@claim
def tables_and_text_fit_the_terminal(door):
    chaos, gateway = recorded(door)
    place = ["--data-dir", gateway.data]
    listed = [json.loads(line) for line in door.run("failures", "--json", *place)[1].splitlines()]
    incident = json.loads(door.run("incidents", "--json", *place)[1].splitlines()[0])["id"]
    request = listed[0]["request_id"]
    commands = [
        ["failures", *place],
        ["failures", "--class", "overloaded", "--limit", "3", *place],
        ["show", request, *place],
        ["incidents", *place],
        ["incidents", "show", incident, *place],
        ["bill", *place],
        ["bill", "--by", "class", *place],
        ["status", "--no-fetch", "--config", gateway.config, *place],
        ["doctor", "--upstream", chaos.base_url, *place],
        ["rehearse", "a", "e1", "--seeds", "1"],
        ["rehearse", "--list"],
        ["explain", "503", *place],
        ["demo", "--seconds", "1"],
        ["--help"],
        ["report", "--help"],
    ]
    for command in commands:
        # Clap breaks help between words only, and some are longer than half a line of 40.
        for columns in WIDTHS[1:] if command[-1] == "--help" else WIDTHS:
            code, text = on_terminal(door, columns, *command, errors=False)
            named = f"seawall {' '.join(map(str, command))} at {columns}"
            hold(code in (0, 1), f"{named}: exit {code}\n{text}")
            # Examples are to be copied: where they are wider, the terminal breaks them.
            body = text.split("\nExamples:\n")[0] if command[-1] == "--help" else text
            wide = [line for line in body.splitlines() if width(line) > columns]
            hold(not wide, f"{named}: {len(wide)} lines are wider, such as\n{wide[0] if wide else ''}\n{text}")
            if command[0] == "failures":
                ids = {row["request_id"] for row in listed[:3]}
                hold(all(one in text for one in ids), f"{named}: an id is cut\n{text}")
            door.case(named[8:60].replace(str(door.folder), ""), None)


@claim
def a_narrow_table_says_what_it_leaves_out_and_a_wide_one_has_all(door):
    _, gateway = recorded(door)
    place = ["--data-dir", gateway.data]
    _, wide = on_terminal(door, 220, "failures", *place)
    _, usual = on_terminal(door, 80, "failures", *place)
    _, narrow = on_terminal(door, 40, "failures", "--limit", "1", *place)
    for title in ["TIME (UTC)", "REQUEST", "ATTEMPT", "UPSTREAM", "MODEL", "STATUS", "CLASS", "CODE", "X-REQUEST-ID", "ELAPSED", "DECISION"]:
        hold(title in wide.splitlines()[0], f"{title} in {wide}")
    hold("note: left out at this width: " in usual and "X-REQUEST-ID" in usual, usual)
    hold("note: " not in wide, wide)
    hold("  x-request-id\n    req_" in narrow, f"a block: {narrow}")


@claim
def a_pipe_gets_everything_at_any_width(door):
    _, gateway = recorded(door)
    place = ["--data-dir", gateway.data]
    for command in [["failures"], ["bill"], ["incidents"], ["failures", "--json"], ["bill", "--json"]]:
        told = {columns: door.run(*command, *place, environment={"COLUMNS": columns})[1] for columns in ("40", "200")}
        if command != ["incidents"]:  # it says how long ago that is
            same(told["40"], told["200"], f"{command} in a pipe")
        hold("…" not in told["40"], told["40"])
    _, text = on_terminal(door, 40, "failures", "--json", *place)
    rows = [json.loads(line) for line in text.splitlines()]
    hold(len(rows) > 3, "JSON on a terminal is a line for each attempt")


@claim
def columns_says_more_than_the_terminal(door):
    _, gateway = recorded(door)
    _, text = on_terminal(door, 200, "failures", "--data-dir", gateway.data, environment={"COLUMNS": "40"}, errors=False)
    hold(text and all(width(line) <= 40 for line in text.splitlines()), text)


@claim
def colours_are_for_terminals_that_want_them(door):
    file = door.folder / "tools.json"
    file.write_text('[{"type": "function", "function": {"name": "get weather", "parameters": {}}}]\n')
    wrong = door.folder / "wrong.toml"
    wrong.write_text('profile = "interactiv"\n')
    for command in [["lint", file], ["config", "check", "--config", wrong], ["--help"], ["failures", "--class", "x"]]:
        _, plain = on_terminal(door, 100, *command)
        hold("\x1b[" in plain, f"{command}: a terminal gets colours\n{plain}")
        for name, value in [("NO_COLOR", "1"), ("CLICOLOR", "0")]:
            _, text = on_terminal(door, 100, *command, environment={name: value})
            hold("\x1b[" not in text, f"{command} with {name}={value}:\n{text!r}")
            same(text, ESCAPE.sub("", plain), f"{command} says the same without colours")
        _, out, err = door.run(*command)
        hold("\x1b[" not in out + err, f"{command} in a pipe")
