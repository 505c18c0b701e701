#!/usr/bin/env bash
# rgc export --c: the C program builds with cc alone, without warnings, and gives the bits that rgc run gives for the same input: batches of 1
# and 3, gcc and clang, one thread and several, several outputs, odd sizes, names that are no identifiers. What fails leaves nothing.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# plan NAME GRAPH OVERRIDE...: a plan with weights drawn by a seed; OUT/NAME.bin.
printf '\x02\0\0\0\0\0\0\0{}' >"$out/none.safetensors"
plan() {
  local overrides=()
  for o in "${@:3}"; do overrides+=(--set "$o"); done
  "$RGC" import "$out/none.safetensors" --graph "$2" "${overrides[@]}" --set 'weights={file: none, fresh: ["*"]}' --seed 7 --quiet -o "$out/$1.bin" >"$out/said" ||
    { cat "$out/said"; exit 1; }
}

# same NAME BATCH DATA C_NAME OUTPUTS MAKE...: exports, builds and compares every output, behind the header of its .npy.
same() {
  local name=$1 batch=$2 data=$3 c=$4 outputs=$5 dir=$out/$1-$2
  rm -rf "$dir"
  "$RGC" export "$out/$name.bin" --c "$dir" --batch "$batch" >/dev/null
  make -s -C "$dir" -j2 CFLAGS='-Wall -Werror' "${@:6}" >"$out/said" 2>&1 || { cat "$out/said"; exit 1; }
  "$RGC" run "$out/$name.bin" --dump input --data "$data" --batch "$batch" --out "$out/in.npy" >/dev/null
  : >"$out/wanted"
  for o in $outputs; do
    "$RGC" run "$out/$name.bin" --dump "$o" --data "$data" --batch "$batch" --out "$out/$o.npy" >/dev/null
    tail -c +129 "$out/$o.npy" >>"$out/wanted" # of several outputs: batch 1
  done
  "$dir/${c}_infer" "$out/in.npy" "$out/got" >"$out/printed"
  cmp "$out/wanted" "$out/got"
  [ "$(wc -l <"$out/printed")" -eq $((batch * $(wc -w <<<"$outputs"))) ]
}

weights=examples/data/cifar_pretrained/resnet20-12fca82f.th cifar=cifar10:tests/data/curves/cifar_first640.bin
"$RGC" import "$weights" --graph graphs/cifar_resnet20.yaml --quiet -o "$out/cifar.bin" >/dev/null
same cifar 1 $cifar cifar_resnet20 logits
same cifar 3 $cifar cifar_resnet20 logits OPENMP=-fopenmp
# Tidy: nothing but sources; the public header stands alone.
[ "$("$RGC" export "$out/cifar.bin" --c "$out/tidy" >/dev/null; cd "$out/tidy"; echo *)" = \
  "Makefile cifar_resnet20.c cifar_resnet20.h cifar_resnet20_weights.bin cifar_resnet20_weights.c kernels main.c" ]
cc -Wall -Wextra -Werror -pedantic -std=c11 -fsyntax-only -x c "$out/tidy/cifar_resnet20.h"
# Four images, without a header, in batches of three: the fourth, which is the first again, has its logits.
tail -c +129 "$out/in.npy" >"$out/raw"
head -c $((32 * 32 * 3 * 4)) "$out/raw" >>"$out/raw4" && cat "$out/raw" "$out/raw4" >"$out/four"
"$out/cifar-3/cifar_resnet20_infer" "$out/four" >"$out/printed4"
cmp "$out/printed4" <(cat "$out/printed" <(head -1 "$out/printed"))
expect 1 "$out/short: does not hold whole images of 32x32x3 float32" bash -c "head -c 999 '$out/raw' >'$out/short'; '$out/cifar-3/cifar_resnet20_infer' '$out/short'"
expect 1 "$out/other.npy: must be of the shape [n][32][32][3]" bash -c "sed '1s/32, 32, 3)/3, 32, 32)/' '$out/in.npy' >'$out/other.npy'; '$out/cifar-3/cifar_resnet20_infer' '$out/other.npy'"

plan drawings graphs/quickdraw_small.yaml
same drawings 3 quickdraw:examples/data/quickdraw quickdraw_small logits
plan se graphs/seresnet18.yaml input.size=37 classes=7 'set={stages.0.blocks: 1, stages.1.blocks: 1, stages.2.blocks: 1, stages.3.blocks: 1}' 'expect={}'
same se 1 synthetic:classes=7,size=37 seresnet18 logits
if command -v clang >/dev/null; then
  same se 3 synthetic:classes=7,size=37 seresnet18 logits CC=clang
else
  echo "SKIPPED in tests/cli/export_c.sh: clang is not installed, so only cc has built the program"
fi
plan two graphs/twohead.yaml name=9-lives.net input.size=33 'classes={species: 11, genus: 3}' 'expect={}'
same two 1 synthetic:classes=11,size=33 net_9_lives_net "species genus"
grep -q 'void net_9_lives_net_infer(const float \*input, float \*species_logits, float \*genus_logits);' "$out/two-1/net_9_lives_net.h"

# What goes wrong.
expect 1 "graphs/resnet18.yaml: error[weights]: has no weights yet
  help: train it, or make it by rgc import" "$RGC" export graphs/resnet18.yaml --c "$out/no"
expect 1 "$out/tidy: error[file-write]: is there already
  help: choose a new folder" "$RGC" export "$out/cifar.bin" --c "$out/tidy"
expect 1 "error[device]: there is no target 'cpu-vax'
  help: targets: cpu-avx512, cpu-avx2, cpu-plain" "$RGC" export "$out/cifar.bin" --c "$out/no" --target cpu-vax
"$RGC" export "$out/cifar.bin" --c "$out/no" --batch 100000 >"$out/said" 2>&1 && exit 1
grep -q 'error\[memory\]: batch 100000 ' "$out/said"
# A disk that is full: no file may be larger than 200 blocks.
if (trap '' XFSZ; ulimit -f 200; "$RGC" export "$out/cifar.bin" --c "$out/full") >"$out/said" 2>&1; then exit 1; fi
grep -q 'error\[file-write\]: cannot be written: File too large' "$out/said"
[ -z "$(find "$out" -maxdepth 1 -name 'no*' -o -maxdepth 1 -name 'full*' | grep -v none.safetensors)" ]
