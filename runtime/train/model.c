/* model.c: see model.h. */
#include "runtime/train/model.h"

#include <math.h>
#include <string.h>

#include "compiler/passes/autodiff.h"
#include "compiler/passes/optimizer.h"
#include "compiler/plan/safetensors.h"
#include "runtime/reference/philox.h"

static bool is_learnt(const rgc_value *v) { return v->role == RGC_ROLE_PARAM || v->role == RGC_ROLE_BUFFER; }

static bool frozen(void *context, const char *parameter) { return rgc_network_is_frozen(context, parameter); }

/* Philox streams of initial values are numbered by value, from this one on, apart from those of dropout. */
enum { INIT_STREAM = 1 << 20 };

static double draw(const rgc_init *init, uint64_t seed, uint32_t stream, uint64_t element) {
  double a = rgc_philox_uniform(seed, stream, 0, 2 * element), b = rgc_philox_uniform(seed, stream, 0, 2 * element + 1);
  if (init->kind == RGC_INIT_UNIFORM) return init->number * (2 * a - 1);
  if (init->kind == RGC_INIT_NORMAL) return init->number * sqrt(-2 * log(1 - a)) * cos(2 * acos(-1) * b); /* Box-Muller */
  return init->number;
}

static void draw_initial_values(rgc_model *m, uint64_t seed) {
  for (int i = 0; i < m->train_graph->value_count; i++) {
    const rgc_value *v = &m->train_graph->values[i];
    if (!is_learnt(v)) continue;
    double *tensor = rgc_reference_tensor(m->train, i);
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++)
      tensor[e] = draw(&v->init, seed, INIT_STREAM + (uint32_t)i, (uint64_t)e);
  }
}

static bool append_backward(rgc_model *m, rgc_diagnostics *diags) {
  const rgc_train_settings *t = &m->network->train;
  rgc_update_settings s = {.rule = t->optimizer == RGC_OPTIMIZER_SGD ? RGC_UPDATE_SGD : RGC_UPDATE_ADAM, .momentum = t->momentum,
                           .weight_decay = t->weight_decay, .beta1 = t->beta1, .beta2 = t->beta2, .eps = t->eps,
                           .nesterov = t->nesterov};
  if (!rgc_autodiff(m->train_graph, m->loss, diags)) return false;
  rgc_append_updates(m->train_graph, &s, frozen, m->network);
  return rgc_graph_verify(m->train_graph, diags);
}

static int find_logits(const rgc_graph *graph) {
  for (int i = graph->value_count - 1; i >= 0; i--)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) return i;
  return -1;
}

bool rgc_model_create(rgc_model *m, rgc_network *network, int64_t batch, uint64_t seed, rgc_diagnostics *diags) {
  *m = (rgc_model){.network = network, .batch = batch};
  m->train_graph = rgc_network_build(network, batch, true, diags);
  m->eval_graph = m->train_graph ? rgc_network_build(network, batch, false, diags) : NULL;
  if (!m->eval_graph) return false;
  m->input = rgc_graph_find(m->train_graph, "input");
  m->label = rgc_graph_find(m->train_graph, "label");
  m->loss = rgc_graph_find(m->train_graph, "loss");
  m->correct = rgc_graph_find(m->train_graph, "correct");
  m->eval_input = rgc_graph_find(m->eval_graph, "input");
  m->eval_logits = find_logits(m->eval_graph);
  if (!append_backward(m, diags)) return false;
  m->train = rgc_reference_create(m->train_graph);
  m->eval = rgc_reference_create(m->eval_graph);
  draw_initial_values(m, seed);
  rgc_model_sync(m);
  return true;
}

void rgc_model_destroy(rgc_model *m) {
  rgc_reference_destroy(m->train);
  rgc_reference_destroy(m->eval);
}

/* Every learnt value and state of `dst_graph` that `src_graph` has too. */
static void copy_by_name(const rgc_graph *dst_graph, rgc_reference *dst, const rgc_graph *src_graph, rgc_reference *src) {
  for (int i = 0; i < dst_graph->value_count; i++) {
    const rgc_value *v = &dst_graph->values[i];
    int from = is_learnt(v) || v->role == RGC_ROLE_STATE ? rgc_graph_find(src_graph, v->name) : -1;
    if (from >= 0)
      memcpy(rgc_reference_tensor(dst, i), rgc_reference_tensor(src, from), sizeof(double) * (size_t)rgc_shape_elems(v->shape));
  }
}

