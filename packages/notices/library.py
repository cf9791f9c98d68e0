"""The notices of Rust's standard library, which is in every program: as the toolchain has them, in a page of its own."""

import html.parser
import re

#: Where a toolchain has the page, from its root. It is of the component `rustc`, which every installation by rustup has.
PAGE = "share/doc/rust/COPYRIGHT-library.html"
#: The texts of the licences that the page names for the library itself.
LICENSES = "share/doc/rust/licenses"
#: What reads the symbols for backtraces on Linux, in the library and (of Rust 1.95) not on its page. Each may be used under Apache-2.0
#: or MIT, whose texts the page brings.
LEFT_OUT = {
    "addr2line": "Apache-2.0 OR MIT",
    "adler2": "0BSD OR MIT OR Apache-2.0",
    "memchr": "Unlicense OR MIT",
    "miniz_oxide": "MIT OR Zlib OR Apache-2.0",
    "object": "Apache-2.0 OR MIT",
}
#: What stands before the name of a crate in the page.
SIGN = "\N{PACKAGE} "


class Page(html.parser.HTMLParser):
    """`own` has the paragraphs about the library itself, `crates` the crates in it."""

    def __init__(self, text):
        super().__init__()
        self.own, self.crates = [], []
        #: The element whose text is read, and that text.
        self.element, self.words = None, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("h3", "p", "pre"):
            self.element, self.words = tag, []

    def handle_data(self, data):
        self.words.append(data)

    def handle_endtag(self, tag):
        if tag != self.element:
            return
        text, self.element = "".join(self.words), None
        if tag == "h3" and text.startswith(SIGN):
            name, version = re.fullmatch(r"(.+?)-(\d.*)", text[len(SIGN) :].strip()).groups()
            self.crates.append({"name": name, "version": version, "license": "", "texts": []})
        elif tag == "pre" and self.crates:
            self.crates[-1]["texts"].append(text)
        elif tag == "p":
            line = " ".join(text.split())
            if not self.crates:
                self.own.append(line)
            elif line.startswith("License: "):
                self.crates[-1]["license"] = line[len("License: ") :]


def notices(sysroot):
    """The paragraphs about the library itself, the texts of the licences that they name, by file, and the crates in it."""
    page = Page((sysroot / PAGE).read_text(encoding="utf-8"))
    named = " ".join(line for line in page.own if line.startswith("License: "))
    files = sorted((sysroot / LICENSES).glob("*.txt"))
    texts = [(file.name, file.read_text(encoding="utf-8")) for file in files if re.search(rf"(^|[\s(]){re.escape(file.stem)}($|[\s)])", named)]
    return page.own, texts, page.crates
