/* torch_file.c: see torch_file.h. */
#include "runtime/import/torch_file.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "runtime/import/pickle.h"

enum { MAX_ENTRIES = 1 << 14, MAX_DEPTH = 4, MAX_KEYS = 8, FIRST_ITEMS = 16 };
static const char legacy_magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"; /* LONG1, 10 bytes */
enum { FRAME_BYTES = 9 }; /* before it in protocol 4 and later */

/* One storage: its bytes, and which of its elements a tensor has taken. */
typedef struct storage {
  const char *key;
  unsigned char *data;
  uint64_t size_bytes;
  const rgc_pickle *seen; /* the first reference to it: later ones must agree */
  unsigned char *taken;   /* a bit an element; NULL until used */
} storage;

typedef struct reader {
  rgc_arena *arena;
  const unsigned char *bytes;
  size_t size_bytes;
  const char *path;
  rgc_diagnostics *diags;
  storage *storages;
  int storage_count, storage_capacity;
  rgc_pickle references; /* LIST of all STORAGEs of the pickles */
  bool big_endian;
  rgc_tensor_file *file;
  const rgc_pickle **views; /* [tensor_count]: what each tensor was made of */
  int view_capacity;
} reader;

static bool fault(const reader *r, const char *what, const char *name) {
  return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, "fetch or write the file again", "%s%s%s", what, name ? ": " : "",
                       name ? name : "");
}

static void note(const reader *r, const char *text) {
  rgc_tensor_file *f = r->file;
  *RGC_PUSH(r->arena, f->metadata, f->metadata_count, f->metadata_capacity) = (rgc_metadata){"note", text};
}

bool rgc_torch_is_file(const void *bytes, size_t size_bytes) {
  const unsigned char *b = bytes;
  if (size_bytes <= 2 + FRAME_BYTES + 12) return false;
  return !memcmp(b, "PK\3\4", 4) || (b[0] == 0x80 && !memcmp(b + 2 + (b[2] == 0x95 ? FRAME_BYTES : 0), legacy_magic, 12));
}

/* ---- zip ---- */

/* The bytes of an entry, in the arena; NULL with an error. `left` bounds all entries together by the file's length. */
static unsigned char *read_entry(const reader *r, zip_t *zip, zip_uint64_t index, uint64_t *left, uint64_t *size_bytes) {
  zip_stat_t stat;
  if (zip_stat_index(zip, index, 0, &stat)) return fault(r, "an entry of the zip cannot be found", NULL), NULL;
  if (stat.comp_method != ZIP_CM_STORE || stat.encryption_method != ZIP_EM_NONE)
    return fault(r, "an entry is compressed or encrypted, which torch.save never does", stat.name), NULL;
  if (stat.size != stat.comp_size || stat.size > *left) return fault(r, "an entry lies about its size", stat.name), NULL;
  *left -= stat.size;
  *size_bytes = stat.size;
  unsigned char *data = rgc_arena_alloc(r->arena, stat.size + 1);
  zip_file_t *entry = zip_fopen_index(zip, index, 0);
  bool good = entry && zip_fread(entry, data, stat.size) == (zip_int64_t)stat.size && !zip_fread(entry, data + stat.size, 1);
  good = good && !zip_error_code_zip(zip_file_get_error(entry));
  if (entry) zip_fclose(entry);
  if (!good) fault(r, "an entry is damaged (truncated, or its checksum is wrong)", stat.name);
  return good ? data : NULL;
}

/* What follows "STEM/" in a name; NULL where there is no slash. */
static const char *behind_stem(const char *name) {
  const char *slash = strchr(name, '/');
  return slash ? slash + 1 : NULL;
}

static bool read_entries(reader *r, zip_t *zip, unsigned char **pickle, uint64_t *pickle_bytes) {
  zip_int64_t count = zip_get_num_entries(zip, 0);
  uint64_t left = r->size_bytes, size;
  if (count > MAX_ENTRIES) return fault(r, "the zip has too many entries", NULL);
  for (zip_int64_t i = 0; i < count; i++) {
    const char *name = zip_get_name(zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW), *rest = name ? behind_stem(name) : NULL;
    bool is_pickle = rest && !strcmp(rest, "data.pkl"), is_order = rest && !strcmp(rest, "byteorder");
    bool is_storage = rest && !strncmp(rest, "data/", 5);
    if (!is_pickle && !is_order && !is_storage) continue;
    unsigned char *data = read_entry(r, zip, (zip_uint64_t)i, &left, &size);
    if (!data) return false;
    if (is_pickle) *pickle = data, *pickle_bytes = size;
    if (is_order) r->big_endian = size == 3 && !memcmp(data, "big", 3);
    if (is_storage)
      *RGC_PUSH(r->arena, r->storages, r->storage_count, r->storage_capacity) =
          (storage){.key = rgc_arena_strdup(r->arena, rest + 5), .data = data, .size_bytes = size};
  }
  return *pickle || fault(r, "the zip holds no data.pkl: it is no file of torch.save", NULL);
}

