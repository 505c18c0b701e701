#!/usr/bin/env bash
# Builds rgc and runs every test; installs what is missing first. The last line is 'N passed, N failed'.
# Then a second build with AddressSanitizer, LeakSanitizer and UBSan: the unit tests that are fast there, and RGC_FUZZ_SECONDS (10) of
# fuzzing a target, with a new seed each time. Behind each part and each script: the seconds it took, and those of processors.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh
build=${RGC_BUILD:-build}
sanitized=${RGC_SANITIZED_BUILD:-$build-sanitize}
# Suites that the plain build runs alone. Curves: whole trainings on the reference evaluator, minutes under sanitizers. Emu_errors: launches
# that are given up leave fibers in the middle of functions, which AddressSanitizer cannot follow. Cuda_graphs: all networks, four times.
left_out='curves|emu_errors|cuda_graphs'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# timed NAME COMMAND...
timed() { local TIMEFORMAT="-- $1: %R s (processors: %U s, and %S s of the system)"; time "${@:2}"; }

# Criterion's own count, "Tested: 90 | Passing: 90 | Failing: 0 | Crashing: 0"; without it nothing was tested. Leaks are found when a test's
# process ends, which Criterion does not look at: a test that leaks "passed".
unit_tests() {
  local status=0 tested good leaking
  "$1/rgc_tests" --jobs "$(nproc)" --timeout 600 "${@:2}" 2>&1 | tee "$work/unit" || status=1
  tested=$(sed -n 's/.*Tested: \([0-9]*\).*/\1/p' "$work/unit" | tail -1)
  good=$(sed -n 's/.*Passing: \([0-9]*\).*/\1/p' "$work/unit" | tail -1)
  leaking=$(grep -ac 'ERROR: LeakSanitizer\|LeakSanitizer has encountered' "$work/unit" || true)
  if [ "$leaking" -gt 0 ]; then echo "FAILED: LeakSanitizer, $leaking times (above)"; fi
  passed=$((passed + ${good:-0} - leaking))
  failed=$((failed + ${tested:-0} - ${good:-0} + leaking))
  if [ "$status" -ne 0 ] && [ "${tested:-0}" = "${good:-0}" ]; then failed=$((failed + 1)); fi
}

# One of side_by_side: what it says comes in one piece, when it is over.
alone() {
  local file=$work/${2//\//.}
  if timed "$2" "$1" "$2" >"$file.log" 2>&1; then echo 1 >"$file.passed"; else echo "FAILED: $2" >>"$file.log"; fi
  cat "$file.log"
}

# side_by_side COMMAND NAME...: COMMAND NAME for each, as many at once as there are processors.
side_by_side() {
  local name
  for name in "${@:2}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    alone "$1" "$name" &
  done
  wait
  for name in "${@:2}"; do if [ -e "$work/${name//\//.}.passed" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; done
}

builds() {
  cmake -S . -B "$1" -DCMAKE_BUILD_TYPE=Release "${@:3}" >/dev/null
  # shellcheck disable=SC2086
  cmake --build "$1" -j "$(nproc)" ${2:+--target $2}
}
cli_script() { RGC=$(realpath "$build/rgc") bash "$1"; }
fuzz() { "$sanitized/rgc_fuzz" "$1" --seconds "${RGC_FUZZ_SECONDS:-10}" --crashes "$sanitized"; }

timed build builds "$build" ''
timed 'unit tests' unit_tests "$build"
timed scripts side_by_side cli_script tests/cli/*.sh

timed 'build with sanitizers' builds "$sanitized" 'rgc_tests rgc_fuzz' -DRGC_SANITIZE=ON
echo "SKIPPED under sanitizers: the suites $left_out (they ran above, without)"
timed 'unit tests with sanitizers' unit_tests "$sanitized" --filter "!($left_out)/*"
# shellcheck disable=SC2046
timed fuzzing side_by_side fuzz $("$sanitized/rgc_fuzz" --list)

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
