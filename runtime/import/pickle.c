/* pickle.c: see pickle.h. The stack machine of Python's pickle (Lib/pickletools.py describes the opcodes). */
#include "runtime/import/pickle.h"

#include <string.h>

#include "compiler/base/diag.h"

enum { MAX_VALUES = 1 << 20, MAX_MEMO = 1 << 18, MAX_STACK = 1 << 20, MAX_NAME = 200 };

/* What a global does when it is called; the last four are not called. */
typedef enum global_call {
  CALL_DICT, CALL_TENSOR, CALL_TYPED_TENSOR, CALL_PARAMETER, CALL_FROM_TYPE, CALL_SIZE, CALL_NOTHING,
  STORAGE_TYPE, UNTYPED_STORAGE, ELEMENT_TYPE, TENSOR_CLASS
} global_call;

/* Everything that a file may name. */
static const struct {
  const char *name;
  global_call call;
  rgc_tensor_dtype dtype; /* STORAGE_TYPE, ELEMENT_TYPE */
} rgc_pickle_globals[] = {
    {"collections.OrderedDict", CALL_DICT, 0},
    {"torch._utils._rebuild_tensor_v2", CALL_TENSOR, 0},
    {"torch._utils._rebuild_tensor", CALL_TENSOR, 0},
    {"torch._utils._rebuild_tensor_v3", CALL_TYPED_TENSOR, 0},
    {"torch._utils._rebuild_parameter", CALL_PARAMETER, 0},
    {"torch._utils._rebuild_parameter_with_state", CALL_PARAMETER, 0},
    {"torch._tensor._rebuild_from_type_v2", CALL_FROM_TYPE, 0}, /* a tensor with attributes: they are dropped */
    {"torch.Tensor", TENSOR_CLASS, 0},
    {"torch.nn.parameter.Parameter", TENSOR_CLASS, 0},
    {"torch.nn.parameter.Buffer", TENSOR_CLASS, 0},
    {"torch.Size", CALL_SIZE, 0},
    {"torch.device", CALL_NOTHING, 0},
    {"argparse.Namespace", CALL_NOTHING, 0}, /* the settings of a training script, dropped */
    {"torch.FloatStorage", STORAGE_TYPE, RGC_TENSOR_F32},
    {"torch.DoubleStorage", STORAGE_TYPE, RGC_TENSOR_F64},
    {"torch.HalfStorage", STORAGE_TYPE, RGC_TENSOR_F16},
    {"torch.BFloat16Storage", STORAGE_TYPE, RGC_TENSOR_BF16},
    {"torch.LongStorage", STORAGE_TYPE, RGC_TENSOR_I64},
    {"torch.IntStorage", STORAGE_TYPE, RGC_TENSOR_I32},
    {"torch.ShortStorage", STORAGE_TYPE, RGC_TENSOR_I16},
    {"torch.CharStorage", STORAGE_TYPE, RGC_TENSOR_I8},
    {"torch.ByteStorage", STORAGE_TYPE, RGC_TENSOR_U8},
    {"torch.BoolStorage", STORAGE_TYPE, RGC_TENSOR_BOOL},
    {"torch.storage.UntypedStorage", UNTYPED_STORAGE, RGC_TENSOR_U8},
    {"torch.float32", ELEMENT_TYPE, RGC_TENSOR_F32},
    {"torch.float64", ELEMENT_TYPE, RGC_TENSOR_F64},
    {"torch.float16", ELEMENT_TYPE, RGC_TENSOR_F16},
    {"torch.bfloat16", ELEMENT_TYPE, RGC_TENSOR_BF16},
    {"torch.int64", ELEMENT_TYPE, RGC_TENSOR_I64},
    {"torch.int32", ELEMENT_TYPE, RGC_TENSOR_I32},
    {"torch.int16", ELEMENT_TYPE, RGC_TENSOR_I16},
    {"torch.int8", ELEMENT_TYPE, RGC_TENSOR_I8},
    {"torch.uint8", ELEMENT_TYPE, RGC_TENSOR_U8},
    {"torch.bool", ELEMENT_TYPE, RGC_TENSOR_BOOL},
};
enum { GLOBAL_COUNT = sizeof rgc_pickle_globals / sizeof *rgc_pickle_globals };

