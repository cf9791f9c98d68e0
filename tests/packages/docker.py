"""The image and the Compose file. There is no engine here: what the Dockerfile says is done by this program, in a clean Debian."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess

import clean
import debian
from claims import claim, hold, same
from installed import tool
from notices import NAME, WRITE, check
from programs import BINARY, ROOT, TEST, wait_for

DOCKER = ROOT / "deploy" / "docker"
#: What reads Dockerfiles and Compose files, pinned, in an environment of their own.
READERS = TEST / "containers" / "bin"
PYTHON = TEST / "venv" / "bin" / "python"
CHAOS_PORT = 7599
SOON_S = 20
SECRETS = {"openai": "sk-made-up-for-the-tests-0123456789", "client": "a-token-made-up-for-the-tests"}
#: An engine ends whoever takes longer; `docker stop -t 40`, as the page and the Compose file have it.
STOP_S = 40


def prepare(place):
    hold((READERS / "hadolint").exists(), f"{READERS}/hadolint is not installed\nhint: `./test packages` installs it")
    if debian.Built.plain is None:
        debian.Built.plain = clean.layer(place, "base", [])
    Image.built = Image(place)


def instructions():
    """The Dockerfile as pairs of an instruction and the rest of its line, a list for each stage."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.M))
    stages = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


#: Instructions that do nothing while an image is built.
WRITTEN_DOWN = {"FROM", "LABEL", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


class Image:
    """The last stage, carried out: what it wrote, and what it says of how to run it."""

    built = None

    def __init__(self, place):
        self.tree = place / "image"
        self.environment, self.volumes, self.said = {"PATH": clean.PATH}, [], {}
        for old in [self.tree, place / "building"]:
            shutil.rmtree(old, ignore_errors=True)
        does = {"COPY": self.copy, "RUN": self.run, "ENV": self.env, "VOLUME": self.volume}
        with clean.Clean(place, [debian.Built.plain], name="building", upper=self.tree, has_network=True) as machine:
            for word, rest in instructions()[-1]:
                if word in WRITTEN_DOWN:
                    hold(word not in self.said, f"{word} twice")
                    self.said[word] = rest
                else:
                    hold(word in does, f"the Dockerfile has {word}: what does that do?")
                    does[word](machine, rest)

    def copy(self, machine, rest):
        *options, source, target = rest.split()
        if options:
            same((options, source.startswith("/out/")), (["--from=build"], True), f"what the other stage gives: {source}")
            built = machine.place / "out-of-the-first-stage"
            if not built.exists():
                build_stage(built)
            source = built / source[len("/out/") :]
        else:
            source = ROOT / source
        to = machine.path(target)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, to)

    def run(self, machine, rest):
        machine.does("sh", "-c", rest, seconds=120)

    def env(self, machine, rest):
        self.environment.update(pair.split("=", 1) for pair in shlex.split(rest))

    def volume(self, machine, rest):
        self.volumes += json.loads(rest)

    @property
    def user(self):
        user, group = self.said["USER"].split(":")
        same(user, group, "user and group")
        return int(user)

    def begin(self, door, name, secrets, config=None, command=None):
        """A container of it, as an engine runs it read-only; what the secrets are, and its own configuration and command if it has them."""
        files = {f"/run/secrets/{name}": text for name, text in secrets.items()}
        if config is not None:
            files["/etc/seawall/seawall.toml"] = config
        command = json.loads(self.said["ENTRYPOINT"]) + (command or json.loads(self.said["CMD"]))
        becomes = {"command": command, "user": self.user, "environment": self.environment, "files": files, "volumes": self.volumes}
        machine = clean.Clean(door.folder, [self.tree, debian.Built.plain], name=name, becomes=becomes)
        door.programs.append(machine)
        return machine

    def health(self, machine):
        """The exit code of its health check."""
        check = self.said["HEALTHCHECK"].split("CMD ", 1)[1]
        return machine.run(*json.loads(check), user=self.user, environment=self.environment)[0]


def build_stage(out):
    """The first stage: the same script, with the program that is built already in place of the compiler."""
    runs = [rest for word, rest in instructions()[0] if word == "RUN"]
    same(runs, ["deploy/docker/build.sh /out"], "what the first stage runs")
    environment = {**os.environ, "SEAWALL_BUILT": str(BINARY)}
    done = subprocess.run([DOCKER / "build.sh", out], env=environment, capture_output=True, timeout=60, check=False)
    hold(done.returncode == 0, f"build.sh: {done.stderr.decode()}")


