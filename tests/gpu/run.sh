#!/usr/bin/env bash
# What only a machine with a GPU can show, all of it: each kernel against the double-precision reference and against the emulator, training beside the
# CPU and beside itself, times of each kernel against what the card does at most, ResNet-50 beside PyTorch. What matters most comes first.
#   tests/gpu/run.sh [OUT]     OUT: gpu-results
#   RGC: the program (build/rgc). RGC_GPU_PYTHON (python3): for PyTorch. RGC_GPU_DEVICE (cuda): cuda-emu tries this script where no GPU is.
#   RGC_GPU_SECONDS (540): when they are over, no check is begun, and one that runs is ended; what is left is done by the next call with the same OUT.
#   RGC_GPU_JOBS (half of the cores, at most 8): checks of kernels side by side; their references are computed on cores.
#   RGC_GPU_QUICK=1: smaller networks and batches, no PyTorch, for a try of the script. RGC_GPU_TRY='NAME..': such checks only.
# Each check leaves OUT/NAME.txt, what it said, and OUT/NAME.status, 'ok SECONDS' or 'FAILED CODE SECONDS'. One that was ok is not done again. After each,
# OUT/results.json and OUT/table.txt are written anew. The exit status is 0 where all is ok, 1 where something failed, 3 where checks are left.
set -uo pipefail
cd "$(dirname "$0")/../.."
export PATH # a compiler needs it, and an empty environment has none
out=${1:-gpu-results}
RGC=${RGC:-build/rgc}
device=${RGC_GPU_DEVICE:-cuda}
python=${RGC_GPU_PYTHON:-python3}
quick=${RGC_GPU_QUICK:-0}
cores=$(nproc)
jobs=${RGC_GPU_JOBS:-$((cores < 2 ? 1 : cores > 16 ? 8 : cores / 2))}
end=$((SECONDS + ${RGC_GPU_SECONDS:-540}))
mkdir -p "$out"
export RGC_CUBLAS_RECORD=${RGC_CUBLAS_RECORD:-$out/cublas.json}
left=()
[ "$device" = cuda ] || echo "NO GPU: this is device $device; no time in what follows means anything"

statuses() { find "$out" -maxdepth 1 -name '*.status' -exec grep -lE "^$1" {} + 2>/dev/null | wc -l; }

