"""Receivers of alerts that write down what they get, and a real Alertmanager."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from claims import hold, same
from programs import Program, answers, ask, free_port

#: What a webhook signs with: made up for the tests, 32 bytes.
SIGNING_KEY = "whsec_" + base64.b64encode(hashlib.sha256(b"seawall door tests").digest()).decode()
ROUTING_KEY = "pd0000000000000000000000000canary"
SLACK_PATH = "/services/T00000000/B00000000/slackcanary"
#: A signature is believed for this long, as Standard Webhooks has it.
SIGNED_WITHIN_S = 300


class Post:
    """Something that a receiver got."""

    def __init__(self, path, headers, body):
        self.at = time.monotonic()
        self.unix = time.time()
        self.path, self.headers, self.body = path, headers, body

    def json(self):
        return json.loads(self.body)

    def strings(self):
        """Every string in it, with the way there: `data.scope.model`."""
        return list(strings("", self.json()))


def strings(place, value):
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield f"{place} (a name)", name
            yield from strings(f"{place}.{name}".lstrip("."), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from strings(f"{place}[{number}]", inner)


class Receiver:
    """Takes what is posted. `answer(number)` is the status for the post of that number, `None` for no answer at all."""

    def __init__(self, answer=lambda number: 200):
        self.lock = threading.Lock()
        self.tried, self.taken = [], []
        self.is_over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with receiver.lock:
                    status = answer(len(receiver.tried))
                    receiver.tried.append(post)
                    if status is not None and status < 300:
                        receiver.taken.append(post)
                if status is None:
                    receiver.is_over.wait()
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.server.shutdown()
        self.server.server_close()

    def posts(self):
        """What was taken so far."""
        with self.lock:
            return list(self.taken)

    def attempts(self):
        """What was tried so far, taken or not."""
        with self.lock:
            return list(self.tried)


class Alertmanager(Program):
    """Debian's, alone, with a folder of its own."""

    def __init__(self, folder, name, config):
        """`config` is the text of its configuration."""
        self.port = free_port()
        file = folder / f"{name}.yml"
        file.write_text(config)
        listen = [f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
        super().__init__(folder, name, ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / name}", *listen])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self):
        return answers(self.port, "/-/ready")

    def post(self, alerts):
        status, _, body = ask(self.port, "POST", "/api/v2/alerts", json.dumps(alerts), {"content-type": "application/json"})
        same(status, 200, f"what Alertmanager says ({body[:500]!r})")

    def alerts(self):
        """The alerts that it holds for going on."""
        status, _, body = ask(self.port, "GET", "/api/v2/alerts")
        same(status, 200, "what Alertmanager says")
        return json.loads(body)


def telling(receiver):
    """An Alertmanager's configuration: `receiver` hears of each alert at once, and once of its end."""
    return (
        "route: {receiver: all, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}\n"
        f"receivers: [{{name: all, webhook_configs: [{{url: '{receiver.url}/', send_resolved: true}}]}}]\n"
    )


# What they get, in the form of each.


def webhook(post, key=SIGNING_KEY):
    """A message by Standard Webhooks whose signature is right: its id, its type, its data."""
    number, at = post.headers["webhook-id"], post.headers["webhook-timestamp"]
    hold("." not in number, f"webhook-id {number} has a full stop, which divides what is signed")
    hold(abs(int(at) - post.unix) < SIGNED_WITHIN_S, f"webhook-timestamp {at}, at {post.unix:.0f}")
    secret = base64.b64decode(key.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(secret, f"{number}.{at}.".encode() + post.body, hashlib.sha256).digest()).decode()
    given = post.headers["webhook-signature"].split(" ")
    hold(any(hmac.compare_digest(one, f"v1,{right}") for one in given), f"signature {given}, expected v1,{right}")
    same(post.headers["content-type"], "application/json", "content-type")
    message = post.json()
    same(set(message), {"type", "timestamp", "data"}, "the fields of a message")
    data = message["data"]
    for field in ("id", "scope", "rule", "since", "counts", "rate", "status_page", "links"):
        hold(field in data, f"no {field} in {sorted(data)}")
    hold(data["id"].startswith("inc_"), f"id {data['id']}")
    return number, message["type"], data


def slack(post):
    """A message for Slack within its limits: its one line."""
    same(post.path, SLACK_PATH, "Slack's path")
    message = post.json()
    hold(message["text"].strip() and "\n" not in message["text"], f"the text of a notification: {message['text']!r}")
    hold(1 <= len(message["blocks"]) <= 50, f"{len(message['blocks'])} blocks")
    for block in message["blocks"]:
        text = block.get("text", {"type": None, "text": ""})
        most = 150 if block["type"] == "header" else 3000
        hold(len(text["text"]) <= most, f"a {block['type']} of {len(text['text'])} characters")
        hold(block["type"] != "header" or text["type"] == "plain_text", f"a header in {text['type']}")
    return message["text"]


def pagerduty(post):
    """An event for PagerDuty within its limits: what is to be done, and its key."""
    event = post.json()
    same(event["routing_key"], ROUTING_KEY, "routing_key")
    hold(event["event_action"] in ("trigger", "resolve"), f"event_action {event['event_action']}")
    hold(0 < len(event["dedup_key"]) <= 255, f"dedup_key {event['dedup_key']}")
    if event["event_action"] == "trigger":
        payload = event["payload"]
        hold(0 < len(payload["summary"]) <= 1024 and payload["source"], f"payload {payload}")
        hold(payload["severity"] in ("critical", "error", "warning", "info"), f"severity {payload['severity']}")
        hold("T" in payload["timestamp"], f"timestamp {payload['timestamp']}")
    return event["event_action"], event["dedup_key"]


def notified(receiver):
    """What Alertmanager told its receiver: each alert's status and labels, in order."""
    return [(alert["status"], alert["labels"]) for post in receiver.posts() for alert in post.json()["alerts"]]
