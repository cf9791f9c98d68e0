"""The notices of what others wrote and is in the program. That each package has them is said by the package's own module, with `check`."""

import functools
import pathlib
import re
import subprocess
import sys

from claims import claim, hold, same
from installed import tool
from programs import BINARY, ROOT, TEST

WRITE = ROOT / "packages" / "notices" / "write"
PLACE = TEST / "packages" / "notices"
#: What the file is called wherever it is.
NAME = "THIRD-PARTY.txt"
#: What every program of ours is made of: TLS, the runtime, ciphers, the record, HTTP.
KNOWN = ["aws-lc-sys", "hyper", "libsqlite3-sys", "rusqlite", "rustls", "tokio"]
#: A line of each licence that wants its text to go along, and whose text it is.
LINES = [
    ("Permission is hereby granted, free of charge, to any person obtaining", "MIT"),
    ("Permission to use, copy, modify, and/or distribute this software for", "ISC"),
    ("Redistributions in binary form must reproduce the above copyright", "BSD-3-Clause"),
    ("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION", "Apache-2.0"),
    ("This software is provided 'as-is', without any express or implied", "Zlib"),
]
#: Where the licences are decided on.
sys.path.append(str(WRITE.parent))
import licenses  # noqa: E402


@functools.lru_cache(maxsize=None)
def made():
    """The notices, as they come out here and now."""
    PLACE.mkdir(parents=True, exist_ok=True)
    tool(WRITE, PLACE / NAME)
    return (PLACE / NAME).read_bytes()


def check(found, where):
    """Fails if what a package has is not the notices."""
    text = found.decode()
    for name in KNOWN:
        version = locked(name)
        hold(re.search(rf"^{re.escape(name)} {re.escape(version)}: ", text, re.M), f"{where}: {name} {version} of Cargo.lock is not named")
    for line, license in LINES:
        hold(line in text, f"{where}: no text of {license}")
    hold(found == made(), f"{where}: not what {WRITE.relative_to(ROOT)} makes: {len(found)} bytes, {len(made())}")


