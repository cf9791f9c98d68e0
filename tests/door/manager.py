"""What the service manager hears: the start, that the gateway lives, and the end. The manager is a socket here, as systemd's is."""

import os
import signal
import socket
import time

import leaving
from claims import claim, hold, same
from programs import BINARY, Gateway, Program, ask, free_port, upstream

#: Whatever is to be heard is heard within this time, in seconds.
HEARD_S = 20
#: The watchdog's time in these claims, in microseconds: a message is due in half of it.
WATCHDOG_US = 400_000
UNUSED = 'name = "none"\nbase_url = "http://127.0.0.1:9"\n'


class Manager:
    """Who is told."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hears(self, seconds=HEARD_S):
        """The next message as its variables; none within `seconds` is None."""
        self.socket.settimeout(seconds)
        try:
            message = self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in message.splitlines())

    def hears_past(self, *skipped):
        """The next message that is none of these."""
        deadline = time.monotonic() + HEARD_S
        while time.monotonic() < deadline:
            message = self.hears()
            if message is not None and not message.keys() <= set(skipped):
                return message
        return None

    def forgets(self):
        """Whatever came until now."""
        while self.hears(0.001) is not None:
            pass


def begun(door, address, config, **more):
    """A gateway that nobody waits for, and its manager."""
    manager = Manager(address)
    gateway = Gateway(door.folder, "gateway", "[server]\n" + config, door.folder / "data", environment={"NOTIFY_SOCKET": address, **more})
    door.programs.append(gateway)
    return gateway, manager


@claim
def a_service_manager_hears_that_it_is_ready_when_it_answers_and_that_it_stops_when_that_begins(door):
    chaos = door.chaos()
    for kind, address in [("path", str(door.folder / "notify")), ("abstract", f"@seawall-door-{os.getpid()}")]:
        gateway, manager = begun(door, address, upstream(chaos))
        said = manager.hears()
        hold(said is not None, f"{kind}: nothing within {HEARD_S} s: {gateway.said()}")
        # At once: both doors are open, and the journal is there.
        for port, path in [(gateway.port, "/v1/models"), (gateway.admin, "/readyz")]:
            same(ask(port, "GET", path)[0], 200, f"{kind}: {path} right after READY")
        hold((door.folder / "data" / "journal.db").exists(), f"{kind}: there is a journal")
        same(said, {"READY": "1", "STATUS": f"http://127.0.0.1:{gateway.port}/v1, admin http://127.0.0.1:{gateway.admin}"}, kind)
        one = leaving.begin(gateway, leaving.chat("gpt-4o"), [("x-chaos", "slow=2s")])
        hold(gateway.child.poll() is None, "it runs")
        gateway.signal(signal.SIGTERM)
        stopping = manager.hears()
        same(stopping and stopping["STOPPING"], "1", f"{kind}: at the end {stopping}")
        hold(not gateway.is_over(), f"{kind}: it is told at the beginning of the end")
        # 30 s to drain, and what closes after that.
        hold(30_000_000 < int(stopping["EXTEND_TIMEOUT_USEC"]) < 40_000_000, f"{kind}: {stopping}")
        same(gateway.exit_code(), 0, f"{kind}: its exit code")
        same(manager.hears(0.1), None, f"{kind}: nothing more")
        one.close()


@claim
def a_gateway_that_cannot_start_never_says_that_it_is_ready(door):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    address = str(door.folder / "notify")
    manager = Manager(address)
    for door_name in ["listen", "admin"]:
        ports = {"listen": free_port(), "admin": free_port(), door_name: taken.getsockname()[1]}
        config = door.folder / f"{door_name}.toml"
        config.write_text("[server]\n" + "".join(f'{name} = "127.0.0.1:{port}"\n' for name, port in ports.items()) + "[[upstream]]\n" + UNUSED)
        arguments = [BINARY, "serve", "--config", config, "--data-dir", door.folder / door_name]
        program = Program(door.folder, door_name, arguments, {"NOTIFY_SOCKET": address})
        door.programs.append(program)
        same(program.exit_code(), 4, f"{door_name} is taken: {program.said()}")
        same(manager.hears(0.1), None, f"{door_name} is taken")
    taken.close()


@claim
def the_watchdog_hears_of_a_gateway_as_long_as_it_turns(door):
    gateway, manager = begun(door, str(door.folder / "notify"), "[[upstream]]\n" + UNUSED, WATCHDOG_USEC=str(WATCHDOG_US))
    same((manager.hears() or {}).get("READY"), "1", "first of all")
    began = time.monotonic()
    for _ in range(6):
        same(manager.hears(), {"WATCHDOG": "1"}, "and then")
    # The first comes at once, the others after half of the time each.
    hold(time.monotonic() - began >= 4 * WATCHDOG_US / 2e6, "it is not told more often than it has to be")
    gateway.signal(signal.SIGSTOP)
    manager.forgets()
    same(manager.hears(3 * WATCHDOG_US / 1e6), None, "of one that stands still")
    gateway.signal(signal.SIGCONT)
    same(manager.hears(), {"WATCHDOG": "1"}, "of one that goes on")
    gateway.signal(signal.SIGTERM)
    same((manager.hears_past("WATCHDOG") or {}).get("STOPPING"), "1", "at the end")
    same(gateway.exit_code(), 0, "its exit code")


@claim
def the_watchdog_of_another_process_hears_nothing(door):
    # The process that this one is in knows itself to be none of the gateway's.
    _, manager = begun(door, str(door.folder / "notify"), "[[upstream]]\n" + UNUSED, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid()))
    same((manager.hears() or {}).get("READY"), "1", "first of all")
    same(manager.hears(0.5), None, "after that")
