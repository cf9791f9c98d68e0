"""`seawall top`, in a real terminal (tmux) in front of a real gateway: what it shows, its keys, and how it ends."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

from api import FAILING, HOSTILE, MODEL, OUTAGE, QUICK, TOKEN, call
from claims import Broken, claim, hold, same
from live import Live
from programs import BINARY, clean_environment, upstream, wait_for

#: For anything that is only waited for.
SHOWN_S = 20
#: As many as may listen to a gateway.
LISTENERS_MAX = 32
#: A model that fails after the screen is there.
OTHER = "other-model"


class Terminal:
    """A shell in a tmux of its own: keys go in, what stands on the screen comes out."""

    def __init__(self, folder, columns=120, rows=32, environment=None):
        self.folder = folder
        # The path of a socket has to be short.
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="sw-top-"))
        self.socket = self.place / "tmux"
        said = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "HISTFILE": "/dev/null", **(environment or {})}
        self.environment = clean_environment(said)
        for name in ("NO_COLOR", "TMUX"):
            if name not in (environment or {}):
                self.environment.pop(name, None)
        self.size = (columns, rows)

    def __enter__(self):
        columns, rows = self.size
        try:
            self.tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, "sh")
            wait_for("a shell's prompt", SHOWN_S, lambda: self.shown().strip())
        except Broken:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Broken):
            self.tmux("kill-server")
        shutil.rmtree(self.place, ignore_errors=True)

    def tmux(self, *arguments):
        line = ["tmux", "-u", "-S", str(self.socket), *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, cwd=self.folder, env=self.environment, timeout=SHOWN_S, check=False)
        if done.returncode != 0:
            raise Broken(f"{line}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    def shown(self, *flags):
        return self.tmux("capture-pane", "-p", *flags)

    def told(self, what):
        return self.tmux("display-message", "-p", what).strip()

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", columns, "-y", rows)

    def sees(self, *texts):
        """The screen, as soon as all of these stand on it."""
        def found():
            shown = self.shown()
            return shown if all(text in shown for text in texts) else None

        try:
            return wait_for(f"a screen with {texts}", SHOWN_S, found)
        except Broken as late:
            raise Broken(f"{late}; it shows\n{self.shown()}") from None

    def sees_no(self, text):
        try:
            return wait_for(f"a screen without {text!r}", SHOWN_S, lambda: text not in self.shown())
        except Broken as late:
            raise Broken(f"{late}; it shows\n{self.shown()}") from None

    def settings(self):
        """What the terminal is set to."""
        path = self.folder / "stty"
        path.unlink(missing_ok=True)
        self.type(f"stty -a > {path}.new && mv {path}.new {path}")
        self.press("Enter")
        wait_for("stty", SHOWN_S, path.exists)
        return path.read_text()

    def top(self, *flags):
        """Starts it; its process id."""
        path = self.folder / "top.pid"
        path.unlink(missing_ok=True)
        line = shlex.join([str(BINARY), "top", *map(str, flags)])
        script = f"echo $$ > {shlex.quote(str(path))}.new; mv {path}.new {path}; exec {line}"
        self.type(f"clear; sh -c {shlex.quote(script)}; echo exit=$?")
        self.press("Enter")
        wait_for("its process id", SHOWN_S, path.exists)
        return int(path.read_text())


def outage(door, extra=""):
    """A gateway whose upstream fails for one model: enough for an incident; the ids of the failed requests."""
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + extra + QUICK + upstream(chaos))
    same(call(gateway, MODEL, "well")[0], 200, "before the outage")
    chaos.script(OUTAGE, MODEL)
    ids = []
    for number in range(FAILING):
        status, headers, _ = call(gateway, MODEL, f"question {number}")
        same(status, 500, "in the outage")
        ids.append(headers["x-seawall-request-id"][0])
    return chaos, gateway, ids


@claim
def top_shows_an_outage_narrows_and_drills_down_and_gives_the_terminal_back(door):
    chaos, gateway, ids = outage(door)
    with Terminal(door.folder) as terminal:
        before = terminal.settings()
        terminal.top("--data-dir", gateway.data, "--interval", 1)
        shown = terminal.sees("LIVE", f"127.0.0.1:{gateway.admin}", f"It is not your code: {MODEL} at chaos has been failing since", "Incidents(1)", "server_error")
        same(terminal.told("#{alternate_on} #{cursor_flag}"), "1 0", "a page of its own without a cursor")
        for number in ("requests ", "success ", "upstream gives", "saved by retry", "journal         ok"):
            hold(number in shown, f"{number!r} is not told:\n{shown}")
        terminal.sees("requests/min")

        # What fails now is there without a key.
        chaos.script(OUTAGE, OTHER)
        call(gateway, OTHER, "while somebody looks")
        shown = terminal.sees(OTHER)
        newest = next(line for line in shown.splitlines() if line.startswith("> "))
        hold(OTHER in newest, f"the newest failure is not the first:\n{shown}")

        terminal.type("4m")
        shown = terminal.sees("[4 Failures]", f"only model {OTHER}")
        rows = [line for line in shown.splitlines() if "server_error" in line]
        hold(rows and all(OTHER in row for row in rows), f"the filter lets others through:\n{shown}")
        terminal.type("x")
        terminal.sees(MODEL)
        terminal.sees_no("only model")

        terminal.type(f"/{ids[0]}")
        terminal.sees(f"/{ids[0]}_")
        terminal.press("Enter")
        terminal.press("Enter")
        terminal.sees(f"request {ids[0]}", "attempt 1 at chaos", "whose fault", "provider", "esc back")
        terminal.press("Escape")
        terminal.sees("TRY")
        terminal.press("Escape")
        terminal.sees_no(ids[0])
        # An id that is in no list is asked for.
        terminal.type("/sw_nobody")
        terminal.press("Enter")
        terminal.sees("nothing on record has this id")
        terminal.press("Escape")
        terminal.sees_no("nothing on record has this id")
        terminal.press("Escape")
        # At once: what a terminal sends is that of alt and 3.
        terminal.type("3")
        terminal.sees("[3 Incidents(1)]", "inc_")
        terminal.press("Enter")
        terminal.sees("found by", "failed since", "seawall report inc_")
        terminal.press("Escape")
        terminal.type("2")
        terminal.sees("[2 Upstreams]", "resting keys", "last failure")
        terminal.type("?")
        terminal.sees("ctrl-c", "none failed")
        terminal.type("?")
        terminal.sees_no("none failed")

        for columns, rows in ((40, 10), (20, 5), (200, 50)):
            terminal.resize(columns, rows)
            terminal.type("4")
            terminal.sees("seawall", "4 F")
        terminal.sees("X-REQUEST-ID", "REQUEST", ids[-1])
        terminal.type("p")
        terminal.sees("PAUSED")
        terminal.type("p")
        terminal.sees("LIVE")

        gateway.end()
        terminal.sees("GONE", "these numbers are of", "next try in", "no gateway runs from")
        door.gateway("[server]\n" + QUICK + upstream(chaos), name="again", data=gateway.data, ports=(gateway.port, gateway.admin))
        terminal.sees("LIVE")
        terminal.sees_no("these numbers are of")

        terminal.type("q")
        terminal.sees("exit=0")
        same(terminal.told("#{alternate_on} #{cursor_flag}"), "0 1", "the page and the cursor of the shell")
        terminal.resize(120, 32)
        same(terminal.settings(), before, "the settings of the terminal")


@claim
def however_top_ends_the_terminal_is_as_it_was(door):
    _, gateway, _ = outage(door)
    with Terminal(door.folder) as terminal:
        before = terminal.settings()

        def ended(how):
            terminal.sees("exit=0")
            same(terminal.told("#{alternate_on} #{cursor_flag}"), "0 1", f"the page and the cursor after {how}")
            same(terminal.settings(), before, f"the settings of the terminal after {how}")

        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            pid = terminal.top("--data-dir", gateway.data)
            terminal.sees("LIVE")
            os.kill(pid, number)
            ended(number.name)
        terminal.top("--data-dir", gateway.data)
        terminal.sees("LIVE")
        terminal.press("C-c")
        ended("ctrl-c")
        # Its session is gone, and only a shell that does not mind is left to say how it ended.
        code = door.folder / "code"
        terminal.type(f"sh -c 'trap \"\" HUP; {BINARY} top --data-dir {gateway.data}; echo $? > {code}.new; mv {code}.new {code}'")
        terminal.press("Enter")
        terminal.sees("LIVE")
        terminal.tmux("kill-server")
        wait_for("its end with its session's", SHOWN_S, code.exists)
        same(code.read_text().strip(), "0", "how it ends with its session")


@claim
def nothing_that_others_chose_is_obeyed_by_the_terminal_and_no_color_is_obeyed(door):
    chaos, gateway, _ = outage(door)
    error = {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}
    chaos.script([{"status": 500, "body": {"error": error}}], OTHER)
    call(gateway, OTHER, "hostile")
    with Terminal(door.folder, 220, 40) as terminal:
        terminal.top("--data-dir", gateway.data)
        shown = terminal.sees("LIVE", "=cmd()|@channel")
        hold("\u202e" not in shown and "\u2028" not in shown, f"the reading order can be turned:\n{shown!r}")
        hold("\x1b[3" in terminal.shown("-e"), "there are no colours")
        terminal.press("Enter")
        terminal.sees("attempt 1 at chaos", "<script>alert(1)</script>")
        terminal.type("q")
        terminal.sees("exit=0")
    with Terminal(door.folder, 220, 40, {"NO_COLOR": "1"}) as terminal:
        terminal.top("--data-dir", gateway.data)
        terminal.sees("LIVE", "It is not your code")
        coloured = [part for part in terminal.shown("-e").split("\x1b[")[1:] if part.split("m")[0] not in ("0", "", "1", "7", "39", "49")]
        hold(not coloured, f"there are colours: {coloured[:3]!r}")
        terminal.type("q")
        terminal.sees("exit=0")


@claim
def top_once_is_for_scripts_and_says_what_is_missing(door):
    code, out, err = door.run("top")
    same((code, out), (2, ""), "without a terminal")
    hold("hint: `seawall top --once`" in err, err)
    code, _, err = door.run("top", "--json")
    same(code, 2, "--json alone")
    code, out, err = door.run("top", "--once", "--data-dir", door.folder / "nobody")
    same((code, out), (4, ""), "where no gateway runs")
    hold("error: no gateway runs from" in err and "hint: " in err, err)
    code, _, err = door.run("top", "--once", "--admin", "127.0.0.1:1")
    same(code, 4, "where nothing answers")
    hold("no gateway answers at 127.0.0.1:1" in err, err)

    _, gateway, ids = outage(door, f'admin_token = "{TOKEN}"\n')
    code, out, err = door.run("top", "--once", "--data-dir", gateway.data)
    same((code, out), (4, ""), "without the token")
    hold("wants its admin token" in err and TOKEN not in err, err)
    for where in (("--data-dir", gateway.data), ("--admin", f"127.0.0.1:{gateway.admin}"), ("--admin", f"http://localhost:{gateway.admin}/")):
        def object_with_the_last_second():
            code, out, err = door.run("top", "--once", "--json", "--config", gateway.config, *where)  # noqa: B023
            same((code, err, len(out.splitlines())), (0, "", 1), f"one object by {where}")  # noqa: B023
            told = json.loads(out)
            return told if told["summary"]["last_minute"]["failed"] == FAILING else None

        # A second is told once it is over.
        told = wait_for("the last minute", SHOWN_S, object_with_the_last_second)
        same(sorted(told), ["failures", "gateway", "headline", "mood", "summary", "time", "upstreams"], "its keys")
        hold(told["headline"].startswith(f"It is not your code: {MODEL} at chaos has been failing since"), told["headline"])
        same(told["mood"], "outage", "how it is")
        same([one["name"] for one in told["upstreams"]], ["chaos"], "the upstreams")
        same(told["failures"][0]["request_id"], ids[-1], "the latest failure")
    code, out, err = door.run("top", "--once", "--config", gateway.config, "--data-dir", gateway.data)
    same((code, err), (0, ""), "a table")
    for text in (told["headline"][:40], "upstream gives", "UPSTREAM", "INCIDENT", "X-REQUEST-ID", ids[-1]):
        hold(text in out, f"{text!r} is not told:\n{out}")
    hold("\x1b" not in out, "a table has no colours")


@claim
def where_too_many_listen_top_asks_instead_and_listens_when_there_is_a_place(door):
    chaos, gateway, _ = outage(door)
    with contextlib.ExitStack() as listeners:
        for _ in range(LISTENERS_MAX):
            same(listeners.enter_context(Live(gateway.admin)).reply.status, 200, "a listener")
        with Terminal(door.folder) as terminal:
            terminal.top("--data-dir", gateway.data, "--interval", 1)
            terminal.sees("ASKED", MODEL)
            chaos.script(OUTAGE, OTHER)
            call(gateway, OTHER, "while it is asked")
            terminal.sees("ASKED", OTHER)
            listeners.close()
            terminal.sees("LIVE")
            terminal.type("q")
            terminal.sees("exit=0")
