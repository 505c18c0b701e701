/* row.cuh: a thread's row of `count` neighbouring channels in memory, as floats: 2, 4 or 8 of them, aligned to their size. `count` is a
 * constant wherever these are called, so only one branch stays. */
#ifndef RGC_CUDA_ROW_CUH
#define RGC_CUDA_ROW_CUH

/* For every channel i of a row. */
#define EACH(count) EACH_OF(i, count)
#define EACH_OF(i, count) _Pragma("unroll") for (int i = 0; i < (count); i++)

DEV void row_unpack(float *to, u32 pair) {
  to[0] = bf_lo(pair);
  to[1] = bf_hi(pair);
}

DEV void row_unpack_8(float *to, uint4 all) {
  row_unpack(to, all.x), row_unpack(to + 2, all.y), row_unpack(to + 4, all.z), row_unpack(to + 6, all.w);
}

DEV void row_load_bf16(float *to, const u16 *from, int count) {
  if (count == 8) {
    row_unpack_8(to, ld_v4(from));
  } else if (count == 4) {
    const uint2 all = ld_v2(from);
    row_unpack(to, all.x), row_unpack(to + 2, all.y);
  } else {
    row_unpack(to, ld_u32(from));
  }
}

DEV void row_load_f32(float *to, const float *from, int count) {
  if (count == 2) {
    const uint2 all = ld_v2(from);
    to[0] = __uint_as_float(all.x), to[1] = __uint_as_float(all.y);
    return;
  }
  for (int k = 0; k < count; k += 4) {
    const uint4 all = ld_v4(from + k);
    to[k] = __uint_as_float(all.x), to[k + 1] = __uint_as_float(all.y), to[k + 2] = __uint_as_float(all.z), to[k + 3] = __uint_as_float(all.w);
  }
}

/* Bytes of a word, the lowest first. */
DEV void row_unpack_u8(float *to, u32 word, int count) { EACH(count) to[i] = (float)(word >> 8 * i & 255u); }
DEV u32 row_pack_u8(const float *from, int count) {
  u32 word = 0u;
  EACH(count) word |= (u32)(unsigned char)from[i] << 8 * i;
  return word;
}

DEV void row_load_u8(float *to, const unsigned char *from, int count) {
  if (count == 8) {
    const uint2 all = ld_v2(from);
    row_unpack_u8(to, all.x, 4), row_unpack_u8(to + 4, all.y, 4);
  } else {
    row_unpack_u8(to, count == 4 ? ld_u32(from) : ld_u16((const u16 *)from), count);
  }
}

DEV uint4 row_pack(const float *from) {
  return make_uint4(bf_pack(from[0], from[1]), bf_pack(from[2], from[3]), bf_pack(from[4], from[5]), bf_pack(from[6], from[7]));
}

/* Rows of bf16 as they are in memory: two numbers a u32, one alone in its lower half. count: 8, 2 or 1. */

DEV void row_load_raw(u32 *to, const u16 *from, int count) {
  if (count == 8) {
    const uint4 all = ld_v4(from);
    to[0] = all.x, to[1] = all.y, to[2] = all.z, to[3] = all.w;
  } else if (count == 2) {
    to[0] = ld_u32(from);
  } else {
    to[0] = ld_u16(from);
  }
}

DEV void row_pack_raw(u32 *to, const float *from, int count) {
  if (count == 1) to[0] = bf_round(from[0]);
  EACH(count / 2) to[i] = bf_pack(from[2 * i], from[2 * i + 1]);
}

/* To a shared address. */
DEV void row_put(u32 to, const u32 *row, int count) {
  if (count == 8) sts_v4(to, make_uint4(row[0], row[1], row[2], row[3]));
  else if (count == 2) sts_u32(to, row[0]);
  else sts_u16(to, (u16)row[0]);
}

/* From memory to a shared address, or zeros: asynchronously, but a number alone at once. */
DEV void row_copy(u32 to, const u16 *from, int inside, int count) {
  if (count == 8) cp_async_16(to, from, inside ? 16 : 0);
  else if (count == 2) cp_async_4(to, from, inside ? 4 : 0);
  else sts_u16(to, inside ? ld_u16(from) : (u16)0);
}

DEV void row_store_bf16(u16 *to, const float *from, int count) {
  if (count == 8) stg_v4(to, row_pack(from));
  else if (count == 4) stg_v2(to, make_uint2(bf_pack(from[0], from[1]), bf_pack(from[2], from[3])));
  else stg_u32(to, bf_pack(from[0], from[1]));
}

DEV void row_store_u8(unsigned char *to, const float *from, int count) {
  if (count == 8) stg_v2(to, make_uint2(row_pack_u8(from, 4), row_pack_u8(from + 4, 4)));
  else if (count == 4) stg_u32(to, row_pack_u8(from, 4));
  else stg_u16((u16 *)to, (u16)row_pack_u8(from, 2));
}

DEV void row_store_f32(float *to, const float *from, int count) {
  if (count == 2) {
    stg_v2(to, make_uint2(__float_as_uint(from[0]), __float_as_uint(from[1])));
    return;
  }
  for (int k = 0; k < count; k += 4)
    stg_v4(to + k, make_uint4(__float_as_uint(from[k]), __float_as_uint(from[k + 1]), __float_as_uint(from[k + 2]), __float_as_uint(from[k + 3])));
}
#endif
