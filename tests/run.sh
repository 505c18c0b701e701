#!/usr/bin/env bash
# Builds rgc and runs every test; installs what is missing first. The last line is ctest's or 'N passed, N failed'.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh
build=${RGC_BUILD:-build}
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" -j "$(nproc)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$build/rgc_tests" --jobs "$(nproc)" --timeout 600 2>&1 | tee "$log" || status=1
# Criterion's own count, "Tested: 90 | Passing: 90 | Failing: 0 | Crashing: 0"; without it nothing was tested.
passed=$(sed -n 's/.*Passing: \([0-9]*\).*/\1/p' "$log" | tail -1)
tested=$(sed -n 's/.*Tested: \([0-9]*\).*/\1/p' "$log" | tail -1)
failed=$((${tested:-0} - ${passed:-0}))
passed=${passed:-0}
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
for t in tests/cli/*.sh; do
  if RGC=$(realpath "$build/rgc") bash "$t"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $t"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
