"""How large the program is that people download."""

import os
import pathlib
import shutil
import subprocess

import claims
import programs

#: The most that the program may be, stripped, in bytes: it is in each wheel, npm package and image, and is loaded at every start.
PROGRAM_BYTES_MAX = 15 * 2**20
#: Where the copy without symbols lies.
COPY = programs.TEST / "packages" / "size" / "seawall"


def stripped(program):
    """The bytes of `program`, and of a copy without symbols. What is shipped keeps their names, for a panic's backtrace."""
    COPY.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, COPY)
    before = os.stat(COPY).st_size
    tool = shutil.which("strip") or shutil.which("llvm-strip")
    claims.hold(tool, "there is no strip here: install binutils")
    subprocess.run([tool, COPY], check=True)
    return before, os.stat(COPY).st_size


@claims.claim
def the_program_is_at_most_fifteen_mebibytes_stripped(door):
    built, size = stripped(pathlib.Path(programs.BINARY))
    print(f"      {size / 2**20:.2f} MiB stripped ({size} bytes), {built / 2**20:.2f} MiB with the names of its functions", flush=True)
    over = size - PROGRAM_BYTES_MAX
    claims.hold(over <= 0, f"{size} bytes stripped, {over} too many; `nm --size-sort -S -C` lists what takes them")
