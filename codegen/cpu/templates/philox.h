/* philox.h: the counter-based generator behind every RANDOM node (Salmon et al. 2011, Philox4x32-10), for kernels and for the
 * reference alike.
 *
 * Key: the run's seed. Counter: element number (two words), stream, step. The first of the four words gives the number, so
 * an element's number depends on nothing but (seed, stream, step, element): any order and any thread count agree. */
#ifndef RGC_TEMPLATE_PHILOX_H
#define RGC_TEMPLATE_PHILOX_H
#ifndef PHILOX_FUNCTION
#define PHILOX_FUNCTION static inline /* CUDA has its own word */
#endif

typedef unsigned int philox_u32;
typedef unsigned long long philox_u64;

/* Ten rounds over `word`, in place. */
PHILOX_FUNCTION void philox_rounds(philox_u32 word[4], philox_u64 seed) {
  philox_u32 key0 = (philox_u32)seed, key1 = (philox_u32)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    philox_u64 even = (philox_u64)0xD2511F53u * word[0], odd = (philox_u64)0xCD9E8D57u * word[2];
    philox_u32 next0 = (philox_u32)(odd >> 32) ^ word[1] ^ key0;
    philox_u32 next2 = (philox_u32)(even >> 32) ^ word[3] ^ key1;
    word[0] = next0;
    word[1] = (philox_u32)odd;
    word[2] = next2;
    word[3] = (philox_u32)even;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/* Uniform in [0,1), a multiple of 2^-24: exact in float32 as well. */
PHILOX_FUNCTION double philox_uniform(philox_u64 seed, philox_u32 stream, philox_u32 step, philox_u64 element) {
  philox_u32 word[4] = {(philox_u32)element, (philox_u32)(element >> 32), stream, step};
  philox_rounds(word, seed);
  return (double)(word[0] >> 8) * 5.9604644775390625e-8 /* 2^-24 */;
}
#endif
