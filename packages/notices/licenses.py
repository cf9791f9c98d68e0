"""Which licences the crates that are in the program may have.

The licences are known by their SPDX ids, and an expression is what a crate's manifest says of them. `cargo deny check licenses`
does the same; to install it takes minutes on a machine that has nothing yet, for the one question that is answered here from
what cargo itself tells.
"""

import re

#: May be in the program: their terms are kept by handing on their texts, which is what the notices do. What is missing here is
#: not forbidden for ever: whoever adds it has read its terms, and says why.
ALLOWED = {
    "Apache-2.0",
    # Of Fiat's and the Jitter library's code in AWS-LC, and of subtle: MIT's terms, and no use of the authors' names.
    "BSD-3-Clause",
    # Of rustls-webpki, untrusted and much of AWS-LC: MIT's terms in fewer words.
    "ISC",
    "MIT",
    # Of foldhash: MIT's terms, but that a program needs no notice.
    "Zlib",
}


class Malformed(Exception):
    """What a manifest says is no expression."""


def refused(expression):
    """The ids for want of which the list does not satisfy an expression, sorted; none if it does.

    An expression has `OR`, `AND`, `WITH` and brackets, and the `/` of old manifests, which means `OR`. An exception
    only gives more leave, but is nothing that the list knows: `A WITH B` is an id of its own.
    """
    words = re.findall(r"[()/]|[^\s()/]+", expression)
    found = either(words)
    if words:
        raise Malformed(f"{words[0]!r} is left over")
    return sorted(found)


# Each takes what it reads off the front of `words`.


def either(words):
    found = both(words)
    while words and words[0].upper() in ("OR", "/"):
        words.pop(0)
        other = both(words)
        found = found | other if found and other else set()
    return found


def both(words):
    found = single(words)
    while words and words[0].upper() == "AND":
        words.pop(0)
        found = found | single(words)
    return found


def single(words):
    if words and words[0] == "(":
        words.pop(0)
        found = either(words)
        if not words or words.pop(0) != ")":
            raise Malformed("a bracket is not closed")
        return found
    one = name(words)
    if words and words[0].upper() == "WITH":
        words.pop(0)
        one = f"{one} WITH {name(words)}"
    return set() if one in ALLOWED else {one}


def name(words):
    if not words or not re.fullmatch(r"[A-Za-z0-9.:+-]+", words[0]) or words[0].upper() in ("OR", "AND", "WITH"):
        raise Malformed(f"a licence is expected before {words[0]!r}" if words else "a licence is expected at its end")
    return words.pop(0)
