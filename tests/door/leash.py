"""A gateway that a program starts for itself: it ends with that program, and shares the user's data directory."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading

from claims import claim, hold, same
from programs import BINARY, READY_S, answers, ask, clean_environment, wait_for

READY = re.compile(r"seawall is ready: http://127\.0\.0\.1:(\d+)/v1 in front of .*; admin http://127\.0\.0\.1:(\d+)\n")


class Held:
    """`seawall serve --stop-on-eof`, held by a pipe."""

    def __init__(self, door, chaos, *flags):
        words = ["serve", "--stop-on-eof", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", chaos.base_url, *map(str, flags)]
        self.child = subprocess.Popen(
            [str(BINARY), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=door.folder, env=clean_environment(), text=True
        )
        self.line = self.child.stdout.readline()
        found = READY.fullmatch(self.line)
        hold(found, f"what it says when it is ready: {self.line!r} {'' if self.line else self.child.stderr.read()}")
        self.port, self.admin = int(found[1]), int(found[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait(READY_S)
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            pipe.close()

    def exit_code(self):
        return self.child.wait(READY_S)


def failing(gateway, name):
    body = json.dumps({"model": name, "messages": []})
    return ask(gateway.port, "POST", "/v1/chat/completions", body, {"content-type": "application/json"})


def waits_long(gateway):
    """Asks what is not answered, and is told so when the gateway ends."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(gateway.port, "GET", "/v1/models", headers={"x-chaos": "first_content_timeout"}, timeout=60)


@claim
def serve_ends_with_its_standard_input_as_on_sigterm(door):
    """What is under way is finished, however much was written before; everything is closed as it should be."""
    chaos = door.chaos()
    with Held(door, chaos, "--data-dir", door.folder / "data") as gateway:
        found = []
        asking = threading.Thread(target=lambda: found.append(ask(gateway.port, "GET", "/v1/models", headers={"x-chaos": "slow=1s"})[0]))
        asking.start()
        wait_for("the request is under way", 10, lambda: b"seawall_requests_in_flight 1" in ask(gateway.admin, "GET", "/metrics")[2])
        gateway.child.stdin.write("x" * 100_000)
        gateway.child.stdin.flush()
        hold(answers(gateway.admin, "/readyz"), "what is written to it is nothing to it")
        gateway.child.stdin.close()
        same(gateway.exit_code(), 0, "its exit code")
        asking.join()
        same(found, [200], "the request that was under way")
        hold(not (door.folder / "data" / "serve.json").exists(), "serve.json is still there")
        said = gateway.child.stderr.read()
        hold('"message":"standard input has ended"' in said and '"message":"stopped"' in said, said)


@claim
def serve_ends_at_once_when_the_program_that_held_it_dies_while_it_drains(door):
    chaos = door.chaos()
    for name, first, second in [
        ("the pipe, then a signal", lambda one: one.child.stdin.close(), lambda one: one.child.send_signal(signal.SIGTERM)),
        ("a signal, then the pipe", lambda one: one.child.send_signal(signal.SIGTERM), lambda one: one.child.stdin.close()),
    ]:
        with Held(door, chaos, "--own-journal", "--data-dir", door.folder / "data") as gateway:
            threading.Thread(target=waits_long, args=(gateway,), daemon=True).start()
            wait_for("the request is under way", 10, lambda gateway=gateway: b"seawall_requests_in_flight 1" in ask(gateway.admin, "GET", "/metrics")[2])
            first(gateway)
            wait_for("it drains", 10, lambda gateway=gateway: not answers(gateway.admin, "/readyz"))
            hold(gateway.child.poll() is None, f"{name}: it has not waited for the request")
            second(gateway)
            same(gateway.exit_code(), 0, f"{name}: its exit code")


@claim
def gateways_with_journals_of_their_own_share_a_data_directory(door):
    """With each other and with the one that has it for itself; the verbs about the record read all of them."""
    chaos = door.chaos("--fault", "500:1")
    data = door.folder / "data"
    with Held(door, chaos, "--data-dir", data) as main, Held(door, chaos, "--own-journal", "--data-dir", data) as one, Held(door, chaos, "--own-journal", "--data-dir", data) as two:
        for gateway, name in ((main, "main"), (one, "one"), (two, "two")):
            same(failing(gateway, name)[0], 500, name)
        same(json.loads((data / "serve.json").read_text())["pid"], main.child.pid, "whom the others find by the directory")
        code, out, err = door.run("failures", "--json", "--data-dir", data)
        same((code, {json.loads(row)["model"] for row in out.splitlines()}), (0, {"main", "one", "two"}), err)
        same(len(list((data / "exec").glob("*.db"))), 2, "journals of their own")
    # One that was asked nothing leaves nothing, whether it ran or not.
    with Held(door, chaos, "--own-journal", "--data-dir", data) as idle:
        hold(len(list((data / "exec").glob("*.db"))) == 3, "a journal of its own")
        taken = door.run("serve", "--own-journal", "--data-dir", data, "--listen", f"127.0.0.1:{idle.port}", "--admin", "127.0.0.1:0")
        same(taken[0], 4, f"a port that is taken: {taken}")
        idle.child.stdin.close()
        same(idle.exit_code(), 0, "its exit code")
    same(len(list((data / "exec").glob("*.db"))), 2, "journals that have something to tell")
    done = subprocess.run(
        [str(BINARY), "serve", "--data-dir", str(data), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--stop-on-eof"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=clean_environment(),
        timeout=READY_S,
        check=False,
    )
    same(done.returncode, 0, "one without a pipe to hold it ends when it has begun")
