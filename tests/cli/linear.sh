#!/usr/bin/env bash
# The compiler's work grows linearly with depth: tests/work/count_work.c counts it, pass by pass.
set -euo pipefail
work=$(dirname "$RGC")/rgc_work
[ -x "$work" ] || { echo "there is no $work: build all targets"; exit 1; }
"$work"
