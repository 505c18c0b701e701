/* commands.h: the functions and options of every row of the table in main.c. */
#ifndef RGC_CLI_COMMANDS_H
#define RGC_CLI_COMMANDS_H
#include "cli/command.h"

extern const command_option check_options[], summary_options[], graph_options[], run_options[], compile_options[], explain_options[], verify_options[],
    show_options[], bench_options[], schema_options[], list_options[], diff_options[], import_options[], export_options[];

int run_check(const command_line *line);   /* inspect.c */
int run_summary(const command_line *line); /* inspect.c */
int run_graph(const command_line *line);   /* inspect.c */
int run_compile(const command_line *line); /* compile.c */
int run_run(const command_line *line);     /* run.c */
int run_explain(const command_line *line); /* explain.c */
int run_verify(const command_line *line);  /* explain.c */
int run_show(const command_line *line);    /* show.c */
int run_import(const command_line *line);  /* import.c */
int run_export(const command_line *line);  /* import.c */
int run_bench(const command_line *line);   /* bench.c */
int run_schema(const command_line *line);  /* print_schema.c */
int run_list(const command_line *line);    /* survey.c */
int run_diff(const command_line *line);    /* survey.c */
#endif
