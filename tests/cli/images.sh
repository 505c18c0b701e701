#!/usr/bin/env bash
# Image folders from the command line: what rgc show tells, training by a graph file's data:, the classes' names in the plan, predictions of
# JPEG, PNG and WebP, bad files named. Bits do not depend on the number of threads.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for class in cat dog; do
  mkdir -p "$out/pets/$class"
  cp tests/data/images/{baseline.jpg,gray.png,lossy.webp,orientation6.jpg,rgba.png,cmyk.jpg} "$out/pets/$class"
done
expect 0 "folder:$out/pets: 12 image files: height 29; width 37; 2 gray
mean [0.4832, 0.4806, 0.4974], std [0.2728, 0.2744, 0.2043] of 10 of the training samples, / 255

class   train  validation
cat         5           1
dog         5           1
total      10           2

normalised by these, in a graph file:
  input: {channels: 3, size: 224, mean: [0.4832, 0.4806, 0.4974], std: [0.2728, 0.2744, 0.2043]}

samples: $out/pets.png" "$RGC" show --data "folder:$out/pets" --out "$out/pets.png"

cat >"$out/pets.yaml" <<YAML
rgc: 1
input: {channels: 3, size: 16}
classes: 2
stem: [conv: {out: 4, kernel: 3, stride: 2}, bn, relu]
head: [avgpool: global, linear: {out: classes}]
train: {batch: 4, epochs: 2}
data:
  format: folder
  path: $out/pets
  split: 0.3
  train: [random_resized_crop, flip, trivial_augment, random_erasing, cutmix]
  evaluate: [resize: 18, center_crop]
YAML
for threads in 1 3; do
  "$RGC" run "$out/pets.yaml" --train --threads $threads --out "$out/run$threads" >"$out/said$threads"
  grep -qE '^waited [0-9.]+ s for data, [0-9.]+ % of [0-9.]+ s of training steps$' "$out/said$threads"
done
cmp "$out/run1/log.csv" "$out/run3/log.csv"
cmp "$out/run1/last.bin" "$out/run3/last.bin"
# Gone on with in the middle of an epoch, it is the run that never stopped: the plan alone knows data: and its steps.
"$RGC" run "$out/pets.yaml" --train --steps 5 --out "$out/whole" >/dev/null
"$RGC" run "$out/pets.yaml" --train --steps 2 --out "$out/half" >/dev/null
"$RGC" run "$out/half/last.bin" --train --steps 5 --state "$out/half/last.state" --out "$out/rest" >/dev/null
cmp "$out/whole/last.bin" "$out/rest/last.bin"
# The names are in the plan: no graph file is needed to predict.
told=$("$RGC" run "$out/run1/last.bin" --predict tests/data/images/{baseline.jpg,picture.png,lossless.webp})
[ "$(grep -cE '^tests/data/images/[a-z]+\.(jpg|png|webp): (cat|dog) [0-9.]+ %, (cat|dog) [0-9.]+ %$' <<<"$told")" -eq 3 ]
expect 1 "tests/data/images/names.txt: error[data-format]: is no JPEG, PNG or WebP
  help: give a whole JPEG, PNG or WebP file" "$RGC" run "$out/run1/last.bin" --predict tests/data/images/names.txt

# Bad files: fatal by name, or skipped by name.
head -c 700 tests/data/images/baseline.jpg >"$out/pets/dog/cut.jpg"
if "$RGC" run "$out/pets.yaml" --train --set data.split=0 --out "$out/bad" >"$out/said" 2>&1; then exit 1; fi
grep -q "^$out/pets/dog/cut.jpg: error\[data-format\]: is a damaged JPEG: " "$out/said"
"$RGC" run "$out/pets.yaml" --train --set data.split=0 --set data.corrupt=skip --out "$out/skip" >"$out/said" 2>&1
[ "$(grep -c "^$out/pets/dog/cut.jpg: warning\[data-format\]: skipped: is a damaged JPEG: " "$out/said")" -eq 1 ]
expect 1 "folder:$out/pets: error[data-classes]: the data set has 2 classes, the network 3
  help: set the network's classes: to those of the data set" \
  "$RGC" run "$out/pets.yaml" --train --set 'classes=[cat, cow, dog]' --out "$out/none"

# Out as PNG files, whole or not at all.
rm "$out/pets/dog/cut.jpg"
expect 0 "12 PNG files are in $out/exported" "$RGC" show --data "$out/pets" --export "$out/exported"
[ "$(find "$out/exported" -name '*.png' | wc -l)" -eq 12 ]
expect 1 "$out/exported: error[file-write]: is there already
  help: choose a new folder" "$RGC" show --data "$out/pets" --export "$out/exported"
echo no >"$out/pets/cat/no.png"
if "$RGC" show --data "$out/pets" --export "$out/broken" >/dev/null 2>&1; then exit 1; fi
[ -z "$(find "$out" -maxdepth 1 -name 'broken*')" ]
