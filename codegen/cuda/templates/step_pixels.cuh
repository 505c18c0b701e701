/* step_pixels.cuh: a batch of u8 images to the network's input, (x / 255 - mean) / std, with the bits of runtime/data/pipeline.c.
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; IMAGE_ELEMS = H * W * C; CHANNELS = C. operands[0] is u8[valid][H][W][C],
 * operands[1] float[2][C]: mean, std; outputs[0] float[N][H][W][C]. Memory-bound: threads take neighbouring elements, a grid apart;
 * what lies past the last valid image is left as it is. */
TEMPLATE_KERNEL(KERNEL_NAME, 256, 1) {
  const unsigned char *pixels = (const unsigned char *)args.operands[0];
  const float *mean = args.operands[1], *stddev = args.operands[1] + CHANNELS;
  const int count = args.step->valid * IMAGE_ELEMS;
  for (int e = (int)(blockIdx.x * 256u + threadIdx.x); e < count; e += (int)(gridDim.x * 256u)) {
    const int c = e % CHANNELS;
    args.outputs[0][e] = ((float)pixels[e] / 255.0f - mean[c]) / stddev[c];
  }
}
#undef KERNEL_NAME
#undef IMAGE_ELEMS
#undef CHANNELS
