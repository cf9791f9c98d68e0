"""How much is done of what depends on chance."""

#: `--long`: more of it.
LONG = False


def times(usual, long):
    return long if LONG else usual
