/* template.h: a file of kernel text as it is in this binary (embed_templates.cmake). */
#ifndef RGC_CODEGEN_TEMPLATE_H
#define RGC_CODEGEN_TEMPLATE_H

typedef struct rgc_template {
  const char *name;
  const char *text;
} rgc_template;
#endif
