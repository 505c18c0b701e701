/* protobuf.c: see protobuf.h. */
#include "runtime/import/protobuf.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { FIRST_BYTES = 64, MAX_FIELD = (1 << 29) - 1 };

/* ---- writing ---- */

static void add(rgc_proto *m, const void *bytes, size_t count) {
  if (!count) return;
  if (m->own_bytes + count > m->own_capacity) {
    m->own_capacity = (m->own_bytes + count) * 2 + FIRST_BYTES;
    char *larger = rgc_arena_alloc(m->arena, m->own_capacity);
    if (m->own_bytes) memcpy(larger, m->own, m->own_bytes);
    m->own = larger;
  }
  memcpy(m->own + m->own_bytes, bytes, count);
  m->own_bytes += count;
}

static void add_varint(rgc_proto *m, uint64_t number) {
  unsigned char bytes[10];
  size_t count = 0;
  do {
    bytes[count++] = (unsigned char)((number & 127) | (number > 127 ? 128 : 0));
    number >>= 7;
  } while (number);
  add(m, bytes, count);
}

static void add_tag(rgc_proto *m, int field, int wire) { add_varint(m, (uint64_t)field << 3 | (uint64_t)wire); }

void rgc_proto_number(rgc_proto *message, int field, uint64_t number) {
  add_tag(message, field, VARINT);
  add_varint(message, number);
}

void rgc_proto_float(rgc_proto *message, int field, float number) {
  add_tag(message, field, FIXED32);
  add(message, &number, sizeof number);
}

void rgc_proto_text(rgc_proto *message, int field, const char *text) {
  add_tag(message, field, BYTES);
  add_varint(message, strlen(text));
  add(message, text, strlen(text));
}

static void add_loan(rgc_proto *m, size_t at, const void *data, size_t size_bytes) {
  *RGC_PUSH(m->arena, m->loans, m->loan_count, m->loan_capacity) = (rgc_proto_loan){at, data, size_bytes};
  m->lent_bytes += size_bytes;
}

void rgc_proto_lend(rgc_proto *message, int field, const void *data, size_t size_bytes) {
  add_tag(message, field, BYTES);
  add_varint(message, size_bytes);
  add_loan(message, message->own_bytes, data, size_bytes);
}

void rgc_proto_append(rgc_proto *message, const rgc_proto *more) {
  size_t before = message->own_bytes;
  add(message, more->own, more->own_bytes);
  for (int i = 0; i < more->loan_count; i++) add_loan(message, before + more->loans[i].at, more->loans[i].data, more->loans[i].size_bytes);
}

void rgc_proto_message(rgc_proto *message, int field, const rgc_proto *inner) {
  add_tag(message, field, BYTES);
  add_varint(message, rgc_proto_size(inner));
  rgc_proto_append(message, inner);
}

uint64_t rgc_proto_size(const rgc_proto *message) { return message->own_bytes + message->lent_bytes; }

bool rgc_proto_write(const rgc_proto *message, FILE *file) {
  size_t done = 0;
  for (int i = 0; i <= message->loan_count; i++) {
    const rgc_proto_loan *loan = i < message->loan_count ? &message->loans[i] : NULL;
    size_t own = (loan ? loan->at : message->own_bytes) - done;
    if (own && fwrite(message->own + done, 1, own, file) != own) return false;
    if (loan && loan->size_bytes && fwrite(loan->data, 1, loan->size_bytes, file) != loan->size_bytes) return false;
    done += own;
  }
  return true;
}

/* ---- reading ---- */

bool rgc_proto_varint(rgc_proto_span *span, uint64_t *number) {
  *number = 0;
  for (int shift = 0; shift < 64 && span->at < span->end; shift += 7) {
    unsigned char byte = *span->at++;
    if (shift == 63 && byte > 1) return false; /* more than 64 bits */
    *number |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

static bool read_fixed(rgc_proto_span *span, int bytes, uint64_t *number) {
  if (span->end - span->at < bytes) return false;
  *number = 0;
  for (int i = 0; i < bytes; i++) *number |= (uint64_t)*span->at++ << (8 * i);
  return true;
}

static bool read_bytes(rgc_proto_span *span, rgc_proto_span *inner) {
  uint64_t length;
  if (!rgc_proto_varint(span, &length) || length > (uint64_t)(span->end - span->at)) return false;
  *inner = (rgc_proto_span){span->at, span->at + length};
  span->at += length;
  return true;
}

int rgc_proto_next(rgc_proto_span *span, rgc_proto_field *field) {
  uint64_t tag;
  if (span->at == span->end) return 0;
  *field = (rgc_proto_field){0};
  if (!rgc_proto_varint(span, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD) return -1;
  field->number = (int)(tag >> 3);
  field->wire = (int)(tag & 7);
  switch (field->wire) {
    case VARINT: return rgc_proto_varint(span, &field->value) ? 1 : -1;
    case FIXED64: return read_fixed(span, 8, &field->value) ? 1 : -1;
    case FIXED32: return read_fixed(span, 4, &field->value) ? 1 : -1;
    case BYTES: return read_bytes(span, &field->span) ? 1 : -1;
    default: return -1; /* groups, which no writer of ONNX makes */
  }
}
