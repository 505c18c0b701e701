/* fuse_graph.h: what the files of the pass `fuse` share: the graph with its ops loose, and who reads what.
 *
 * An op keeps its index as its place in the order; a merged kernel stands at the index of one of the two. */
#ifndef RGC_PASSES_FUSE_GRAPH_H
#define RGC_PASSES_FUSE_GRAPH_H
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

typedef struct rgc_fuse_list {
  int *items, count, capacity; /* op indices, each once, in no order */
} rgc_fuse_list;

typedef struct rgc_fuser {
  rgc_graph *graph;          /* its ops are taken out */
  const rgc_target *target;
  rgc_text *ledger;          /* may be NULL */
  rgc_arena *arena;          /* scratch */
  const rgc_op *ops;         /* [op_count]: layer, word, line; not their inputs */
  rgc_kernel **kernels;      /* [op_count]; NULL: merged into another or dead */
  int op_count;
  int *producer;             /* [value_count]: op index, -1: none */
  int *updater;              /* [value_count]: the op that overwrites the state, -1: none */
  rgc_fuse_list *readers;    /* [value_count] */
} rgc_fuser;

/* The stages of a kernel that hold expressions: a, b, tap, epi; NULL where there is none. */
enum { RGC_STAGES = 4, RGC_FUSE_MOST_STORES = 12 };
rgc_body **rgc_fuse_stage(rgc_kernel *kernel, int stage);

/* Notes that op i reads and stores what its kernel says now; forgets it. */
void rgc_fuse_link(rgc_fuser *f, int i);
void rgc_fuse_unlink(rgc_fuser *f, int i);
bool rgc_fuse_body_reads(const rgc_body *body, int value); /* NULL reads nothing */
/* Whether v may vanish: computed, read by ops only, lying in plain order. */
bool rgc_fuse_is_temp(const rgc_fuser *f, int value);
int64_t rgc_fuse_bytes(const rgc_fuser *f, int value);
void rgc_fuse_note(rgc_fuser *f, int op, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* fuse_body.c: `into` gets a copy of `body` in which each load of `value` is the expression `root` of `from`, read through the load's
 * view; nodes[n] is where node n of `body` is now. NULL when a view, a coordinate or a random number stands against it. */
rgc_body *rgc_fuse_substitute(rgc_fuser *f, const rgc_body *body, int value, const rgc_body *from, int root, const int64_t extent[RGC_AXES],
                              int *nodes);
/* Appends all of `from`, where loads of operand k are node known[k] of `into`, if that is not -1; nodes[n] is where node n of `from`
 * is now. */
void rgc_fuse_append(rgc_body *into, const rgc_body *from, const int *known, int *nodes);
/* Whether a node of this kind costs many instructions. */
bool rgc_fuse_is_expensive(rgc_expr_kind kind);
/* Drops operands and nodes that no root needs; roots are renumbered. */
rgc_body *rgc_fuse_prune(rgc_fuser *f, rgc_body *body, int *const *roots, int root_count);

bool rgc_fuse_absorb(rgc_fuser *f, int map, bool into_maps); /* fuse_absorb.c */
bool rgc_fuse_inline(rgc_fuser *f, int map);                 /* fuse_inline.c */
bool rgc_fuse_side(rgc_fuser *f, int map);                   /* fuse_side.c */
#endif
