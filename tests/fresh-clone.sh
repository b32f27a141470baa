#!/bin/sh
# What somebody gets who has just cloned this: the demonstration and the tests, from nothing but git and a toolchain, with
# no build of before. Prints how long each took. Used by `make test-more`; heavy, for everything is built once more.
#
#   tests/fresh-clone.sh [TARGET …]      default: "demo ARGS=--exit" and "test"
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
if ! git -C "$here" rev-parse --verify --quiet HEAD >/dev/null; then
    echo "fresh-clone: $here is no git clone with a commit; commit first" >&2
    exit 1
fi
if [ -n "$(git -C "$here" status --porcelain)" ]; then
    echo "fresh-clone: what is not committed is not in the clone" >&2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
git clone --quiet --no-local --no-hardlinks "$here" "$work/bridgepoint"
cd "$work/bridgepoint"
# Cold: nothing of another build, whatever the caller has set.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR RUSTFLAGS RUSTDOCFLAGS MAKEFLAGS MAKELEVEL MFLAGS
[ "$#" -gt 0 ] || set -- "demo ARGS=--exit" "test"
for target in "$@"; do
    log=$work/log
    began=$(date +%s)
    # shellcheck disable=SC2086  # a target may have a variable beside it
    if ! make $target >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "fresh-clone: make $target did not succeed (above are its last lines)" >&2
        exit 1
    fi
    echo "fresh-clone: make $target: $(($(date +%s) - began)) s"
done
if [ -n "$(git status --porcelain)" ]; then
    git status --short >&2
    echo "fresh-clone: the targets have left files that git does not ignore (above)" >&2
    exit 1
fi
