"""The npm packages: packed from the release build, installed without a network into an empty folder, used as the README says.

The programs run on the system's Node where it is 18 or later, and on the pinned one that the SDK's tests have.
"""

import json
import os
import re
import shutil
import signal
import tarfile

import canaries
import notices
from claims import Broken, claim, hold, same
from installed import VERSION, Script, blocks, check_alive, check_gone, check_nobody_has, check_silent, digest, fake, many_upstreams, recorder, run, sized, tool, words_of
from programs import BINARY, ROOT, TEST, free_port, upstream

PACKAGE = ROOT / "packages" / "node"
README = PACKAGE / "README.md"
PLACE = TEST / "packages" / "node"
#: Somebody's project: the packages installed, and the SDK.
PROJECT = PLACE / "project"
#: The pinned Node and the pinned SDK: `./test` installs them.
SDK = TEST / "node" / "node_modules"
NODE = SDK / ".bin" / "node"
#: What reads types: `./test` installs it.
TSC = TEST / "types" / "node_modules" / ".bin" / "tsc"
COMMAND = PROJECT / "node_modules" / ".bin" / "seawall"
PLATFORM = "@seawall/linux-x64"

HEAD = "const { explain, findBinary, gateway, BinaryMissing, GatewayDied, SeawallError, StartError } = require('seawall');\nconst { setTimeout: wait } = require('node:timers/promises');\nconst told = (gw) => { console.log('gateway', gw.pid, gw.url); return gw; };\n"


def prepare(_place):
    for there in (NODE, TSC):
        hold(there.exists(), f"{there} is not there\nhint: ./test packages installs it")
    shutil.rmtree(PLACE, ignore_errors=True)
    tool(PACKAGE / "pack", "--binary", BINARY, "--out", PLACE / "tarballs")
    PROJECT.mkdir()
    (PROJECT / "package.json").write_text('{"private": true}\n')
    install(PROJECT, *tarballs())
    # The SDK is what is pinned, and not installed again.
    for name in ("openai", "openai-6"):
        os.symlink(SDK / name, PROJECT / "node_modules" / name)


def tarballs():
    return [PLACE / "tarballs" / f"{name}-{VERSION}.tgz" for name in ("seawall", "seawall-linux-x64")]


def install(folder, *what):
    environment = {**os.environ, "npm_config_cache": str(PLACE / "cache")}
    return tool("npm", "install", "--offline", "--no-fund", "--no-audit", "--no-update-notifier", *what, cwd=folder, environment=environment)


def nodes():
    """Each Node to try, by its version."""
    found = {}
    for one in (NODE, shutil.which("node")):
        version = tool(one, "--version").strip() if one else "v0"
        if int(version[1:].split(".")[0]) >= 18:
            found.setdefault(version, one)
    return found


def in_project(door):
    """The modules of the project, seen from the claim's own folder."""
    there = door.folder / "node_modules"
    if not there.exists():
        os.symlink(PROJECT / "node_modules", there)


def node(door, code, name="program", interpreter=NODE, **more):
    """A program that goes on."""
    in_project(door)
    file = door.folder / f"{name}.cjs"
    file.write_text(HEAD + code)
    return Script(door, name, [interpreter, file], **more)


def ran(door, code, *arguments, interpreter=NODE, **more):
    """A program to its end: exit code, stdout, stderr. `code` is the body of an async function."""
    in_project(door)
    (door.folder / "ran.cjs").write_text(f"{HEAD}(async () => {{\n{code}\n}})();\n")
    return run(door, [interpreter, "ran.cjs", *arguments], **more)


# What is in them.


