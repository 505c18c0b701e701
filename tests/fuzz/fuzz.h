/* fuzz.h: what the driver (fuzz.c), the mutations (mutate.c) and the targets (targets.c) share.
 *
 * A target is a reader of untrusted bytes. It returns for good and for bad input alike; it dies (signal, sanitizer report, abort)
 * when it finds a bug. Input number i of a seed is the same on every machine with the same corpus. */
#ifndef RGC_TESTS_FUZZ_H
#define RGC_TESTS_FUZZ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUZZ_MAX_BYTES = 1 << 16, FUZZ_MAX_GLOBS = 8, FUZZ_MAX_TOKENS = 512 };

typedef struct fuzz_input {
  unsigned char bytes[FUZZ_MAX_BYTES + 1]; /* a NUL follows the last */
  size_t size;
} fuzz_input;

typedef struct fuzz_corpus {
  fuzz_input *items;
  int count;
} fuzz_corpus;

typedef struct fuzz_target {
  const char *name;
  const char *globs[FUZZ_MAX_GLOBS];             /* corpus files, from the source directory; NULL ends */
  int (*tokens)(const char **words, int limit);  /* the dictionary; returns their number */
  void (*repair)(fuzz_input *input);             /* mends what mutations always break; NULL: nothing */
  void (*run)(const fuzz_input *input);
} fuzz_target;

extern const fuzz_target fuzz_targets[]; /* a NULL name ends */

/* A directory that targets may write files in, with links to graphs/ (files there name each other as base). */
const char *fuzz_directory(void);
/* Ends the process: a promise of the library is broken. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Input number `index` of `seed`: first the corpus as it is, then mutations of it. */
void fuzz_make_input(const fuzz_target *target, const fuzz_corpus *corpus, uint64_t seed, uint64_t index, fuzz_input *input);
#endif
