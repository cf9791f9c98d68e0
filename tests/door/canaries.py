"""Keys and prompts that must be found nowhere: not in the journal, the logs, the metrics, nor in
any text that Seawall writes.

A canary is looked for as it is, URL-encoded and in base64 at every alignment, and by each piece of
its secret part that is long enough to be of use to somebody.
"""

import base64
import http.client
import json
import pathlib
import socket
import urllib.parse

from claims import claim, hold
from live import Live
from programs import ask, upstream

SECRET = "Zq7Vx2Kp9Wm4Ty6Rb8Nd3Hf5Jg1Lc0Ds"
KEY = f"sk-proj-{SECRET}"
PROMPT = "the heron Quillfeather-Moonbarrow-77 wades in marmalade"
PROMPT_PARTS = ["Quillfeather", "Moonbarrow-77", "marmalade"]
#: A shorter piece of a key is of no use to anybody.
PIECE = 8


def closed_port():
    """A port that refuses: bound, so that nobody else gets it, and not listened at."""
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    return one


def forms(secret):
    """Every spelling in which a secret could slip out."""
    found = {secret, urllib.parse.quote(secret, safe="")}
    raw = secret.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw)
        # The first and the last characters depend on what stands beside the secret.
        found.add(encoded[4:-4].decode())
        found.add(base64.urlsafe_b64encode(b"x" * shift + raw)[4:-4].decode())
    return {form for form in found if len(form) >= PIECE}


def pieces(secret):
    return {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}


def needles(secrets=(SECRET,), prompts=(PROMPT, *PROMPT_PARTS)):
    found = set()
    for secret in secrets:
        found |= forms(secret) | pieces(secret)
    for prompt in prompts:
        found |= forms(prompt)
    return {needle.encode() for needle in found}


def hits(text, looked_for):
    data = text if isinstance(text, bytes) else text.encode()
    return [needle for needle in looked_for if needle in data]


def sinks(gateways):
    """Everything that a gateway writes, by name."""
    for gateway in gateways:
        yield f"{gateway.name} stdout", gateway.out.read_bytes()
        yield f"{gateway.name} stderr", gateway.err.read_bytes()
        for file in sorted(pathlib.Path(gateway.data).rglob("*")):
            if file.is_file():
                yield f"{gateway.name} {file.relative_to(gateway.data)}", file.read_bytes()
        if not gateway.is_over():
            pages = ("summary", "upstreams", "failures?limit=1000", "incidents", "alerts", "status", "openapi.json")
            for path in ("/metrics", "/readyz?verbose", "/", *(f"/api/v1/{page}" for page in pages)):
                yield f"{gateway.name} {path}", ask(gateway.admin, "GET", path)[2]


def look_everywhere(door, gateways, texts, looked_for=None):
    """Fails if a canary is in any sink, or in one of `texts`."""
    looked_for = looked_for or needles()
    looked_at = 0
    found = []
    # A row that lies on two pages of the file is whole here.
    for verb in (["failures"], ["incidents", "--all"], ["bill"]):
        told = {f"{verb[0]} of {g.name}": door.run(*verb, "--json", "--data-dir", g.data)[1] for g in gateways}
        texts = {**texts, **told}
    for name, data in [*sinks(gateways), *((name, text.encode()) for name, text in texts.items())]:
        looked_at += len(data)
        for needle in hits(data, looked_for)[:1]:
            at = data.find(needle)
            found.append(f"{name}: {needle.decode()} in …{data[max(0, at - 60) : at + 60]!r}…")
    hold(not found, f"{len(found)} hits:\n" + "\n".join(found[:10]))
    for gateway in gateways:
        hold(any(pathlib.Path(gateway.data).rglob("*.db*")) or any(pathlib.Path(gateway.data).rglob("*.sqlite*")), "there is no journal to look into")
    hold(looked_at > 10_000, f"only {looked_at} bytes were looked at")


