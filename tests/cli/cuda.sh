#!/usr/bin/env bash
# The CUDA target on a machine without a GPU: kernels written to read, checked and trained through the emulator, compiled by NVRTC.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/tiny.yaml" <<'YAML'
rgc: 1
name: tiny
input: {channels: 1, size: 8}
classes: 3
stem: [conv: {out: 18, kernel: 3, stride: 2}, bn, relu]
stages: [{block: basic, repeat: 1, width: 18}]
head: [avgpool: global, linear: {out: classes}]
train: {batch: 8}
YAML
# What is not there is told, with what there is.
expect 1 "error[device]: there is no CUDA target 'sm_13'
  help: rgc has targets for sm_80, sm_90a, sm_100, sm_120" env RGC_NVRTC=/nowhere "$RGC" compile "$out/tiny.yaml" --target cuda --arch sm_13 -o "$out/none.bin"
[ ! -e "$out/none.bin" ]
if "$RGC" verify "$out/tiny.yaml" --device gpu >"$out/device" 2>&1; then exit 1; fi
grep -q "there is no device 'gpu'" "$out/device"
grep -q "help: devices: auto, cpu .*, cuda-emu" "$out/device"
# A target is of a device: an emulated one has those of the GPU, and who errs is given the device's own.
expect 1 "error[device]: device cuda-emu does not run target 'cpu-avx2'
  help: targets of device cuda-emu: sm_80, sm_90a, sm_100, sm_120" "$RGC" verify "$out/tiny.yaml" --device cuda-emu --target cpu-avx2
expect 1 "error[device]: device cpu does not run target 'sm_90a'
  help: targets of device cpu: cpu-avx512, cpu-avx2, cpu-plain" "$RGC" verify "$out/tiny.yaml" --device cpu --target sm_90a
expect 1 "error[device]: no device runs target 'avx2'
  help: targets of device cpu: cpu-avx512, cpu-avx2, cpu-plain; targets of device cuda: sm_80, sm_90a, sm_100, sm_120; targets of device cuda-emu: sm_80, sm_90a, sm_100, sm_120" \
  "$RGC" verify "$out/tiny.yaml" --target avx2
if RGC_NVRTC="$out/no-such-library" "$RGC" compile "$out/tiny.yaml" --target cuda -o "$out/none.bin" >"$out/nvrtc" 2>&1; then exit 1; fi
grep -q 'help: correct or unset RGC_NVRTC' "$out/nvrtc"
# With NVRTC: its list of architectures; those that rgc has no target for; kernels go into the cache once, with what they take; a message of NVRTC points at the template.
if "$RGC" compile "$out/tiny.yaml" --target cuda --infer-only -o "$out/tiny.bin" >"$out/compiled" 2>&1; then
  if "$RGC" compile "$out/tiny.yaml" --target cuda --arch sm_13 -o "$out/none.bin" >"$out/arch" 2>&1; then exit 1; fi
  grep -q "error\[device\]: 'sm_13' is no architecture that this NVRTC (1[0-9]\.[0-9]) knows" "$out/arch"
  grep -q 'expected: one of .*sm_90 .*sm_120' "$out/arch"
  if "$RGC" compile "$out/tiny.yaml" --target cuda --arch sm_90 -o "$out/none.bin" >"$out/arch" 2>&1; then exit 1; fi
  grep -q "error\[device\]: NVRTC compiles for 'sm_90', and rgc has no target for it" "$out/arch"
  [ ! -e "$out/none.bin" ]
  for compiled in 'kernels of [0-9]* functions, [0-9]* compiled in' 'kernels of [0-9]* functions, all in the cache'; do
    RGC_CACHE="$out/cubins" "$RGC" compile "$out/tiny.yaml" --target cuda --arch sm_90a --functions --infer-only -o "$out/tiny.bin" >"$out/compiled"
    grep -q "^infer, batch 8, cuda-sm_90a: [0-9]* $compiled" "$out/compiled"
    grep -qE '^  contract_mma +[0-9]+ +[0-9]+ +128 +[0-9.]+ +0$' "$out/compiled"
    grep -qE '^  k[0-9a-f]{16} contract_mma: [0-9]+ registers of 128, [0-9.]+ KB shared, 0 bytes spilled; .*layer1.0.conv1 conv' "$out/compiled"
  done
  [ "$(stat -c %a "$out/cubins")" = 700 ]
  ls "$out"/cubins/k*.cubin >/dev/null
  if ls -d "$out"/cubins/tmp-* 2>/dev/null; then echo 'what was worked in is still there'; exit 1; fi
