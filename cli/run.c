/* run.c: rgc run: a plan trains, validates, predicts; or one of its values is written to a file. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "runtime/data/contact_sheet.h"
#include "runtime/train/import_weights.h"
#include "runtime/train/probe.h"
#include "runtime/train/trainer.h"

const command_option run_options[] = {
    {"--train", OPTION_FLAG, NULL, "train on --data"},
    {"--eval", OPTION_FLAG, NULL, "validate on --data"},
    {"--predict", OPTION_FLAG, NULL, "tell what the PNG files behind the plan show"},
    {"--dump", OPTION_TEXT, "LAYER", "write a layer's output (LAYER.grad: its gradient) for the first batch of --data as .npy"},
    {"--data", OPTION_TEXT, "SPEC", "the data set, e.g. quickdraw:DIR, cifar10:FILE, idx:DIR, synthetic:classes=10,size=28"},
    {"--out", OPTION_TEXT, "DIR", "where log.csv, best.bin and last.bin go (run); of --dump: the file (LAYER.npy)"},
    {"--weights", OPTION_TEXT, "FILE", "weights to start from: a plan, safetensors, or a PyTorch file (.pth, .pt, .th)"},
    {"--state", OPTION_TEXT, "FILE", "optimizer state to go on from: last.state beside last.bin"},
    {"--batch", OPTION_INT, "N", "samples a step; a batch that the plan does not have is compiled (the graph file's train: batch)"},
    {"--epochs", OPTION_INT, "N", "passes over the data"},
    {"--steps", OPTION_INT, "N", "steps, instead of epochs"},
    {"--validate", OPTION_INT, "N", "steps between validations"},
    {"--lr", OPTION_REAL, "RATE", "learning rate"},
    {"--seed", OPTION_INT, "N", "of initial values, shuffling and dropout"},
    {"--threads", OPTION_INT, "N", "threads (all processors); the bits do not depend on it"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {"--all", OPTION_FLAG, NULL, "of --eval: every sample of the data, not the validation split alone"},
    {"--show", OPTION_INT, "N", "of --eval: tell the predictions of N validation samples, drawn evenly (0)"},
    {"--picture", OPTION_TEXT, "FILE", "of --eval: and draw these samples, in their order, as PNG"},
    NETWORK_OPTION_SET,
    {0}};

/* The one thing a signal handler may write to. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
  (void)number;
  interrupted = 1;
}

static bool make_dir(const char *path, rgc_diagnostics *diags) {
  if (!mkdir(path, 0777) || errno == EEXIST) return true;
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "choose another --out", "cannot be made: %s", strerror(errno));
}

static rgc_run_options read_options(const command_line *line, const rgc_network *network) {
  const rgc_train_settings *s = &network->train;
  rgc_run_options o = {.out_dir = option_text(line, "--out", "run"), .stop = &interrupted};
  o.weights = option_text(line, "--weights", NULL);
  o.state = option_text(line, "--state", NULL);
  o.batch = option_int(line, "--batch", s->batch);
  o.epochs = option_int(line, "--epochs", s->epochs);
  o.steps = option_int(line, "--steps", option_text(line, "--epochs", NULL) ? 0 : s->iterations);
  o.validate = option_int(line, "--validate", s->validate);
  o.seed = (uint64_t)option_int(line, "--seed", s->seed);
  o.threads = (int)option_int(line, "--threads", 0);
  o.target = option_text(line, "--target", NULL);
  return o;
}

/* A network, its plan, and what the command line says. */
typedef struct run {
  const command_line *line;
  rgc_network *network;
  rgc_plan *plan;
  rgc_dataset *data; /* NULL: not asked for */
  rgc_run_options options;
} run;

