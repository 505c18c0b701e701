#!/usr/bin/env bash
# Mistakes on the command line and in data: exact messages and exit codes.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
expect 2 "error[usage]: 'sumary' is no command of rgc
  help: did you mean 'rgc summary'?" "$RGC" sumary
expect 2 "error[usage]: unknown option --stps
  help: did you mean --steps?" "$RGC" run graphs/quickdraw_small.yaml --train --stps 3
expect 2 "error[usage]: not a count: many
  help: rgc run --help" "$RGC" run graphs/quickdraw_small.yaml --train --steps many
expect 1 "graphs/resnet18.yaml: error[data-classes]: the network has 1000 classes, the data set 4
  help: set classes: to the data set's count" "$RGC" run graphs/resnet18.yaml --train --data synthetic:classes=4,count=8,size=32 --out "$out"
expect 0 "graphs/resnet50.yaml: resnet50, 25557032 parameters, 4.089e+09 MACs" "$RGC" check graphs/resnet50.yaml
if "$RGC" run graphs/quickdraw_small.yaml --train --data quickdraw:examples/data/quickdraw --lr 1e30 --steps 5 --out "$out" >"$out/nan" 2>&1; then exit 1; fi
grep -qE "^graphs/quickdraw_small.yaml: error\[not-finite\]: the first value that is not finite is '[a-z0-9.]+' of layer [a-z0-9.]+, line [0-9]+$" "$out/nan"
grep -q 'error\[not-finite\]: the validation loss of step 0 is not finite; earlier checkpoints are untouched' "$out/nan"
[ ! -e "$out/last.bin" ]
# A batch that the machine, or a limit on the process, has no memory for: the bytes, and the largest batch that fits.
if (ulimit -v 2000000 && "$RGC" run graphs/quickdraw_small.yaml --train --data quickdraw:examples/data/quickdraw --batch 60000 --steps 1 --out "$out") >"$out/memory" 2>&1; then exit 1; fi
grep -qE '^graphs/quickdraw_small.yaml: error\[memory\]: batch 60000 needs [0-9.]+ MB and [0-9.]+ MB are available; the largest batch that fits is [0-9]+$' "$out/memory"
# A network that fits, and batches decoded ahead that do not.
printf 'rgc: 1\ninput: {channels: 3, size: 100}\nclasses: 2\nhead: [avgpool: global, linear: {out: classes}]\n' >"$out/wide.yaml"
if (ulimit -v 1000000 && "$RGC" run "$out/wide.yaml" --train --data synthetic:classes=2,size=100,count=20 --batch 3000 --steps 1 --out "$out") >"$out/memory" 2>&1; then exit 1; fi
grep -q '^error\[memory\]: 3 batches of 3000 images need 1080.0 MB and [0-9.]* MB are left beside the network; the largest batch that fits is [0-9]*$' "$out/memory"
[ ! -e "$out/last.bin" ]
# memory: of the graph file is kept by recompute, or refused with what would do.
"$RGC" compile graphs/quickdraw_small.yaml --set memory=1100kB --no-kernels -o "$out/small.bin" >/dev/null
"$RGC" explain "$out/small.bin" | grep -q '^recompute: [0-9]* kernels run again'
rm "$out/small.bin"
if "$RGC" compile graphs/quickdraw_small.yaml --set 'memory={limit: 1100kB, allow: []}' --no-kernels -o "$out/small.bin" >"$out/memory" 2>&1; then exit 1; fi
grep -q 'error\[memory\]: program train of batch 20 needs [0-9.]* MB, and memory: allows 1.1 MB' "$out/memory"
if "$RGC" compile graphs/quickdraw_small.yaml --set memory=700kB --no-kernels -o "$out/small.bin" >"$out/memory" 2>&1; then exit 1; fi
grep -q 'error\[memory\]: program train of batch 20 needs [0-9.]* MB even with recompute, and memory: allows 0.7 MB' "$out/memory"
batch=$(sed -n 's/.*the largest batch that fits is \([0-9]*\); .*/\1/p' "$out/memory")
[ ! -e "$out/small.bin" ]
"$RGC" compile graphs/quickdraw_small.yaml --set memory=700kB --batch "$batch" --no-kernels -o "$out/small.bin" >/dev/null
# Or by splitting the batch, where the file allows it; else the least that would do is named, and it does.
grep -q 'kB would do for this one, or allow: \[recompute, split\]$' "$out/memory"
"$RGC" compile graphs/quickdraw_small.yaml --set 'memory={limit: 700kB, allow: [recompute, split]}' --no-kernels -o "$out/small.bin" >"$out/memory"
grep -q '^  memory: the batch is split in 3 micro-batches of 7, gradients accumulated; batch normalisation takes its statistics of a micro-batch$' "$out/memory"
"$RGC" explain "$out/small.bin" >"$out/why"
grep -q '^split: a batch of 20 samples is taken in 3 micro-batches of 7' "$out/why"
if "$RGC" compile graphs/quickdraw_small.yaml --set 'memory={limit: 100kB, allow: [recompute, split]}' --no-kernels -o "$out/small.bin" >"$out/memory" 2>&1; then exit 1; fi
least=$(sed -n 's/.*not even one sample fits; memory: \([0-9]*kB\) would do for this one$/\1/p' "$out/memory")
"$RGC" compile graphs/quickdraw_small.yaml --set "memory={limit: $least, allow: [recompute, split]}" --no-kernels -o "$out/small.bin" >/dev/null
expect 1 "--set:1:22: error[bad-value]: memory cannot be kept by hope
      1 | {limit: 1MB, allow: [hope]}
        |                      ^
  expected: recompute, split" "$RGC" check graphs/quickdraw_small.yaml --set 'memory={limit: 1MB, allow: [hope]}'

# What is printed must arrive.
expect 1 "error[file-write]: standard output cannot be written: No space left on device" bash -c '"$RGC" check graphs/resnet18.yaml 2>&1 >/dev/full'
