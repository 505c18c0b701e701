/* peak_copy.cuh: how fast a GPU copies: a kernel that does nothing else.
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; COPY_VECTORS, of 16 bytes. operands[0] to outputs[0], threads a grid apart. */
TEMPLATE_KERNEL(KERNEL_NAME, 256, 1) {
  const uint4 *from = (const uint4 *)args.operands[0];
  uint4 *to = (uint4 *)args.outputs[0];
  for (u32 i = blockIdx.x * 256u + threadIdx.x; i < COPY_VECTORS; i += gridDim.x * 256u) to[i] = from[i];
}
#undef KERNEL_NAME
#undef COPY_VECTORS