static rgc_pickle *read_zip(reader *r) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(r->bytes, r->size_bytes, 0, &error);
  zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
  unsigned char *pickle = NULL;
  uint64_t pickle_bytes = 0;
  size_t used;
  bool good = zip ? read_entries(r, zip, &pickle, &pickle_bytes) : fault(r, "the zip is truncated or damaged", zip_error_strerror(&error));
  if (zip) zip_discard(zip);
  else if (source) zip_source_free(source);
  zip_error_fini(&error);
  return good ? rgc_pickle_parse(r->arena, pickle, pickle_bytes, &used, &r->references, r->path, r->diags) : NULL;
}

/* ---- legacy ---- */

static rgc_pickle *next_pickle(reader *r, size_t *at) {
  size_t used = 0;
  rgc_pickle *v = rgc_pickle_parse(r->arena, r->bytes + *at, r->size_bytes - *at, &used, &r->references, r->path, r->diags);
  *at += used;
  return v;
}

static int by_text(const void *a, const void *b) {
  return strcmp((*(rgc_pickle *const *)a)->text, (*(rgc_pickle *const *)b)->text);
}

/* Bytes of an element of the storage called `key`, as the object's references (sorted) say; 0: it has none. */
static size_t elem_bytes_of(const reader *r, const char *key) {
  rgc_pickle wanted = {.text = key}, *at = &wanted;
  rgc_pickle **found = r->references.count ? bsearch(&at, r->references.items, (size_t)r->references.count, sizeof at, by_text) : NULL;
  return !found ? 0 : (*found)->untyped ? 1 : rgc_tensor_elem_bytes((*found)->dtype);
}

static bool read_storages(reader *r, const rgc_pickle *keys, size_t at) {
  if (r->references.count) qsort(r->references.items, (size_t)r->references.count, sizeof *r->references.items, by_text);
  if (keys->kind != RGC_PICKLE_LIST || keys->count > MAX_ENTRIES) return fault(r, "the list of storages is none", NULL);
  for (int i = 0; i < keys->count; i++) {
    const char *key = keys->items[i]->kind == RGC_PICKLE_TEXT ? keys->items[i]->text : NULL;
    size_t elem = key ? elem_bytes_of(r, key) : 0;
    uint64_t count = 0;
    if (!key) return fault(r, "the list of storages is none", NULL);
    if (!elem) return fault(r, "a storage that no tensor uses, so that its type is not known", key);
    if (r->size_bytes - at < 8) return fault(r, "the file is truncated: it ends before storage", key);
    for (int b = 0; b < 8; b++) count |= (uint64_t)r->bytes[at + (size_t)b] << (8 * (r->big_endian ? 7 - b : b));
    at += 8;
    if (count > (r->size_bytes - at) / elem) return fault(r, "the file is truncated: it ends in storage", key);
    unsigned char *data = rgc_arena_alloc(r->arena, count * elem + 1);
    memcpy(data, r->bytes + at, count * elem);
    at += count * elem;
    *RGC_PUSH(r->arena, r->storages, r->storage_count, r->storage_capacity) = (storage){.key = key, .data = data, .size_bytes = count * elem};
  }
  return true;
}

static rgc_pickle *read_legacy(reader *r) {
  size_t at = 0;
  rgc_pickle *parts[5]; /* magic, version, system, object, keys */
  for (int i = 0; i < 5; i++)
    if (!(parts[i] = next_pickle(r, &at))) return NULL;
  if (parts[1]->kind != RGC_PICKLE_INT || parts[1]->integer != 1001) return fault(r, "a version of PyTorch's files that is not 1001", NULL), NULL;
  const rgc_pickle *little = rgc_pickle_get(parts[2], "little_endian");
  r->big_endian = little && little->kind == RGC_PICKLE_BOOL && !little->integer;
  return read_storages(r, parts[4], at) ? parts[3] : NULL;
}

/* ---- tensors ---- */

static int by_key(const void *a, const void *b) { return strcmp(((const storage *)a)->key, ((const storage *)b)->key); }

/* Sorted, so that each reference finds its storage fast; no key twice. */
static bool sort_storages(reader *r) {
  if (r->storage_count) qsort(r->storages, (size_t)r->storage_count, sizeof *r->storages, by_key);
  for (int i = 1; i < r->storage_count; i++)
    if (!strcmp(r->storages[i].key, r->storages[i - 1].key)) return fault(r, "two storages of one key", r->storages[i].key);
  return true;
}

