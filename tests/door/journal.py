"""`seawall journal`: the record checked, taken out and pruned, beside its gateway and without it."""

import csv
import io
import json
import os
import stat
import subprocess

from api import CHAT, HOSTILE, QUICK
from claims import claim, hold, same
from programs import BINARY, ask, clean_environment, upstream

#: Requests that fail, each with two attempts or more.
FAILING = 12
FORMULA = ("=", "+", "-", "@")


def fail(gateway, count):
    for number in range(count):
        body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]})
        same(ask(gateway.port, "POST", CHAT, body, {"content-type": "application/json"})[0], 500, "in the outage")


def counted(door, data):
    """The rows of each table that can be read, of a journal that must be sound."""
    code, out, err = door.run("journal", "verify", "--json", "--data-dir", data)
    same((code, err), (0, ""), f"verify: {out}")
    [told] = [json.loads(line) for line in out.splitlines()]
    same((told["sound"], told["problems"]), (True, []), "the verdict")
    return {table["table"]: table["rows"] for table in told["tables"]}


@claim
def the_record_is_checked_taken_out_and_pruned(door):
    chaos = door.chaos()
    config = "[server]\n" + QUICK + upstream(chaos)
    gateway = door.gateway(config)
    error = {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}
    chaos.script([{"status": 500, "body": {"error": error}}], "gpt-4o")
    fail(gateway, FAILING)
    data = gateway.data
    rows = counted(door, data)
    same(rows["requests"], FAILING, "requests on record, while the gateway runs")

    _, out, _ = door.run("failures", "--json", "--data-dir", data)
    listed = [json.loads(line) for line in reversed(out.splitlines())]
    same(len(listed), rows["attempts"], "attempts that are listed")
    code, out, err = door.run("journal", "export", "--data-dir", data)
    same((code, err), (0, ""), "export")
    same([json.loads(line) for line in out.splitlines()], listed, "what is taken out is what is listed")

    file = door.folder / "attempts.csv"
    code, out, err = door.run("journal", "export", "--format", "csv", "-o", file, "--data-dir", data)
    same((code, out), (0, ""), f"export to a file: {err}")
    same(stat.S_IMODE(os.stat(file).st_mode), 0o600, "its mode")
    text = file.read_bytes().decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    same(len(table), len(listed), "rows of the table")
    for row, one in zip(table, listed):
        same(set(row), set(one), "columns are keys")
        same((row["request_id"], row["status"]), (one["request_id"], "500"), "a row")
        active = {key: cell for key, cell in row.items() if cell.lstrip().startswith(FORMULA)}
        hold(not active, f"cells that a spreadsheet would run: {active}")
        hold(row["error_code"].startswith("'=cmd()"), f"what the upstream said is not there: {row['error_code']!r}")
    hold(not any(ord(c) < 0x20 and c not in "\r\n" for c in text) and "\u202e" not in text, "it moves a terminal")
    same(door.run("journal", "export", "-o", file, "--data-dir", data)[0], 2, "a file that is there stays")

    # A reader that is gone before the first row.
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [str(BINARY), "journal", "export", "--data-dir", str(data)],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=clean_environment({}),
        timeout=60,
        check=False,
    )
    os.close(writer)
    same((done.returncode, done.stderr), (0, b""), "a closed pipe is no error")

    prune = ["journal", "prune", "--older-than", "0s", "--json", "--data-dir", data]
    code, out, err = door.run(*prune)
    same((code, out), (4, ""), "the gateway is in the way")
    hold(str(gateway.child.pid) in err, f"who is in the way: {err}")
    code, out, _ = door.run(*prune, "--dry-run")
    would = json.loads(out)
    same((code, would["attempts"], would["requests"]), (0, rows["attempts"], FAILING), "what would go")
    same(counted(door, data)["attempts"], rows["attempts"], "nothing went")

    gateway.end()
    code, out, err = door.run(*prune)
    did = json.loads(out)
    same((code, did["attempts"], did["requests"]), (0, would["attempts"], would["requests"]), f"what went: {err}")
    left = counted(door, data)
    same((left["attempts"], left["requests"]), (0, 0), "nothing is left")

    gateway = door.gateway(config, name="again", data=data)
    fail(gateway, 1)
    same(counted(door, data)["requests"], 1, "the gateway goes on with the file")
    gateway.end()

    file = data / "journal.db"
    whole = file.read_bytes()
    damaged = whole[: len(whole) // 2] + b"\xa5" * (len(whole) - len(whole) // 2)
    file.write_bytes(damaged)
    code, out, err = door.run("journal", "verify", "--data-dir", data)
    same(code, 1, "damage is found")
    hold("not sound" in out and f"mv -n '{file}' '{file}.corrupt'" in err, f"and what to do: {out}\n{err}")
    same(file.read_bytes(), damaged, "nothing is changed")
