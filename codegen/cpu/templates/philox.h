/* philox.h: the counter-based generator behind every RANDOM node (Salmon et al. 2011, Philox4x32-10), for kernels and for the
 * reference alike.
 *
 * Key: the run's seed. Counter: element number (two words), stream, step. The first of the four words gives the number, so
 * an element's number depends on nothing but (seed, stream, step, element): any order and any thread count agree. */
#ifndef RGC_TEMPLATE_PHILOX_H
#define RGC_TEMPLATE_PHILOX_H

/* Ten rounds over `word`, in place. */
static inline void philox_rounds(__UINT32_TYPE__ word[4], __UINT64_TYPE__ seed) {
  __UINT32_TYPE__ key0 = (__UINT32_TYPE__)seed, key1 = (__UINT32_TYPE__)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    __UINT64_TYPE__ even = (__UINT64_TYPE__)0xD2511F53u * word[0], odd = (__UINT64_TYPE__)0xCD9E8D57u * word[2];
    __UINT32_TYPE__ next0 = (__UINT32_TYPE__)(odd >> 32) ^ word[1] ^ key0;
    __UINT32_TYPE__ next2 = (__UINT32_TYPE__)(even >> 32) ^ word[3] ^ key1;
    word[0] = next0;
    word[1] = (__UINT32_TYPE__)odd;
    word[2] = next2;
    word[3] = (__UINT32_TYPE__)even;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/* Uniform in [0,1), a multiple of 2^-24: exact in float32 as well. */
static inline double philox_uniform(__UINT64_TYPE__ seed, __UINT32_TYPE__ stream, __UINT32_TYPE__ step, __UINT64_TYPE__ element) {
  __UINT32_TYPE__ word[4] = {(__UINT32_TYPE__)element, (__UINT32_TYPE__)(element >> 32), stream, step};
  philox_rounds(word, seed);
  return (double)(word[0] >> 8) * 0x1p-24;
}
#endif
