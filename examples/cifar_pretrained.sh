#!/usr/bin/env bash
# Somebody else's weights: a ResNet-20 that PyTorch trained on CIFAR-10, imported and evaluated on real images. A file or folder of
# CIFAR-10's binary version may be given; without one, the 640 images of tests/data/curves are used.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
out=${OUT:-examples/out} data=${1:-tests/data/curves/cifar_first640.bin}
mkdir -p "$out"
"$rgc" import examples/data/cifar_pretrained/resnet20-12fca82f.th --graph graphs/cifar_resnet20.yaml --quiet -o "$out/resnet20.bin"
"$rgc" run "$out/resnet20.bin" --eval --all --data "cifar10:$data"
"$rgc" export "$out/resnet20.bin" --safetensors "$out/resnet20.safetensors"
