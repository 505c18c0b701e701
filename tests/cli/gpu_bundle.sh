#!/usr/bin/env bash
# tests/gpu: the folder for a machine with a GPU is made, runs from another place, and its script does all that it says, here on the emulator.
set -euo pipefail
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tests/gpu/bundle.sh "$out/bundle" >"$out/said"
grep -qE 'bundle: [0-9]{7,8} bytes$' "$out/said"
if tests/gpu/bundle.sh "$out/bundle" >"$out/said" 2>&1; then exit 1; fi
grep -q 'is there already$' "$out/said"
mv "$out/bundle" "$out/moved"
cd /
if ! RGC='' RGC_GPU_SECONDS=3000 RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu "$out/moved/run.sh" "$out/results" >"$out/said" 2>&1; then cat "$out/said"; exit 1; fi
grep -q '^NO GPU: ' "$out/said"
# What was ok is not done again; a check without time is left, and that is told; a failed one does not stop the others, and the JSON has all of them.
RGC='' RGC_GPU_SECONDS=3000 RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu "$out/moved/run.sh" "$out/results" >"$out/again"
[ "$(grep -c '^before ' "$out/again")" -ge 12 ]
if grep -q '^ok ' "$out/again"; then exit 1; fi
rm "$out/results/train-fp32.status" "$out/results/same-bits-fp32.status" "$out/results/verify-quickdraw_small-fp32.status"
code=0
RGC='' RGC_GPU_SECONDS=0 RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu "$out/moved/run.sh" "$out/results" >"$out/short" || code=$?
[ "$code" = 3 ]
grep -q '^3 left: call this again with the same OUT$' "$out/short"
printf '#!/bin/sh\ncase "$*" in *--train*) exit 9;; esac\n' >"$out/broken"
chmod +x "$out/broken"
code=0
(cd "$out/moved" && RGC="$out/broken" RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu tests/gpu/run.sh "$out/results" >"$out/broke") || code=$?
[ "$code" = 1 ]
grep -q '^FAILED  train-fp32 (9)$' "$out/broke"
grep -q '^ok      verify-quickdraw_small-fp32 ' "$out/broke"
python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert r["failed"] == 1 and not r["checks"]["train-fp32"]["ok"] and r["checks"]["verify-quickdraw_small-fp32"]["ok"], r' "$out/results/results.json"
rm "$out/results/train-fp32.status"
RGC='' RGC_GPU_SECONDS=3000 RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu "$out/moved/run.sh" "$out/results" >>"$out/again"
grep -qE '^SKIPPED (beside|pytorch)' "$out/said"
grep -qE '^[0-9]+ passed, 0 failed$' "$out/said"
python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert r["failed"] == 0 and any(k.startswith("bench-") for k in r), r' "$out/results/results.json"
