/* machine.c: see machine.h. */
#include "compiler/plan/machine.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/lang/keys.h"

#define TERA 1e12

/* NVIDIA's data sheets say of dense products: H100 SXM bf16 989, tf32 495, float32 67 TFLOP/s, 3.35 TB/s; A100 SXM 80 GB bf16 312, tf32 156,
 * float32 19.5 TFLOP/s, 2.04 TB/s. Large matrix products and copies reach four fifths of the arithmetic, and 3.0 and 1.65 TB/s.
 * fp32 is rgc's: three products of tf32 parts (docs/KERNELS.md), faster than both cards' float32 FMA. */
static const rgc_machine machines[] = {
    {.name = "h100", .target = "cuda-sm_90a", .fp32 = 400 * TERA / 3, .tf32 = 400 * TERA, .bf16 = 800 * TERA, .bandwidth = 3.0 * TERA},
    {.name = "a100", .target = "cuda-sm_80", .fp32 = 130 * TERA / 3, .tf32 = 130 * TERA, .bf16 = 260 * TERA, .bandwidth = 1.65 * TERA},
    {0}};

static const char *const words[] = {"name", "target", "fp32", "tf32", "bf16", "bandwidth"};
enum { WORDS = sizeof words / sizeof *words, GIGA = 1000000000 };

static bool check_keys(const rgc_yaml *map, rgc_diagnostics *diags) {
  int before = diags->error_count;
  for (int i = 0; i < map->count; i++) {
    const char *key = map->keys[i]->text;
    int known = 0;
    while (known < WORDS && strcmp(words[known], key)) known++;
    if (known == WORDS)
      rgc_report_word(diags, map->keys[i], RGC_CODE_UNKNOWN_KEY, rgc_arena_printf(diags->arena, "'%s' is not a key of a machine", key), key, words, WORDS);
    else if (map->items[i]->kind != RGC_YAML_SCALAR) rgc_yaml_error(diags, map->items[i], RGC_CODE_WRONG_TYPE, "'%s' cannot be %s", key, rgc_yaml_kind_word(map->items[i]));
  }
  return diags->error_count == before;
}

/* 0 where the key is missing. */
static double read_rate(const rgc_yaml *map, const char *key, rgc_diagnostics *diags) {
  const rgc_yaml *node = rgc_yaml_get(map, key);
  if (!node) return 0;
  char *end;
  double rate = strtod(node->text, &end);
  if (end != node->text && !*end && rate > 0 && rate - rate == 0) return rate * GIGA;
  rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "'%s' is no rate", node->text)->expected = !strcmp(key, "bandwidth") ? "GB/s, above 0" : "GFLOP/s, above 0";
  return 0;
}

static const rgc_machine *read_machine(const char *path, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_yaml *map = rgc_yaml_load(arena, path, diags), *name = rgc_yaml_get(map, "name"), *target = rgc_yaml_get(map, "target");
  int before = diags->error_count;
  if (!map) return NULL;
  if (map->kind != RGC_YAML_MAP) return rgc_yaml_error(diags, map, RGC_CODE_WRONG_TYPE, "a machine cannot be %s", rgc_yaml_kind_word(map)), NULL;
  if (!check_keys(map, diags)) return NULL;
  rgc_machine *machine = RGC_NEW(arena, rgc_machine);
  *machine = (rgc_machine){.name = name ? name->text : path, .target = target ? target->text : NULL, .fp32 = read_rate(map, "fp32", diags),
                           .tf32 = read_rate(map, "tf32", diags), .bf16 = read_rate(map, "bf16", diags), .bandwidth = read_rate(map, "bandwidth", diags)};
  if (!rgc_yaml_get(map, "bandwidth")) rgc_yaml_error(diags, map, RGC_CODE_MISSING_KEY, "'bandwidth' is missing in a machine")->expected = "bandwidth: GB/s from and to memory";
  return diags->error_count == before ? machine : NULL;
}

static bool is_file(const char *name) { return strchr(name, '.') || strchr(name, '/'); }

const rgc_machine *rgc_machine_find(const char *name, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_text list = {0};
  if (is_file(name)) return read_machine(name, arena, diags);
  for (const rgc_machine *machine = machines; machine->name; machine++) {
    if (!strcmp(machine->name, name)) return rgc_text_free(&list), machine;
    rgc_text_printf(&list, "%s, ", machine->name);
  }
  rgc_text_add(&list, "or a file of rates, as in {fp32: 20000, bandwidth: 900} (GFLOP/s, GB/s)");
  rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, rgc_text_take(&list, diags->arena), "there is no machine '%s'", name);
  return NULL;
}

double rgc_machine_flops(const rgc_machine *machine, const char *precision) {
  return !strcmp(precision, "bf16") ? machine->bf16 : !strcmp(precision, "tf32") ? machine->tf32 : machine->fp32;
}
