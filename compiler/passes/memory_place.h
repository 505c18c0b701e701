/* memory_place.h: offsets for blocks that live from one op to another, such that the sum is small (dynamic storage
 * allocation, which is NP-hard: this is a heuristic). */
#ifndef RGC_PASSES_MEMORY_PLACE_H
#define RGC_PASSES_MEMORY_PLACE_H
#include <stdint.h>

typedef struct rgc_block {
  int first, last;      /* ops, both included */
  int64_t size_bytes;   /* >= 1, a multiple of the alignment; all together at most 2^60 */
  int64_t offset_bytes; /* out: a multiple of what all sizes are a multiple of */
} rgc_block;

/* Sets the offset of every block and returns the bytes needed. It tries several orders and stops early once no more than
 * `enough_bytes` are needed. op_count: ops are below it. */
int64_t rgc_place_blocks(rgc_block *blocks, int count, int op_count, int64_t enough_bytes);
#endif
