#!/usr/bin/env bash
# What a training run does beyond plain steps: it goes on where it ended, averages weights, accumulates batches, stops early, and tells
# which classes are taken for which. Runs are equal bit for bit whatever the threads.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
data="--data quickdraw:examples/data/quickdraw"
cat >"$out/all.yaml" <<YAML
base: $PWD/graphs/quickdraw_small.yaml
freeze: {layers: [conv1], bn: running}
set: {train.optimizer: {adamw: {lr: 0.003, weight_decay: 0.05}}}
train: {groups: [{layers: [fc], lr: 0.01}], no_decay: norm_and_bias, clip: {norm: 0.5},
  accumulate: 3, ema: 0.5, loss: {cross_entropy: {smoothing: 0.1}}, bn: running_after_first_validation}
data: {train: [flip, mixup: 0.4]}
YAML
"$RGC" compile "$out/all.yaml" -o "$out/all.bin" >"$out/compiled"
grep -qE '^  freeze: saves [0-9.]+ MB of [0-9.]+ MB$' "$out/compiled"
for threads in 1 3; do
  "$RGC" run "$out/all.bin" --train $data --steps 6 --validate 2 --threads $threads --out "$out/$threads" >/dev/null
done
for file in log.csv last.bin best.bin last.state; do cmp "$out/1/$file" "$out/3/$file"; done
# Stopped after three steps and resumed: the bits of the run that was not stopped, and its log but for the line of the stop.
"$RGC" run "$out/all.bin" --train $data --steps 3 --validate 2 --out "$out/part" >/dev/null
"$RGC" run "$out/all.bin" --train $data --steps 6 --validate 2 --resume --out "$out/part" >/dev/null
for file in last.bin last.state best.bin; do cmp "$out/1/$file" "$out/part/$file"; done
cmp "$out/1/log.csv" "$out/part/log.csv"
# Lines behind the checkpoint, of a run that was killed, are written anew.
echo '99,1,1,1,1' >>"$out/part/log.csv"
"$RGC" run "$out/all.bin" --train $data --steps 6 --validate 2 --resume --out "$out/part" >/dev/null
cmp "$out/1/log.csv" "$out/part/log.csv"
expect 1 "$out/none/last.bin: error[data-missing]: cannot open the file: No such file or directory
  help: check the path and its permissions" \
  "$RGC" run "$out/all.bin" --train $data --steps 6 --resume --out "$out/none"
# best.bin has the averages, last.bin does not.
if cmp -s "$out/1/best.bin" "$out/1/last.bin"; then exit 1; fi
# Nothing changes, so nothing gets better: the second validation ends it.
"$RGC" run graphs/quickdraw_small.yaml --set train.patience=2 --train $data --lr 0 --steps 9 --validate 1 --set train.bn=running --out "$out/early" >"$out/early.txt"
[ "$(wc -l <"$out/early/log.csv")" -eq 3 ]
grep -q '^stopped early: 2 validations were not better than the best$' "$out/early.txt"
# The confusion matrix counts every validation sample; its diagonal is the accuracy.
"$RGC" run "$out/1/best.bin" --eval $data --confusion "$out/confusion.csv" >"$out/evaluated"
[ "$(wc -l <"$out/confusion.csv")" -eq 11 ]
right=$(awk -F, 'NR > 1 {right += $NR; for (k = 2; k <= NF; k++) all += $k} END {printf "%.4f", right / all}' "$out/confusion.csv")
grep -q ", accuracy $right, top-5" "$out/evaluated"
grep -q '^label .* predicted' "$out/evaluated"
# Two outputs: their losses are summed by weights, and each is told. The second one's labels follow from the data set's.
cat >"$out/two.yaml" <<YAML
base: $PWD/graphs/quickdraw_small.yaml
classes: {drawing: 10, food: 2}
head: [avgpool: {over: global, as: f}, linear: {from: f, out: classes.drawing, name: fc, output: drawing},
  linear: {from: f, out: classes.food, name: fc_food, output: food}]
train: {loss: {drawing: cross_entropy, food: {bce: {weight: 2}}}, labels: {food: [1, 0, 1, 0, 0, 1, 0, 0, 0, 0]}}
YAML
"$RGC" compile "$out/two.yaml" -o "$out/two.bin" >/dev/null
for threads in 1 2; do
  "$RGC" run "$out/two.bin" --train $data --steps 150 --validate 149 --threads $threads --out "$out/two$threads" >"$out/two$threads.txt"
