/* main.c: the table of subcommands, and what is common to all: help, diagnostics, exit code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

const command rgc_commands[] = {
    {"check", "check GRAPH.yaml", "Reads a graph file, reports every error in it, and compares it with its expect:.", check_options, 1, 1,
     run_check},
    {"summary", "summary GRAPH.yaml", "Prints a table of layers: output shape, parameters, MACs.", summary_options, 1, 1, run_summary},
    {"graph", "graph GRAPH.yaml", "Prints the composite graph in its canonical text.", graph_options, 1, 1, run_graph},
    {"compile", "compile GRAPH.yaml [-o plan.bin]", "Compiles a graph file to a plan, and its kernels into the cache.", compile_options, 0, 1, run_compile},
    {"run", "run PLAN --train|--eval|--predict|--dump", "Trains a plan (or a graph file), validates it, predicts images, writes a value.", run_options,
     1, 64, run_run},
    {"explain", "explain PLAN", "Tells what fusion decided for each kernel and why, and where memory goes.", explain_options, 1, 1, run_explain},
    {"verify", "verify PLAN", "Checks each kernel of a plan against the double-precision reference.", verify_options, 1, 1, run_verify},
    {"import", "import FILE --graph GRAPH.yaml [-o plan.bin]",
     "Makes a plan of a graph file and somebody's weights (PyTorch's .pth, .pt and .th, ONNX or safetensors); tells what became of each tensor.",
     import_options, 1, 1, run_import},
    {"export", "export PLAN --safetensors FILE|--onnx FILE|--c DIR",
     "Writes a plan for other programs: its weights under torchvision's names, or its inference as an ONNX model or as C sources.", export_options, 1, 1, run_export},
    {"bench", "bench PLAN", "Measures images a second, and each kernel, on random data.", bench_options, 1, 1, run_bench},
    {"show", "show [GRAPH.yaml] --data SPEC",
     "Tells what a data set holds (classes by split, mean, std) and how it becomes a graph file's input; draws samples, a class a row.",
     show_options, 0, 1, run_show},
    {"list", "list [GRAPH.yaml|FOLDER...]", "Prints a line for each graph file (those in graphs/): parameters, MACs, memory of training.",
     list_options, 0, 64, run_list},
    {"diff", "diff A.yaml B.yaml", "Tells how two networks differ: layers, parameters, MACs, bytes, kernels, and which weights carry over.",
     diff_options, 2, 2, run_diff},
    {"schema", "schema", "Prints a JSON Schema of graph files, for editors.", schema_options, 0, 0, run_schema},
    {0},
};

static void print_help(void) {
  puts("rgc: a compiler from residual networks, described in YAML, to programs that train and infer\n\nusage: rgc COMMAND ...\n");
  for (const command *c = rgc_commands; c->name; c++) printf("  %-10s %s\n", c->name, c->about);
  puts("\nrgc COMMAND --help tells more. Exit codes:");
#define X(id, number, about) printf("  %d  %s\n", number, about);
  RGC_EXIT_CODES(X)
#undef X
}

static const command *find_command(const char *name) {
  for (const command *c = rgc_commands; c->name; c++)
    if (!strcmp(c->name, name)) return c;
  return NULL;
}

static int unknown_command(const char *name, rgc_diagnostics *diags) {
  char help[64] = "rgc --help lists the commands";
  const char *names[sizeof rgc_commands / sizeof *rgc_commands];
  int count = 0;
  for (const command *c = rgc_commands; c->name; c++) names[count++] = c->name;
  const char *near = rgc_nearest_word(name, names, count);
  if (near) snprintf(help, sizeof help, "did you mean 'rgc %s'?", near);
  rgc_diagnostics_fail(diags, "usage", NULL, help, "'%s' is no command of rgc", name);
  return RGC_EXIT_USAGE;
}

static int run_command(const command *row, int argc, char **argv, rgc_diagnostics *diags) {
  for (int i = 2; i < argc; i++)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      command_help(row);
      return RGC_EXIT_OK;
    }
  command_line line = {.diags = diags};
  return command_parse(row, argc, argv, &line) ? row->run(&line) : RGC_EXIT_USAGE;
}

int main(int argc, char **argv) {
  if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    print_help();
    return argc < 2 ? RGC_EXIT_USAGE : RGC_EXIT_OK;
  }
  rgc_diagnostics *diags = rgc_diagnostics_create();
  const command *row = find_command(argv[1]);
  int code = row ? run_command(row, argc, argv, diags) : unknown_command(argv[1], diags);
  const char *no_color = getenv("NO_COLOR"); /* no-color.org: an empty one does not count */
  if ((fflush(stdout) || ferror(stdout)) && code == RGC_EXIT_OK) {
    rgc_diagnostics_fail(diags, "file-write", NULL, NULL, "standard output cannot be written: %s", strerror(errno));
    code = RGC_EXIT_INPUT;
  }
  fputs(rgc_diagnostics_text(diags, isatty(STDERR_FILENO) && !(no_color && *no_color)), stderr);
  rgc_diagnostics_destroy(diags);
  return code;
}