static int run_train(run *r) {
  rgc_run_result result;
  signal(SIGINT, on_interrupt);
  r->network->train.lr = option_real(r->line, "--lr", r->network->train.lr);
  if (!make_dir(r->options.out_dir, r->line->diags) || !rgc_train(r->network, r->plan, r->data, &r->options, &result, r->line->diags))
    return RGC_EXIT_INPUT;
  printf("validation accuracy %.4f, best %.4f; checkpoints in %s\n", result.valid_acc, result.best_acc, r->options.out_dir);
  return result.stopped ? RGC_EXIT_STOPPED : RGC_EXIT_OK;
}

enum { MAX_SHOWN = 100, SHOWN_COLUMNS = 10, RIGHT_RGB = 0x0a7d32, WRONG_RGB = 0xc8201c };

/* Its title is the predicted class; a wrong one's note tells the true one. */
static rgc_sheet_cell predicted_cell(const command_line *line, const rgc_dataset *data, int index, const rgc_prediction *p) {
  rgc_sheet_cell cell = {.index = index, .title = rgc_dataset_class_name(data, p->predicted), .title_rgb = RIGHT_RGB};
  if (p->predicted == p->label) return cell;
  cell.title_rgb = WRONG_RGB;
  cell.note = rgc_arena_printf(line->arena, "is %s", rgc_dataset_class_name(data, p->label));
  return cell;
}

/* Tells, and draws if asked to, `shown` samples spread over the validation split. */
static bool show_predictions(const command_line *line, const rgc_dataset *data, const rgc_prediction *predictions, int shown) {
  rgc_sheet_cell cells[MAX_SHOWN];
  int count = rgc_dataset_count(data, RGC_SPLIT_VALIDATION);
  const char *picture = option_text(line, "--picture", NULL);
  for (int i = 0; i < shown; i++) {
    int index = (int)((int64_t)i * count / shown);
    const rgc_prediction *p = &predictions[index];
    cells[i] = predicted_cell(line, data, index, p);
    printf("%-14s %5.1f %%  %s%s\n", rgc_dataset_class_name(data, p->predicted), 100 * p->probability,
           p->predicted == p->label ? "right" : "wrong, it is ", p->predicted == p->label ? "" : rgc_dataset_class_name(data, p->label));
  }
  rgc_sheet sheet = {.split = RGC_SPLIT_VALIDATION, .cells = cells, .count = shown};
  sheet.columns = shown < SHOWN_COLUMNS ? shown : SHOWN_COLUMNS;
  return !picture || !shown || rgc_contact_sheet_write(picture, data, &sheet, line->diags);
}

static int run_eval(run *r) {
  int count = rgc_dataset_count(r->data, RGC_SPLIT_VALIDATION), shown = (int)option_int(r->line, "--show", 0);
  rgc_prediction *predictions = RGC_NEW_ARRAY(r->line->arena, rgc_prediction, count + 1);
  rgc_run_result result;
  if (!rgc_evaluate(r->network, r->plan, r->data, &r->options, &result, predictions, r->line->diags)) return RGC_EXIT_INPUT;
  printf("validation loss %.4f, accuracy %.4f\n", result.valid_loss, result.valid_acc);
  if (shown > MAX_SHOWN) shown = MAX_SHOWN;
  return show_predictions(r->line, r->data, predictions, shown < count ? shown : count) ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

enum { PREDICTIONS_TOLD = 3 };

/* The likeliest classes, the first one's name first. */
static void tell(const run *r, const char *path, double *probabilities) {
  const rgc_class_set *classes = &r->network->classes[0];
  printf("%s:", path);
  for (int k = 0; k < PREDICTIONS_TOLD && k < classes->count; k++) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes->count; c++)
      if (probabilities[c] > probabilities[best]) best = c;
    if (classes->names) printf("%s %s %.1f %%", k ? "," : "", classes->names[best], 100 * probabilities[best]);
    else printf("%s class %lld %.1f %%", k ? "," : "", (long long)best, 100 * probabilities[best]);
    probabilities[best] = -1;
  }
  printf("\n");
}

