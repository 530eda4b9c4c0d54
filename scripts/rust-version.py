#!/usr/bin/env python3
"""Fails when a dependency asks for a newer Rust than the workspace promises to need.

For machines without the promised toolchain: it trusts what each crate declares. Crates that
declare nothing are counted, and only a build with that toolchain can settle them.
"""

import json
import subprocess
import sys


def parse(version):
    numbers = [int(part) for part in version.split("-")[0].split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    members = set(metadata["workspace_members"])
    ours = {p["name"]: p["rust_version"] for p in metadata["packages"] if p["id"] in members}
    silent_members = sorted(name for name, version in ours.items() if version is None)
    if silent_members:
        sys.exit(f"members without rust-version: {', '.join(silent_members)}")
    promised = min(ours.values(), key=parse)

    others = [p for p in metadata["packages"] if p["id"] not in members]
    too_new = [p for p in others if p["rust_version"] and parse(p["rust_version"]) > parse(promised)]
    for package in too_new:
        print(f"{package['name']} {package['version']} needs Rust {package['rust_version']}")
    silent = sum(p["rust_version"] is None for p in others)
    print(f"promised: Rust {promised}; {len(others)} dependencies, {len(too_new)} too new, {silent} declare nothing")
    return 1 if too_new else 0


if __name__ == "__main__":
    sys.exit(main())
