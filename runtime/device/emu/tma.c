/* tma.c: tensor maps, and bulk copies of a box of a tensor into swizzled shared memory. */
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { ROW_BYTES = 2 * RGC_TENSOR_BOX_ELEMS, MAX_BOX = 256, MAX_PIXELS = 1024, MAX_STRIDE = 8 };
#define MAGIC 0x72676320746d6170ull

/* What rgc_emu_tensor_map puts into the opaque bytes. */
typedef struct tensor {
  unsigned long long magic;
  const unsigned short *base; /* bf16 */
  int rank, size[4];          /* sizes past the rank are 1 */
  int box[3], rows;           /* rows of a box: box[1] x box[2], or pixels */
  int lower[2], upper[2];     /* w, h */
  int stride;
} tensor;
_Static_assert(sizeof(tensor) <= RGC_TENSOR_MAP_BYTES, "a tensor map has 128 bytes");

static bool refuse(rgc_diagnostics *diags, const char *what) {
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "this tensor map would be refused: %s", what);
}

static bool check_tiled(const rgc_tensor_map *what, rgc_diagnostics *diags) {
  if (what->box[0] != RGC_TENSOR_BOX_ELEMS) return refuse(diags, "a box is 64 elements wide");
  for (int i = 1; i < what->rank; i++)
    if (what->box[i] < 1 || what->box[i] > MAX_BOX) return refuse(diags, "a box of 1 to 256 elements along each dimension");
  return true;
}

static bool check_im2col(const rgc_tensor_map *what, rgc_diagnostics *diags) {
  if (what->stride < 1 || what->stride > MAX_STRIDE) return refuse(diags, "a stride of 1 to 8");
  if (what->pixels < 1 || what->pixels > MAX_PIXELS) return refuse(diags, "a box of 1 to 1024 pixels");
  for (int i = 0; i < 2; i++) {
    if (what->lower[i] < -128 || what->lower[i] > 127 || what->upper[i] < -128 || what->upper[i] > 127)
      return refuse(diags, "corners of the pixel box from -128 to 127");
    if (what->lower[i] > what->size[i + 1] - 1 + what->upper[i]) return refuse(diags, "a pixel box that holds pixels");
  }
  return true;
}

bool rgc_emu_tensor_map(void *map, const rgc_tensor_map *what, const void *base, rgc_diagnostics *diags) {
  bool im2col = what->rank == RGC_TENSOR_MAP_IM2COL;
  tensor t = {.magic = MAGIC, .base = base, .rank = what->rank, .size = {1, 1, 1, 1}, .box = {1, 1, 1}, .stride = what->stride};
  if (what->rank < 2 || what->rank > 4) return refuse(diags, "two or three dimensions, or four for im2col");
  if ((uintptr_t)base % 16) return refuse(diags, "the tensor's address must be a multiple of 16");
  if (what->size[0] % 8) return refuse(diags, "the innermost dimension must be a multiple of 8, so that all others are 16 bytes apart");
  for (int i = 0; i < what->rank; i++) {
    if (what->size[i] < 1 || what->size[i] > INT32_MAX) return refuse(diags, "sizes of 1 and more");
    t.size[i] = (int)what->size[i];
  }
  if (!(im2col ? check_im2col(what, diags) : check_tiled(what, diags))) return false;
  for (int i = 0; i < what->rank && !im2col; i++) t.box[i] = what->box[i];
  t.rows = im2col ? what->pixels : t.box[1] * t.box[2];
  memcpy(t.lower, what->lower, sizeof t.lower);
  memcpy(t.upper, what->upper, sizeof t.upper);
  memset(map, 0, RGC_TENSOR_MAP_BYTES);
  memcpy(map, &t, sizeof t);
  return true;
}

static size_t tensor_bytes(const tensor *t) { return 2 * (size_t)t->size[0] * (size_t)t->size[1] * (size_t)t->size[2] * (size_t)t->size[3]; }

/* The element at these coordinates, zero outside. */
static unsigned short element_at(const tensor *t, const int at[4]) {
  size_t element = 0;
  for (int i = 3; i >= 0; i--) {
    if (at[i] < 0 || at[i] >= t->size[i]) return 0;
    element = element * (size_t)t->size[i] + (size_t)at[i];
  }
  return t->base[element];
}

