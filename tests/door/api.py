"""The JSON API of the admin side, at a gateway that has something to tell: every page, and what no page may say."""

import json

from claims import claim, hold, same
from live import HEARD_S, Live
from programs import ask, upstream, wait_for

CHAT = "/v1/chat/completions"
MODEL = "gpt-4o"
#: What a terminal, a browser, a chat or a table would obey.
HOSTILE = "=cmd()|@channel\x1b[2J\r\n<script>alert(1)</script>\u202e\u2028"
TOKEN = "admin-token-0123456789abcdef"
OUTAGE = [{"status": 500, "body": {"error": {"message": "The server had an error", "type": "server_error"}}}]
QUICK = '[retry]\ncap = "5ms"\n'
#: Requests that fail, each with a body of its own: the fourth opens an incident.
FAILING = 8
#: What every answer carries.
ALWAYS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


def call(gateway, model, content, fault=None):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]})
    headers = {"content-type": "application/json", **({"x-chaos": fault} if fault else {})}
    return ask(gateway.port, "POST", CHAT, body, headers)


def told(gateway, path, expected=200, headers=None):
    status, found, body = ask(gateway.admin, "GET", path, headers=headers)
    same(status, expected, path)
    for name, value in ALWAYS.items():
        same(found.get(name), [value], f"{name} of {path}")
    hold("default-src 'self'" in found["content-security-policy"][0], f"{path} has no content security policy")
    same(found["content-type"], ["application/json"], f"type of {path}")
    active = [hex(byte) for byte in body if byte < 0x20 and byte != 0x0A]
    hold(not active and b"\xe2\x80\xae" not in body, f"{path} holds what a terminal obeys: {active}")
    return json.loads(body)


def phases_in_order(attempt, of):
    """What must hold of every attempt: the moments that it came to are in their order."""
    keys = ["connected_ms", "secured_ms", "sent_ms", "first_byte_ms", "first_content_ms", "elapsed_ms"]
    present = [attempt[key] for key in keys if attempt[key] is not None]
    hold(present == sorted(present) and present[0] >= 0, f"the moments of {of} are not in order: {attempt}")
    same(attempt["connection"] == "new", attempt["connected_ms"] is not None, f"a connection was made for {of}")
    same(attempt["status"] is not None, attempt["first_byte_ms"] is not None, f"a head came for {of}")


@claim
def each_page_of_the_api_tells_what_went_wrong_and_live_hears_of_the_incident(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + QUICK + upstream(chaos))
    same(call(gateway, MODEL, "well")[0], 200, "before the outage")
    with Live(gateway.admin) as live:
        same(live.reply.getheader("content-type"), "text/event-stream", "type of live")
        chaos.script(OUTAGE, MODEL)
        ids = []
        for number in range(FAILING):
            status, headers, _ = call(gateway, MODEL, f"question {number}")
            same(status, 500, "in the outage")
            ids.append(headers["x-seawall-request-id"][0])
        opened = live.first("incident", lambda data: data["what"] == "incident.opened")
        same((opened["upstream"], opened["model"], opened["kind"]), ("chaos", MODEL, "failures"), "the incident heard of")
        failure = live.first("failure")
        same((failure["status"], failure["class"], failure["model"]), (500, "server_error", MODEL), "the failure heard of")
        summary = live.first("summary", lambda data: data["last_minute"]["failed"] >= FAILING)
        hold(summary["incidents"], "the summary heard has the incident")

    summary = told(gateway, "/api/v1/summary")
    minute = summary["last_minute"]
    same((minute["answered"], minute["failed"], minute["first_answered"]), (1, FAILING, 1), "the last minute")
    same(minute["success"], 1 / (1 + FAILING), "success as callers see it")
    hold(minute["extra_attempts"] >= 1 and summary["first_content"]["count"] >= 1, f"{summary}")
    same([one["id"] for one in summary["incidents"]], [opened["id"]], "open incidents")
    same((summary["ready"], summary["journal"]["state"]), (True, "ok"), "the gateway itself")

    [one] = told(gateway, "/api/v1/upstreams")["upstreams"]
    same((one["name"], one["last_failure"]["status"], len(one["minutes"])), ("chaos", 500, 90), "the upstream")
    wait_for("the minutes", HEARD_S, lambda: sum(m["failed"] for m in told(gateway, "/api/v1/upstreams")["upstreams"][0]["minutes"]) >= FAILING)

    page = told(gateway, f"/api/v1/failures?limit=3&incident={opened['id']}")
    same(len(page["failures"]), 3, "a page")
    rest = told(gateway, f"/api/v1/failures?limit=1000&incident={opened['id']}&after={page['next']}")
    same(rest["next"], None, "the last page")
    listed = [(row["request_id"], row["attempt"]) for row in page["failures"] + rest["failures"]]
    same(len(listed), len(set(listed)), "each attempt once")
    hold(set(ids) <= {request for request, _ in listed}, "a failed request is in no page")
    _, out, _ = door.run("failures", "--json", "--data-dir", gateway.data)
    rows = [json.loads(line) for line in out.splitlines()]
    same(told(gateway, "/api/v1/failures?limit=1000")["failures"], rows, "the rows of `seawall failures --json`")
    bad = told(gateway, "/api/v1/failures?limit=many", expected=400)
    same(bad["parameter"], "limit", "what is wrong")

    groups = told(gateway, "/api/v1/groups?since=1h&buckets=6")
    same((groups["complete"], groups["unlisted"], groups["attempts"]), (True, 0, len(rows)), "all attempts are in groups")
    same(sum(group["count"] for group in groups["groups"]), len(rows), "each in one")
    for group in groups["groups"]:
        same((len(group["spark"]), sum(group["spark"])), (6, group["count"]), "the course of a group")
        of_it = told(gateway, f"/api/v1/failures?limit=1000&group={group['group']}")["failures"]
        same((len(of_it), of_it[0]["request_id"]), (group["count"], group["request_id"]), "the attempts of a group")
    _, out, _ = door.run("failures", "--groups", "--json", "--data-dir", gateway.data)
    listed = sorted(json.loads(line)["group"] for line in out.splitlines())
    same(listed, sorted(group["group"] for group in groups["groups"]), "the groups of `seawall failures --groups`")
    bad = told(gateway, "/api/v1/groups?sort=size", expected=400)
    same(bad["parameter"], "sort", "what is wrong")

    found = told(gateway, f"/api/v1/requests/{ids[-1]}")
    _, out, _ = door.run("show", ids[-1], "--json", "--data-dir", gateway.data)
    same(found, {"requests": [json.loads(out)], "more": False}, "the request of `seawall show --json`")
    for attempt in found["requests"][0]["attempts"]:
        phases_in_order(attempt, attempt["client_request_id"])
        hold(attempt["sent_ms"] is not None, f"it was answered without having been sent: {attempt}")
    hold("error" in told(gateway, "/api/v1/requests/sw_nobody", expected=404), "an unknown request is no error")

    same(told(gateway, f"/api/v1/incidents/{opened['id']}")["id"], opened["id"], "the incident")
    hold(told(gateway, "/api/v1/alerts")["receivers"] == [], "nobody is alerted")
    same(told(gateway, "/api/v1/status")["upstreams"][0]["upstream"], "chaos", "the status page")
    described = told(gateway, "/api/v1/openapi.json")
    same(described["openapi"], "3.1.0", "the description")
    hold("/api/v1/live" in described["paths"], "live is described")

    error = {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}
    chaos.script([{"status": 500, "body": {"error": error}}], "other")
    with Live(gateway.admin) as live:
        wait_for("live", HEARD_S, lambda: live.heard)
        call(gateway, "other", "hostile")
        heard = live.first("failure")
        hold("<script>" in heard["error_code"], f"what the upstream said is not told: {heard}")
    row = told(gateway, "/api/v1/failures?limit=1")["failures"][0]
    hold("<script>" in row["error_code"], f"what the upstream said is not on record: {row}")
    told(gateway, "/api/v1/upstreams")


