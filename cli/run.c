/* run.c: rgc run: a plan trains, validates, predicts; or one of its values is written to a file. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/progress.h"

const command_option run_options[] = {
    {"--train", OPTION_FLAG, NULL, "train on --data"},
    {"--eval", OPTION_FLAG, NULL, "validate on --data"},
    {"--predict", OPTION_FLAG, NULL, "tell what the JPEG, PNG or WebP files behind the plan show"},
    {"--dump", OPTION_TEXT, "LAYER", "write a layer's output (LAYER.grad: its gradient) for the first batch of --data as .npy"},
    {"--data", OPTION_TEXT, "SPEC", "the data set, e.g. folder:DIR, cifar10:FILE, idx:DIR, synthetic:classes=10,size=28 (the graph file's data:)"},
    {"--out", OPTION_TEXT, "DIR", "where log.csv, best.bin and last.bin go (run); of --dump: the file (LAYER.npy)"},
    {"--weights", OPTION_TEXT, "FILE", "weights to start from: a plan, safetensors, an ONNX model, or a PyTorch file (.pth, .pt, .th)"},
    {"--state", OPTION_TEXT, "FILE", "optimizer state to go on from: last.state beside last.bin"},
    {"--resume", OPTION_FLAG, NULL, "go on from last.bin and last.state of --out, as if the run had not ended"},
    {"--batch", OPTION_INT, "N", "samples a step; a batch that the plan does not have is compiled (the graph file's train: batch)"},
    {"--epochs", OPTION_INT, "N", "passes over the data"},
    {"--steps", OPTION_INT, "N", "steps, instead of epochs"},
    {"--validate", OPTION_INT, "N", "steps between validations"},
    {"--lr", OPTION_REAL, "RATE", "learning rate"},
    {"--seed", OPTION_INT, "N", "of initial values, shuffling and dropout"},
    {"--threads", OPTION_INT, "N", "threads (all processors); the bits do not depend on it"},
    NETWORK_OPTION_TARGET,
    NETWORK_OPTION_DEVICE,
    {"--all", OPTION_FLAG, NULL, "of --eval: every sample of the data, not the validation split alone"},
    {"--show", OPTION_INT, "N", "of --eval: tell the predictions of N validation samples, drawn evenly (0)"},
    {"--confusion", OPTION_TEXT, "FILE", "of --eval: write how often each class was taken for which, as CSV; a small one is printed"},
    {"--picture", OPTION_TEXT, "FILE", "of --eval: and draw these samples, in their order, as PNG"},
    NETWORK_OPTION_SET,
    {0}};

/* The one thing a signal handler may write to. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
  (void)number;
  interrupted = 1;
}

/* A plan and what runs on it. */
typedef struct run {
  const command_line *line;
  rgc_plan *plan;
  rgc_network *network; /* the plan's */
  rgc_dataset *data;    /* NULL: not asked for */
  rgc_model *model;     /* NULL: not opened yet */
} run;

/* The file to start from; NULL: none is given, or the plan has weights. */
static const char *weights_file(const run *r) { return option_text(r->line, "--weights", rgc_plan_weights_file(r->plan)); }

/* The model with the weights it is to have; told is whether kernels had to be compiled. */
static bool open_model(run *r, int64_t batch, bool train, const char *keep, bool tell) {
  const command_line *line = r->line;
  rgc_network_facts n;
  rgc_network_tell(r->network, &n);
  rgc_model_options o = {.batch = batch, .seed = (uint64_t)option_int(line, "--seed", n.seed), .threads = (int)option_int(line, "--threads", 0),
                         .train = train, .keep = keep, .target = option_text(line, "--target", NULL),
                         .device = option_text(line, "--device", NULL)};
  const char *weights = train && option_flag(line, "--resume") ? NULL : weights_file(r);
  r->model = rgc_model_open(r->plan, &o, line->diags);
  if (!r->model) return false;
  rgc_model_facts facts;
  rgc_model_tell(r->model, &facts);
  if (tell && facts.compiled) printf("compiled %d kernels in %.1f s\n", facts.compiled, facts.compile_seconds);
  if (tell && facts.train_products) printf("cuBLAS computes %d kernels of a training step, %d of inference\n", facts.train_products, facts.infer_products);
  if (tell && !facts.train_products && facts.infer_products) printf("cuBLAS computes %d kernels of inference\n", facts.infer_products);
  if (tell && facts.step_batch > facts.batch)
    printf("memory: the batch of %lld is split in micro-batches of %lld%s\n", (long long)facts.step_batch, (long long)facts.batch,
           train ? ", gradients accumulated; batch normalisation takes its statistics of a micro-batch" : "");
  return !weights || rgc_model_load(r->model, weights, line->diags);
}

