/* templates.h: the files that a CUDA kernel includes, as they are in this binary: those of codegen/cuda/templates, under the name by
 * which they are included ("codegen/cuda/templates/prelude.cuh"). */
#ifndef RGC_CODEGEN_CUDA_TEMPLATES_H
#define RGC_CODEGEN_CUDA_TEMPLATES_H
#include "codegen/template.h"

extern const rgc_template rgc_cuda_templates[];
extern const int rgc_cuda_template_count;
#endif
