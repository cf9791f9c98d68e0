"""The wheel: built by maturin, installed into an environment of its own, and used as its README says.

What the program there does is tested door to door; this is about getting it, starting it and getting rid of it.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import zipfile

import canaries
import notices
from claims import Broken, claim, hold, same
from installed import VERSION, Script, blocks, check_alive, check_gone, check_nobody_has, check_silent, digest, fake, many_upstreams, recorder, run, sized, tool, words_of
from programs import BINARY, ROOT, TEST, free_port, upstream

PACKAGE = ROOT / "packages" / "python"
README = PACKAGE / "README.md"
#: maturin, and what looks at wheels and types: `./test` installs them.
TOOLS = TEST / "maturin" / "bin"
SDK = ROOT / "tests" / "sdk" / "python" / "requirements.txt"
PLACE = TEST / "packages" / "python"
VENV = PLACE / "venv"
PYTHON = VENV / "bin" / "python"
COMMAND = VENV / "bin" / "seawall"

#: What the wheel has, but for its own list and the program.
MODULES = ["__init__", "__main__", "_binary", "_errors", "_explain", "_gateway", "_words"]


def prepare(place):
    hold(TOOLS.exists(), f"{TOOLS} is not there\nhint: ./test packages installs it")
    shutil.rmtree(PLACE, ignore_errors=True)
    build()
    tool(sys.executable, "-m", "venv", VENV)
    tool(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", wheel(), cwd=place)
    tool(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", SDK, cwd=place)


def build():
    """The wheel, of the release build that there is: cargo finds that nothing has changed."""
    release = BINARY.parent
    same(release.name, "release", "the folder of the release build")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(release.parent), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    built = BINARY.stat().st_mtime_ns
    tool(PACKAGE / "pack", "--out", PLACE / "wheel", environment=environment, seconds=3_000)
    hold(not (PACKAGE / notices.NAME).exists(), "what was made for the build alone is still there")
    same(BINARY.stat().st_mtime_ns, built, "when the release build was made: maturin made another")


def wheel():
    found = list((PLACE / "wheel").glob("*.whl"))
    same(len(found), 1, f"wheels in {PLACE / 'wheel'}")
    return found[0]


def python(door, code, name="program", **more):
    """A program that goes on."""
    file = door.folder / f"{name}.py"
    file.write_text(code)
    return Script(door, name, [PYTHON, file], **more)


# What is in it.


@claim
def the_wheel_holds_the_module_and_the_program_and_nothing_else(_door):
    sized(wheel())
    with zipfile.ZipFile(wheel()) as zipped:
        names = set(zipped.namelist())
        info = f"seawall-{VERSION}.dist-info"
        program = f"seawall-{VERSION}.data/scripts/seawall"
        expected = {f"seawall/{name}.py" for name in MODULES} | {"seawall/py.typed", program}
        expected |= {f"{info}/{name}" for name in ["METADATA", "WHEEL", "RECORD", "licenses/LICENSE-APACHE", "licenses/LICENSE-MIT", f"licenses/{notices.NAME}"]}
        extra = {name for name in names - expected if not name.startswith(f"{info}/sboms/")}
        same((sorted(extra), sorted(expected - names)), ([], []), "what is in it and should not be, and the other way")
        hold(zipped.getinfo(program).external_attr >> 16 & 0o111, "the program is not executable")
        same(digest(zipped.read(program)), digest(BINARY.read_bytes()), "the program in the wheel, and the release build")
        for name in ("LICENSE-APACHE", "LICENSE-MIT"):
            same(zipped.read(f"{info}/licenses/{name}"), (ROOT / name).read_bytes(), name)
        notices.check(zipped.read(f"{info}/licenses/{notices.NAME}"), "the wheel")
        metadata = zipped.read(f"{info}/METADATA").decode()
        tags = zipped.read(f"{info}/WHEEL").decode()
    for line in ["Name: seawall", f"Version: {VERSION}", "Requires-Python: >=3.9", "License-Expression: Apache-2.0 OR MIT", f"License-File: {notices.NAME}"]:
        hold(f"\n{line}\n" in metadata, f"no {line!r} in {metadata[:1500]}")
    hold("Requires-Dist" not in metadata, "it needs nothing else")
    hold(README.read_text() in metadata, "README is its description")
    tag = re.search(r"^Tag: py3-none-(manylinux_2_(\d+)_x86_64)", tags, re.M)
    hold(tag, f"it says which glibc it needs: {tags}")
    hold(f"glibc 2.{tag[2]}" in README.read_text(), f"README says that it needs glibc 2.{tag[2]}")
    tool(TOOLS / "check-wheel-contents", wheel())


@claim
def a_source_distribution_has_all_that_a_build_needs(door):
    """Every file of the crates but their tests, and the very releases of the lock; the build itself is the release build over again."""
    environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    tool(TOOLS / "maturin", "sdist", "--out", door.folder, cwd=PACKAGE, environment=environment)
    sized(door.folder / f"seawall-{VERSION}.tar.gz")
    tool("tar", "xzf", door.folder / f"seawall-{VERSION}.tar.gz", cwd=door.folder)
    unpacked = door.folder / f"seawall-{VERSION}"
    crates = ["crates/core", "crates/client", "crates/sim", "crates/chaos", "crates/gateway"]
    tracked = tool("git", "ls-files", "--cached", *crates, cwd=ROOT).split()
    # What the crates leave out of their own packages, maturin leaves out too.
    tracked = [file for file in tracked if "/tests/" not in file]
    hold(len(tracked) > 500, f"{len(tracked)} files of the crates")
    same([file for file in tracked if not (unpacked / file).exists()], [], "files that are left out")
    told = json.loads("{" + tool("cargo", "metadata", "--offline", "--format-version", "1", cwd=unpacked).partition("{")[2])
    locked = set(re.findall(r'^name = "(.*)"\nversion = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.M))
    found = {(one["name"], one["version"]) for one in told["packages"]}
    same((sorted(found - locked), len(found) > 300), ([], True), f"releases that are not in the lock, of {len(found)}")


@claim
def types_hold_by_the_strictest_rules(door):
    """Of the module, and of the programs in README as somebody's checker would see them."""
    for at, block in enumerate(blocks(README, "python")):
        (door.folder / f"readme_{at}.py").write_text(block)
    tool(TOOLS / "mypy", "--cache-dir", door.folder / "cache", cwd=PACKAGE)
    installed = ["--strict", "--no-incremental", "--cache-dir", door.folder / "cache", "--python-executable", PYTHON]
    tool(TOOLS / "mypy", *installed, *door.folder.glob("readme_*.py"), cwd=door.folder)


