/* cublas_record.h: which algorithm cuBLAS was told to use for a product, kept on disk, so that runs repeat to the bit.
 *
 * The file is $RGC_CUBLAS_RECORD, or cublas.json in the folder of the kernel cache (cache.h; it is not counted, and never removed):
 *
 *   {"format": 1, "records": [{"card": "NVIDIA H100 80GB HBM3, sm_90", "cublas": 130100,
 *     "products": {"tf32 TN 64x6272x256 f32 relu bias align 256 256 256 256":
 *                    {"by": "cuBLAS", "algorithm": "<64 bytes, hexadecimal>", "workspace_bytes": 0, "id": 66, "tile": 20, "stages": 9, "split_k": 1,
 *                     "reduction": 0, "microseconds": 7.1, "own_microseconds": 9.4},
 *                  "...": {"by": "rgc"}}}]}
 *
 * A product's key says all that an algorithm depends on beside card and library. An algorithm's bytes mean something to the version of cuBLAS alone that made
 * them, so a record is of one card and one version; those of others are left as they are. Times are there where they were measured (rgc bench --tune). */
#ifndef RGC_DEVICE_CUBLAS_RECORD_H
#define RGC_DEVICE_CUBLAS_RECORD_H
#include "runtime/device/cublas.h"

typedef struct rgc_cublas_choice {
  bool own;             /* rgc's own kernel; else: */
  cublasLtMatmulAlgo_t algo;
  size_t workspace_bytes;
  double seconds, own_seconds; /* measured; 0: not */
} rgc_cublas_choice;

typedef struct rgc_cublas_record rgc_cublas_record;

/* What is known for that card and version. A warning where the file cannot be read; a note where it knows other cards or versions only. NULL with
 * an error: there is no folder for it. */
rgc_cublas_record *rgc_cublas_record_open(const char *card, int version, rgc_diagnostics *diags);
/* What was not written is lost. NULL is allowed. */
void rgc_cublas_record_close(rgc_cublas_record *record);
/* False: nothing is known of the product, or nothing that can be read. */
bool rgc_cublas_record_find(const rgc_cublas_record *record, const char *key, rgc_cublas_choice *choice);
/* cublas tells what an algorithm is, for people. */
void rgc_cublas_record_set(rgc_cublas_record *record, const char *key, const rgc_cublas_choice *choice, const rgc_cublas *cublas);
/* Adds what was set to the file as it is now. */
bool rgc_cublas_record_write(rgc_cublas_record *record, rgc_diagnostics *diags);
/* An attribute of an algorithm (CUBLASLT_ALGO_CONFIG_...), or -1: it does not tell. */
int rgc_cublas_algorithm_fact(const rgc_cublas *cublas, const cublasLtMatmulAlgo_t *algo, int attribute);
#endif
