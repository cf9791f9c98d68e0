"""Writes docs/guides/exceptions.md from the vectors and `better.json`, and holds it to them."""

import textwrap

from claims import claim, same
from programs import ROOT
from sdks import NODE, PYTHON
from vectors import BETTER, IMPATIENT, MID_STREAM, PECULIAR, VECTORS

PAGE = ROOT / "docs" / "guides" / "exceptions.md"

HEAD = """\
# Which exception your code sees

With Seawall in front, a failure that a retry can mend is no exception at all. What is left is final, and your SDK raises
for it what it raises without Seawall: the same class, status, code, type and request id. It does so after **one** request
of its own: final answers carry `x-should-retry: false`, which openai-python, -node and -go obey (async-openai does not:
turn its own retries off).

Where the upstream's last answer was nothing that an SDK can read, Seawall answers in its place, always with a status, a
`code` and a request id (`seawall show ID` has the rest). The exception is then another than without Seawall, on purpose:

| the last answer was | Python {python} alone | Node {node} alone | with Seawall |
|---|---|---|---|
"""

TAIL = """
The tables are written from `tests/vectors/sdk_behaviour.json` (what the SDKs were recorded doing) and
`tests/door/better.json`; `./test` runs every row through the real binary with the real SDKs.
"""


def text():
    lines = [HEAD.format(python=PYTHON.rpartition("-")[2], node=NODE.rpartition("-")[2])]
    vectors = {vector["name"]: vector for vector in VECTORS}
    # Of cases that read the same, the one that was recorded with the SDK's retries on, the later one, stays.
    rows = {}
    for name, row in BETTER.items():
        cells = (alone(vectors[name], PYTHON), alone(vectors[name], NODE), better(row["error"]))
        rows[(row["why"], cells[-1])] = f"| {row['why']} | {' | '.join(cells)} |\n"
    lines += rows.values()
    lines.append("\n## When the SDK's own time limit ends first\n\n")
    lines.append(textwrap.fill(IMPATIENT["about"], 119) + "\n\n")
    lines.append("| case | Python alone | Node alone | Python with Seawall | Node with Seawall |\n|---|---|---|---|---|\n")
    for name, row in IMPATIENT.items():
        if name != "about":
            vector = vectors[name]
            cells = [alone(vector, PYTHON), alone(vector, NODE), better(row["python"]), better(row["node"])]
            lines.append(f"| `{name}` | {' | '.join(cells)} |\n")
    lines.append("\n## Peculiar\n\n")
    lines += [f"- `{name}`: {row['why']}.\n" for name, row in PECULIAR.items()]
    lines.append("- A redirect is never followed by Seawall; it is passed on, and your SDK may follow it past Seawall.\n")
    lines.append("\n## Streams that fail after their first content\n\n")
    lines.append(textwrap.fill(MID_STREAM["about"], 119) + "\n\n")
    lines.append("| the stream | Python alone | Node alone | with Seawall |\n|---|---|---|---|\n")
    for name, row in MID_STREAM.items():
        if name != "about":
            with_us = "as alone" if row.get("is_told") else "`APIError` while iterating, `seawall_stream_interrupted`"
            cells = [row["why"], alone(vectors[name], PYTHON), alone(vectors[name], NODE), with_us]
            lines.append(f"| {' | '.join(cells)} |\n")
    lines.append(TAIL)
    return "".join(lines)


def alone(vector, build):
    """What a build does without Seawall, in a cell."""
    seen = next(seen for seen in vector["observed"] if seen["client"] == build)
    tries = seen.get("attempts")
    tries = f", {tries} requests" if tries and tries > 1 else ""
    if seen["outcome"] == "ok":
        return f"no exception{tries}"
    if seen["outcome"] == "stream_end":
        events = seen.get("events", 0)
        return f"no exception, {events} events{tries}" if events != 1 else f"no exception, 1 event{tries}"
    error = seen["error"]
    status = f" {error['status_code']}" if error.get("status_code") else ""
    when = " while iterating" if seen.get("failed_while") == "iterating" else ""
    return f"`{error['class']}`{status}{when}{tries}"


def better(error):
    name, status, code, *requests = error
    cell = f"`{name}`" + (f" {status}" if status else "") + (f", `{code}`" if code and not code.isdigit() else "")
    return cell + (f", {requests[0]} requests" if requests and requests[0] > 1 else "")


def write():
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text())
    print(f"wrote {PAGE.relative_to(ROOT)}")


@claim
def the_guide_to_exceptions_says_what_is_tested(door):
    same(PAGE.read_text() if PAGE.exists() else None, text(), "docs/guides/exceptions.md (write it anew with --guide)")