def locked(name):
    found = re.findall(rf'^name = "{re.escape(name)}"\nversion = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.M)
    same(len(found), 1, f"releases of {name} in Cargo.lock")
    return found[0]


def named(text):
    """The crates that notices name, without those of Rust's library."""
    return set(re.findall(r"^(\S+ \d\S*): ", text.split("\nThe standard library of Rust ")[0], re.M))


@claim
def the_notices_name_each_crate_that_the_program_itself_names(_door):
    """Places in the sources stay in a program, for its panics: what they tell does not come from where the notices come from."""
    text = made().decode()
    places = re.findall(rb"/registry/src/[^/\0]+/([A-Za-z0-9_-]+?)-(\d[^/\0]*)/", BINARY.read_bytes())
    found = {f"{name.decode()} {version.decode()}" for name, version in places}
    hold(len(found) > 50, f"only {len(found)} crates are named in the program: this shows nothing")
    same(sorted(found - named(text)), [], "crates in the program that the notices leave out")
    theirs = {name.decode() for name in re.findall(rb"/rust/deps/([A-Za-z0-9_-]+?)-\d[^/\0]*/", BINARY.read_bytes())}
    ours, of_rust = text.split("\nThe standard library of Rust ")
    hold(theirs, "no crate of Rust's library is named in the program: this shows nothing")
    same(sorted(theirs - set(re.findall(r"^([A-Za-z0-9_-]+)(?: \d\S*)?: ", of_rust, re.M))), [], "crates of Rust's library in the program that the notices leave out")
    check(made(), "the notices")
    crates = len(named(text))
    same(re.findall(r"^(\d+) crates$", text, re.M), [str(crates)], "crates")
    hold(not re.search(r"^(proc-macro2|syn|serde_derive|cc|cmake|proptest|insta|criterion) ", ours, re.M), "what only builds or tests it is not named")
    print(f"      {crates} crates, {len(made()) / 1024:.0f} KiB {NAME}, {len(found)} of them named in the program", flush=True)


@claim
def every_text_that_is_referred_to_is_there_and_the_other_way(_door):
    text = made().decode()
    entries = re.findall(r"^\S+ \d\S*: .*?((?: \[\d+\])*)$", text, re.M)
    bare = re.findall(r"^\[(\d+)\] \S+\.txt$", text, re.M)
    used = {int(number) for numbers in entries for number in re.findall(r"\d+", numbers)} | {int(number) for number in bare}
    there = [int(number) for number in re.findall(r"^\[(\d+)\] of ", text, re.M)]
    same(there, list(range(1, len(there) + 1)), "texts, in order")
    same(sorted(used), there, "texts that are referred to")
    hold(re.search(r"^libsqlite3-sys .*\n.*\n    has SQLite in it, whose authors have put it into the public domain$", text, re.M), "SQLite is named")
    for home in {str(ROOT), str(pathlib.Path.home())}:
        hold(home not in text, f"a path of this machine: {home}")


@claim
def two_runs_give_the_same_bytes(door):
    tool(WRITE, door.folder / "again.txt", cwd=door.folder)
    hold((door.folder / "again.txt").read_bytes() == made(), "another run gave other bytes")


#: Expressions, and for want of what they are refused.
EXPRESSIONS = [
    ("MIT", []),
    ("MIT OR GPL-3.0-only", []),
    ("MIT/Apache-2.0", []),
    ("GPL-2.0/ Apache-2.0", []),
    ("MIT AND GPL-3.0-only", ["GPL-3.0-only"]),
    ("GPL-3.0-only OR AGPL-3.0-only", ["AGPL-3.0-only", "GPL-3.0-only"]),
    ("(MIT OR GPL-2.0) AND (ISC OR MPL-2.0)", []),
    # AND binds more tightly.
    ("MIT OR GPL-2.0 AND MPL-2.0", []),
    ("GPL-2.0 AND MIT OR MPL-2.0", ["GPL-2.0", "MPL-2.0"]),
    ("GPL-2.0 AND (MIT OR MPL-2.0)", ["GPL-2.0"]),
    ("Apache-2.0 WITH LLVM-exception OR MIT", []),
    ("Apache-2.0 WITH LLVM-exception", ["Apache-2.0 WITH LLVM-exception"]),
    ("GPL-2.0-only WITH Classpath-exception-2.0 AND MIT", ["GPL-2.0-only WITH Classpath-exception-2.0"]),
    ("LicenseRef-theirs", ["LicenseRef-theirs"]),
    ("mit", ["mit"]),
]
NO_EXPRESSIONS = ["", "MIT OR", "OR MIT", "MIT Apache-2.0", "(MIT", "MIT)", "MIT AND OR ISC", "MIT WITH", "()", "see LICENSE"]


@claim
def a_licence_is_allowed_by_the_list_and_by_nothing_else(door):
    for expression, expected in EXPRESSIONS:
        found = licenses.refused(expression)
        door.case(expression, None if found == expected else f"expected {expected}, found {found}")
    for expression in NO_EXPRESSIONS:
        try:
            door.case(repr(expression), f"it is taken for an expression: {licenses.refused(expression)}")
        except licenses.Malformed:
            door.case(repr(expression), None)
    # None of them is there for nothing.
    said = re.findall(r"^\S+ \d\S*: (.*?)(?: \[\d+\])*$", made().decode().split("\nThe standard library of Rust ")[0], re.M)
    allowed = set(licenses.ALLOWED)
    try:
        for one in allowed:
            licenses.ALLOWED.remove(one)
            hold(any(licenses.refused(expression) for expression in said), f"no crate needs {one}: it can go from the list")
            licenses.ALLOWED.add(one)
    finally:
        licenses.ALLOWED.update(allowed)


def crate(folder, name, license, text="", table=""):
    """A crate that does nothing, in a folder of its own."""
    source = folder / name / "src"
    source.mkdir(parents=True)
    (source / "lib.rs").write_text("")
    said = f"license = {license!r}\n" if license else ""
    (folder / name / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2024"\nauthors = ["Somebody <somebody@example.com>"]\n{said}\n{table}'
    )
    if text:
        (folder / name / "LICENSE").write_text(text)


class MadeUp:
    """A workspace with crates beside it: what `linked` and `below` have is in the program, what else there is only builds or tests it."""

    def __init__(self, folder):
        crate(folder, "linked", "MIT OR GPL-3.0-only", "Their words.\r\n\r\nMore.  \r\n", '[dependencies]\nbelow = { path = "../below" }\n')
        crate(folder, "below", "ISC")
        for name in ("builds", "tests", "unused"):
            crate(folder, name, "GPL-3.0-only")
        crate(folder, "derives", "GPL-3.0-only", table="[lib]\nproc-macro = true\n")
        tables = {
            "dependencies": 'linked = { path = "../linked" }\nderives = { path = "../derives" }\nunused = { path = "../unused", optional = true }',
            "build-dependencies": 'builds = { path = "../builds" }',
            "dev-dependencies": 'tests = { path = "../tests" }',
        }
        crate(folder, "own", "LicenseRef-ours", table="".join(f"[{name}]\n{lines}\n" for name, lines in tables.items()) + "[workspace]\n")
        self.manifest, self.file, self.linked, self.below = folder / "own" / "Cargo.toml", folder / "notices", folder / "linked", folder / "below"

    def write(self):
        """Exit code and what is said of it."""
        tool("cargo", "generate-lockfile", "--offline", "--manifest-path", self.manifest)
        self.file.unlink(missing_ok=True)
        command = [WRITE, self.file, "--manifest-path", self.manifest, "--package", "own"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr


@claim
def a_crate_whose_licence_is_not_allowed_stops_it_and_is_named(door):
    made_up = MadeUp(door.folder)
    same(made_up.write(), (0, ""), "what is linked is allowed")
    same(named(made_up.file.read_text()), {"below 1.2.3", "linked 1.2.3"}, "what is linked")
    below = made_up.below / "Cargo.toml"
    allowed = below.read_text()
    for license, told in [
        ("GPL-3.0-only", "under GPL-3.0-only: GPL-3.0-only is not allowed\nhint: packages/notices/licenses.py has what is"),
        ("", "and its manifest names no licence"),
        ("see LICENSE", "and its licence is no expression: see LICENSE: 'LICENSE' is left over"),
    ]:
        below.write_text(allowed.replace("license = 'ISC'\n", f"license = {license!r}\n" if license else ""))
        code, said = made_up.write()
        same((code, re.sub(" in the program,? ", " in the program ", said)), (1, f"error: below 1.2.3 is in the program {told}\n"), license)
        hold(not made_up.file.exists(), f"{license}: it is written all the same")


@claim
def a_crate_is_told_with_all_its_texts_or_with_what_its_manifest_says(door):
    made_up = MadeUp(door.folder)
    theirs = made_up.linked / "inside" / "LICENSES"
    theirs.mkdir(parents=True)
    # By their names, or by that of their folder, however deep; programs and other names are none.
    for file in (theirs.parent / "COPYING.md", theirs.parent / "third_notice.txt", theirs / "Theirs-1.0"):
        file.write_text(f"Of {file.name}.\n")
    (theirs.parent / "license.rs").write_text("fn main() {}\n")
    (theirs.parent / "noticed.txt").write_text("Not that.\n")
    same(made_up.write(), (0, ""), "it works")
    text = made_up.file.read_text()
    bare = "below 1.2.3: ISC\n    it has no licence file; its authors: Somebody <somebody@example.com>\n"
    hold(f"\n{bare}linked 1.2.3: MIT OR GPL-3.0-only [1] [2] [3] [4]\n" in text, text[:800])
    found = re.findall(r"^\[\d\] of linked 1.2.3 \((.*)\)$", text, re.M)
    same(found, ["LICENSE", "inside/COPYING.md", "inside/LICENSES/Theirs-1.0", "inside/third_notice.txt"], "the files of its texts")
    hold("\n\nTheir words.\n\nMore.\n\n" in text and "\n\nOf Theirs-1.0.\n\n" in text, "the texts")
    # A file of any name, if the manifest says that it is the licence.
    below = made_up.below / "Cargo.toml"
    below.write_text(below.read_text().replace("version", 'license-file = "TERMS"\nversion', 1))
    (made_up.below / "TERMS").write_text("Their words. More.\n")
    same(made_up.write(), (0, ""), "a licence file in the manifest")
    # The same words as the other's, and so one text.
    hold("\nbelow 1.2.3: ISC [1]\nlinked" in made_up.file.read_text() and "\n[1] of below 1.2.3 (TERMS), linked 1.2.3 (LICENSE)\n" in made_up.file.read_text(), "its text")
