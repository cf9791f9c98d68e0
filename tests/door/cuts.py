"""A stream that was cut, read by the official SDKs: the whole of it or an exception, never less.

`crates/gateway/tests/streams` cuts the streams under `tests/streams` at every byte and looks at the
bytes that come of it. Here those who must understand them do: at the offsets around which things
change, and with `--long` at all of them.
"""

import asyncio
import json
import pathlib
import socket
import threading
import time

from claims import claim, hold, same
from programs import ROOT, upstream, wait_for
from sdks import NODE, NODE_6, PYTHON
import settings

FOLDER = ROOT / "tests" / "streams"
BUILDS = [PYTHON, NODE, NODE_6]
#: Cases at a time, and the models that they take in turns: fewer than what chaos keeps scripts for.
AT_ONCE = 60
MODELS = 900
SECONDS = 60
CONFIG = """[server]
[retry]
cap = "1ms"
[budget]
start = 10000
[breaker]
guard = 100
open_alt = 100
open_solo = 100
window_min = 10000
[timeout]
first_content = "800ms"
byte_idle = "800ms"
[[route]]
models = ["again-*"]
repeatable = true
"""
#: How an upstream stops: what follows the bytes, and the end of the body.
WAYS = {
    "clean end": ([], "chunked"),
    "no terminator": ([], "truncate"),
    "closed": ([], "eof"),
    "reset": ([{"sleep_ms": 100}, {"reset": True}], "chunked"),
    "stall": ([{"stall": True}], "chunked"),
}


def spelled(data):
    return "@bytes:" + data.hex()


def step(parts, end="chunked"):
    return {"headers": {"content-type": "text/event-stream"}, "parts": parts, "end": end}


