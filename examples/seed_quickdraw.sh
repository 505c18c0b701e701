#!/usr/bin/env bash
# The tutorial's experiment: ResNet-50 from scratch on 4500 drawings at 224x224, Adam, one pass of 1125 steps of four.
# STEPS stops earlier. VARIANT=running_after_first_validation trains as the tutorial's program really does: from its first
# validation on with the running statistics of batch normalisation. OUT and THREADS may be set, and GRAPH, to try another network.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
graph=${GRAPH:-graphs/quickdraw_resnet50_seed.yaml} variant=${VARIANT:-batch}
out=${OUT:-examples/out/seed_$variant}
mkdir -p "$out"
"$rgc" summary "$graph" | tail -1
"$rgc" compile "$graph" --set "train.bn=$variant" -o "$out/plan.bin"
train=(--train --data quickdraw:examples/data/quickdraw --out "$out" --threads "${THREADS:-0}")
if [ -n "${STEPS:-}" ]; then train+=(--steps "$STEPS"); fi
"$rgc" run "$out/plan.bin" "${train[@]}"
echo "log: $out/log.csv   best weights: $out/best.bin   to go on: $out/last.bin, $out/last.state"
