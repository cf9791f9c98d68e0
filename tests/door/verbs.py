"""What people paste into `seawall explain` and `seawall lint`: what today's SDKs really print.

Each text is made by a program of its own that lets an exception go, or prints its request, as a
person's program would.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

from claims import Broken, claim, hold, same
from programs import TEST, clean_environment, upstream

PYTHON = [TEST / "venv" / "bin" / "python", "-c"]
NODE = [TEST / "node" / "node_modules" / ".bin" / "node", "--input-type=module", "-e"]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "get weather", "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}},
    }
]

IN_PYTHON = """
import json, os, openai
asked = json.loads(os.environ["ASKED"])
if os.environ.get("PRINTS"):
    raise SystemExit(str(asked))
client = openai.OpenAI(api_key="sk-none", base_url=os.environ["BASE"], max_retries=0, timeout=float(os.environ["TIMEOUT_S"]))
answer = client.chat.completions.create(**asked, extra_headers=json.loads(os.environ["HEADERS"]))
for event in answer if asked.get("stream") else []:
    pass
"""
IN_NODE = """
const { default: OpenAI } = await import(process.env.SDK);
const asked = JSON.parse(process.env.ASKED);
if (process.env.PRINTS) { console.dir(asked, { depth: null }); process.exit(0); }
const client = new OpenAI({ apiKey: 'sk-none', baseURL: process.env.BASE, maxRetries: 0, timeout: 1000 * process.env.TIMEOUT_S });
const answer = await client.chat.completions.create(asked, { headers: JSON.parse(process.env.HEADERS) });
if (asked.stream) { for await (const event of answer) { } }
"""


def printed(door, command, script, base_url, asked, headers=None, timeout_s=5, **environment):
    """What the program prints on both of its streams."""
    said = {
        "ASKED": json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], **asked}),
        "BASE": base_url,
        "HEADERS": json.dumps(headers or {}),
        "TIMEOUT_S": str(timeout_s),
        "SDK": (TEST / "node" / "node_modules" / "openai" / "index.mjs").resolve().as_uri(),
        **environment,
    }
    done = subprocess.run(
        [*map(str, command), script],
        capture_output=True,
        cwd=door.folder,
        env=clean_environment(said),
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


#: A fault of chaos, whether a stream is asked for, and what it means: status and class, of Python and of Node.
FAILURES = [
    ("500", False, (500, "server_error"), (500, "server_error")),
    ("503", False, (503, "overloaded"), (503, "overloaded")),
    ("429", False, (429, "rate_limited"), (429, "rate_limited")),
    ("429-quota", False, (429, "quota"), (429, "quota")),
    ("400", False, (400, "caller_fault"), (400, "caller_fault")),
    ("401", False, (401, "auth"), (401, "auth")),
    ("html-502", False, (502, "bad_gateway"), (502, "bad_gateway")),
    ("html-524", False, (524, "ambiguous"), (524, "ambiguous")),
    # Python keeps the text of a proxy to itself; Node prints it, and Envoy says more than its status.
    ("text-503", False, (503, "overloaded"), (503, "bad_gateway")),
    ("empty-500", False, (500, "server_error"), (500, "server_error")),
    ("reset", False, (None, "ambiguous"), (None, "ambiguous")),
    ("garbage", False, (None, "ambiguous"), (None, "ambiguous")),
    ("truncated", False, (None, "ambiguous"), (None, "ambiguous")),
    ("body_reset", False, (None, "ambiguous"), (None, "ambiguous")),
    ("first_content_timeout", False, (None, "ambiguous"), (None, "ambiguous")),
    # What neither SDK takes for a failure prints nothing; this one's parser does.
    ("undecodable", False, (None, "ambiguous"), (None, "ambiguous")),
    ("body_reset", True, (None, "ambiguous"), (None, "ambiguous")),
    # Node says no status of an error inside a stream.
    ("stream_error", True, (500, "server_error"), (None, "server_error")),
]


@claim
def what_an_sdk_prints_when_it_fails_is_recognised(door):
    chaos = door.chaos()

    def explained(case):
        fault, stream, python, node = case
        for command, script, kind, expected in [
            (PYTHON, IN_PYTHON, "python_exception", python),
            (NODE, IN_NODE, "node_exception", node),
        ]:
            text = printed(door, command, script, chaos.base_url, {"stream": stream}, {"x-chaos": fault}, timeout_s=1)
            hold(text.strip(), f"{kind}: nothing was printed")
            code, out, err = door.run("explain", "--json", "--no-journal", stdin=text.encode())
            told = json.loads(out)
            found = (code, told["recognised"], told["status"], told["class"])
            same(found, (0, kind, *expected), f"{text[-2000:]}{err}")
            hold("sk-none" not in out, "the key was printed")
            if expected[0] and "req_" in text:
                hold(told.get("request_id", "") in text and told.get("request_id"), f"no request id: {text[-2000:]}")

    def case(one):
        name = f"{one[0]}{', streaming' if one[1] else ''}"
        try:
            explained(one)
        except Broken as broken:
            return name, str(broken)
        return name, None

    with ThreadPoolExecutor(4) as pool:
        for name, problem in pool.map(case, FAILURES):
            door.case(name, problem)


@claim
def an_unreachable_host_is_no_failure_of_the_provider(door):
    for base_url in ["http://127.0.0.1:1/v1", "http://nobody.invalid/v1"]:
        for command, script in [(PYTHON, IN_PYTHON), (NODE, IN_NODE)]:
            text = printed(door, command, script, base_url, {})
            _, out, _ = door.run("explain", "--json", "--no-journal", stdin=text.encode())
            told = json.loads(out)
            same((told["class"], told["whose"], told["billed"]), ("not_sent", "network", "no"), text[-2000:])


@claim
def what_python_and_node_print_of_a_request_is_linted(door):
    for command, script in [(PYTHON, IN_PYTHON), (NODE, IN_NODE)]:
        text = printed(door, command, script, "", {"tools": TOOLS, "stream": True, "user": None}, PRINTS="1")
        code, out, err = door.run("lint", "--json", "-", stdin=text.encode())
        found = [json.loads(line) for line in out.splitlines()]
        same((code, [(one["code"], one["pointer"]) for one in found]), (1, [("SW101", "/tools/0/function/name")]), f"{text[:3000]}{err}")
        at = found[0]["offset"]
        same(text.encode()[at : at + found[0]["length"]], b"'get weather'", "the place in what was printed")


@claim
def a_refused_tool_leads_from_the_exception_to_its_rule_and_place(door):
    """The whole way: a 400 about a tool, its exception, the rule, the file, the fix."""
    chaos = door.chaos()
    message = "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    error = {"message": message, "type": "invalid_request_error", "param": "tools[0].function.name", "code": "invalid_value"}
    chaos.script([{"status": 400, "body": {"error": error}}])
    for command, script in [(PYTHON, IN_PYTHON), (NODE, IN_NODE)]:
        text = printed(door, command, script, chaos.base_url, {"tools": TOOLS})
        _, out, _ = door.run("explain", "--json", "--no-journal", stdin=text.encode())
        told = json.loads(out)
        same((told["status"], told["class"], told["rule"]["code"]), (400, "caller_fault", "SW101"), text[-2000:])
    file = door.folder / "tools.json"
    file.write_text(json.dumps(TOOLS, indent=2))
    same(door.run("lint", file)[0], 1, "lint of the file")
    same(door.run("lint", "--fix", file)[0], 0, "lint of the file, mended")
    same(file.read_text(), json.dumps(TOOLS, indent=2).replace("get weather", "get_weather"), "the file")


@claim
def explain_tells_what_the_running_gateway_has_on_record(door):
    chaos = door.chaos()
    chaos.script([{"status": 503, "headers": {"x-request-id": "req_0123456789abcdef0123"}, "body": {"error": {"message": "No capacity (request id req_0123456789abcdef0123)", "code": "server_is_overloaded"}}}])
    config = '[server]\n[retry]\nmax_attempts = 2\ncap = "5ms"\n[budget]\nstart = 100\n'
    gateway = door.gateway(config + upstream(chaos))
    text = printed(door, PYTHON, IN_PYTHON, gateway.base_url, {"tools": TOOLS})
    hold("Error code: 503" in text, text[-2000:])
    _, out, err = door.run("explain", "--json", "--data-dir", gateway.data, stdin=text.encode())
    told = json.loads(out)
    about = {one["about"]: one for one in told["evidence"]}
    hold({"request", "alike"} <= about.keys(), f"{out}{err}")
    same((about["alike"]["count"], about["alike"]["of"]), (2, 2), "attempts that were alike")
    hold("503 overloaded at chaos" in about["request"]["says"], about["request"]["says"])
    shown = door.run("show", about["request"]["request_id"], "--data-dir", gateway.data)
    same(shown[0], 0, f"seawall show of the id: {shown[2]}")
    _, out, _ = door.run("explain", "503", "--data-dir", gateway.data)
    hold("2 of the last 2 failed attempts were like this" in out, out)
    _, out, _ = door.run("explain", "503", "--no-journal", "--data-dir", gateway.data)
    hold("on record" not in out, out)
