"""The service of the Debian package, under a real systemd that boots on it: started, watched, given its keys, stopped.

All of it is in a container with a loopback of its own, so that the ports are those of the page about it.
"""

import re
import subprocess
import sys
import threading

import clean
import debian
from claims import claim, hold, same
from programs import BINARY, ROOT, TEST, wait_for

UNIT = "seawall.service"
#: Exposure below 2.0 of 10, as `systemd-analyze security` counts it: in tenths.
EXPOSURE_MAX = 20
#: A unit gets where it is to be within this time, in seconds.
SOON_S = 20
KEY = "sk-made-up-for-the-tests-0123456789"
PYTHON = TEST / "venv" / "bin" / "python"
CHAOS_PORT, KEEPER_PORT = 7599, 7598
ASK = """
import http.client, json, sys
one = http.client.HTTPConnection("127.0.0.1", 7500, timeout=30)
one.request("POST", "/v1/chat/completions", json.dumps({"model": "gpt-4o", "messages": []}), dict(pair.split("=", 1) for pair in sys.argv[1:]))
print(one.getresponse().status)
"""


def prepare(place):
    if debian.Built.package is None:
        debian.prepare(place)


def booted(door):
    """A machine that has booted, with the package at hand."""
    machine = clean.container(door, debian.Built.booting, boots=True)
    debian.hand_in(machine)
    return machine


def serving(door):
    """The same with the package installed, in front of chaos."""
    machine = booted(door)
    clean.program(door, "chaos", machine.beside(BINARY, "chaos", "--listen", f"127.0.0.1:{CHAOS_PORT}"))
    machine.does("dpkg", "-i", f"/{debian.Built.package.name}")
    at_upstream(machine, CHAOS_PORT)
    machine.does("systemctl", "restart", UNIT)
    return machine


def at_upstream(machine, port):
    """The only thing that is other than on the page: where the upstream is."""
    file = machine.path("/etc/seawall/seawall.toml")
    file.write_text(re.sub(r'base_url = "[^"]*"', f'base_url = "http://127.0.0.1:{port}/v1"', file.read_text()))


