"""What a caller was told of a failure is on record, even after `kill -9`.

The gateway is killed at random moments under a failing load, and started again on the same data.
Every failure whose answer a caller got, and that was not marked late, must be found: each attempt
with its request id, model, number and time.
"""

import asyncio
import datetime
import json
import random
import threading
import time

import load
from claims import claim, hold
from programs import upstream
from settings import times

SEED = 20261123
CALLERS = 12
#: A killed program's clock and ours are the same; rounding to milliseconds is not.
SLACK_S = 0.05
FAULTS = ["500", "503", "429-quota", "reset", "html", "truncated", "400", "error_in_200", "garbage"]
CONFIG = """[server]
[retry]
max_attempts = 2
cap = "2ms"
[retry.class.ambiguous]
base = "2ms"
[retry.class.overloaded]
base = "2ms"
[budget]
start = 10000
[log]
level = "error"
"""


class Told:
    """A failure that a caller was told of."""

    __slots__ = ("request", "model", "attempts", "ids", "began", "ended", "status")

    def __init__(self, reply, model, began):
        self.request = reply.header("x-seawall-request-id")
        self.model = model
        self.attempts = int(reply.header("x-seawall-attempts") or 0)
        self.ids = [one for one in (reply.header("x-seawall-upstream-request-ids") or "").split(", ") if one]
        self.began = began
        self.ended = time.time()
        self.status = reply.status


class Callers:
    """Callers who ask again and again, until the gateway is gone."""

    def __init__(self, port, dice):
        self.told = []
        self.late = 0
        self.answered = 0
        seeds = [dice.random() for _ in range(CALLERS)]
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all(port, seeds)))
        self.thread.start()

    async def _all(self, port, seeds):
        await asyncio.gather(*(self._one(port, number, random.Random(seed)) for number, seed in enumerate(seeds)))

    async def _one(self, port, number, dice):
        pool = load.Pool(port)
        while True:
            model = f"model-{number}"
            body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            began = time.time()
            headers = [("x-chaos", dice.choice(FAULTS))] if dice.random() < 0.9 else []
            reply = await pool.ask(load.request("/v1/chat/completions", body, headers))
            if reply is None:
                return
            self.answered += 1
            if reply.status < 400:
                continue
            if reply.header("x-seawall-record") == "late":
                self.late += 1
            else:
                self.told.append(Told(reply, model, began))


@claim(alone=True)
def every_failure_that_a_caller_saw_is_on_record_after_kill_9(door):
    kills = times(200, 1000)
    dice = random.Random(SEED)
    chaos = door.chaos()
    data = door.folder / "data"
    told, late, answered = [], 0, 0
    for round_number in range(kills):
        gateway = door.gateway(CONFIG + upstream(chaos), data=data)
        callers = Callers(gateway.port, dice)
        # The random moment: some while the first connections are made, some in full run.
        time.sleep(dice.uniform(0.0, 0.25))
        gateway.kill()
        callers.thread.join()
        told += callers.told
        late += callers.late
        answered += callers.answered
        door.programs.remove(gateway)
        if round_number in (0, kills // 2):
            check_record(door, data, told)
    rows = check_record(door, data, told)
    print(f"      {kills} kills, {answered} answers, {len(told)} failures told, {late} late, {rows} rows", flush=True)
    hold(len(told) > kills * 10, f"only {len(told)} failures were told")
    hold(late < len(told) / 10, f"{late} of {late + len(told)} were late")


def check_record(door, data, told):
    code, out, err = door.run("failures", "--json", "--data-dir", data)
    hold(code == 0, f"seawall failures ended with {code}: {err[-500:]}")
    rows = {}
    for line in out.splitlines():
        row = json.loads(line)
        rows[(row["request_id"], row["attempt"])] = row
    for one in told:
        hold(one.attempts >= 1, f"{one.request}: {one.status} after no attempt")
        for number in range(1, one.attempts + 1):
            row = rows.get((one.request, number))
            hold(row, f"attempt {number} of {one.attempts} of {one.request} ({one.status}) is not on record; {len(rows)} rows are")
            hold(row["model"] == one.model, f"{one.request}: model {row['model']}, expected {one.model}")
            at = moment(row["time"])
            hold(one.began - SLACK_S <= at <= one.ended + SLACK_S, f"{one.request}: recorded at {row['time']}")
        recorded = [rows[(one.request, n)].get("upstream_request_id") for n in range(1, one.attempts + 1)]
        hold(set(one.ids) <= set(recorded), f"{one.request}: upstream ids {one.ids}, recorded {recorded}")
    return len(rows)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