@claim
def every_python_here_can_install_and_use_it(door):
    """From 3.9: each that is on the path, or that pyenv has."""
    chaos = door.chaos()
    code = """
import sys, urllib.request, seawall
with seawall.gateway() as url:
    with urllib.request.urlopen(url + "/models") as reply:
        assert reply.status == 200
assert seawall.explain(503).error_class == "overloaded"
print("%d.%d" % sys.version_info[:2])
"""
    for name, interpreter in pythons():
        venv = door.folder / name
        try:
            tool(interpreter, "-m", "venv", "--without-pip", venv)
            tool(PYTHON, "-m", "pip", "--python", venv / "bin" / "python", "install", "-q", "--disable-pip-version-check", "--no-index", wheel())
            code_, out, err = run(door, [venv / "bin" / "python", "-W", "error", "-c", code], SEAWALL_UPSTREAM=chaos.base_url)
            same((code_, out.strip()), (0, name), err)
            door.case(name, None)
        except Broken as broken:
            door.case(name, str(broken))


def pythons():
    """Each release from 3.9 on, once."""
    found = {}
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in range(9, 20))]
    candidates += sorted(pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv").glob("versions/3.*/bin/python3"))
    for one in filter(None, candidates):
        done = subprocess.run([str(one), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, timeout=30, check=False)
        version = done.stdout.decode().strip()
        if done.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 9):
            found.setdefault(version, one)
    return sorted(found.items())


# README.


@claim
def the_readme_works_as_it_stands(door):
    """Every block: programs as they are; commands in a shell where the environment is first on the path."""
    same(words_of(README), {"sh", "python"}, "kinds of blocks; a new one needs a claim here")
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    down = door.chaos("--fault", "500:1", name="down")
    for at, block in enumerate(blocks(README, "python")):
        (door.folder / f"{at}.py").write_text(block)
        explains = "explain" in block
        code, out, err = run(door, [PYTHON, f"{at}.py"], SEAWALL_UPSTREAM=(down if explains else chaos).base_url)
        same(code, 0, f"{block}\n{out}{err}")
        hold(re.search(r"server_error: .*\n  whose fault: the provider's", out) if explains else len(out.strip()) > 3, f"{block}\n{out}{err}")
    path = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "SEAWALL_UPSTREAM": chaos.base_url}
    commands = [line.split("  #")[0] for block in blocks(README, "sh") for line in block.splitlines() if not line.startswith("pip install")]
    hold(any(line.startswith("python -m seawall") for line in commands), f"{commands}")
    for line in commands:
        code, out, err = run(door, ["bash", "-c", line], **path)
        same((code, bool(out.strip())), (0, True), f"{line}\n{out}{err}")


