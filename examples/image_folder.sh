#!/usr/bin/env bash
# Training on image files in a folder for each class: the drawings are written as PNG files first, then seen as anyone's own images are.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
out=${1:-examples/out/image_folder}
mkdir -p "$out"
rm -rf "${out:?}/drawings"
limit=()
if [ -n "${COUNT:-}" ]; then limit=(--count "$COUNT"); fi
"$rgc" show --data quickdraw:examples/data/quickdraw --export "$out/drawings" "${limit[@]}"
"$rgc" show examples/image_folder.yaml --data "folder:$out/drawings" --out "$out/drawings.png"
"$rgc" run examples/image_folder.yaml --train --data "folder:$out/drawings" --out "$out" --epochs "${EPOCHS:-6}"
"$rgc" run "$out/best.bin" --predict "$out"/drawings/val/zebra/0000[1-5].png
echo "images: $out/drawings   seen as: $out/drawings.png   log: $out/log.csv   trained plan, with the class names: $out/best.bin"
