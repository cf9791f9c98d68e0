"""What the pages are about: a gateway with two upstreams and traffic, that had some trouble, an outage, and names from an
enemy."""

import json

import programs
from programs import ask, upstream, wait_for
from traffic import Traffic

CHAT = "/v1/chat/completions"
MODEL = "gpt-4o"
#: Requests a second.
RATE = 30
#: For anything that is only waited for.
SEEN_S = 30
#: One attempt in seven fails, and an answer takes its time.
NOISE = ("--fault", "500:0.14", "--latency", "20ms..60ms")
#: The second upstream has some of its own.
BESIDE = ("--fault", "500:0.2", "--latency", "30ms..90ms")
OVERLOADED = [
    {
        "status": 503,
        "headers": {"x-request-id": "req_5e4f3c2b1a"},
        "body": {"error": {"message": "The engine is currently overloaded, please try again later", "type": "server_error", "code": "overloaded"}},
    }
]
#: What a page would run, or be turned by, if it could.
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>\u202e\u200b{{7*7}}&lt;"
SERVER = '[server]\n[retry]\ncap = "300ms"\n'
TOKEN = "admin-token-0123456789abcdef"


def call(gateway, model, content, fault=None):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]})
    headers = {"content-type": "application/json", **({"x-chaos": fault} if fault else {})}
    return ask(gateway.port, "POST", CHAT, body, headers, timeout=60)


def traffic(gateway):
    """Requests, each with a body of its own."""
    return Traffic(lambda number: call(gateway, MODEL, f"question {number}")[0], RATE, callers=32)


class Scene:
    """Two upstreams: the second serves what the first does not, and helps out where it fails."""

    def __init__(self, door, noise=NOISE, beside=BESIDE):
        self.door = door
        self.openai = door.chaos(*noise, name="openai")
        self.azure = door.chaos(*beside, name="azure")
        config = SERVER + upstream(self.openai, name="openai", extra='models = ["gpt-4o"]', key="sk-browser-canary-1") + upstream(
            self.azure, name="azure-eu", extra='models = ["gpt-4o*"]\npriority = 2', key="sk-browser-canary-2"
        )
        self.gateway = door.gateway(config)
        self.base = f"http://127.0.0.1:{self.gateway.admin}"

    def api(self, path):
        status, _, body = ask(self.gateway.admin, "GET", f"/api/v1/{path}")
        return json.loads(body) if status == 200 else None

    def incident(self):
        """The id of an incident that is open at the first upstream, once there is one."""

        def found():
            rows = self.api("incidents")["incidents"]
            return next((row["id"] for row in rows if row["upstream"] == "openai" and row["state"] == "open" and row["kind"] == "failures"), None)

        return wait_for("an incident", SEEN_S, found)

    def request(self):
        """The id of a failed request that had several attempts, and of one that a retry saved."""

        def found():
            rows = [row["request_id"] for row in self.api("failures?limit=200")["failures"] if row["attempt"] > 1]
            return rows[0] if rows else None

        return wait_for("a request of several attempts", SEEN_S, found)

    def break_down(self):
        self.openai.script(OVERLOADED)

    def recover(self):
        self.openai.reset()


__all__ = ["CHAT", "HOSTILE", "MODEL", "SEEN_S", "SERVER", "TOKEN", "Scene", "call", "programs", "traffic"]
