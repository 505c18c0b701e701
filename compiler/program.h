/* program.h: the kinds of programs a network is compiled to. */
#ifndef RGC_PROGRAM_H
#define RGC_PROGRAM_H

/* X(identifier, word, about) */
#define RGC_PROGRAM_KINDS(X)                                                                                           \
  X(TRAIN, "train", "one step: loss, gradients, updates")                                                              \
  X(EVAL, "eval", "logits, with running statistics")                                                                   \
  X(FOLD, "fold", "what inference needs of the weights: packed, BN folded in")                                         \
  X(INFER, "infer", "logits, after fold")

typedef enum rgc_program_kind {
#define X(id, word, about) RGC_PROGRAM_##id,
  RGC_PROGRAM_KINDS(X)
#undef X
      RGC_PROGRAM_KIND_COUNT
} rgc_program_kind;
#endif
