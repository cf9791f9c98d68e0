"""The official SDKs as child processes: cases in, results out, as JSON lines."""

import json
import subprocess
import threading
import time

from claims import Broken
from programs import ROOT, TEST, clean_environment

#: The builds under test, and what each is called in the vectors.
PYTHON = "python-openai-3.54.0"
NODE = "node-openai-7.57.0"
NODE_6 = "node-openai-6.49.0"
RUST = "async-openai-0.43.0"

COMMANDS = {
    "python": [TEST / "venv" / "bin" / "python", ROOT / "tests" / "sdk" / "python" / "driver.py"],
    "node": [TEST / "node" / "node_modules" / ".bin" / "node", TEST / "node" / "driver.mjs"],
    "rust": [TEST / "rust-target" / "debug" / "seawall-door-sdk"],
}
#: What reads telemetry by OpenTelemetry's own definitions.
OTLP = [TEST / "otlp" / "bin" / "python", ROOT / "tests" / "sdk" / "otlp" / "read.py"]
DRIVER_OF = {PYTHON: "python", NODE: "node", NODE_6: "node", RUST: "rust"}


class Driver:
    """One child process; any thread may ask it."""

    def __init__(self, kind):
        self.kind = kind
        self.lock = threading.Lock()
        self.waiting = {}
        self.next_id = 0
        # What an SDK prints beside its results: deprecations, events that it could not read.
        (TEST / "logs").mkdir(parents=True, exist_ok=True)
        with open(TEST / "logs" / f"driver-{kind}.log", "wb") as beside:
            self.child = subprocess.Popen(
                [str(part) for part in COMMANDS[kind]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=beside,
                text=True,
                bufsize=1,
                env=clean_environment(),
            )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            result = json.loads(line)
            with self.lock:
                waiting = self.waiting.pop(result["id"], None)
            if waiting:
                result["seconds"] = time.monotonic() - waiting["began"]
                waiting["result"] = result
                waiting["event"].set()
        with self.lock:
            orphans, self.waiting = self.waiting, {}
        for waiting in orphans.values():
            waiting["event"].set()

    def begin(self, case):
        """Sends a case; a function that waits for its result, in which `seconds` is how long it took."""
        waiting = {"event": threading.Event(), "result": None, "began": time.monotonic()}
        with self.lock:
            self.next_id += 1
            number = self.next_id
            self.waiting[number] = waiting
            self.child.stdin.write(json.dumps({**case, "id": number}) + "\n")
            self.child.stdin.flush()

        def result(seconds):
            if not waiting["event"].wait(seconds):
                raise Broken(f"the {self.kind} SDK gave no result within {seconds} s")
            if waiting["result"] is None:
                raise Broken(f"the {self.kind} driver ended with {self.child.wait()}")
            return waiting["result"]

        return result

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Sdks:
    """The drivers, started when first asked for."""

    def __init__(self):
        self.drivers = {}
        self.lock = threading.Lock()

    def begin(self, build, case):
        """Sends a case to an SDK build; a function that waits for its result."""
        kind = DRIVER_OF[build]
        with self.lock:
            if kind not in self.drivers:
                self.drivers[kind] = Driver(kind)
            driver = self.drivers[kind]
        if build == NODE_6:
            case = {**case, "sdk": "openai-6"}
        return driver.begin({"prompt": "Say hello.", **case})

    def call(self, build, case, seconds=60):
        return self.begin(build, case)(seconds)

    def end(self):
        for driver in self.drivers.values():
            driver.end()
