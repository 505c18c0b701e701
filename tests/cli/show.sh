#!/usr/bin/env bash
# What rgc show tells of a data set, exactly, and that it leaves a picture; the picture of rgc run --eval.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
is_png() { [ "$(head -c 4 "$1" | tail -c 3)" = PNG ]; }
expect 0 "quickdraw-strokes:tests/data/quickdraw: images of 255x255x1 (height x width x channels)
mean [0.9792], std [0.1429] of 44 of the training samples, / 255

class         train  validation
apple            22           3
wine bottle      22           3
total            44           6

as they are, in a graph file:
  input: {channels: 1, size: 255, mean: [0.9792], std: [0.1429]}

samples: $out/strokes.png" "$RGC" show --data quickdraw-strokes:tests/data/quickdraw --count 2 --out "$out/strokes.png"
is_png "$out/strokes.png"
# With a graph file: its classes in its order, its transform.
expect 0 "quickdraw-strokes:tests/data/quickdraw: images of 255x255x1 (height x width x channels)
mean [0.9792], std [0.1429] of 44 of the training samples, / 255

class         train  validation
wine bottle      22           3
apple            22           3
total            44           6

transformed for graphs/cifar_resnet20.yaml:
  bytes / 255, gray repeated in 3 channels, resized to 32x32 (bilinear), - [0.4850, 0.4560, 0.4060], / [0.2290, 0.2240, 0.2250]

samples: $out/two.png" "$RGC" show graphs/cifar_resnet20.yaml --set 'classes=[wine bottle, apple]' --data quickdraw-strokes:tests/data/quickdraw \
  --out "$out/two.png"
is_png "$out/two.png"
expect 1 "error[bad-value]: images of 8x8x2 cannot become an input of 32x32x3 (height x width x channels)
  help: set the network's input channels to those of the data, or to 1 or 3" \
  "$RGC" show graphs/cifar_resnet20.yaml --data synthetic:size=8,channels=2 --out "$out/none.png"
[ ! -e "$out/none.png" ]
expect 2 "error[usage]: --data is needed
  help: rgc show --help" "$RGC" show
expect 2 "error[usage]: --count must be from 1 to 4096
  help: rgc show --help" "$RGC" show --data synthetic: --count 0
# The predictions' picture.
"$RGC" run graphs/quickdraw_small.yaml --train --data quickdraw:examples/data/quickdraw --steps 1 --out "$out/run" >/dev/null
"$RGC" run "$out/run/last.bin" --eval --data quickdraw:examples/data/quickdraw \
  --show 12 --picture "$out/predicted.png" >"$out/told"
is_png "$out/predicted.png"
[ "$(wc -l <"$out/told")" -eq 13 ]
