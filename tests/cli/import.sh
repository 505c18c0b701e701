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
# The same weights in two files with an index: the same plan. Index and files must agree, and a name leads nowhere else.
mkdir "$out/shards"
index=$out/shards/model.safetensors.index.json
python3 - "$out/x.safetensors" "$out/shards" <<'PY'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header, places = json.loads(data[8:8 + size]), {}
header.pop("__metadata__")
names = list(header)
for k, part in enumerate((names[:40], names[40:])):
    own, body = {}, b""
    for name in part:
        begin, end = header[name]["data_offsets"]
        own[name] = dict(header[name], data_offsets=[len(body), len(body) + end - begin])
        body += data[8 + size + begin:8 + size + end]
        places[name] = f"{k}.safetensors"
    text = json.dumps(own).encode()
    open(f"{sys.argv[2]}/{k}.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)
json.dump({"metadata": {"total_size": 0}, "weight_map": places}, open(f"{sys.argv[2]}/model.safetensors.index.json", "w"), indent=1)
PY
expect 0 "note: the weights stand in 2 files, which the index names
97 loaded
$out/sharded.bin: cifar_resnet20 with the weights of $index" \
  "$RGC" import "$index" --graph graphs/cifar_resnet20.yaml --quiet -o "$out/sharded.bin"
cmp "$out/plan.bin" "$out/sharded.bin"
# lies SED SAYS: an index changed so is refused in these words.
lies() {
  sed "$1" "$index" >"$out/shards/lying.json"
  expect 1 "$out/shards/lying.json: error[weights]: $2
  help: an index and the files that it names lie in one folder, as they were written; fetch what is missing" \
    "$RGC" import "$out/shards/lying.json" --graph graphs/cifar_resnet20.yaml --quiet -o "$out/none.bin"
}
lies 's|"1.safe|"2.safe|' "names the file '2.safetensors', which cannot be read: No such file or directory"
lies 's|"conv1.weight": "0.|"conv1.weight": "../0.|' "'conv1.weight' would be in '../0.safetensors', which is no file of the index's folder: it is not read"
lies 's|"conv1.weight"|"other.weight"|' "the file '0.safetensors' holds 'conv1.weight', which the index does not place there"
lies 's|"weight_map": {|&"other.weight": "0.safetensors",|' "'other.weight' is not in the file '0.safetensors', where the index places it"
lies 's|"conv1.weight": .*|"conv1.weight": 3,|' "'conv1.weight' is in no file: the index has no text there"
[ ! -e "$out/none.bin" ]
# What does not fit says what would; nothing is written.
if "$RGC" import "$weights" --graph graphs/resnet18.yaml --quiet -o "$out/none.bin" >"$out/misfit" 2>&1; then exit 1; fi
grep -q "error\[weights\]: layer conv1: 'conv1.weight' is \[16,3,3,3\] in the file and \[64,3,7,7\] in the network" "$out/misfit"
[ ! -e "$out/none.bin" ]
# A file that would run a command.
expect 1 "tests/data/import/evil_zip.pth: error[weights]: the pickle names 'posix.system', which is not on the list of what rgc reads; nothing of it was executed
  help: a file of weights needs tensors only: in Python, torch.save(model.state_dict(), FILE) writes one" \
  "$RGC" import tests/data/import/evil_zip.pth --graph graphs/resnet18.yaml -o "$out/none.bin"
[ ! -e EXECUTED ]
# A file of another network says which graph files it fits, by names and shapes of all its tensors.
# drawn GRAPH NAME OVERRIDE...: weights drawn for a network, as OUT/NAME.safetensors.
drawn() {
  local overrides=()
  for o in "${@:3}"; do overrides+=(--set "$o"); done
  "$RGC" import "$out/none.safetensors" --graph "graphs/$1.yaml" --set 'weights={file: none, fresh: ["*"]}' "${overrides[@]}" --quiet -o "$out/drawn.bin" >/dev/null
  "$RGC" export "$out/drawn.bin" --safetensors "$out/$2.safetensors" >/dev/null
}
# helps NAME GRAPH TEXT: the first help when the file does not fit.
helps() {
  if "$RGC" import "$out/$1.safetensors" --graph "$2" --quiet -o "$out/no.bin" >"$out/said" 2>&1; then exit 1; fi
  expect 0 "  help: $3" grep -m 1 '^  help' "$out/said"
  expect 0 1 grep -c '^  help' "$out/said"
}
printf '\x02\0\0\0\0\0\0\0{}' >"$out/none.safetensors"
for n in resnet18 resnet18d seresnet18 skresnet18 resnet10t resnet26; do drawn $n $n; done
drawn resnet18 seven classes=7 'expect={}'
drawn resnet18 grey 'input={channels: 1, size: 224, mean: [0.5], std: [0.2]}' 'expect={}'
helps resnet18d graphs/resnet18.yaml "it fits graphs/resnet18d.yaml"
helps resnet18 graphs/resnet18d.yaml "it fits graphs/resnet18.yaml"
helps resnet18 graphs/resnet34.yaml "it fits graphs/resnet18.yaml"
helps resnet18 graphs/resnet50.yaml "it fits graphs/resnet18.yaml"
helps resnet18 graphs/cifar_resnet20.yaml "it fits graphs/resnet18.yaml"
helps resnet18 graphs/seresnet18.yaml "it fits graphs/resnet18.yaml"
helps resnet26 graphs/resnet50.yaml "it fits graphs/resnet26.yaml"
helps resnet10t graphs/resnet18.yaml "it fits graphs/resnet10t.yaml"
helps skresnet18 graphs/resnet18.yaml "it fits graphs/skresnet18.yaml"
helps seven graphs/resnet18.yaml "another class count? weights: {file: FILE, head: fresh} draws the last layer anew"
helps seven graphs/resnet34.yaml "it fits graphs/resnet18.yaml or graphs/resnet18_10.yaml, with weights: {file: FILE, head: fresh}"
helps grey graphs/resnet18.yaml "input: {channels: 1} and a mean and std for as many would fit the file"
printf 'base: %s/graphs/resnet18.yaml\ninput: {channels: 1, size: 64, mean: [0.5], std: [0.2]}\nexpect: {}\n' "$PWD" >"$out/grey.yaml"
helps resnet18 "$out/grey.yaml" "weights: {file: FILE, channels: sum} sums the input channels"
# Where no graph files lie beside it, names are what there is to go by.
mkdir "$out/alone"
printf 'rgc: 1\ninput: {channels: 3, size: 64}\nclasses: 1000\nstem: [conv: {out: 64, kernel: 7}, bn, relu]\nhead: [avgpool: global, linear: {out: classes}]\n' >"$out/alone/a.yaml"
sed 's/conv: {out: 64, kernel: 7}/scope: {name: conv1, number: position, body: [conv: {out: 64, kernel: 7}]}/' "$out/alone/a.yaml" >"$out/alone/b.yaml"
"$RGC" import "$out/none.safetensors" --graph "$out/alone/b.yaml" --set 'weights={file: none, fresh: ["*"]}' --quiet -o "$out/drawn.bin" >/dev/null
"$RGC" export "$out/drawn.bin" --safetensors "$out/deep.safetensors" >/dev/null
helps deep "$out/alone/a.yaml" "it fits $out/alone/b.yaml"
rm "$out/alone/b.yaml"
helps deep "$out/alone/a.yaml" "conv1.weight missing, conv1.0.weight found: a deep stem, as in resnet50d.yaml?"
# More than the network takes is told, with what takes all of it.
"$RGC" import "$out/seresnet18.safetensors" --graph graphs/resnet18.yaml --quiet -o "$out/no.bin" >"$out/said"
grep -q '^note: 32 tensors of the file are left over; all of it fits graphs/seresnet18.yaml$' "$out/said"
rm "$out/no.bin"
# timm's names of ResNetV2, both ways: what is exported under them comes back without being told.
"$RGC" import "$out/none.safetensors" --graph graphs/resnetv2_18.yaml --set 'weights={file: none, fresh: ["*"]}' --seed 3 --quiet -o "$out/v2.bin" >/dev/null
expect 0 "$out/v2.safetensors: 90 tensors" "$RGC" export "$out/v2.bin" --safetensors "$out/v2.safetensors" --names timm
grep -q '"stages.1.blocks.0.downsample.conv.weight":{"dtype":"F32","shape":\[128,64,1,1\]' "$out/v2.safetensors"
grep -q '"norm.num_batches_tracked"' "$out/v2.safetensors"
helps v2 graphs/resnet18.yaml "it fits graphs/resnetv2_18.yaml"
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