@claim
def live_ends_when_the_gateway_does_and_says_that_it_drains(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + QUICK + upstream(chaos))
    with Live(gateway.admin) as live:
        live.first("summary", lambda data: data["ready"])
        gateway.end()
        hold(live.is_over.wait(HEARD_S), "the stream did not end")
    hold(not gateway.said().count("panicked"), gateway.said())


@claim
def nobody_without_the_token_from_elsewhere_or_by_another_name_sees_the_api(door):
    chaos = door.chaos()
    gateway = door.gateway(f'[server]\nadmin_token = "{TOKEN}"\n' + QUICK + upstream(chaos))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    told(gateway, "/api/v1/summary", headers=bearer)
    for path in ("summary", "upstreams", "failures", "requests/sw_1", "status", "incidents", "alerts", "openapi.json", "live", "nothing"):
        hold("error" in told(gateway, f"/api/v1/{path}", expected=401), f"{path} is open")
        hold("error" in told(gateway, f"/api/v1/{path}", expected=401, headers={"authorization": f"Bearer {TOKEN}x"}), f"{path} takes any token")
        for elsewhere in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            hold("error" in told(gateway, f"/api/v1/{path}", expected=403, headers={**bearer, **elsewhere}), f"{path} is shown to {elsewhere}")
    same(ask(gateway.admin, "GET", "/livez")[0], 200, "/livez is open")


@claim
def a_gateway_is_named_by_its_admin_side_where_its_data_directory_is_somewhere_else(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + QUICK + upstream(chaos))
    chaos.script(OUTAGE, MODEL)
    for number in range(FAILING):
        same(call(gateway, MODEL, f"question {number}")[0], 500, "in the outage")
    [incident] = wait_for("the incident", HEARD_S, lambda: [row for row in told(gateway, "/api/v1/incidents")["incidents"] if row["upstream"]])
    there = ("--admin", f"127.0.0.1:{gateway.admin}", "--data-dir", door.folder / "nothing-here")
    code, out, err = door.run("incidents", "ack", incident["id"], *there)
    same(code, 0, f"seawall incidents ack: {err}")
    hold("is known" in out, out)
    hold(told(gateway, f"/api/v1/incidents/{incident['id']}")["acknowledged"], "the gateway does not know of it")
    same(door.run("incidents", "ack", "inc_0", *there)[0], 1, "an incident that is not open")
    code, out, err = door.run("status", "--no-fetch", "--json", *there, "--config", gateway.config)
    same(code, 0, f"seawall status: {err}")
    models = [breaker["model"] for line in out.splitlines() for breaker in json.loads(line)["breakers"]]
    same(models, [MODEL], "of which models that gateway has breakers")
    code, out, err = door.run("top", "--once", "--json", *there)
    same(code, 0, f"seawall top: {err}")
    hold("has been failing" in json.loads(out)["headline"], out)
    nobody = ("--admin", "127.0.0.1:1", "--data-dir", door.folder / "nothing-here")
    code, _, err = door.run("incidents", "ack", incident["id"], *nobody)
    same(code, 4, "where nobody listens")
    hold("no gateway answers at 127.0.0.1:1" in err, err)
    hold("warning: no gateway tells" in door.run("status", "--no-fetch", *nobody)[2], "a warning, and the rest all the same")