class Recorded:
    """A stream as an API sends it."""

    def __init__(self, about):
        self.name = about["name"]
        self.call = about.get("call")
        self.extra = about.get("extra")
        self.data = (FOLDER / f"{self.name}.sse").read_bytes()
        ends = [end for end in range(1, len(self.data) + 1) if self.data[:end].endswith((b"\n\n", b"\r\n\r"))]
        self.ends = [0, *ends]
        self.content = self.end_of(about["content"])
        self.terminal = self.end_of(about["terminal"])

    def end_of(self, marker):
        at = self.data.index(marker.encode())
        return next(end for end in self.ends if end > at)

    def events(self, cut):
        """How many events an SDK hands out of the first `cut` bytes."""
        whole = self.data[: max(end for end in self.ends if end <= cut)]
        blocks = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
        lines = [[line for line in block.split(b"\n") if line.startswith(b"data: ")] for block in blocks]
        return sum(1 for block in lines if block and block[0] != b"data: [DONE]")

    def offsets(self):
        """Where it is cut: around the end of each event and in its middle; in the long run everywhere."""
        if settings.LONG:
            return range(len(self.data) + 1)
        near = {end + by for end in self.ends for by in (-2, -1, 0, 1)}
        near |= {(one + other) // 2 for one, other in zip(self.ends, self.ends[1:])}
        # Inside a character, and inside the word that ends a stream.
        near |= {at for at in range(len(self.data)) if self.data[at] & 0xC0 == 0x80}
        near |= {self.data.find(b"[DONE]") + by for by in (1, 6)}
        return sorted(at for at in near if 0 <= at <= len(self.data))


STREAMS = [Recorded(about) for about in json.loads((FOLDER / "about.json").read_text())["streams"]]


def expected(stream, build, cut):
    """What the SDK must make of a stream cut there: outcome, exception, code, events."""
    if cut < stream.content:
        return "stream_end", None, None, stream.events(len(stream.data))
    if cut < stream.terminal:
        return "error", "APIError", "seawall_stream_interrupted", stream.events(cut)
    events = stream.events(cut)
    if build == NODE:
        # This release takes what is left at the end for an event, with and without Seawall.
        left = stream.data[max(end for end in stream.ends if end <= cut) : cut]
        data = left.partition(b"data:")[2].strip()
        if data and data != b"[DONE]" and not is_json(data) or left and b"data:" not in left and b"event:" in left:
            return "error", "SyntaxError", None, events
        events += is_json(data)
    return "stream_end", None, None, events


def is_json(data):
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def found(result):
    error = result.get("error") or {}
    return result["outcome"], error.get("class"), error.get("code"), result["events"]


def cases():
    """Each stream at each offset in a way for each SDK; all ways in the long run, and the next one otherwise."""
    ways = list(WAYS)
    number = 0
    for stream in STREAMS:
        for cut in stream.offsets() if stream.call else ():
            for build in BUILDS:
                for way in ways if settings.LONG else [ways[number % len(ways)]]:
                    yield stream, cut, build, way
                number += 1
            number += 1


@claim
def a_stream_cut_anywhere_is_whole_or_raises_in_the_official_sdks(door):
    chaos = door.chaos()
    gateway = door.gateway(CONFIG + upstream(chaos))
    whole = {stream.name: step([spelled(stream.data)]) for stream in STREAMS}
    waiting, problems, counts = [], [], {}

    def finish():
        stream, cut, build, way, wait = waiting.pop(0)
        must = expected(stream, build, cut)
        result = wait(SECONDS)
        counts[must[0]] = counts.get(must[0], 0) + 1
        if way == "reset" and found(result) in {expected(stream, build, less) for less in range(cut + 1)}:
            return  # A reset may have destroyed what came before it.
        if found(result) != must:
            problems.append(f"{stream.name} cut at {cut} of {len(stream.data)}, {way}, {build}: expected {must}, got {result}")

    for number, (stream, cut, build, way) in enumerate(cases()):
        acts, end = WAYS[way]
        model = f"again-{number % MODELS}"
        chaos.script([step([spelled(stream.data[:cut]), *acts], end), whole[stream.name]], model)
        case = {"base_url": gateway.base_url, "api_key": "sk-x", "call": stream.call, "model": model, "extra": stream.extra or {}}
        waiting.append((stream, cut, build, way, door.sdks.begin(build, case)))
        if len(waiting) >= AT_ONCE:
            finish()
    while waiting:
        finish()
    hold(not problems, f"{len(problems)} cuts were not as they must be:\n" + "\n".join(problems[:10]))
    hold(len(counts) == 2 and min(counts.values()) > 100, f"too few cases: {counts}")
    print(f"      {sum(counts.values())} cuts read by three SDKs: {counts['stream_end']} whole, {counts['error']} raised", flush=True)


CONTENT = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hel"},"finish_reason":null}]}\n\n'
DONE = "data: [DONE]\n\n"
#: Errors that no SDK raises by itself, each followed by what makes an SDK stop reading.
QUIET = {
    "a finish_reason": 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n',
    "a flat error": 'data: {"object":"error","message":"boom","code":500}\n\n',
}


@claim
def an_error_that_no_sdk_raises_is_raised_though_the_upstream_says_done_behind_it(door):
    """In one chunk, so that the gateway has passed it all on before it can say anything."""
    chaos = door.chaos()
    gateway = door.gateway(CONFIG + upstream(chaos))
    for name, error in QUIET.items():
        for parts in ([CONTENT, error + DONE], [CONTENT, error, DONE]):
            chaos.script([step(parts)], "m")
            for build in BUILDS:
                case = {"base_url": gateway.base_url, "api_key": "sk-x", "call": "chat_stream", "model": "m"}
                result = door.sdks.call(build, case)
                same(found(result)[:3], ("error", "APIError", "seawall_stream_interrupted"), f"{name}, {build}: {result}")


@claim
def a_failed_end_is_passed_on_with_all_that_follows_it(door):
    """`response.failed` ends a stream; an `error` that comes behind it is the upstream's, and raised."""
    chaos = door.chaos()
    gateway = door.gateway(CONFIG + upstream(chaos))
    stream = next(one for one in STREAMS if one.name == "responses")
    begin = stream.data[: stream.content].decode()
    failed = 'event: response.failed\ndata: {"type":"response.failed","sequence_number":9,"response":{"id":"resp_6a","status":"failed","error":{"code":"server_error","message":"m"}}}\n\n'
    error = 'event: error\ndata: {"type":"error","sequence_number":10,"error":{"type":"server_error","code":"server_error","message":"m"}}\n\n'
    for parts, raised in (([begin, failed], False), ([begin, failed, error], True), ([begin, failed + error], True)):
        chaos.script([step(parts)], "m")
        for build in BUILDS:
            case = {"base_url": gateway.base_url, "api_key": "sk-x", "call": "responses_stream", "model": "m"}
            result = door.sdks.call(build, case)
            must = ("error", "APIError", "server_error") if raised else ("stream_end", None, None)
            same(found(result)[:3], must, f"{len(parts)} parts, {build}: {result}")


#: Streams at a time, and what each may take of memory: two connections with hyper's buffers for
#: reading and writing, and 32 KiB beyond.
MANY = 1000
HYPER_BYTES = 2 * 8 * 1024 * 2
STREAM_BYTES_MAX = 32 * 1024
#: An event now and then; the longest that any stream may wait for its next one.
PAUSE_S = 1.0
EVENTS = 8
GAP_MAX_S = 3 * PAUSE_S
LAST = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def memory_of(program):
    """What a program takes of memory that no other shares, in bytes."""
    lines = pathlib.Path(f"/proc/{program.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def asking(path="/v1/chat/completions", model="m"):
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def listen(port, begun):
    """One stream to its end: whether it was whole, and the longest wait between two of its events."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(asking())
    last, gap, data = None, 0.0, b""
    while piece := await reader.read(4096):
        now = time.monotonic()
        if b"data: " in piece:
            gap = max(gap, now - last) if last else 0.0
            last = now
            if not data:
                begun.append(now)
        data += piece
    writer.close()
    return data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), data.count(b"hel"), gap


@claim(alone=True)
def a_thousand_slow_streams_take_little_memory_each_and_none_starves(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    chaos.script([step([part for _ in range(EVENTS) for part in (CONTENT, {"sleep_ms": int(PAUSE_S * 1000)})] + [LAST, DONE])])

    async def run(streams):
        begun = []
        running = [asyncio.create_task(listen(gateway.port, begun)) for _ in range(streams)]
        while len(begun) < streams and not any(one.done() for one in running):
            await asyncio.sleep(0.02)
        taken = memory_of(gateway)
        return await asyncio.gather(*running), taken

    # What is set up once is not a stream's: threads, tables, the first pages of each pool.
    asyncio.run(run(MANY // 20))
    before = memory_of(gateway)
    ended, taken = asyncio.run(run(MANY))
    hold(all(is_whole and events == EVENTS for is_whole, events, _ in ended), "not every stream was whole")
    gap = max(gap for _, _, gap in ended)
    hold(gap <= GAP_MAX_S, f"a stream waited {gap:.1f} s for its next event")
    each = (taken - before) / MANY
    print(f"      {MANY} streams: {each / 1024:.1f} KiB each, the longest wait {gap:.2f} s for events {PAUSE_S:.0f} s apart", flush=True)
    hold(each <= HYPER_BYTES + STREAM_BYTES_MAX, f"{each / 1024:.1f} KiB for each stream")


#: What the sockets on both sides of the gateway take in at most, and what it may hold of its own.
SOCKETS_BYTES = 48 * 1024 * 1024
GATEWAY_BYTES_MAX = 4 * 1024 * 1024
#: A sender that could send nothing for so long is held up.
HELD_UP_S = 0.5


class Flood:
    """An upstream that sends a stream as fast as it is let, and counts what it could send."""

    def __init__(self, total):
        self.total = total
        self.sent = 0
        self.moved = time.monotonic()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        one, _ = self.listener.accept()
        one.recv(65536)
        event = CONTENT.replace("hel", "x" * 64 * 1024).encode()
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        one.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        while self.sent < self.total:
            one.sendall(chunk)
            self.sent += len(event)
            self.moved = time.monotonic()
        one.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(LAST + DONE), (LAST + DONE).encode()))
        one.close()

    def is_held_up(self):
        return self.sent >= self.total or time.monotonic() - self.moved > HELD_UP_S


@claim(alone=True)
def a_reader_who_stops_reading_stops_the_upstream(door):
    flood = Flood(4 * SOCKETS_BYTES)
    gateway = door.gateway("[server]\n" + upstream(flood))
    before = memory_of(gateway)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as reader:
        reader.sendall(asking())
        hold(reader.recv(4096).startswith(b"HTTP/1.1 200"), "no answer")
        wait_for("the upstream is held up", 20, flood.is_held_up)
        sent, held = flood.sent, memory_of(gateway) - before
        read, last = 0, b""
        while piece := reader.recv(1 << 20):
            read += len(piece)
            last = (last + piece)[-64:]
    print(f"      nobody reads: the upstream could send {sent / (1 << 20):.1f} MiB, the gateway holds {held / 1024:.0f} KiB", flush=True)
    hold(sent <= SOCKETS_BYTES, f"the upstream could send {sent >> 20} MiB to a reader who did not read")
    hold(held <= GATEWAY_BYTES_MAX, f"the gateway holds {held >> 10} KiB")
    hold(read > flood.total and last.endswith(b"[DONE]\n\n\r\n0\r\n\r\n"), "the rest did not come when it was read")


@claim
def a_comment_in_a_stream_with_ids_is_no_event(door):
    """Python makes an event without data of an empty line, once an event had an id, and fails on it."""
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[stream]\ncomment_after = "200ms"\n' + upstream(chaos))
    chaos.script([step(["id: 7\n" + CONTENT, {"sleep_ms": 700}, CONTENT + LAST + DONE])], "m")
    for build in BUILDS:
        case = {"base_url": gateway.base_url, "api_key": "sk-x", "call": "chat_stream", "model": "m"}
        result = door.sdks.call(build, case)
        same(found(result), ("stream_end", None, None, 3), f"{build}: {result}")
