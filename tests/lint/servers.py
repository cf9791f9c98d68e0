"""Tool definitions of MCP servers, as the servers themselves list them.

Each is started as a client would start it, asked `tools/list` over its standard input, and ended. None is
given a real key, and where the system allows it none has a network: what needs either to list its tools is
not in the table. The number of tools is pinned with the release, so that half a list is noticed.
"""

import concurrent.futures
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

# They take half a second each, and many times that on a machine that is busy.
SECONDS_MAX = 90
AT_ONCE = 3
PROTOCOL = "2025-06-18"

# Package → how many tools it lists, what it is started with, what it must find in its environment.
SERVERS = {
    "@antv/mcp-server-chart": (27, [], {}),
    "@bitwarden/mcp-server": (59, [], {"BW_SESSION": "none"}),
    "@brave/brave-search-mcp-server": (8, [], {"BRAVE_API_KEY": "none"}),
    "@currents/mcp": (8, [], {"CURRENTS_API_KEY": "none"}),
    "@cyanheads/git-mcp-server": (28, [], {}),
    "@delorenj/mcp-server-trello": (57, [], {"TRELLO_API_KEY": "none", "TRELLO_TOKEN": "none"}),
    "@digitalocean/mcp": (353, [], {"DIGITALOCEAN_API_TOKEN": "none"}),
    "@easecloudio/mcp-metabase-server": (95, [], {"METABASE_URL": "http://localhost:1", "METABASE_API_KEY": "none"}),
    "@hubspot/mcp-server": (21, [], {"PRIVATE_APP_ACCESS_TOKEN": "none"}),
    "@modelcontextprotocol/server-everything": (13, [], {}),
    "@modelcontextprotocol/server-filesystem": (14, ["."], {}),
    "@modelcontextprotocol/server-github": (26, [], {}),
    "@modelcontextprotocol/server-memory": (9, [], {}),
    "@modelcontextprotocol/server-sequential-thinking": (1, [], {}),
    "@notionhq/notion-mcp-server": (24, [], {"NOTION_TOKEN": "none"}),
    "@playwright/mcp": (25, [], {}),
    "@zereight/mcp-gitlab": (118, [], {"GITLAB_PERSONAL_ACCESS_TOKEN": "none"}),
    "chrome-devtools-mcp": (32, [], {}),
}


class Silent(Exception):
    """A server that did not list its tools."""


def definitions(node, modules):
    """Every tool of every server: rows of package and definition. Raises `Silent`, naming who was."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lists = {package: pool.submit(tools_of, node, modules, package) for package in SERVERS}
    rows = []
    for package, (count, _, _) in SERVERS.items():
        tools = lists[package].result()
        if len(tools) != count:
            raise Silent(f"{package} lists {len(tools)} tools, {count} are pinned")
        rows.extend({"package": package, "strict": False, "by": "tools/list", "definition": definition(tool)} for tool in tools)
    return rows


def definition(tool):
    """A tool of MCP as a function of OpenAI's, as the OpenAI Agents SDK does it (`agents/mcp/util.py`):
    MCP does not ask for `properties`, OpenAI does."""
    made = {"name": tool["name"], "parameters": {**tool["inputSchema"]}}
    made["parameters"].setdefault("properties", {})
    if tool.get("description") is not None:
        made["description"] = tool["description"]
    return made


def tools_of(node, modules, package):
    _, arguments, environment = SERVERS[package]
    home = pathlib.Path(tempfile.mkdtemp(prefix="seawall-lint-"))
    try:
        with open(home / "stderr", "wb") as stderr:
            server = subprocess.Popen(  # noqa: S603 - what is pinned
                [*alone(), node, str(program(modules, package)), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=home,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "DO_NOT_TRACK": "1", **environment},
            )
            try:
                return listed(server, time.monotonic() + SECONDS_MAX)
            except (Silent, OSError) as why:
                said = (home / "stderr").read_text(errors="replace").strip()[-400:]
                raise Silent(f"{package}: {why}; it said: {said or 'nothing'}") from why
            finally:
                # With what it started: some are a script that starts the server.
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def program(modules, package):
    about = json.loads((modules / package / "package.json").read_text())
    programs = about["bin"]
    return modules / package / (programs if isinstance(programs, str) else next(iter(programs.values())))


def alone():
    """What to start a program with so that it has no network; nothing where that is not possible."""
    for words in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        try:
            if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
                return words
        except OSError:
            break
    return []


def listed(server, deadline):
    """Shakes hands and reads the list, page by page."""
    client = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "seawall-tests", "version": "0"}}
    say(server, {"id": 1, "method": "initialize", "params": client})
    tools = []
    for answer in messages(server, deadline):
        if answer.get("id") is None or "method" in answer:
            continue
        if "result" not in answer:
            raise Silent(f"it answered {json.dumps(answer)[:200]}")
        if answer["id"] == 1:
            say(server, {"method": "notifications/initialized"})
        else:
            tools.extend(answer["result"]["tools"])
        cursor = answer["result"].get("nextCursor")
        if answer["id"] > 1 and not cursor:
            return tools
        say(server, {"id": answer["id"] + 1, "method": "tools/list", "params": {"cursor": cursor} if cursor else {}})
    raise Silent("it ended, or was silent for too long")


def say(server, message):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    server.stdin.flush()


def messages(server, deadline):
    """What the server says, until it ends or its time is over; what is no JSON is left out."""
    rest = b""
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([server.stdout], [], [], left)
        piece = os.read(server.stdout.fileno(), 1 << 16) if readable else b""
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                yield message
