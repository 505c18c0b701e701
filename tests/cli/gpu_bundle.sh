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
if ! RGC='' RGC_GPU_QUICK=1 RGC_GPU_DEVICE=cuda-emu "$out/moved/run.sh" "$out/results" >"$out/said" 2>&1; then cat "$out/said"; exit 1; fi
grep -q '^NO GPU: ' "$out/said"
grep -qE '^SKIPPED (beside|pytorch)' "$out/said"
grep -qE '^[0-9]+ passed, 0 failed$' "$out/said"
python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert r["failed"] == 0 and any(k.startswith("bench-") for k in r), r' "$out/results/results.json"
