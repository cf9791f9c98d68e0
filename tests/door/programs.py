"""Starts the real binary, waits until it is ready, and ends it by its process id.

Ports are the system's choice: bound, noted, and let go just before the program takes them. A
port that somebody else takes in between is tried again.
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from claims import Broken, hold

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("SEAWALL_BINARY") or ROOT / "target" / "debug" / "seawall")
TEST = ROOT / ".test"

READY_S = 20
STARTS = 3


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, seconds, condition):
    """Polls `condition` until it is true, and gives what it gave; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def ask(port, method, path, body=None, headers=None, timeout=15):
    """One request on a connection of its own: status, headers (lower case, a list each), body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        reply = connection.getresponse()
        found = {}
        for name, value in reply.getheaders():
            found.setdefault(name.lower(), []).append(value)
        return reply.status, found, reply.read()
    finally:
        connection.close()


def clean_environment(extra=None):
    """The environment without what would change a program's mind: proxies, keys, Seawall's own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEAWALL_", "OPENAI_", "OTEL_")) and not name.lower().endswith("_proxy")
    }
    kept.update(extra or {})
    return kept


class Program:
    """A running program, its output in files."""

    def __init__(self, folder, name, arguments, environment=None, before=None):
        """`before` runs in the new process, before it becomes the program."""
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=clean_environment(environment),
                preexec_fn=before,
            )

    @property
    def pid(self):
        return self.child.pid

    def said(self):
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")

    def is_over(self):
        return self.child.poll() is not None

    def exit_code(self, seconds=READY_S):
        """Waits for its own end."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Broken(f"{self.name} did not end within {seconds} s") from late

    def signal(self, number):
        if not self.is_over():
            os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.child.wait(READY_S)

    def end(self, seconds=10):
        """Asks it to end; insists after `seconds`."""
        self.signal(signal.SIGTERM)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


class Chaos(Program):
    """`seawall chaos` on a port of its own."""

    def __init__(self, folder, name, *flags):
        self.port = free_port()
        super().__init__(folder, name, [BINARY, "chaos", "--listen", f"127.0.0.1:{self.port}", *flags])

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def is_ready(self):
        return answers(self.port, "/chaos/stats")

    def script(self, steps, model=None):
        """These steps, one for each attempt; the last repeats. For one model, or for the rest."""
        script = {"steps": steps} if model is None else {"steps": steps, "for_model": model}
        status, _, body = ask(self.port, "POST", "/chaos/script", json.dumps(script))
        hold(status < 300, f"chaos refused a script: {status} {body[:500]!r}")

    def stats(self):
        status, _, body = ask(self.port, "GET", "/chaos/stats")
        hold(status == 200, f"chaos gives no stats: {status}")
        return json.loads(body)

    def reset(self):
        status, _, _ = ask(self.port, "POST", "/chaos/reset")
        hold(status < 300, f"chaos was not reset: {status}")


class Gateway(Program):
    """`seawall serve` with a configuration and a data directory of its own."""

    def __init__(self, folder, name, config, data, *flags, ports=None, **options):
        self.port, self.admin = ports or (free_port(), free_port())
        self.data = data
        self.config = folder / f"{name}.toml"
        server = f'[server]\nlisten = "127.0.0.1:{self.port}"\nadmin = "127.0.0.1:{self.admin}"\n'
        self.config.write_text(config.replace("[server]\n", server, 1) if "[server]\n" in config else server + config)
        arguments = [BINARY, "serve", "--config", self.config, "--data-dir", data, *flags]
        super().__init__(folder, name, arguments, **options)

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def is_ready(self):
        return answers(self.admin, "/readyz")

    def metrics(self):
        """Samples as (name, labels) -> value."""
        status, _, body = ask(self.admin, "GET", "/metrics")
        hold(status == 200, f"/metrics answered {status}")
        return samples(body.decode())

    def total(self, name, **labels):
        """The sum of a metric over every label not given."""
        wanted = labels.items()
        return sum(v for (n, found), v in self.metrics().items() if n == name and wanted <= dict(found).items())


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        head, _, value = line.rpartition(" ")
        name, _, labels = head.partition("{")
        pairs = []
        for pair in labels.rstrip("}").split('",'):
            key, _, said = pair.partition("=")
            if key:
                pairs.append((key, said.strip('"')))
        found[(name, tuple(sorted(pairs)))] = float(value)
    return found


def answers(port, path):
    try:
        return ask(port, "GET", path, timeout=2)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class Door:
    """Starts what a claim needs, and ends all of it."""

    def __init__(self, sdks):
        self.sdks = sdks
        self.programs = []
        self.folder = None
        self.cases = 0
        self.name = ""
        self.report = None

    def begin(self, name, report):
        TEST.mkdir(exist_ok=True)
        (TEST / "run").mkdir(exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name[:40]}-", dir=TEST / "run"))
        self.programs = []
        self.cases = 0
        self.name = name
        self.report = report

    def end(self, is_failed):
        """Ends every program; of a failed claim, the last lines that they said."""
        tails = []
        for program in reversed(self.programs):
            program.end()
            if is_failed:
                lines = program.said().splitlines()[-12:]
                tails.append(f"--- {program.name}: exit {program.child.returncode}\n" + "\n".join(lines))
        if is_failed:
            tails.append(f"--- kept: {self.folder.relative_to(ROOT)}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return "\n".join(tails)

    def case(self, name, problem, seconds=0.0):
        """One case of the claim."""
        self.cases += 1
        self.report.add(f"{self.name}[{name}]", problem, seconds)

    def _ready(self, make):
        for left in reversed(range(STARTS)):
            program = make()
            self.programs.append(program)
            try:
                wait_for(f"{program.name} ready", READY_S, lambda program=program: program.is_ready() or program.is_over())
            except Broken:
                raise Broken(f"{program.name} is not ready within {READY_S} s:\n{program.said()[-2000:]}") from None
            if not program.is_over():
                return program
            if left == 0 or "in use" not in program.said():
                raise Broken(f"{program.name} ended with {program.child.returncode}:\n{program.said()[-2000:]}")
        raise AssertionError("unreachable")

    def chaos(self, *flags, name="chaos"):
        return self._ready(lambda: Chaos(self.folder, name, *flags))

    def gateway(self, config, *flags, name="gateway", data=None, **options):
        data = data or self.folder / f"{name}-data"
        return self._ready(lambda: Gateway(self.folder, name, config, data, *flags, **options))

    def run(self, *arguments, stdin=None, environment=None, seconds=60):
        """A command to its end: exit code, stdout, stderr."""
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=clean_environment(environment),
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def upstream(chaos, extra="", key=None, name="chaos"):
    """An `[[upstream]]` table."""
    base_url = chaos if isinstance(chaos, str) else chaos.base_url
    said = f'[[upstream]]\nname = "{name}"\nbase_url = "{base_url}"\n{extra}\n'
    return said + (f'api_key = "{key}"\n' if key else "")