typedef struct machine {
  rgc_arena *arena;
  const unsigned char *at, *end;
  rgc_pickle **stack, **memo; /* a mark on the stack is NULL */
  int depth, stack_capacity, memo_count, value_count;
  rgc_pickle *storages; /* LIST of every STORAGE */
  const char *path;
  rgc_diagnostics *diags;
} machine;

static bool fail(machine *m, const char *what) {
  return rgc_diag_fail(m->diags, RGC_CODE_WEIGHTS, m->path, "load it in Python and save model.state_dict() by torch.save", "%s", what);
}

static rgc_pickle *make(machine *m, rgc_pickle_kind kind) {
  if (++m->value_count > MAX_VALUES) return fail(m, "the pickle holds too many objects"), NULL;
  rgc_pickle *v = RGC_NEW(m->arena, rgc_pickle);
  v->kind = kind;
  return v;
}

static bool push(machine *m, rgc_pickle *v) {
  if (m->depth == MAX_STACK) return fail(m, "the pickle's stack is too deep");
  *RGC_PUSH(m->arena, m->stack, m->depth, m->stack_capacity) = v;
  return true;
}

static bool push_made(machine *m, rgc_pickle *v) { return v && push(m, v); }

static bool push_int(machine *m, rgc_pickle_kind kind, int64_t number) {
  rgc_pickle *v = make(m, kind);
  if (v) v->integer = number;
  return push_made(m, v);
}

/* NULL with an error at a mark or an empty stack. */
static rgc_pickle *pop(machine *m) {
  if (m->depth && m->stack[m->depth - 1]) return m->stack[--m->depth];
  return fail(m, "the pickle takes from an empty stack"), NULL;
}

static rgc_pickle *top(machine *m) {
  if (m->depth && m->stack[m->depth - 1]) return m->stack[m->depth - 1];
  return fail(m, "the pickle takes from an empty stack"), NULL;
}

/* Where the topmost mark is; -1 with an error. */
static int find_mark(machine *m) {
  for (int i = m->depth - 1; i >= 0; i--)
    if (!m->stack[i]) return i;
  return fail(m, "the pickle lacks a mark"), -1;
}

/* `count` bytes of the input; NULL with an error where it ends. */
static const unsigned char *take(machine *m, uint64_t count) {
  if (count > (uint64_t)(m->end - m->at)) return fail(m, "the pickle is truncated"), NULL;
  m->at += count;
  return m->at - count;
}

static bool take_number(machine *m, int bytes, uint64_t *number) {
  const unsigned char *b = take(m, (uint64_t)bytes);
  *number = 0;
  for (int i = 0; b && i < bytes; i++) *number |= (uint64_t)b[i] << (8 * i);
  return b != NULL;
}

static bool add_item(machine *m, rgc_pickle *to, rgc_pickle *item) {
  *RGC_PUSH(m->arena, to->items, to->count, to->capacity) = item;
  return true;
}

static bool add_pair(machine *m, rgc_pickle *to, rgc_pickle *key, rgc_pickle *item) {
  int count = to->count;
  *RGC_PUSH(m->arena, to->keys, count, to->key_capacity) = key;
  return add_item(m, to, item);
}

rgc_pickle *rgc_pickle_get(const rgc_pickle *dict, const char *key) {
  for (int i = 0; dict && dict->kind == RGC_PICKLE_DICT && i < dict->count; i++)
    if (dict->keys[i]->kind == RGC_PICKLE_TEXT && !strcmp(dict->keys[i]->text, key)) return dict->items[i];
  return NULL;
}

/* ---- globals ---- */

static bool refuse_global(machine *m, const char *name) {
  return rgc_diag_fail(m->diags, RGC_CODE_WEIGHTS, m->path,
                       "a file of weights needs tensors only: in Python, torch.save(model.state_dict(), FILE) writes one",
                       "the pickle names '%s', which is not on the list of what rgc reads; nothing of it was executed", name);
}

/* Printable, and not longer than MAX_NAME. */
static const char *clean(machine *m, const char *text, size_t length) {
  char *name = rgc_arena_strndup(m->arena, text, length < MAX_NAME ? length : MAX_NAME);
  for (char *c = name; *c; c++)
    if (*c < 32 || *c > 126) *c = '?';
  return name;
}

