"""A clean Debian 12: what nobody has installed anything into, made of the packages that this machine gets its own from.

`layer` makes a tree once and keeps it. `Clean` is a container over such trees: processes, mounts, network and control groups
of its own, what is written there in a folder of the claim. It ends with its first process, and nothing of it is left.
Its first process may be systemd: then it is a machine that has booted.

It needs root, as `./test` does on the machine that it installs tools on.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import uuid

import programs
from claims import Broken, hold

SUITE = "bookworm"
INSIDE = pathlib.Path(__file__).resolve().parent / "inside.py"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: A tree of packages is there within this time, in seconds; a slow mirror is no reason to wait for ever.
LAYER_S = 300
#: A container is there, and has booted, within this time each, in seconds.
BEGINS_S = 30
NAMESPACES = ["--target", "{}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]


def sources():
    """Where this machine gets Debian 12's packages from, as lines of apt's own kind."""
    lines = []
    for file in [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]:
        if file.suffix == ".list" and file.is_file():
            lines += [line.strip() for line in file.read_text().splitlines() if line.startswith("deb ")]
        elif file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", file.read_text()):
                said = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", re.sub(r"^#.*\n", "", stanza, flags=re.M), re.M))
                if "deb" not in said.get("Types", "").split() or said.get("Enabled", "yes") == "no":
                    continue
                signed = f"[signed-by={said['Signed-By']}] " if said.get("Signed-By", "").startswith("/") else ""
                lines += [f"deb {signed}{uri} {suite} {said['Components']}" for uri in said["URIs"].split() for suite in said["Suites"].split()]
    ours = [line for line in lines if re.search(rf" {SUITE}(-updates|-security)? .*\bmain\b", line)]
    hold(ours, f"this machine's apt has no source of Debian 12 ({SUITE})\nhint: run the tests on Debian 12")
    return ours


def layer(place, name, packages, below=None):
    """A tree with these packages on top of another one; made once for each list of them."""
    said = json.dumps([SUITE, sorted(packages), str(below)])
    tree = place / "debian" / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if tree.is_dir():
        return tree
    # Of another list, or what an end in the middle has left.
    for old in [*(place / "debian").glob(f"{name}-*"), *(place / "debian").glob(f"{name}.*")]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    tree.parent.mkdir(parents=True, exist_ok=True)
    draft = tree.with_name(tree.name + ".new")
    if below is None:
        hold(shutil.which("mmdebstrap"), "mmdebstrap is missing\nhint: `./test packages` installs it")
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--mode=root", "--dpkgopt=force-unsafe-io", *(["--include=" + ",".join(packages)] if packages else []), SUITE, draft, *sources()],
            capture_output=True, timeout=LAYER_S, check=False,
        )
        hold(done.returncode == 0, f"mmdebstrap: {done.stderr.decode(errors='replace')[-2000:]}")
    else:
        draft.mkdir()
        with Clean(draft.parent, [below], name=f"{name}.making", upper=draft, has_network=True) as machine:
            command = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(packages)} && apt-get clean && rm -rf /var/lib/apt/lists/*"
            machine.does("sh", "-c", command, seconds=LAYER_S)
    draft.rename(tree)
    return tree


class Clean(programs.Program):
    """A container over `trees`, the uppermost first."""

    def __init__(self, folder, trees, *, name="debian", upper=None, has_network=False, boots=False, becomes=None):
        """With a network it has this machine's; without one, a loopback of its own, where every port is free.

        Its first process does nothing, or `boots`, or `becomes` what the containers of others run: a dictionary of `command`,
        `user`, `environment`, `files` (path to text, there before the rest is made read-only) and `volumes`.
        """
        self.place = folder / name
        self.place.mkdir()
        upper = upper or self.place / "upper"
        for one in [upper, self.place / "work", self.place / "root"]:
            one.mkdir(exist_ok=True)
        self.has_network = has_network
        self.group = f"seawall-test-{uuid.uuid4().hex[:12]}"
        options = {
            "group": self.group,
            "trees": [str(tree) for tree in trees], "upper": str(upper), "work": str(self.place / "work"),
            "root": str(self.place / "root"), "has_network": has_network, "boots": boots, "becomes": becomes,
            "begun": str(self.place / "begun"),
        }
        self.becomes = becomes["command"][0] if becomes else "/lib/systemd/systemd" if boots else "/bin/sleep"
        arguments = ["unshare", "--fork", "--kill-child", "--mount", "--pid", "--uts", "--ipc"]
        arguments += [] if has_network else ["--net"]
        super().__init__(folder, name, [*arguments, sys.executable, INSIDE, json.dumps(options)])
        self.first = None
        try:
            programs.wait_for(f"{name} is there", BEGINS_S, self.is_there)
            if boots:
                programs.wait_for(f"{name} has booted", BEGINS_S, self.is_booted)
        except Broken:
            self.end()
            raise

    def is_there(self):
        """Whether its first process has become what it is to be, or has already been that and is over."""
        if self.is_over():
            if (self.place / "begun").exists():
                return True
            raise Broken(f"no container: {self.said()}\nhint: it needs root, and namespaces of its own")
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if not children:
            return False
        self.first = children[0]
        command = pathlib.Path(f"/proc/{self.first}/cmdline").read_bytes().split(b"\0")[0]
        return command.decode() == self.becomes

    def is_booted(self):
        return self.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded")

    def command(self, *words, user=None, environment=None):
        """The words that run this in it from outside."""
        entered = ["nsenter", *(word.format(self.first) for word in NAMESPACES)]
        said = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        if self.has_network:
            # The way out of this machine is the way out of the container.
            said.update({name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")})
        said.update(environment or {})
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        return [*entered, *as_user, "env", "-i", *(f"{name}={value}" for name, value in said.items()), *map(str, words)]

    def run(self, *words, stdin=b"", seconds=60, **options):
        """A command in it to its end: exit code, stdout, stderr."""
        try:
            done = subprocess.run(self.command(*words, **options), input=stdin, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            raise Broken(f"{words} in {self.name}: not within {seconds} s: {(late.stdout or b'')[-500:]}{(late.stderr or b'')[-500:]}") from None
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def does(self, *words, **options):
        """The same of one that works: what it prints."""
        code, out, err = self.run(*words, **options)
        hold(code == 0, f"{' '.join(map(str, words))[:300]}: exit {code}\n{out[-1500:]}{err[-1500:]}")
        return out

    def beside(self, *words):
        """The words that run a program of this machine in the container's network."""
        return ["nsenter", "--target", self.first, "--net", *map(str, words)]

    def path(self, path):
        """A file in it, seen from this machine. A link to an absolute path would lead out of it: `does` is for those."""
        return pathlib.Path(f"/proc/{self.first}/root") / str(path).lstrip("/")

    def put(self, path, text, mode=0o644):
        file = self.path(path)
        file.write_text(text)
        file.chmod(mode)

    def files(self):
        """Every path in it, but for what the system itself keeps of packages, logs and caches."""
        own = r"^/(proc|sys|dev|run|tmp)/|^/var/(lib/(dpkg|apt|systemd/(deb-systemd|catalog|random-seed))|log|cache)/|^/etc/ld\.so\.cache|\.pyc$"
        found = self.does("find", "/", "-xdev", "-mindepth", "1").splitlines()
        return {path for path in found if not re.search(own, path)}

    def end(self, seconds=10):
        # The first process may have become another user's, who outlives whoever started it.
        if self.first is not None and not self.is_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self.first), signal.SIGKILL)
        if not self.is_over():
            self.kill()
        programs.wait_for(f"{self.name} is gone", seconds, self.is_gone)

    def is_gone(self):
        """Whether its control groups could be removed: then no process of it is left."""
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        group = next((pathlib.Path(at) / self.group for _, at, kind, *_ in mounts if kind == "cgroup2"), None)
        if group is None or not group.exists():
            return True
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
        except OSError:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        shutil.rmtree(self.place, ignore_errors=True)
        self.out.unlink(missing_ok=True)
        self.err.unlink(missing_ok=True)


def container(door, trees, **options):
    """A container that ends with the claim."""
    machine = Clean(door.folder, trees, **options)
    door.programs.append(machine)
    return machine


def program(door, name, command):
    """A program in a container, or beside it in its network, that ends with the claim."""
    one = programs.Program(door.folder, name, command)
    door.programs.append(one)
    return one
