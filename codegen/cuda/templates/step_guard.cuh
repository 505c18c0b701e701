/* step_guard.cuh: a step whose loss is not finite must not change what outlives it: notes it in the step, where KERNEL_GUARD looks.
 *
 * In, as macros: KERNEL_NAME. operands[0] is the loss, outputs[0] the kernel_step itself. One thread. */
TEMPLATE_KERNEL(KERNEL_NAME, 1, 1) {
  const float loss = args.operands[0][0];
  ((kernel_step *)args.outputs[0])->halted = !(loss - loss == 0.0f);
}
#undef KERNEL_NAME
