#!/usr/bin/env bash
# examples/seed_finetune.sh, with a file of resnet34's names and shapes made at random, at 32x32: all but the new layer keep the bits of the file.
set -euo pipefail
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
RGC_BUILD=$(dirname "$RGC")
export RGC_BUILD
cat >"$out/random.py" <<'PY'
import json, random, struct, sys
# tests/data/resnet34_state_dict.txt: a name and a shape a line; the file is safetensors, float32.
header, data, at = {}, [], 0
pick = random.Random(1)
for line in open("tests/data/resnet34_state_dict.txt"):
    name, *shape = line.replace("[", " ").replace("]", " ").replace(",", " ").replace("(", " ").replace(")", " ").split()
    shape = [int(n) for n in shape if n.isdigit()]
    if name.startswith("#") or name.endswith("num_batches_tracked"):
        continue
    count = 1
    for n in shape:
        count *= n
    scale = 1.0 if name.endswith(("running_var",)) or len(shape) == 1 and name.endswith("weight") else (2.0 * max(shape[0], 1) / count) ** 0.5
    block = [(scale if len(shape) == 1 and ("var" in name or name.endswith("weight")) else pick.uniform(-scale, scale)) for _ in range(min(count, 4099))]
    block = (block * (count // len(block) + 1))[:count]
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
    data.append(struct.pack("<%df" % count, *block))
    at += 4 * count
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + b"".join(data))
PY
python3 "$out/random.py" "$out/resnet34-random.safetensors"
cat >"$out/small.yaml" <<YAML
base: $PWD/graphs/seed_finetune.yaml
input: {size: 32}
YAML
STEPS=2 GRAPH="$out/small.yaml" OUT="$out/run" examples/seed_finetune.sh "$out/resnet34-random.safetensors" >"$out/said" 2>&1 || { cat "$out/said"; exit 1; }
grep -qE '^  freeze: saves [0-9.]+ MB of [0-9.]+ MB$' "$out/said"
[ -s "$out/run/best.bin" ]
cat >"$out/compare.py" <<'PY'
import json, struct, sys
def read(path):
    raw = open(path, "rb").read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    return {k: raw[8 + length + v["data_offsets"][0]:8 + length + v["data_offsets"][1]] for k, v in header.items() if k != "__metadata__"}
start, end, state = (read(p) for p in sys.argv[1:4])
moved = [k for k in start if end[k] != start[k]]
assert not moved, "frozen, and changed: %s" % moved
assert sorted(set(end) - set(start)) == ["fc_last.bias", "fc_last.weight"], sorted(set(end) - set(start))
assert {k.rsplit(".", 1)[0] for k in state} == {"fc_last.bias", "fc_last.weight"}, sorted(state)
PY
python3 "$out/compare.py" "$out/resnet34-random.safetensors" "$out/run/last.bin" "$out/run/last.state"

# A checkpoint of another network of the same shapes goes through the rules; one of this network has been through them, and is taken whole.
data="--data quickdraw:examples/data/quickdraw"
cat >"$out/tuned.yaml" <<YAML
base: $PWD/graphs/quickdraw_small.yaml
name: tuned
weights: {file: $out/first/last.bin, head: fresh}
YAML
"$RGC" run graphs/quickdraw_small.yaml --train $data --steps 4 --out "$out/first" >/dev/null
"$RGC" run "$out/tuned.yaml" --train $data --steps 1 --lr 0 --seed 5 --out "$out/tuned" >/dev/null
fc_of() { python3 - "$1" <<'PY'
import hashlib, json, struct, sys
raw = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", raw[:8])[0]
for name, t in json.loads(raw[8:8 + length]).items():
    if name in ("conv1.weight", "fc.weight"):
        print(name, hashlib.sha256(raw[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]]).hexdigest())
PY
}
fc_of "$out/first/last.bin" >"$out/first.sums"
fc_of "$out/tuned/last.bin" >"$out/tuned.sums"
[ "$(grep -c . "$out/first.sums")" -eq 2 ]
[ "$(comm -12 <(sort "$out/first.sums") <(sort "$out/tuned.sums") | cut -d' ' -f1)" = conv1.weight ]
"$RGC" run "$out/tuned.yaml" --train $data --steps 4 --seed 5 --out "$out/tuned" >/dev/null
"$RGC" run "$out/tuned/last.bin" --eval $data | grep '^validation' >"$out/own"
"$RGC" run "$out/tuned.yaml" --eval $data --weights "$out/tuned/last.bin" | grep '^validation' >"$out/given"
cmp "$out/own" "$out/given"
"$RGC" import "$out/tuned/last.bin" --graph "$out/tuned.yaml" -o "$out/again.bin" --quiet >/dev/null
cmp <(fc_of "$out/again.bin") <(fc_of "$out/tuned/last.bin")
