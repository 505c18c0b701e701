/* train.c: rgc train and rgc eval: a graph file, a data set, a run. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "runtime/data/contact_sheet.h"
#include "runtime/train/trainer.h"

const command_option train_options[] = {
    NETWORK_OPTION_SET,
    {"--data", OPTION_TEXT, "SPEC", "the data set, e.g. quickdraw:DIR, cifar10:FILE, idx:DIR, synthetic:classes=10,size=28"},
    {"--out", OPTION_TEXT, "DIR", "where the log and the checkpoints go (run)"},
    {"--weights", OPTION_TEXT, "FILE", "safetensors to start from"},
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--epochs", OPTION_INT, "N", "passes over the data"},
    {"--steps", OPTION_INT, "N", "steps, instead of epochs"},
    {"--validate", OPTION_INT, "N", "steps between validations"},
    {"--lr", OPTION_REAL, "RATE", "learning rate"},
    {"--seed", OPTION_INT, "N", "of initial values, shuffling and dropout"},
    {"--threads", OPTION_INT, "N", "threads (all processors); the bits do not depend on it"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {0}};

const command_option eval_options[] = {
    NETWORK_OPTION_SET,
    {"--data", OPTION_TEXT, "SPEC", "the data set; its validation samples are used"},
    {"--weights", OPTION_TEXT, "FILE", "safetensors, a checkpoint of rgc train or of torchvision's names"},
    {"--show", OPTION_INT, "N", "tell the predictions of N validation samples, drawn evenly (0)"},
    {"--picture", OPTION_TEXT, "FILE", "and draw these samples as PNG: predicted class, green if right, red if wrong"},
    {"--batch", OPTION_INT, "N", "samples at once (the graph file's train: batch)"},
    {"--threads", OPTION_INT, "N", "threads (all processors); the bits do not depend on it"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
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

static rgc_run_options run_options(const command_line *line, const rgc_network *network) {
  const rgc_train_settings *s = &network->train;
  rgc_run_options o = {.out_dir = option_text(line, "--out", "run"), .stop = &interrupted};
  o.weights = option_text(line, "--weights", NULL);
  o.batch = option_int(line, "--batch", s->batch);
  o.epochs = option_int(line, "--epochs", s->epochs);
  o.steps = option_int(line, "--steps", option_text(line, "--epochs", NULL) ? 0 : s->iterations);
  o.validate = option_int(line, "--validate", s->validate);
  o.seed = (uint64_t)option_int(line, "--seed", s->seed);
  o.threads = (int)option_int(line, "--threads", 0);
  o.target = option_text(line, "--target", NULL);
  return o;
}

static bool train_on(const command_line *line, rgc_network *network, const char *spec, rgc_run_result *result) {
  rgc_run_options options = run_options(line, network);
  network->train.lr = option_real(line, "--lr", network->train.lr);
  if (options.batch < 1) return rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, NULL, "--batch must be at least 1");
  rgc_dataset *data = command_data(network, spec, line->diags);
  bool good = data && make_dir(options.out_dir, line->diags) && rgc_train(network, data, &options, result, line->diags);
  rgc_dataset_close(data);
  if (good) printf("validation accuracy %.4f, best %.4f; checkpoints in %s\n", result->valid_acc, result->best_acc, options.out_dir);
  return good;
}

int run_train(const command_line *line) {
  const char *spec = option_text(line, "--data", NULL);
  if (!spec) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "for example --data quickdraw:examples/data/quickdraw", "--data is needed");
    return RGC_EXIT_USAGE;
  }
  rgc_network *network = command_network(line);
  rgc_run_result result;
  signal(SIGINT, on_interrupt);
  if (!network || !train_on(line, network, spec, &result)) return RGC_EXIT_INPUT;
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

static bool evaluate_on(const command_line *line, rgc_network *network, const rgc_dataset *data, const rgc_run_options *options) {
  int count = rgc_dataset_count(data, RGC_SPLIT_VALIDATION), shown = (int)option_int(line, "--show", 0);
  rgc_prediction *predictions = RGC_NEW_ARRAY(line->arena, rgc_prediction, count + 1);
  rgc_run_result result;
  if (!rgc_evaluate(network, data, options, &result, predictions, line->diags)) return false;
  printf("validation loss %.4f, accuracy %.4f\n", result.valid_loss, result.valid_acc);
  if (shown > MAX_SHOWN) shown = MAX_SHOWN;
  return show_predictions(line, data, predictions, shown < count ? shown : count);
}

int run_eval(const command_line *line) {
  const char *spec = option_text(line, "--data", NULL), *weights = option_text(line, "--weights", NULL);
  long batch = option_int(line, "--batch", -1);
  if (!spec || !weights || !batch) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc eval --help",
                  batch ? "--data and --weights are needed" : "--batch must be at least 1");
    return RGC_EXIT_USAGE;
  }
  rgc_network *network = command_network(line);
  rgc_dataset *data = network ? command_data(network, spec, line->diags) : NULL;
  rgc_run_options options = {.batch = batch, .weights = weights, .threads = (int)option_int(line, "--threads", 0),
                             .target = option_text(line, "--target", NULL)};
  if (network && batch < 0) options.batch = network->train.batch;
  bool good = data && evaluate_on(line, network, data, &options);
  rgc_dataset_close(data);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
