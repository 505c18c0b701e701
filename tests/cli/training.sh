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
# Evaluating the checkpoint of the last step gives the last line's validation figures.
figures=$(tail -1 "$out/a/log.csv" | awk -F, '{print "validation loss " $4 ", accuracy " $5}')
expect 0 "$figures" "$RGC" eval graphs/quickdraw_small.yaml --weights "$out/a/last.safetensors" --data quickdraw:examples/data/quickdraw
# bn: running_after_first_validation: the first step and validation are equal, the later ones are not.
"$RGC" train graphs/quickdraw_small.yaml --set train.bn=running_after_first_validation --data quickdraw:examples/data/quickdraw \
  --steps 4 --validate 2 --out "$out/frozen" >/dev/null
cmp <(head -1 "$out/a/log.csv") <(head -1 "$out/frozen/log.csv")
if cmp -s "$out/a/log.csv" "$out/frozen/log.csv"; then exit 1; fi
# One flipped byte in a checkpoint is refused.
printf 'x' | dd of="$out/a/last.safetensors" bs=1 seek=9000 conv=notrunc status=none
if "$RGC" eval graphs/quickdraw_small.yaml --weights "$out/a/last.safetensors" --data quickdraw:examples/data/quickdraw >"$out/flipped" 2>&1; then exit 1; fi
grep -q 'plan-digest\|plan-format' "$out/flipped"
expect 1 "$out/none/run: error[file-write]: cannot be made: No such file or directory
  help: choose another --out" "$RGC" train graphs/quickdraw_small.yaml --data quickdraw:examples/data/quickdraw --steps 1 --out "$out/none/run"
