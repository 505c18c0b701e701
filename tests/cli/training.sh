#!/usr/bin/env bash
# From a graph file to a plan to a trained plan: the lines and CSV have the tutorial's form, runs are equal bit for bit whatever the
# threads, checkpoints run, and what is wrong is refused without harm.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
data="--data quickdraw:examples/data/quickdraw"
"$RGC" compile graphs/quickdraw_small.yaml -o "$out/plan.bin" >"$out/compiled"
grep -q '^train, batch 20' "$out/compiled"
grep -q '^infer, batch 20' "$out/compiled"
for run in a:1 b:2 c:3; do
  "$RGC" run "$out/plan.bin" --train $data --steps 4 --validate 2 --threads "${run#*:}" --out "$out/${run%:*}" >"$out/${run%:*}.txt"
done
for other in b c; do
  cmp "$out/a/log.csv" "$out/$other/log.csv"
  cmp "$out/a/last.bin" "$out/$other/last.bin"
  cmp "$out/a/last.state" "$out/$other/last.state"
done
[ "$(wc -l <"$out/a/log.csv")" -eq 3 ]
grep -qE '^Iter \[  0/  4\] \| Train Loss [0-9.]+ \| Train Acc [0-9.]+ \| Valid Loss [0-9.]+ \| Valid Acc [0-9.]+$' "$out/a.txt"
grep -qE '^3,[0-9]+\.[0-9]{4},[01]\.[0-9]{4},[0-9]+\.[0-9]{4},[01]\.[0-9]{4}$' "$out/a/log.csv"
# Evaluating the checkpoint of the last step gives the last line's validation figures, from the plan and through --weights.
figures=$(tail -1 "$out/a/log.csv" | awk -F, '{print "validation loss " $4 ", accuracy " $5}')
for run in "$out/a/last.bin --eval" "graphs/quickdraw_small.yaml --eval --weights $out/a/last.bin"; do
  "$RGC" run $run $data >"$out/evaluated"
  grep -qE "^$figures, top-5 [01]\.[0-9]{4}$" "$out/evaluated"
done
# Going on from step 2's checkpoint gives the bits of a run that never stopped.
"$RGC" run "$out/plan.bin" --train $data --steps 2 --validate 2 --out "$out/half" >/dev/null
"$RGC" run "$out/half/last.bin" --train $data --steps 4 --validate 2 --state "$out/half/last.state" --out "$out/rest" >/dev/null
cmp "$out/a/last.bin" "$out/rest/last.bin"
# A state of other weights is refused, and so is one with a flipped bit.
cp "$out/half/last.state" "$out/rest/last.state.old"
expect 1 "$out/rest/last.state.old: error[weights]: is the optimizer state of other weights
  help: give the last.bin that was saved with it" \
  "$RGC" run "$out/rest/last.bin" --train $data --steps 6 --state "$out/rest/last.state.old" --out "$out/no"
printf flipped | dd of="$out/rest/last.state.old" bs=1 seek=$(($(stat -c %s "$out/rest/last.state.old") - 100)) conv=notrunc 2>/dev/null
"$RGC" run "$out/half/last.bin" --train $data --steps 4 --state "$out/rest/last.state.old" --out "$out/no" >"$out/said" 2>&1 && exit 1
grep -q 'last.state.old: error\[plan-digest\]' "$out/said"
# A run that died between writing its weights and putting the state beside them goes on from both.
mkdir "$out/died"
cp "$out/half/last.bin" "$out/half/log.csv" "$out/died"
cp "$out/half/last.state" "$out/died/last.state.next"
cp "$out/a/last.state" "$out/died/last.state"
"$RGC" run "$out/plan.bin" --train $data --steps 4 --validate 2 --resume --out "$out/died" >/dev/null
for file in last.bin last.state; do cmp "$out/rest/$file" "$out/died/$file"; done
[ ! -e "$out/died/last.state.next" ]
# What a killed run left beside its files goes away; a device is written to, not replaced.
touch "$out/seven.bin.tmp999999999" "$out/seven.bin.tmp$$"
"$RGC" compile graphs/quickdraw_small.yaml --no-kernels --infer-only -o "$out/seven.bin" >/dev/null
[ ! -e "$out/seven.bin.tmp999999999" ] && [ -e "$out/seven.bin.tmp$$" ]
mkfifo "$out/pipe"
head -c 8 "$out/pipe" >"$out/first" &
"$RGC" compile graphs/quickdraw_small.yaml --no-kernels --infer-only -o "$out/pipe" >/dev/null 2>&1 || true
wait $!
[ -p "$out/pipe" ] && [ -s "$out/first" ]
# Another batch than the plan's is compiled from what the plan holds.
"$RGC" run "$out/plan.bin" --train $data --steps 1 --batch 7 --out "$out/seven" >"$out/seven.txt"
grep -q '^Iter \[  0/  1\]' "$out/seven.txt"
# bn: running_after_first_validation: the first step and validation are equal, the later ones are not.
"$RGC" run graphs/quickdraw_small.yaml --set train.bn=running_after_first_validation --train $data --steps 4 --validate 2 --out "$out/frozen" >/dev/null
cmp <(head -1 "$out/a/log.csv") <(head -1 "$out/frozen/log.csv")
if cmp -s "$out/a/log.csv" "$out/frozen/log.csv"; then exit 1; fi
# A picture is predicted; a layer's output and its gradient are written.
"$RGC" show $data --count 1 --out "$out/drawings.png" >/dev/null
"$RGC" run "$out/a/best.bin" --predict "$out/drawings.png" >"$out/predicted"
grep -qE 'drawings.png: .* [0-9.]+ %, .* [0-9.]+ %, .* [0-9.]+ %$' "$out/predicted"
expect 0 "conv1 [20,14,14,8] is in $out/conv1.npy" "$RGC" run "$out/a/last.bin" --dump conv1 $data --out "$out/conv1.npy"
expect 1 "error[usage]: 'layer1.0.con1.grad' is no value of this program
  help: did you mean 'layer1.0.conv1'?" "$RGC" run "$out/a/last.bin" --dump layer1.0.con1.grad $data --out "$out/no.npy"
