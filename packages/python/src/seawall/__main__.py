"""`python -m seawall`: the command, in place of this process."""

import os
import sys

from ._binary import find_binary
from ._errors import BinaryMissing

#: The exit code of the program where something cannot be started.
CANNOT_START = 4


def main() -> None:
    try:
        program = find_binary()
    except BinaryMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        sys.exit(CANNOT_START)
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
