"""A gateway of this program's own: started, watched, and never left behind.

The program `seawall serve --stop-on-eof` runs as a child. Its standard input is a pipe whose other end only this process
holds, so that the system ends it with this process, however that ends: by an exception, a signal, `kill -9`. A process that
is forked from this one lets go of its copy at once: it may use the address, and the gateway is still its parent's.

The child is in a session of its own. What is typed at a terminal, Ctrl-C above all, goes to this process alone, which then
decides what becomes of the gateway.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import os
import signal
import subprocess
import threading
from types import TracebackType
from typing import Deque, Dict, List, Mapping, NoReturn, Optional, Set, Type, Union

from ._binary import find_binary
from ._errors import GatewayDied, SeawallError, StartError
from ._words import READY, ended, level_of, log

#: So long may a start take. It takes tens of milliseconds; with a large journal on a slow disk, seconds.
START_TIMEOUT_S = 20.0
#: So long may requests go on when the gateway is closed.
DRAIN_S = 5.0
#: So long may the program take to break off what still goes on, and to write its last rows.
FORCED_S = 10.0
#: So long may a killed process take to be gone.
KILLED_S = 10.0
#: Of what the program writes so many lines are kept, and of each so many characters.
LINES_MAX = 40
LINE_CHARS_MAX = 2000
#: So many bytes are read at once; a longer line is taken for two.
READ_BYTES = 65536

Path = Union[str, "os.PathLike[str]"]


def gateway(
    *,
    upstream: Optional[str] = None,
    config: Optional[Path] = None,
    data_dir: Optional[Path] = None,
    max_retries: Optional[int] = None,
    port: int = 0,
    admin_port: int = 0,
    start_timeout: float = START_TIMEOUT_S,
    drain: float = DRAIN_S,
    env: Optional[Mapping[str, str]] = None,
) -> Gateway:
    """A gateway for this program, on this machine alone, for as long as a block lasts:

        with seawall.gateway() as url:
            client = openai.OpenAI(base_url=url, max_retries=0)

    `async with` does the same and keeps the event loop free. Without a block: `start()`, `url`, `close()`.

    upstream: the API that it stands in front of, such as `https://example.openai.azure.com/openai/v1`; else what the variable
        SEAWALL_UPSTREAM or the configuration says, else `https://api.openai.com/v1`. The key is the one that the client sends.
    config: a configuration file; else `./seawall.toml`, else the one in the user's configuration folder, as with `seawall serve`.
    data_dir: a folder that is this gateway's alone, for its record and what it learns. Without it the record is a file of its
        own in the user's data folder, where `seawall failures` and the others find it, and any number of gateways may run.
    max_retries: retries per request at most.
    port, admin_port: where it listens; 0 is any that is free.
    start_timeout: seconds that its start may take.
    drain: seconds that requests under way may go on at its end.
    env: variables for it, beside those of this process: keys that the configuration refers to.
    """
    return Gateway(
        upstream=upstream,
        config=config,
        data_dir=data_dir,
        max_retries=max_retries,
        port=port,
        admin_port=admin_port,
        start_timeout=start_timeout,
        drain=drain,
        env=env,
    )


class Gateway:
    """A gateway of this process; made by `gateway()`. Its methods may be called from any thread."""

    def __init__(
        self,
        *,
        upstream: Optional[str],
        config: Optional[Path],
        data_dir: Optional[Path],
        max_retries: Optional[int],
        port: int,
        admin_port: int,
        start_timeout: float,
        drain: float,
        env: Optional[Mapping[str, str]],
    ) -> None:
        flags = ["serve", "--stop-on-eof", "--log-format", "json"]
        flags += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin_port}"]
        flags += ["--own-journal"] if data_dir is None else ["--data-dir", os.fspath(data_dir)]
        if config is not None:
            flags += ["--config", os.fspath(config)]
        if max_retries is not None:
            flags += ["--max-retries", str(max_retries)]
        self._flags: List[str] = flags
        self._env: Dict[str, str] = dict(env or {})
        if upstream is not None:
            # An address may hold a key; arguments can be read by every user of the machine.
            self._env["SEAWALL_UPSTREAM"] = upstream
        self._start_timeout = start_timeout
        self._drain = drain
        self._begin()

    def _begin(self) -> None:
        # A handler of a signal may close it in the middle of a close.
        self._closing = threading.RLock()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._leash: Optional[int] = None
        self._output: Optional[int] = None
        #: Ready, or over.
        self._settled = threading.Event()
        self._over = threading.Event()
        self._lines: Deque[str] = collections.deque(maxlen=LINES_MAX)
        self._url: Optional[str] = None
        self._admin_url: Optional[str] = None
        self._is_closed = False
        self._is_foreign = False

    # What it is.

    @property
    def url(self) -> str:
        """Its address for clients, which ends in `/v1`."""
        if self._url is None:
            raise SeawallError("the gateway is not started")
        return self._url

    @property
    def admin_url(self) -> str:
        """The address of its admin side: dashboard, metrics, health."""
        if self._admin_url is None:
            raise SeawallError("the gateway is not started")
        return self._admin_url

    @property
    def pid(self) -> Optional[int]:
        """Its process id; None before its start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is started and not over. Only the process that started it knows."""
        self._is_ours()
        process = self._process
        return process is not None and not self._over.is_set() and process.poll() is None

    @property
    def exit_code(self) -> Optional[int]:
        """The program's exit code; negative if a signal ended it, None as long as it runs."""
        self._is_ours()
        return None if self._process is None else self._process.poll()

    @property
    def last_words(self) -> str:
        """The last lines that the program wrote, without its log if it wrote anything else."""
        lines = list(self._lines)
        return "\n".join([line for line in lines if not line.startswith("{")] or lines)

    def check(self) -> None:
        """Raises GatewayDied if it ended by itself."""
        self._is_ours()
        if self._process is not None and not self._is_closed and self._process.poll() is not None:
            raise self._died()

    def _died(self) -> GatewayDied:
        # Its last words come through another thread.
        self._over.wait(KILLED_S)
        code = None if self._process is None else self._process.returncode
        return GatewayDied(f"the gateway at {self._url} ended while it was in use, {ended(code)}", code, self.last_words)

    # Its life.

    def start(self) -> str:
        """Starts it, waits until it listens, and gives its address. Raises StartError. A gateway is started once."""
        self._spawn()
        try:
            if not self._settled.wait(self._start_timeout):
                self._kill()
                raise StartError(f"the gateway was not ready within {self._start_timeout:g} s", None, self.last_words)
        except BaseException:
            self._kill()
            self._is_closed = True
            raise
        if self._url is None:
            self._is_closed = True
            code = self.exit_code
            raise StartError(f"the gateway did not start, {ended(code)}", code, self.last_words)
        return self._url

    def _spawn(self) -> None:
        program = find_binary()
        # Nobody may fork between the pipes and the note of who holds them.
        with _forks:
            if self._process is not None or self._is_closed:
                raise SeawallError("a gateway is started once: make another")
            ends: List[int] = []
            try:
                ends += os.pipe()
                ends += os.pipe()
                held, leash, output, written = ends
                self._process = subprocess.Popen(
                    [program, *self._flags],
                    stdin=held,
                    stdout=written,
                    stderr=written,
                    env={**os.environ, **self._env},
                    start_new_session=True,
                )
                reader = threading.Thread(target=self._read, args=(output,), name=f"seawall-{self._process.pid}", daemon=True)
                self._leash, self._output = leash, output
                _running.add(self)
                reader.start()
            except BaseException as why:
                self._leash = self._output = None
                # The other ends too: without them the child, if there is one, ends by itself.
                for end in ends:
                    os.close(end)
                if self._process is not None:
                    _running.discard(self)
                    self._process.kill()
                    self._process.wait()
                    self._over.set()
                if isinstance(why, OSError):
                    raise StartError(f"{program} cannot be run: {why}") from None
                raise
            os.close(held)
            os.close(written)

    def _read(self, output: int) -> None:
        """On a thread: hears what the program writes, to its end."""
        rest = b""
        while True:
            try:
                chunk = os.read(output, READ_BYTES)
            except OSError:
                chunk = b""
            *lines, rest = (rest + chunk).split(b"\n")
            if rest and (not chunk or len(rest) > READ_BYTES):
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._hear(line.decode(errors="replace").rstrip())
            if not chunk:
                break
        with _forks:
            os.close(output)
            self._output = None
        process = self._process
        code = process.wait() if process is not None else None
        if self._url is not None and not self._is_closed:
            log.error("the gateway at %s ended while it was in use, %s", self._url, ended(code))
        self._over.set()
        _running.discard(self)
        self._settled.set()

    def _hear(self, line: str) -> None:
        if self._url is None:
            ready = READY.fullmatch(line)
            if ready:
                self._url, self._admin_url = ready[1], ready[2]
                self._settled.set()
                return
        if not line:
            return
        self._lines.append(line[:LINE_CHARS_MAX])
        try:
            log.log(level_of(line), "%s", line)
        except Exception as why:
            # A filter of somebody's: the program has to be read on, or it stands still.
            self._lines.append(f"a line of the log was not taken: {type(why).__name__}")

    def close(self) -> None:
        """Ends it: requests under way may go on for `drain` seconds. May be called again, and by whoever."""
        if self._is_foreign:
            return
        with self._closing:
            self._is_closed = True
            process = self._process
            if process is None:
                return
            try:
                self._let_go()
                if not self._over.wait(self._drain):
                    # Its second word from us: it ends what still goes on.
                    process.send_signal(signal.SIGTERM)
                    self._over.wait(FORCED_S)
            finally:
                self._kill()

    def _kill(self) -> None:
        process = self._process
        if process is None or self._is_foreign:
            return
        if not self._over.is_set():
            process.kill()
            self._over.wait(KILLED_S)
        self._let_go()

    def _let_go(self) -> None:
        with _forks:
            if self._leash is not None:
                os.close(self._leash)
                self._leash = None

    def _forget(self) -> None:
        """In a process that was just forked: the gateway is not its own."""
        for end in (self._leash, self._output):
            if end is not None:
                os.close(end)
        self._leash = self._output = None
        self._is_foreign = True
        # Some other thread may have held it, which is not here.
        self._closing = threading.RLock()

    def _is_ours(self) -> None:
        if self._is_foreign:
            raise SeawallError("the gateway belongs to the process that started it: only its address is of use here")

    # Blocks.

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._leave(error)

    async def __aenter__(self) -> str:
        try:
            return await asyncio.to_thread(self.start)
        except asyncio.CancelledError:
            # The thread goes on: it starts nothing any more, or finds what it started gone.
            with _forks:
                self._is_closed = True
            self._kill()
            raise

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        # Who is cancelled here does not wait; the thread goes on to the end.
        await asyncio.shield(asyncio.to_thread(self._leave, error))

    def _leave(self, error: Optional[BaseException]) -> None:
        """Ends it. If it had ended before, that is told: by an exception, unless there is one already."""
        died = None
        if not self._is_foreign and not self._is_closed and self._over.is_set():
            died = self._died()
        self.close()
        if died is None:
            return
        if error is None:
            raise died
        if hasattr(error, "add_note"):
            error.add_note(str(died))

    def __repr__(self) -> str:
        state = "not started" if self._url is None else self._url
        return f"<seawall.Gateway {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a gateway belongs to its process: hand on its url")


#: Held while somebody forks, and while it is changed which ends of pipes are open.
_forks = threading.RLock()
#: Those that this process has to end.
_running: Set[Gateway] = set()


def _forked() -> None:
    global _forks
    _forks = threading.RLock()
    for one in list(_running):
        one._forget()
    _running.clear()


def _end_all() -> None:
    for one in list(_running):
        one.close()


def _before_fork() -> None:
    _forks.acquire()


def _after_fork() -> None:
    _forks.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
atexit.register(_end_all)
