/* templates.h: the files of codegen/cpu/templates as they are in this binary; "vector.h" is included as codegen/cpu/templates/vector.h. */
#ifndef RGC_CODEGEN_CPU_TEMPLATES_H
#define RGC_CODEGEN_CPU_TEMPLATES_H
#include "codegen/template.h"

extern const rgc_template rgc_cpu_templates[];
extern const int rgc_cpu_template_count;
#endif
