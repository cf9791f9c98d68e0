"""What the program says, and how it ended."""

from __future__ import annotations

import json
import logging
import re
import signal
from typing import Optional

#: What the program says when it listens; a test of the program keeps it.
READY = re.compile(r"seawall is ready: (http://\S+/v1) in front of .*; admin (http://\S+)")
#: Lines of the program's own log, as it writes them: JSON, without keys and prompts.
log = logging.getLogger("seawall")
log.addHandler(logging.NullHandler())
LEVELS = {"ERROR": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}


def ended(code: Optional[int]) -> str:
    """How a process ended, in words."""
    if code is None:
        return "nobody knows how"
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


def level_of(line: str) -> int:
    """The level of a line of the program's log; what is none is worth a warning."""
    try:
        told = json.loads(line)
    except ValueError:
        return logging.WARNING
    return LEVELS.get(told.get("level", ""), logging.DEBUG) if isinstance(told, dict) else logging.WARNING