/* Of what is asked of a network that has learnt nothing. */
static void warn_untrained(const run *r) {
  if (!rgc_plan_has_weights(r->plan) && !weights_file(r))
    fprintf(stderr, "%s: note[weights]: has no weights yet; initial values are used\n  help: train it, give --weights, or make it by rgc import\n", r->line->words[0]);
}

static void read_options(const run *r, rgc_run_options *o) {
  const command_line *line = r->line;
  rgc_run_defaults(r->network, o);
  o->out_dir = option_text(line, "--out", "run");
  o->state = option_text(line, "--state", NULL);
  o->resume = option_flag(line, "--resume");
  o->epochs = option_int(line, "--epochs", o->epochs);
  o->steps = option_int(line, "--steps", option_text(line, "--epochs", NULL) ? 0 : o->steps);
  o->validate = option_int(line, "--validate", o->validate);
  o->seed = (uint64_t)option_int(line, "--seed", (long)o->seed);
  o->lr = option_real(line, "--lr", o->lr);
  o->stop = &interrupted;
}

static int run_train(run *r) {
  rgc_run_options options;
  rgc_run_result result;
  progress p;
  signal(SIGINT, on_interrupt);
  read_options(r, &options);
  options.progress = progress_show;
  options.context = &p;
  progress_begin(&p, stdout);
  bool was_there = !access(options.out_dir, F_OK);
  if (!rgc_make_directory(options.out_dir, "choose another --out", r->line->diags)) return RGC_EXIT_INPUT;
  if (!rgc_dataset_fits(r->data, r->network, r->line->diags) || !open_model(r, option_int(r->line, "--batch", 0), true, NULL, true) ||
      !rgc_model_train(r->model, r->data, &options, &result, r->line->diags)) {
    if (!was_there) rmdir(options.out_dir); /* which fails, as it should, if there are files in it */
    return RGC_EXIT_INPUT;
  }
  if (result.early) printf("stopped early: %lld validations were not better than the best\n", (long long)options.patience);
  if (result.seconds > 0)
    printf("waited %.1f s for data, %.1f %% of %.1f s of training steps\n", result.waited_seconds, 100 * result.waited_seconds / result.seconds,
           result.seconds);
  printf("validation accuracy %.4f, best %.4f; checkpoints in %s\n", result.valid_acc, result.best_acc, options.out_dir);
  return result.stopped ? RGC_EXIT_STOPPED : RGC_EXIT_OK;
}

enum { MAX_SHOWN = 100 };

/* Tells, and draws if asked to, `shown` samples spread over the validation split. */
static bool show_predictions(const run *r, const rgc_prediction *predictions, int shown) {
  int indices[MAX_SHOWN], count = rgc_dataset_count(r->data, RGC_SPLIT_VALIDATION);
  const char *picture = option_text(r->line, "--picture", NULL);
  for (int i = 0; i < shown; i++) {
    indices[i] = (int)((int64_t)i * count / shown);
    const rgc_prediction *p = &predictions[indices[i]];
    if (p->predicted < 0) continue; /* its file was skipped */
    printf("%-14s %5.1f %%  %s%s\n", rgc_dataset_class_name(r->data, p->predicted), 100 * p->probability,
           p->predicted == p->label ? "right" : "wrong, it is ", p->predicted == p->label ? "" : rgc_dataset_class_name(r->data, p->label));
  }
  return !picture || !shown || rgc_dataset_draw_predictions(r->data, picture, predictions, indices, shown, r->line->diags);
}

static bool show_confusion(const run *r, const rgc_prediction *predictions) {
  const char *path = option_text(r->line, "--confusion", NULL);
  if (!path) return true;
  if (!rgc_dataset_write_confusion(r->data, path, predictions, r->line->diags)) return false;
  char *text = rgc_dataset_confusion(r->data, predictions);
  fputs(text, stdout);
  rgc_free(text);
  return true;
}

