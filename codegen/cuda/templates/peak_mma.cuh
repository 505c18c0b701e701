/* peak_mma.cuh: how fast a GPU multiplies on its tensor cores by mma.sync: a kernel that does nothing else.
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; MMA_STEPS, of MMA_CHAINS independent m16n8k16 products of bf16 a warp. Operands lie in
 * registers and are not zero, as a card may be faster on zeros; outputs[0] takes the sums, one float a thread, so that they are not left out. */
TEMPLATE_KERNEL(KERNEL_NAME, 256, 1) {
  const u32 at = blockIdx.x * 256u + threadIdx.x;
  float sums[MMA_CHAINS][4];
  u32 a[4];
  for (int k = 0; k < 4; k++) a[k] = bf_pack(1.0f + 0.01f * (float)k, -1.0f - 0.001f * (float)(at & 31));
  const u32 b0 = bf_pack(0.5f, -0.25f), b1 = bf_pack(-0.125f, 0.75f + 0.01f * (float)(at & 7));
  for (int c = 0; c < MMA_CHAINS; c++)
    for (int k = 0; k < 4; k++) sums[c][k] = (float)c;
  for (int i = 0; i < MMA_STEPS; i++)
    for (int c = 0; c < MMA_CHAINS; c++) mma_bf16(sums[c], a, b0, b1);
  float total = 0.0f;
  for (int c = 0; c < MMA_CHAINS; c++)
    for (int k = 0; k < 4; k++) total += sums[c][k];
  args.outputs[0][at] = total;
}
#undef KERNEL_NAME
#undef MMA_STEPS
#undef MMA_CHAINS
