/* peak.h: multiply-adds in registers and nothing else: what the machine can do at most. To be #included once.
 *
 * In, as macros: CONTRACT_LANES; LOOP_NAME, the kernel; PEAK_CHAINS, 12: they and their two operands fit sixteen registers. A tile is
 * args->out_c steps of CHAINS * LANES multiply-adds; outputs[0] takes their sum, so that they are not left out. */
void LOOP_NAME(const void *told, int64_t index, void *slab) {
  const kernel_args *args = told;
  vec acc[PEAK_CHAINS], x = vec_set(0.999f), y = vec_set((float)index);
  (void)slab;
  UNROLL_ALL for (int k = 0; k < PEAK_CHAINS; k++) acc[k] = vec_set((float)k);
  for (int64_t i = 0; i < args->out_c; i++) {
    UNROLL_ALL for (int k = 0; k < PEAK_CHAINS; k++) {
      acc[k] = vec_fma(acc[k], x, y);
      __asm__ volatile("" : "+x"(acc[k])); /* keeps the chains apart and in place */
    }
  }
  vec total = acc[0];
  UNROLL_ALL for (int k = 1; k < PEAK_CHAINS; k++) total += acc[k];
  args->outputs[0][index * 16] = total[0];
}
