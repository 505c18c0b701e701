/* wgmma.c: asynchronous products of a warpgroup, four warps. A product is one operation of all four: it can happen when the fourth has issued it, and
 * is over for all at once. */
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { ROWS = 64, DEPTH = 16, ROW_BYTES = 128, MAX_COLUMNS = 256, GROUPS_KEPT = 64 };

void emu_wgmma_reset(rgc_emu *emu) {
  for (size_t i = 0; i < sizeof emu->groups / sizeof *emu->groups; i++) {
    emu->groups[i].count = emu->groups[i].done = 0;
    memset(&emu->groups[i].clock, 0, sizeof emu->groups[i].clock);
  }
}

static emu_warpgroup *own_group(rgc_emu *emu, const emu_site *site) {
  int group = emu->current->warp->number / GROUP_WARPS;
  if ((group + 1) * GROUP_WARPS * LANES > emu->thread_count)
    emu_fail(emu, site, "%s needs a warpgroup of 128 threads, and the block has %d", site->primitive, emu->thread_count);
  return &emu->groups[group];
}

/* What a descriptor says of an operand of 128-byte rows. */
typedef struct operand {
  unsigned int start, leading_bytes, stride_bytes; /* shared address; between 64 columns; between groups of 8 rows */
} operand;

static operand operand_of(unsigned long long descriptor) {
  return (operand){(unsigned int)(descriptor & 0x3fff) << 4, (unsigned int)(descriptor >> 16 & 0x3fff) << 4, (unsigned int)(descriptor >> 32 & 0x3fff) << 4};
}

/* The 128-byte swizzle repeats every 8 rows, counted in the address itself: only what begins in the first of them, and goes on by whole patterns, is laid out as
 * TMA does it. by_columns: N-major and wider than 64, which reads the leading offset. */
static void check_descriptor(rgc_emu *emu, const emu_site *site, unsigned long long descriptor, bool by_columns) {
  enum { PATTERN_BYTES = 8 * ROW_BYTES };
  operand at = operand_of(descriptor);
  if (descriptor >> 62 != 1) emu_fail(emu, site, "%s: a descriptor that is not from wgmma_desc", site->primitive);
  if (at.start % PATTERN_BYTES >= ROW_BYTES || (descriptor >> 49 & 7))
    emu_fail(emu, site, "%s: a descriptor of shared address %u, which is not in the first row of a pattern of %d bytes", site->primitive, at.start, PATTERN_BYTES);
  if (at.stride_bytes % PATTERN_BYTES || (by_columns && at.leading_bytes % PATTERN_BYTES))
    emu_fail(emu, site, "%s: a descriptor whose parts are %u and %u bytes apart, not whole patterns of %d", site->primitive, at.leading_bytes, at.stride_bytes, PATTERN_BYTES);
}

/* Who reads: a product of a group. */
typedef struct reader {
  rgc_emu *emu;
  const emu_site *site;
  int group;
} reader;

/* Chunk `chunk` of 8 elements of a row of 128 bytes; bits 7 to 9 of an address move its chunk. */
static void read_chunk(const reader *who, unsigned int row_address, int chunk, unsigned short halves[8]) {
  unsigned int address = row_address + (unsigned int)chunk * 16, moved = address ^ (address >> 7 & 7) << 4;
  memcpy(halves, emu_shared_peek(who->emu, who->site, moved, 16, 16), 16);
  emu_race_read_async(who->emu, who->site, who->group, moved - EMU_SHARED_WINDOW, 16);
}

/* Row r of a K-major operand: 16 elements in two chunks. */
static void read_row(const reader *who, unsigned long long descriptor, int row, float *values) {
  operand at = operand_of(descriptor);
  for (int chunk = 0; chunk < 2; chunk++) {
    unsigned short halves[8];
    read_chunk(who, at.start + (unsigned int)(row / 8) * at.stride_bytes + (unsigned int)(row % 8) * ROW_BYTES, chunk, halves);
    for (int i = 0; i < 8; i++) values[8 * chunk + i] = emu_bf(halves[i]);
  }
}

/* An N-major operand: a row for each of 16 k; 64 columns of it, then the next 64 `leading_bytes` further. */
static void read_columns(const reader *who, unsigned long long descriptor, int columns, float values[][DEPTH]) {
  operand at = operand_of(descriptor);
  for (int k = 0; k < DEPTH; k++)
    for (int column = 0; column < columns; column += 8) {
      unsigned short halves[8];
      unsigned int row = at.start + (unsigned int)(column / 64) * at.leading_bytes + (unsigned int)(k / 8) * at.stride_bytes;
      read_chunk(who, row + (unsigned int)(k % 8) * ROW_BYTES, column % 64 / 8, halves);
      for (int i = 0; i < 8; i++) values[column + i][k] = emu_bf(halves[i]);
    }
}

/* The instruction may read A's registers at any time before it is done. */
static void check_registers(rgc_emu *emu, const emu_product *product) {
  for (int thread = 0; thread < GROUP_WARPS * LANES; thread++)
    if (memcmp(product->a[thread], product->a_at[thread], sizeof product->a[0]))
      emu_fail(emu, product->site, "%s: A's registers were changed before a wgmma_wait for it (thread %d of the warpgroup)", product->site->primitive, thread);
}

/* Rows 16w.. of A in the registers of warp w, laid out as for mma_bf16. */
static void read_registers(const emu_product *product, float a[ROWS][DEPTH]) {
  for (int thread = 0; thread < GROUP_WARPS * LANES; thread++) {
    int row = thread / LANES * 16 + thread % LANES / 4, pair = thread % 4 * 2;
    for (int i = 0; i < 4; i++)
      for (int half = 0; half < 2; half++) a[row + i % 2 * 8][pair + i / 2 * 8 + half] = emu_bf(product->a[thread][i] >> 16 * half & 0xffff);
  }
}