static int run_eval(run *r) {
  int count = rgc_dataset_count(r->data, RGC_SPLIT_VALIDATION), shown = (int)option_int(r->line, "--show", 0);
  rgc_run_result result;
  if (!rgc_dataset_fits(r->data, r->network, r->line->diags) || !open_model(r, option_int(r->line, "--batch", 0), false, NULL, true))
    return RGC_EXIT_INPUT;
  warn_untrained(r);
  rgc_prediction *predictions = calloc((size_t)count + 1, sizeof *predictions);
  bool good = predictions && rgc_model_evaluate(r->model, r->data, &result, predictions, r->line->diags);
  if (good) {
    printf("validation loss %.4f, accuracy %.4f, top-5 %.4f\n", result.valid_loss, result.valid_acc, result.valid_top5);
    good = show_confusion(r, predictions);
    if (shown > MAX_SHOWN) shown = MAX_SHOWN;
    good = good && show_predictions(r, predictions, shown < count ? shown : count);
  }
  free(predictions);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

enum { PREDICTIONS_TOLD = 3 };

/* An output's likeliest classes, the likeliest first. */
static void tell_output(const rgc_output_facts *output, double *probabilities) {
  for (int k = 0; k < PREDICTIONS_TOLD && k < output->classes; k++) {
    int64_t best = 0;
    for (int64_t c = 1; c < output->classes; c++)
      if (probabilities[c] > probabilities[best]) best = c;
    if (output->class_names) printf("%s %s %.1f %%", k ? "," : "", output->class_names[best], 100 * probabilities[best]);
    else printf("%s class %lld %.1f %%", k ? "," : "", (long long)best, 100 * probabilities[best]);
    probabilities[best] = -1;
  }
  printf("\n");
}

/* A line for each output, with its name where there are several. */
static void tell(const run *r, const char *path, double *probabilities) {
  rgc_output_facts output;
  for (int k = 0; rgc_network_output(r->network, k, &output); k++) {
    printf("%s:%s%s%s", path, *output.name ? " " : "", output.name, *output.name ? ":" : "");
    tell_output(&output, probabilities + output.first);
  }
}

static int run_predict(run *r) {
  const command_line *line = r->line;
  rgc_model_facts m = {0};
  bool good = open_model(r, 1, false, NULL, false);
  if (good && !rgc_plan_has_weights(r->plan) && !weights_file(r))
    good = rgc_diagnostics_fail(line->diags, "weights", line->words[0], "train it, or give --weights", "has no weights yet");
  if (good) rgc_model_tell(r->model, &m);
  double *probabilities = calloc((size_t)m.classes + 1, sizeof *probabilities);
  for (int i = 1; good && i < line->word_count; i++) {
    good = probabilities && rgc_model_predict_file(r->model, line->words[i], probabilities, line->diags);
    if (good) tell(r, line->words[i], probabilities);
  }
  free(probabilities);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && !strcmp(text + length - tail, end);
}

static int run_dump(run *r, const char *layer) {
  char own[512];
  rgc_network_facts n;
  rgc_value_facts v;
  snprintf(own, sizeof own, "%s.npy", layer);
  rgc_network_tell(r->network, &n);
  const char *file = option_text(r->line, "--out", own);
  bool train = ends_with(layer, ".grad") || option_flag(r->line, "--train");
  if (!open_model(r, option_int(r->line, "--batch", 0), train, layer, false) ||
      !rgc_model_dump(r->model, r->data, (uint64_t)option_int(r->line, "--seed", n.seed), file, &v, r->line->diags))
    return RGC_EXIT_INPUT;
  printf("%s [%lld,%lld,%lld,%lld] is in %s\n", v.name, (long long)v.shape[0], (long long)v.shape[1], (long long)v.shape[2], (long long)v.shape[3],
         file);
  return RGC_EXIT_OK;
}

static int run_mode(run *r) {
  const char *dump = option_text(r->line, "--dump", NULL);
  if (dump) return run_dump(r, dump);
  if (option_flag(r->line, "--predict")) return run_predict(r);
  return option_flag(r->line, "--eval") ? run_eval(r) : run_train(r);
}

int run_run(const command_line *line) {
  bool predict = option_flag(line, "--predict"), dump = option_text(line, "--dump", NULL) != NULL;
  int modes = option_flag(line, "--train") + option_flag(line, "--eval") + predict;
  if (modes + dump == 0 || modes > 1) return command_usage(line, "rgc run --help", "one of --train, --eval, --predict and --dump is needed");
  if (predict != (line->word_count > 1))
    return command_usage(line, "rgc run PLAN --predict a.png b.png", "images go with --predict, and it needs some");
  if (option_flag(line, "--all") && !option_flag(line, "--eval")) return command_usage(line, NULL, "--all goes with --eval");
  if (option_int(line, "--batch", 1) < 1) return command_usage(line, NULL, "--batch must be at least 1");
  run r = {.line = line, .plan = command_plan(line)};
  if (!r.plan) return RGC_EXIT_INPUT;
  r.network = rgc_plan_network(r.plan);
  char *own;
  const char *spec = command_data_spec(line, r.network, &own);
  int code = RGC_EXIT_INPUT;
  if (!predict && !spec) code = command_usage(line, "for example --data quickdraw:examples/data/quickdraw", "--data is needed");
  r.data = predict || !spec ? NULL : rgc_dataset_open_for(r.network, spec, line->diags);
  if (r.data && option_flag(line, "--all")) rgc_dataset_validate_all(r.data);
  if (predict || r.data) code = run_mode(&r);
  rgc_free(own);
  rgc_model_close(r.model);
  rgc_dataset_close(r.data);
  rgc_plan_close(r.plan);
  return code;
}
