"""Answers in another frame: JSON in place of a stream, and a whole answer that was a stream on its way."""

import http.server
import json
import threading
import time

from claims import claim, hold, same
from programs import ask, upstream
from sdks import NODE, NODE_6, PYTHON

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
QUIET = '[server]\n[log]\nlevel = "error"\n[budget]\nstart = 10000\n'
KEY = "sk-reframe"
#: Each SDK, and whether on an event loop.
BUILDS = [(PYTHON, False), (PYTHON, True), (NODE, False), (NODE_6, False)]
#: What chaos answers whole.
TEXT = (
    "The sea wall held through the night. Waves came over the lower steps twice, and both times the water drained before "
    "the next one arrived. By morning the harbour was calm, the lamps were lit, and nobody ashore had noticed."
)


def case_of(gateway, call, **more):
    return {"base_url": gateway.base_url, "api_key": KEY, "call": call, "model": "gpt-4o", "tell": True, **more}


def text_of(call, events):
    if call == "chat_stream":
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


@claim
def a_stream_that_is_answered_with_json_is_read_as_a_stream_by_every_sdk(door):
    """Without the gateway the same SDKs see no event and no error."""
    chaos = door.chaos()
    gateway = door.gateway(QUIET + upstream(chaos))
    bad = {"headers": {"x-chaos": "stream_json"}}
    for build, is_async in BUILDS:
        for call in ("chat_stream", "responses_stream"):
            name = f"{build}{' async' if is_async else ''}, {call}"
            direct = door.sdks.call(build, case_of(gateway, call, **bad) | {"base_url": chaos.base_url, "async": is_async})
            same((direct["outcome"], direct["events"]), ("stream_end", 0), f"{name}, direct")
            mended = door.sdks.call(build, case_of(gateway, call, **bad) | {"async": is_async})
            hold(mended["outcome"] == "stream_end" and mended["events"] > 0, f"{name}: {mended}")
            same(text_of(call, mended["told"]), TEXT, f"{name}: text")
            last = mended["told"][-1]
            if call == "chat_stream":
                same(last["choices"][0]["finish_reason"], "stop", f"{name}: reason to finish")
            else:
                same((last["type"], last["response"]["status"]), ("response.completed", "completed"), f"{name}: end")
    body = json.dumps({"model": "gpt-4o", "stream": True, "messages": []})
    status, headers, told = ask(gateway.port, "POST", CHAT, body, {**JSON, "x-chaos": "stream_json"})
    same((status, headers["content-type"]), (200, ["text/event-stream; charset=utf-8"]), "status and type")
    hold(told.endswith(b"data: [DONE]\n\n") and "content-encoding" not in headers, f"{headers} {told[-100:]}")
    same(headers.get("content-length"), [str(len(told))], "the length, if one is said, is that of the stream")


@claim
def what_is_no_answer_in_place_of_a_stream_is_tried_again_and_then_raised(door):
    """An error in JSON, a page, nothing, an empty stream: once, and every time."""
    chaos = door.chaos()
    gateway = door.gateway(QUIET + '[retry]\ncap = "5ms"\n' + upstream(chaos))
    for fault in ("error_in_200", "html_200", "empty_200", "stream_empty=bare", "stream_error"):
        for build, is_async in BUILDS:
            name = f"{fault}, {build}{' async' if is_async else ''}"
            # A model of its own for each: that one fails is no reason not to ask for another.
            case = case_of(gateway, "chat_stream") | {"async": is_async, "model": name.replace(" ", "-")}
            once = door.sdks.call(build, case | {"prompt": name, "headers": {"x-chaos": f"{fault}*1"}})
            hold(once["outcome"] == "stream_end" and once["events"] > 0, f"{name}, once: {once}")
            always = door.sdks.call(build, case | {"prompt": name, "headers": {"x-chaos": fault}})
            error = always.get("error", {})
            same((always["outcome"], error.get("class")), ("error", "InternalServerError"), f"{name}: {always}")
            hold(error["status_code"] >= 500 and error["seawall"]["x-seawall-attempts"] == "4", f"{name}: {error}")


# A wall that whole answers run into, and streams do not.

#: Failures within 2 % of it are one wall: 80 ms, also on a busy machine.
WALL_S = 4.0
#: Longer than the wall.
ANSWER_S = 5.0
ODDS = [{"token": "It", "logprob": -0.31725305, "bytes": [73, 116], "top_logprobs": []}]
CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "tide", "arguments": '{"at":"noon"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "wind", "arguments": "{}"}},
]
HEAD = {"id": "chatcmpl-9", "created": 1790000000, "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp_9"}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 12,
    "total_tokens": 21,
    "completion_tokens_details": {"reasoning_tokens": 0},
}
#: The answer that there would be, if nobody gave up.
WHOLE = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It \"holds\".\n", "refusal": None, "tool_calls": CALLS},
            "logprobs": {"content": ODDS + ODDS, "refusal": None},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}


def chunk(delta, finish=None, odds=None):
    logprobs = {"content": odds, "refusal": None} if odds else None
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None, "obfuscation": "x7"}


def piece(index, arguments):
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