@claim
def the_command_and_the_module_are_the_same_program(door):
    for command in ([COMMAND], [PYTHON, "-m", "seawall"]):
        same(run(door, [*command, "--version"]), (0, f"seawall {VERSION}\n", ""), command)
        same(run(door, [*command, "config", "check", "--config", "none.toml"])[0], 3, f"{command}: the exit code")
        code, out, _ = run(door, [*command, "explain", "--json", "--no-journal"], stdin=b"503")
        same((code, json.loads(out)["class"]), (0, "overloaded"), f"{command}: standard input")


# Never left behind.

HEAD = """
import atexit, os, signal, sys, threading, time
import seawall

def told(gw):
    gw.start()
    print("gateway", gw.pid, gw.url, flush=True)
    return gw
"""

#: Ways for a program to end by itself.
ENDS = {
    "the end of the block": "with seawall.gateway() as url: pass\ngw = told(seawall.gateway())\ngw.close()\ngw.close()",
    "an exception in the block": "gw = seawall.gateway()\nwith gw:\n    print('gateway', gw.pid, gw.url, flush=True)\n    raise ValueError('broken')",
    "the end of the program, without a close": "told(seawall.gateway())",
    "an exception that nobody catches": "told(seawall.gateway())\nraise ValueError('broken')",
    "sys.exit in the block": "gw = seawall.gateway()\nwith gw:\n    print('gateway', gw.pid, gw.url, flush=True)\n    sys.exit(7)",
    "os._exit": "told(seawall.gateway())\nos._exit(7)",
    "abort": "told(seawall.gateway())\nos.abort()",
    "exec of another program": "told(seawall.gateway())\nos.execv('/bin/sh', ['sh', '-c', 'sleep 0.1'])",
    "the end of the thread that started it": "one = threading.Thread(target=lambda: told(seawall.gateway()))\none.start()\none.join()",
    "eight threads, a gateway each": "\n".join(
        [
            "found = [seawall.gateway() for _ in range(8)]",
            "threads = [threading.Thread(target=told, args=(one,)) for one in found]",
            "[one.start() for one in threads]",
            "[one.join() for one in threads]",
            "assert len({gw.url for gw in found}) == 8",
        ]
    ),
}
#: What goes on until somebody ends it.
STAYS = "\ntold(seawall.gateway())\ntold(seawall.gateway())\ntime.sleep(600)\n"
FORKS = """
gw = told(seawall.gateway())
child = os.fork()
if child == 0:
    time.sleep(600)
print("child", child, flush=True)
time.sleep(600)
"""


