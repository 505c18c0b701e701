#!/usr/bin/env bash
# Damaged plans are told apart, in exact words; and no diagnostic code is without a test.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$RGC" compile graphs/quickdraw_small.yaml --no-kernels -o "$out/plan.bin" >/dev/null
head -c 5000 "$out/plan.bin" >"$out/truncated.bin"
expect 1 "$out/truncated.bin: error[plan-format]: not a safetensors file, or truncated
  help: write the file again, or take an earlier copy of it" "$RGC" explain "$out/truncated.bin"
# What is no plan at all; a plan where a graph file belongs.
expect 1 "$out: error[file-read]: is no file" "$RGC" explain "$out"
expect 1 "$out/plan.bin: error[yaml-syntax]: is no text
  help: a graph file is wanted here; plans are for rgc run, explain, verify, bench and export" "$RGC" summary "$out/plan.bin"
# A kernel's word changed by hand; the digest's numbers are not looked at.
sed '0,/kernel(/s//Kernel(/' "$out/plan.bin" >"$out/edited.bin"
if "$RGC" run "$out/edited.bin" --train --data quickdraw:examples/data/quickdraw --out "$out/run" >"$out/said" 2>&1; then exit 1; fi
expect 0 "$out/edited.bin: error[plan-digest]: the contents do not match the digest (N, found N)
  help: the file was changed or damaged; take an earlier copy of it" sed 's/[0-9a-f]\{32\}/N/g' "$out/said"
[ ! -e "$out/run" ]
# By its word in a golden diagnostic or a script, or by its identifier in a unit test.
untested=0
while read -r identifier word; do
  grep -rqE "(error|warning|note)\\\\?\[$word\\\\?\]" tests/golden/diag tests/cli || grep -rqw "RGC_CODE_$identifier" tests/unit && continue
  echo "no test looks for error[$word]"
  untested=1
done < <(sed -n 's/^CODE(\([A-Z_]*\), *"\([a-z-]*\)".*/\1 \2/p' compiler/base/codes.def)
exit $untested