#: Where a caller can put a key, and what makes of it one with a name of its own.
PLACES = {
    "authorization": lambda secret: ("/v1/chat/completions", {"authorization": f"Bearer sk-{secret}"}),
    "basic": lambda secret: ("/v1/chat/completions", {"authorization": "Basic " + base64.b64encode(f"u:{secret}".encode()).decode()}),
    "api-key": lambda secret: ("/v1/chat/completions", {"api-key": secret}),
    "x-api-key": lambda secret: ("/v1/chat/completions", {"x-api-key": secret}),
    "cookie": lambda secret: ("/v1/chat/completions", {"cookie": f"session={secret}; theme=dark"}),
    "openai-organization": lambda secret: ("/v1/chat/completions", {"openai-organization": f"org-{secret}"}),
    "openai-project": lambda secret: ("/v1/chat/completions", {"openai-project": f"proj_{secret}"}),
    "key in the query": lambda secret: (f"/v1/chat/completions?key={secret}", {}),
    "api-key in the query": lambda secret: (f"/v1/chat/completions?api-key={secret}", {}),
    "subprotocol": lambda secret: ("/v1/chat/completions", {"sec-websocket-protocol": f"realtime, openai-insecure-api-key.{secret}"}),
    "x-goog-api-key": lambda secret: ("/v1/chat/completions", {"x-goog-api-key": secret}),
    "proxy-authorization": lambda secret: ("/v1/chat/completions", {"proxy-authorization": f"Bearer {secret}"}),
}
FAULTS = ["500", "echo", "echo-429", "echo-400", "html", "text", "empty", "reset", "garbage", "truncated", "error_in_200", "html200", "401", "429-quota"]


@claim
def a_key_or_a_prompt_is_written_nowhere_whatever_goes_wrong(door):
    """Keys in every place, prompts in every form, an upstream that echoes them."""
    chaos = door.chaos()
    config = '[server]\n[retry]\ncap = "5ms"\n[retry.class.ambiguous]\nbase = "5ms"\n[log]\nformat = "json"\nlevel = "trace"\n'
    passing = door.gateway(config + upstream(chaos))
    own = "Mb4Kw8Tn2Xr6Gv0Yc5Pz9Qh3Lf7Jd1Sa"
    keyed = door.gateway(config + upstream(chaos, key=f"sk-{own}"), name="gateway-keyed")
    secrets, told = [own], {}
    with Live(passing.admin) as one, Live(keyed.admin) as other:
        for number, (place, put) in enumerate(PLACES.items()):
            secret = "".join(chr(ord("A") + (number * 7 + at * 11) % 26) + str((number + at * 3) % 10) for at in range(16))
            secrets.append(secret)
            path, headers = put(secret)
            for gateway in (passing, keyed):
                for fault in FAULTS:
                    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}], "user": PROMPT}
                    headers = {**headers, "content-type": "application/json", "x-chaos": fault}
                    try:
                        status, found, text = ask(gateway.port, "POST", path, json.dumps(body), headers)
                    except (OSError, http.client.HTTPException) as error:
                        raise AssertionError(f"{place} with {fault}: {error}") from error
                    hold(status >= 400, f"{place} with {fault} was answered {status}")
                    # What an upstream says goes to the caller it belongs to; what we say must not hold it.
                    is_ours = "echo" not in fault
                    told[f"{place} with {fault} at {gateway.name}"] = (text.decode(errors="replace") if is_ours else "") + json.dumps(found)
        for name, live in (("live", one), ("live-keyed", other)):
            live.first("failure")
            live.first("summary")
            told[name] = json.dumps(live.heard)
    look_everywhere(door, [passing, keyed], told, needles(secrets))


@claim
def a_planted_key_or_prompt_is_found_in_every_spelling(door):
    looked_for = needles()
    for planted in (
        f"token={KEY}",
        f"…{SECRET[10:18]}…",
        urllib.parse.quote(f"q={PROMPT}&x"),
        *(base64.b64encode(("y" * shift + f"user:{KEY} ").encode()).decode() for shift in range(3)),
        *(base64.b64encode(("y" * shift + f"said: {PROMPT}.").encode()).decode() for shift in range(3)),
        "Quillfeather",
    ):
        hold(hits(planted, looked_for), f"not found in {planted!r}")
    hold(not hits("nothing of the kind, sk-proj-, the heron, org-chaos", looked_for), "found where there is none")