@claim
def the_tarballs_hold_what_they_should_and_run_nothing_when_installed(_door):
    own, platform = tarballs()
    with tarfile.open(own) as packed:
        names = sorted(name.removeprefix("package/") for name in packed.getnames())
        told = json.load(packed.extractfile("package/package.json"))
    files = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "bin/seawall.cjs", "index.cjs", "index.d.mts", "index.d.ts", "index.mjs"]
    same(names, sorted([*files, *(f"lib/{name}.cjs" for name in ("binary", "errors", "explain", "gateway")), "package.json"]), "files")
    same((told["version"], told["optionalDependencies"]), (VERSION, {PLATFORM: VERSION}), "versions")
    hold(not {"scripts", "dependencies", "peerDependencies"} & set(told), f"{told}")
    sized(own)
    sized(platform)
    with tarfile.open(platform) as packed:
        names = sorted(name.removeprefix("package/") for name in packed.getnames())
        same(names, ["LICENSE-APACHE", "LICENSE-MIT", "README.md", notices.NAME, "bin/seawall", "package.json"], "files")
        same(packed.getmember("package/bin/seawall").mode & 0o111, 0o111, "the program can be run")
        same(digest(packed.extractfile("package/bin/seawall").read()), digest(BINARY.read_bytes()), "the program packed, and the release build")
        notices.check(packed.extractfile(f"package/{notices.NAME}").read(), "the npm package")
        told = json.load(packed.extractfile("package/package.json"))
    same([told[name] for name in ("name", "version", "os", "cpu", "libc")], [PLATFORM, VERSION, ["linux"], ["x64"], ["glibc"]], "what it is for")
    hold("scripts" not in told, f"{told}")


@claim
def one_version_everywhere(_door):
    own = json.loads((PACKAGE / "package.json").read_text())
    same((own["version"], own["optionalDependencies"]), (VERSION, {PLATFORM: VERSION}), "package.json, and Cargo.toml")


# README.


@claim
def the_readme_works_as_it_stands(door):
    same(words_of(README), {"sh", "js"}, "kinds of blocks; a new one needs a claim here")
    chaos = door.chaos("--seed", "3", "--fault", "500:0.3", "--ignore-headers")
    down = door.chaos("--fault", "500:1", name="down")
    in_project(door)
    for at, block in enumerate(blocks(README, "js")):
        (door.folder / f"{at}.mjs").write_text(block)
        explains = "explain" in block
        code, out, err = run(door, [NODE, f"{at}.mjs"], SEAWALL_UPSTREAM=(down if explains else chaos).base_url)
        same((code, err), (0, ""), f"{block}\n{out}")
        hold(re.search(r"server_error: .*\n  whose fault: the provider's", out) if explains else len(out.strip()) > 3, f"{block}\n{out}{err}")
    path = {"PATH": f"{NODE.parent}:{os.environ['PATH']}", "SEAWALL_UPSTREAM": chaos.base_url}
    commands = [line.split("  #")[0] for block in blocks(README, "sh") for line in block.splitlines() if not line.startswith("npm install")]
    hold(all(line.startswith("npx seawall ") for line in commands) and len(commands) > 1, f"{commands}")
    for line in commands:
        if line == "npx seawall serve":
            continue
        code, out, err = run(door, ["bash", "-c", line.replace("npx", "npx --offline")], **path)
        same((code, bool(out.strip())), (0, True), f"{line}\n{out}{err}")


@claim
def import_and_require_give_the_same_on_every_node_here(door):
    chaos = door.chaos()
    code = """
const imported = await import('seawall');
for (const [name, value] of Object.entries(require('seawall'))) if (imported[name] !== value) throw new Error(name);
const gw = await gateway();
const reply = await fetch(`${gw.url}/models`);
if (reply.status !== 200) throw new Error(String(reply.status));
await reply.text();
await gw[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
if (gw.alive) throw new Error('it is alive');
const { OpenAI } = require('openai-6');
const again = await gateway();
const client = new OpenAI({ baseURL: again.url, apiKey: 'sk-none', maxRetries: 0 });
if ((await client.models.list()).data.length === 0) throw new Error('no models');
await again.close();
console.log((await explain(503)).class, process.version);
"""
    for version, interpreter in nodes().items():
        done, out, err = ran(door, code, interpreter=interpreter, SEAWALL_UPSTREAM=chaos.base_url)
        door.case(version, None if (done, out, err) == (0, f"overloaded {version}\n", "") else f"exit {done}: {out}{err}")


