#!/usr/bin/env bash
# Device cuda as a user runs it, on a driver without a GPU (tests/fake_cuda): without it, with it, and what rgc declares of the driver's ABI.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
find_fake
cat >"$out/tiny.yaml" <<'YAML'
rgc: 1
name: tiny
input: {channels: 3, size: 6}
classes: 3
stem: [conv: {out: 6, kernel: 3}, bn, relu]
head: [avgpool: global, linear: {out: classes}]
train: {batch: 8}
YAML
data="--data synthetic:classes=3,size=6,channels=3,count=24"
train() { "$RGC" run "$out/tiny.yaml" --train $data --validate 2 "${@:2}" --out "$out/$1"; }
# Without a driver: auto goes on with the CPU and says so, cuda does not.
export RGC_CUDA_DRIVER="$out/no-such-library"
train auto --device auto --steps 1 >"$out/said" 2>&1
grep -qF "note[device]: device auto goes on with the CPU: the CUDA driver cannot be opened" "$out/said"
grep -q '^Iter \[  0/  1\]' "$out/said"
if train none --device cuda --steps 1 >"$out/said" 2>&1; then exit 1; fi
grep -qF "help: correct or unset RGC_CUDA_DRIVER" "$out/said"
# With it: auto takes the GPU; the bits are those of the emulated device, and of a run that never stopped.
export RGC_CUDA_DRIVER="$fake" RGC_NVRTC="$fake" RGC_CUBLAS=none RGC_FAKE_CUDA_TRACE="$out/trace"
train cuda --device auto --steps 4 >"$out/said" 2>&1
if grep -q 'note\[' "$out/said"; then cat "$out/said"; exit 1; fi
grep -q '^cuGraphLaunch$' "$out/trace"
grep -q ' bytes from pinned memory$' "$out/trace"
# A batch of 8 images goes up as 8 * 6 * 6 * 3 bytes, labels, what the kernel needs, each part at a multiple of 256.
grep -q '^  1792 bytes from pinned memory$' "$out/trace"
train emu --device cuda-emu --steps 4 >/dev/null
train half --device cuda --steps 2 >/dev/null
"$RGC" run "$out/tiny.yaml" --train $data --validate 2 --device cuda --steps 4 --resume --out "$out/half" >/dev/null
for run in emu half; do cmp "$out/cuda/last.bin" "$out/$run/last.bin"; done
cmp "$out/cuda/last.state" "$out/emu/last.state"
# Its checkpoints are validated, predict and are verified there and elsewhere with the same figures.
"$RGC" show $data --count 1 --out "$out/images.png" >/dev/null
for device in cuda cuda-emu; do
  "$RGC" run "$out/cuda/last.bin" --eval $data --device "$device" | grep -v "^compiled" >"$out/eval-$device"
  "$RGC" run "$out/cuda/last.bin" --predict "$out/images.png" --device "$device" >"$out/predict-$device"
done
cmp "$out/eval-cuda" "$out/eval-cuda-emu"
cmp "$out/predict-cuda" "$out/predict-cuda-emu"
"$RGC" verify "$out/cuda/last.bin" --device cuda | grep -qE '^([0-9]+) of \1 kernels agree'
# Kernels give the same bits on both, on small integers; times are written as JSON, and their share of what the card does at most is not asked of an emulator.
for precision in fp32 bf16; do
  "$RGC" verify "$out/tiny.yaml" --set precision=$precision --device cuda --beside cuda-emu | grep -qE '^([0-9]+) of \1 kernels give the same bits, \1 are close'
done
"$RGC" bench "$out/tiny.yaml" --train --kernels --device cuda-emu --repeats 1 --json "$out/bench.json" >/dev/null
python3 - "$out/bench.json" <<'PY'
import json, sys
bench = json.load(open(sys.argv[1]))
assert bench["device"] == "cuda-emu" and bench["peak_gflops"] == 0, bench
for name in ("train", "infer"):
    program = bench["programs"][name]
    assert program["seconds"] > 0 and len(program["each"]) == program["kernels"] and all(k["bytes"] > 0 for k in program["each"]), program
PY
# Nothing of the card is kept.
[ "$(grep -c '^cuMemAlloc$' "$out/trace")" -eq "$(grep -c '^cuMemFree$' "$out/trace")" ]
[ "$(grep -c '^cuMemHostAlloc$' "$out/trace")" -eq "$(grep -c '^cuMemFreeHost$' "$out/trace")" ]
[ "$(grep -c '^cuEventCreate$' "$out/trace")" -eq "$(grep -c '^cuEventDestroy$' "$out/trace")" ]
# The types of the functions that rgc declares are those of cuda.h, and so are its numbers.
cuda_h=${CUDA_HOME:-/usr/local/cuda}/include/cuda.h
if [ ! -e "$cuda_h" ]; then
  echo "SKIPPED: comparing with cuda.h, which is not there ($cuda_h)"
  exit 0
fi
sed -n 's/^ *FUNCTION(\(cu[A-Za-z]*\), *\(_v2\)\{0,1\},.*/\1\2/p' runtime/device/cuda_driver.h >"$out/symbols"
[ "$(wc -l <"$out/symbols")" -gt 35 ]
stub=$(dirname "$cuda_h")/../lib64/stubs/libcuda.so
if [ -e "$stub" ]; then
  nm -D --defined-only "$stub" | awk '{ print $3 }' | sort >"$out/exported"
  [ -z "$(sort "$out/symbols" | comm -23 - "$out/exported")" ] || { echo "the driver has no $(sort "$out/symbols" | comm -23 - "$out/exported")"; exit 1; }
else
  echo "SKIPPED: comparing with the names of $stub, which is not there"
fi
{
  echo '#define __CUDA_API_VERSION_INTERNAL'
  echo '#include <cuda.h>'
  print_abi runtime/device/cuda_driver.h CUDA_FUNCTIONS \
    '#define FUNCTION(name, suffix, parameters) _Static_assert(__builtin_types_compatible_p(__typeof__(&name##suffix), unsigned int(*) parameters), #name);'
} >"$out/abi.c"
[ "$(grep -c '==' "$out/abi.c")" -gt 10 ]
cc -std=gnu17 -fsyntax-only -I"$(dirname "$cuda_h")" "$out/abi.c"
