/* integer.h: what every template needs and codegen itself, too: whole numbers, and how to ask for inlining and unrolling. */
#ifndef RGC_TEMPLATE_INTEGER_H
#define RGC_TEMPLATE_INTEGER_H

typedef __INT64_TYPE__ int64_t;

#define INLINE static inline __attribute__((always_inline, unused))

#ifdef __clang__
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#define UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define UNROLL_ALL _Pragma("GCC unroll 32")
#define UNROLL_4 _Pragma("GCC unroll 4")
#endif

INLINE int64_t int_min(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t int_max(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t int_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
#endif
