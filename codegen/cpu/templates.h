/* templates.h: the files of codegen/cpu/templates as they are in this binary (embed_templates.cmake). */
#ifndef RGC_CODEGEN_CPU_TEMPLATES_H
#define RGC_CODEGEN_CPU_TEMPLATES_H

typedef struct rgc_template {
  const char *name; /* "vector.h"; kernels include it as codegen/cpu/templates/vector.h */
  const char *text;
} rgc_template;

extern const rgc_template rgc_cpu_templates[];
extern const int rgc_cpu_template_count;
#endif
