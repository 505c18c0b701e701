/* tma.c: tensor maps, and bulk copies of a box of a tensor into swizzled shared memory. */
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { BOX_ELEMENTS = 64, ROW_BYTES = 128, MAX_ROWS = 256, MAX_PIXELS = 1024 };
#define MAGIC 0x72676320746d6170ull

/* What rgc_emu_tensor_map_* put into the 128 opaque bytes. */
typedef struct tensor {
  unsigned long long magic;
  const unsigned short *base; /* bf16 */
  int size[4];                /* c, w, h, n; or x, y, 1, 1 */
  long long row_bytes;        /* of a 2d tensor */
  int lower[2], upper[2];     /* w, h */
  int stride, rows;           /* rows of a box: pixels, or y */
} tensor;
_Static_assert(sizeof(tensor) <= 128, "a tensor map has 128 bytes");

static bool refuse(rgc_diagnostics *diags, const char *what) {
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "this tensor map would be refused: %s", what);
}

bool rgc_emu_tensor_map_2d(void *map, const void *base, const int size[2], int64_t row_bytes, int box_rows, rgc_diagnostics *diags) {
  tensor t = {.magic = MAGIC, .base = base, .size = {size[0], size[1], 1, 1}, .row_bytes = row_bytes, .stride = 1, .rows = box_rows};
  if ((uintptr_t)base % 16) return refuse(diags, "the tensor's address must be a multiple of 16");
  if (row_bytes % 16 || row_bytes < 2 * (int64_t)size[0]) return refuse(diags, "bytes of a row must be a multiple of 16, and no fewer than it has");
  if (size[0] < 1 || size[1] < 1 || box_rows < 1 || box_rows > MAX_ROWS) return refuse(diags, "sizes and a box of 1 to 256 rows");
  memset(map, 0, 128);
  memcpy(map, &t, sizeof t);
  return true;
}

bool rgc_emu_tensor_map_im2col(void *map, const void *base, const int size[4], const int lower[2], const int upper[2], int stride,
                               int pixels, rgc_diagnostics *diags) {
  tensor t = {.magic = MAGIC, .base = base, .stride = stride, .rows = pixels};
  memcpy(t.size, size, sizeof t.size);
  memcpy(t.lower, lower, sizeof t.lower);
  memcpy(t.upper, upper, sizeof t.upper);
  if ((uintptr_t)base % 16) return refuse(diags, "the tensor's address must be a multiple of 16");
  if (size[0] % 8) return refuse(diags, "channels must be a multiple of 8, so that pixels are 16 bytes apart");
  if (stride < 1 || stride > 8) return refuse(diags, "a stride of 1 to 8");
  if (pixels < 1 || pixels > MAX_PIXELS) return refuse(diags, "a box of 1 to 1024 pixels");
  for (int i = 0; i < 2; i++)
    if (lower[i] < -128 || lower[i] > 127 || upper[i] < -128 || upper[i] > 127) return refuse(diags, "corners of the pixel box from -128 to 127");
  memset(map, 0, 128);
  memcpy(map, &t, sizeof t);
  return true;
}

static size_t tensor_bytes(const tensor *t) {
  if (t->row_bytes) return (size_t)t->row_bytes * (size_t)(t->size[1] - 1) + 2 * (size_t)t->size[0];
  return 2 * (size_t)t->size[0] * (size_t)t->size[1] * (size_t)t->size[2] * (size_t)t->size[3];
}

/* Element c of the pixel (h, w, n), zero outside. */
static unsigned short pixel_element(const tensor *t, int c, int w, int h, int n) {
  if (c < 0 || c >= t->size[0] || w < 0 || w >= t->size[1] || h < 0 || h >= t->size[2] || n < 0 || n >= t->size[3]) return 0;
  return t->base[(((size_t)n * (size_t)t->size[2] + (size_t)h) * (size_t)t->size[1] + (size_t)w) * (size_t)t->size[0] + (size_t)c];
}

static unsigned short row_element(const tensor *t, int x, int y) {
  if (x < 0 || x >= t->size[0] || y < 0 || y >= t->size[1]) return 0;
  return t->base[(size_t)y * (size_t)t->row_bytes / 2 + (size_t)x];
}

static void store(rgc_emu *emu, unsigned int to, int row, int column, unsigned short value) {
  unsigned int chunk = (unsigned int)column / 8 ^ ((unsigned int)row & 7);
  memcpy(emu->view.shared + to + (unsigned int)row * ROW_BYTES + chunk * 16 + (unsigned int)column % 8 * 2, &value, 2);
}

/* Pixels go along w, then h, then n, within the map's pixel box. */
static void copy_im2col(rgc_emu *emu, const emu_tma *copy, const tensor *t) {
  const emu_box *box = &copy->box;
  int w = box->coordinates[1], h = box->coordinates[2], n = box->coordinates[3];
  for (int row = 0; row < t->rows; row++) {
    for (int i = 0; i < BOX_ELEMENTS; i++)
      store(emu, copy->to, row, i, pixel_element(t, box->coordinates[0] + i, w + box->offsets[0], h + box->offsets[1], n));
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
  if (copy->box.im2col) copy_im2col(emu, copy, &t);
  for (int row = 0; row < t.rows && !copy->box.im2col; row++)
    for (int i = 0; i < BOX_ELEMENTS; i++)
      store(emu, copy->to, row, i, row_element(&t, copy->box.coordinates[0] + i, copy->box.coordinates[1] + row));
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
  if ((t.row_bytes == 0) != (box.im2col == 1)) emu_fail(emu, site, "%s: the tensor map is of the other kind", site->primitive);
  copy.bar = emu_mbarrier_find(emu, site, bar)->at;
  copy.to = emu_shared_offset(emu, site, to, t.rows * ROW_BYTES, 1024);
  emu_global(emu, site, t.base, tensor_bytes(&t), 16, false);
  emu_shared_take_off(emu, site, copy.to, t.rows * ROW_BYTES, IN_TMA);
  if (emu_lands_now(emu)) land(emu, &copy);
  else *EMU_PUSH(emu->tmas, emu->tma_count, emu->tma_capacity) = copy;
}
