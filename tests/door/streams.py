"""Streams that are held to their end, kept on the line, or taken up again: what the official SDKs make of it."""

import json
import time

from claims import claim, hold, same
from programs import upstream, wait_for
from sdks import NODE, NODE_6, PYTHON

KEY = "sk-stream"
QUIET = '[log]\nlevel = "error"\n'
SDKS = (PYTHON, NODE, NODE_6)


def case(gateway, number, fault=None, **more):
    headers = {"x-chaos": fault} if fault else {}
    prompt = f"question {number}"
    made = {"base_url": gateway.base_url, "api_key": KEY, "call": "chat_stream", "model": "gpt-4o", "prompt": prompt}
    return {**made, "headers": headers, **more}


@claim
def a_stream_held_to_its_end_reaches_the_sdks_whole_however_late_it_breaks(door):
    """`commit = "buffer"`: cut, reset or silent after three chunks, and no SDK notices anything."""
    chaos = door.chaos("--chunks", "6")
    gateway = door.gateway('[server]\n[stream]\ncommit = "buffer"\n[timeout]\nbyte_idle = "500ms"\n' + QUIET + upstream(chaos))
    whole = door.sdks.call(PYTHON, case(gateway, "whole"))["events"]
    faults = ("stream_cut=3*1", "truncated=3*1", "body_reset=3*1", "stall=3*1")
    before = chaos.stats()["attempts"]
    for build in SDKS:
        for fault in faults:
            result = door.sdks.call(build, case(gateway, f"{build} {fault}", fault))
            hold(result["outcome"] == "stream_end", f"{build}, {fault}: {result}")
            same(result["events"], whole, f"events of {build} after {fault}")
    same(chaos.stats()["attempts"] - before, 2 * len(SDKS) * len(faults), "attempts")
    # One request may say otherwise, and hears of the cut.
    headers = {"x-chaos": "stream_cut=3", "x-seawall-stream": "content"}
    result = door.sdks.call(PYTHON, case(gateway, "not held", headers=headers))
    hold(result["outcome"] != "stream_end" and "seawall_stream_interrupted" in json.dumps(result), f"{result}")


@claim
def a_caller_kept_on_the_line_gets_its_stream_or_an_exception(door):
    """`comment_after`: comments are passed over by every SDK, and a failure after them is raised."""
    chaos = door.chaos("--latency", "900ms", "--chunks", "6")
    settings = '[server]\n[stream]\ncomment_after = "200ms"\n[retry]\ncap = "5ms"\n'
    gateway = door.gateway(settings + QUIET + upstream(chaos))
    for build in SDKS:
        result = door.sdks.call(build, case(gateway, build, "500*1"))
        hold(result["outcome"] == "stream_end" and result["events"] >= 6, f"{build}: {result}")
        began = time.monotonic()
        result = door.sdks.call(build, case(gateway, f"{build} fails", "500"))
        said = json.dumps(result)
        hold(result["outcome"] != "stream_end" and "error" in said.lower(), f"{build}: {result}")
        hold(time.monotonic() - began < 20, f"{build}: {result}")
    same(chaos.stats()["attempts"], len(SDKS) * (2 + 4), "attempts: none of the SDKs asked again by itself")
    code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
    hold(code == 0, err)
    same(len(out.splitlines()), len(SDKS) * 5, "failures on record")


def event(kind, number, **rest):
    data = {"type": kind, "sequence_number": number, **rest}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def responses(words):
    """The events of a Responses stream in the background."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(words)
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o", "background": True}
    events = [event("response.created", 0, response={**base, "status": "queued", "output": []})]
    for number, word in enumerate(words, 1):
        events.append(event("response.output_text.delta", number, delta=word, **at))
    done = {**base, "status": "completed", "output": [item]}
    events.append(event("response.completed", len(words) + 1, response=done))
    return events


@claim
def a_responses_stream_in_the_background_is_taken_up_where_it_broke(door):
    """`on_break = "resume"`: cut twice, and the SDKs get every event once."""
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[stream]\non_break = "resume"\n' + QUIET + upstream(chaos))
    events = responses(["Once", " upon", " a", " time"])
    head = {"content-type": "text/event-stream"}
    cuts = [
        {"headers": head, "parts": ["".join(events[:2]) + events[2][:40], {"reset": True}]},
        {"headers": head, "parts": ["".join(events[2:4]), {"close": True}]},
        {"headers": head, "parts": ["".join(events[3:])]},
    ]
    for build in SDKS:
        chaos.script(cuts)
        call = {"base_url": gateway.base_url, "api_key": KEY, "call": "responses_stream", "model": "gpt-4o"}
        result = door.sdks.call(build, {**call, "prompt": "hello", "extra": {"background": True, "store": True}})
        hold(result["outcome"] == "stream_end", f"{build}: {result}")
        same(result["events"], len(events), f"events of {build}")
        asked = [(one["method"], one["query"]) for one in chaos.stats()["requests"][-3:]]
        resumed = [("GET", f"stream=true&starting_after={seen}") for seen in (1, 3)]
        same(asked, [("POST", None), *resumed], f"requests of {build}")
    wait_for("what broke is on record", 5, lambda: recorded(door, gateway) == [("mid_stream", "resume")] * 2 * len(SDKS))


def recorded(door, gateway):
    code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
    hold(code == 0, err)
    return [(row["class"], row["reason"]) for row in map(json.loads, out.splitlines())]


@claim
def an_sdk_that_times_out_and_asks_again_gets_its_first_answer_for_one_bill(door):
    """`[adopt] enabled = true`: a timeout of 1 s before an answer that takes 2.2 s, and one attempt upstream."""
    chaos = door.chaos()
    gateway = door.gateway("[server]\n[adopt]\nenabled = true\n" + QUIET + upstream(chaos))
    for number, build in enumerate(SDKS, 1):
        slow = case(gateway, f"slow {build}", "slow=2200ms", call="chat", timeout_s=1)
        result = door.sdks.call(build, slow)
        hold(result["outcome"] == "ok", f"{build}: {result}")
        same(chaos.stats()["attempts"], number, f"attempts after {build}")
    adopted = gateway.total("seawall_adopted_total")
    hold(adopted >= len(SDKS), f"{adopted} adopted")
