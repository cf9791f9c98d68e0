"""A provider's status page stands beside what is seen, and decides nothing.

The page here lies on purpose, in both directions: it says that all is well while everything fails, and
that everything is down while all is well.
"""

import datetime
import http.server
import json
import threading

from claims import claim, hold, same
from programs import ask, upstream, wait_for

CHAT = "/v1/chat/completions"
KEY = "sk-page-canary"
#: The breakers are looked at every 5 s, and a page is asked up to 2 s later.
ASKED_S = 20
#: Distinct requests: a breaker must not hear of a single one that is asked again and again.
REQUESTS = 12


def words(indicator, status, incidents=()):
    component = {"id": "a", "name": "Chat Completions", "status": status, "group": None}
    said = {"indicator": indicator, "description": f"it is {indicator}"}
    return {"page": {"name": "Provider"}, "status": said, "components": [component], "incidents": list(incidents)}


class Page:
    """A status page, what it says, and what it was asked."""

    def __init__(self, says):
        self.says, self.asked = says, []
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                page.asked.append((self.path, dict(self.headers)))
                body = json.dumps(page.says).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def calls(gateway, fault=None):
    """So many different requests, of which the upstream fails all or none, and their statuses."""
    found = []
    for number in range(REQUESTS):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]})
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **({"x-chaos": fault} if fault else {})}
        found.append(ask(gateway.port, "POST", CHAT, body, headers)[0])
    return found


def indicator(gateway):
    status, _, body = ask(gateway.admin, "GET", "/api/v1/status")
    same(status, 200, "/api/v1/status")
    page = json.loads(body)["upstreams"][0]["page"]
    return page and page["indicator"]


@claim
def a_status_page_is_asked_once_its_upstream_fails_and_decides_nothing(door):
    with Page(words("none", "operational")) as page:
        chaos = door.chaos()
        config = '[server]\n[status_page]\nevery = "10s"\n' + upstream(chaos, f'status_page = "{page.url}"')
        gateway = door.gateway(config)
        same(calls(gateway), [200] * REQUESTS, "requests while all is well")
        same((page.asked, indicator(gateway)), ([], None), "the page while all is well")

        failed = calls(gateway, "500")
        hold(all(status >= 500 for status in failed), f"a dead upstream answered {failed}")
        wait_for("the page is asked", ASKED_S, lambda: indicator(gateway) == "none")
        for path, headers in page.asked:
            same(path, "/api/v2/summary.json", "what the page was asked for")
            hold(KEY not in str(headers), f"the page was sent a key: {headers}")
        hold(gateway.total("seawall_status_page", indicator="none") == 1, "the metric does not say what the page says")
        refused = calls(gateway, "500")
        hold(all(status >= 500 for status in refused), f"a page that says all is well made requests succeed: {refused}")

        now = datetime.datetime.now(datetime.timezone.utc)
        incident = {"id": "01A", "name": "All is down", "status": "identified", "impact": "critical", "created_at": now.isoformat()}
        page.says = words("critical", "major_outage", [incident])
        wait_for("requests succeed again", ASKED_S, lambda: calls(gateway) == [200] * REQUESTS)
        code, out, err = door.run("status", "--json", "--config", gateway.config, "--data-dir", gateway.data)
        same((code, err), (0, ""), "seawall status")
        told = json.loads(out)
        same((told["upstream"], told["page"]["api"], told["first"]["who"]), ("chaos", "major_outage", "here"), "what it tells")
        same([breaker["model"] for breaker in told["breakers"]], ["m"], "the breakers of the running gateway")
        hold(told["here"]["failures"] >= REQUESTS and told["here"]["request_ids"], f"of the record: {told['here']}")
        same(calls(gateway), [200] * REQUESTS, "requests while the page says that all is down")
