#!/usr/bin/env bash
# A network on this machine's CPU: rgc beside PyTorch, in turn, ROUNDS times; prints medians and the ratio.
#   compare.sh [NETWORK [train:BATCH:REPEATS | infer:BATCH:REPEATS]...]
# NETWORK is a graph file of graphs/ that torch_network.py knows, too (resnet50). Needs python3-torch and python3-torchvision (Debian), which
# rgc itself does not. PyTorch runs channels_last, with its allocator tuned (docs of glibc's tunables): with the default one a training step
# is three times slower. Both get THREADS threads (all processors).
set -euo pipefail
cd "$(dirname "$0")/../.."
rgc=${RGC:-build/rgc}
rounds=${ROUNDS:-3}
python=${PYTHON:-/usr/bin/python3}
threads=${THREADS:-$(nproc)}
tuned=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184:glibc.malloc.mmap_max=0
network=${1:-resnet50}
cases=("${@:2}")
if [ ${#cases[@]} = 0 ]; then cases=(train:4:7 train:32:2 infer:1:20 infer:32:3); fi
if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
  echo "SKIPPED: python3-torch and python3-torchvision are not installed"
  exit 0
fi

peer() { OMP_NUM_THREADS=$threads GLIBC_TUNABLES=$tuned "$python" tests/bench/torch_network.py "$network" "$@"; }
ours() { # train|infer BATCH REPEATS
  local flag=
  if [ "$1" = train ]; then flag=--train; fi
  "$rgc" bench "graphs/$network.yaml" --batch "$2" --repeats "$3" --threads "$threads" $flag | sed -n "s/^$1:.* \([0-9.]*\) images.s.*/\1/p"
}
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

printf '%-8s %6s %12s %12s %7s  %s\n' program batch 'rgc img/s' 'PyTorch' ratio "$network"
for what in "${cases[@]}"; do
  IFS=: read -r kind batch repeats <<<"$what"
  mine=() theirs=()
  for _ in $(seq "$rounds"); do
    mine+=("$(ours "$kind" "$batch" "$repeats")")
    theirs+=("$(peer "$kind" "$batch" "$repeats")")
  done
  a=$(median "${mine[@]}") b=$(median "${theirs[@]}")
  printf '%-8s %6d %12.2f %12.2f %7.2f\n' "$kind" "$batch" "$a" "$b" "$(echo "$a $b" | awk '{print $1 / $2}')"
done
