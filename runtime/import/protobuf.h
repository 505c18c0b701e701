/* protobuf.h: the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), as far as ONNX needs it.
 *
 *   message  = field*            field = tag value            tag = varint of number << 3 | wire type
 *   wire 0   varint: 7 bits a byte, the lowest first, the top bit says that more follow      wire 1, 5   8 or 4 bytes, little-endian
 *   wire 2   varint length, then so many bytes: a text, raw bytes, an inner message, or numbers one behind the other (packed)
 * Why not a library: one needs ONNX's schema turned into code, which Debian does not package for C, to write 40 of its fields; and
 * libprotobuf-c copies all weights into messages, and those into a buffer, where here they are written from where they lie. */
#ifndef RGC_IMPORT_PROTOBUF_H
#define RGC_IMPORT_PROTOBUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler/base/arena.h"

/* ---- writing ---- */

/* Bytes that a message holds but does not own; they follow its first `at` own bytes. */
typedef struct rgc_proto_loan {
  size_t at;
  const void *data;
  size_t size_bytes;
} rgc_proto_loan;

/* A message being written. Start with {.arena = arena}. */
typedef struct rgc_proto {
  rgc_arena *arena;
  char *own;
  size_t own_bytes, own_capacity;
  rgc_proto_loan *loans;
  int loan_count, loan_capacity;
  uint64_t lent_bytes; /* of all loans */
} rgc_proto;

void rgc_proto_number(rgc_proto *message, int field, uint64_t number); /* int64 and enum, too: as two's complement */
void rgc_proto_float(rgc_proto *message, int field, float number);
void rgc_proto_text(rgc_proto *message, int field, const char *text);
/* `data` must stay until the message was written to its file. */
void rgc_proto_lend(rgc_proto *message, int field, const void *data, size_t size_bytes);
void rgc_proto_message(rgc_proto *message, int field, const rgc_proto *inner);
/* The fields of `more` behind those of `message`. */
void rgc_proto_append(rgc_proto *message, const rgc_proto *more);
uint64_t rgc_proto_size(const rgc_proto *message);
bool rgc_proto_write(const rgc_proto *message, FILE *file);

/* ---- reading ---- */

typedef struct rgc_proto_span {
  const unsigned char *at, *end;
} rgc_proto_span;

typedef struct rgc_proto_field {
  int number, wire;
  uint64_t value;      /* wire 0, 1, 5 */
  rgc_proto_span span; /* wire 2 */
} rgc_proto_field;

/* Takes the next field off the front of `span`: 1; at its end: 0; where the bytes are no field, or reach beyond the end: -1. */
int rgc_proto_next(rgc_proto_span *span, rgc_proto_field *field);
/* Takes a varint off the front; false where there is none. */
bool rgc_proto_varint(rgc_proto_span *span, uint64_t *number);
#endif
