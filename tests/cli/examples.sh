#!/usr/bin/env bash
# Every example runs and leaves what examples/README.md says. Cut down: quickstart trains one epoch of six; the tutorial's experiment
# two steps of quickdraw_small in the place of ResNet-50, in both variants; degradation two steps of plain20 alone. Graph files that
# are not trained here (ResNet-50, resnet20, plain56, resnet56) are held against their expect: in the unit tests.
set -euo pipefail
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
RGC_BUILD=$(dirname "$RGC")
export RGC_BUILD

# rows FILE N: a log of N lines, each 'iteration,loss,accuracy,loss,accuracy'.
rows() {
  [ "$(wc -l <"$1")" -eq "$2" ]
  [ "$(grep -cE '^[0-9]+(,[0-9]+\.[0-9]{4}){4}$' "$1")" -eq "$2" ]
}
is_png() { [ "$(head -c 4 "$1" | tail -c 3)" = PNG ]; }

# ran NAME COMMAND...: what a failing example said is shown.
ran() {
  local said=$out/$1.txt
  if ! "${@:2}" >"$said" 2>&1; then
    cat "$said"
    exit 1
  fi
}

EPOCHS=1 ran quickstart examples/quickstart.sh "$out/quickstart"
is_png "$out/quickstart/drawings.png"
is_png "$out/quickstart/predicted.png"
rows "$out/quickstart/log.csv" 4
[ -s "$out/quickstart/best.bin" ]

COUNT=6 EPOCHS=1 ran image_folder examples/image_folder.sh "$out/image_folder"
[ "$(find "$out/image_folder/drawings" -name '*.png' | wc -l)" -eq 120 ]
is_png "$out/image_folder/drawings.png"
grep -qE 'val/zebra/00001.png: [a-z]+ [0-9.]+ %, [a-z]+ [0-9.]+ %, [a-z]+' "$out/image_folder.txt"
grep -q '^waited ' "$out/image_folder.txt"

for variant in batch running_after_first_validation; do
  GRAPH=graphs/quickdraw_small.yaml STEPS=3 VARIANT=$variant OUT=$out/$variant ran "$variant" examples/seed_quickdraw.sh
  rows "$out/$variant/log.csv" 2
  [ -s "$out/$variant/best.bin" ]
done
cmp <(head -1 "$out/batch/log.csv") <(head -1 "$out/running_after_first_validation/log.csv")
if cmp -s "$out/batch/log.csv" "$out/running_after_first_validation/log.csv"; then exit 1; fi

# Where gnuplot is missing and cannot be installed, the example says what to install.
if NETWORKS=plain20 STEPS=2 OUT=$out/degradation examples/degradation.sh >"$out/degradation.txt" 2>&1; then
  is_png "$out/degradation/degradation.png"
elif command -v gnuplot >/dev/null || ! grep -q 'install gnuplot as root' "$out/degradation.txt"; then
  cat "$out/degradation.txt"
  exit 1
fi
rows "$out/degradation/plain20/log.csv" 2
grep -qE '^plain20 +[0-9.]+ +[0-9.]+ +[0-9.]+$' "$out/degradation/table.txt"

OUT=$out/pretrained ran pretrained examples/cifar_pretrained.sh
grep -qE '^validation loss 0\.0[0-9]+, accuracy 0\.99[0-9]+, top-5 [0-9.]+$' "$out/pretrained.txt"
[ -s "$out/pretrained/resnet20.safetensors" ]

OUT=$out/c_program ran c_program examples/c_program.sh
[ "$(grep -cE '^(-?[0-9.e-]+ ){9}-?[0-9.e-]+$' "$out/c_program.txt")" -eq 8 ]
