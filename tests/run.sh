#!/usr/bin/env bash
# Builds rgc and runs every test; installs what is missing first. The last line is 'N passed, N failed'.
# Then a second build with AddressSanitizer and UBSan: the unit tests that are fast there, and RGC_FUZZ_SECONDS (10) of fuzzing
# a target, with a new seed each time.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh
build=${RGC_BUILD:-build}
sanitized=${RGC_SANITIZED_BUILD:-$build-sanitize}
# Suites that the plain build runs alone. Curves: whole trainings on the reference evaluator, minutes under sanitizers. Emu_errors: launches
# that are given up leave fibers in the middle of functions, which AddressSanitizer cannot follow. Cuda_graphs: all networks, four times.
left_out='curves|emu_errors|cuda_graphs'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0

count() { if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi; }

# Criterion's own count, "Tested: 90 | Passing: 90 | Failing: 0 | Crashing: 0"; without it nothing was tested.
unit_tests() {
  local status=0 tested good
  "$1/rgc_tests" --jobs "$(nproc)" --timeout 600 "${@:2}" 2>&1 | tee "$log" || status=1
  tested=$(sed -n 's/.*Tested: \([0-9]*\).*/\1/p' "$log" | tail -1)
  good=$(sed -n 's/.*Passing: \([0-9]*\).*/\1/p' "$log" | tail -1)
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${tested:-0} - ${good:-0}))
  if [ "$status" -ne 0 ] && [ "${tested:-0}" = "${good:-0}" ]; then failed=$((failed + 1)); fi
}

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" -j "$(nproc)"
unit_tests "$build"
for t in tests/cli/*.sh; do count "$t" env RGC="$(realpath "$build/rgc")" bash "$t"; done

cmake -S . -B "$sanitized" -DCMAKE_BUILD_TYPE=Release -DRGC_SANITIZE=ON >/dev/null
cmake --build "$sanitized" -j "$(nproc)" --target rgc_tests rgc_fuzz
echo "SKIPPED under sanitizers: the suites $left_out (they ran above, without)"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
unit_tests "$sanitized" --filter "!($left_out)/*"
for target in $("$sanitized/rgc_fuzz" --list); do
  count "fuzz $target" "$sanitized/rgc_fuzz" "$target" --seconds "${RGC_FUZZ_SECONDS:-10}" --crashes "$sanitized"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
