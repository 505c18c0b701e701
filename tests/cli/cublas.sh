#!/usr/bin/env bash
# cuBLAS on device cuda as a user meets it, on a driver and a cuBLAS without a GPU (tests/fake_cuda): what explain, run and bench tell, without the library,
# and what rgc declares of its ABI: compared with cublasLt.h, and tried on the true library, which makes descriptors without a GPU.
set -euo pipefail
. tests/cli/common.sh.inc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
find_fake
export RGC_CUDA_DRIVER="$fake" RGC_NVRTC="$fake" RGC_CUBLAS="$fake" RGC_CUBLAS_RECORD="$out/cublas.json"
cat >"$out/tiny.yaml" <<'YAML'
rgc: 1
name: tiny
input: {channels: 3, size: 6}
classes: 3
precision: tf32
stem: [conv: {out: 6, kernel: 3}, bn, relu]
head: [avgpool: global, linear: {out: classes}]
train: {batch: 8}
YAML
# The plan tells which kernels are products; the CPU has no library for them.
"$RGC" explain "$out/tiny.yaml" --target sm_80 --kernels >"$out/said"
grep -qxF "    a matrix product, 8 x 3 x 6, with a bias: cuBLAS, where it is there" "$out/said"
[ "$(grep -c 'a matrix product' "$out/said")" -eq 2 ]
"$RGC" explain "$out/tiny.yaml" --target sm_80 --kernels --set precision=fp32 >"$out/said"
grep -qxF "    a matrix product, 8 x 3 x 6, with a bias: cuBLAS, where it is there and was measured to be faster" "$out/said"
"$RGC" explain "$out/tiny.yaml" --target cpu-plain --kernels --set precision=fp32 >"$out/said"
if grep -q 'a matrix product' "$out/said"; then exit 1; fi
# A run says that it is used, and two runs write the same bits.
train() { "$RGC" run "$out/tiny.yaml" --train --data synthetic:classes=3,size=6,channels=3,count=24 --validate 2 --steps 4 --device cuda --out "$out/$1"; }
train first >"$out/said" 2>&1
grep -qx "cuBLAS computes 2 kernels of a training step, 1 of inference" "$out/said"
if grep -q 'not given back' "$out/said"; then cat "$out/said"; exit 1; fi
train second >/dev/null
cmp "$out/first/last.bin" "$out/second/last.bin"
python3 - "$out/cublas.json" <<'PY'
import json, sys
record, = json.load(open(sys.argv[1]))["records"]
assert record["card"] == "Fake GPU, sm_80" and record["cublas"] == 130100, record
assert len(record["products"]) >= 2 and all(p["by"] == "cuBLAS" and len(p["algorithm"]) == 128 and p["reduction"] in (0, 2) for p in record["products"].values()), record
PY
# Timed, and recorded with the times; a kernel says who ran it.
"$RGC" bench "$out/tiny.yaml" --set precision=fp32 --tune --device cuda --repeats 1 --json "$out/bench.json" >"$out/said"
grep -qx "infer: 1 products that cuBLAS may compute, in us:" "$out/said"
grep -qE '^fc +8 x 3 x 6, with a bias +[0-9.]+ +[0-9.]+ +2  cuBLAS$' "$out/said"
grep -qE '^infer: .* kernels, 1 of them by cuBLAS$' "$out/said"
python3 - "$out/bench.json" <<'PY'
import json, sys
bench = json.load(open(sys.argv[1]))
product, = bench["products"]
assert product["library"] and product["algorithms"] == 2 and 0 < product["seconds"] < product["own_seconds"], product
assert bench["programs"]["infer"]["by_cublas"] == 1, bench
PY
grep -q '"own_microseconds"' "$out/cublas.json"
if "$RGC" bench "$out/tiny.yaml" --set precision=fp32 --tune --device cpu --repeats 1 >"$out/said" 2>&1; then exit 1; fi
grep -qF "error[usage]: device cpu has nothing to choose from" "$out/said"
# Without it the run goes on, and says so once; where it is not asked for, nothing is said.
RGC_CUBLAS="$out/no-such-library" train none >"$out/said" 2>&1
[ "$(grep -c 'note\[device\]: cuBLAS, which linear layers and 1x1 convolutions with nothing to fuse go through, cannot be opened' "$out/said")" -eq 1 ]
RGC_CUBLAS=none train own >"$out/said" 2>&1
if grep -qE 'cuBLAS' "$out/said"; then cat "$out/said"; exit 1; fi
cmp "$out/none/last.bin" "$out/own/last.bin"
if cmp -s "$out/own/last.bin" "$out/first/last.bin"; then echo "cuBLAS was not used"; exit 1; fi
# What rgc declares is what cublasLt.h declares.
header=${CUDA_HOME:-/usr/local/cuda}/include/cublasLt.h
sed -n 's/^ *FUNCTION([^,]*, \(cublasLt[A-Za-z]*\),.*/\1/p' runtime/device/cublas.h >"$out/symbols"
[ "$(wc -l <"$out/symbols")" -eq 17 ]
if [ ! -e "$header" ]; then
  echo "SKIPPED: comparing with cublasLt.h, which is not there ($header)"