else
  grep -q 'error\[device\]: NVRTC, which compiles kernels for a GPU, is not there' "$out/compiled"
  echo 'SKIPPED: NVRTC is not here, so rgc compile --target cuda compiled nothing'
fi
# Inference takes at once what a split training step does, whatever the precision.
for precision in fp32 bf16; do
  "$RGC" compile graphs/cifar_resnet20.yaml --batch 64 --set precision=$precision --set 'memory={limit: 12MB, allow: [split]}' --target cuda --no-kernels \
    -o "$out/split.bin" >"$out/compiled"
  parts=$(sed -n 's/^  memory: the batch is split in [0-9]* micro-batches of \([0-9]*\),.*/\1/p' "$out/compiled")
  grep -q "^infer, batch $parts, cuda-sm_80: " "$out/compiled"
done
# Emitted texts say whom they serve, and include templates that are there.
"$RGC" compile "$out/tiny.yaml" --target cuda --arch sm_90a --no-kernels --emit "$out/emit" -o "$out/tiny.bin" >"$out/compiled"
grep -q '^train, batch 8, cuda-sm_90a: [0-9]* kernels of [0-9]* functions$' "$out/compiled"
grep -qh 'Serves: layer1.0.conv1 conv (line ' "$out"/emit/*.cu
for file in $(cat "$out"/emit/*.cu "$out"/emit/codegen/*/templates/* | sed -n 's/^#include "\(.*\)".*/\1/p' | sort -u); do
  [ -e "$out/emit/$file" ] || [ "$file" = codegen/cuda/templates/prelude_emu.cuh ] || { echo "emitted kernels include $file, which is not there"; exit 1; }
done
# Every kernel agrees with the reference; training has the losses that it has on the cores, but for rounding.
"$RGC" verify "$out/tiny.bin" --device cuda-emu | grep -qE '^([0-9]+) of \1 kernels agree'
for device in cpu cuda-emu; do
  "$RGC" run "$out/tiny.yaml" --train --device "$device" --data synthetic:classes=3,size=8,channels=1,count=24 --steps 2 --validate 2 --out "$out/$device" >/dev/null
done
paste -d, "$out/cpu/log.csv" "$out/cuda-emu/log.csv" | awk -F, '{ d = $2 - $7; if (NF != 10 || d > 0.0005 || d < -0.0005) exit 1 } END { if (NR != 2) exit 1 }'
# In bf16: every kernel agrees; the losses are near, and weights go from one precision and device to another.
"$RGC" verify "$out/tiny.yaml" --set precision=bf16 --device cuda-emu | grep -qE '^([0-9]+) of \1 kernels agree'
"$RGC" run "$out/tiny.yaml" --set precision=bf16 --train --device cuda-emu --data synthetic:classes=3,size=8,channels=1,count=24 --steps 2 --validate 2 --out "$out/bf16" >/dev/null
paste -d, "$out/cpu/log.csv" "$out/bf16/log.csv" | awk -F, '{ d = $2 - $7; printf "step %d: loss %s in fp32, %s in bf16\n", $1, $2, $7; if (d > 0.05 || d < -0.05) exit 1 }'
"$RGC" verify "$out/bf16/last.bin" --device cpu >"$out/back" 2>"$out/note"
grep -qE '^([0-9]+) of \1 kernels agree' "$out/back"
grep -q 'note\[precision\]: target cpu-[a-z0-9]* has no bf16: it computes in fp32' "$out/note"
[ "$(wc -l <"$out/note")" = 1 ]
# Kernels of TMA and wgmma, too, are verified and train on the emulated device.
cat >"$out/wide.yaml" <<'YAML'
rgc: 1
name: wide
input: {channels: 1, size: 4}
classes: 3
precision: bf16
stem: [conv: {out: 64, kernel: 3}, bn, relu, conv: {out: 64, kernel: 3, stride: 2, pad: 1}, bn, relu]
stages: []
head: [avgpool: global, linear: {out: classes}]
train: {batch: 4}
YAML
"$RGC" compile "$out/wide.yaml" --target sm_90a --no-kernels --emit "$out/wide" -o "$out/wide.bin" >"$out/compiled"
grep -q '^train, batch 4, cuda-sm_90a: ' "$out/compiled"
grep -lq contract_wgmma.cuh "$out"/wide/*.cu
"$RGC" verify "$out/wide.bin" --device cuda-emu --target sm_90a | grep -qE '^([0-9]+) of \1 kernels agree'
"$RGC" run "$out/wide.bin" --train --device cuda-emu --target sm_90a --data synthetic:classes=3,size=4,channels=1,count=8 --steps 2 --validate 2 --out "$out/wgmma" >/dev/null
[ "$(wc -l <"$out/wgmma/log.csv")" = 2 ]