void rgc_model_sync(rgc_model *m) { copy_by_name(m->eval_graph, m->eval, m->train_graph, m->train); }

void rgc_model_copy(rgc_model *dst, rgc_model *src) {
  copy_by_name(dst->train_graph, dst->train, src->train_graph, src->train);
  rgc_model_sync(dst);
}

/* [O,KH,KW,I] to PyTorch's [O,I,KH,KW]; a vector [1,1,1,C] stays as it is. */
static float *in_torch_order(rgc_arena *arena, const rgc_value *v, const double *src) {
  int64_t count = rgc_shape_elems(v->shape), height = v->shape[1], width = v->shape[2], in = v->shape[3], e = 0;
  float *dst = RGC_NEW_ARRAY(arena, float, count);
  for (int64_t o = 0; o < v->shape[0]; o++)
    for (int64_t i = 0; i < in; i++)
      for (int64_t tap = 0; tap < height * width; tap++) dst[e++] = (float)src[(o * height * width + tap) * in + i];
  return dst;
}

static void torch_shape(const rgc_value *v, int64_t shape[RGC_TENSOR_MAX_RANK]) {
  const int64_t *s = v->shape, conv[4] = {s[0], s[3], s[1], s[2]}, linear[4] = {s[0], s[1] * s[2] * s[3]}, vector[4] = {s[3]};
  memcpy(shape, v->torch_rank == 4 ? conv : v->torch_rank == 2 ? linear : vector, sizeof conv);
}

static rgc_tensor torch_tensor(rgc_arena *arena, const rgc_value *v, const double *src) {
  rgc_tensor t = {.name = v->name, .dtype = RGC_TENSOR_F32, .rank = v->torch_rank};
  torch_shape(v, t.shape);
  t.data = in_torch_order(arena, v, src);
  t.size_bytes = sizeof(float) * (size_t)rgc_shape_elems(v->shape);
  return t;
}

bool rgc_model_save(const rgc_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_metadata metadata[] = {{"rgc", "1"}, {"network", m->network->name}};
  rgc_tensor_file file = {.metadata = metadata, .metadata_count = 2};
  for (int i = 0; i < m->train_graph->value_count; i++) {
    const rgc_value *v = &m->train_graph->values[i];
    if (is_learnt(v))
      *RGC_PUSH(arena, file.tensors, file.tensor_count, file.tensor_capacity) =
          torch_tensor(arena, v, rgc_reference_tensor(m->train, i));
  }
  bool good = rgc_safetensors_write(&file, path, diags);
  rgc_arena_destroy(arena);
  return good;
}

/* PyTorch's [O,I,KH,KW] to [O,KH,KW,I]. */
static void from_torch_order(const rgc_value *v, const float *src, double *dst) {
  int64_t taps = v->shape[1] * v->shape[2], in = v->shape[3], e = 0;
  for (int64_t o = 0; o < v->shape[0]; o++)
    for (int64_t i = 0; i < in; i++)
      for (int64_t tap = 0; tap < taps; tap++) dst[(o * taps + tap) * in + i] = src[e++];
}

static bool load_value(rgc_model *m, int id, const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  const rgc_value *v = &m->train_graph->values[id];
  const rgc_tensor *t = rgc_tensor_find(file, v->name);
  int64_t shape[RGC_TENSOR_MAX_RANK] = {0};
  torch_shape(v, shape);
  if (!t) return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "is it of another network?", "has no tensor '%s'", v->name);
  if (t->dtype != RGC_TENSOR_F32 || t->rank != v->torch_rank || memcmp(t->shape, shape, sizeof *shape * (size_t)t->rank))
    return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "is it of another network?",
                         "'%s' has another shape or type than the network's [%lld,%lld,%lld,%lld]", v->name, (long long)shape[0],
                         (long long)shape[1], (long long)shape[2], (long long)shape[3]);
  from_torch_order(v, t->data, rgc_reference_tensor(m->train, id));
  return true;
}

bool rgc_model_load(rgc_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_tensor_file *file = rgc_safetensors_read(arena, path, diags);
  bool good = file != NULL;
  for (int i = 0; file && i < m->train_graph->value_count; i++)
    if (is_learnt(&m->train_graph->values[i]) && !load_value(m, i, file, path, diags)) good = false;
  rgc_arena_destroy(arena);
  if (good) rgc_model_sync(m);
  return good;
}
