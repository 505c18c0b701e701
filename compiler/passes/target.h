/* target.h: what the compiler's passes must know of a machine, as data. Codegen fills it (codegen/cpu/targets.c). */
#ifndef RGC_PASSES_TARGET_H
#define RGC_PASSES_TARGET_H
#include <stdint.h>

typedef struct rgc_target {
  const char *name;         /* "cpu-avx512" */
  int panel_lanes;          /* widest weight panel, in output channels */
  int min_panel_lanes;      /* narrowest */
  int block;                /* input channels of a block of a weight panel */
  int64_t tile_pixels;      /* output pixels a contract's tile should have */
  int64_t tile_floats;      /* most floats of A that a contract's tile should read: what a core's cache holds */
  int64_t map_tile_floats;  /* floats of output of a tile of a map that reduces */
  int min_tiles;            /* fewer would leave threads idle; a number for the machine's kind, not for this machine */
  int max_streams;          /* whole tensors that one prologue may read */
  int max_weight_streams;   /* whole tensors that the epilogue of a weight gradient may read: it writes in short rows far apart */
  int max_operands, max_outputs, max_partials; /* of a kernel */
} rgc_target;
#endif
