#!/usr/bin/env bash
# Plans and texts are made for any machine's CPU; only running them is refused, and says what this machine runs.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
graph=graphs/quickdraw_small.yaml
data=synthetic:classes=10,size=28,channels=1,count=10
for target in cpu-avx512 cpu-avx2 cpu-plain; do
  "$RGC" compile "$graph" --batch 2 --target "$target" --no-kernels --emit "$out/$target" -o "$out/$target.bin" >"$out/said"
  grep -q "^train, batch 2, $target: [0-9]* kernels of [0-9]* functions$" "$out/said"
  ls "$out/$target"/k*.c >/dev/null
  "$RGC" explain "$out/$target.bin" --target "$target" --batch 2 >"$out/said"
  grep -q "^train, batch 2, $target: " "$out/said"
done
grep -hE 'LANES' "$out/cpu-avx512"/k*.c | sort -u >"$out/wide"
grep -hE 'LANES' "$out/cpu-plain"/k*.c | sort -u >"$out/narrow"
if [ ! -s "$out/wide" ] || cmp -s "$out/wide" "$out/narrow"; then echo "the kernels of two targets are equal"; exit 1; fi
# A plan made for any of them runs: what this machine lacks is compiled from the source in it.
"$RGC" run "$out/cpu-avx512.bin" --train --steps 1 --batch 2 --data "$data" --out "$out/run" >/dev/null
if [ "$(uname -m)" = x86_64 ]; then
  # The machine's compiler makes code for others, too.
  "$RGC" compile "$graph" --batch 2 --infer-only --target cpu-avx512 -o "$out/code.bin" >"$out/said"
  grep -qE 'compiled in|in the cache' "$out/said"
  if grep -q avx512vl /proc/cpuinfo; then
    echo "SKIPPED in tests/cli/targets.sh: this machine runs cpu-avx512, so that it is refused elsewhere was not seen"
  else
    best=cpu-plain
    if grep -q avx2 /proc/cpuinfo; then best=cpu-avx2; fi
    refusal="error[device]: this machine cannot run target 'cpu-avx512'
  help: the best that it runs is $best; rgc compile makes plans, and --emit texts, for others too"
    expect 1 "$refusal" "$RGC" run "$out/cpu-avx512.bin" --train --steps 1 --target cpu-avx512 --data "$data" --out "$out/no"
    expect 1 "$refusal" "$RGC" verify "$graph" --target cpu-avx512
    expect 1 "$refusal" "$RGC" bench "$graph" --target cpu-avx512
    "$RGC" export "$out/run/last.bin" --c "$out/c" --target cpu-avx512 >"$out/said" 2>&1 && exit 1
    grep -q "cannot run target 'cpu-avx512'" "$out/said"
    [ ! -e "$out/c" ] && [ ! -e "$out/no" ]
  fi
fi
expect 1 "error[device]: there is no target 'cpu-vax'
  help: targets: cpu-avx512, cpu-avx2, cpu-plain" "$RGC" compile "$graph" --target cpu-vax --no-kernels -o "$out/no.bin"
[ ! -e "$out/no.bin" ]
