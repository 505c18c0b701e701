/* emu_state.h: what the files of the emulator share: threads, warps, the block that runs, memory.
 *
 * Every primitive is a call from a fiber. A warp collective is done by the lane that arrives last, on what the others left in their slots;
 * waiting is leaving the fiber with a state that says for what. Errors never come back: emu_fail leaves the block for good. */
#ifndef RGC_EMU_STATE_H
#define RGC_EMU_STATE_H
#include <setjmp.h>

#include "codegen/cuda/templates/emu_calls.cuh"
#include "runtime/device/emu/emu.h"
#include "runtime/device/emu/fiber.h"

enum { LANES = 32, MAX_THREADS = 1024, BARRIERS = 16, GROUP_WARPS = 4, STACK_BYTES = 128 << 10, PAGE = 4096 };

typedef enum emu_wait {
  EMU_READY,
  EMU_AT_WARP,    /* until the other lanes come */
  EMU_AT_BARRIER, /* until enough threads come */
  EMU_POLLING,    /* tries again in the next round */
  EMU_DONE
} emu_wait;

/* An asynchronous copy of one thread. */
typedef struct emu_copy {
  unsigned int to; /* shared offset */
  const void *from;
  int size, bytes; /* bytes are copied, the rest of size is zero */
  bool landed;
} emu_copy;

/* Growing arrays on the heap, kept from block to block. */
typedef struct emu_copies {
  emu_copy *items;
  int count, capacity;
  int *groups; /* copies in each group that was committed and not waited for */
  int group_count, group_capacity;
  unsigned int *arrivals; /* mbarriers that hear when all of these have landed */
  int arrival_count, arrival_capacity;
} emu_copies;

typedef struct emu_thread {
  rgc_fiber fiber;
  emu_index index;
  int number, lane;
  struct emu_warp *warp;
  emu_wait wait;
  bool had_polled;      /* it was woken from EMU_POLLING, and did not run since */
  int barrier;          /* id, while at one */
  unsigned int polled;  /* shared offset of the mbarrier, while polling; NO_MBARRIER: a warpgroup */
  const emu_site *site; /* of the last primitive */
  emu_copies copies;
} emu_thread;

/* What a lane leaves for the one that does the collective. */
typedef struct emu_slot {
  _Alignas(16) unsigned int a[4]; /* gcc 12 copies it with aligned loads, wherever it lies */
  unsigned long long value;
  unsigned int b[2], address;
  int lane;
  void *out;
  const unsigned int *in; /* wgmma: where a is with the thread */
} emu_slot;

typedef struct emu_warp {
  emu_thread *threads; /* the first */
  int number, thread_count, live, arrived;
  const emu_site *site; /* of the collective that some have arrived at */
  emu_slot slots[LANES];
  int wgmma_issued, wgmma_committed[64], wgmma_groups; /* products issued; issued at the end of each group, by group & 63; groups */
  bool wgmma_fenced;
} emu_warp;

/* What somebody knows of the warps (emu_race.c): the last moment of each that is over, and the last whose stores TMA and wgmma see. */
typedef struct emu_clock {
  unsigned int over[MAX_THREADS / LANES], fenced[MAX_THREADS / LANES];
} emu_clock;

typedef struct emu_mbarrier {
  unsigned int at; /* shared offset */
  unsigned int count, pending, phase;
  int64_t bytes;   /* expected and not yet there */
  emu_clock clock; /* what those who wait will know (emu_race.c) */
} emu_mbarrier;

/* A TMA copy under way. */
typedef struct emu_tma {
  unsigned int to, bar; /* shared offsets */
  emu_box box;
  unsigned char map[128];
} emu_tma;

/* One product of a warpgroup. */
typedef struct emu_product {
  const emu_site *site;
  int n, scale_d, warps; /* warps that have issued it */
  bool from_registers, b_transposed;
  unsigned long long a_descriptor, b_descriptor;
  float *d[GROUP_WARPS * LANES];
  unsigned int a[GROUP_WARPS * LANES][4];
  const unsigned int *a_at[GROUP_WARPS * LANES]; /* where it is with the thread: must not change until the product is done */
} emu_product;

typedef struct emu_warpgroup {
  emu_product *items;
  int count, capacity, done;
  emu_clock clock; /* of what the warps did before they issued (emu_race.c) */
} emu_warpgroup;

typedef struct emu_allocation {
  const char *name;
  char *begin;
  size_t size_bytes;
  void *mapping; /* NULL: of someone else */
  size_t mapping_bytes;
} emu_allocation;

struct rgc_emu {
  emu_view view; /* first: calls get a pointer to it */
  rgc_emu_options options;
  const rgc_emu_launch *launch;
  uint64_t random;
  /* memory */
  emu_allocation *allocations;
  int allocation_count, allocation_capacity;
  char *shared_mapping;       /* guard, shared memory, guard */
  size_t shared_bytes, shared_room; /* asked for; up to the page */
  unsigned short *flights;    /* [shared_bytes / 4]: thread + 1 whose copy into this word is under way, IN_TMA for TMA; 0 none */
  char *stacks;               /* [MAX_THREADS][STACK_BYTES], the lowest page of each without access */
  void *signal_stack;
  /* the block */
  void (*entry)(const void *args);
  rgc_fiber scheduler;
  emu_thread *threads, *current; /* current NULL: the scheduler runs */
  emu_warp *warps;
  int thread_count, warp_count, live;
  bool watched;              /* ordinary accesses are told, and races looked for */
  struct emu_races *races;
  bool further;              /* this round somebody got further than to poll in vain */
  int barrier_arrived[BARRIERS], barrier_threads[BARRIERS];
  emu_mbarrier *mbarriers;
  int mbarrier_count, mbarrier_capacity;
  emu_tma *tmas;
  int tma_count, tma_capacity;
  emu_warpgroup groups[MAX_THREADS / LANES / GROUP_WARPS];
  /* the error, if any */
  sigjmp_buf leave;
  bool failed;
  rgc_text message;
  const emu_site *failed_at;
};

