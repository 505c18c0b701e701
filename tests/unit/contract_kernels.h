/* contract_kernels.h: a handful of specialisations of the contract templates.
 *
 * Widths are those the fewest registers hold; a template does not care. */
#ifndef RGC_TEST_CONTRACT_KERNELS_H
#define RGC_TEST_CONTRACT_KERNELS_H
#include "tests/unit/contract_expressions.h"

/* The lanes that are not there become 0 / 0: templates must not let them near a sum. */
INLINE vec relu_affine_scaled(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {
  return relu_affine(args, n, h, w, c, count) / vec_load_part(args->operands[6] + c, count);
}

/* Output 1 is what the prologue made, output 2 counts how often. Right for one thread. */
INLINE vec relu_affine_stored(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {
  vec a = relu_affine_scaled(args, n, h, w, c, count);
  int64_t at = ((n * args->a_h + h) * args->a_w + w) * args->a_c + c;
  vec_store_part(args->outputs[1] + at, a, count);
  vec_store_part(args->outputs[2] + at, vec_load_part(args->outputs[2] + at, count) + vec_set(1), count);
  return a;
}

#define CONTRACT_NAME reducing
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH 6
#define CONTRACT_ROWS 1
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_SIDE_PROLOGUE relu_affine_stored
#define CONTRACT_EPILOGUE store_and_reduce
#define CONTRACT_PARTIALS 3
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS, CONTRACT_SUM, CONTRACT_MAX}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME paired
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 8
#define CONTRACT_WIDTH 3
#define CONTRACT_ROWS 2
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_SIDE_PROLOGUE relu_affine_stored
#define CONTRACT_EPILOGUE store_only
#define CONTRACT_PARTIALS 0
#define CONTRACT_PARTIAL_KINDS {0}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME narrow
#define CONTRACT_VECTORS 1
#define CONTRACT_BLOCK 1
#define CONTRACT_WIDTH 5
#define CONTRACT_ROWS 1
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_SIDE_PROLOGUE relu_affine_stored
#define CONTRACT_EPILOGUE store_and_reduce
#define CONTRACT_PARTIALS 3
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS, CONTRACT_SUM, CONTRACT_MAX}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME weights_wide
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 6
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights.h"

#define CONTRACT_NAME weights_any
#define CONTRACT_VECTORS 1
#define CONTRACT_BLOCK 8
#define CONTRACT_PIXEL_STRIDE (args->a_step / args->slab_step)
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights.h"

#define CONTRACT_NAME weights_patched
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 4
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights_winograd.h"

#define CONTRACT_NAME weights_patched_narrow
#define CONTRACT_VECTORS 1
#define CONTRACT_BLOCK 2
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights_winograd.h"

#define CONTRACT_NAME winograd_any
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH 6
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_SIDE_PROLOGUE relu_affine_stored
#define CONTRACT_EPILOGUE store_and_reduce
#define CONTRACT_PARTIALS 3
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS, CONTRACT_SUM, CONTRACT_MAX}
#include "codegen/cpu/templates/contract_winograd.h"

#define CONTRACT_NAME winograd_narrow
#define CONTRACT_VECTORS 1
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH 5
#define CONTRACT_PROLOGUE relu_affine_scaled
#define CONTRACT_SIDE_PROLOGUE relu_affine_stored
#define CONTRACT_EPILOGUE store_only
#define CONTRACT_PARTIALS 0
#define CONTRACT_PARTIAL_KINDS {0}
#include "codegen/cpu/templates/contract_winograd.h"
#endif
