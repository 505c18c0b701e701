/* plan_text.c: see plan_text.h.
 *
 *   program train cpu-avx512 fp32 32           kind, target, precision, batch
 *   parts 2                                    micro-batches of a step; left out where it is one
 *   region param 1078976                       bytes; param, state, folded, act
 *   region state 2157888
 *   region folded 64
 *   region act 29360192
 *   peak 57 29360128 1 2 3 4 5 6               op, bytes, and the bytes of each part (memory.h)
 *   ledger conv1: bn1 fused into its epilogue  any number of lines
 *   place %input act 0 393216                  one line a value, in the order of ids: region, offset, size
 *   graph "cifar_resnet20" batch 32            to the end: the kernel graph (graph_print.c)
 *
 * The reader takes lines in this order. In the end it prints what it read and compares, so a program has one text. */
#include "compiler/plan/plan_text.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/graph/graph_text.h"

static const char *const region_words[] = {[RGC_REGION_PARAM] = "param", [RGC_REGION_STATE] = "state", [RGC_REGION_FOLDED] = "folded",
                                            [RGC_REGION_ACT] = "act"};
_Static_assert(sizeof region_words / sizeof *region_words == RGC_REGION_COUNT, "each region has a word");
static const char *const kind_words[RGC_PROGRAM_KIND_COUNT] = {
#define X(id, word, about) word,
    RGC_PROGRAM_KINDS(X)
#undef X
};

bool rgc_plan_is_name(const char *text) { return rgc_is_name(text) && strlen(text) <= RGC_PLAN_MAX_NAME; }

char *rgc_program_key(const rgc_program *p, rgc_arena *arena) {
  return rgc_arena_printf(arena, "program.%s.%s.%s.%" PRId64, kind_words[p->kind], p->target, p->precision, p->batch);
}

static void print_ledger(const char *ledger, rgc_text *out) {
  while (*ledger) {
    size_t length = strcspn(ledger, "\n");
    rgc_text_add(out, "ledger ");
    rgc_text_add_bytes(out, ledger, length);
    rgc_text_add(out, "\n");
    ledger += length + (ledger[length] == '\n');
  }
}

void rgc_program_print(const rgc_program *p, rgc_text *out) {
  const rgc_memory_plan *memory = p->memory;
  rgc_text_printf(out, "program %s %s %s %" PRId64 "\n", kind_words[p->kind], p->target, p->precision, p->batch);
  if (p->parts != 1) rgc_text_printf(out, "parts %" PRId64 "\n", p->parts);
  for (int r = 0; r < RGC_REGION_COUNT; r++) rgc_text_printf(out, "region %s %" PRId64 "\n", region_words[r], memory->region_bytes[r]);
  rgc_text_printf(out, "peak %d %" PRId64, memory->peak.op, memory->peak.bytes);
  for (int k = 0; k < RGC_PART_COUNT; k++) rgc_text_printf(out, " %" PRId64, memory->peak.part_bytes[k]);
  rgc_text_add(out, "\n");
  print_ledger(p->ledger, out);
  for (int v = 0; v < memory->place_count; v++) {
    rgc_text_printf(out, "place %%%s %s ", p->graph->values[v].name, region_words[memory->places[v].region]);
    rgc_text_add_int(out, memory->places[v].offset_bytes);
    rgc_text_add(out, " ");
    rgc_text_add_int(out, memory->places[v].size_bytes);
    rgc_text_add(out, "\n");
  }
  rgc_graph_print(p->graph, out);
}

/* The reader. */

typedef struct reader {
  rgc_arena *arena;
  const char *name, *at;
  int line; /* of `at` */
  rgc_diagnostics *diags;
  const char **places; /* [place_count]: names, in order */
  int place_name_count, place_name_capacity, place_capacity;
} reader;

static bool fail(const reader *r, const char *what) {
  rgc_diagnostic *d = rgc_diag_add(r->diags, RGC_ERROR, RGC_CODE_PLAN_FORMAT, (rgc_location){.file = r->name},
                                   "a program's text, line %d: %s", r->line, what);
  d->source_line = rgc_arena_strndup(r->diags->arena, r->at, strcspn(r->at, "\n"));
  return false;
}

/* Steps over `token` if it stands here. */
static bool accept(reader *r, const char *token) {
  size_t length = strlen(token);
  if (strncmp(r->at, token, length)) return false;
  r->at += length;
  return true;
}

/* Up to the next blank or end of line, one of which must follow and is stepped over. */
static const char *word(reader *r, char after) {
  size_t length = strcspn(r->at, " \n");
  if (!length || r->at[length] != after) return NULL;
  const char *chars = rgc_arena_strndup(r->arena, r->at, length);
  r->at += length + 1;
  r->line += after == '\n';
  return chars;
}

static bool name(reader *r, char after, const char **result) {
  *result = word(r, after);
  return rgc_plan_is_name(*result) || fail(r, "a name is missing");
}

static bool one_of(reader *r, const char *const *words, int count, int *result) {
  const char *got = word(r, ' ');
  for (int i = 0; got && i < count; i++)
    if (!strcmp(got, words[i])) {
      *result = i;
      return true;
    }
  return fail(r, "an unknown word");
}