else
  {
    echo '#include <cublasLt.h>'
    echo 'typedef cudaStream_t CUstream;'
    print_abi runtime/device/cublas.h CUBLAS_FUNCTIONS \
      '#define FUNCTION(type, name, parameters) _Static_assert(__builtin_types_compatible_p(__typeof__(&name), type(*) parameters), #name);'
    echo '_Static_assert(sizeof(cublasLtMatmulAlgo_t) == 64 && sizeof(cublasLtMatmulHeuristicResult_t) == 96, "sizes");'
    echo '_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64 && offsetof(cublasLtMatmulHeuristicResult_t, state) == 72, "places");'
  } >"$out/abi.c"
  [ "$(grep -c '==' "$out/abi.c")" -gt 35 ]
  cc -std=gnu17 -fsyntax-only -I"$(dirname "$header")" "$out/abi.c"
fi
# The true library has all of it, and takes every attribute that rgc sets in the size that rgc gives it; without a GPU it does not start, and says so.
library=${CUDA_HOME:-/usr/local/cuda}/lib64/libcublasLt.so.13
if [ ! -e "$library" ]; then
  echo "SKIPPED: trying the true cuBLAS, which is not there ($library)"
  exit 0
fi
cat >"$out/try.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include "runtime/device/cublas.h"
#define TRY(call) do { if (call) { printf("%s failed\n", #call); return 1; } } while (0)
#define SET(kind, object, attribute, type) do { type value = 0; TRY(kind##SetAttribute(object, attribute, &value, sizeof value)); \
    if (!kind##SetAttribute(object, attribute, &value, sizeof value + 1)) { printf("%s has another size\n", #attribute); return 1; } } while (0)
int main(int count, char **args) {
  void *library = dlopen(args[count - 1], RTLD_NOW);
  if (!library) return printf("%s\n", dlerror()), 1;
#define FUNCTION(type, name, parameters) type(*name) parameters = dlsym(library, #name); if (!name) return printf("no %s\n", #name), 1;
  CUBLAS_FUNCTIONS(FUNCTION)
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t layout;
  cublasLtMatmulPreference_t preference;
  TRY(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F));
  TRY(cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, 9, 7, 9));
  TRY(cublasLtMatmulPreferenceCreate(&preference));
  SET(cublasLtMatmulDesc, desc, CUBLASLT_MATMUL_DESC_TRANSA, int32_t);
  SET(cublasLtMatmulDesc, desc, CUBLASLT_MATMUL_DESC_TRANSB, int32_t);
  SET(cublasLtMatmulDesc, desc, CUBLASLT_MATMUL_DESC_EPILOGUE, uint32_t);
  SET(cublasLtMatmulDesc, desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, const void *);
  SET(cublasLtMatmulDesc, desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t);
  SET(cublasLtMatmulPreference, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t);
  SET(cublasLtMatmulPreference, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t);
  for (unsigned int side = 0; side < 4; side++) SET(cublasLtMatmulPreference, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + side, uint32_t);
  cublasLtHandle_t handle = NULL;
  unsigned int status = cublasLtCreate(&handle);
  printf("cuBLAS %zu; cublasLtCreate: %s\n", cublasLtGetVersion(), cublasLtGetStatusName(status));
  return cublasLtMatmulDescDestroy(desc) || cublasLtMatrixLayoutDestroy(layout) || cublasLtMatmulPreferenceDestroy(preference);
}
C
cc -std=gnu17 -I. "$out/try.c" -o "$out/try" -ldl
"$out/try" "$library" >"$out/said" || { cat "$out/said"; exit 1; }
grep -qE '^cuBLAS 1[23][0-9]+; cublasLtCreate: CUBLAS_STATUS_' "$out/said"
