"""What an exception means, as `seawall explain` says it.

What is explained goes to the program by its standard input, never by its arguments, which every user of the machine can
read; and the program prints nothing of it but a request id.
"""

from __future__ import annotations

import json
import os
import subprocess
import traceback
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Tuple, Union

from ._binary import find_binary
from ._errors import SeawallError

#: The program looks at so many bytes.
INPUT_BYTES_MAX = 1024 * 1024
#: It takes milliseconds; a journal on a slow disk, seconds.
PATIENCE_S = 30.0
#: Recognised or not; any other exit code is about the command itself.
ANSWERED = (0, 1)

WHOSE = {
    "provider": "the provider's",
    "network": "the network's",
    "caller": "the caller's",
    "seawall": "Seawall's, or its configuration's",
}


@dataclass(frozen=True)
class Explanation:
    """What an error means. `str()` of it is for people; the words are those of `seawall explain --json`."""

    #: What it was taken for, such as `http_response` or `python_exception`; None if nobody knows what it is.
    recognised: Optional[str]
    #: The HTTP status, if one belongs to it.
    status: Optional[int]
    #: `server_error`, `overloaded`, `rate_limited`, `quota`, `auth`, `caller_fault`, ….
    error_class: Optional[str]
    #: Whose fault it is: `provider`, `network`, `caller` or `seawall`.
    whose: Optional[str]
    #: Whether Seawall asks the same upstream again.
    retried: Optional[bool]
    #: Whether it costs money: `no`, `yes`, `possibly`.
    billed: Optional[str]
    #: One sentence.
    meaning: Optional[str]
    #: What to do, the most useful first.
    next: Tuple[str, ...]
    #: The id for the provider's support, if there is one.
    request_id: Optional[str]
    #: What the record knows of failures like it.
    evidence: Tuple[str, ...]
    #: All that the program said.
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        lines: List[str] = []
        title = " ".join(str(word) for word in (self.status, self.error_class) if word is not None)
        if self.meaning is not None:
            lines.append(f"{title}: {self.meaning}" if title else self.meaning)
        else:
            lines.append("not recognised")
        if self.whose is not None:
            lines.append(f"  whose fault: {WHOSE.get(self.whose, self.whose)}")
        if self.request_id is not None:
            lines.append(f"  request id: {self.request_id}")
        lines.extend(f"  on record: {one}" for one in self.evidence)
        lines.extend(f"  {at}. {step}" for at, step in enumerate(self.next, 1))
        return "\n".join(lines)


def explain(
    error: Union[BaseException, str, int],
    *,
    data_dir: Union[str, "os.PathLike[str]", None] = None,
    journal: bool = True,
) -> Explanation:
    """Says what an error means, whose fault it is, and what to do.

    `error` is an exception of the openai SDK or of what it uses, or whatever else is at hand: a status, a code, a request
    id, a line of a log. `data_dir` is where the gateway keeps its record, if not where it does by default; with
    `journal=False` nothing is said of the record. Raises SeawallError if the program cannot be run.
    """
    command = [find_binary(), "explain", "--json"]
    if data_dir is not None:
        command += ["--data-dir", os.fspath(data_dir)]
    if not journal:
        command.append("--no-journal")
    try:
        done = subprocess.run(command, input=_told(error), capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        # What was told is not part of it: neither holds the input.
        raise SeawallError(f"seawall explain cannot be run: {why}") from None
    if done.returncode not in ANSWERED:
        raise SeawallError(f"seawall explain ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return _read(json.loads(done.stdout))


def _read(told: Mapping[str, Any]) -> Explanation:
    return Explanation(
        recognised=told["recognised"],
        status=told["status"],
        error_class=told["class"],
        whose=told["whose"],
        retried=told["retried"],
        billed=told["billed"],
        meaning=told["meaning"],
        next=tuple(told["next"]),
        request_id=told.get("request_id"),
        evidence=tuple(one["says"] for one in told["evidence"]),
        raw=told,
    )


def _told(error: Union[BaseException, str, int]) -> bytes:
    """The error as the program reads it."""
    if isinstance(error, BaseException):
        reply = _reply(error)
        if reply is not None:
            return reply[:INPUT_BYTES_MAX]
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        # Its last line says the most.
        return text.encode(errors="replace")[-INPUT_BYTES_MAX:]
    return str(error).encode(errors="replace")[:INPUT_BYTES_MAX]


def _reply(error: BaseException) -> Optional[bytes]:
    """The HTTP response of an exception that has one, as it came: it says more than the exception's text."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    headers = getattr(response, "headers", None)
    if not isinstance(status, int) or headers is None:
        return None
    try:
        body = response.content  # type: ignore[union-attr]
    except Exception:
        # A stream that nobody has read. The SDK keeps what it made of it.
        body = None
    if not isinstance(body, bytes) or not body:
        kept = getattr(error, "body", None)
        body = json.dumps({"error": kept}, default=str).encode() if kept is not None else b""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in ("set-cookie", "transfer-encoding", "content-encoding")]
    return "\r\n".join(lines).encode(errors="replace") + b"\r\n\r\n" + body
