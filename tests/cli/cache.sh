#!/usr/bin/env bash
# The kernel cache: what is damaged in it is compiled anew and never run, what a killed process left in it goes, and what stands against it is told.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
printf 'rgc: 1\nname: tiny\ninput: {channels: 1, size: 4}\nclasses: 2\nhead: [avgpool: global, linear: {out: classes}]\n' >"$out/tiny.yaml"
export RGC_CACHE=$out/cache
run() { "$RGC" run "$out/tiny.yaml" --train --batch 4 --steps 1 --data synthetic:classes=2,size=4,count=8 --out "$out/run"; }
compiled() { run | sed -n 's/^compiled \([0-9]*\) kernels.*/\1/p'; }
all=$(compiled)
[ "$all" -gt 5 ] && [ -z "$(compiled)" ]
# Libraries may be links of one file: each is given a copy of its own, then cut, emptied, changed.
damage() { cp "$1" "$out/copy" && "${@:2}" "$out/copy" && mv "$out/copy" "$1"; }
for library in "$RGC_CACHE"/*.so; do damage "$library" truncate -s 4096; done
[ "$(compiled)" -eq "$all" ]
for library in "$RGC_CACHE"/*.so; do damage "$library" truncate -s 0; done
[ "$(compiled)" -eq "$all" ]
set -- "$RGC_CACHE"/*.so
change() { printf 'x' | dd of="$1" bs=1 seek=5000 conv=notrunc status=none; }
damage "$1" change
[ "$(compiled)" -eq 1 ]
# Folders of processes that are no more, an old one and one that may be another machine's.
pid=$(bash -c 'echo $$')
mkdir "$RGC_CACHE/tmp-$pid-old" "$RGC_CACHE/tmp-$pid-new"
touch -d '2 hours ago' "$RGC_CACHE/tmp-$pid-old"
rm "$1"
[ "$(compiled)" -eq 1 ] && [ ! -e "$RGC_CACHE/tmp-$pid-old" ] && [ -d "$RGC_CACHE/tmp-$pid-new" ]
# What stands against it; nothing of an attempt stays.
rm "$1"
expect 1 "error[device]: the C compiler '/nowhere/cc' cannot be run: No such file or directory
  help: install gcc or clang (Debian: apt install gcc), or set RGC_CC to one" env RGC_CC=/nowhere/cc "$RGC" bench "$out/tiny.yaml"
printf '#!/bin/sh\n[ "$1" = --version ] && echo one || kill -INT $$\n' >"$out/stopped"
chmod +x "$out/stopped"
# Whoever runs this in the background may ignore SIGINT, which processes inherit, and which a shell cannot undo.
expect 1 "error[device]: the C compiler '$out/stopped' was stopped: Interrupt" env --default-signal=INT RGC_CC="$out/stopped" "$RGC" bench "$out/tiny.yaml"
expect 1 "$out/tiny.yaml: error[device]: the kernel cache cannot be used: Not a directory
  help: set RGC_CACHE to a folder of your own" env RGC_CACHE="$out/tiny.yaml" "$RGC" bench "$out/tiny.yaml"
rmdir "$RGC_CACHE/tmp-$pid-new"
if ls -d "$RGC_CACHE"/tmp-* 2>/dev/null; then exit 1; fi
