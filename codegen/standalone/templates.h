/* templates.h: the files of codegen/standalone/templates as they are in this binary; standalone.c fills in what stands between @. */
#ifndef RGC_CODEGEN_STANDALONE_TEMPLATES_H
#define RGC_CODEGEN_STANDALONE_TEMPLATES_H
#include "codegen/template.h"

extern const rgc_template rgc_standalone_templates[];
extern const int rgc_standalone_template_count;
#endif
