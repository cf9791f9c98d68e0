"""The five-minute starts: their programs are taken from the pages and run as they are, behind the real gateway.

Only the addresses are other than on the page: ports here are the system's choice.
"""

import configparser
import http.server
import os
import re
import subprocess
import threading

from claims import claim, hold, same
from programs import BINARY, ROOT, TEST, Program, answers, ask, clean_environment, free_port, upstream

START = ROOT / "docs" / "start"
PYTHON = TEST / "venv" / "bin" / "python"
NODE = TEST / "node" / "node_modules" / ".bin" / "node"
LANGCHAIN = TEST / "langchain" / "bin" / "python"
RUST = TEST / "rust-target" / "debug" / "start"
CONFIG = '[server]\n[retry]\nmax_attempts = 3\ncap = "20ms"\n[budget]\nstart = 100\n[status_page]\npoll = "off"\n'


def blocks(page, word):
    """The blocks of a page behind this word, in their order."""
    found = re.findall(rf"^```{word}\n(.*?)^```$", (START / page).read_text(), re.M | re.S)
    hold(found, f"docs/start/{page} has no block of {word}")
    return found


def run(door, command, gateway, seconds=60):
    """A program behind the gateway: exit code, stdout, stderr."""
    said = {"OPENAI_BASE_URL": gateway.base_url, "OPENAI_API_KEY": "sk-none"}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, cwd=door.folder, env=clean_environment(said), timeout=seconds, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def answered(door, command, gateway, what):
    """The program works and prints what chaos says."""
    code, out, err = run(door, command, gateway)
    same((code, bool(out.strip())), (0, True), f"{what}: {out[-1000:]}{err[-2000:]}")
    return out


def programs(door, page, word, name):
    """Each program of a page, in a file."""
    for at, block in enumerate(blocks(page, word)):
        file = door.folder / f"{at}-{name}"
        file.write_text(block)
        yield file


def three_programs(door, page, word, name, interpreter):
    """A page with an answer, a failure and a stream."""
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    gateway = door.gateway(CONFIG + upstream(chaos))
    first, failing, stream = programs(door, page, word, name)
    for n in range(3):
        answered(door, [interpreter, first], gateway, f"{page}: the first program, run {n}")
    answered(door, [interpreter, stream], gateway, f"{page}: the stream")
    down = door.chaos("--fault", "503:1", name="down")
    broken = door.gateway(CONFIG + upstream(down), name="broken")
    code, out, err = run(door, [interpreter, failing], broken)
    told = re.fullmatch(r"failed: 503 (req_[0-9a-f]+)\n", out)
    hold(code == 0 and told, f"{page}: the failure: exit {code}: {out}{err}")
    code, shown, err = door.run("show", told[1], "--data-dir", broken.data)
    hold(code == 0 and told[1] in shown, f"seawall show {told[1]}: {shown}{err}")
    code, out, err = run(door, [interpreter, stream], broken)
    hold(code != 0 and "503" in out + err, f"{page}: a stream that fails raises: exit {code}: {out}{err}")


@claim
def the_start_in_python_works_as_it_stands(door):
    three_programs(door, "python.md", "python", "hello.py", PYTHON)


@claim
def the_start_in_node_works_as_it_stands(door):
    # The SDK is found from where the program is.
    os.symlink(TEST / "node" / "node_modules", door.folder / "node_modules")
    three_programs(door, "node.md", "js", "hello.mjs", NODE)


@claim
def the_start_with_curl_works_as_it_stands(door):
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    gateway = door.gateway(CONFIG + upstream(chaos))
    plain, headers = (block.replace("127.0.0.1:7500", f"127.0.0.1:{gateway.port}") for block in blocks("curl.md", "bash"))
    out = answered(door, ["bash", "-c", plain], gateway, "curl.md: the request")
    hold('"choices"' in out, out)
    out = answered(door, ["bash", "-c", headers], gateway, "curl.md: the headers")
    for name in ["x-request-id", "x-seawall-request-id", "x-seawall-attempts", "x-seawall-outcome"]:
        hold(f"\n{name}:" in "\n" + out.lower(), f"{name} in {out}")


