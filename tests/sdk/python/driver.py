"""Drives the official Python SDK: one case a line on stdin, one result a line on stdout.

The SDK is used as people use it: default settings, one client for many calls. Cases run at the
same time, on threads (`"async": true`: on one event loop); results come in the order in which
they end, each with its case's `id`. With `"tell": true` a result has the answer too, or the events.
"""

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai

WORKERS = 48

lock = threading.Lock()
clients = {}


def client_of(case, kind):
    """One client for each address and key; a case's own settings are an option on top of it."""
    key = (kind, case["base_url"], case["api_key"])
    with lock:
        if key not in clients:
            clients[key] = kind(base_url=case["base_url"], api_key=case["api_key"])
        client = clients[key]
    options = {}
    if case.get("timeout_s") is not None:
        options["timeout"] = case["timeout_s"]
    if case.get("max_retries") is not None:
        options["max_retries"] = case["max_retries"]
    if case.get("headers"):
        options["default_headers"] = case["headers"]
    return client.with_options(**options) if options else client


def request(client, case):
    """The call of a case, not yet begun."""
    model, prompt = case["model"], case["prompt"]
    messages = [{"role": "user", "content": prompt}]
    call = case["call"]
    extra = case.get("extra") or {}
    if call == "chat":
        return lambda: client.chat.completions.create(model=model, messages=messages)
    if call == "chat_stream":
        return lambda: client.chat.completions.create(model=model, messages=messages, stream=True, **extra)
    if call == "completions_stream":
        return lambda: client.completions.create(**{"model": model, "prompt": prompt, "stream": True, **extra})
    if call == "images_stream":
        return lambda: client.images.generate(model=model, prompt=prompt, stream=True)
    if call == "responses":
        return lambda: client.responses.create(model=model, input=prompt)
    if call == "responses_stream":
        return lambda: client.responses.create(model=model, input=prompt, stream=True, **extra)
    if call == "embeddings":
        return lambda: client.embeddings.create(model=model, input=prompt)
    if call == "models":
        return lambda: client.models.list()
    if call == "assistants_stream":
        # Gone from the API, and still in the SDK.
        return lambda: client.beta.threads.create_and_run(assistant_id="asst_1", model=model, stream=True)
    raise ValueError(f"no call {call!r}")


def told(error):
    """What a program could tell from the exception."""
    body = getattr(error, "body", None)
    headers = getattr(getattr(error, "response", None), "headers", {})
    return {
        "class": type(error).__name__,
        "status_code": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "type": getattr(error, "type", None),
        "request_id": getattr(error, "request_id", None),
        "body_request_id": body.get("request_id") if isinstance(body, dict) else None,
        "message": str(error)[:2000],
        "seawall": {name: value for name, value in headers.items() if name.startswith("x-seawall-")},
    }


def done(case, value):
    answer = {"answer": value.model_dump()} if case.get("tell") else {}
    return {"outcome": "ok", "request_id": getattr(value, "_request_id", None), **answer}


def ended(case, events):
    return {"outcome": "stream_end", "events": len(events), **({"told": events} if case.get("tell") else {})}


def event_of(case, event):
    """What is remembered of an event: all of it if it is to be told."""
    return event.model_dump() if case.get("tell") else None


def told_of_socket(error):
    """The same of a WebSocket's end: `websockets` has exceptions of its own."""
    close = getattr(error, "rcvd", None)
    return {
        **told(error),
        "status_code": getattr(getattr(error, "response", None), "status_code", None),
        "close_code": getattr(close, "code", None),
        "message": getattr(close, "reason", None) or str(error)[:2000],
    }


def message(number):
    return {"type": "conversation.item.retrieve", "event_id": f"event_{number}", "item_id": "item_1"}


def converse(case):
    """A greeting, then as many messages as the case says, each of which comes back."""
    events = 0
    client = client_of(case, openai.OpenAI)
    try:
        with client.realtime.connect(model=case["model"]) as connection:
            events += connection.recv().type == "session.created"
            for number in range(case["messages"]):
                connection.send(message(number))
                events += connection.recv().event_id == f"event_{number}"
        return {"outcome": "ok", "events": events}
    except Exception as error:  # noqa: BLE001
        return {"outcome": "error", "events": events, "error": told_of_socket(error)}


async def converse_async(case):
    events = 0
    client = client_of(case, openai.AsyncOpenAI)
    try:
        async with client.realtime.connect(model=case["model"]) as connection:
            events += (await connection.recv()).type == "session.created"
            for number in range(case["messages"]):
                await connection.send(message(number))
                events += (await connection.recv()).event_id == f"event_{number}"
        return {"outcome": "ok", "events": events}
    except Exception as error:  # noqa: BLE001
        return {"outcome": "error", "events": events, "error": told_of_socket(error)}


def run(case):
    events, opened = [], False
    if case["call"] == "realtime":
        return converse(case)
    try:
        value = request(client_of(case, openai.OpenAI), case)()
        if not case["call"].endswith("_stream"):
            if case["call"] == "models":
                return {"outcome": "ok", "request_id": getattr(value, "_request_id", None)}
            return done(case, value)
        opened = True
        for event in value:
            events.append(event_of(case, event))
        return ended(case, events)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the result
        return {"outcome": "error", "events": len(events), "opened": opened, "error": told(error)}


async def run_async(case):
    events, opened = [], False
    if case["call"] == "realtime":
        return await converse_async(case)
    try:
        value = await request(client_of(case, openai.AsyncOpenAI), case)()
        if not case["call"].endswith("_stream"):
            return done(case, value)
        opened = True
        async for event in value:
            events.append(event_of(case, event))
        return ended(case, events)
    except Exception as error:  # noqa: BLE001
        return {"outcome": "error", "events": len(events), "opened": opened, "error": told(error)}


def say(case, result):
    result["id"] = case["id"]
    with lock:
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


def main():
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    waits = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for line in sys.stdin:
            case = json.loads(line)
            if case.get("async"):
                future = asyncio.run_coroutine_threadsafe(run_async(case), loop)
                future.add_done_callback(lambda future, case=case: say(case, future.result()))
                waits.append(future)
            else:
                pool.submit(lambda case=case: say(case, run(case)))
    for future in waits:
        future.exception()


if __name__ == "__main__":
    main()