@claim
def a_gateway_ends_with_the_program_however_it_ends(door):
    chaos = door.chaos()
    variables = {"SEAWALL_UPSTREAM": chaos.base_url}
    for name, code in ENDS.items():
        try:
            script = python(door, HEAD + code, name.replace(" ", "-"), **variables)
            found = script.gateways(8 if "eight" in name else 1)
            script.exit_code()
            check_gone(found, name)
            door.case(name, None)
        except Broken as broken:
            door.case(name, f"{broken}\n{script.said()[-2000:]}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGSEGV):
        script = python(door, HEAD + STAYS, number.name, **variables)
        found = script.gateways(2)
        check_alive(found)
        script.signal(number)
        script.exit_code()
        problem = None
        try:
            check_gone(found, number.name)
        except Broken as broken:
            problem = str(broken)
        door.case(number.name, problem)


@claim
def a_program_that_is_killed_while_its_gateway_starts_leaves_nothing(door):
    for ms in (0, 1, 2, 5, 10, 20, 40, 80):
        data = str(door.folder / f"data-{ms}")
        code = f"threading.Timer({ms / 1000}, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()\ntold(seawall.gateway(data_dir={data!r}))\ntime.sleep(600)"
        script = python(door, HEAD + code, f"killed-after-{ms}")
        same(script.exit_code(), -signal.SIGKILL, script.said())
        check_nobody_has(data, f"killed after {ms} ms")


@claim
def a_forked_process_holds_no_gateway(door):
    """Not even one that goes on after its parent was killed."""
    chaos = door.chaos()
    script = python(door, HEAD + FORKS, SEAWALL_UPSTREAM=chaos.base_url)
    found = script.gateways()
    script.says("child ")
    child = int(re.search(r"^child (\d+)$", script.said(), re.M)[1])
    try:
        check_alive(found)
        script.kill()
        check_gone(found, "kill -9 of the parent, with its child alive")
        hold(pathlib.Path(f"/proc/{child}").exists(), "the child has ended: this shows nothing")
    finally:
        os.kill(child, signal.SIGKILL)


@claim
def a_forked_process_may_use_the_gateway_and_cannot_end_it(door):
    code = """
import multiprocessing, pickle, urllib.request

gw = seawall.gateway()
def use(url):
    assert urllib.request.urlopen(url + "/models").status == 200
    for what in (lambda: gw.alive, gw.check):
        try:
            what()
        except seawall.SeawallError as error:
            assert "belongs to the process" in str(error), error
        else:
            raise AssertionError("it knows")
    gw.close()

with gw as url:
    print("gateway", gw.pid, gw.url, flush=True)
    child = os.fork()
    if child == 0:
        try:
            use(url)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    worker = multiprocessing.get_context("fork").Process(target=use, args=(url,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0, worker.exitcode
    assert gw.alive
    assert urllib.request.urlopen(url + "/models").status == 200
    try:
        pickle.dumps(gw)
    except TypeError as error:
        assert "hand on its url" in str(error)
assert not gw.alive and gw.exit_code == 0, gw.exit_code
print("all is well")
"""
    chaos = door.chaos()
    done, out, err = run(door, [PYTHON, "-c", HEAD + code], SEAWALL_UPSTREAM=chaos.base_url)
    hold(done == 0 and "all is well" in out, f"{out}{err}")


@claim
def what_is_typed_at_the_terminal_is_for_the_program_alone(door):
    """A gateway is in a session of its own: Ctrl-C goes to the program, which may go on."""
    script = python(door, HEAD + "gw = told(seawall.gateway())\nprint('sessions', os.getsid(0), os.getsid(gw.pid))")
    script.exit_code()
    own, other = re.search(r"sessions (\d+) (\d+)", script.said()).groups()
    hold(own != other, script.said())


@claim
def async_code_keeps_its_loop_and_a_cancelled_start_leaves_nothing(door):
    code = """
import asyncio, openai, subprocess

async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)
    ticking = asyncio.create_task(tick())
    async with seawall.gateway() as url:
        assert ticks > 10, f"the loop stood still: {ticks}"
        client = openai.AsyncOpenAI(base_url=url, max_retries=0)
        answers = await asyncio.gather(*(client.models.list() for _ in range(5)))
        assert all(answer.data for answer in answers)
        with seawall.gateway() as other:
            assert other != url
    for delay in (0, 0.001, 0.01, 0.05):
        gw = seawall.gateway()
        async def block():
            async with gw:
                await asyncio.sleep(600)
        task = asyncio.create_task(block())
        await asyncio.sleep(delay)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        if gw.pid is not None:
            print("gateway", gw.pid, "http://127.0.0.1:1/v1", flush=True)
    ticking.cancel()
    print("waiting", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    chaos = door.chaos()
    script = python(door, HEAD + code, SEAWALL_UPSTREAM=chaos.base_url)
    script.says("waiting")
    check_gone(script.gateways(), "those whose block was cancelled")
    children = pathlib.Path(f"/proc/{script.pid}/task/{script.pid}/children").read_text().split()
    same(children, [], "processes of a program whose gateways are all closed")


# What goes wrong.


@claim
def a_gateway_that_dies_is_noticed(door):
    code = """
import logging, openai
logging.basicConfig(level=logging.ERROR)
gw = seawall.gateway()
try:
    with gw as url:
        client = openai.OpenAI(base_url=url, max_retries=0)
        client.models.list()
        gw.check()
        os.kill(gw.pid, signal.SIGKILL)
        began = time.monotonic()
        try:
            client.models.list()
        except openai.APIConnectionError:
            pass
        assert time.monotonic() - began < 10
        while gw.alive:
            assert time.monotonic() - began < 10
        assert gw.exit_code == -9, gw.exit_code
        try:
            gw.check()
        except seawall.GatewayDied as error:
            print("checked:", error)
except seawall.GatewayDied as error:
    assert error.exit_code == -9
    print("told:", error)
try:
    with seawall.gateway() as url:
        raise KeyError("the program's own")
except KeyError:
    print("kept")
"""
    chaos = door.chaos()
    done, out, err = run(door, [PYTHON, "-c", HEAD + code], SEAWALL_UPSTREAM=chaos.base_url)
    same(done, 0, f"{out}{err}")
    for words in ("checked: the gateway at http://127.0.0.1:", "told: the gateway at http://127.0.0.1:", "kept"):
        hold(words in out, f"{words!r} in {out}{err}")
    hold(re.search(r"ERROR:seawall:the gateway at \S+ ended while it was in use, by SIGKILL", err), err)


def start_error(door, call, **more):
    """What the exception of a start says, with the exit code that it has."""
    code = f"import sys, seawall\ntry:\n    {call}\nexcept seawall.SeawallError as error:\n    print(type(error).__name__, getattr(error, 'exit_code', None))\n    print(error)\nelse:\n    sys.exit('it started')\n"
    done, out, err = run(door, [PYTHON, "-c", code], **more)
    same((done, err), (0, ""), out)
    first, _, text = out.partition("\n")
    return first, text


@claim
def a_port_or_a_data_directory_that_is_taken_is_told(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    kind, text = start_error(door, f"seawall.gateway(port={gateway.port}).start()")
    same(kind, "StartError 4", text)
    hold(f"cannot listen on 127.0.0.1:{gateway.port}" in text and "hint:" in text, text)
    kind, text = start_error(door, f"seawall.gateway(data_dir={str(gateway.data)!r}).start()")
    same(kind, "StartError 4", text)
    hold(f"another seawall (pid {gateway.pid}) writes to" in text, text)


@claim
def a_configuration_that_is_wrong_is_told_in_the_programs_words(door):
    secret = "Kd8Wq2Zn5Xv7Tb3Ym9Rc4Hp6Gj1Lf0Sa"
    config = door.folder / "wrong.toml"
    config.write_text(f'[[upstream]]\nname = "a"\nbase_url = "https://a.example/v1"\napi_key = "sk-{secret}"\napi_kee = "sk-{secret}"\nretries = 3\n')
    kind, text = start_error(door, f"seawall.gateway(config={str(config)!r}).start()")
    same(kind, "StartError 3", text)
    hold("api_kee" in text and "wrong.toml" in text, text)
    check_silent("the error", text, secret)
    kind, text = start_error(door, f"seawall.gateway(upstream='https://user:{secret}@a.example/v1?api-key={secret}').start()")
    same(kind, "StartError 3", text)
    check_silent("the error", text, secret)
    kind, text = start_error(door, "seawall.gateway(config='none.toml').start()")
    hold(kind == "StartError 3" and "none.toml" in text, text)


@claim
def a_program_that_is_missing_or_never_ready_is_told(door):
    kind, text = start_error(door, "seawall.gateway().start()", SEAWALL_BINARY="/nowhere/seawall")
    hold(kind == "BinaryMissing None" and "SEAWALL_BINARY names /nowhere/seawall" in text, text)
    kind, text = start_error(door, "seawall.explain(503)", SEAWALL_BINARY=fake(door, "broken", "echo no; exit 9"))
    hold("seawall explain ended with 9" in text, text)
    odd = door.folder / "odd"
    odd.write_bytes(b"\x00" * 64)
    odd.chmod(0o755)
    kind, text = start_error(door, "seawall.gateway().start()", SEAWALL_BINARY=odd)
    hold(kind == "StartError None" and "cannot be run" in text, text)
    slow = fake(door, "slow", f'echo $$ >"{door.folder}/pid"\necho "thinking" >&2\nexec sleep 600')
    kind, text = start_error(door, "seawall.gateway(start_timeout=1).start()", SEAWALL_BINARY=slow)
    hold(kind == "StartError None" and text == "the gateway was not ready within 1 s\nthinking\n", f"{kind}: {text}")
    check_gone([(int((door.folder / "pid").read_text()), "")], "a program that was never ready")
    code, _, err = run(door, [PYTHON, "-m", "seawall"], SEAWALL_BINARY="/nowhere/seawall")
    hold(code == 4 and err.startswith("error: SEAWALL_BINARY names"), err)


@claim
def what_goes_on_at_the_end_has_its_time_and_no_more(door):
    """A request under way is finished; one that takes too long is broken off; who hears nothing is killed."""
    code = """
import openai, urllib.request
def ask(url, fault, found):
    client = openai.OpenAI(base_url=url, max_retries=0, default_headers={"x-chaos": fault})
    try:
        found.append(client.chat.completions.create(model="gpt-4o", messages=[]).choices[0].message.content)
    except openai.APIError as error:
        found.append(error)

def timed(drain, fault):
    gw, found = seawall.gateway(drain=drain), []
    with gw as url:
        asking = threading.Thread(target=ask, args=(url, fault, found))
        asking.start()
        while b'seawall_requests_in_flight 1' not in urllib.request.urlopen(gw.admin_url + '/metrics').read():
            time.sleep(0.01)
        began = time.monotonic()
    took = time.monotonic() - began
    asking.join()
    assert gw.exit_code == 0, gw.exit_code
    return took, found[0]

took, found = timed(30, "slow=1500ms")
assert isinstance(found, str) and took < 20, (took, found)
took, found = timed(0.5, "first_content_timeout")
assert isinstance(found, openai.APIError) and 0.5 <= took < 8, (took, found)
print("all is well")
"""
    chaos = door.chaos()
    done, out, err = run(door, [PYTHON, "-c", HEAD + code], SEAWALL_UPSTREAM=chaos.base_url)
    hold(done == 0 and "all is well" in out, f"{out}{err}")

    # One that hears nothing: it says that it is ready, and takes neither the end of the pipe nor a signal.
    deaf = fake(door, "deaf", f"trap '' TERM\necho $$ >'{door.folder}/pid'\necho 'seawall is ready: http://127.0.0.1:1/v1 in front of it; admin http://127.0.0.1:1'\nwhile :; do sleep 1; done")
    code = "gw = seawall.gateway(drain=0.2)\nimport seawall._gateway as own\nown.FORCED_S = 0.2\nwith gw: pass\nprint(gw.exit_code)"
    done, out, err = run(door, [PYTHON, "-c", HEAD + code], SEAWALL_BINARY=deaf)
    same((done, out), (0, "-9\n"), err)
    check_gone([(int((door.folder / "pid").read_text()), "")], "a program that hears nothing")


@claim
def a_handler_of_a_signal_may_close_it(door):
    """Also in the middle of a close, on the same thread, with a request that does not end."""
    code = """
import openai, urllib.request
gw = seawall.gateway(drain=2)
signal.signal(signal.SIGTERM, lambda *_: (gw.close(), os._exit(3)))
told(gw)
client = openai.OpenAI(base_url=gw.url, max_retries=0, default_headers={"x-chaos": "first_content_timeout"})
threading.Thread(target=client.models.list, daemon=True).start()
while b"seawall_requests_in_flight 1" not in urllib.request.urlopen(gw.admin_url + "/metrics").read():
    time.sleep(0.01)
print("closing", flush=True)
"""
    chaos = door.chaos()
    for name, end in (("at any time", "time.sleep(600)"), ("in the middle of a close", "gw.close()")):
        script = python(door, HEAD + code + end, name.replace(" ", "-"), SEAWALL_UPSTREAM=chaos.base_url)
        found = script.gateways()
        script.says("closing")
        script.signal(signal.SIGTERM)
        same(script.exit_code(), 3, f"{name}: {script.said()}")
        check_gone(found, name)


# What errors mean, and what is told to nobody.

#: A fault of chaos, and what it means: recognised as, status, class, whose fault.
FAILURES = [
    ("500", "http_response", 500, "server_error", "provider"),
    ("503", "http_response", 503, "overloaded", "provider"),
    ("429", "http_response", 429, "rate_limited", "caller"),
    ("429-quota", "http_response", 429, "quota", "caller"),
    ("400", "http_response", 400, "caller_fault", "caller"),
    ("401", "http_response", 401, "auth", "caller"),
    ("html-502", "http_response", 502, "bad_gateway", "provider"),
    ("text-503", "http_response", 503, "bad_gateway", "provider"),
    ("empty-500", "http_response", 500, "server_error", "provider"),
    ("reset", "python_exception", None, "ambiguous", "network"),
    ("garbage", "python_exception", None, "ambiguous", "provider"),
    ("stream_error", "python_exception", 500, "server_error", "provider"),
]


@claim
def an_exception_of_the_sdk_is_explained(door):
    code = """
import json, openai
for fault in sys.argv[2:]:
    client = openai.OpenAI(base_url=sys.argv[1], max_retries=0, timeout=5, default_headers={"x-chaos": fault})
    try:
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello."}], stream="stream" in fault)
        [None for _ in answer]
    except openai.APIError as error:
        told = seawall.explain(error, journal=False)
        id = getattr(error, "request_id", None)
        print(json.dumps([told.recognised, told.status, told.error_class, told.whose, bool(told.meaning and told.next and str(told)), id is None or told.request_id == id]))
"""
    chaos = door.chaos()
    done, out, err = run(door, [PYTHON, "-c", HEAD + code, chaos.base_url, *(one[0] for one in FAILURES)])
    same((done, err), (0, ""), out)
    told = [json.loads(line) for line in out.splitlines()]
    same(len(told), len(FAILURES), f"failures: {out}")
    for (fault, *expected), found in zip(FAILURES, told, strict=True):
        door.case(fault, None if found == [*expected, True, True] else f"expected {expected}, found {found}")


@claim
def what_the_record_knows_is_part_of_what_an_exception_means(door):
    """Of gateways that a program started, in the user's own data folder; the verbs find them too."""
    code = """
import openai
with seawall.gateway(max_retries=0) as url, seawall.gateway(max_retries=0) as other:
    for base in (url, other):
        try:
            openai.OpenAI(base_url=base, max_retries=0).chat.completions.create(model="gpt-4o", messages=[])
        except openai.InternalServerError as error:
            told = seawall.explain(error)
            print(error.request_id, len(told.evidence) > 0, error.request_id in str(told))
print(seawall.explain(503, journal=False).evidence)
"""
    chaos = door.chaos("--fault", "503:1")
    done, out, err = run(door, [PYTHON, "-c", HEAD + code], SEAWALL_UPSTREAM=chaos.base_url)
    *rows, none = out.splitlines()
    same((done, none, [row.split()[1:] for row in rows]), (0, "()", [["True", "True"]] * 2), f"{out}{err}")
    for row in rows:
        code, shown, err = run(door, [COMMAND, "show", row.split()[0]])
        hold(code == 0 and row.split()[0] in shown, f"{shown}{err}")


@claim
def keys_and_prompts_are_in_no_argument_error_or_log(door):
    """Planted in the address of the upstream, in the configuration, in a request, in an exception; upstreams echo them."""
    secret, prompt = canaries.SECRET, canaries.PROMPT
    code = """
import io, logging, openai, pathlib
key, prompt, base = sys.argv[1], sys.argv[2], sys.argv[3]
sys.argv[1:] = []
said = io.StringIO()
logging.basicConfig(stream=said, level=logging.DEBUG)
logging.getLogger("httpx").disabled = logging.getLogger("openai").disabled = True
config = "planted.toml"
pathlib.Path(config).write_text('[log]\\nlevel = "debug"\\n[[upstream]]\\nname = "a"\\nbase_url = "%s"\\napi_key = "%s"\\n' % (base, key))
for options in ({"config": config}, {"upstream": base}):
    gw = seawall.gateway(**options)
    with gw as url:
        client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
        for fault in ("500", "echo", "echo-400", "401", "html", "reset", "truncated"):
            try:
                client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": prompt}], extra_headers={"x-chaos": fault})
            except openai.APIError as error:
                print(seawall.explain(error), repr(seawall.explain(error)))
                print(seawall.explain("Traceback: " + key + " Bearer " + key + prompt + str(error)))
        print(pathlib.Path("/proc/%d/cmdline" % gw.pid).read_text(), gw, repr(gw), vars(seawall.explain(503)))
    gw = seawall.gateway(**options)
    gw.start()
    os.kill(gw.pid, signal.SIGKILL)
    while gw.alive: pass
    try:
        gw.check()
    except seawall.GatewayDied as error:
        print(error, error.last_words)
try:
    seawall.gateway(upstream=base + "?api-key=" + key).start()
except seawall.StartError as error:
    print(error, repr(error))
print(said.getvalue())
assert "ended while" in said.getvalue() and '"level"' in said.getvalue()
"""
    program, words = recorder(door)
    chaos = door.chaos()
    done, out, err = run(door, [PYTHON, "-W", "error", "-c", HEAD + code, f"sk-{secret}", prompt, chaos.base_url], SEAWALL_BINARY=program)
    same(done, 0, f"{out[-3000:]}{err[-3000:]}")
    argv = words.read_text()
    hold("--own-journal" in argv and argv.count("\nexplain\n") >= 14, argv)
    for what, text in {"the output": out, "standard error": err, "the arguments": argv}.items():
        found = canaries.hits(text, canaries.needles())
        hold(not found, f"{what}: {found[:3]}\n{text[-3000:]}")


@claim
def it_starts_once_and_a_second_start_does_it_no_harm(door):
    code = """
gw = seawall.gateway()
gw.close()
for closed in (gw.start, lambda: gw.url):
    try:
        closed()
    except seawall.SeawallError as error:
        print(error)
gw = seawall.gateway()
with gw as url:
    try:
        gw.start()
    except seawall.SeawallError as error:
        print(error)
    time.sleep(0.2)
    assert gw.alive
    gw.check()
"""
    done, out, err = run(door, [PYTHON, "-c", HEAD + code])
    once = "a gateway is started once: make another\n"
    same((done, out), (0, f"{once}the gateway is not started\n{once}"), err)


@claim
def a_long_line_is_read_and_a_handler_that_raises_stops_nothing(door):
    (door.folder / "many.toml").write_text(many_upstreams())
    code = """
import logging
class Odd(logging.Filter):
    def filter(self, record):
        raise RuntimeError("odd")
logging.getLogger("seawall").setLevel(logging.DEBUG)
logging.getLogger("seawall").addFilter(Odd())
gw = seawall.gateway(config="many.toml")
with gw: pass
assert gw.exit_code == 0
print(gw.last_words)
"""
    done, out, err = run(door, [PYTHON, "-c", HEAD + code])
    hold(done == 0 and "a line of the log was not taken: RuntimeError" in out, f"{out}{err}")


@claim
def its_own_log_is_pythons_log(door):
    code = """
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
with seawall.gateway(): pass
"""
    done, out, err = run(door, [PYTHON, "-c", HEAD + code])
    hold(done == 0 and re.search(r'^INFO seawall \{.*"message":"stopped"', err, re.M), f"{out}{err}")
    done, out, err = run(door, [PYTHON, "-c", HEAD + "with seawall.gateway(): pass"])
    same((done, out, err), (0, "", ""), "what is said where nobody wants to know")


@claim
def options_reach_the_program(door):
    """The port, retries, a configuration with a variable, a data directory of its own."""
    code = """
import openai, urllib.request
with seawall.gateway(port=int(sys.argv[1]), admin_port=int(sys.argv[2]), max_retries=2, data_dir="own", config="own.toml", env={"OWN": sys.argv[3]}) as url:
    assert url == "http://127.0.0.1:" + sys.argv[1] + "/v1", url
    try:
        openai.OpenAI(base_url=url, max_retries=0).models.list()
    except openai.InternalServerError as error:
        print(error.response.headers["x-seawall-attempts"])
    assert os.path.exists("own/serve.json")
assert not os.path.exists("own/serve.json")
"""
    chaos = door.chaos("--fault", "500:1")
    (door.folder / "own.toml").write_text('[budget]\nstart = 100\n[[upstream]]\nname = "a"\nbase_url = "${OWN}"\n')
    done, out, err = run(door, [PYTHON, "-c", HEAD + code, str(free_port()), str(free_port()), chaos.base_url])
    same((done, out), (0, "3\n"), err)
