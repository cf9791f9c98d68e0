"""Where the program is."""

from __future__ import annotations

import os
import sysconfig
import threading
from pathlib import Path
from typing import Iterator, List

from ._errors import BinaryMissing

#: Names another program in place of the installed one.
VARIABLE = "SEAWALL_BINARY"
NAME = "seawall"

#: `sysconfig` fills its table when it is first asked, and threads that ask meanwhile find it half full.
_one_at_a_time = threading.Lock()


def find_binary() -> str:
    """The path of the program: what the variable SEAWALL_BINARY names, else what was installed with this module.

    Raises BinaryMissing if there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if os.access(named, os.X_OK):
            return named
        raise BinaryMissing(f"{VARIABLE} names {named}, which is no program that can be run")
    places: List[str] = []
    with _one_at_a_time:
        for place in _places():
            program = os.path.join(place, NAME)
            if os.access(program, os.X_OK):
                return program
            places.append(place)
    raise BinaryMissing(
        f"the program {NAME} is not installed in {', '.join(places)}\n"
        f"hint: install the package again, `pip install --force-reinstall seawall`, or name the program with {VARIABLE}"
    )


def _places() -> Iterator[str]:
    """Where installers put scripts, the likeliest first."""
    yield sysconfig.get_path("scripts")
    # `pip install --user`.
    user = f"{os.name}_user"
    if user in sysconfig.get_scheme_names():
        yield sysconfig.get_path("scripts", user)
    here = Path(__file__).resolve().parent
    # `pip install --target` puts scripts beside the modules, `--prefix` above lib/pythonX.Y/site-packages.
    yield str(here.parent / "bin")
    if len(here.parents) > 3:
        yield str(here.parents[3] / "bin")
