"""What a library shows to others, as lines: one for each thing that a program can name or rely on.

Read from rustdoc's JSON. A line that is no longer there is a promise broken: something was removed, or its signature, its
fields or its traits are others. What is new makes a new line, and breaks nothing; where it would (a variant or a field that a
program may have listed completely, a method that a trait's implementors lack), the complete list is a line itself.
"""

import json

#: Says nothing about what can be relied on, or is a number of this one run of rustdoc.
LEFT_OUT = {"id", "span", "docs", "links", "deprecation", "crate_id"}


def lines(document):
    """Every line of a description, sorted."""
    return sorted(Surface(document).all())


class Surface:
    def __init__(self, document):
        self.index = document["index"]
        self.paths = document["paths"]
        self.root = str(document["root"])
        self.found = set()
        self.open = set()

    def all(self):
        root = self.index[self.root]
        self.module(root, root["name"])
        return self.found

    def say(self, kind, path, what=""):
        shown = what if isinstance(what, str) else json.dumps(self.plain(what), sort_keys=True, separators=(",", ":"))
        self.found.add(f"{kind} {path} {shown}".rstrip())

    def module(self, item, path):
        # A module can be seen from inside itself again, by a re-export.
        if (item["id"], path) in self.open or path.count("::") > 8:
            return
        self.open.add((item["id"], path))
        for one in item["inner"]["module"]["items"]:
            self.item(self.index.get(str(one)), path)

    def item(self, item, within):
        if item is None:
            return
        (kind, inner), = item["inner"].items()
        if item["visibility"] != "public":
            return
        if kind == "use":
            self.reexport(inner, within)
        else:
            self.named(item, f"{within}::{item['name']}")

    def reexport(self, inner, within):
        target = self.index.get(str(inner["id"]))
        if target is None:
            # Of another crate: the path is all that is known of it.
            self.say("use", within if inner["is_glob"] else f"{within}::{inner['name']}", inner["source"])
        elif inner["is_glob"] and "module" in target["inner"]:
            self.module(target, within)
        elif not inner["is_glob"]:
            self.named(target, f"{within}::{inner['name']}")

    def named(self, item, path):
        (kind, inner), = item["inner"].items()
        if kind == "module":
            self.say("mod", path)
            self.module(item, path)
        elif kind == "function":
            self.function(inner, path)
        elif kind == "struct":
            self.struct(item, inner, path)
        elif kind == "enum":
            self.enum(item, inner, path)
        elif kind == "trait":
            self.trait(inner, path)
        elif kind in ("constant", "assoc_const"):
            self.say("const", path, inner["type"])
        else:
            self.say(kind, path, inner)

    def function(self, inner, path):
        signature = inner["sig"]
        takes = [of for _, of in signature["inputs"]]
        self.say("fn", path, [inner["generics"], inner["header"], takes, signature["output"]])

    def struct(self, item, inner, path):
        (shape, held), = inner["kind"].items() if isinstance(inner["kind"], dict) else [(inner["kind"], {})]
        ids = held.get("fields", []) if isinstance(held, dict) else held
        fields = [self.index.get(str(one)) for one in ids if one is not None]
        seen = [field for field in fields if field is not None and field["visibility"] == "public"]
        self.say("struct", path, inner["generics"])
        for field in seen:
            self.say("field", f"{path}.{field['name']}", field["inner"]["struct_field"])
        hides = len(seen) != len(ids) or (isinstance(held, dict) and held.get("has_stripped_fields"))
        if not hides and not is_open(item):
            self.say("fields", path, f"{shape}: " + ", ".join(field["name"] for field in seen))
        self.impls(inner["impls"], path)

    def enum(self, item, inner, path):
        variants = [self.index[str(one)] for one in inner["variants"]]
        self.say("enum", path, inner["generics"])
        for variant in variants:
            kind = variant["inner"]["variant"]["kind"]
            (shape, held), = kind.items() if isinstance(kind, dict) else [(kind, [])]
            fields = [self.index.get(str(one)) for one in (held["fields"] if isinstance(held, dict) else held) if one is not None]
            of = [[field["name"], field["inner"]["struct_field"]] for field in fields if field is not None]
            self.say("variant", f"{path}::{variant['name']}", [shape, of])
        if not is_open(item):
            self.say("variants", path, ", ".join(sorted(variant["name"] for variant in variants)))
        self.impls(inner["impls"], path)

    def trait(self, inner, path):
        self.say("trait", path, [inner["generics"], inner["bounds"]])
        wanted = []
        for one in inner["items"]:
            item = self.index[str(one)]
            (kind, of), = item["inner"].items()
            self.named(item, f"{path}::{item['name']}")
            if not (of.get("has_body") or of.get("type") or of.get("value")):
                wanted.append(item["name"])
        self.say("wanted of", path, ", ".join(sorted(wanted)))

    def impls(self, ids, path):
        for one in ids:
            item = self.index.get(str(one))
            if item is None:
                continue
            inner = item["inner"]["impl"]
            if inner["blanket_impl"] is not None or inner["is_negative"]:
                continue
            if inner["trait"] is None:
                for part in inner["items"]:
                    self.item(self.index.get(str(part)), path)
            else:
                self.say("impl", path, [inner["trait"], inner["for"], inner["generics"]])

    def plain(self, value):
        """A value without what changes from run to run: a path in full in place of a number."""
        if isinstance(value, list):
            return [self.plain(one) for one in value]
        if not isinstance(value, dict):
            return value
        known = self.paths.get(str(value.get("id")))
        kept = {key: self.plain(one) for key, one in value.items() if key not in LEFT_OUT}
        if known is not None and "path" in kept:
            kept["path"] = "::".join(known["path"])
        return kept


def is_open(item):
    """Whether others have to expect more of it."""
    return "non_exhaustive" in json.dumps(item["attrs"]).lower()