CHUNKS = [
    chunk({"role": "assistant", "content": "", "refusal": None}),
    chunk({"content": 'It "hol'}, odds=ODDS),
    chunk({"content": 'ds".\n'}, odds=ODDS),
    chunk({"tool_calls": [{"index": 0, **CALLS[0], "function": {"name": "tide", "arguments": ""}}]}),
    chunk(piece(0, '{"at":')),
    chunk({"tool_calls": [{"index": 1, **CALLS[1], "function": {"name": "wind", "arguments": ""}}]}),
    chunk(piece(0, '"noon"}')),
    chunk(piece(1, "{}")),
    chunk({}, finish="tool_calls"),
    {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
]


class Wall(http.server.BaseHTTPRequestHandler):
    """An API behind a proxy that waits for the first byte of an answer, and then says 504."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = {key: body.get(key) for key in ("stream", "stream_options")}
        self.server.asked.append(asked)
        if body["model"] == "behind-no-wall":
            return self.whole(200, WHOLE)
        if not body.get("stream"):
            time.sleep(WALL_S)
            return self.whole(504, {"error": {"message": "upstream request timeout", "type": "server_error", "code": None}})
        has_usage = (body.get("stream_options") or {}).get("include_usage")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for one in CHUNKS if has_usage else CHUNKS[:-1]:
            self.piece(f"data: {json.dumps(one)}\n\n")
            time.sleep(ANSWER_S / len(CHUNKS))
        self.piece("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def piece(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def whole(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@claim
def a_plain_call_of_an_sdk_goes_round_a_wall_that_only_streams_pass(door):
    """After three failures at one moment the same call succeeds, and every field is what it would have been."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wall)
    server.daemon_threads = True
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        walled(door, server)
    finally:
        server.shutdown()
        server.server_close()


def walled(door, server):
    base = f"http://127.0.0.1:{server.server_port}/v1"
    gateway = door.gateway(QUIET + '[stream]\nupgrade = "cliff"\n' + upstream(base))
    # Bodies of one size, to the power of two, whichever SDK wrote them.
    case = case_of(gateway, "chat", prompt="tell me of the sea " * 40)
    # So that nothing is still starting when time is taken.
    plain = {build: door.sdks.call(build, {**case, "model": "behind-no-wall", "async": is_async}) for build, is_async in BUILDS}
    server.asked.clear()
    first = door.sdks.call(PYTHON, case)
    same((first["outcome"], first["error"]["status_code"]), ("error", 504), f"the first call: {first}")
    same(first["error"]["seawall"]["x-seawall-reason"], "ambiguous_max", "two failures are no wall yet")
    second = door.sdks.call(PYTHON, case)
    same(second["outcome"], "ok", f"the call whose first attempt is the third failure: {second}")
    same(server.asked, [{"stream": None, "stream_options": None}] * 3 + [{"stream": True, "stream_options": {"include_usage": True}}], "asked for")
    waits = [(build, door.sdks.begin(build, {**case, "async": is_async})) for build, is_async in BUILDS]
    took = []
    for build, wait in waits:
        result = wait(30)
        same(result["outcome"], "ok", f"{build}: {result}")
        took.append(result["seconds"])
        whole, answer = plain[build]["answer"], result["answer"]
        same(answer, whole, f"{build}: the answer, field by field")
        message = answer["choices"][0]["message"]
        same(message["content"], 'It "holds".\n', f"{build}: content")
        same([call["function"]["arguments"] for call in message["tool_calls"]], ['{"at":"noon"}', "{}"], f"{build}: calls")
        same((answer["usage"]["total_tokens"], answer["choices"][0]["finish_reason"]), (21, "tool_calls"), f"{build}: usage, end")
    hold(ANSWER_S <= min(took) and max(took) < ANSWER_S + 2, f"told after {min(took):.2f} to {max(took):.2f} s, at once round the wall")
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "tell me of the sea " * 40}]})
    status, headers, told = ask(gateway.port, "POST", CHAT, body, JSON)
    found = (status, headers["content-type"], headers.get("x-seawall-upgraded"), headers["x-seawall-attempts"])
    same(found, (200, ["application/json"], ["stream"], ["1"]), "status, type, mark, attempts")
    same(json.loads(told), WHOLE, "the bytes mean the same")
    same(headers.get("content-length"), [str(len(told))], "length")
    print(f"      a wall at {WALL_S:.0f} s, answers of {ANSWER_S:.0f} s: {len(took)} plain calls told after {min(took):.2f} to {max(took):.2f} s")


@claim
def nothing_is_asked_for_as_a_stream_unless_that_is_wanted(door):
    """By default a body goes on byte for byte; a route may want what the rest does not."""
    chaos = door.chaos()
    route = '[[route]]\nmodels = ["gpt-5*"]\nstream_upgrade = "always"\n'
    gateway = door.gateway(QUIET + upstream(chaos) + route)
    for model, is_upgraded in (("gpt-4o", False), ("gpt-5.4", True)):
        body = json.dumps({"model": model, "messages": []})
        status, headers, told = ask(gateway.port, "POST", CHAT, body, JSON)
        same((status, "x-seawall-upgraded" in headers), (200, is_upgraded), f"{model}: status and mark")
        hold(json.loads(told)["object"] == "chat.completion", f"{model}: {told[:100]}")
        seen = chaos.stats()["requests"][-1]
        same((seen["stream"], seen["body_bytes"] == len(body)), (is_upgraded, not is_upgraded), f"{model}: asked for")
