#!/usr/bin/env bash
# Makes one folder with everything tests/gpu/run.sh needs, for another x86-64 Linux (glibc 2.36 or later, NVIDIA's driver, CUDA 13's NVRTC and cuBLAS): the
# program with its small libraries, graph files, drawings, the tests. Nothing there is installed or fetched; there: FOLDER/run.sh [OUT].
#   tests/gpu/bundle.sh FOLDER      RGC: the program (build/rgc)
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { echo "usage: tests/gpu/bundle.sh FOLDER" >&2; exit 2; }
to=$1
rgc=${RGC:-build/rgc}
[ ! -e "$to" ] || { echo "$to is there already" >&2; exit 1; }
part=$to.part
rm -rf "$part"
mkdir -p "$part/bin" "$part/lib" "$part/tests" "$part/examples/data"
cp "$rgc" "$part/bin/rgc"
strip "$part/bin/rgc"
# Of the libraries all but glibc's own, which belong to the machine.
ldd "$rgc" | awk '$3 ~ /^\// {print $3}' | grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' | xargs -I{} cp -L {} "$part/lib/"
cp -r graphs "$part/graphs"
cp -r examples/data/quickdraw "$part/examples/data/quickdraw"
cp -r tests/gpu "$part/tests/gpu"
cat >"$part/rgc" <<'SH'
#!/usr/bin/env bash
# rgc with the libraries of this folder.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/bin/rgc" "$@"
SH
cat >"$part/run.sh" <<'SH'
#!/usr/bin/env bash
# See tests/gpu/run.sh.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath -m "${1:-gpu-results}")
# NVRTC where pip packages have it, unless the system's is found or RGC_NVRTC says where.
if [ -z "${RGC_NVRTC:-}" ] && ! ldconfig -p | grep -q libnvrtc; then
  found=$(ls /usr/local/cuda*/lib64/libnvrtc.so.1[23] /usr/lib/*/libnvrtc.so.1[23] 2>/dev/null | head -1)
  [ -n "$found" ] || found=$(timeout 30 find / -name 'libnvrtc.so.1[23]' -not -path '/proc/*' 2>/dev/null | head -1)
  [ -z "$found" ] || export RGC_NVRTC=$found
fi
# cuBLAS likewise; without it rgc's own kernels do its work, and a note says so.
if [ -z "${RGC_CUBLAS:-}" ] && ! ldconfig -p | grep -q libcublasLt; then
  found=$(find / -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | head -1)
  [ -z "$found" ] || export RGC_CUBLAS=$found
fi
RGC="$here/rgc" exec "$here/tests/gpu/run.sh" "$out"
SH
chmod +x "$part/rgc" "$part/run.sh"
bytes=$(du -sb "$part" | cut -f1)
[ "$bytes" -lt 60000000 ] || { echo "the folder has $bytes bytes, more than 60 MB" >&2; rm -rf "$part"; exit 1; }
mv "$part" "$to"
echo "$to: $bytes bytes"