static bool push_global(machine *m, const char *name) {
  for (int i = 0; i < GLOBAL_COUNT; i++)
    if (!strcmp(rgc_pickle_globals[i].name, name)) return push_int(m, RGC_PICKLE_GLOBAL, i);
  return refuse_global(m, name);
}

static const char *take_line(machine *m) {
  const unsigned char *begin = m->at, *newline = memchr(begin, '\n', (size_t)(m->end - begin));
  if (!newline) return fail(m, "the pickle is truncated"), NULL;
  m->at = newline + 1;
  return clean(m, (const char *)begin, (size_t)(newline - begin));
}

static bool read_global(machine *m) {
  const char *module = take_line(m), *name = module ? take_line(m) : NULL;
  return name && push_global(m, rgc_arena_printf(m->arena, "%s.%s", module, name));
}

static bool read_stack_global(machine *m) {
  rgc_pickle *name = pop(m), *module = name ? pop(m) : NULL;
  if (!module) return false;
  if (name->kind != RGC_PICKLE_TEXT || module->kind != RGC_PICKLE_TEXT) return fail(m, "the pickle names a global by something that is no text");
  const char *both = rgc_arena_printf(m->arena, "%.*s.%.*s", MAX_NAME / 2, module->text, MAX_NAME / 2, name->text);
  return push_global(m, clean(m, both, strlen(both)));
}

/* ---- calls ---- */

/* Of a GLOBAL. */
static global_call call_of(const rgc_pickle *v) { return rgc_pickle_globals[v->integer].call; }

static bool ints_of(machine *m, const rgc_pickle *list, const int64_t **numbers) {
  int64_t *out = RGC_NEW_ARRAY(m->arena, int64_t, RGC_TENSOR_MAX_RANK);
  if (list->kind != RGC_PICKLE_LIST || list->count > RGC_TENSOR_MAX_RANK) return fail(m, "a tensor has no usable shape");
  for (int i = 0; i < list->count; i++) {
    if (list->items[i]->kind != RGC_PICKLE_INT || list->items[i]->integer < 0) return fail(m, "a tensor has no usable shape");
    out[i] = list->items[i]->integer;
  }
  *numbers = out;
  return true;
}

/* storage, offset, size, stride, and more that does not matter. */
static rgc_pickle *call_tensor(machine *m, const rgc_pickle *args) {
  rgc_pickle *v = make(m, RGC_PICKLE_TENSOR);
  if (!v) return NULL;
  if (args->count < 4 || args->items[0]->kind != RGC_PICKLE_STORAGE || args->items[1]->kind != RGC_PICKLE_INT ||
      args->items[1]->integer < 0)
    return fail(m, "a tensor is built of something that is no storage"), NULL;
  if (!ints_of(m, args->items[2], &v->shape) || !ints_of(m, args->items[3], &v->stride)) return NULL;
  if (args->items[2]->count != args->items[3]->count) return fail(m, "a tensor has more sizes than strides"), NULL;
  v->rank = args->items[2]->count;
  v->integer = args->items[1]->integer;
  add_item(m, v, args->items[0]);
  return v;
}

/* storage, offset, size, stride, gradient wanted, hooks, type of the elements, and more that does not matter: an untyped storage, whose length is in bytes, gets
 * the type of the tensor on it. */
static rgc_pickle *call_typed_tensor(machine *m, const rgc_pickle *args) {
  const rgc_pickle *type = args->count > 6 ? args->items[6] : NULL;
  rgc_pickle *from = args->count ? args->items[0] : NULL;
  if (!type || type->kind != RGC_PICKLE_GLOBAL || call_of(type) != ELEMENT_TYPE || from->kind != RGC_PICKLE_STORAGE || !from->untyped)
    return fail(m, "a tensor is built of something that is no storage and its type"), NULL;
  rgc_tensor_dtype dtype = rgc_pickle_globals[type->integer].dtype;
  if (from->typed && from->dtype != dtype) return fail(m, "a storage of two types"), NULL;
  if (!from->typed) from->typed = true, from->dtype = dtype, from->integer /= (int64_t)rgc_tensor_elem_bytes(dtype);
  return call_tensor(m, args);
}