enum { IN_TMA = 0xffff, NO_MBARRIER = 0xffffffffu };

/* Half of shared memory's poison: a NaN in bf16, float and double that nothing computes. */
enum { EMU_POISON = 0xfff5 };

static inline rgc_emu *emu_of(emu_view *view) { return (rgc_emu *)view; }

/* emu_report.c */
_Noreturn void emu_fail(rgc_emu *emu, const emu_site *site, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void emu_fail_deadlock(rgc_emu *emu);
_Noreturn void emu_fail_divergent(rgc_emu *emu, const emu_site *site, const char *what); /* with who is where in the warp */
void emu_begin_message(rgc_emu *emu); /* kernel, block, thread */
void emu_add_diagnostic(rgc_emu *emu, rgc_diagnostics *diags);

/* emu_schedule.c */
unsigned int emu_draw(rgc_emu *emu, unsigned int below); /* 0 to below - 1 */
bool emu_lands_now(rgc_emu *emu);                       /* whether what is issued now happens now */
void emu_run_block(rgc_emu *emu);
void emu_leave(rgc_emu *emu, emu_wait wait);            /* until someone makes the thread ready */
void emu_poll(rgc_emu *emu, unsigned int what);         /* until the next round; `what`: thread.polled */
/* The thread's slot; the last lane to arrive gets true, does the work and calls emu_warp_release. For others it is done on return. */
bool emu_warp_arrive(rgc_emu *emu, const emu_site *site, bool all_lanes);
void emu_warp_release(rgc_emu *emu);
static inline emu_slot *emu_own_slot(rgc_emu *emu) { return &emu->current->warp->slots[emu->current->lane]; }

/* emu_memory.c: checked addresses */
void emu_memory_create(rgc_emu *emu);
void emu_memory_destroy(rgc_emu *emu);
void emu_shared_open(rgc_emu *emu, size_t size_bytes);
void emu_shared_poison(rgc_emu *emu);
void emu_shared_check_end(rgc_emu *emu);
unsigned int emu_shared_offset(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align);
const void *emu_shared_peek(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align);
const void *emu_shared_read(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align);
void emu_shared_take_off(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes, int by);
void emu_shared_land(rgc_emu *emu, unsigned int offset, int bytes);
void *emu_global(rgc_emu *emu, const emu_site *site, const void *address, size_t bytes, int align, bool writes);
void emu_describe_address(const rgc_emu *emu, const char *address, char *words, size_t size);
enum { EMU_WORDS = 400 };

/* emu_race.c; all of them do nothing where the module is not watched */
void emu_race_open(rgc_emu *emu, bool watched);
void emu_race_close(rgc_emu *emu);
void emu_race_reset(rgc_emu *emu);
void emu_race_release(rgc_emu *emu, emu_clock *clock);
void emu_race_acquire(rgc_emu *emu, const emu_clock *clock);
void emu_race_arrive(rgc_emu *emu, int barrier);
void emu_race_pass(rgc_emu *emu, int barrier, bool current_too);
void emu_race_read(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes);
void emu_race_read_async(rgc_emu *emu, const emu_site *site, int group, unsigned int offset, int bytes); /* wgmma of a warpgroup */
void emu_race_write(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes, bool by_engine); /* engine: TMA */

/* emu_fault.c */
void emu_fault_watch(rgc_emu *emu);
void emu_fault_unwatch(rgc_emu *emu);

/* async_copy.c, tma.c, mbarrier.c, wgmma.c */
void emu_copies_finish(rgc_emu *emu, emu_thread *thread);
void emu_copies_reset(emu_copies *copies);
bool emu_copies_advance(rgc_emu *emu);   /* lands what an mbarrier waits for; false: nothing */
bool emu_tma_advance(rgc_emu *emu);      /* lands one copy; false: there is none */
void emu_mbarrier_advance(emu_mbarrier *bar);
emu_mbarrier *emu_mbarrier_find(rgc_emu *emu, const emu_site *site, unsigned int address);
emu_mbarrier *emu_mbarrier_at(rgc_emu *emu, unsigned int offset);
void emu_wgmma_reset(rgc_emu *emu);

/* The functions behind emu_view. */
#define CALL(result, name, ...) result emu_call_##name(emu_view *view, const emu_site *site, __VA_ARGS__);
EMU_CALLS(CALL)
#undef CALL

/* Growing arrays: room for one more. */
void *emu_grow(void *items, int count, int *capacity, size_t item_bytes);
#define EMU_PUSH(items, count, capacity) ((items) = emu_grow((items), (count), &(capacity), sizeof *(items)), (items) + (count)++)

static inline float emu_bf(unsigned int bits) {
  union {
    unsigned int bits;
    float value;
  } word = {bits << 16};
  return word.value;
}
static inline float emu_float(unsigned int bits) {
  union {
    unsigned int bits;
    float value;
  } word = {bits};
  return word.value;
}
#endif
