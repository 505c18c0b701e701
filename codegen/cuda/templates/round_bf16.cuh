/* round_bf16.cuh: float32 numbers to bf16, for a library that multiplies bf16 only (rgc_cuda_call).
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; ELEMS. operands[0] is float[ELEMS], outputs[0] bf16[ELEMS]. A thread takes every n-th
 * number: there are few, one a sample and channel. */
TEMPLATE_KERNEL(KERNEL_NAME, 256, 1) {
  u16 *to = (u16 *)args.outputs[0];
  for (int e = (int)(blockIdx.x * 256u + threadIdx.x); e < ELEMS; e += (int)(gridDim.x * 256u)) to[e] = bf_round(args.operands[0][e]);
}
#undef KERNEL_NAME
#undef ELEMS
