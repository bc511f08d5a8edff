#!/usr/bin/env bash
# Builds the fuzz targets with coverage, and runs each for so many seconds: deploy/fuzz.sh SECONDS [TARGET…]
#
# Stable Rust: LLVM's coverage pass is an option of the compiler, and libFuzzer comes with the crate libfuzzer-sys, whose C++
# the machine's own compiler builds. All seeds are run first, and what was found before; with 0 seconds nothing else is. What is found
# on the way is kept in target/fuzz/corpus; a crash in target/fuzz/artifacts, with the command that runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds for each target}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "fuzz: libFuzzer is C++, and there is no compiler for it: apt-get install g++" >&2
    exit 1
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Dwarnings --cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target the flags are not for build scripts and macros, which nothing would link with the fuzzer.
export CARGO_TARGET_DIR=$PWD/target/fuzz
cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --bins

for target in "${targets[@]}"; do
    corpus=target/fuzz/corpus/$target artifacts=target/fuzz/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    fuzzer=target/fuzz/$host/release/$target
    options=(-max_len=16384 -timeout=20 -rss_limit_mb=1024 -artifact_prefix="$artifacts/" -print_final_stats=1)
    if [ "$seconds" -eq 0 ]; then
        options+=(-runs=0)
    else
        options+=(-max_total_time="$seconds")
    fi
    echo "fuzz: $target for $seconds s"
    log=target/fuzz/$target.log
    if ! "$fuzzer" "${options[@]}" "$corpus" "fuzz/seeds/$target" >"$log" 2>&1; then
        tail -40 "$log"
        echo "fuzz: $target failed; again by: $fuzzer $artifacts/<file>"
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: */  executions: /p' "$log"
done
