/* show.c: rgc show: what a data set holds, as text, and a contact sheet of its samples, as PNG. With a graph file, its classes
 * order the data set's, and the text says how a sample becomes the network's input. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option show_options[] = {NETWORK_OPTION_SET,
                                       {"--data", OPTION_TEXT, "SPEC", "the data set: a folder of class folders, or e.g. quickdraw:DIR, cifar10:FILE, idx:DIR"},
                                       {"--out", OPTION_TEXT, "FILE", "the picture to write (samples.png)"},
                                       {"--count", OPTION_INT, "N", "samples a class (10; of --export: all)"},
                                       {"--export", OPTION_TEXT, "DIR", "instead: write the samples as PNG files, DIR/train/CLASS and DIR/val/CLASS"},
                                       {0}};

enum { MAX_CELLS = 4096 };

static bool show_data(const command_line *line, const rgc_dataset *data, const char *spec, const rgc_network *network, int each) {
  const char *out = option_text(line, "--out", "samples.png");
  if (command_print(rgc_dataset_describe(data, spec, network, line->diags)) != RGC_EXIT_OK) return false;
  bool good = rgc_dataset_draw(data, out, each, line->diags);
  if (good) printf("\nsamples: %s\n", out);
  return good;
}

static bool export_data(const command_line *line, const rgc_dataset *data, const char *dir) {
  int count = rgc_dataset_export(data, dir, (int)option_int(line, "--count", 0), line->diags);
  if (count >= 0) printf("%d PNG files are in %s\n", count, dir);
  return count >= 0;
}

static int show_or_export(const command_line *line, const rgc_network *network, const char *spec) {
  const char *dir = option_text(line, "--export", NULL);
  rgc_dataset *data = rgc_dataset_open_for(network, spec, line->diags);
  bool good = data && (dir ? export_data(line, data, dir) : show_data(line, data, spec, network, (int)option_int(line, "--count", 10)));
  rgc_dataset_close(data);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

int run_show(const command_line *line) {
  long each = option_int(line, "--count", 10);
  if (each < 1 || each > MAX_CELLS) return command_usage(line, "rgc show --help", "--count must be from 1 to %d", (int)MAX_CELLS);
  rgc_network *network = line->word_count ? command_network(line) : NULL;
  if (line->word_count && !network) return RGC_EXIT_INPUT;
  char *own;
  const char *spec = command_data_spec(line, network, &own);
  int code = spec ? show_or_export(line, network, spec) : command_usage(line, "rgc show --help", "--data is needed");
  rgc_free(own);
  rgc_network_close(network);
  return code;
}