static void multiply(rgc_emu *emu, int group, emu_product *product) {
  const reader who = {emu, product->site, group};
  float a[ROWS][DEPTH], b[MAX_COLUMNS][DEPTH];
  if (product->from_registers) check_registers(emu, product);
  if (product->from_registers) read_registers(product, a);
  for (int row = 0; row < ROWS && !product->from_registers; row++) read_row(&who, product->a_descriptor, row, a[row]);
  if (product->b_transposed) read_columns(&who, product->b_descriptor, product->n, b);
  for (int column = 0; column < product->n && !product->b_transposed; column++) read_row(&who, product->b_descriptor, column, b[column]);
  for (int thread = 0; thread < GROUP_WARPS * LANES; thread++) {
    float *d = product->d[thread];
    for (int i = 0; i < product->n / 2; i++) {
      int row = thread / LANES * 16 + thread % LANES / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      float sum = product->scale_d ? d[i] : 0;
      for (int k = 0; k < DEPTH; k++) sum += a[row][k] * b[column][k];
      d[i] = sum;
    }
  }
}

/* Products before `target` (counted from the block's begin) happen; false: not all warps have issued them yet. */
static bool finish(rgc_emu *emu, emu_warpgroup *group, int target) {
  for (int i = group->done; i < target; i++)
    if (group->items[i].warps < GROUP_WARPS) return false;
  while (group->done < target) multiply(emu, (int)(group - emu->groups), &group->items[group->done++]);
  return true;
}

static void check_same(rgc_emu *emu, const emu_site *site, const emu_product *product, const emu_product *other) {
  if (product->site != other->site) emu_fail(emu, site, "divergent %s: another warp of the warpgroup is at line %d", site->primitive, other->site->line);
  if (product->n != other->n || product->a_descriptor != other->a_descriptor || product->b_descriptor != other->b_descriptor ||
      product->scale_d != other->scale_d)
    emu_fail(emu, site, "%s: descriptors or scale_d differ from those of another warp of the warpgroup", site->primitive);
}

static void issue(rgc_emu *emu, emu_warpgroup *group, const emu_product *wanted) {
  emu_warp *warp = emu->current->warp;
  int number = warp->wgmma_issued++, place = warp->number % GROUP_WARPS * LANES;
  if (number == group->count) *EMU_PUSH(group->items, group->count, group->capacity) = *wanted;
  emu_product *product = &group->items[number];
  check_same(emu, wanted->site, wanted, product);
  emu_race_release(emu, &group->clock);
  for (int lane = 0; lane < LANES; lane++) {
    product->d[place + lane] = warp->slots[lane].out;
    memcpy(product->a[place + lane], warp->slots[lane].a, sizeof product->a[0]);
    product->a_at[place + lane] = warp->slots[lane].in;
  }
  if (++product->warps == GROUP_WARPS && emu_lands_now(emu)) finish(emu, group, number + 1);
}

void emu_call_wgmma(emu_view *view, const emu_site *site, int n, int b_transposed, float *d, const unsigned int *a,
                    unsigned long long a_descriptor, unsigned long long b_descriptor, int scale_d) {
  rgc_emu *emu = emu_of(view);
  emu_slot *slot = emu_own_slot(emu);
  emu->current->site = site;
  emu_warpgroup *group = own_group(emu, site);
  if (!emu->current->warp->wgmma_fenced) emu_fail(emu, site, "%s without a wgmma_fence before the first", site->primitive);
  check_descriptor(emu, site, b_descriptor, b_transposed && n > 64);
  if (!a) check_descriptor(emu, site, a_descriptor, false);
  slot->out = d;
  slot->in = a;
  if (a) memcpy(slot->a, a, sizeof slot->a);
  if (!emu_warp_arrive(emu, site, true)) return;
  emu_product wanted = {.site = site, .n = n, .scale_d = scale_d, .from_registers = a, .b_transposed = b_transposed,
                        .a_descriptor = a_descriptor, .b_descriptor = b_descriptor};
  issue(emu, group, &wanted);
  emu_warp_release(emu);
}

void emu_call_wgmma_fence(emu_view *view, const emu_site *site, int unused) {
  rgc_emu *emu = emu_of(view);
  (void)unused;
  if (!emu_warp_arrive(emu, site, true)) return;
  emu->current->warp->wgmma_fenced = true;
  emu_warp_release(emu);
}

void emu_call_wgmma_commit(emu_view *view, const emu_site *site, int unused) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  (void)unused;
  if (!emu_warp_arrive(emu, site, true)) return;
  warp->wgmma_committed[warp->wgmma_groups++ % GROUPS_KEPT] = warp->wgmma_issued;
  emu_warp_release(emu);
}

void emu_call_wgmma_wait(emu_view *view, const emu_site *site, int groups_left) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  emu->current->site = site;
  emu_warpgroup *group = own_group(emu, site);
  int last = warp->wgmma_groups - 1 - groups_left;
  int target = last < 0 ? 0 : warp->wgmma_committed[last % GROUPS_KEPT];
  if (groups_left >= GROUPS_KEPT) emu_fail(emu, site, "%s(%d): at most %d", site->primitive, groups_left, GROUPS_KEPT - 1);
  if (emu_warp_arrive(emu, site, true)) emu_warp_release(emu);
  while (!finish(emu, group, target)) emu_poll(emu, NO_MBARRIER);
  emu->further = true;
  emu_race_acquire(emu, &group->clock);
}
