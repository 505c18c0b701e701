/* cublas_record.c: see cublas_record.h. */
#include "runtime/device/cublas_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/file.h"
#include "runtime/device/cache.h"

enum { FORMAT = 1, ALGORITHM_BYTES = sizeof(cublasLtMatmulAlgo_t) };

struct rgc_cublas_record {
  rgc_arena *arena;
  const char *path, *card;
  int version;
  json_t *products; /* by key: what is known; owned */
  json_t *added;    /* of them, what is not in the file yet; owned */
};

static bool is_of(const json_t *record, const char *card, int version) {
  const char *name = json_string_value(json_object_get(record, "card"));
  return name && !strcmp(name, card) && json_integer_value(json_object_get(record, "cublas")) == version && json_is_object(json_object_get(record, "products"));
}

/* The file's document, or a new one. */
static json_t *load(const char *path, rgc_diagnostics *diags) {
  json_error_t error;
  json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  bool good = all && json_integer_value(json_object_get(all, "format")) == FORMAT && json_is_array(json_object_get(all, "records"));
  if (good) return all;
  if (all || json_error_code(&error) != json_error_cannot_open_file)
    rgc_diag_add(diags, RGC_WARNING, RGC_CODE_DEVICE, (rgc_location){.file = rgc_arena_strdup(diags->arena, path)}, "the record of cuBLAS's algorithms cannot be read: %s",
                 all ? "it is of another format" : rgc_arena_strdup(diags->arena, error.text))
        ->help = "it is made anew, and results may differ in their last bits from those before";
  json_decref(all);
  return json_pack("{s:i, s:[]}", "format", FORMAT, "records");
}

/* The products of the card and version; NULL: there are none. */
static json_t *find_products(const json_t *all, const char *card, int version) {
  size_t i;
  json_t *record;
  json_array_foreach(json_object_get(all, "records"), i, record) if (is_of(record, card, version)) return json_object_get(record, "products");
  return NULL;
}

static void note_others(const rgc_cublas_record *record, const json_t *all, rgc_diagnostics *diags) {
  const json_t *other = json_array_get(json_object_get(all, "records"), 0);
  const char *card = json_string_value(json_object_get(other, "card"));
  int version = (int)json_integer_value(json_object_get(other, "cublas"));
  if (!card) return;
  rgc_diag_add(diags, RGC_NOTE, RGC_CODE_DEVICE, (rgc_location){0},
               "cuBLAS's algorithms were recorded for %s with cuBLAS %d.%d; for %s with cuBLAS %d.%d they are chosen anew", rgc_arena_strdup(diags->arena, card), version / 10000,
               version % 10000 / 100, record->card, record->version / 10000, record->version % 10000 / 100)
      ->help = "results may differ in their last bits from those there";
}

static const char *find_path(rgc_arena *arena, rgc_diagnostics *diags) {
  const char *chosen = getenv("RGC_CUBLAS_RECORD");
  rgc_cache cache;
  if (chosen && *chosen) return rgc_arena_strdup(arena, chosen);
  return rgc_cache_open(&cache, arena, diags) ? rgc_arena_printf(arena, "%s/cublas.json", cache.dir) : NULL;
}

rgc_cublas_record *rgc_cublas_record_open(const char *card, int version, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_cublas_record *record = RGC_NEW(arena, rgc_cublas_record);
  const char *path = find_path(arena, diags);
  if (!path) return rgc_arena_destroy(arena), NULL;
  *record = (rgc_cublas_record){.arena = arena, .path = path, .card = rgc_arena_strdup(arena, card), .version = version};
  json_t *all = load(record->path, diags), *found = find_products(all, card, version);
  if (!found) note_others(record, all, diags);
  record->products = found ? json_deep_copy(found) : json_object();
  record->added = json_object();
  json_decref(all);
  return record;
}

void rgc_cublas_record_close(rgc_cublas_record *record) {
  if (!record) return;
  json_decref(record->products);
  json_decref(record->added);
  rgc_arena_destroy(record->arena);
}

