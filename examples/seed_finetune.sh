#!/usr/bin/env bash
# The tutorial's second half: ResNet-34 with ImageNet weights, its 1000 outputs kept, Linear(1000,10) behind them, and only that
# trained, on the 4500 drawings of examples/data at 224x224
# (their ten classes). Give the weights of torchvision's resnet34, resnet34-*.pth:
#   examples/seed_finetune.sh resnet34-b627a593.pth
# STEPS stops earlier; OUT, THREADS and GRAPH (another network to fine-tune) may be set. RESUME=1 goes on where a run ended.
set -euo pipefail
if [ $# -ne 1 ]; then
  echo "usage: $0 resnet34-b627a593.pth   (download.pytorch.org/models)" >&2
  exit 2
fi
weights=$(realpath "$1")
cd "$(dirname "$0")/.."
. examples/build.sh.inc
graph=${GRAPH:-graphs/seed_finetune.yaml} out=${OUT:-examples/out/seed_finetune}
mkdir -p "$out"
classes=$(cd examples/data/quickdraw && ls -- *.bin | sed 's/\.bin$//' | paste -sd,)
"$rgc" compile "$graph" --set "classes=[$classes]" -o "$out/plan.bin"
train=(--train --data quickdraw:examples/data/quickdraw --weights "$weights" --out "$out" --threads "${THREADS:-0}")
if [ -n "${STEPS:-}" ]; then train+=(--steps "$STEPS"); fi
if [ -n "${RESUME:-}" ]; then train+=(--resume); fi
"$rgc" run "$out/plan.bin" "${train[@]}"
echo "log: $out/log.csv   best weights: $out/best.bin   to go on: RESUME=1"
