#!/usr/bin/env python3
"""Fails when a public item of a crate is not shown in a documented example.

A module, type, trait, macro, function or constant needs an example in its own documentation.
A method needs to be called in one: its own, its type's, or one of another item of its module.
The examples themselves are compiled and run by `cargo test`, so an ignored one does not count.

Usage: scripts/examples.py PACKAGE...
"""

import json
import os
import re
import subprocess
import sys

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What may stand behind the backticks of a block that is compiled as Rust.
COMPILED = {"rust", "no_run", "should_panic"}
NEEDS_ITS_OWN = {"module", "struct", "enum", "union", "trait", "macro", "function", "constant", "type_alias"}


def documentation(package):
    """The public items of a package, as rustdoc tells them (unstable, but the parts read here are old)."""
    command = ["cargo", "rustdoc", "--quiet", "--package", package, "--lib", "--all-features", "--locked"]
    command += ["--", "-Z", "unstable-options", "--output-format", "json"]
    subprocess.run(command, check=True, env=os.environ | {"RUSTC_BOOTSTRAP": "1"})
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    with open(f"{target}/doc/{package.replace('-', '_')}.json", encoding="utf-8") as file:
        return json.load(file)


def examples(item):
    """The code of the compiled examples of an item, and which of them only compile."""
    blocks = []
    for info, code in BLOCK.findall(item["docs"] or ""):
        words = set(re.split(r"[,\s]+", info.strip())) - {""}
        if words <= COMPILED:
            blocks.append((code, "no_run" in words))
    return blocks


class Crate:
    def __init__(self, package):
        told = documentation(package)
        self.index = told["index"]
        self.items = []  # kind, path, item
        self.methods = []  # path of the module, path, item, item of the type
        self.met = set()
        self.walk(told["root"], [package.replace("-", "_")], [])

    def item(self, number):
        return self.index.get(str(number))

    def walk(self, number, path, module):
        item = self.item(number)
        if item is None or number in self.met:
            return
        ((kind, inner),) = item["inner"].items()
        if kind == "use":
            self.follow(inner, path, module)
            return
        # Only what can be named from outside: the rest is not in the public tree at all.
        if kind not in NEEDS_ITS_OWN or item["visibility"] != "public":
            return
        self.met.add(number)
        self.items.append((kind, path, item))
        if kind == "module":
            for child in inner["items"]:
                name = (self.item(child) or {}).get("name")
                self.walk(child, path + [name] if name else path, path)
        for block in inner.get("impls", []) if kind in ("struct", "enum", "union") else []:
            self.methods_of(block, path, module, item)

    def follow(self, inner, path, module):
        found = self.item(inner["id"]) if inner["id"] is not None else None
        if found is None:
            return
        if inner["is_glob"]:
            for child in found["inner"].get("module", {}).get("items", []):
                self.walk(child, module + [(self.item(child) or {}).get("name") or ""], module)
        else:
            self.walk(inner["id"], module + [inner["name"]], module)

    def methods_of(self, block, path, module, of):
        block = self.item(block)
        if block is None or block["inner"]["impl"]["trait"] is not None:
            return
        for number in block["inner"]["impl"]["items"]:
            method = self.item(number)
            if method and method["visibility"] == "public" and "function" in method["inner"]:
                self.methods.append((module, path + [method["name"]], method, of))

    def without(self):
        """Items without an example, and methods that no example calls."""
        shown = {}  # path of a module: the code of all examples in it
        for kind, path, item in self.items:
            home = path if kind == "module" else path[:-1]
            shown.setdefault(tuple(home), []).extend(code for code, _ in examples(item))
        for module, _, method, _ in self.methods:
            shown.setdefault(tuple(module), []).extend(code for code, _ in examples(method))
        for kind, path, item in self.items:
            if not examples(item):
                yield kind, "::".join(path)
        for module, path, method, _ in self.methods:
            called = re.compile(rf"(\.|::){re.escape(method['name'])}\b")
            if not any(called.search(code) for code in shown.get(tuple(module), [])):
                yield "method", "::".join(path)

    def blocks(self):
        for _, _, item in self.items:
            yield from examples(item)
        for _, _, method, _ in self.methods:
            yield from examples(method)


def main():
    status = 0
    for package in sys.argv[1:]:
        crate = Crate(package)
        bare = list(crate.without())
        for kind, path in bare:
            print(f"no example: {kind} {path}")
        blocks = list(crate.blocks())
        only_compiled = sum(no_run for _, no_run in blocks)
        print(
            f"{package}: {len(crate.items)} items and {len(crate.methods)} methods, {len(bare)} without an example; "
            f"{len(blocks)} examples, {only_compiled} of them compiled and not run"
        )
        if bare or not crate.items:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
