#!/usr/bin/env bash
# Plans as ONNX models and back: a real network comes back bit for bit, with its batch norms folded it says the same; what PyTorch's exporter writes
# is read, folded or not; refusals have their exact words. Where ONNX Runtime or onnx's reference is there (RGC_ONNX_PYTHON: a Python that has
# it), models give our outputs; tests/unit/test_onnx_export.c compares numbers everywhere.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
graph=graphs/cifar_resnet20.yaml weights=examples/data/cifar_pretrained/resnet20-12fca82f.th data="cifar10:tests/data/curves/cifar_first640.bin"
"$RGC" import $weights --graph $graph -o "$out/plan.bin" >/dev/null
expect 0 "$out/kept.onnx: 81 nodes" "$RGC" export "$out/plan.bin" --onnx "$out/kept.onnx"
expect 0 "$out/x.safetensors: 97 tensors
$out/folded.onnx: 62 nodes" "$RGC" export "$out/plan.bin" --safetensors "$out/x.safetensors" --onnx "$out/folded.onnx" --fold
# What stands in the files; as many batch norms as in the network, or none.
count() { grep -ao "$1" "$2" | wc -l; }
[ "$(count BatchNormalization "$out/kept.onnx")" -eq 19 ] && [ "$(count BatchNormalization "$out/folded.onnx")" -eq 0 ]
[ "$(count 'layer1.0.bn1.running_var' "$out/kept.onnx")" -ge 1 ] && [ "$(count 'layer1.0.bn1.running_var' "$out/folded.onnx")" -eq 0 ]
[ "$(count 'Gemm' "$out/kept.onnx")" -eq 1 ] && [ "$(count 'layer1.0.conv1.bias' "$out/folded.onnx")" -ge 1 ]
# Back again: the same plan; folded, the same answers.
expect 0 "97 loaded
$out/again.bin: cifar_resnet20 with the weights of $out/kept.onnx" "$RGC" import "$out/kept.onnx" --graph $graph --quiet -o "$out/again.bin"
cmp "$out/plan.bin" "$out/again.bin"
"$RGC" import "$out/folded.onnx" --graph $graph --quiet -o "$out/unfolded.bin" >"$out/told"
grep -q '^note: batch norms are folded into the layers before them' "$out/told"
grep -q '^folded     layer1.0.bn1.weight  into the layer before$' "$out/told"
grep -q '^loaded     layer1.0.bn1.bias  from layer1.0.conv1.bias$' "$out/told"
grep -q '^40 loaded, 57 folded$' "$out/told"
evaluate() { "$RGC" run "$@" --eval --all --batch 64 --data "$data" | grep '^validation'; }
figures=$(evaluate "$out/plan.bin")
expect 0 "$figures" evaluate "$out/unfolded.bin"
expect 0 "$figures" evaluate $graph --weights "$out/kept.onnx"
printf 'base: %s/%s\nweights: kept.onnx\n' "$PWD" $graph >"$out/with.yaml"
expect 0 "$figures" evaluate "$out/with.yaml"

# PyTorch's exporter: kept, the plan of its own file; folded, every layer named by the nodes.
"$RGC" import tests/data/import/net.pth --graph tests/data/import/net.yaml -o "$out/net.bin" >/dev/null
expect 0 "note: 5 tensors are Identity nodes of others in the file
27 loaded
$out/net_kept.bin: net with the weights of tests/data/import/net_kept.onnx" \
  "$RGC" import tests/data/import/net_kept.onnx --graph tests/data/import/net.yaml --quiet -o "$out/net_kept.bin"
cmp "$out/net.bin" "$out/net_kept.bin"
"$RGC" import tests/data/import/net_folded.onnx --graph tests/data/import/net.yaml --quiet -o "$out/net_folded.bin" >"$out/told"
[ "$(head -1 "$out/told")" = "note: 10 constants of the exporter ('onnx::...') are called after the layers that read them" ]
grep -q '^12 loaded, 15 folded$' "$out/told"

# What is refused.
head -c 3000 tests/data/import/net_kept.onnx >"$out/cut.onnx"
expect 1 "$out/cut.onnx: error[weights]: the ONNX file is truncated or damaged
  help: fetch or write the file again" "$RGC" import "$out/cut.onnx" --graph tests/data/import/net.yaml -o "$out/none.bin"
