#!/usr/bin/env bash
# Weights from PyTorch's files become plans that run; reports, hints and refusals have their exact words; what is exported comes back.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
weights=examples/data/cifar_pretrained/resnet20-12fca82f.th data="cifar10:tests/data/curves/cifar_first640.bin"
expect 0 "note: the weights stand under 'state_dict' in the file
note: every name begins with 'module.' in the file
97 loaded
$out/plan.bin: cifar_resnet20 with the weights of $weights" \
  "$RGC" import "$weights" --graph graphs/cifar_resnet20.yaml --quiet -o "$out/plan.bin"
"$RGC" import "$weights" --graph graphs/cifar_resnet20.yaml -o "$out/plan.bin" >"$out/told"
[ "$(grep -c '^loaded ' "$out/told")" -eq 97 ]
# The plan, the file itself and the graph file's weights: say the same of all 640 images.
"$RGC" run "$out/plan.bin" --eval --all --batch 64 --data "$data" | grep -v '^compiled' >"$out/figures"
grep -qE '^validation loss 0\.0[0-9]+, accuracy 0\.99[0-9]+, top-5 [0-9.]+$' "$out/figures"
"$RGC" run graphs/cifar_resnet20.yaml --weights "$weights" --eval --all --batch 64 --data "$data" | cmp - "$out/figures"
cp "$weights" "$out/w.th"
printf 'base: %s/graphs/cifar_resnet20.yaml\nweights: w.th\n' "$PWD" >"$out/with.yaml"
"$RGC" run "$out/with.yaml" --eval --all --batch 64 --data "$data" | cmp - "$out/figures"
# Exported, imported: the same plan.
expect 0 "$out/x.safetensors: 97 tensors" "$RGC" export "$out/plan.bin" --safetensors "$out/x.safetensors"
"$RGC" import "$out/x.safetensors" --graph graphs/cifar_resnet20.yaml -o "$out/again.bin" >/dev/null
cmp "$out/plan.bin" "$out/again.bin"
# What does not fit says what would; nothing is written.
if "$RGC" import "$weights" --graph graphs/resnet18.yaml --quiet -o "$out/none.bin" >"$out/misfit" 2>&1; then exit 1; fi
grep -q "error\[weights\]: layer conv1: 'conv1.weight' is \[16,3,3,3\] in the file and \[64,3,7,7\] in the network" "$out/misfit"
[ ! -e "$out/none.bin" ]
# A file that would run a command.
expect 1 "tests/data/import/evil_zip.pth: error[weights]: the pickle names 'posix.system', which is not on the list of what rgc reads; nothing of it was executed
  help: a file of weights needs tensors only: in Python, torch.save(model.state_dict(), FILE) writes one" \
  "$RGC" import tests/data/import/evil_zip.pth --graph graphs/resnet18.yaml -o "$out/none.bin"
[ ! -e EXECUTED ]
# timm's names of ResNetV2, both ways: what is exported under them comes back without being told.
printf '\x02\0\0\0\0\0\0\0{}' >"$out/none.safetensors"
"$RGC" import "$out/none.safetensors" --graph graphs/resnetv2_18.yaml --set 'weights={file: none, fresh: ["*"]}' --seed 3 --quiet -o "$out/v2.bin" >/dev/null
expect 0 "$out/v2.safetensors: 90 tensors" "$RGC" export "$out/v2.bin" --safetensors "$out/v2.safetensors" --names timm
grep -q '"stages.1.blocks.0.downsample.conv.weight":{"dtype":"F32","shape":\[128,64,1,1\]' "$out/v2.safetensors"
grep -q '"norm.num_batches_tracked"' "$out/v2.safetensors"
"$RGC" import "$out/v2.safetensors" --graph graphs/resnetv2_18.yaml -o "$out/v2-again.bin" >"$out/told"
expect 0 "note: the names are those of names: timm
reshaped   fc.weight  [1000,512,1,1] to [1000,512], from head.fc.weight
89 loaded, 1 reshaped" grep -vE '^loaded|^/' "$out/told"
for plan in v2 v2-again; do "$RGC" export "$out/$plan.bin" --safetensors "$out/$plan.ours" >/dev/null; done
cmp "$out/v2.ours" "$out/v2-again.ours"
expect 1 "$out/v2.bin: error[usage]: has no names of 'tim'
  help: names: of its graph file has timm" "$RGC" export "$out/v2.bin" --safetensors "$out/no" --names tim
expect 1 "$out/plan.bin: error[usage]: has no names of 'timm'
  help: its graph file has no names: for others; without --names they are torchvision's" "$RGC" export "$out/plan.bin" --safetensors "$out/no" --names timm
# rename: rules, turned round.
cat >"$out/renamed.yaml" <<YAML
base: $PWD/graphs/cifar_resnet20.yaml
weights: {file: x, rename: {"a*": "layer*", "classifier.*": "linear.*"}}
YAML
"$RGC" import "$out/x.safetensors" --graph "$out/renamed.yaml" -o "$out/renamed.bin" >"$out/told"
grep -q "^note: rename: no tensor is called 'a\*'$" "$out/told"
"$RGC" export "$out/renamed.bin" --safetensors "$out/theirs.safetensors" --names weights >/dev/null
grep -q '"a1.0.conv1.weight"' "$out/theirs.safetensors"
"$RGC" import "$out/theirs.safetensors" --graph "$out/renamed.yaml" -o "$out/again.bin" | grep -q '^97 loaded$'
cmp "$out/renamed.bin" "$out/again.bin"
# torchvision takes what is exported, all keys matched, all values equal.
if /usr/bin/python3 -c 'import torchvision' 2>/dev/null; then
  /usr/bin/python3 tests/cli/import_torch.py make "$out/r18.pth"
  "$RGC" import "$out/r18.pth" --graph graphs/resnet18.yaml -o "$out/r18.bin" | grep -q '^102 loaded$'
  "$RGC" export "$out/r18.bin" --safetensors "$out/r18.safetensors" >/dev/null
  /usr/bin/python3 tests/cli/import_torch.py check "$out/r18.pth" "$out/r18.safetensors"
else
  echo "SKIPPED in tests/cli/import.sh: python3-torchvision is not installed, so load_state_dict was not tried"
fi
