#!/usr/bin/env bash
# Builds rgc and runs every test; installs what is missing first. The last line is ctest's or 'N passed, N failed'.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh
build=${RGC_BUILD:-build}
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" -j "$(nproc)"
status=0
"$build/rgc_tests" --jobs "$(nproc)" --timeout 600 || status=1
passed=0 failed=0
[ $status -eq 0 ] && passed=$((passed + 1)) || failed=$((failed + 1))
for t in tests/cli/*.sh; do
  [ -e "$t" ] || continue
  if RGC="$PWD/$build/rgc" bash "$t"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $t"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
