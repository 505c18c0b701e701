#!/usr/bin/env bash
# A trained network as C sources: no rgc, no library, no file beside the program. The images are CIFAR-10's, as the network takes them.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
out=${OUT:-examples/out}
mkdir -p "$out" && rm -rf "$out/c_program"
"$rgc" import examples/data/cifar_pretrained/resnet20-12fca82f.th --graph graphs/cifar_resnet20.yaml --quiet -o "$out/resnet20.bin"
"$rgc" export "$out/resnet20.bin" --c "$out/c_program"
make -s -j "$(nproc)" -C "$out/c_program"
"$rgc" run "$out/resnet20.bin" --dump input --data cifar10:tests/data/curves/cifar_first640.bin --batch 8 --out "$out/images.npy"
"$out/c_program/cifar_resnet20_infer" "$out/images.npy" # a line of ten logits an image