/* A builder of tensors, a class of tensors, the builder's arguments, attributes. */
static rgc_pickle *call_from_type(machine *m, const rgc_pickle *args) {
  rgc_pickle **of = args->items;
  bool good = args->count >= 3 && of[0]->kind == RGC_PICKLE_GLOBAL && of[1]->kind == RGC_PICKLE_GLOBAL && call_of(of[1]) == TENSOR_CLASS &&
              of[2]->kind == RGC_PICKLE_LIST;
  if (good && call_of(of[0]) == CALL_TENSOR) return call_tensor(m, of[2]);
  if (good && call_of(of[0]) == CALL_TYPED_TENSOR) return call_typed_tensor(m, of[2]);
  return fail(m, "a tensor is built of something that builds none"), NULL;
}

static rgc_pickle *call_dict(machine *m, const rgc_pickle *args) {
  rgc_pickle *v = make(m, RGC_PICKLE_DICT);
  const rgc_pickle *pairs = args->count ? args->items[0] : NULL;
  if (pairs && pairs->kind != RGC_PICKLE_LIST) return fail(m, "an OrderedDict of something that is no list"), NULL;
  for (int i = 0; v && pairs && i < pairs->count; i++) {
    const rgc_pickle *pair = pairs->items[i];
    if (++m->value_count > MAX_VALUES) return fail(m, "the pickle holds too many objects"), NULL;
    if (pair->kind != RGC_PICKLE_LIST || pair->count != 2) return fail(m, "an OrderedDict of something that is no pair"), NULL;
    add_pair(m, v, pair->items[0], pair->items[1]);
  }
  return v;
}

static bool call(machine *m) {
  rgc_pickle *args = pop(m), *function = args ? pop(m) : NULL;
  if (!function) return false;
  if (function->kind != RGC_PICKLE_GLOBAL || args->kind != RGC_PICKLE_LIST) return fail(m, "the pickle calls something that is no function");
  switch (call_of(function)) {
    case CALL_DICT: return push_made(m, call_dict(m, args));
    case CALL_TENSOR: return push_made(m, call_tensor(m, args));
    case CALL_TYPED_TENSOR: return push_made(m, call_typed_tensor(m, args));
    case CALL_FROM_TYPE: return push_made(m, call_from_type(m, args));
    case CALL_NOTHING: return push_made(m, make(m, RGC_PICKLE_DICT));
    case CALL_PARAMETER:
      if (!args->count || args->items[0]->kind != RGC_PICKLE_TENSOR) return fail(m, "a parameter that is no tensor");
      return push(m, args->items[0]);
    case CALL_SIZE:
      if (!args->count || args->items[0]->kind != RGC_PICKLE_LIST) return fail(m, "a size that is no tuple");
      return push(m, args->items[0]);
    default: break;
  }
  return fail(m, "the pickle calls a type");
}

/* ("storage", type, key, location, elements[, view of a storage: None]) */
static bool read_persistent(machine *m) {
  rgc_pickle *id = pop(m);
  if (!id) return false;
  rgc_pickle **of = id->items;
  bool good = id->kind == RGC_PICKLE_LIST && id->count >= 5 && of[0]->kind == RGC_PICKLE_TEXT && !strcmp(of[0]->text, "storage") &&
              of[1]->kind == RGC_PICKLE_GLOBAL && (call_of(of[1]) == STORAGE_TYPE || call_of(of[1]) == UNTYPED_STORAGE) &&
              of[2]->kind == RGC_PICKLE_TEXT && of[4]->kind == RGC_PICKLE_INT && of[4]->integer >= 0;
  if (!good) return fail(m, "the pickle refers to something that is no storage of a known type");
  if (id->count > 5 && of[5]->kind != RGC_PICKLE_NONE) return fail(m, "a storage is a view of another storage (PyTorch before 0.4)");
  rgc_pickle *v = make(m, RGC_PICKLE_STORAGE);
  if (!v) return false;
  v->text = of[2]->text;
  v->dtype = rgc_pickle_globals[of[1]->integer].dtype;
  v->integer = of[4]->integer;
  v->untyped = call_of(of[1]) == UNTYPED_STORAGE;
  add_item(m, m->storages, v);
  return push(m, v);
}

/* ---- values ---- */