static bool open_model(run *r, rgc_model *model, int64_t batch, bool train, const char *keep) {
  rgc_model_options o = {.batch = batch, .seed = r->options.seed, .threads = r->options.threads, .train = train, .keep = keep,
                         .target = r->options.target};
  bool good = rgc_model_create(model, r->network, r->plan, &o, r->line->diags);
  const char *weights = rgc_weights_choose(r->network, r->plan, r->options.weights);
  if (good && weights) good = rgc_model_load(model, weights, r->line->diags);
  if (good) rgc_model_fold(model);
  return good;
}

static int run_predict(run *r) {
  rgc_model model = {0};
  double *probabilities = RGC_NEW_ARRAY(r->line->arena, double, r->network->classes[0].count);
  bool good = open_model(r, &model, 1, false, NULL);
  if (good && !r->plan->tensor_count && !rgc_weights_choose(r->network, r->plan, r->options.weights))
    good = rgc_diag_fail(r->line->diags, RGC_CODE_WEIGHTS, r->line->words[0], "train it, or give --weights", "has no weights yet");
  for (int i = 1; good && i < r->line->word_count; i++) {
    good = rgc_predict_file(&model, r->line->words[i], probabilities, r->line->diags);
    if (good) tell(r, r->line->words[i], probabilities);
  }
  if (model.arena) rgc_model_destroy(&model);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && !strcmp(text + length - tail, end);
}

static int run_dump(run *r, const char *layer) {
  rgc_model model = {0};
  const char *file = option_text(r->line, "--out", rgc_arena_printf(r->line->arena, "%s.npy", layer));
  bool train = ends_with(layer, ".grad") || option_flag(r->line, "--train");
  bool good = open_model(r, &model, r->options.batch, train, layer) &&
              rgc_dump_value(&model, r->data, r->options.seed, file, r->line->diags);
  if (good) {
    const rgc_model_program *program = train ? &model.train : &model.infer;
    const rgc_value *v = &program->program->graph->values[program->kept];
    printf("%s [%lld,%lld,%lld,%lld] is in %s\n", v->name, (long long)v->shape[0], (long long)v->shape[1], (long long)v->shape[2],
           (long long)v->shape[3], file);
  }
  if (model.arena) rgc_model_destroy(&model);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

static int run_mode(run *r) {
  const char *dump = option_text(r->line, "--dump", NULL);
  if (dump) return run_dump(r, dump);
  if (option_flag(r->line, "--predict")) return run_predict(r);
  return option_flag(r->line, "--eval") ? run_eval(r) : run_train(r);
}

static int usage(const command_line *line, const char *help, const char *message) {
  rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, help, "%s", message);
  return RGC_EXIT_USAGE;
}

int run_run(const command_line *line) {
  bool predict = option_flag(line, "--predict"), dump = option_text(line, "--dump", NULL) != NULL;
  int modes = option_flag(line, "--train") + option_flag(line, "--eval") + predict;
  const char *spec = option_text(line, "--data", NULL);
  if (modes + dump == 0 || modes > 1) return usage(line, "rgc run --help", "one of --train, --eval, --predict and --dump is needed");
  if (!predict && !spec) return usage(line, "for example --data quickdraw:examples/data/quickdraw", "--data is needed");
  if (predict != (line->word_count > 1)) return usage(line, "rgc run PLAN --predict a.png b.png", "images go with --predict, and it needs some");
  if (option_flag(line, "--all") && !option_flag(line, "--eval")) return usage(line, NULL, "--all goes with --eval");
  if (option_int(line, "--batch", 1) < 1) return usage(line, NULL, "--batch must be at least 1");
  run r = {.line = line};
  r.plan = command_plan(line, &r.network);
  if (!r.plan) return RGC_EXIT_INPUT;
  r.options = read_options(line, r.network);
  r.data = predict ? NULL : command_data(r.network, spec, line->diags);
  if (r.data && option_flag(line, "--all")) rgc_dataset_validate_all(r.data);
  int code = predict || r.data ? run_mode(&r) : RGC_EXIT_INPUT;
  rgc_dataset_close(r.data);
  return code;
}