static void print_bytes(const cublasLtMatmulAlgo_t *algo, char text[2 * ALGORITHM_BYTES + 1]) {
  const unsigned char *bytes = (const unsigned char *)algo;
  for (int i = 0; i < ALGORITHM_BYTES; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool parse_bytes(const char *text, cublasLtMatmulAlgo_t *algo) {
  unsigned char *bytes = (unsigned char *)algo;
  if (!text || strlen(text) != 2 * ALGORITHM_BYTES || strspn(text, "0123456789abcdef") != 2 * ALGORITHM_BYTES) return false;
  for (int i = 0; i < ALGORITHM_BYTES; i++) {
    unsigned int byte;
    sscanf(text + 2 * i, "%2x", &byte);
    bytes[i] = (unsigned char)byte;
  }
  return true;
}

bool rgc_cublas_record_find(const rgc_cublas_record *record, const char *key, rgc_cublas_choice *choice) {
  const json_t *product = json_object_get(record->products, key);
  const char *by = json_string_value(json_object_get(product, "by"));
  if (!by) return false;
  *choice = (rgc_cublas_choice){.own = !strcmp(by, "rgc"), .seconds = 1e-6 * json_number_value(json_object_get(product, "microseconds")),
                                .own_seconds = 1e-6 * json_number_value(json_object_get(product, "own_microseconds"))};
  if (choice->own) return true;
  json_int_t bytes = json_integer_value(json_object_get(product, "workspace_bytes"));
  choice->workspace_bytes = (size_t)bytes;
  return bytes >= 0 && parse_bytes(json_string_value(json_object_get(product, "algorithm")), &choice->algo);
}

int rgc_cublas_algorithm_fact(const rgc_cublas *cublas, const cublasLtMatmulAlgo_t *algo, int attribute) {
  int value = 0;
  size_t written = 0;
  return cublas->cublasLtMatmulAlgoConfigGetAttribute(algo, attribute, &value, sizeof value, &written) || written != sizeof value ? -1 : value;
}

static json_t *describe(const rgc_cublas_choice *choice, const rgc_cublas *cublas) {
  char bytes[2 * ALGORITHM_BYTES + 1];
  json_t *product = json_pack("{s:s}", "by", choice->own ? "rgc" : "cuBLAS");
  if (!choice->own) {
    print_bytes(&choice->algo, bytes);
    json_object_set_new(product, "algorithm", json_string(bytes));
    json_object_set_new(product, "workspace_bytes", json_integer((json_int_t)choice->workspace_bytes));
    json_object_set_new(product, "id", json_integer(rgc_cublas_algorithm_fact(cublas, &choice->algo, CUBLASLT_ALGO_CONFIG_ID)));
    json_object_set_new(product, "tile", json_integer(rgc_cublas_algorithm_fact(cublas, &choice->algo, CUBLASLT_ALGO_CONFIG_TILE_ID)));
    json_object_set_new(product, "stages", json_integer(rgc_cublas_algorithm_fact(cublas, &choice->algo, CUBLASLT_ALGO_CONFIG_STAGES_ID)));
    json_object_set_new(product, "split_k", json_integer(rgc_cublas_algorithm_fact(cublas, &choice->algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM)));
    json_object_set_new(product, "reduction", json_integer(rgc_cublas_algorithm_fact(cublas, &choice->algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME)));
  }
  if (choice->seconds > 0) json_object_set_new(product, "microseconds", json_real(1e6 * choice->seconds));
  if (choice->own_seconds > 0) json_object_set_new(product, "own_microseconds", json_real(1e6 * choice->own_seconds));
  return product;
}

void rgc_cublas_record_set(rgc_cublas_record *record, const char *key, const rgc_cublas_choice *choice, const rgc_cublas *cublas) {
  json_t *product = describe(choice, cublas);
  json_object_set(record->products, key, product);
  json_object_set_new(record->added, key, product);
}

static bool write_document(const void *all, FILE *file) { return !json_dumpf(all, file, JSON_INDENT(1)) || (errno = EIO, false); }

/* Another process may have added to the file since. */
bool rgc_cublas_record_write(rgc_cublas_record *record, rgc_diagnostics *diags) {
  if (!json_object_size(record->added)) return true;
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics told; /* when the record was opened */
  rgc_diagnostics_init(&told, scratch);
  json_t *all = load(record->path, &told), *products = find_products(all, record->card, record->version);
  if (!products) {
    products = json_object();
    json_array_append_new(json_object_get(all, "records"), json_pack("{s:s, s:i, s:o}", "card", record->card, "cublas", record->version, "products", products));
  }
  json_object_update(products, record->added);
  json_object_clear(record->added);
  bool good = rgc_replace_file(record->path, write_document, all, diags);
  json_decref(all);
  rgc_arena_destroy(scratch);
  return good;
}