def shown(machine, *names):
    """Properties of the unit."""
    lines = machine.does("systemctl", "show", UNIT, f"--property={','.join(names)}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def asked(machine, **headers):
    """A request to the gateway; its status."""
    pairs = [f"{name.replace('_', '-')}={value}" for name, value in headers.items()]
    done = subprocess.run(machine.beside(sys.executable, "-c", ASK, *pairs), capture_output=True, timeout=60, check=False)
    return int(done.stdout or 0), done.stderr.decode()


def override(machine, *lines):
    machine.does("mkdir", "-p", f"/etc/systemd/system/{UNIT}.d")
    machine.put(f"/etc/systemd/system/{UNIT}.d/override.conf", "\n".join(["[Service]", *lines, ""]))
    machine.does("systemctl", "daemon-reload")


@claim
def the_unit_is_what_systemd_takes_and_leaves_little_open(door):
    machine = debian.installed(door)
    file = f"/usr/lib/systemd/system/{UNIT}"
    same(machine.path(file).read_text(), (ROOT / "deploy" / "systemd" / UNIT).read_text(), "the unit of the package")
    code, out, err = machine.run("systemd-analyze", "verify", file)
    same((code, out, err), (0, "", ""), "systemd-analyze verify")
    analyze = ["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={EXPOSURE_MAX}"]
    out = machine.does(*analyze, file)
    print(f"      {re.search(r'Overall exposure level.*: ([0-9.]+)', out)[1]} of 10 the exposure of the unit")
    # One line less, and it is more than that: both checks would tell.
    text = machine.path(file).read_text()
    machine.put("/tmp/open.service", re.sub(r"^(SystemCall|Capability|Protect|Private|Restrict).*\n", "", text, flags=re.M))
    hold(machine.run(*analyze, "/tmp/open.service")[0] != 0, "a unit without protection is refused")
    machine.put("/tmp/wrong.service", text + "\n[Service]\nWatchdogSecs=1\n")
    hold(machine.run("systemd-analyze", "verify", "/tmp/wrong.service")[2], "a line that systemd does not know is told")


@claim
def the_service_starts_as_the_page_says_and_mends_failures_for_the_sdk(door):
    hold(PYTHON.exists(), f"{PYTHON} is not installed: ./test does it")
    machine = booted(door)
    clean.program(door, "chaos", machine.beside(BINARY, "chaos", "--listen", f"127.0.0.1:{CHAOS_PORT}", "--seed", "3", "--fault", "500:0.3"))
    install, key = debian.blocks("Debian", "sh")
    out = machine.does("sh", "-exc", install)
    hold("\nactive\n" in out and "ready: http://127.0.0.1:7501" in out, f"it serves when apt-get is done: {out[-500:]}")
    said = shown(machine, "ActiveState", "SubState", "Type", "NotifyAccess", "DynamicUser", "UnitFileState", "StatusText", "MemoryMax", "WatchdogUSec", "NRestarts")
    same(said, {
        "ActiveState": "active", "SubState": "running", "Type": "notify", "NotifyAccess": "main", "DynamicUser": "yes", "UnitFileState": "enabled",
        "StatusText": "http://127.0.0.1:7500/v1, admin http://127.0.0.1:7501", "MemoryMax": str(2**30), "WatchdogUSec": "30s", "NRestarts": "0",
    }, "the unit")
    at_upstream(machine, CHAOS_PORT)
    machine.does("sh", "-exc", key, environment={"OPENAI_API_KEY": KEY})
    program = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    app = door.folder / "app.py"
    app.write_text(program)
    environment = ["env", "OPENAI_API_KEY=none", "OPENAI_BASE_URL=http://127.0.0.1:7500/v1"]
    done = subprocess.run(machine.beside(*environment, PYTHON, app), capture_output=True, timeout=60, check=False)
    same((done.returncode, done.stdout.decode().count(" answered: ")), (0, 6), f"{done.stdout.decode()}{done.stderr.decode()}")
    hold("500" in machine.does("seawall", "failures", "--data-dir", "/var/lib/seawall"), "what failed is on record")


@claim
def the_service_has_its_keys_its_folder_and_nothing_else(door):
    machine = serving(door)
    clean.program(door, "keeper", machine.beside(sys.executable, ROOT / "tests" / "packages" / "keeper.py", KEEPER_PORT, door.folder / "keys"))
    at_upstream(machine, KEEPER_PORT)
    _, key = debian.blocks("Debian", "sh")
    machine.does("sh", "-exc", key, environment={"OPENAI_API_KEY": KEY})
    wait_for("the upstream", SOON_S, lambda: asked(machine, authorization="Bearer none")[0] == 200)
    same(set((door.folder / "keys").read_text().splitlines()), {f"Bearer {KEY}"}, "the key at the upstream")
    pid = shown(machine, "MainPID")["MainPID"]
    status = dict(line.split(":\t", 1) for line in machine.does("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    user = status["Uid"].split()[0]
    hold(int(user) >= 61184, f"a user of the range that is for dynamic ones: {user}")
    same([status[name].split()[0] for name in ["CapPrm", "CapBnd", "NoNewPrivs", "Seccomp"]], ["0" * 16, "0" * 16, "1", "2"], "what it may")
    same(machine.does("stat", "-c", "%u %a", "/var/lib/seawall/", "/var/lib/seawall/journal.db").split("\n")[:2], [f"{user} 700", f"{user} 600"], "its folder and its journal")
    # Its own view: neither the folder of the keys nor anything of others, and no place to write but its own.
    inside = ["nsenter", "--target", pid, "--mount", "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    for command, works in [
        ("cat /run/credentials/seawall.service/seawall_openai", True),
        ("touch /var/lib/private/seawall/here", True),
        ("ls /etc/seawall/credentials", False),
        ("touch /etc/seawall/here", False),
        ("touch /usr/here", False),
        ("ls /root", False),
    ]:
        code, out, err = machine.run(*inside, "sh", "-c", command)
        same(code == 0, works, f"{command}: {out}{err}")
    journal = machine.does("journalctl", "--no-pager", "--unit", UNIT)
    hold("ready" in journal and KEY not in journal, f"the key is in no line of the log: {journal[-500:]}")
    hold(KEY not in machine.does("cat", f"/proc/{pid}/environ") + machine.does("cat", f"/proc/{pid}/cmdline"), "nor in its environment")


@claim
def the_watchdog_ends_a_service_that_stands_still_and_starts_it_again(door):
    machine = serving(door)
    override(machine, "WatchdogSec=1s")
    machine.does("systemctl", "restart", UNIT)
    before = shown(machine, "MainPID")["MainPID"]
    # One that turns is left alone.
    threading.Event().wait(2.5)
    same(shown(machine, "MainPID", "NRestarts"), {"MainPID": before, "NRestarts": "0"}, "after two and a half times of the watchdog")
    machine.does("kill", "-STOP", before)
    wait_for("another start", SOON_S, lambda: (said := shown(machine, "ActiveState", "NRestarts"))["NRestarts"] == "1" and said["ActiveState"] == "active")
    hold(shown(machine, "MainPID")["MainPID"] != before, "it is another process")
    hold("Watchdog timeout" in machine.does("journalctl", "--no-pager", "--unit", UNIT), "systemd says why")
    same(asked(machine)[0], 200, "it serves")


@claim
def a_stop_lets_requests_finish_even_beyond_the_time_of_the_unit(door):
    machine = serving(door)
    override(machine, "TimeoutStopSec=1s")
    machine.does("systemctl", "restart", UNIT)
    wait_for("an answer", SOON_S, lambda: asked(machine)[0] == 200)
    answers = []
    one = threading.Thread(target=lambda: answers.append(asked(machine, x_chaos="slow=4s")))
    one.start()
    metrics = [sys.executable, "-c", "import urllib.request as of; print(of.urlopen('http://127.0.0.1:7501/metrics').read().decode())"]
    under_way = lambda: re.search(r"^seawall_requests_in_flight 1$", subprocess.run(machine.beside(*metrics), capture_output=True, text=True, check=False).stdout, re.M)  # noqa: E731
    wait_for("a request under way", SOON_S, under_way)
    machine.does("systemctl", "stop", UNIT)
    one.join(SOON_S)
    same(answers and answers[0][0], 200, f"the request that was under way: {answers}")
    same(shown(machine, "ActiveState", "Result", "ExecMainStatus"), {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}, "the unit")


@claim
def a_mistake_in_the_configuration_is_told_and_not_tried_again(door):
    machine = serving(door)
    file = machine.path("/etc/seawall/seawall.toml")
    right = file.read_text()
    file.write_text(right + "\n[server2]\n")
    hold(machine.run("systemctl", "restart", UNIT)[0] != 0, "it does not start")
    said = shown(machine, "ActiveState", "Result", "ExecMainStatus", "NRestarts")
    same(said, {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "3", "NRestarts": "0"}, "the unit")
    log = machine.does("journalctl", "--no-pager", "--unit", UNIT)
    hold("server2" in log and "seawall.toml:" in log, f"the log has the mistake and its place: {log[-800:]}")
    file.write_text(right)
    machine.does("systemctl", "restart", UNIT)
    same(asked(machine)[0], 200, "it serves")


@claim
def an_upgrade_goes_on_with_the_new_program_and_the_old_record(door):
    machine = serving(door)
    same(asked(machine, x_chaos="500")[0], 500, "a request that fails")
    before = shown(machine, "MainPID")["MainPID"]
    machine.does("dpkg", "-i", debian.newer(machine, door.folder, lambda tree: None))
    said = shown(machine, "ActiveState", "MainPID", "Result")
    hold(said["ActiveState"] == "active" and said["Result"] == "success" and said["MainPID"] != before, f"it was started again: {said}")
    same(asked(machine)[0], 200, "it serves")
    hold(" 500 " in machine.does("seawall", "failures", "--data-dir", "/var/lib/seawall"), "what failed before is on record")


@claim
def a_purge_ends_the_service_and_leaves_nothing_of_it(door):
    machine = serving(door)
    same(asked(machine)[0], 200, "it serves")
    hold(machine.path("/var/lib/private/seawall/journal.db").exists(), "there is a record")
    machine.does("dpkg", "--purge", "seawall")
    hold(machine.run("systemctl", "is-active", UNIT)[0] != 0, "it does not run")
    left = [path for path in machine.files() if "seawall" in path and not path.endswith(".deb")]
    same(left, [], "files")
