"""The five-minute starts: their programs are taken from the pages and run as they are, behind the real gateway.

Only the addresses are other than on the page: ports here are the system's choice.
"""

import os
import re
import subprocess

from claims import claim, hold, same
from programs import ROOT, TEST, clean_environment, upstream

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


@claim
def no_start_names_a_program_that_is_not_run(door):
    """A new page, or a block in another language, needs a claim here."""
    known = {"python.md": {"sh", "python"}, "node.md": {"sh", "js"}, "curl.md": {"sh", "bash"}, "langchain.md": {"sh", "python"}, "rust.md": {"sh", "toml", "rust"}}
    found = {page.name: set(re.findall(r"^```(\w+)$", page.read_text(), re.M)) for page in START.glob("*.md")}
    same(found, known, "what the pages hold")
