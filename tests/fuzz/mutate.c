/* mutate.c: an input of the corpus, changed a few times. Changes know lines, words and numbers, so that many inputs get past the
 * first line of a parser; flipped bytes and spliced ranges do the rest. Nothing here depends on anything but the seed. */
#include <ctype.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

typedef struct mutation {
  uint64_t state; /* of splitmix64 */
  fuzz_input *input;
  const fuzz_corpus *corpus;
  const char *tokens[FUZZ_MAX_TOKENS];
  int token_count;
} mutation;

typedef struct range {
  size_t begin, length;
} range;

static uint64_t next(mutation *m) {
  uint64_t z = m->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* From 0 to limit - 1; 0 when limit is 0. */
static size_t below(mutation *m, size_t limit) { return limit ? next(m) % limit : 0; }

/* The bytes of `at` become `text`; left as it is when there is no room. */
static void replace(fuzz_input *input, range at, const void *text, size_t length) {
  if (input->size - at.length + length > FUZZ_MAX_BYTES) return;
  unsigned char *place = input->bytes + at.begin;
  memmove(place + length, place + at.length, input->size - at.begin - at.length);
  memcpy(place, text, length);
  input->size += length - at.length;
}

static const fuzz_input *other(mutation *m) { return &m->corpus->items[below(m, (size_t)m->corpus->count)]; }

static range some_range(mutation *m, const fuzz_input *input, size_t longest) {
  size_t begin = below(m, input->size + 1), left = input->size - begin;
  size_t length = left ? 1 + below(m, left < longest ? left : longest) : 0;
  return (range){begin, length};
}

static range some_line(mutation *m, const fuzz_input *input) {
  size_t begin = below(m, input->size + 1), end = begin;
  while (begin > 0 && input->bytes[begin - 1] != '\n') begin--;
  while (end < input->size && input->bytes[end] != '\n') end++;
  return (range){begin, end - begin + (end < input->size)};
}

static bool is_word(unsigned char c) { return isalnum(c) || c == '_' || c == '.' || c == '-'; }
static bool is_digit(unsigned char c) { return isdigit(c) || c == '.'; }

/* The next run of such characters behind a place; empty if there is none. */
static range some_run(mutation *m, bool (*is)(unsigned char)) {
  const fuzz_input *input = m->input;
  size_t begin = below(m, input->size + 1);
  while (begin < input->size && !is(input->bytes[begin])) begin++;
  while (begin > 0 && begin < input->size && is(input->bytes[begin - 1])) begin--;
  size_t end = begin;
  while (end < input->size && is(input->bytes[end])) end++;
  return (range){begin, end - begin};
}

static void flip_bit(mutation *m) {
  if (m->input->size) m->input->bytes[below(m, m->input->size)] ^= (unsigned char)(1 << below(m, 8));
}

static void set_byte(mutation *m) {
  static const unsigned char bytes[] = {0, 9, 10, 13, 32, 127, 128, 255, '"', '\'', '{', '}', '[', ']', ':', '&', '*', '%', ',', '#', '-'};
  if (m->input->size) m->input->bytes[below(m, m->input->size)] = bytes[below(m, sizeof bytes)];
}

static void put_token(mutation *m, range at) {
  if (!m->token_count) return;
  const char *token = m->tokens[below(m, (size_t)m->token_count)];
  replace(m->input, at, token, strlen(token));
}

static void replace_word(mutation *m) { put_token(m, some_run(m, is_word)); }
static void insert_token(mutation *m) { put_token(m, (range){below(m, m->input->size + 1), 0}); }

static void replace_number(mutation *m) {
  static const char *const numbers[] = {"0", "1", "2", "3", "-1", "7", "0.5", "64", "255", "4096", "16384", "65536", "16777216",
                                        "2147483647", "2147483648", "4294967296", "99999999999", "9223372036854775807",
                                        "-9223372036854775808", "1e308", "1e-320", "nan", "inf", "1e999"};
  range at = some_run(m, is_digit);
  const char *number = numbers[below(m, sizeof numbers / sizeof *numbers)];
  if (at.length) replace(m->input, at, number, strlen(number));
}

static void remove_line(mutation *m) { replace(m->input, some_line(m, m->input), "", 0); }
static void remove_range(mutation *m) { replace(m->input, some_range(m, m->input, 32), "", 0); }

/* Copies `from` of `source` to the beginning of a line (or anywhere). */
static void copy_to(mutation *m, const fuzz_input *source, range from, size_t place) {
  unsigned char copy[FUZZ_MAX_BYTES];
  memcpy(copy, source->bytes + from.begin, from.length);
  replace(m->input, (range){place, 0}, copy, from.length);
}

static void repeat_line(mutation *m) {
  range line = some_line(m, m->input);
  copy_to(m, m->input, line, line.begin);
}
static void move_line(mutation *m) { copy_to(m, m->input, some_line(m, m->input), some_line(m, m->input).begin); }
static void take_line(mutation *m) {
  const fuzz_input *source = other(m);
  copy_to(m, source, some_line(m, source), some_line(m, m->input).begin);
}
static void take_range(mutation *m) {
  const fuzz_input *source = other(m);
  copy_to(m, source, some_range(m, source, 256), below(m, m->input->size + 1));
}

/* The beginning of this, the end of another. */
static void cross(mutation *m) {
  const fuzz_input *source = other(m);
  size_t begin = some_line(m, m->input).begin, from = some_line(m, source).begin;
  if (begin + source->size - from > FUZZ_MAX_BYTES) return;
  memcpy(m->input->bytes + begin, source->bytes + from, source->size - from);
  m->input->size = begin + source->size - from;
}

static void cut(mutation *m) {
  if (below(m, 4) == 0) m->input->size = below(m, m->input->size + 1);
}

static void (*const changes[])(mutation *) = {flip_bit,     set_byte,    replace_word, replace_word, insert_token, replace_number, replace_number,
                                              remove_line, remove_range, repeat_line,  move_line,    take_line,    take_range,     cross, cut};
enum { CHANGES = sizeof changes / sizeof *changes, MOST_CHANGES = 6 };

void fuzz_make_input(const fuzz_target *target, const fuzz_corpus *corpus, uint64_t seed, uint64_t index, fuzz_input *input) {
  mutation m = {.state = seed ^ (index * 0xd1342543de82ef95u), .input = input, .corpus = corpus};
  bool as_it_is = index < (uint64_t)corpus->count;
  const fuzz_input *from = as_it_is ? &corpus->items[index] : other(&m);
  memcpy(input->bytes, from->bytes, from->size);
  input->size = from->size;
  if (!as_it_is) {
    m.token_count = target->tokens(m.tokens, FUZZ_MAX_TOKENS);
    size_t count = 1 + below(&m, below(&m, 2) ? MOST_CHANGES : 2);
    for (size_t i = 0; i < count; i++) changes[below(&m, CHANGES)](&m);
    if (target->repair && below(&m, 4)) target->repair(input);
  }
  input->bytes[input->size] = 0;
}
