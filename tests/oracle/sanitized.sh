#!/usr/bin/env bash
# The extension module under AddressSanitizer and UndefinedBehaviorSanitizer: the tests of the cores and of the scheduler with
# a module of its own, in a copy of the tree. The first finding ends the run.
# usage: tests/oracle/sanitized.sh [pytest arguments]   with the project's Python first in PATH, as in ci/soak

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tree="$PWD/build/sanitized/tree" objects="$PWD/build/sanitized/objects"
rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$tree" 2>/dev/null || true
cp -r --parents pytest_h7/images -t "$tree"

flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
cmake -S "$tree/pytest_h7/twin/cpu/native" -B "$objects" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags" \
    -DPYTHON_INCLUDE="$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
    -DCMAKE_INSTALL_PREFIX="$tree" >/dev/null
cmake --build "$objects" --target install >/dev/null

cd "$tree"
# Python's own memory is not under test, and never given back at the end.
export LD_PRELOAD="$(cc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
export PYTHONPATH="$tree" PYTHONMALLOC=malloc
exec pytest -q -p no:cacheprovider tests/twin/cpu tests/twin/test_scheduler.py "$@"
