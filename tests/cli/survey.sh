#!/usr/bin/env bash
# rgc list and rgc diff: what is told of networks, exactly but for bytes and kernels, which change as the compiler does.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# Name, input, parameters, MACs; then bytes of training at a batch and of inference.
mkdir "$out/two"
cp graphs/cifar_resnet20.yaml graphs/wrn_16_4.yaml "$out/two"
"$RGC" list "$out/two" graphs/quickdraw_small.yaml --batch 3 --target cpu-plain >"$out/list"
expect 0 "name input [C,H,W]
cifar_resnet20 [3,32,32] 269722 40.6e6
wrn_16_4 [3,32,32] 2748890 392.6e6
quickdraw_small [1,28,28] 19810 0.6e6" \
  sed -E 's/ +/ /g; 1s/ parameters.*//; s/ [0-9.]+ MB.*//' "$out/list"
grep -q 'training, batch 3' "$out/list"
# More samples take more memory to train, and as much for the parameters.
mega() { "$RGC" list graphs/cifar_resnet20.yaml --batch "$1" --target cpu-plain | awk 'NR==2 {printf "%d", $5 * 10}'; }
[ "$(mega 8)" -gt "$(mega 2)" ]
# A file that is wrong is named, and the others are listed.
echo 'rgc: 1' >"$out/two/bad.yaml"
"$RGC" list "$out/two" >"$out/list" 2>"$out/errors" && exit 1
[ "$(wc -l <"$out/list")" -eq 3 ]
grep -q "two/bad.yaml:1:1: error\[missing-key\]" "$out/errors"
expect 1 "name                     input [C,H,W]     parameters       MACs   training, batch 32    inference, 1
$out: error[file-read]: has no graph files (*.yaml)
  help: rgc list FOLDER or FILE..." "$RGC" list "$out"
# A changed layer, one left out, one added; weights that carry over.
cat >"$out/a.yaml" <<'YAML'
rgc: 1
name: a
input: {channels: 3, size: 8}
classes: 4
stem: [conv: {out: 4, kernel: 3}, bn, relu, maxpool: {kernel: 2}]
head: [avgpool: global, linear: {out: classes}]
YAML
sed 's/name: a/name: b/; s/out: 4, kernel: 3/out: 4, kernel: 5/; s/relu, maxpool: {kernel: 2}/relu, dropout: 0.5/; s/linear/relu, linear/' "$out/a.yaml" >"$out/b.yaml"
"$RGC" diff "$out/a.yaml" "$out/b.yaml" --target cpu-plain >"$out/diff"
expect 0 "a ($out/a.yaml) => b ($out/b.yaml)
  input [C,H,W]      [3,8,8] => [3,8,8]
  parameters         136 => 328  (+192)
  MACs a sample      6928 => 19216  (+12288)

layers: 4 the same, 1 changed, 1 only in a, 1 only in b
  ~ conv1                            conv 3x3 pad=1 [4,8,8], 108 parameters  =>  conv 5x5 pad=2 [4,8,8], 300 parameters
  - maxpool1                         maxpool stride=2 kernel=2 [4,4,4]
  + relu2                            relu [4,1,1]

weights: of 7 tensors that b has, 6 carry over from a by name and shape (36 of 336 elements, 10.7 %)
  ~ conv1.weight                     [4,3,3,3]  =>  [4,3,5,5]" sed '/^train,/,$d' "$out/diff"
grep -q '^train, batch 32, cpu-plain: [0-9]* kernels => [0-9]*$' "$out/diff"
grep -q '^infer, batch 1, cpu-plain: [0-9]* kernels => [0-9]*$' "$out/diff"
"$RGC" diff "$out/a.yaml" "$out/b.yaml" --kernels | grep -q '^  - maxpool1 window'
# Nothing differs between a file and itself.
"$RGC" diff graphs/resnet18.yaml graphs/resnet18.yaml >"$out/diff"
[ "$(grep -c ' 0 changed, 0 only in resnet18, 0 only in resnet18$' "$out/diff")" -eq 3 ]
! grep -q '^  [-+~] ' "$out/diff"
grep -q '(11699112 of 11699112 elements, 100.0 %)' "$out/diff"
expect 2 "error[usage]: --batch must be at least 1" "$RGC" diff graphs/resnet18.yaml graphs/resnet18.yaml --batch 0
