#!/usr/bin/env bash
# What only a machine with a GPU can show, all of it: each kernel against the double-precision reference and against the emulator, training beside the
# CPU and beside itself, times of each kernel against what the card does at most, ResNet-50 beside PyTorch. Ends with a table and 'N passed, N
# failed'; everything is in OUT, results.json with all numbers among it.
#   tests/gpu/run.sh [OUT]     OUT: gpu-results
#   RGC: the program (build/rgc). RGC_GPU_PYTHON (python3): for PyTorch. RGC_GPU_DEVICE (cuda): cuda-emu tries this script where no GPU is.
#   RGC_GPU_QUICK=1: smaller networks and batches, no PyTorch, for a try of the script.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu-results}
RGC=${RGC:-build/rgc}
device=${RGC_GPU_DEVICE:-cuda}
python=${RGC_GPU_PYTHON:-python3}
quick=${RGC_GPU_QUICK:-0}
mkdir -p "$out"
export RGC_CUBLAS_RECORD=${RGC_CUBLAS_RECORD:-$out/cublas.json}
passed=0
failed=0
[ "$device" = cuda ] || echo "NO GPU: this is device $device; no time in what follows means anything"

# check NAME COMMAND...: counts it; what it said is in OUT/NAME.txt, whose last lines are shown if it failed.
check() {
  local name=$1
  if "${@:2}" >"$out/$name.txt" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %-34s %s\n' "$name" "$(tail -1 "$out/$name.txt")"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$name"
    tail -5 "$out/$name.txt"
  fi
}
skip() { echo "SKIPPED $1: $2"; }

# 1. The machine.
{ date -u; uname -srm; nvidia-smi 2>/dev/null || echo "nvidia-smi is not there"; } >"$out/machine.txt"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true

# 2. Every kernel against the reference.
if [ "$quick" = 1 ]; then graphs="quickdraw_small"; sizes=""; else
  graphs="resnet18 resnet50 seresnet50 resnext50_32x4d resnetv2_50 resnetblur50 skresnet18 res2net50_26w_4s resnest14d resnet50_gn"
  sizes="--set input.size=64"
fi
for graph in $graphs; do
  for precision in fp32 tf32 bf16; do
    check "verify-$graph-$precision" "$RGC" verify "graphs/$graph.yaml" $sizes --set "precision=$precision" --batch 3 --device "$device"
    check "verify-$graph-$precision-infer" "$RGC" verify "graphs/$graph.yaml" $sizes --set "precision=$precision" --batch 3 --infer --device "$device"
  done
done

# 3. Against the emulator, on small integers: bit for bit but for quotients, roots and exponentials.
if [ "$device" = cuda ]; then
  for precision in fp32 tf32 bf16; do
    check "beside-$precision" "$RGC" verify graphs/quickdraw_small.yaml --set "precision=$precision" --batch 2 --device cuda --beside cuda-emu
  done
  check "beside-resnet18-bf16" "$RGC" verify graphs/resnet18.yaml --set input.size=32 --set precision=bf16 --batch 2 --device cuda --beside cuda-emu
else
  skip beside "a device is compared with another one"
fi

# 4. Training: twice the same bits; the CPU's losses beside it (one flipped ReLU moves them, so they are told, not judged).
data="quickdraw:examples/data/quickdraw"
train() { "$RGC" run graphs/quickdraw_small.yaml --train --data "$data" --steps "$3" --validate 10 --set "precision=$2" --device "$1" --out "$out/$4"; }
steps=60
[ "$device" = cuda ] || steps=2
for precision in fp32 bf16; do
  check "train-$precision" train "$device" "$precision" "$steps" "$precision-1"
  check "train-$precision-again" train "$device" "$precision" "$steps" "$precision-2"
  check "same-bits-$precision" cmp "$out/$precision-1/last.bin" "$out/$precision-2/last.bin"
done
if command -v "${RGC_CC:-cc}" >/dev/null; then
  check train-cpu train cpu fp32 "$steps" cpu
  paste -d' ' "$out/cpu/log.csv" "$out/fp32-1/log.csv" "$out/bf16-1/log.csv" >"$out/losses.txt"
  echo "iter,train loss,train acc,valid loss,valid acc of the CPU, of fp32 and of bf16 here: $out/losses.txt"
else
  skip train-cpu "no C compiler (cc) is there, which device cpu needs"
fi

# 5. Times: what cuBLAS is faster at (recorded in OUT, so that checks before this chose by rule), the program's, each kernel's, and what the card does at most.
tune=--tune
[ "$device" = cuda ] || tune=""
bench() { "$RGC" bench "graphs/$1.yaml" --set "precision=$2" --batch "$3" --train --kernels $tune --repeats "${4:-20}" --device "$device" --json "$out/bench-$1-$2-$3.json"; }
if [ "$quick" = 1 ]; then runs="quickdraw_small:bf16:4:1"; else runs="resnet50:bf16:256 resnet50:bf16:64 resnet50:tf32:64 resnet50:fp32:64"; fi
for run in $runs; do
  IFS=: read -r graph precision batch repeats <<<"$run"
  check "bench-$graph-$precision-$batch" bench "$graph" "$precision" "$batch" "${repeats:-20}"
done

# 6. PyTorch on the same machine.
if [ "$quick" = 1 ]; then skip pytorch "RGC_GPU_QUICK=1"
elif "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  check pytorch "$python" tests/gpu/torch_resnet50.py "$out/torch.json"
else skip pytorch "$python cannot import it, or it sees no GPU"; fi

# Everything in one file.
{
  printf '{"passed": %d, "failed": %d, "device": "%s", "date": "%s", "gpu": "%s"' "$passed" "$failed" "$device" "$(date -u +%F)" \
    "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1)"
  for file in "$out"/bench-*.json "$out/torch.json"; do
    [ -e "$file" ] || continue
    printf ',\n"%s": ' "$(basename "$file" .json)"
    cat "$file"
  done
  printf '}\n'
} >"$out/results.json"

echo
grep -hE '^(cuda|cuda-emu|cpu): at most' "$out"/bench-*.txt 2>/dev/null | sort -u
for file in "$out"/bench-*.txt; do
  [ -e "$file" ] && grep -hE '^(train|infer): (batch|[0-9]+ products)' "$file" | sed "s|^|$(basename "$file" .txt) |"
done
[ -e "$out/pytorch.txt" ] && grep -E '^pytorch ' "$out/pytorch.txt"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