if "$RGC" import tests/data/import/net_kept.onnx --graph graphs/resnet18.yaml --quiet -o "$out/none.bin" >"$out/misfit" 2>&1; then exit 1; fi
grep -q "error\[weights\]: layer conv1: 'conv1.weight' is \[4,1,3,3\] in the file and \[64,3,7,7\] in the network" "$out/misfit"
"$RGC" compile tests/data/import/net.yaml --no-kernels -o "$out/empty.bin" >/dev/null
expect 1 "$out/empty.bin: error[weights]: has no weights yet
  help: train it, or make it by rgc import" "$RGC" export "$out/empty.bin" --onnx "$out/none.onnx"
expect 1 "$out/none/x.onnx: error[file-write]: cannot be written: No such file or directory
  help: an earlier file of this name is untouched; free space or choose another place" "$RGC" export "$out/plan.bin" --onnx "$out/none/x.onnx"
expect 2 "error[usage]: --fold is for --onnx
  help: rgc export PLAN --onnx FILE --fold" "$RGC" export "$out/plan.bin" --safetensors "$out/none.safetensors" --fold
[ ! -e "$out/none.bin" ] && [ ! -e "$out/none.onnx" ] && [ ! -e "$out/none.safetensors" ]

# Other programs' numbers, of a batch of 3 and of 1: the real network, and one of two outputs with much of the language in it.
python=${RGC_ONNX_PYTHON:-/usr/bin/python3}
cat >"$out/words.yaml" <<'END'
rgc: 1
name: words
input: {channels: 3, size: 13}
classes: {kind: 4, colour: 4}
stem: [conv: {out: 6, kernel: [3, 1]}, group_norm: 3, silu, filter: {taps: [1, 2, 1], stride: 2, edge: reflect}, conv: {out: 6, kernel: 3, groups: 2}, bn, gelu,
  maxpool: {kernel: 3, stride: 2, pad: 1, ceil: true}]
stages:
  - {block: res2net, repeat: 1, width: 2, base_width: 64, scale: 3, expansion: 2}
  - {block: basic, repeat: 1, width: 6, stride: 2, attn: [eca], drop_path: 0.1, shortcut: [subsample: {stride: stride}, pad_channels: {to: width}]}
head: [avgpool: {kernel: 2, stride: 2, pad: 1, ceil: true, as: f}, linear: {out: classes.kind, name: fc1, output: kind},
  linear: {from: f, out: classes.colour, name: fc2, as: g}, map: {of: 'tanh(g) if g > 0 else g / 2', output: colour}]
END
# numbers PLAN DATA OUTPUT...: its models against what it gives itself.
numbers() {
  local plan=$1 from=$2 pairs=() batch fold
  shift 2
  for fold in '' --fold; do "$RGC" export "$plan" --onnx "$out/m$fold.onnx" $fold >/dev/null; done
  for batch in 3 1; do
    "$RGC" run "$plan" --dump input --batch $batch --data "$from" --out "$out/input.npy" >/dev/null
    for name; do
      "$RGC" run "$plan" --dump "$name" --batch $batch --data "$from" --out "$out/$name.npy" >/dev/null
      pairs+=("$name=$out/$name.npy")
    done
    for fold in '' --fold; do "$python" tests/cli/onnx_check.py "$out/m$fold.onnx" $batch "$out/input.npy" "${pairs[@]}" || return; done
  done
}
status=0
"$RGC" run "$out/words.yaml" --train --steps 3 --batch 8 --data synthetic:classes=4,size=13 --out "$out/words" >/dev/null
if "$python" -c 'import numpy' 2>/dev/null; then numbers "$out/plan.bin" "$data" logits || status=$?; else status=3; fi
[ $status -ne 0 ] || numbers "$out/words/last.bin" synthetic:classes=4,size=13 kind colour || status=$?
if [ $status -eq 3 ]; then
  echo "SKIPPED in tests/cli/onnx.sh: neither ONNX Runtime nor onnx 1.13 is there for $python, so no other program ran the models"
  exit
fi
[ $status -eq 0 ]