def configuration():
    """The one in the image, but for where the upstream is."""
    text = (DOCKER / "seawall.toml").read_text()
    return re.sub(r'base_url = "[^"]*"', f'base_url = "http://127.0.0.1:{CHAOS_PORT}/v1"', text)


def reads(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def compose():
    """The Compose file, as values."""
    program = "import json, sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(open(sys.argv[1]))))"
    code, said = reads(READERS / "python", "-c", program, DOCKER / "compose.yaml")
    hold(code == 0, said)
    return json.loads(said)


@claim
def dockerfile_and_compose_file_are_well_formed_and_what_is_not_is_refused(door):
    lint = [READERS / "hadolint", "--no-color"]
    same(reads(*lint, DOCKER / "Dockerfile"), (0, ""), "hadolint")
    wrong = door.folder / "Dockerfile"
    for text, told in [("FROM debian\n", "DL3006"), ("FROM debian:12\nRUN cd /tmp\n", "DL3003"), ("FROM debian:12\nRUNN true\n", "Dockerfile:2")]:
        wrong.write_text(text)
        code, said = reads(*lint, wrong)
        hold(code != 0 and told in said, f"{text!r}: exit {code}: {said}")
    valid = [READERS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    code, said = reads(*valid, DOCKER / "compose.yaml")
    same(code, 0, f"Compose's schema: {said}")
    text = (DOCKER / "compose.yaml").read_text()
    wrong = door.folder / "compose.yaml"
    for right, mistake in [("    read_only: true", "    readonly: true"), ("    mem_limit: 1g", "    mem_limit: [1g]"), ("volumes:\n  state: {}", "volume:\n  state: {}")]:
        hold(right in text, f"the Compose file has {right!r}")
        wrong.write_text(text.replace(right, mistake))
        code, said = reads(*valid, wrong)
        hold(code != 0, f"{mistake!r} is taken: {said}")


@claim
def the_compose_file_fits_the_image_and_the_program(door):
    service = compose()["services"]["seawall"]
    same((DOCKER / service["build"]["context"]).resolve(), ROOT, "the context of the build")
    same(ROOT / service["build"]["dockerfile"], DOCKER / "Dockerfile", "its Dockerfile")
    wanted = set(re.findall(r"\$\{credential:([a-z]+)\}", (DOCKER / "seawall.toml").read_text()))
    same((set(service["secrets"]), set(compose()["secrets"])), (wanted, wanted), "the secrets")
    hold(all(secret["file"].startswith("./secrets/") for secret in compose()["secrets"].values()), "they are in the folder that git and the build leave out")
    for ignored in [ROOT / ".gitignore", ROOT / ".dockerignore"]:
        hold("secrets" in ignored.read_text(), f"{ignored.name} has the secrets")
    volume, path = service["volumes"][0].split(":")
    hold(volume in compose()["volumes"], "the volume")
    final = dict(instructions()[-1])
    same(json.loads(final["VOLUME"]), [path], "is where the image has its own")
    hold(f"SEAWALL_DATA_DIR={path}" in final["ENV"], "and where the record is")
    same((service["stop_grace_period"], service["read_only"], service["cap_drop"]), (f"{STOP_S}s", True, ["ALL"]), "how it runs")
    same(service["ports"], [f"127.0.0.1:{final['EXPOSE']}:{final['EXPOSE']}"], "the port that is published, on this machine alone")
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    same(service["image"], f"seawall:{version}", "the image")


@claim
def the_image_is_built_with_the_rust_of_the_workspace_from_all_that_it_needs(door):
    rust = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    same(instructions()[0][0], ("FROM", f"rust:{rust}-bookworm AS build"), "the first stage")
    hold(instructions()[-1][0][1].startswith("debian:12"), "the last stage is of the same Debian")
    # The context, as an engine sends it: what git has, but for what is ignored.
    ignored = [line.strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith(("#", "*"))]
    context = door.folder / "context"
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for file in files:
        if any(f"{file}/".startswith(f"{one}/") for one in ignored) or not (ROOT / file).is_file():
            continue
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, context / file)
    done = subprocess.run(["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"], cwd=context, capture_output=True, timeout=60, check=False)
    hold(done.returncode == 0, f"the workspace is whole in the context: {done.stderr.decode()[-1000:]}")
    for package in json.loads(done.stdout)["packages"]:
        for target in package["targets"]:
            hold(os.path.exists(target["src_path"]), f"{target['src_path']} is in the context")
    for source in context.glob("crates/*/src/**/*.rs"):
        for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
            hold((source.parent / name).exists() or "test" in str(source), f"{source.relative_to(context)} includes {name}")
    for word, rest in instructions()[-1]:
        if word == "COPY" and "--from" not in rest:
            hold((context / rest.split()[0]).exists(), f"{rest} is in the context")
    tool(context / WRITE.relative_to(ROOT), door.folder / NAME, cwd=context)
    check((door.folder / NAME).read_bytes(), "the notices, as the first stage makes them")


@claim
def the_image_has_the_licences_of_the_program_and_of_all_that_is_in_it(_door):
    documents = Image.built.tree / "usr" / "share" / "doc" / "seawall"
    check((documents / NAME).read_bytes(), "the image")
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        same((documents / name).read_bytes(), (ROOT / name).read_bytes(), name)


@claim
def the_image_serves_read_only_as_its_user_and_its_health_check_tells(door):
    hold(PYTHON.exists(), f"{PYTHON} is not installed: ./test does it")
    image = Image.built
    machine = image.begin(door, "container", SECRETS, configuration())
    clean.program(door, "chaos", machine.beside(BINARY, "chaos", "--listen", f"127.0.0.1:{CHAOS_PORT}", "--seed", "3", "--fault", "500:0.3"))
    wait_for("a healthy container", SOON_S, lambda: image.health(machine) == 0)
    status = machine.path("/proc/1/status").read_text()
    same(re.search(r"^Uid:\t(\d+)", status, re.M)[1], "65532", "its user")
    for path in ["/here", "/etc/seawall/here", "/tmp/here", "/run/secrets/here"]:
        hold("Read-only" in machine.run("touch", path)[2], f"{path} cannot be written, not even by root")
    app = door.folder / "app.py"
    app.write_text(re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)[1])
    asks = ["env", f"OPENAI_API_KEY={SECRETS['client']}", "OPENAI_BASE_URL=http://127.0.0.1:7500/v1", PYTHON, app]
    done = subprocess.run(machine.beside(*asks), capture_output=True, timeout=60, check=False)
    same((done.returncode, done.stdout.decode().count(" answered: ")), (0, 6), f"{done.stdout.decode()}{done.stderr.decode()}")
    asks[1] = "OPENAI_API_KEY=none"
    done = subprocess.run(machine.beside(*asks), capture_output=True, timeout=60, check=False)
    same(done.stdout.decode().count("failed: 401"), 6, f"without the token: {done.stdout.decode()}{done.stderr.decode()}")
    hold("500" in machine.does("seawall", "failures", user=image.user, environment=image.environment), "`docker exec CONTAINER seawall failures` finds the record")
    os.kill(int(machine.first), signal.SIGSTOP)
    hold(image.health(machine) != 0, "one that stands still is not healthy")
    os.kill(int(machine.first), signal.SIGCONT)
    wait_for("a healthy container", SOON_S, lambda: image.health(machine) == 0)
    # The engine's signal to the first process of all.
    os.kill(int(machine.first), getattr(signal, image.said["STOPSIGNAL"]))
    same(image.health(machine), 1, "while it ends it is not healthy")
    same(machine.exit_code(STOP_S), 0, f"its end: {machine.said()[-500:]}")


