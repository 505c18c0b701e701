/* target.h: what the compiler's passes must know of a machine, as data. Codegen fills it (targets.c of each target in codegen/). */
#ifndef RGC_PASSES_TARGET_H
#define RGC_PASSES_TARGET_H
#include <stdbool.h>
#include <stdint.h>

typedef struct rgc_target {
  const char *name;         /* "cpu-avx512" */
  int panel_lanes;          /* widest weight panel, in output channels; 0: weights are read as they lie */
  int min_panel_lanes;      /* narrowest */
  int block;                /* input channels of a block of a weight panel */
  int64_t tile_pixels;      /* output pixels a contract's tile should have */
  int64_t tile_floats;      /* most floats of a contract's tile, its copy of A and a panel of weights: what a core's cache holds */
  int64_t block_pixels;     /* a contract's tile is worked off in steps of so many pixels of one residue (contract.cuh), so it should fill them; 0: it
                             * is not, and tile_pixels says how large it is */
  int64_t block_channels;   /* and of so many output channels */
  int64_t map_tile_floats;  /* floats of output of a tile of a map that reduces */
  /* 3x3 contracts of stride 1 go by Winograd where they have this many channels on both sides, and pixels of all images. */
  int winograd_min_channels;    /* 0: never */
  int64_t winograd_min_pixels;
  int64_t winograd_patches;     /* patches of 4x4 pixels that a tile of theirs should have */
  int64_t winograd_tile_floats; /* most floats of transformed A of such a tile */
  double operations_per_byte; /* that it does in the time in which it moves a byte from or to memory */
  int min_tiles;            /* fewer would leave threads idle; a number for the machine's kind, not for this machine */
  bool side_stores;         /* the loader of a contract may store what its prologue made (kernel.h) */
  int max_streams;          /* whole tensors that one prologue may read */
  int max_weight_streams;   /* whole tensors that the epilogue of a weight gradient may read: it writes in short rows far apart */
  int max_operands, max_outputs, max_partials; /* of a kernel */
  unsigned precisions;      /* that it has: bit mask by rgc_precision; fp32 always */
  /* A library of matrix products (matmul.h). */
  int64_t library_samples;     /* most terms of a sum over samples, a weight gradient's, that are left to it: how it sums is not known; 0: there is no library */
  unsigned library_precisions; /* at which it is used unless measuring showed otherwise; at the others only where measuring showed it: bit mask by rgc_precision */
} rgc_target;
#endif
