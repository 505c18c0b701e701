#!/usr/bin/env bash
# rgc explain: FLOPs and bytes of each kernel, and the least time on a machine beside the eager program's.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/two.yaml" <<'YAML'
rgc: 1
name: two
input: {channels: 2, size: 8}
classes: 5
stem: [conv: {out: 16, kernel: 3, stride: 2}, bn, relu]
stages: []
head: [avgpool: global, linear: {out: classes}]
train: {batch: 6}
YAML
# By hand, of batch 6: the convolution 2 * 6 * 4*4 * 16 * 3*3*2 FLOPs; it reads the image and weights, and writes 4x4x16 of each image.
"$RGC" explain "$out/two.yaml" --infer --kernels --machine h100 >"$out/infer"
grep -qE '^ +[0-9]+ contract conv1 line 5,.* 5\.53e-05 GFLOP, ' "$out/infer"
# The linear layer at full accuracy, 133 TFLOP/s: 2 * 6 * 16 * 5 FLOPs take less than its bytes, 4 * (6*16 + 16*5 + 5 + 6*5), at 3 TB/s.
grep -qE '^ +[0-9]+ contract fc line 7,.* 9\.6e-07 GFLOP, 0\.000844 MB, 0\.000281 us of memory$' "$out/infer"
# The totals are the kernels'; images/s is the batch over the time; the eager program moves more.
for mode in --infer ''; do
  for machine in h100 a100; do
    "$RGC" explain "$out/two.yaml" $mode --kernels --machine "$machine" --batch 6 >"$out/said"
    grep -q "^predicted for $machine at fp32 (" "$out/said"
    awk '/ GFLOP, / { for (i = 2; i <= NF; i++) { if ($i ~ /^GFLOP/) flops += $(i - 1); if ($i ~ /^MB/ && $0 !~ /^    /) bytes += $(i - 1) / 1000 } count++ }
         $1 == "eager" && NF == 6 { eager = $4 + 0; eager_kernels = $2 }
         $1 == "this" { found = 1; if ($3 != count || eager_kernels < count) exit 1; d = $5 - bytes; if (d > 0.006 || d < -0.006) exit 1 }
         END { if (!found || !count) exit 1 }' "$out/said"
  done
done
# The eager program launch by launch: as many as its total says, numbered, with the total's time; by word they are as many. By hand: of ResNet-18 at batch 64 the
# first relu reads and writes 64*112*112*64 floats, at 3 TB/s; 20 convolutions give 20 weight gradients, 19 data gradients, and eight gradients are added.
"$RGC" explain graphs/resnet18.yaml --machine h100 --batch 64 --kernels >"$out/eager"
awk '/^eager, launch by launch:/ { inside = 1; getline; next }
     inside && NF == 0 { inside = 0 }
     inside { if ($1 != count) exit 1; count++; us += $7; if ($2 == "relu1" && $3 == "relu" && !relu) relu = $6 }
     /^by word/ { words = 1; getline; next }
     words && NF == 0 { words = 0 }
     words && $1 == "conv" && $2 == "20" { convs = 1 }
     words && $1 == "conv" && $2 == "(backward)" { gradients = $3 }
     words { of_words += $(NF - 3) }
     $1 == "eager" && NF == 6 { kernels = $2; ms = $5 }
     END { d = us / 1000 / ms; if (!count || count != kernels || of_words != kernels || d > 1.01 || d < 0.99) exit 1
           r = relu / (2 * 4 * 64 * 112 * 112 * 64 / 1e6); if (r > 1.001 || r < 0.999 || !convs || gradients != 47) exit 1 }' "$out/eager"
"$RGC" explain graphs/resnet18.yaml --machine h100 --batch 64 >"$out/large"
awk '$1 == "eager" { ms = $5; gb = $4; if ($6 / (64000 / ms) > 1.01 || $6 / (64000 / ms) < 0.99) exit 1 }
     $1 == "this" { if ($6 >= ms || $5 >= gb || $7 / (64000 / $6) > 1.01 || $7 / (64000 / $6) < 0.99) exit 1; found = 1 } END { exit !found }' "$out/large"
# A machine of one's own, also as JSON: half the bandwidth, more time, at most twice.
printf 'name: slow\nfp32: 133333.333\nbandwidth: 1500\n' >"$out/slow.yaml"
printf '{"fp32": 133333.333, "bandwidth": 3000}' >"$out/fast.json"
slow=$("$RGC" explain graphs/resnet18.yaml --target cuda --machine "$out/slow.yaml" --batch 64 | awk '$1 == "eager" { print $5 }')
fast=$("$RGC" explain graphs/resnet18.yaml --target cuda --machine "$out/fast.json" --batch 64 | awk '$1 == "eager" { print $5 }')
awk -v slow="$slow" -v fast="$fast" 'BEGIN { exit !(slow > 1.2 * fast && slow <= 2.001 * fast) }'
# Mistakes.
expect 1 "error[usage]: there is no machine 'h10'
  help: h100, a100, or a file of rates, as in {fp32: 20000, bandwidth: 900} (GFLOP/s, GB/s)" "$RGC" explain "$out/two.yaml" --machine h10
cat >"$out/wrong.yaml" <<'YAML'
fp32: fast
bandwith: 900
YAML
expect 1 "$out/wrong.yaml:2:1: error[unknown-key]: 'bandwith' is not a key of a machine
      2 | bandwith: 900
        | ^
  expected: one of name, target, fp32, tf32, bf16, bandwidth
  help: did you mean 'bandwidth'?" "$RGC" explain "$out/two.yaml" --machine "$out/wrong.yaml"
sed -i 2d "$out/wrong.yaml"
expect 1 "$out/wrong.yaml:1:7: error[bad-value]: 'fast' is no rate
      1 | fp32: fast
        |       ^
  expected: GFLOP/s, above 0
$out/wrong.yaml:1:1: error[missing-key]: 'bandwidth' is missing in a machine
      1 | fp32: fast
        | ^
  expected: bandwidth: GB/s from and to memory" "$RGC" explain "$out/two.yaml" --machine "$out/wrong.yaml"
echo 'bandwidth: 900' >"$out/rates.yaml"
expect 1 "error[usage]: machine '$out/rates.yaml' tells no rate for fp32
  help: give its GFLOP/s of that precision" "$RGC" explain "$out/two.yaml" --machine "$out/rates.yaml"
