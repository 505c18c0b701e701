/* function.c: see function.h. */
#include "codegen/function.h"

#include <string.h>
#include <xxhash.h>

enum { MOST_SERVED = 12 }; /* layers named in a comment */

/* The text with every @ replaced by the name. */
static char *with_name(const char *text, const char *name, rgc_arena *arena) {
  rgc_text out = {0};
  for (const char *at = text; *at;) {
    size_t length = strcspn(at, "@");
    rgc_text_add_bytes(&out, at, length);
    at += length;
    if (*at) rgc_text_add(&out, name), at++;
  }
  return rgc_text_take(&out, arena);
}

static int find_function(const rgc_function *functions, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (!strcmp(functions[i].name, name)) return i;
  return -1;
}

static void note_layer(rgc_function *function, const rgc_op *op) {
  if (++function->serve_count > MOST_SERVED) return;
  rgc_text_printf(&function->serves, "%s%s %s%s", function->serve_count > 1 ? ", " : "", op->layer && *op->layer ? op->layer : "-",
                  op->word ? op->word : "", op->backward ? " backward" : "");
  if (op->line) rgc_text_printf(&function->serves, " (line %d)", op->line);
}

int rgc_function_intern(rgc_function **functions, int *count, int *capacity, const rgc_text *text, const rgc_op *op, bool heavy, rgc_arena *arena) {
  XXH128_hash_t hash = XXH3_128bits(text->chars, text->length);
  char *name = rgc_arena_printf(arena, "k%016llx", (unsigned long long)(hash.low64 ^ hash.high64));
  int found = find_function(*functions, *count, name);
  if (found < 0) {
    found = *count;
    rgc_function *made = RGC_PUSH(arena, *functions, *count, *capacity);
    *made = (rgc_function){.name = name, .text = with_name(text->chars, name, arena), .heavy = heavy};
  }
  note_layer(&(*functions)[found], op);
  return found;
}

void rgc_functions_finish(rgc_function *functions, int count, rgc_arena *arena) {
  for (int i = 0; i < count; i++) {
    rgc_function *f = &functions[i];
    if (f->serve_count > MOST_SERVED) rgc_text_printf(&f->serves, ", and %d more", f->serve_count - MOST_SERVED);
    f->comment = rgc_text_take(&f->serves, arena);
  }
}

/* A layer a line. */
void rgc_function_print(const rgc_function *function, rgc_text *out) {
  rgc_text_add(out, "/* Serves: ");
  for (const char *at = function->comment, *end; *at; at = end) {
    end = strstr(at, ", ");
    end = end ? end + 2 : at + strlen(at);
    rgc_text_printf(out, "%.*s%s", (int)(end - at) - (*end ? 1 : 0), at, *end ? "\n *   " : "");
  }
  if (function->arguments) rgc_text_printf(out, "\n * In the first of them:\n%s", function->arguments);
  rgc_text_printf(out, " */\n%s\n", function->text);
}