# Everything in one file, as far as it has come, and what is worth a look.
write_results() {
  local first=1 file name status
  {
    printf '{"passed": %d, "failed": %d, "device": "%s", "date": "%s", "gpu": "%s",\n"checks": {' "$(statuses ok)" "$(statuses FAILED)" "$device" \
      "$(date -u +%F)" "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1)"
    for file in "$out"/*.status; do
      [ -e "$file" ] || continue
      name=$(basename "$file" .status)
      status=$(cat "$file")
      [ "$first" = 1 ] || printf ','
      first=0
      printf '\n  "%s": {"ok": %s, "seconds": %d}' "$name" "$([ "${status%% *}" = ok ] && echo true || echo false)" "${status##* }"
    done
    printf '}'
    for file in "$out"/bench-*.json "$out"/pytorch-*.json; do
      [ -e "$file" ] && [ -e "${file%.json}.status" ] || continue
      printf ',\n"%s": ' "$(basename "$file" .json)"
      cat "$file"
    done
    printf '}\n'
  } >"$out/results.part" && mv "$out/results.part" "$out/results.json"
  {
    grep -hE '^(cuda|cuda-emu|cpu): at most' "$out"/bench-*.txt 2>/dev/null | sort -u
    for file in "$out"/bench-*.txt; do
      [ -e "$file" ] && grep -hE '^(train|infer): (batch|[0-9]+ products)' "$file" | sed "s|^|$(basename "$file" .txt) |"
    done
    grep -hE '^pytorch ' "$out"/pytorch-*.txt 2>/dev/null
  } >"$out/table.txt"
}

# one NAME COMMAND...
one() {
  local name=$1 begun=$SECONDS code
  shift
  timeout --kill-after=5 "$((end - SECONDS))" "$@" >"$out/$name.txt" 2>&1
  code=$?
  if [ "$code" -eq 0 ]; then
    echo "ok $((SECONDS - begun))" >"$out/$name.status"
    printf 'ok      %-34s %4d s  %s\n' "$name" "$((SECONDS - begun))" "$(tail -1 "$out/$name.txt")"
  elif [ "$SECONDS" -ge "$end" ]; then
    rm -f "$out/$name.status"
    echo "LEFT    $name: the time of this call was over after $((SECONDS - begun)) s of it"
  else
    echo "FAILED $code $((SECONDS - begun))" >"$out/$name.status"
    printf 'FAILED  %s (%d)\n%s\n' "$name" "$code" "$(tail -5 "$out/$name.txt")"
  fi
}

# Whether a check is to be done now. One without a status at the end is left.
wanted() {
  [ -z "${RGC_GPU_TRY:-}" ] || [[ " $RGC_GPU_TRY " == *" $1 "* ]] || return 1
  if grep -qs '^ok' "$out/$1.status"; then echo "before  $1"; return 1; fi
  left+=("$1")
  [ "$SECONDS" -lt "$end" ]
}
check() { if wanted "$1"; then one "$@"; write_results; fi; }
# Beside others; `together` waits for all.
beside() {
  wanted "$1" || return 0
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; write_results; done
  one "$@" &
}
together() { wait; write_results; }
skip() { echo "SKIPPED $1: $2"; }

# The machine.
{ date -u; uname -srm; nproc; nvidia-smi 2>/dev/null || echo "nvidia-smi is not there"; } >"$out/machine.txt"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true
compiler=$(command -v "${RGC_CC:-cc}" || true)

# Every kernel of networks against the reference: one block a stage, at their own widths.
verify() {
  local graph=$1 sizes="--set input.size=48 --set expect={}" precision stage
  for stage in 0 1 2 3; do sizes+=" --set stages.$stage.repeat=1"; done
  [ "$graph" != quickdraw_small ] || sizes=""
  for precision in bf16 tf32 fp32; do
    beside "verify-$graph-$precision" "$RGC" verify "graphs/$graph.yaml" $sizes --set "precision=$precision" --batch 2 --device "$device"
    beside "verify-$graph-$precision-infer" "$RGC" verify "graphs/$graph.yaml" $sizes --set "precision=$precision" --batch 2 --infer --device "$device"
  done
}
verify quickdraw_small
[ "$quick" = 1 ] || verify resnet50
together

# Against the emulator, on small integers: bit for bit but for quotients, roots and exponentials.
if [ "$device" != cuda ]; then skip beside "a device is compared with another one"
elif [ -z "$compiler" ]; then skip beside "no C compiler (cc) is there, which the emulator needs"
else
  for precision in fp32 tf32 bf16; do
    beside "beside-$precision" "$RGC" verify graphs/quickdraw_small.yaml --set "precision=$precision" --batch 2 --device cuda --beside cuda-emu
  done
  together
fi

# Training: twice the same bits; the CPU's losses beside it (one flipped ReLU moves them, so they are told, not judged).
data="quickdraw:examples/data/quickdraw"
train() { check "$1" "$RGC" run graphs/quickdraw_small.yaml --train --data "$data" --steps "$steps" --validate 10 --set "precision=$3" --device "$2" --out "$out/$1-run"; }
steps=60
[ "$device" = cuda ] || steps=2
for precision in fp32 bf16; do
  train "train-$precision" "$device" "$precision"
  train "train-$precision-again" "$device" "$precision"
  [ -e "$out/train-$precision.status" ] && [ -e "$out/train-$precision-again.status" ] || { left+=("same-bits-$precision"); continue; }
  check "same-bits-$precision" cmp "$out/train-$precision-run/last.bin" "$out/train-$precision-again-run/last.bin"
done
if [ -n "$compiler" ]; then
  train train-cpu cpu fp32
  paste -d' ' "$out"/train-{cpu,fp32,bf16}-run/log.csv >"$out/losses.txt" 2>/dev/null
  echo "iter,train loss,train acc,valid loss,valid acc of the CPU, of fp32 and of bf16 here: $out/losses.txt"
else
  skip train-cpu "no C compiler (cc) is there, which device cpu needs"
fi

# Times: what cuBLAS is faster at (recorded in OUT: the checks before this chose by rule), the program's, each kernel's, and what the card does at most; and
# PyTorch on the same machine.
tune=--tune
[ "$device" = cuda ] || tune=""
bench() {
  local name="bench-$1-$2-$3"
  check "$name" "$RGC" bench "graphs/$1.yaml" --set "precision=$2" --batch "$3" --train --kernels $tune --repeats "${4:-20}" --device "$device" --json "$out/$name.json"
}
pytorch() { check "pytorch-$1" "$python" tests/gpu/torch_resnet50.py "$out/pytorch-$1.json" "$1"; }
if [ "$quick" = 1 ]; then
  bench quickdraw_small bf16 4 1
  skip pytorch "RGC_GPU_QUICK=1"
else
  torch=1
  "$python" -c 'import torch, torchvision; assert torch.cuda.is_available()' 2>/dev/null || torch=0
  [ "$torch" = 1 ] || skip pytorch "$python cannot import it and torchvision, or it sees no GPU"
  bench resnet50 bf16 256
  [ "$torch" = 0 ] || pytorch amp-256
  for graph in resnet18 resnext50_32x4d seresnet50 resnetv2_50; do verify "$graph"; done
  together
  bench resnet50 bf16 64
  [ "$torch" = 0 ] || pytorch compiled-256
  bench resnet50 tf32 64
  [ "$torch" = 0 ] || pytorch tf32-64
  [ "$torch" = 0 ] || pytorch amp-64
  bench resnet50 fp32 64
  for graph in resnetblur50 skresnet18 res2net50_26w_4s resnest14d resnet50_gn; do verify "$graph"; done
  together
fi

write_results
waiting=0
for name in ${left[@]+"${left[@]}"}; do [ -e "$out/$name.status" ] || waiting=$((waiting + 1)); done
echo
cat "$out/table.txt"
[ "$waiting" -eq 0 ] || echo "$waiting left: call this again with the same OUT"
echo "$(statuses ok) passed, $(statuses FAILED) failed"
[ "$(statuses FAILED)" -eq 0 ] || exit 1
[ "$waiting" -eq 0 ] || exit 3