static void store(rgc_emu *emu, unsigned int to, int row, int column, unsigned short value) {
  unsigned int chunk = (unsigned int)column / 8 ^ ((unsigned int)row & 7);
  memcpy(emu->view.shared + to + (unsigned int)row * ROW_BYTES + chunk * 16 + (unsigned int)column % 8 * 2, &value, 2);
}

/* A row of the box, from `at` on. */
static void copy_row(rgc_emu *emu, const emu_tma *copy, const tensor *t, int row, const int at[4]) {
  int element[4];
  memcpy(element, at, sizeof element);
  for (int i = 0; i < RGC_TENSOR_BOX_ELEMS; i++, element[0]++) store(emu, copy->to, row, i, element_at(t, element));
}

static void copy_tiled(rgc_emu *emu, const emu_tma *copy, const tensor *t) {
  const int *from = copy->box.coordinates;
  for (int row = 0; row < t->rows; row++) copy_row(emu, copy, t, row, (int[]){from[0], from[1] + row % t->box[1], from[2] + row / t->box[1], 0});
}

/* Pixels go along w, then h, then n, within the map's pixel box. */
static void copy_im2col(rgc_emu *emu, const emu_tma *copy, const tensor *t) {
  const emu_box *box = &copy->box;
  int w = box->coordinates[1], h = box->coordinates[2], n = box->coordinates[3];
  for (int row = 0; row < t->rows; row++) {
    copy_row(emu, copy, t, row, (int[]){box->coordinates[0], w + box->offsets[0], h + box->offsets[1], n});
    w += t->stride;
    if (w <= t->size[1] - 1 + t->upper[0]) continue;
    w = t->lower[0];
    h += t->stride;
    if (h <= t->size[2] - 1 + t->upper[1]) continue;
    h = t->lower[1];
    n++;
  }
}

static void land(rgc_emu *emu, const emu_tma *copy) {
  tensor t;
  memcpy(&t, copy->map, sizeof t);
  if (t.rank == RGC_TENSOR_MAP_IM2COL) copy_im2col(emu, copy, &t);
  else copy_tiled(emu, copy, &t);
  emu_mbarrier *bar = emu_mbarrier_at(emu, copy->bar);
  emu_shared_land(emu, copy->to, t.rows * ROW_BYTES);
  bar->bytes -= t.rows * ROW_BYTES;
  emu_mbarrier_advance(bar);
}

bool emu_tma_advance(rgc_emu *emu) {
  if (!emu->tma_count) return false;
  int which = emu->options.in_order ? 0 : (int)emu_draw(emu, (unsigned int)emu->tma_count);
  emu_tma copy = emu->tmas[which];
  memmove(&emu->tmas[which], &emu->tmas[which + 1], (size_t)(--emu->tma_count - which) * sizeof copy);
  land(emu, &copy);
  return true;
}

void emu_call_tma_load(emu_view *view, const emu_site *site, unsigned int to, const void *map, unsigned int bar, emu_box box) {
  rgc_emu *emu = emu_of(view);
  emu_tma copy = {.box = box};
  tensor t;
  emu->current->site = site;
  memcpy(&t, map, sizeof t);
  memcpy(copy.map, map, sizeof copy.map);
  if (t.magic != MAGIC) emu_fail(emu, site, "%s: this is no tensor map", site->primitive);
  if (t.rank != box.rank) emu_fail(emu, site, "%s: the tensor map has %d dimensions (4: im2col)", site->primitive, t.rank);
  copy.bar = emu_mbarrier_find(emu, site, bar)->at;
  copy.to = emu_shared_offset(emu, site, to, t.rows * ROW_BYTES, 1024);
  emu_global(emu, site, t.base, tensor_bytes(&t), 16, false);
  emu_shared_take_off(emu, site, copy.to, t.rows * ROW_BYTES, IN_TMA);
  if (emu_lands_now(emu)) land(emu, &copy);
  else *EMU_PUSH(emu->tmas, emu->tma_count, emu->tma_capacity) = copy;
}