static storage *find_storage(const reader *r, const rgc_pickle *reference, const char *name) {
  storage key = {.key = reference->text};
  storage *found = r->storage_count ? bsearch(&key, r->storages, (size_t)r->storage_count, sizeof key, by_key) : NULL;
  if (!found) return fault(r, "a tensor's storage is not in the file", name), NULL;
  uint64_t elem = rgc_tensor_elem_bytes(reference->dtype);
  if ((uint64_t)reference->integer > found->size_bytes / elem) return fault(r, "a tensor's storage is shorter than it says", name), NULL;
  if (found->seen && found->seen->dtype != reference->dtype) return fault(r, "a storage of two types", name), NULL;
  found->seen = reference;
  return found;
}

/* Elements, and whether all lie in a storage of `limit` elements. */
static bool measure(const rgc_pickle *v, uint64_t limit, uint64_t *elems) {
  uint64_t last = (uint64_t)v->integer, step;
  *elems = 1;
  for (int i = 0; i < v->rank; i++)
    if (__builtin_mul_overflow(*elems, (uint64_t)v->shape[i], elems)) return false;
  if (!*elems) return true;
  for (int i = 0; i < v->rank; i++)
    if (__builtin_mul_overflow((uint64_t)v->shape[i] - 1, (uint64_t)v->stride[i], &step) || __builtin_add_overflow(last, step, &last)) return false;
  return last < limit && *elems <= limit;
}

static bool same_view(const rgc_pickle *a, const rgc_pickle *b) {
  return a->rank == b->rank && a->integer == b->integer && !strcmp(a->items[0]->text, b->items[0]->text) &&
         !memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->rank) && !memcmp(a->stride, b->stride, sizeof *a->stride * (size_t)a->rank);
}

static void copy_elem(const reader *r, unsigned char *to, const unsigned char *from, size_t bytes) {
  for (size_t b = 0; b < bytes; b++) to[b] = from[r->big_endian ? bytes - 1 - b : b];
}

/* Copies in row-major order; false where an element was taken before. */
static bool gather(const reader *r, const rgc_pickle *v, storage *from, unsigned char *to, uint64_t elems, size_t elem) {
  uint64_t point[RGC_TENSOR_MAX_RANK] = {0}, at = (uint64_t)v->integer;
  if (!from->taken) from->taken = rgc_arena_alloc(r->arena, from->size_bytes / elem / 8 + 1);
  for (uint64_t e = 0; e < elems; e++) {
    unsigned bit = 1u << (at % 8);
    if (from->taken[at / 8] & bit) return false;
    from->taken[at / 8] |= (unsigned char)bit;
    copy_elem(r, to + e * elem, from->data + at * elem, elem);
    for (int axis = v->rank - 1; axis >= 0; axis--) {
      at += (uint64_t)v->stride[axis];
      if (++point[axis] < (uint64_t)v->shape[axis]) break;
      at -= (uint64_t)v->stride[axis] * point[axis];
      point[axis] = 0;
    }
  }
  return true;
}

/* The tensor made of the same view before, NULL: none. */
static const rgc_tensor *made_before(const reader *r, const rgc_pickle *v) {
  for (int i = 0; i < r->file->tensor_count; i++)
    if (same_view(r->views[i], v)) return &r->file->tensors[i];
  return NULL;
}

static bool add_tensor(reader *r, const char *name, const rgc_pickle *v) {
  rgc_tensor t = {.name = name, .dtype = v->items[0]->dtype, .rank = v->rank};
  uint64_t elems;
  storage *from = find_storage(r, v->items[0], name);
  if (!from) return false;
  size_t elem = rgc_tensor_elem_bytes(t.dtype);
  if (!measure(v, (uint64_t)v->items[0]->integer, &elems)) return fault(r, "a tensor reaches beyond its storage, or holds more elements than it", name);
  memcpy(t.shape, v->shape, sizeof *v->shape * (size_t)v->rank);
  t.size_bytes = elems * elem;
  const rgc_tensor *before = from->taken ? made_before(r, v) : NULL;
  unsigned char *data = before ? NULL : rgc_arena_alloc(r->arena, t.size_bytes + 1);
  if (data && !gather(r, v, from, data, elems, elem)) return fault(r, "a tensor overlaps itself or another one", name);
  t.data = before ? before->data : data;
  int count = r->file->tensor_count;
  *RGC_PUSH(r->arena, r->views, count, r->view_capacity) = v;
  *RGC_PUSH(r->arena, r->file->tensors, r->file->tensor_count, r->file->tensor_capacity) = t;
  return true;
}

