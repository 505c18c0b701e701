/* builtin.h: the blocks of graphs/blocks/, embedded when rgc is built (embed_blocks.cmake), in the order of their names. */
#ifndef RGC_LANG_BUILTIN_H
#define RGC_LANG_BUILTIN_H
typedef struct rgc_builtin_block {
  const char *name; /* "bottleneck" */
  const char *text; /* the YAML file */
} rgc_builtin_block;

extern const rgc_builtin_block rgc_builtin_blocks[];
extern const int rgc_builtin_block_count;
#endif
