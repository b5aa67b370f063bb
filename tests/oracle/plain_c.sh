#!/usr/bin/env bash
# The engine as plain C11, without anything that a compiler has built in, by every C compiler that is installed: warnings of
# clang, then the directed tests, every 61st opcode, and inputs of the fuzzer, with each.
# usage: tests/oracle/plain_c.sh   behind a build of the oracles (make), whose tables it uses

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

engine=../../pytest_h7/twin/cpu/native build=../../build/oracle out=../../build/oracle/plain
mapfile -t sources < <(ls "$engine"/*.c | grep -v module.c)
options=(-std=c11 -DH7_PLAIN_C -D_POSIX_C_SOURCE=200809L "-I$engine" "-I$build" -I.)
mkdir -p "$out"

if command -v clang >/dev/null; then
    # All warnings but those of style, and of the code that depends on alignment.
    clang "${options[@]}" -fsyntax-only -Weverything -Werror -Wno-padded -Wno-declaration-after-statement \
        -Wno-switch-enum -Wno-unknown-warning-option -Wno-switch-default -Wno-unsafe-buffer-usage -Wno-pre-c11-compat \
        "${sources[@]}"
    echo "clang: no warnings"
fi
for compiler in gcc clang tcc; do
    command -v "$compiler" >/dev/null || continue
    "$compiler" "${options[@]}" -O1 directed.c differences.c encoding.c "${sources[@]}" -lm -o "$out/directed"
    "$compiler" "${options[@]}" -O1 decode_check.c encoding.c "${sources[@]}" -lm -o "$out/decode_check"
    "$compiler" "${options[@]}" -O1 -DREPLAY fuzz.c encoding.c operands.c "${sources[@]}" -lm -o "$out/replay"
    echo "$compiler: $("$out/directed" | tail -1); $("$out/decode_check" 61 | tail -1); $("$out/replay" seeds/* | tail -1)"
done