done
cmp "$out/two1/last.bin" "$out/two2/last.bin"
# Of a picture each output is told.
"$RGC" show $data --count 1 --out "$out/drawing.png" >/dev/null
"$RGC" run "$out/two1/last.bin" --predict "$out/drawing.png" >"$out/predicted"
grep -qE "^$out/drawing.png: drawing: class [0-9] [0-9.]+ %, class [0-9] [0-9.]+ %, class [0-9] [0-9.]+ %$" "$out/predicted"
grep -qE "^$out/drawing.png: food: class [01] [0-9.]+ %, class [01] [0-9.]+ %$" "$out/predicted"
[ "$(wc -l <"$out/predicted")" -eq 2 ]
awk '/^     drawing \|/ {d = $5} /^     food \|/ {f = $5; acc = $NF} /^Iter/ {all = $(NF - 4)}
  END {e = all - d - 2 * f; if (e * e > 1e-7 || acc < 0.72) {print "of drawing " d ", food " f ": " all ", accuracy " acc; exit 1}}' "$out/two1.txt"
sed 's/0, 0, 0, 0]/0, 0]/' "$out/two.yaml" >"$out/few.yaml"
expect 1 "$out/few.yaml: error[data-classes]: labels of output food are 8, and the data set has 10 classes
  help: labels: takes one class for each of the data set's" "$RGC" run "$out/few.yaml" --train $data --steps 1 --out "$out/few"
# What is refused before its first step leaves no folder behind, and takes away none that was there.
[ ! -e "$out/few" ]
mkdir "$out/few"
if "$RGC" run "$out/few.yaml" --train $data --steps 1 --out "$out/few" 2>/dev/null; then exit 1; fi
[ -d "$out/few" ]
if "$RGC" run graphs/quickdraw_small.yaml --set classes=3 --train $data --steps 1 --out "$out/three" 2>/dev/null; then exit 1; fi
[ ! -e "$out/three" ]
# Distillation: the loss of a network that is its own teacher, by the teacher alone, is 0, and the teacher makes another run.
"$RGC" run graphs/quickdraw_small.yaml --train $data --steps 20 --out "$out/teacher" >/dev/null
distill="{plan: $out/teacher/last.bin, temperature: 2, weight: 1}"
"$RGC" run graphs/quickdraw_small.yaml --set "train.distill=$distill" --set train.bn=running --weights "$out/teacher/last.bin" --train $data \
  --steps 1 --out "$out/self" >/dev/null
awk -F, '$2 * $2 > 1e-8 {exit 1}' "$out/self/log.csv"
"$RGC" run graphs/quickdraw_small.yaml --set "train.distill=$distill" --train $data --steps 2 --out "$out/pupil" >/dev/null
if "$RGC" run graphs/quickdraw_small.yaml --set input.mean=[0.5] --set "train.distill={plan: $out/1/last.bin}" --train $data --steps 2 \
  --out "$out/pupil" >"$out/other" 2>&1; then exit 1; fi
grep -q "last.bin: error\[shape\]: the teacher's input is not the network's" "$out/other"
# A batch that memory: has split: said so, the same bits for any threads, and resumed as if never stopped.
"$RGC" compile graphs/quickdraw_small.yaml --set 'memory={limit: 700kB, allow: [recompute, split]}' -o "$out/split.bin" >/dev/null
for threads in 1 2; do
  "$RGC" run "$out/split.bin" --train $data --steps 4 --validate 2 --threads $threads --out "$out/split$threads" >"$out/split$threads.txt"
done
grep -q '^memory: the batch of 20 is split in micro-batches of 7, gradients accumulated' "$out/split1.txt"
"$RGC" run "$out/split.bin" --train $data --steps 3 --validate 2 --out "$out/split_part" >/dev/null
"$RGC" run "$out/split.bin" --train $data --steps 4 --validate 2 --resume --out "$out/split_part" >/dev/null
for file in last.bin last.state log.csv; do
  cmp "$out/split1/$file" "$out/split2/$file"
  cmp "$out/split1/$file" "$out/split_part/$file"
done
# Logits that are all equal: the first class is predicted, and a label is among the first five if it is one of the first five classes.
printf 'rgc: 1\ninput: {channels: 3, size: 4}\nclasses: 6\nstem: [conv: {out: 2, kernel: 1, as: y}, map: 0 * y]\nhead: [avgpool: global, linear: {out: classes, bias: false}]\n' >"$out/equal.yaml"
[ "$("$RGC" run "$out/equal.yaml" --eval --all --data synthetic:classes=6,size=4,count=60 2>/dev/null | tail -1)" = "validation loss 1.7918, accuracy 0.1667, top-5 0.8333" ]
