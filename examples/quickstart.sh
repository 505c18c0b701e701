#!/usr/bin/env bash
# From a graph file to a trained network in a few minutes: 5000 real drawings, ten classes, 450 of each to train on.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
out=${1:-examples/out}
mkdir -p "$out"
"$rgc" summary graphs/quickdraw_small.yaml
"$rgc" show --data quickdraw:examples/data/quickdraw --out "$out/drawings.png"
"$rgc" compile graphs/quickdraw_small.yaml -o "$out/plan.bin"
"$rgc" run "$out/plan.bin" --train --data quickdraw:examples/data/quickdraw --out "$out" --epochs "${EPOCHS:-6}"
"$rgc" run "$out/best.bin" --eval --data quickdraw:examples/data/quickdraw --show 20 --picture "$out/predicted.png"
echo "drawings: $out/drawings.png   predicted: $out/predicted.png   log: $out/log.csv   trained plan: $out/best.bin"