static int count_tensors(const rgc_pickle *dict) {
  int count = 0;
  for (int i = 0; dict->kind == RGC_PICKLE_DICT && i < dict->count; i++)
    count += dict->items[i]->kind == RGC_PICKLE_TENSOR && dict->keys[i]->kind == RGC_PICKLE_TEXT;
  return count;
}

/* Whether item i of a dict is a dict of tensors, as its first items tell: a hostile file may hold a large dict under very many keys. */
static bool is_state(const rgc_pickle *dict, int i) {
  const rgc_pickle *inner = dict->items[i];
  bool found = false;
  if (dict->keys[i]->kind != RGC_PICKLE_TEXT || inner->kind != RGC_PICKLE_DICT) return false;
  for (int k = 0; k < inner->count && k < FIRST_ITEMS; k++) found |= inner->items[k]->kind == RGC_PICKLE_TENSOR && inner->keys[k]->kind == RGC_PICKLE_TEXT;
  return found;
}

/* The one dict of tensors in `object`, which holds none itself; NULL: there are several, or none. */
static const rgc_pickle *only_state(const rgc_pickle *object, const char **key) {
  const rgc_pickle *found = NULL;
  if (object->kind != RGC_PICKLE_DICT || count_tensors(object)) return NULL;
  for (int i = 0; i < object->count; i++) {
    if (!is_state(object, i)) continue;
    if (found) return NULL;
    found = object->items[i];
    *key = object->keys[i]->text;
  }
  return found;
}

/* Weights beside those that are taken, averaged ones for example. */
static void note_others(reader *r, const rgc_pickle *object, const rgc_pickle *taken) {
  for (int i = 0; i < object->count; i++)
    if (object->items[i] != taken && is_state(object, i))
      note(r, rgc_arena_printf(r->arena, "those under '%.60s' are not taken; in Python, torch.save(torch.load(FILE)['%.60s'], OTHER) makes a file of them",
                               object->keys[i]->text, object->keys[i]->text));
}

/* Where people keep a state dict in a checkpoint, the likeliest first; else the only one there. */
static const rgc_pickle *unwrap(reader *r, const rgc_pickle *object) {
  static const char *const words[] = {"state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "state_dict_ema", "model_ema"};
  for (int depth = 0; depth < MAX_DEPTH; depth++) {
    const rgc_pickle *inner = NULL;
    const char *key = NULL;
    for (size_t i = 0; !inner && i < sizeof words / sizeof *words; i++) {
      inner = rgc_pickle_get(object, key = words[i]);
      if (inner && inner->kind != RGC_PICKLE_DICT) inner = NULL;
    }
    if (!inner) inner = only_state(object, &key);
    if (!inner) break;
    note(r, rgc_arena_printf(r->arena, "the weights stand under '%s' in the file", key));
    note_others(r, object, inner);
    object = inner;
  }
  return object;
}

/* Tells what the file holds instead. */
static bool refuse_object(const reader *r, const rgc_pickle *object) {
  rgc_text keys = {0};
  for (int i = 0; object->kind == RGC_PICKLE_DICT && i < object->count && i < MAX_KEYS; i++)
    if (object->keys[i]->kind == RGC_PICKLE_TEXT) rgc_text_printf(&keys, "%s'%.60s'", keys.length ? ", " : "; it holds ", object->keys[i]->text);
  return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, "in Python, torch.save(model.state_dict(), FILE) writes one",
                       "no dict of tensors in the file, as it is or under 'state_dict' or 'model'%s", rgc_text_take(&keys, r->arena));
}

static bool add_tensors(reader *r, const rgc_pickle *dict) {
  if (!count_tensors(dict)) return refuse_object(r, dict);
  if (count_tensors(dict) > MAX_ENTRIES) return fault(r, "too many tensors", NULL);
  for (int i = 0; i < dict->count; i++)
    if (dict->items[i]->kind == RGC_PICKLE_TENSOR && dict->keys[i]->kind == RGC_PICKLE_TEXT && !add_tensor(r, dict->keys[i]->text, dict->items[i]))
      return false;
  return true;
}

rgc_tensor_file *rgc_torch_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *path, rgc_diagnostics *diags) {
  reader r = {.arena = arena, .bytes = bytes, .size_bytes = size_bytes, .path = path, .diags = diags, .file = RGC_NEW(arena, rgc_tensor_file)};
  r.references.kind = RGC_PICKLE_LIST;
  rgc_pickle *object = !memcmp(bytes, "PK\3\4", 4) ? read_zip(&r) : read_legacy(&r);
  return object && sort_storages(&r) && add_tensors(&r, unwrap(&r, object)) ? r.file : NULL;
}
