/* warp_ops.c: collectives of a warp: shuffles, votes, ldmatrix, mma. Layouts as in the PTX ISA, 9.7.14. */
#include <string.h>

#include "runtime/device/emu/emu_state.h"

unsigned long long emu_call_shuffle(emu_view *view, const emu_site *site, unsigned long long bits, int from_lane) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  unsigned long long result = 0;
  emu_slot *slot = emu_own_slot(emu);
  emu->current->site = site;
  if (from_lane < 0 || from_lane >= LANES) emu_fail(emu, site, "%s from lane %d", site->primitive, from_lane);
  slot->value = bits;
  slot->address = (unsigned int)from_lane;
  slot->out = &result;
  if (!emu_warp_arrive(emu, site, false)) return result;
  for (int i = 0; i < warp->thread_count; i++) {
    if (warp->threads[i].wait == EMU_DONE) continue;
    int from = (int)warp->slots[i].address;
    if (from >= warp->thread_count || warp->threads[from].wait == EMU_DONE)
      emu_fail(emu, site, "%s: lane %d reads lane %d, which is not there", site->primitive, i, from);
    memcpy(warp->slots[i].out, &warp->slots[from].value, sizeof bits);
  }
  emu_warp_release(emu);
  return result;
}

unsigned int emu_call_ballot(emu_view *view, const emu_site *site, int predicate) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  unsigned int result = 0, votes = 0;
  emu_own_slot(emu)->value = (unsigned long long)predicate;
  emu_own_slot(emu)->out = &result;
  if (!emu_warp_arrive(emu, site, false)) return result;
  for (int i = 0; i < warp->thread_count; i++)
    if (warp->threads[i].wait != EMU_DONE && warp->slots[i].value) votes |= 1u << i;
  for (int i = 0; i < warp->thread_count; i++)
    if (warp->threads[i].wait != EMU_DONE) memcpy(warp->slots[i].out, &votes, sizeof votes);
  emu_warp_release(emu);
  return result;
}

/* slots[8 * matrix + row].a holds that row. */
void emu_call_ldmatrix(emu_view *view, const emu_site *site, unsigned int *out, unsigned int address, int count, int transposed) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  emu_slot *slot = emu_own_slot(emu);
  emu->current->site = site;
  slot->out = out;
  if (emu->current->lane < 8 * count) memcpy(slot->a, emu_shared_read(emu, site, address, 16, 16), 16);
  if (!emu_warp_arrive(emu, site, true)) return;
  for (int matrix = 0; matrix < count; matrix++) {
    unsigned short element[8][8];
    for (int row = 0; row < 8; row++) memcpy(element[row], warp->slots[8 * matrix + row].a, 16);
    for (int lane = 0; lane < LANES; lane++) {
      int row = lane / 4, column = lane % 4 * 2;
      unsigned int low = transposed ? element[column][row] : element[row][column];
      unsigned int high = transposed ? element[column + 1][row] : element[row][column + 1];
      ((unsigned int *)warp->slots[lane].out)[matrix] = low | high << 16;
    }
  }
  emu_warp_release(emu);
}

/* D[16][8] += A[16][k] B[k][8], where lane l holds D[l / 4 + {0, 8}][l % 4 * 2 + {0, 1}]. */
static void multiply_into(emu_warp *warp, int k_count, float a[16][16], float b[16][8]) {
  for (int lane = 0; lane < LANES; lane++) {
    float *d = warp->slots[lane].out;
    for (int i = 0; i < 4; i++) {
      int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = d[i];
      for (int k = 0; k < k_count; k++) sum += a[row][k] * b[k][column];
      d[i] = sum;
    }
  }
}

static bool meet_for_mma(rgc_emu *emu, const emu_site *site, float *d, const unsigned int *a, unsigned int b0, unsigned int b1) {
  emu_slot *slot = emu_own_slot(emu);
  memcpy(slot->a, a, sizeof slot->a);
  slot->b[0] = b0;
  slot->b[1] = b1;
  slot->out = d;
  return emu_warp_arrive(emu, site, true);
}

void emu_call_mma_bf16(emu_view *view, const emu_site *site, float *d, const unsigned int *a, unsigned int b0, unsigned int b1) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  float x[16][16], y[16][8];
  if (!meet_for_mma(emu, site, d, a, b0, b1)) return;
  for (int lane = 0; lane < LANES; lane++) {
    const emu_slot *slot = &warp->slots[lane];
    int group = lane / 4, pair = lane % 4 * 2;
    for (int half = 0; half < 2; half++) {
      for (int i = 0; i < 4; i++) x[group + i % 2 * 8][pair + i / 2 * 8 + half] = emu_bf(slot->a[i] >> 16 * half & 0xffff);
      for (int i = 0; i < 2; i++) y[pair + i * 8 + half][group] = emu_bf(slot->b[i] >> 16 * half & 0xffff);
    }
  }
  multiply_into(warp, 16, x, y);
  emu_warp_release(emu);
}

/* The tensor core reads the upper 19 bits. */
static float tf32(unsigned int bits) { return emu_float(bits & ~0x1fffu); }

void emu_call_mma_tf32(emu_view *view, const emu_site *site, float *d, const unsigned int *a, unsigned int b0, unsigned int b1) {
  rgc_emu *emu = emu_of(view);
  emu_warp *warp = emu->current->warp;
  float x[16][16], y[16][8];
  if (!meet_for_mma(emu, site, d, a, b0, b1)) return;
  for (int lane = 0; lane < LANES; lane++) {
    const emu_slot *slot = &warp->slots[lane];
    int group = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) x[group + i % 2 * 8][t + i / 2 * 4] = tf32(slot->a[i]);
    for (int i = 0; i < 2; i++) y[t + i * 4][group] = tf32(slot->b[i]);
  }
  multiply_into(warp, 8, x, y);
  emu_warp_release(emu);
}
