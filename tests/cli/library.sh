#!/usr/bin/env bash
# librgc as its users have it: installed, with the one header. What librgc.so exports is exactly what rgc.h declares; examples/embed.c and
# library_use.c compile without warnings in C and C++, against the shared and the static library; embed trains to the bits that rgc
# run gives, and what is predicted is what rgc run predicts.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cmake --install "$(dirname "$RGC")" --prefix "$out/usr" >/dev/null
library=$(dirname "$(find "$out/usr" -name librgc.so)")
export PKG_CONFIG_PATH=$library/pkgconfig LD_LIBRARY_PATH=$library
[ "$(cd "$out/usr/include" && echo *)" = rgc.h ]
[ -L "$library/librgc.so" ]

nm -D --defined-only "$library/librgc.so" | awk '{print $3}' | sort >"$out/exported"
sed -n '/^RGC_API/,/;/p' runtime/rgc.h | grep -oE '\brgc_[a-z0-9_]+ *\(' | tr -d ' (' | sort >"$out/declared"
[ "$(wc -l <"$out/declared")" -gt 40 ]
diff "$out/declared" "$out/exported"
# The header needs nothing but these, and says the version that pkg-config says.
expect 0 "#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>" grep '#include' "$out/usr/include/rgc.h"
expect 0 "$(sed -n 's/^#define RGC_VERSION "\(.*\)"/\1/p' runtime/rgc.h)" pkg-config --modversion rgc

# A network of the library's and one of the program's give the same bits.
data=quickdraw:examples/data/quickdraw
"$RGC" run graphs/quickdraw_small.yaml --train --data $data --steps 3 --out "$out/run" >/dev/null
cp graphs/quickdraw_small.yaml "$out/graph.yaml"
"$RGC" show --data $data --count 1 --out "$out/drawings.png" >/dev/null
said=$("$RGC" run "$out/run/last.bin" --predict "$out/drawings.png")
said=${said#*: }
warnings="-Wall -Wextra -Wpedantic -Werror"
shared=$(pkg-config --cflags --libs rgc)
static="$(pkg-config --cflags rgc) $library/librgc.a $(pkg-config --static --libs rgc | sed 's/-lrgc//')"

# builds NAME LIBRARY COMPILER...
builds() {
  # shellcheck disable=SC2086
  "${@:3}" $warnings examples/embed.c $2 -o "$out/embed-$1"
  # shellcheck disable=SC2086
  "${@:3}" $warnings tests/cli/library_use.c $2 -pthread -o "$out/use-$1"
  "$out/embed-$1" graphs/quickdraw_small.yaml $data 3 "$out/$1.bin" >"$out/$1.txt"
  cmp "$out/run/last.bin" "$out/$1.bin"
  [ "$(grep -cE '^sample [0-9]: [a-z]+ [0-9.]+ %, it is [a-z]+$' "$out/$1.txt")" -eq 10 ]
  expect 0 "${said%%,*}" "$out/use-$1" graphs/quickdraw_small.yaml "$out/run/last.bin" "$out/drawings.png" tests/golden/diag/unknown_key.yaml "$out"
}
builds c "$shared" cc -std=c11 -D_POSIX_C_SOURCE=200809L
builds static "$static" cc -std=c11 -D_POSIX_C_SOURCE=200809L
if command -v c++ >/dev/null; then
  builds cxx "$shared" c++ -std=c++11 -Wno-missing-field-initializers -x c++ # {0} would be {} in C++ alone
else
  echo "SKIPPED: librgc from C++ (no C++ compiler: apt install g++)"
fi
expect 2 "usage: $out/embed-c GRAPH.yaml DATA STEPS TRAINED.bin (librgc $(pkg-config --modversion rgc))" "$out/embed-c"
