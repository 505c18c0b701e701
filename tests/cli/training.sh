#!/usr/bin/env bash
# A short run: its lines and CSV have the tutorial's form, two runs are equal bit for bit, an unwritable place is refused.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for run in a b; do
  "$RGC" train graphs/quickdraw_small.yaml --data quickdraw:examples/data/quickdraw --steps 4 --validate 2 --out "$out/$run" >"$out/$run.txt"
done
cmp "$out/a/log.csv" "$out/b/log.csv"
cmp "$out/a/last.safetensors" "$out/b/last.safetensors"
[ "$(wc -l <"$out/a/log.csv")" -eq 3 ]
grep -qE '^Iter \[  0/  4\] \| Train Loss [0-9.]+ \| Train Acc [0-9.]+ \| Valid Loss [0-9.]+ \| Valid Acc [0-9.]+$' "$out/a.txt"
grep -qE '^3,[0-9]+\.[0-9]{4},[01]\.[0-9]{4},[0-9]+\.[0-9]{4},[01]\.[0-9]{4}$' "$out/a/log.csv"
expect 1 "$out/none/run: error[file-write]: cannot be made: No such file or directory
  help: choose another --out" "$RGC" train graphs/quickdraw_small.yaml --data quickdraw:examples/data/quickdraw --steps 1 --out "$out/none/run"