@claim
def a_stream_that_breaks_is_cut_off_for_curl_too(door):
    """What the page says of it: an error event, and exit code 18."""
    chaos = door.chaos()
    gateway = door.gateway(CONFIG + upstream(chaos))
    body = '{"model": "gpt-4o", "messages": [], "stream": true}'
    command = ["curl", "-sSN", f"{gateway.base_url}/chat/completions", "-H", "content-type: application/json", "-H", "x-chaos: stream_cut=2", "-d", body]
    code, out, err = run(door, command, gateway)
    hold("seawall_stream_interrupted" in out, f"{out}{err}")
    same(code, 18, f"curl: {err}")


@claim
def exec_in_the_start_with_curl_gives_a_program_its_gateway(door):
    chaos = door.chaos("--seed", "3")
    script = door.folder / "nightly.sh"
    script.write_text('#!/bin/sh\ncurl -sS "$OPENAI_BASE_URL/models"\n')
    script.chmod(0o755)
    code, out, err = door.run("exec", "--upstream", chaos.base_url, "--data-dir", door.folder / "data", "--", "./nightly.sh")
    same((code, '"data"' in out), (0, True), f"{out}{err}")


@claim
def the_start_with_langchain_works_as_it_stands(door):
    hold(LANGCHAIN.exists(), f"{LANGCHAIN} is not installed: ./test does it")
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    gateway = door.gateway(CONFIG + upstream(chaos))
    first, stream = programs(door, "langchain.md", "python", "hello.py")
    answered(door, [LANGCHAIN, first], gateway, "langchain.md: the first program")
    answered(door, [LANGCHAIN, stream], gateway, "langchain.md: the stream")
    # One call, one request: what LangChain asks of the SDK is not repeated on top.
    down = door.chaos("--fault", "503:1", name="down")
    broken = door.gateway(CONFIG + upstream(down), name="broken")
    code, out, err = run(door, [LANGCHAIN, first], broken)
    hold(code != 0 and "503" in err, f"exit {code}: {out}{err}")
    same(broken.total("seawall_requests_total"), 1, "requests for one call")


@claim
def the_start_in_rust_works_as_it_stands(door):
    hold(RUST.exists(), f"{RUST} is not built: ./test does it")
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    gateway = door.gateway(CONFIG + upstream(chaos))
    for n in range(3):
        answered(door, [RUST], gateway, f"rust.md, run {n}")
    down = door.chaos("--fault", "503:1", name="down")
    broken = door.gateway(CONFIG + upstream(down), name="broken")
    code, out, err = run(door, [RUST], broken)
    hold(code != 0, f"{out}{err}")
    same(broken.total("seawall_requests_total"), 1, "requests for one call")


SIDECAR = ROOT / "docs" / "guides" / "sidecar.md"


class Served(Program):
    """`seawall serve` with a configuration as it stands on a page."""

    def __init__(self, folder, config, environment):
        self.port, self.admin = free_port(), free_port()
        self.config = folder / "sidecar.toml"
        head, _, rest = config.replace('"0.0.0.0:7501"', f'"0.0.0.0:{self.admin}"').replace('"0.0.0.0:7500"', f'"0.0.0.0:{self.port}"').partition("[[upstream]]")
        said = head if "[server]" in head else f"[server]\n{head}"
        for name, port in [("listen", self.port), ("admin", self.admin)]:
            if f"{name} = " not in said:
                said = said.replace("[server]\n", f'[server]\n{name} = "127.0.0.1:{port}"\n', 1)
        self.config.write_text(said + ("[[upstream]]" + rest if rest else ""))
        super().__init__(folder, "sidecar", [BINARY, "serve", "--config", self.config, "--data-dir", folder / "data"], environment)

    def is_ready(self):
        return answers(self.admin, "/readyz")


def configuration(about):
    """The configuration of the guide that has this in it."""
    found = [block for block in re.findall(r"^```toml\n(.*?)^```$", SIDECAR.read_text(), re.M | re.S) if about in block]
    same(len(found), 1, f"configurations of the guide with {about}")
    return found[0]


