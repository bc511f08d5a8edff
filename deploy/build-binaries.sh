#!/usr/bin/env bash
# Builds the program of the image, by the profile `image`, into target/image. The Dockerfile and `make image-check` both call
# this, so that what is checked is what is shipped. The program does not tell where and when it was built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where the sources, the packages and the standard library lie on the machine that builds is in no message of a panic.
separator=$'\x1f'
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
flags=(
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    "--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
    "--remap-path-prefix=$PWD=/rollcall"
)
CARGO_ENCODED_RUSTFLAGS=$(IFS=$separator && echo "${flags[*]}")
# C code that comes with packages asks the compiler for its own path and the time.
CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$PWD=/rollcall"
export CARGO_ENCODED_RUSTFLAGS CFLAGS SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" CARGO_INCREMENTAL=0

exec cargo build --locked --profile image --package rollcall-image