BY_IMPORT = """
import { explain, gateway, GatewayDied, StartError, type Explanation, type Gateway } from 'seawall';

export async function main(): Promise<string> {
  await using gw: Gateway = await gateway({ upstream: 'http://127.0.0.1:1/v1', maxRetries: 2, onLog: (line) => console.log(line.length) });
  const { error } = await gw.ended;
  if (error instanceof GatewayDied) throw error;
  const told: Explanation = await explain(new Error('x'), { journal: false });
  // @ts-expect-error There is no such option.
  await gateway({ url: '' });
  // @ts-expect-error It is read only.
  gw.url = '';
  return told.whose ?? told.next[0] ?? StartError.name;
}
"""
BY_REQUIRE = """
import seawall = require('seawall');
export const gw: Promise<seawall.Gateway> = seawall.gateway({ port: 7500 });
export const missing: Error = new seawall.BinaryMissing();
"""


@claim
def types_hold_by_import_and_by_require(door):
    """By the strictest rules; and they name what there is, no more and no less."""
    in_project(door)
    (door.folder / "by_import.mts").write_text(BY_IMPORT)
    (door.folder / "by_require.cts").write_text(BY_REQUIRE)
    tool(TSC, "--noEmit", "--strict", "--module", "nodenext", "--target", "esnext", "by_import.mts", "by_require.cts", cwd=door.folder)
    named = re.findall(r"^export (?:class|function) (\w+)", (PACKAGE / "index.d.ts").read_text(), re.M)
    code, out, err = ran(door, "console.log(Object.keys(require('seawall')).sort().join(' '))")
    same((code, out), (0, " ".join(sorted(named)) + "\n"), err)


# The command.


@claim
def the_command_has_the_programs_words_and_exit_codes(door):
    same(run(door, [COMMAND, "--version"], PATH=f"{NODE.parent}:{os.environ['PATH']}"), (0, f"seawall {VERSION}\n", ""), "the version")
    same(run(door, [NODE, COMMAND, "config", "check", "--config", "none.toml"])[0], 3, "an exit code")
    code, out, _ = run(door, [NODE, COMMAND, "explain", "--json", "--no-journal"], stdin=b"503")
    same((code, json.loads(out)["class"]), (0, "overloaded"), "standard input")
    code, _, err = run(door, [NODE, COMMAND], SEAWALL_BINARY="/nowhere/seawall")
    hold(code == 4 and err.startswith("error: SEAWALL_BINARY names"), err)
    code, _, _ = run(door, [NODE, COMMAND, "exec", "--data-dir", "data", "--", "sh", "-c", "kill -9 $$"])
    same(code, 137, "a command that a signal ended")


@claim
def serve_ends_with_npx_and_its_node_however_they_end(door):
    chaos = door.chaos()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)):
        flags = ["serve", "--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}", "--data-dir", door.folder / number.name]
        script = Script(door, number.name, [NODE, COMMAND, *flags], SEAWALL_UPSTREAM=chaos.base_url)
        script.says("seawall is ready: ")
        serve = json.loads((door.folder / number.name / "serve.json").read_text())
        found = [(serve["pid"], f"http://{serve['listen']}/v1")]
        check_alive(found)
        script.signal(number)
        same(script.exit_code(), code, f"{number.name}: {script.said()}")
        check_gone(found, number.name)


# Never left behind.