@claim
def probes_reach_a_sidecar_at_the_address_of_its_pod(door):
    served = door._ready(lambda: Served(door.folder, configuration("ADMIN_TOKEN"), {"ADMIN_TOKEN": "a-token-of-32-characters-or-more"}))
    pod = {"host": "10.1.2.3:7501"}
    for path in ["/readyz", "/livez"]:
        same(ask(served.admin, "GET", path, headers=pod)[0], 200, f"{path} without a token, as a kubelet asks")
    same(ask(served.admin, "GET", "/metrics", headers=pod)[0], 401, "everything else wants the token")
    token = {**pod, "authorization": "Bearer a-token-of-32-characters-or-more"}
    same(ask(served.admin, "GET", "/metrics", headers=token)[0], 200, "and has it")
    served.end()
    same(served.child.returncode, 0, f"a clean end on SIGTERM: {served.said()[-500:]}")


class Heard(http.server.BaseHTTPRequestHandler):
    """An upstream that notes which key came."""

    keys = []

    def do_GET(self):
        Heard.keys.append(self.headers["authorization"])
        body = b'{"object": "list", "data": []}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@claim
def the_key_of_the_unit_comes_from_its_credential(door):
    credentials = door.folder / "credentials"
    credentials.mkdir()
    # As systemd names what it loads from a folder.
    (credentials / "seawall_openai").write_text("sk-of-the-unit\n")
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Heard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = configuration("${credential:openai}").replace("https://api.openai.com/v1", f"http://127.0.0.1:{server.server_address[1]}/v1")
        served = door._ready(lambda: Served(door.folder, config, environment))
        status, _, _ = ask(served.port, "GET", "/v1/models", headers={"authorization": "Bearer sk-of-a-program"})
        server.shutdown()
    same((status, Heard.keys), (200, ["Bearer sk-of-the-unit"]), "the key that went upstream")
    shown = door.run("config", "show", "--config", served.config, environment=environment)[1]
    hold("sk-of-the-unit" not in shown and "api_key" in shown, shown)


@claim
def one_gateway_for_many_knows_its_callers(door):
    chaos = door.chaos()
    config = configuration("BILLING_TOKEN").replace("https://api.openai.com/v1", chaos.base_url)
    said = {"OPENAI_API_KEY": "sk-own", "BILLING_TOKEN": "a-token-of-32-characters-or-more"}
    served = door._ready(lambda: Served(door.folder, config, said))
    same(ask(served.port, "GET", "/v1/models")[0], 401, "nobody")
    same(ask(served.port, "GET", "/v1/models", headers={"authorization": f"Bearer {said['BILLING_TOKEN']}"})[0], 200, "the client")


@claim
def the_other_shapes_of_the_guide_are_what_they_say(door):
    """Units and manifests of other programs: they are read by what reads their form."""
    text = SIDECAR.read_text()
    read = "import sys, yaml; [print(sorted(yaml.safe_load(part))) for part in sys.stdin.read().split('\\0')]"
    yamls = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    done = subprocess.run([str(LANGCHAIN), "-c", read], input="\0".join(yamls).encode(), capture_output=True, timeout=30, check=False)
    same(done.stdout.decode().splitlines(), ["['spec']", "['services', 'volumes']"], f"YAML: {done.stderr.decode()}")
    # A unit says some keys twice.
    values = configparser.ConfigParser(strict=False, interpolation=None)
    values.optionxform = str
    values.read(ROOT / "deploy" / "systemd" / "seawall.service")
    same(values["Service"]["ExecStart"].split()[1:2], ["serve"], "what the unit starts")
    same(int(values["Service"]["TimeoutStopSec"].rstrip("s")) > 30, True, "the unit waits for longer than `server.drain`")


@claim
def no_start_names_a_program_that_is_not_run(door):
    """A new page, or a block in another language, needs a claim here."""
    known = {"python.md": {"sh", "python"}, "node.md": {"sh", "js"}, "curl.md": {"sh", "bash"}, "langchain.md": {"sh", "python"}, "rust.md": {"sh", "toml", "rust"}}
    found = {page.name: set(re.findall(r"^```(\w+)$", page.read_text(), re.M)) for page in START.glob("*.md")}
    same(found, known, "what the pages hold")
