/* show.c: rgc show: what a data set holds, as text, and a contact sheet of its samples, as PNG. With a graph file, its classes
 * order the data set's, and the text says how a sample becomes the network's input. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option show_options[] = {NETWORK_OPTION_SET,
                                       {"--data", OPTION_TEXT, "SPEC", "the data set, e.g. quickdraw:DIR, cifar10:FILE, idx:DIR"},
                                       {"--out", OPTION_TEXT, "FILE", "the picture to write (samples.png)"},
                                       {"--count", OPTION_INT, "N", "samples a class (10)"},
                                       {0}};

enum { MAX_CELLS = 4096 };

static bool show_data(const command_line *line, const rgc_dataset *data, const char *spec, const rgc_network *network, int each) {
  const char *out = option_text(line, "--out", "samples.png");
  if (command_print(rgc_dataset_describe(data, spec, network, line->diags)) != RGC_EXIT_OK) return false;
  bool good = rgc_dataset_draw(data, out, each, line->diags);
  if (good) printf("\nsamples: %s\n", out);
  return good;
}

int run_show(const command_line *line) {
  const char *spec = option_text(line, "--data", NULL);
  long each = option_int(line, "--count", 10);
  if (!spec) return command_usage(line, "rgc show --help", "--data is needed");
  if (each < 1 || each > MAX_CELLS) return command_usage(line, "rgc show --help", "--count must be from 1 to %d", (int)MAX_CELLS);
  rgc_network *network = line->word_count ? command_network(line) : NULL;
  rgc_dataset *data = network || !line->word_count ? rgc_dataset_open_for(network, spec, line->diags) : NULL;
  bool good = data && show_data(line, data, spec, network, (int)each);
  rgc_dataset_close(data);
  rgc_network_close(network);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
