/* import_folded.h: files in which batch norms were folded into the layers before them, as exporters of inference do. */
#ifndef RGC_IMPORT_IMPORT_FOLDED_H
#define RGC_IMPORT_IMPORT_FOLDED_H
#include "compiler/graph/graph.h"

/* A batch norm's part in such a file. */
typedef struct rgc_folded_part {
  const char *bias;     /* the tensor of the file that its bias is: "layer1.0.conv1.bias" */
  const char *parts[4]; /* what the batch norm's own tensors are called, of which a file that is folded has none */
  bool is_bias;         /* the bias; the others are numbers: */
  double number;        /* weight 1, running_mean 0, running_var 1 - eps: with them a batch norm only adds its bias */
} rgc_folded_part;

/* Whether `value` (a parameter or buffer) belongs to a batch norm that could have been folded: behind a layer without bias. */
bool rgc_import_folded(const rgc_graph *graph, int value, rgc_folded_part *part);
#endif