# Evaluating what has learnt nothing is said to be that.
"$RGC" run "$out/plan.bin" --eval $data 2>"$out/said" | grep -q '^validation loss'
grep -q 'plan.bin: note\[weights\]: has no weights yet; initial values are used$' "$out/said"
expect 0 "conv1.grad [20,14,14,8] is in $out/conv1.npy" "$RGC" run "$out/a/last.bin" --dump conv1.grad $data --out "$out/conv1.npy"
[ "$(stat -c %s "$out/conv1.npy")" -gt $((20 * 14 * 14 * 8 * 4)) ]
# A layer of several ops is one row of the summary, and what is written is its result.
cat >"$out/normed.yaml" <<YAML
base: $PWD/graphs/quickdraw_small.yaml
stem: [conv: {out: 8, kernel: 3, stride: 2}, group_norm: {groups: 4}, relu]
YAML
[ "$("$RGC" summary "$out/normed.yaml" | grep -cE '^gn1 +group_norm +\[8, 14, 14\] +16 ')" -eq 1 ]
expect 0 "gn1 [20,14,14,8] is in $out/gn1.npy" "$RGC" run "$out/normed.yaml" --dump gn1 $data --out "$out/gn1.npy"
# Every kernel agrees with the reference.
for program in "" --infer; do
  "$RGC" verify "$out/a/last.bin" $program >"$out/verified"
  grep -qE '^([0-9]+) of \1 kernels agree' "$out/verified"
done
# One flipped byte is refused, in the weights and in the text.
for at in 3000 -5000; do
  cp "$out/a/last.bin" "$out/flipped.bin"
  size=$(stat -c %s "$out/flipped.bin")
  printf '\377' | dd of="$out/flipped.bin" bs=1 seek=$(((size + at) % size)) conv=notrunc status=none
  if "$RGC" run "$out/flipped.bin" --eval $data >"$out/flipped" 2>&1; then exit 1; fi
  grep -q 'flipped.bin: error\[plan-' "$out/flipped"
done
# A learning rate that is no use: the first value that is not finite is named, and earlier checkpoints stay.
if "$RGC" run "$out/plan.bin" --train $data --lr 1e30 --steps 8 --validate 100 --out "$out/a" >"$out/nan" 2>&1; then exit 1; fi
grep -q 'error\[not-finite\]: the first value that is not finite is' "$out/nan"
# A machine without a compiler, and a batch that no memory holds.
if RGC_CC=none-such RGC_CACHE="$out/cache" "$RGC" run "$out/plan.bin" --eval $data >"$out/cc" 2>&1; then exit 1; fi
grep -q "error\[device\]: the C compiler 'none-such' cannot be run" "$out/cc"
if "$RGC" run "$out/plan.bin" --train $data --batch 4000000 --out "$out/big" >"$out/big.txt" 2>&1; then exit 1; fi
grep -q 'error\[memory\].*largest batch that fits is' "$out/big.txt"
expect 1 "$out/none/run: error[file-write]: cannot be made: No such file or directory
  help: choose another --out" "$RGC" run "$out/plan.bin" --train $data --steps 1 --out "$out/none/run"
# On a terminal: one line that is drawn over, as wide as that is; colours unless NO_COLOR says no.
on_terminal() { (script -qec "stty cols $1; $2" /dev/null || true) | tr '\r' '\n' | sed 's/\x1b\[K//g'; }
printf 'rgc: 1\nname: tiny\ninput: {channels: 1, size: 4}\nclasses: 2\nhead: [avgpool: global, linear: {out: classes}]\n' >"$out/tiny.yaml"
train="$RGC run $out/tiny.yaml --train --batch 2 --steps 400 --validate 400 --data synthetic:classes=2,size=4,count=800 --out $out/terminal"
for columns in 12 40 60 120; do
  on_terminal $columns "$train" | grep '/400 ' >"$out/bars"
  [ "$(grep -v '^Iter' "$out/bars" | awk -v most="$columns" 'length >= most' | wc -l)" -eq 0 ]
  if [ $columns -ge 60 ]; then grep -q '^\[#*\.*\] [0-9]*/400  loss ' "$out/bars"; fi
done
bad="$RGC check tests/golden/diag/no_layer.yaml"
on_terminal 80 "$bad" | grep -q $'\x1b\\[1;31merror'
if NO_COLOR=1 on_terminal 80 "$bad" | grep $'\x1b'; then exit 1; fi
NO_COLOR='' on_terminal 80 "$bad" | grep -q $'\x1b\\[1;31merror'
