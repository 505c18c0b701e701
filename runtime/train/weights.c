/* weights.c: see weights.h. */
#include "runtime/train/weights.h"

#include <math.h>
#include <string.h>

#include "compiler/plan/plan.h"
#include "runtime/reference/philox.h"

/* Philox streams of initial values begin here, apart from those of dropout and shuffling. */
enum { INIT_STREAM = 1 << 24 };

bool rgc_is_learnt(const rgc_value *v) { return v->role == RGC_ROLE_PARAM || v->role == RGC_ROLE_BUFFER; }

static double get(const rgc_weight *w, int64_t e) { return w->f32 ? (double)w->f32[e] : w->f64[e]; }

static void set(const rgc_weight *w, int64_t e, double number) {
  if (w->f32) w->f32[e] = (float)number;
  else w->f64[e] = number;
}

/* FNV-1a, so that a parameter's numbers depend on its name, not on what else the network has. */
static uint32_t name_stream(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return INIT_STREAM | (hash & (INIT_STREAM - 1));
}

static double draw(const rgc_init *init, uint64_t seed, uint32_t stream, uint64_t element) {
  if (init->kind == RGC_INIT_CONST) return init->number;
  double a = rgc_philox_uniform(seed, stream, 0, 2 * element), b = rgc_philox_uniform(seed, stream, 0, 2 * element + 1);
  if (init->kind == RGC_INIT_UNIFORM) return init->number * (2 * a - 1);
  return init->number * sqrt(-2 * log(1 - a)) * cos(2 * acos(-1) * b); /* Box-Muller */
}

void rgc_weights_draw(const rgc_weight *weights, int count, uint64_t seed) {
  for (int i = 0; i < count; i++) {
    const rgc_value *v = weights[i].value;
    uint32_t stream = name_stream(v->name);
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) set(&weights[i], e, draw(&v->init, seed, stream, (uint64_t)e));
  }
}

/* The shape in PyTorch's files; a state is shaped as its parameter, whose rank it does not know: it is written as it lies. */
static int file_shape(const rgc_value *v, int64_t shape[RGC_TENSOR_MAX_RANK]) {
  int rank = rgc_torch_shape(v, shape);
  if (rank) return rank;
  memcpy(shape, v->shape, sizeof v->shape);
  return RGC_AXES;
}

/* Element e of PyTorch's order in the graph's. */
static int64_t from_torch(const rgc_value *v, int64_t e) {
  if (!v->torch_rank) return e;
  int64_t taps = v->shape[1] * v->shape[2], in = v->shape[3];
  return (e / (taps * in) * taps + e % taps) * in + e / taps % in;
}

static rgc_tensor torch_tensor(rgc_arena *arena, const rgc_weight *w) {
  int64_t count = rgc_shape_elems(w->value->shape);
  rgc_tensor t = {.name = w->value->name, .dtype = RGC_TENSOR_F32};
  float *data = RGC_NEW_ARRAY(arena, float, count);
  t.rank = file_shape(w->value, t.shape);
  for (int64_t e = 0; e < count; e++) data[e] = (float)get(w, from_torch(w->value, e));
  t.data = data;
  t.size_bytes = sizeof(float) * (size_t)count;
  return t;
}

rgc_tensor *rgc_weights_tensors(const rgc_weight *weights, int count, rgc_arena *arena, int *tensor_count) {
  rgc_tensor *tensors = RGC_NEW_ARRAY(arena, rgc_tensor, count + 1);
  for (int i = 0; i < count; i++) tensors[i] = torch_tensor(arena, &weights[i]);
  *tensor_count = count;
  return tensors;
}

static bool take_value(const rgc_weight *w, const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  const rgc_value *v = w->value;
  const rgc_tensor *t = rgc_tensor_find(file, v->name);
  int64_t shape[RGC_TENSOR_MAX_RANK] = {0};
  int rank = file_shape(v, shape);
  if (!t) return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "is it of another network?", "has no tensor '%s'", v->name);
  if (t->dtype != RGC_TENSOR_F32 || t->rank != rank || memcmp(t->shape, shape, sizeof *shape * (size_t)rank))
    return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "is it of another network?",
                         "'%s' has another shape or type than the network's [%lld,%lld,%lld,%lld]", v->name, (long long)shape[0],
                         (long long)shape[1], (long long)shape[2], (long long)shape[3]);
  const float *data = t->data;
  for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) set(w, from_torch(v, e), (double)data[e]);
  return true;
}

bool rgc_weights_take(const rgc_weight *weights, int count, const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  bool good = true;
  for (int i = 0; i < count; i++) good = take_value(&weights[i], file, path, diags) && good;
  return good;
}

bool rgc_weights_load(const rgc_weight *weights, int count, const char *path, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_tensor_file *file = rgc_safetensors_read(arena, path, diags);
  bool good = file && rgc_weights_take(weights, count, file, path, diags);
  rgc_arena_destroy(arena);
  return good;
}
