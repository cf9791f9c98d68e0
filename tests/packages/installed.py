"""What the modules have in common: where the program is, what a page says, what became of a process, what it was told."""

import hashlib
import http.client
import os
import pathlib
import re
import signal
import subprocess

import canaries
from claims import Broken, hold
from programs import BINARY, ROOT, Program, ask, clean_environment, wait_for

#: What a package holds is the release build, and no other.
VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
MIB = 1024 * 1024
#: A package may be so large: the program stripped has 15 MiB at most, and compresses to less than half of it.
PACKAGE_BYTES_MAX = 9 * MIB
#: So soon a gateway is gone when nobody holds it any more. It takes milliseconds; this machine may have much else to do.
GONE_S = 15


def digest(data):
    return hashlib.sha256(data).hexdigest()


def sized(file):
    """Prints how large a package is, and fails if it is too large."""
    size = file.stat().st_size
    print(f"      {size / MIB:.2f} MiB {file.name}", flush=True)
    hold(size <= PACKAGE_BYTES_MAX, f"{file.name} has {size} bytes, limit {PACKAGE_BYTES_MAX}")


def blocks(page, word):
    """The blocks of a page behind this word, in their order."""
    found = re.findall(rf"^```{word}\n(.*?)^```$", page.read_text(), re.M | re.S)
    hold(found, f"{page.relative_to(ROOT)} has no block of {word}")
    return found


def words_of(page):
    return set(re.findall(r"^```(\w+)$", page.read_text(), re.M))


def tool(*command, cwd=None, environment=None, seconds=600):
    """Runs what builds or installs; its output if it worked."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, env=environment, timeout=seconds, check=False
    )
    out = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: exit {done.returncode}\n{out[-3000:]}")
    return out


def home(door, **more):
    """The variables of somebody with an empty home, who has the key of the SDK and no configuration."""
    folder = door.folder / "home"
    folder.mkdir(exist_ok=True)
    said = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    return clean_environment({**said, "OPENAI_API_KEY": "sk-none", "PYTHONDONTWRITEBYTECODE": "1", **more})


def run(door, command, seconds=60, stdin=None, **more):
    """A program in an empty home, to its end: exit code, stdout, stderr."""
    done = subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, cwd=door.folder, env=home(door, **more), timeout=seconds, check=False
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


class Script(Program):
    """A program in an empty home that says `gateway PID URL` when it has one."""

    def __init__(self, door, name, command, **more):
        super().__init__(door.folder, name, command, home(door, **more))
        door.programs.append(self)

    def gateways(self, number=1):
        """Those that it has: process ids and addresses."""

        def told():
            found = re.findall(r"^gateway (\d+) (http://127\.0\.0\.1:\d+/v1)$", self.said(), re.M)
            hold(len(found) >= number or not self.is_over(), f"{self.name} ended with {self.child.returncode}: {self.said()[-3000:]}")
            return [(int(pid), url) for pid, url in found] if len(found) >= number else None

        return wait_for(f"{self.name} has its gateways: {self.said()[-2000:]}", 60, told)

    def says(self, words, seconds=60):
        """Waits until it has said this."""

        def told():
            hold(words in self.said() or not self.is_over(), f"{self.name} ended with {self.child.returncode}: {self.said()[-3000:]}")
            return words in self.said()

        wait_for(f"{self.name} says {words!r}", seconds, told)


def is_running(pid):
    """Whether a process runs: one that is over and not yet noted by its parent does not."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


def port_of(url):
    return int(re.search(r":(\d+)/", url)[1])


def check_alive(found):
    for pid, url in found:
        hold(is_running(pid), f"the gateway {pid} does not run")
        hold(answers_at_all(url), f"nothing answers at {url}")


def answers_at_all(url):
    try:
        return ask(port_of(url), "GET", "/v1/models", timeout=5)[0] > 0
    except (OSError, http.client.HTTPException):
        return False


def check_gone(found, what):
    """Fails if one of them is still there after a while, and ends it."""
    try:
        wait_for(f"{what}: the gateways are gone", GONE_S, lambda: not any(is_running(pid) for pid, _ in found))
    except Broken:
        for pid, _ in found:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
        raise


def recorder(door):
    """A program that writes down how it was called, and then is seawall: path, and where the words are."""
    words, program = door.folder / "argv", door.folder / "recorder"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >>"{words}"\nexec "{BINARY}" "$@"\n')
    program.chmod(0o755)
    return program, words


def fake(door, name, text):
    """A program in place of seawall."""
    program = door.folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


def check_silent(what, text, secret):
    found = canaries.hits(text, canaries.needles([secret], ()))
    hold(not found, f"{what} holds the key: {found[:3]} in {text[-2000:]}")



def check_nobody_has(word, what):
    """Fails if a process that has this among its words is still there after a while, and ends it."""

    def left():
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            if folder.name.isdigit() and is_running(int(folder.name)):
                try:
                    if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                        found.append((int(folder.name), ""))
                except OSError:
                    continue
        return found

    check_gone(left(), what)


def many_upstreams(number=32):
    """A configuration whose gateway has a lot to say when it is ready."""
    tables = (f'[[upstream]]\nname = "upstream-{at}"\nbase_url = "http://127.0.0.1:9/{"long" * 20}-{at}/v1"\napi_key = "k"\n' for at in range(number))
    return "".join(tables)
