/* library_use.c: what rgc.h promises and examples/embed.c does not show; C, and C++ as well. library.sh builds and runs it:
 *   library_use GRAPH TRAINED PICTURE BROKEN OUT
 * a graph file and a plan trained of it, a PNG, a graph file with mistakes, a folder. Prints the predicted class of the picture, as
 * `rgc run --predict` tells it, on stdout; ends with 0, or names the first line that does not hold. */
#include <pthread.h>
#include <rgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDS(what)                                                                                                    \
  do {                                                                                                                 \
    if (!(what)) {                                                                                                     \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                        \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

enum { IMAGES = 7, CLASSES = 10, PIXELS = 28 * 28 };

static const char spec[] = "synthetic:classes=10,count=60,size=28,channels=1";

static void check_errors(const char *broken) {
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_problem p;
  HOLDS(!rgc_network_open(broken, NULL, 0, errors));
  HOLDS(rgc_diagnostics_error_count(errors) > 0 && rgc_diagnostics_get(errors, 0, &p));
  HOLDS(!strcmp(p.severity, "error") && !strcmp(p.code, "unknown-key") && !strcmp(p.file, broken) && p.line > 0 && p.column > 0);
  HOLDS(p.source_line && p.message && rgc_code_meaning(p.code) && !rgc_code_meaning("no such code"));
  HOLDS(strstr(rgc_diagnostics_text(errors, false), p.message));
  HOLDS(!rgc_diagnostics_get(errors, rgc_diagnostics_count(errors), &p) && !rgc_diagnostics_get(errors, -1, &p));
  rgc_diagnostics_clear(errors);
  HOLDS(rgc_diagnostics_count(errors) == 0 && !*rgc_diagnostics_text(errors, true));
  HOLDS(!rgc_diagnostics_fail(errors, "usage", NULL, NULL, "%d is %s", 7, "wrong"));
  HOLDS(rgc_diagnostics_get(errors, 0, &p) && !strcmp(p.message, "7 is wrong"));
  rgc_diagnostics_destroy(errors);
  rgc_diagnostics_destroy(NULL), rgc_network_close(NULL), rgc_plan_close(NULL), rgc_model_close(NULL), rgc_dataset_close(NULL), rgc_free(NULL);
}

/* An error outlives the handle that it is of. */
static void check_network(const char *graph) {
  rgc_diagnostics *errors = rgc_diagnostics_create();
  const char *wrong[] = {"expect={params: 3}", "name=renamed"};
  rgc_network *network = rgc_network_open(graph, wrong, 1, errors);
  rgc_problem p;
  HOLDS(network && !rgc_network_check(network, errors));
  rgc_network_close(network);
  HOLDS(rgc_diagnostics_get(errors, 0, &p) && !strcmp(p.code, "expect") && *p.file);
  rgc_diagnostics_clear(errors);
  network = rgc_network_open(graph, NULL, 0, errors);
  rgc_network_facts facts;
  HOLDS(network && rgc_network_check(network, errors));
  rgc_network_tell(network, &facts);
  HOLDS(facts.params > 0 && facts.macs > 0 && facts.classes == CLASSES && facts.outputs == 1 && facts.height == 28 && facts.channels == 1);
  HOLDS(!strcmp(rgc_network_class_name(network, 0), "apple") && !rgc_network_class_name(network, CLASSES));
  rgc_network_close(network);
  HOLDS(rgc_diagnostics_count(errors) == 0);
  rgc_diagnostics_destroy(errors);
}

typedef struct compiled {
  int programs;
  int64_t bytes; /* of the largest */
} compiled;

static void count_program(void *context, const rgc_program_facts *p) {
  compiled *c = (compiled *)context;
  c->programs++;
  if (p->total_bytes > c->bytes) c->bytes = p->total_bytes;
}

/* Programs are added; a limit that is too small is refused; a saved plan opens again. */
static void check_plan(const char *graph, const char *out) {
  char path[512];
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_network *network = rgc_network_open(graph, NULL, 0, errors);
  rgc_plan *plan = rgc_plan_of_network(network, errors), *again;
  compiled made = {0, 0};
  int64_t batches[] = {1, 3};
  rgc_compile_settings s = {0};
  s.batch = 4, s.infer_batches = batches, s.infer_batch_count = 2, s.without_code = true, s.compiled = count_program, s.context = &made;
  HOLDS(rgc_plan_compile(plan, &s, errors) && made.programs == 7 && made.bytes > 0);
  snprintf(path, sizeof path, "%s/saved.bin", out);
  HOLDS(rgc_plan_save(plan, path, errors) && !rgc_plan_has_weights(plan));
  again = rgc_plan_open(path, NULL, 0, errors);
  HOLDS(again && !strcmp(rgc_network_class_name(rgc_plan_network(again), 9), "zebra"));
  rgc_plan_close(again);
  rgc_plan_close(plan);
  plan = rgc_plan_of_network(network, errors);
  s.memory_bytes = made.bytes / 100; /* more than recompute can save */
  HOLDS(!rgc_plan_compile(plan, &s, errors) && rgc_diagnostics_error_count(errors) == 1);
  rgc_plan_close(plan);
  rgc_network_close(network);
  rgc_diagnostics_destroy(errors);
}

/* Numbers of images that are no multiple of the batch give what one at a time gives; alone gets that. */
static void check_batches(rgc_plan *plan, float alone[IMAGES * CLASSES], rgc_diagnostics *errors) {
  static float images[IMAGES * PIXELS], together[IMAGES * CLASSES];
  for (int i = 0; i < IMAGES * PIXELS; i++) images[i] = (float)((i * 7919) % 1000) / 1000;
  for (int64_t batch = 1; batch <= 3; batch += 2) {
    rgc_model_options o = {0};
    rgc_model_facts facts;
    o.batch = batch;
    rgc_model *model = rgc_model_open(plan, &o, errors);
    HOLDS(model);
    rgc_model_tell(model, &facts);
    HOLDS(facts.batch == batch && facts.classes == CLASSES && facts.threads >= 1);
    HOLDS(rgc_model_run(model, images, IMAGES, batch == 1 ? alone : together, errors) && rgc_model_run(model, images, 0, NULL, errors));
    rgc_model_close(model);
  }
  for (int i = 0; i < IMAGES * CLASSES; i++) HOLDS(together[i] - alone[i] < 1e-4f && alone[i] - together[i] < 1e-4f);
}

static void check_run(const char *trained) {
  static float alone[IMAGES * CLASSES];
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(trained, NULL, 0, errors);
  HOLDS(plan && rgc_plan_has_weights(plan));
  check_batches(plan, alone, errors);
  for (int i = 1; i < CLASSES; i++) HOLDS(alone[i] == alone[i] && alone[i] != alone[0]);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
}

/* A C program appears whole; a second time its folder is in the way. */
static void check_export_c(const char *trained, const char *out) {
  char dir[512];
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(trained, NULL, 0, errors);
  rgc_c_options o = {0};
  rgc_c_facts facts;
  snprintf(dir, sizeof dir, "%s/program%d", out, (int)getpid());
  o.batch = -1;
  HOLDS(!rgc_plan_export_c(plan, dir, &o, &facts, errors) && rgc_diagnostics_error_count(errors) == 1);
  o.batch = 2;
  HOLDS(rgc_plan_export_c(plan, dir, &o, &facts, errors) && facts.batch == 2 && facts.kernels > 0 && facts.weight_bytes > 0);
  HOLDS(!rgc_plan_export_c(plan, dir, NULL, NULL, errors) && rgc_diagnostics_error_count(errors) == 2);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
}

/* A network of two outputs gives the logits of both, for any number of images. */
static void check_outputs(const char *graph) {
  static float alone[IMAGES * CLASSES];
  const char *const sets[] = {"classes={one: 4, two: 6}", "train.loss={one: {cross_entropy: {weight: 1}}, two: {cross_entropy: {weight: 1}}}",
                              "head=[{avgpool: {over: global, as: f}}, {linear: {from: f, out: classes.one, output: one, name: a}}, "
                              "{linear: {from: f, out: classes.two, output: two, name: b}}]"};
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(graph, sets, 3, errors);
  rgc_output_facts two;
  HOLDS(plan && rgc_network_output(rgc_plan_network(plan), 1, &two) && two.first == 4 && two.classes == 6 && !strcmp(two.name, "two"));
  HOLDS(!rgc_network_output(rgc_plan_network(plan), 2, &two));
  check_batches(plan, alone, errors);
  for (int i = 1; i < IMAGES * CLASSES; i++) HOLDS(alone[i] != alone[i - 1]);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
}

static void raise_flag(void *context, const rgc_progress *now) {
  if (now->event == RGC_EVENT_STEP && now->step == 1) *(volatile int *)context = 1;
}

typedef struct worker {
  const char *graph;
  const rgc_dataset *data; /* shared */
  double loss;
} worker;

/* A whole training in a thread of its own, ended by the flag after its second step, without files. */
static void *train(void *context) {
  worker *w = (worker *)context;
  volatile int stop = 0;
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(w->graph, NULL, 0, errors);
  rgc_model_options o = {0};
  rgc_run_options run;
  rgc_run_result result, evaluated;
  o.train = true, o.batch = 6, o.threads = 1;
  rgc_model *model = rgc_model_open(plan, &o, errors);
  HOLDS(model);
  rgc_run_defaults(rgc_plan_network(plan), &run);
  run.steps = 100, run.stop = &stop, run.progress = raise_flag, run.context = (void *)&stop;
  HOLDS(rgc_model_train(model, w->data, &run, &result, errors) && result.stopped);
  HOLDS(rgc_model_evaluate(model, w->data, &evaluated, NULL, errors) && evaluated.valid_loss == result.valid_loss);
  w->loss = result.valid_loss;
  HOLDS(result.output_count == 1 && result.outputs[0].loss == result.valid_loss && result.valid_top5 >= result.valid_acc && !result.early);
  run.resume = true;
  HOLDS(!rgc_model_train(model, w->data, &run, &result, errors) && rgc_diagnostics_error_count(errors) == 1);
  rgc_model_close(model);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
  return NULL;
}

static void check_threads(const char *graph) {
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_dataset *data = rgc_dataset_open(spec, NULL, errors);
  worker workers[2] = {{graph, data, 0}, {graph, data, 0}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) HOLDS(!pthread_create(&threads[i], NULL, train, &workers[i]));
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  HOLDS(workers[0].loss > 0 && workers[0].loss == workers[1].loss);
  rgc_dataset_close(data);
  rgc_diagnostics_destroy(errors);
}

/* What a model opened for inference cannot do is an error; and the kernels are right. */
static void check_model(const char *graph, const char *trained, const char *picture) {
  double probabilities[CLASSES], total = 0;
  int best = 0;
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(trained, NULL, 0, errors);
  rgc_model_options o = {0};
  rgc_run_options run;
  rgc_run_result result;
  rgc_verify_result verified;
  rgc_bench_result timed;
  rgc_tuned_product *tuned;
  int tuned_count;
  rgc_dataset *data = rgc_dataset_open(spec, NULL, errors), *other = rgc_dataset_open("synthetic:classes=3,count=20,size=28", NULL, errors);
  o.batch = 1;
  rgc_model *model = rgc_model_open(plan, &o, errors);
  HOLDS(model && data && other);
  HOLDS(rgc_model_predict_file(model, picture, probabilities, errors));
  for (int c = 0; c < CLASSES; c++) {
    total += probabilities[c];
    if (probabilities[c] > probabilities[best]) best = c;
  }
  HOLDS(total > 0.999999 && total < 1.000001);
  printf("%s %.1f %%\n", rgc_network_class_name(rgc_plan_network(plan), best), 100 * probabilities[best]);
  rgc_run_defaults(rgc_plan_network(plan), &run);
  HOLDS(!rgc_model_train(model, data, &run, &result, errors) && rgc_diagnostics_error_count(errors) == 1);
  HOLDS(!rgc_model_evaluate(model, other, &result, NULL, errors) && rgc_diagnostics_error_count(errors) == 2);
  rgc_prediction *predictions = (rgc_prediction *)calloc((size_t)rgc_dataset_count(data, RGC_SPLIT_VALIDATION), sizeof *predictions);
  HOLDS(predictions && rgc_model_evaluate(model, data, &result, predictions, errors));
  char *confusion = rgc_dataset_confusion(data, predictions);
  HOLDS(!strncmp(confusion, "label", 5) && predictions[0].rank >= 0 && predictions[0].rank < CLASSES);
  HOLDS((predictions[0].rank == 0) == (predictions[0].predicted == predictions[0].label));
  rgc_free(confusion);
  free(predictions);
  HOLDS(!rgc_model_predict_file(model, graph, probabilities, errors) && rgc_diagnostics_error_count(errors) == 3);
  HOLDS(!rgc_model_verify(model, false, 1, 3e-5, &verified, errors) && !rgc_model_bench(model, true, 1, false, &timed, errors));
  HOLDS(rgc_diagnostics_error_count(errors) == 5 && rgc_model_bench(model, false, 1, true, &timed, errors));
  HOLDS(timed.seconds > 0 && timed.each_count == timed.kernels && timed.each[0].seconds > 0 && *timed.each[0].kind);
  rgc_free(timed.each);
  HOLDS(!rgc_model_tune(model, false, &tuned, &tuned_count, errors) && !tuned && !tuned_count && rgc_diagnostics_error_count(errors) == 6); /* the CPU has no cuBLAS */
  HOLDS(rgc_model_verify(model, true, 1, 3e-5, &verified, errors) && verified.agree == verified.kernels && verified.kernels > 0);
  rgc_model_close(model);
  rgc_dataset_close(data);
  rgc_dataset_close(other);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
}

/* A trained plan as an ONNX model; one that cannot be written. */
static void check_export(const char *trained, const char *out) {
  char path[512];
  int nodes = 0, folded = 0;
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(trained, NULL, 0, errors);
  rgc_problem p;
  snprintf(path, sizeof path, "%s/trained.onnx", out);
  HOLDS(plan && rgc_plan_export_onnx(plan, path, false, &nodes, errors) && rgc_plan_export_onnx(plan, path, true, &folded, errors) && 0 < folded && folded < nodes);
  HOLDS(!rgc_plan_export_onnx(plan, "/none/x.onnx", true, NULL, errors) && rgc_diagnostics_get(errors, 0, &p) && !strcmp(p.code, "file-write"));
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
}

int main(int argc, char **argv) {
  HOLDS(argc == 6 && !strcmp(rgc_version(), RGC_VERSION));
  check_errors(argv[4]);
  check_network(argv[1]);
  check_plan(argv[1], argv[5]);
  check_run(argv[2]);
  check_export_c(argv[2], argv[5]);
  check_outputs(argv[1]);
  check_threads(argv[1]);
  check_model(argv[1], argv[2], argv[3]);
  check_export(argv[2], argv[5]);
  return 0;
}
