/* contract_expressions.h: the lanes of this build, and prologues and epilogues as codegen would write them.
 *
 * A is relu(scale[c] * x + shift[c]); operands: 0 x, 1 scale, 2 shift, 3 bias of the output, 4 the output gradient B; 5 and 6
 * are for whoever includes this.
 * Output 0 is acc + bias. */
#ifndef RGC_TEST_CONTRACT_EXPRESSIONS_H
#define RGC_TEST_CONTRACT_EXPRESSIONS_H
#define CONTRACT_LINKAGE static
#ifdef __AVX512F__
#define CONTRACT_LANES 16
#elif defined(__AVX2__)
#define CONTRACT_LANES 8
#else
#define CONTRACT_LANES 4
#endif
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/slab.h"

INLINE vec relu_affine(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {
  const float *x = args->operands[0] + ((n * args->a_h + h) * args->a_w + w) * args->a_c + c;
  vec scale = vec_load_part(args->operands[1] + c, count), shift = vec_load_part(args->operands[2] + c, count);
  return vec_max(vec_fma(scale, vec_load_part(x, count), shift), (vec){0});
}

INLINE vec output_gradient(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {
  return vec_load_part(args->operands[4] + ((n * args->out_h + h) * args->out_w + w) * args->out_c + c, count);
}

INLINE vec add_bias(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o, int64_t count, vec acc) {
  vec y = acc + vec_load_part(args->operands[3] + o, count);
  vec_store_part(args->outputs[0] + ((n * args->out_h + h) * args->out_w + w) * args->out_c + o, y, count);
  return y;
}

INLINE void store_only(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o, int64_t count, vec acc,
                       vec *partial) {
  (void)partial;
  add_bias(args, n, h, w, o, count, acc);
}

INLINE void store_and_reduce(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o, int64_t count, vec acc,
                             vec *partial) {
  vec y = add_bias(args, n, h, w, o, count, acc);
  partial[0] = partial[1] = partial[2] = y;
}

INLINE void store_weight(const contract_args *args, int64_t o, int64_t r, int64_t s, int64_t i, int64_t count, vec acc) {
  float *to = args->outputs[0] + ((o * args->kernel_h + r) * args->kernel_w + s) * args->group_a + i;
  vec_store_part(to, acc, count);
}
#endif
