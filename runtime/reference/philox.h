/* philox.h: the counter-based generator behind every RANDOM node (Salmon et al. 2011, Philox4x32-10).
 *
 * Key: the run's seed. Counter: element number (two words), stream, step. The first of the four words gives the number, so
 * an element's number depends on nothing but (seed, stream, step, element): any order and any thread count agree. */
#ifndef RGC_REFERENCE_PHILOX_H
#define RGC_REFERENCE_PHILOX_H
#include <stdint.h>

/* Ten rounds over `word`, in place. */
static inline void rgc_philox(uint32_t word[4], uint64_t seed) {
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t even = (uint64_t)0xD2511F53u * word[0], odd = (uint64_t)0xCD9E8D57u * word[2];
    uint32_t next0 = (uint32_t)(odd >> 32) ^ word[1] ^ key0, next2 = (uint32_t)(even >> 32) ^ word[3] ^ key1;
    word[0] = next0;
    word[1] = (uint32_t)odd;
    word[2] = next2;
    word[3] = (uint32_t)even;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/* Uniform in [0,1), a multiple of 2^-24: exact in float32 as well. */
static inline double rgc_philox_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t element) {
  uint32_t word[4] = {(uint32_t)element, (uint32_t)(element >> 32), stream, step};
  rgc_philox(word, seed);
  return (double)(word[0] >> 8) * 0x1p-24;
}
#endif