ENDS = {
    "close, twice": "gateway().then(told).then(async (gw) => { await Promise.all([gw.close(), gw.close()]); await gw.close(); console.log('closed', gw.alive); });",
    "nothing left to do": "gateway().then(told);",
    "process.exit": "gateway().then(told).then(() => process.exit(7));",
    "an error that nobody catches": "gateway().then(told).then(() => setImmediate(() => { throw new Error('broken'); }));",
    "a rejection that nobody handles": "gateway().then(told).then(() => { throw new Error('broken'); });",
    "abort": "gateway().then(told).then(() => process.abort());",
    "eight at once": "Promise.all(Array.from({ length: 8 }, () => gateway().then(told)));",
    "the end of a worker that started it": "const { Worker, isMainThread } = require('node:worker_threads');\nif (isMainThread) new Worker(__filename); else gateway().then(told);",
}
STAYS = "gateway().then(told);\ngateway().then(told);\nsetInterval(() => {}, 1000);\n"


@claim
def a_gateway_ends_with_the_program_however_it_ends(door):
    chaos = door.chaos()
    variables = {"SEAWALL_UPSTREAM": chaos.base_url}
    for name, code in ENDS.items():
        try:
            script = node(door, code, re.sub(r"\W+", "-", name), **variables)
            found = script.gateways(8 if "eight" in name else 1)
            script.exit_code()
            check_gone(found, name)
            if "close" in name:
                same("closed false" in script.said(), True, script.said())
            door.case(name, None)
        except Broken as broken:
            door.case(name, f"{broken}\n{script.said()[-2000:]}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGSEGV):
        script = node(door, STAYS, number.name, **variables)
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
        code = f"setTimeout(() => process.kill(process.pid, 'SIGKILL'), {ms});\ngateway({{ dataDir: '{data}' }}).then(told);\nsetInterval(() => {{}}, 1000);\n"
        script = node(door, code, f"killed-after-{ms}")
        same(script.exit_code(), -signal.SIGKILL, script.said())
        check_nobody_has(data, f"killed after {ms} ms")


@claim
def a_worker_takes_its_gateway_along_when_it_is_terminated(door):
    code = """
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
if (isMainThread) {
  const worker = new Worker(__filename);
  worker.on('message', async () => {
    await worker.terminate();
    console.log('terminated');
  });
  setInterval(() => {}, 1000);
} else {
  gateway().then(told).then(() => parentPort.postMessage('ready'));
  setInterval(() => {}, 1000);
}
"""
    chaos = door.chaos()
    script = node(door, code, SEAWALL_UPSTREAM=chaos.base_url)
    found = script.gateways()
    script.says("terminated")
    check_gone(found, "a worker that was terminated, in a program that goes on")
    hold(not script.is_over(), "the program has ended: this shows nothing")


@claim
def another_child_of_the_program_does_not_hold_its_gateway(door):
    code = """
const { spawn } = require('node:child_process');
gateway().then(told).then(() => {
  const other = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
  console.log('child', other.pid);
  setInterval(() => {}, 1000);
});
"""
    chaos = door.chaos()
    script = node(door, code, SEAWALL_UPSTREAM=chaos.base_url)
    found = script.gateways()
    script.says("child ")
    child = int(re.search(r"^child (\d+)$", script.said(), re.M)[1])
    try:
        script.kill()
        check_gone(found, "kill -9 of a program whose other child goes on")
    finally:
        os.kill(child, signal.SIGKILL)


# What goes wrong.


@claim
def a_gateway_that_dies_is_noticed(door):
    code = """
const { OpenAI } = require('openai');
const held = setInterval(() => {}, 1000);
const gw = await gateway();
const client = new OpenAI({ baseURL: gw.url, apiKey: 'sk-none', maxRetries: 0 });
await client.models.list();
gw.check();
process.kill(gw.pid, 'SIGKILL');
const { exitCode, signal, error } = await gw.ended;
if (gw.alive || exitCode !== null || signal !== 'SIGKILL' || !(error instanceof GatewayDied)) throw new Error('not noticed');
const failed = await client.models.list().then(() => null, (why) => why);
if (!(failed instanceof OpenAI.APIConnectionError)) throw failed;
try {
  gw.check();
} catch (why) {
  console.log(why.name, why.signal, why.message);
}
await gw.close();
clearInterval(held);
"""
    chaos = door.chaos()
    done, out, err = ran(door, code, SEAWALL_UPSTREAM=chaos.base_url)
    hold(done == 0 and re.match(r"GatewayDied SIGKILL the gateway at http://127\.0\.0\.1:\d+/v1 ended while it was in use, by SIGKILL\n", out), f"{out}{err}")


def start_error(door, call, **more):
    code = f"try {{\n  await {call};\n  console.log('it started');\n}} catch (error) {{\n  console.log(error.name, error.exitCode);\n  console.log(error.message);\n}}"
    done, out, err = ran(door, code, **more)
    same((done, err), (0, ""), out)
    first, _, text = out.partition("\n")
    return first, text


@claim
def a_port_or_a_data_directory_that_is_taken_is_told(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    kind, text = start_error(door, f"gateway({{ port: {gateway.port} }})")
    hold(kind == "StartError 4" and f"cannot listen on 127.0.0.1:{gateway.port}" in text and "hint:" in text, f"{kind}: {text}")
    kind, text = start_error(door, f"gateway({{ dataDir: '{gateway.data}' }})")
    hold(kind == "StartError 4" and f"another seawall (pid {gateway.pid}) writes to" in text, f"{kind}: {text}")


@claim
def a_configuration_that_is_wrong_is_told_in_the_programs_words(door):
    secret = "Kd8Wq2Zn5Xv7Tb3Ym9Rc4Hp6Gj1Lf0Sa"
    (door.folder / "wrong.toml").write_text(f'[[upstream]]\nname = "a"\nbase_url = "https://a.example/v1"\napi_key = "sk-{secret}"\napi_kee = "sk-{secret}"\n')
    kind, text = start_error(door, "gateway({ config: 'wrong.toml' })")
    hold(kind == "StartError 3" and "api_kee" in text, f"{kind}: {text}")
    check_silent("the error", text, secret)
    kind, text = start_error(door, f"gateway({{ upstream: 'https://user:{secret}@a.example/v1?api-key={secret}' }})")
    same(kind, "StartError 3", text)
    check_silent("the error", text, secret)


@claim
def a_program_that_is_missing_or_never_ready_is_told(door):
    kind, text = start_error(door, "gateway()", SEAWALL_BINARY="/nowhere/seawall")
    hold(kind == "BinaryMissing undefined" and "SEAWALL_BINARY names /nowhere/seawall" in text, f"{kind}: {text}")
    kind, text = start_error(door, "explain(503)", SEAWALL_BINARY=fake(door, "broken", "echo no; exit 9"))
    hold(kind == "SeawallError undefined" and "seawall explain ended with 9" in text, f"{kind}: {text}")
    odd = door.folder / "odd"
    odd.write_bytes(b"\x7fELF" + b"\x00" * 64)
    odd.chmod(0o755)
    kind, text = start_error(door, "gateway()", SEAWALL_BINARY=odd)
    hold(kind.startswith("StartError"), f"{kind}: {text}")
    slow = fake(door, "slow", f'echo $$ >"{door.folder}/pid"\necho "thinking" >&2\nexec sleep 600')
    kind, text = start_error(door, "gateway({ startTimeout: 1000 })", SEAWALL_BINARY=slow)
    hold(kind == "StartError null" and text == "the gateway was not ready within 1000 ms\nthinking\n", f"{kind}: {text}")
    check_gone([(int((door.folder / "pid").read_text()), "")], "a program that was never ready")


@claim
def without_its_platforms_package_it_says_what_to_do(door):
    """As after `--omit=optional`, and on a platform that has none."""
    project = door.folder / "project"
    project.mkdir()
    (project / "package.json").write_text('{"private": true}\n')
    install(project, "--omit=optional", tarballs()[0])
    hold(not (project / "node_modules" / "@seawall").exists(), "the optional package was installed")
    code, out, err = run(door, [NODE, project / "node_modules" / ".bin" / "seawall", "--version"])
    hold((code, out) == (4, "") and f"the package {PLATFORM}, which has the program, is not installed\nhint: it is an optional dependency" in err, err)
    code = f"Object.defineProperty(process, 'platform', {{ value: 'plan9' }});\nrequire('{project}/node_modules/seawall').gateway().catch((error) => console.log(error.name, error.message));"
    code, out, err = run(door, [NODE, "-e", code])
    hold(code == 0 and out.startswith("BinaryMissing there is no package of seawall for plan9 x64, but for linux x64\nhint: "), f"{out}{err}")
    code, out, err = run(door, [NODE, project / "node_modules" / ".bin" / "seawall", "--version"], SEAWALL_BINARY=BINARY)
    same((code, out), (0, f"seawall {VERSION}\n"), err)


@claim
def what_goes_on_at_the_end_has_its_time_and_no_more(door):
    code = """
const { OpenAI } = require('openai');
async function timed(drain, fault) {
  const gw = await gateway({ drain });
  const client = new OpenAI({ baseURL: gw.url, apiKey: 'sk-none', maxRetries: 0, defaultHeaders: { 'x-chaos': fault } });
  const asking = client.chat.completions.create({ model: 'gpt-4o', messages: [] }).catch((error) => error);
  while (!(await (await fetch(`${gw.adminUrl}/metrics`)).text()).includes('seawall_requests_in_flight 1')) await wait(10);
  const began = performance.now();
  await gw.close();
  const took = performance.now() - began;
  if ((await gw.ended).exitCode !== 0) throw new Error('it was killed');
  return [took, await asking];
}
let [took, found] = await timed(30_000, 'slow=1500ms');
if (found instanceof Error || took > 20_000) throw new Error(`${took} ${found}`);
[took, found] = await timed(500, 'first_content_timeout');
if (!(found instanceof OpenAI.APIError) || took < 490 || took > 8_000) throw new Error(`${took} ${found}`);
console.log('all is well');
"""
    chaos = door.chaos()
    done, out, err = ran(door, code, SEAWALL_UPSTREAM=chaos.base_url)
    hold(done == 0 and "all is well" in out, f"{out}{err}")


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
    ("reset", "node_exception", None, "ambiguous", "network"),
    ("garbage", "node_exception", None, "ambiguous", "provider"),
    ("stream_error", "node_exception", None, "server_error", "provider"),
]


@claim
def an_error_of_the_sdk_is_explained(door):
    code = """
const { OpenAI } = require(process.argv[2]);
const [, , , baseURL, ...faults] = process.argv;
for (const fault of faults) {
  const client = new OpenAI({ baseURL, apiKey: 'sk-none', maxRetries: 0, timeout: 5000, defaultHeaders: { 'x-chaos': fault } });
  try {
    const stream = fault.includes('stream');
    const answer = await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Say hello.' }], stream });
    if (stream) for await (const event of answer);
    console.log('null');
  } catch (error) {
    const told = await explain(error, { journal: false });
    const id = error.requestID ?? undefined;
    console.log(JSON.stringify([told.recognised, told.status, told.class, told.whose, Boolean(told.meaning && told.next.length && String(told)), id === undefined || told.request_id === id]));
  }
}
"""
    chaos = door.chaos()
    for sdk in ("openai", "openai-6"):
        done, out, err = ran(door, code, sdk, chaos.base_url, *(one[0] for one in FAILURES))
        same((done, err), (0, ""), out)
        told = [json.loads(line) for line in out.splitlines()]
        same(len(told), len(FAILURES), f"failures: {out}")
        for (fault, *expected), found in zip(FAILURES, told, strict=True):
            door.case(f"{sdk}, {fault}", None if found == [*expected, True, True] else f"expected {expected}, found {found}")


@claim
def keys_and_prompts_are_in_no_argument_error_or_log(door):
    secret, prompt = canaries.SECRET, canaries.PROMPT
    code = """
const fs = require('node:fs');
const { inspect } = require('node:util');
const { OpenAI } = require('openai');
const [key, prompt, base] = process.argv.splice(2);
const held = setInterval(() => {}, 1000);
fs.writeFileSync('planted.toml', `[log]\\nlevel = "debug"\\n[[upstream]]\\nname = "a"\\nbase_url = "${base}"\\napi_key = "${key}"\\n`);
let lines = 0;
const onLog = (line) => { lines += 1; console.log(line); };
for (const options of [{ config: 'planted.toml' }, { upstream: base }]) {
  const gw = await gateway({ ...options, onLog });
  const client = new OpenAI({ baseURL: gw.url, apiKey: key, maxRetries: 0 });
  for (const fault of ['500', 'echo', 'echo-400', '401', 'html', 'reset', 'truncated']) {
    const error = await client.chat.completions
      .create({ model: 'gpt-4o', messages: [{ role: 'user', content: prompt }] }, { headers: { 'x-chaos': fault } })
      .then(() => null, (why) => why);
    if (error === null) continue;
    console.log(String(await explain(error)), await explain(error));
    console.log(String(await explain(`Traceback: ${key} Bearer ${key} ${prompt} ${error.message}`)));
  }
  console.log(fs.readFileSync(`/proc/${gw.pid}/cmdline`, 'utf8'), inspect(gw, { depth: 4 }), JSON.stringify(gw));
  process.kill(gw.pid, 'SIGKILL');
  const { error } = await gw.ended;
  console.log(error, gw.lastWords);
}
console.log(await gateway({ upstream: `${base}?api-key=${key}` }).catch((error) => error));
if (lines < 4) throw new Error(`${lines} lines of the log`);
clearInterval(held);
"""
    program, words = recorder(door)
    chaos = door.chaos()
    done, out, err = ran(door, code, f"sk-{secret}", prompt, chaos.base_url, SEAWALL_BINARY=program)
    same((done, err), (0, ""), out[-3000:])
    argv = words.read_text()
    hold("--own-journal" in argv and argv.count("\nexplain\n") >= 28, argv)
    for what, text in {"the output": out, "the arguments": argv}.items():
        found = canaries.hits(text, canaries.needles())
        hold(not found, f"{what}: {found[:3]}\n{text[-3000:]}")


@claim
def a_long_line_is_read(door):
    (door.folder / "many.toml").write_text(many_upstreams())
    done, out, err = ran(door, "const gw = await gateway({ config: 'many.toml' });\nawait gw.close();\nconsole.log((await gw.ended).exitCode);")
    same((done, out), (0, "0\n"), err)


@claim
def options_reach_the_program(door):
    code = """
const { OpenAI } = require('openai');
const [port, adminPort, own] = process.argv.slice(2);
const gw = await gateway({ port: Number(port), adminPort: Number(adminPort), maxRetries: 2, dataDir: 'own', config: 'own.toml', env: { OWN: own } });
if (gw.url !== `http://127.0.0.1:${port}/v1` || gw.adminUrl !== `http://127.0.0.1:${adminPort}`) throw new Error(gw.url);
const client = new OpenAI({ baseURL: gw.url, apiKey: 'sk-none', maxRetries: 0 });
await client.models.list().catch((error) => console.log(error.headers.get('x-seawall-attempts'), require('node:fs').existsSync('own/serve.json')));
await gw.close();
console.log(require('node:fs').existsSync('own/serve.json'));
"""
    chaos = door.chaos("--fault", "500:1")
    (door.folder / "own.toml").write_text('[budget]\nstart = 100\n[[upstream]]\nname = "a"\nbase_url = "${OWN}"\n')
    done, out, err = ran(door, code, str(free_port()), str(free_port()), chaos.base_url)
    same((done, out), (0, "3 true\nfalse\n"), err)