static bool read_text(machine *m, int length_bytes) {
  uint64_t length;
  if (!take_number(m, length_bytes, &length)) return false;
  const unsigned char *b = take(m, length);
  if (!b) return false;
  if (memchr(b, 0, length)) return fail(m, "the pickle holds a text with a NUL");
  rgc_pickle *v = make(m, RGC_PICKLE_TEXT);
  if (v) v->text = rgc_arena_strndup(m->arena, (const char *)b, length);
  return push_made(m, v);
}

/* Little-endian two's complement. Longer ones (the magic number) keep their low 64 bits. */
static bool read_long(machine *m) {
  uint64_t count, number = 0;
  const unsigned char *b = take_number(m, 1, &count) ? take(m, count) : NULL;
  if (!b) return false;
  for (uint64_t i = 0; i < 8; i++) number |= (uint64_t)(i < count ? b[i] : count && (b[count - 1] & 0x80) ? 0xff : 0) << (8 * i);
  return push_int(m, RGC_PICKLE_INT, (int64_t)number);
}

static bool read_real(machine *m) {
  const unsigned char *b = take(m, 8);
  uint64_t bits = 0;
  for (int i = 0; b && i < 8; i++) bits = bits << 8 | b[i];
  rgc_pickle *v = b ? make(m, RGC_PICKLE_REAL) : NULL;
  if (v) memcpy(&v->real, &bits, sizeof bits);
  return push_made(m, v);
}

static bool read_int(machine *m, int bytes, bool is_signed) {
  uint64_t number;
  return take_number(m, bytes, &number) && push_int(m, RGC_PICKLE_INT, is_signed ? (int32_t)(uint32_t)number : (int64_t)number);
}

static bool read_tuple(machine *m, int count) {
  rgc_pickle *v = make(m, RGC_PICKLE_LIST);
  int first = count < 0 ? find_mark(m) : m->depth - count;
  if (!v || (count < 0 && first < 0)) return false;
  if (first < 0) return fail(m, "the pickle takes from an empty stack");
  for (int i = count < 0 ? first + 1 : first; i < m->depth; i++)
    if (!m->stack[i]) return fail(m, "the pickle makes a tuple of a mark");
    else add_item(m, v, m->stack[i]);
  m->depth = first;
  return push(m, v);
}

static bool read_append(machine *m) {
  rgc_pickle *item = pop(m), *to = item ? top(m) : NULL;
  if (!to || to->kind != RGC_PICKLE_LIST) return to && fail(m, "the pickle appends to something that is no list");
  return add_item(m, to, item);
}

static bool read_appends(machine *m) {
  int mark = find_mark(m);
  if (mark < 0) return false;
  rgc_pickle *to = mark > 0 ? m->stack[mark - 1] : NULL;
  if (!to || to->kind != RGC_PICKLE_LIST) return fail(m, "the pickle appends to something that is no list");
  for (int i = mark + 1; i < m->depth; i++) add_item(m, to, m->stack[i]);
  m->depth = mark;
  return true;
}

static bool set_items(machine *m, int first, int base) {
  rgc_pickle *to = base > 0 ? m->stack[base - 1] : NULL;
  if (!to || to->kind != RGC_PICKLE_DICT || (m->depth - first) % 2) return fail(m, "the pickle sets items of something that is no dict");
  for (int i = first; i < m->depth; i += 2)
    if (!m->stack[i] || !m->stack[i + 1]) return fail(m, "the pickle sets a mark as an item");
    else add_pair(m, to, m->stack[i], m->stack[i + 1]);
  m->depth = base;
  return true;
}

static bool read_setitems(machine *m) {
  int mark = find_mark(m);
  return mark >= 0 && set_items(m, mark + 1, mark);
}

static bool put(machine *m, uint64_t index) {
  rgc_pickle *v = top(m);
  if (!v) return false;
  if (index >= MAX_MEMO) return fail(m, "the pickle's memo is too large");
  if (!m->memo) m->memo = RGC_NEW_ARRAY(m->arena, rgc_pickle *, MAX_MEMO);
  if ((int)index >= m->memo_count) m->memo_count = (int)index + 1;
  m->memo[index] = v;
  return true;
}

static bool get(machine *m, uint64_t index) {
  if (index >= (uint64_t)m->memo_count || !m->memo[index]) return fail(m, "the pickle takes from an empty memo");
  return push(m, m->memo[index]);
}