static bool number(reader *r, char after, int64_t *result) {
  const char *got = word(r, after);
  bool negative = got && *got == '-';
  *result = 0;
  if (!got || !got[negative]) return fail(r, "a number is missing");
  for (const char *p = got + negative; *p; p++)
    if (*p < '0' || *p > '9' || __builtin_mul_overflow(*result, 10, result) || __builtin_add_overflow(*result, *p - '0', result))
      return fail(r, "this is no number");
  if (negative) *result = -*result;
  return true;
}

static bool read_header(reader *r, rgc_program *p) {
  int kind = 0;
  if (!accept(r, "program ")) return fail(r, "'program' is missing");
  bool ok = one_of(r, kind_words, RGC_PROGRAM_KIND_COUNT, &kind) && name(r, ' ', &p->target) && name(r, ' ', &p->precision) &&
            number(r, '\n', &p->batch);
  p->kind = (rgc_program_kind)kind;
  p->parts = 1;
  return ok && (!accept(r, "parts ") || number(r, '\n', &p->parts));
}

static bool read_regions(reader *r, rgc_memory_plan *memory) {
  for (int i = 0; i < RGC_REGION_COUNT; i++)
    if (!accept(r, "region ") || !accept(r, region_words[i]) || !accept(r, " ")) return fail(r, "'region' is missing");
    else if (!number(r, '\n', &memory->region_bytes[i])) return false;
  return true;
}

static bool read_peak(reader *r, rgc_memory_peak *peak) {
  int64_t op;
  if (!accept(r, "peak ")) return fail(r, "'peak' is missing");
  if (!number(r, ' ', &op) || !number(r, ' ', &peak->bytes)) return false;
  for (int k = 0; k < RGC_PART_COUNT; k++)
    if (!number(r, k == RGC_PART_COUNT - 1 ? '\n' : ' ', &peak->part_bytes[k])) return false;
  peak->op = (int)op;
  return (op >= -1 && op == peak->op) || fail(r, "the peak's op is out of range");
}

static void read_ledger(reader *r, rgc_program *p) {
  rgc_text text = {0};
  while (accept(r, "ledger ")) {
    size_t length = strcspn(r->at, "\n");
    rgc_text_add_bytes(&text, r->at, length + (r->at[length] == '\n'));
    r->at += length + (r->at[length] == '\n');
    r->line++;
  }
  p->ledger = rgc_text_take(&text, r->arena);
}

static bool read_places(reader *r, rgc_memory_plan *memory) {
  while (accept(r, "place %")) {
    const char *value = word(r, ' ');
    rgc_place place = {0};
    int region = 0;
    if (!value) return fail(r, "a value's name is missing");
    if (!one_of(r, region_words, RGC_REGION_COUNT, &region) || !number(r, ' ', &place.offset_bytes) || !number(r, '\n', &place.size_bytes))
      return false;
    place.region = (rgc_region)region;
    *RGC_PUSH(r->arena, memory->places, memory->place_count, r->place_capacity) = place;
    *RGC_PUSH(r->arena, r->places, r->place_name_count, r->place_name_capacity) = value;
  }
  return true;
}

/* Each place is that of the value of its number. */
static bool match_places(const reader *r, const rgc_program *p) {
  if (p->memory->place_count != p->graph->value_count) return fail(r, "there is not one place for each value");
  for (int v = 0; v < p->graph->value_count; v++)
    if (strcmp(r->places[v], p->graph->values[v].name)) return fail(r, "the places are not in the order of the values");
  return true;
}

static bool same_text(rgc_text *printed, const char *text) {
  bool same = !strcmp(rgc_text_chars(printed), text);
  rgc_text_free(printed);
  return same;
}

rgc_graph *rgc_plan_graph(rgc_arena *arena, const char *text, const char *name, const char *what, rgc_diagnostics *diags) {
  rgc_graph *graph = rgc_graph_parse(arena, text, name, diags);
  rgc_text printed = {0};
  if (!graph) return NULL;
  rgc_graph_print(graph, &printed);
  if (same_text(&printed, text)) return graph;
  rgc_diag_fail(diags, RGC_CODE_PLAN_FORMAT, name, NULL, "%s: the graph's text is not as rgc prints it", what);
  return NULL;
}

bool rgc_program_parse(rgc_arena *arena, const char *text, const char *name, rgc_diagnostics *diags, rgc_program *p) {
  reader r = {.arena = arena, .name = name, .at = text, .line = 1, .diags = diags};
  *p = (rgc_program){.memory = RGC_NEW(arena, rgc_memory_plan)};
  if (!read_header(&r, p) || !read_regions(&r, p->memory) || !read_peak(&r, &p->memory->peak)) return false;
  read_ledger(&r, p);
  if (!read_places(&r, p->memory)) return false;
  p->graph = rgc_plan_graph(arena, r.at, name, "a program", diags);
  if (!p->graph || !match_places(&r, p)) return false;
  rgc_text printed = {0};
  rgc_program_print(p, &printed);
  return same_text(&printed, text) || fail(&r, "the text is not as rgc prints it");
}