@claim
def the_image_stands_beside_an_application_as_the_page_says(door):
    page = (ROOT / "docs" / "guides" / "sidecar.md").read_text()
    command = re.search(r"^    command: \[(serve, .*?)\]", page.split("## Compose")[1], re.M)[1].split(", ")
    image = Image.built
    machine = image.begin(door, "beside", {}, command=command)
    wait_for("a healthy container", SOON_S, lambda: image.health(machine) == 0)
    hold("http://127.0.0.1:7500/v1 in front of https://api.openai.com/v1" in machine.said(), machine.said())


@claim
def the_image_does_not_start_open_and_says_what_is_missing(door):
    image = Image.built
    for name, secrets, told in [
        ("keyless", {}, "needs the credential openai, which cannot be read: no such file or directory"),
        ("open", {"openai": SECRETS["openai"]}, "needs the credential client"),
    ]:
        machine = image.begin(door, name, secrets)
        same(machine.exit_code(SOON_S), 3, f"{name}: {machine.said()}")
        hold(told in machine.said(), f"{name}: {machine.said()}")
    # The same configuration without its client is refused for being open.
    config = configuration().split("[[client]]")[0]
    out = door.folder / "open.toml"
    out.write_text(config.replace("${credential:openai}", "${KEY}"))
    code, _, err = door.run("config", "check", "--config", out, environment={"KEY": "k"})
    hold(code == 3 and "nobody checks who calls" in err, err)
    # And a container without a gateway is not healthy.
    with clean.Clean(door.folder, [image.tree, debian.Built.plain], name="idle") as machine:
        same(image.health(machine), 4, "the health check where nothing runs")