/* The state of an OrderedDict is its _metadata (versions of modules): dropped. Nothing else has one. */
static bool build(machine *m) {
  rgc_pickle *state = pop(m), *of = state ? top(m) : NULL;
  return of && (of->kind == RGC_PICKLE_DICT || fail(m, "the pickle sets the state of something that has none"));
}

/* One opcode other than STOP. */
static bool step(machine *m, int op) {
  uint64_t number;
  switch (op) {
    case 0x80: return take(m, 1) != NULL;                             /* PROTO */
    case 0x95: return take(m, 8) != NULL;                             /* FRAME */
    case 'c': return read_global(m);                                  /* GLOBAL */
    case 0x93: return read_stack_global(m);                           /* STACK_GLOBAL */
    case 'R': return call(m);                                         /* REDUCE */
    case 0x81: return call(m);                                        /* NEWOBJ */
    case 'Q': return read_persistent(m);                              /* BINPERSID */
    case 'b': return build(m);                                        /* BUILD */
    case '(': return push(m, NULL);                                   /* MARK */
    case 't': return read_tuple(m, -1);                               /* TUPLE */
    case ')': return read_tuple(m, 0);                                /* EMPTY_TUPLE */
    case 0x85: return read_tuple(m, 1);                               /* TUPLE1 */
    case 0x86: return read_tuple(m, 2);                               /* TUPLE2 */
    case 0x87: return read_tuple(m, 3);                               /* TUPLE3 */
    case ']': return push_made(m, make(m, RGC_PICKLE_LIST));          /* EMPTY_LIST */
    case 'l': return read_tuple(m, -1);                               /* LIST */
    case '}': return push_made(m, make(m, RGC_PICKLE_DICT));          /* EMPTY_DICT */
    case 'X': return read_text(m, 4);                                 /* BINUNICODE */
    case 0x8c: return read_text(m, 1);                                /* SHORT_BINUNICODE */
    case 'T': return read_text(m, 4);                                 /* BINSTRING */
    case 'U': return read_text(m, 1);                                 /* SHORT_BINSTRING */
    case 'J': return read_int(m, 4, true);                            /* BININT */
    case 'K': return read_int(m, 1, false);                           /* BININT1 */
    case 'M': return read_int(m, 2, false);                           /* BININT2 */
    case 0x8a: return read_long(m);                                   /* LONG1 */
    case 'G': return read_real(m);                                    /* BINFLOAT */
    case 0x88: return push_int(m, RGC_PICKLE_BOOL, 1);                /* NEWTRUE */
    case 0x89: return push_int(m, RGC_PICKLE_BOOL, 0);                /* NEWFALSE */
    case 'N': return push_made(m, make(m, RGC_PICKLE_NONE));          /* NONE */
    case 'q': return take_number(m, 1, &number) && put(m, number);    /* BINPUT */
    case 'r': return take_number(m, 4, &number) && put(m, number);    /* LONG_BINPUT */
    case 0x94: return put(m, (uint64_t)m->memo_count);                /* MEMOIZE */
    case 'h': return take_number(m, 1, &number) && get(m, number);    /* BINGET */
    case 'j': return take_number(m, 4, &number) && get(m, number);    /* LONG_BINGET */
    case 's': return m->depth >= 3 ? set_items(m, m->depth - 2, m->depth - 2) : fail(m, "the pickle takes from an empty stack"); /* SETITEM */
    case 'u': return read_setitems(m);                                /* SETITEMS */
    case 'a': return read_append(m);                                  /* APPEND */
    case 'e': return read_appends(m);                                 /* APPENDS */
    default: break;
  }
  return fail(m, rgc_arena_printf(m->arena, "the pickle has an opcode that files of weights do not need: 0x%02x", (unsigned)op));
}

rgc_pickle *rgc_pickle_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, size_t *used_bytes, rgc_pickle *storages,
                             const char *path, rgc_diagnostics *diags) {
  machine m = {.arena = arena, .storages = storages, .at = bytes, .end = (const unsigned char *)bytes + size_bytes, .path = path, .diags = diags};
  for (const unsigned char *op; (op = take(&m, 1));) {
    if (*op == '.') { /* STOP */
      *used_bytes = (size_t)(m.at - (const unsigned char *)bytes);
      return pop(&m);
    }
    if (!step(&m, *op)) return NULL;
  }
  return NULL;
}
