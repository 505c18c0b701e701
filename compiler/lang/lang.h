/* lang.h: graph files. A file, its bases and overrides become an rgc_network: settings that are read, and the tree of layers
 * that rgc_network_build expands to the composite forward graph. Everything lives in the arena given; errors are collected,
 * never printed. */
#ifndef RGC_LANG_LANG_H
#define RGC_LANG_LANG_H
#include "compiler/graph/graph.h"
#include "compiler/lang/data_settings.h"
#include "compiler/lang/yaml.h"

enum { RGC_MAX_CHANNELS = 64, RGC_MAX_OUTPUTS = 8, RGC_MAX_STEPS = 16, RGC_MAX_GROUPS = 16 };

typedef enum rgc_optimizer { RGC_OPTIMIZER_ADAM, RGC_OPTIMIZER_SGD, RGC_OPTIMIZER_ADAMW } rgc_optimizer;
typedef enum rgc_loss { RGC_LOSS_CROSS_ENTROPY, RGC_LOSS_BCE } rgc_loss;
typedef enum rgc_schedule { RGC_SCHEDULE_CONSTANT, RGC_SCHEDULE_STEP, RGC_SCHEDULE_COSINE } rgc_schedule;
typedef enum rgc_bn_mode { RGC_BN_BATCH, RGC_BN_RUNNING, RGC_BN_RUNNING_AFTER_FIRST_VALIDATION } rgc_bn_mode;

typedef struct rgc_names {
  const char **items;
  int count, capacity;
} rgc_names;

typedef struct rgc_loss_settings {
  rgc_loss kind;
  double smoothing; /* of the labels; 0 */
  double weight;    /* in the sum of several outputs' losses; 1 */
} rgc_loss_settings;

/* The class of an output for each class of the data set. */
typedef struct rgc_label_map {
  int32_t *classes; /* [count] */
  int count;
} rgc_label_map;

/* Parameters with numbers of their own; the first group that holds a parameter has it. */
typedef struct rgc_param_group {
  rgc_names layers;    /* patterns, rgc_layer_holds */
  double lr_factor;    /* of the learning rate, at any step: the group's lr over the optimizer's */
  double weight_decay; /* negative: the optimizer's */
} rgc_param_group;

typedef struct rgc_train_settings {
  int64_t batch;              /* samples a step; 32 */
  int64_t epochs, iterations; /* epochs 1; iterations 0: by epochs */
  int64_t seed;               /* 0 */
  int64_t validate;           /* iterations between validations; 0: once an epoch */
  rgc_loss_settings losses[RGC_MAX_OUTPUTS]; /* by class set */
  rgc_label_map labels[RGC_MAX_OUTPUTS];     /* by class set; none: the data set's labels as they are */
  const char *distill_plan;   /* distill: a plan with weights; NULL: no distillation */
  double distill_temperature, distill_weight; /* 4, 0.5 */
  rgc_optimizer optimizer;    /* adam */
  double lr;                  /* 1e-3 */
  double beta1, beta2, eps;   /* adam: 0.9, 0.999, 1e-8 */
  double momentum;            /* sgd: 0 */
  bool nesterov;              /* sgd */
  double weight_decay;        /* L2, added to the gradient; 0 */
  rgc_schedule schedule;
  int64_t warmup;             /* steps of linear warmup */
  double step_at[RGC_MAX_STEPS]; /* epochs */
  int step_count;
  double step_factor; /* 0.1 */
  double cosine_end;  /* last rate / first rate; 0 */
  rgc_bn_mode bn;
  rgc_param_group groups[RGC_MAX_GROUPS];
  int group_count;
  bool no_decay_vectors; /* no_decay: norm_and_bias: no weight decay on parameters that are vectors */
  double clip_norm;      /* of all gradients together; 0: not clipped */
  double clip_value;     /* of each element; 0: not clipped */
  int64_t accumulate;    /* micro-batches a step; 1 */
  double ema;            /* decay of the averaged weights; 0: none */
  int64_t patience;      /* validations without a better accuracy before training ends; 0: it does not */
} rgc_train_settings;

typedef struct rgc_class_set {
  const char *output; /* "species"; "" when the network has one output */
  int64_t count;
  const char **names; /* [count], in order; NULL when only the count is known */
} rgc_class_set;

/* A tensor, or by patterns several, under another program's name. Each * of one name stands for the same run in the other. */
typedef struct rgc_name_rule {
  const char *theirs, *ours;
  int rank; /* of theirs, which has ones behind our shape; 0: as ours */
} rgc_name_rule;

/* The names of one program's files. Rules apply in turn; from ours to theirs they are turned round, the last one first. */
typedef struct rgc_naming {
  const char *name; /* "timm"; "weights": the rename: rules of weights: */
  rgc_name_rule *rules;
  int count, capacity;
} rgc_naming;

typedef struct rgc_network {
  rgc_arena *arena;
  const char *file, *name;
  int64_t channels, height, width; /* of the image */
  bool has_mean;                   /* mean and std are given */
  double mean[RGC_MAX_CHANNELS], std[RGC_MAX_CHANNELS]; /* [channels]; 0 and 1 where not given */
  rgc_class_set classes[RGC_MAX_OUTPUTS];
  int class_set_count;
  rgc_train_settings train;
  const char *weights_file; /* NULL: none; as in the file */
  rgc_names fresh;          /* layers that do not take their weights from it */
  bool weights_head_fresh;  /* head: fresh: nor does the last layer with weights */
  bool weights_sum_channels; /* channels: sum: a convolution's input channels are summed where the image has one */
  rgc_naming rename;         /* of weights: what always applies to the file's names */
  rgc_naming *namings;       /* names: one of them applies where more of the file's names fit with it than without */
  int naming_count, naming_capacity;
  bool freeze_all_but;
  rgc_names freeze; /* layers frozen, or with freeze_all_but the only ones not */
  bool freeze_bn;   /* bn of frozen layers uses the running statistics */
  bool init_torch;  /* init: torch; else torchvision */
  rgc_precision precision; /* of contracts, where the target has it; fp32 */
  bool may_recompute, may_split; /* to keep memory:; split: take the batch of a training step in parts */
  int64_t memory_bytes; /* memory: what a program may take (memory.h, all regions); 0: as much as it wants */
  rgc_data_settings data;
  const rgc_yaml *root; /* the whole merged file */
  const struct rgc_block *blocks; /* of the file, then the built-in ones (layer.h) */
  int block_count;
  int64_t params, macs; /* counted by rgc_network_build: learnt elements; conv and linear of one sample */
} rgc_network;

/* Reads and checks `path` with `overrides` (texts PATH=VALUE, --set). Unknown keys, wrong types and unknown words of the whole
 * file are reported at once. NULL after an error. */
rgc_network *rgc_network_load(rgc_arena *arena, const char *path, const char *const *overrides, int override_count,
                              rgc_diagnostics *diags);
/* Gives the classes of a network with one output and a count alone their names, as if its file had them; nothing otherwise. */
void rgc_network_name_classes(rgc_network *network, const char *const *names, int count);
/* The network as texts, for a plan: the resolved file (bases and overrides merged) as YAML of one canonical form, and the line map
 * beside it, which gives each node the file, line and column where the user wrote it, and that line (source_print.c). */
void rgc_network_source(const rgc_network *network, rgc_text *source, rgc_text *line_map);
/* The same network from these texts: what it builds and what it says of mistakes equal the first one's, places included. NULL
 * after an error. */
rgc_network *rgc_network_parse(rgc_arena *arena, const char *source, const char *line_map, rgc_diagnostics *diags);
/* The composite forward graph: value "input" f32 [batch,H,W,C]; the logits, OUTPUT [batch,1,1,classes], "logits" or the name
 * given with output:. With `training`: dropout and drop_path, batch statistics, "label" i32 [batch,1,1,1] and xent's outputs
 * "loss" and "correct"; if samples are mixed, "other_label" as well, and "loss" is mix times that of "label" + (1 - mix) times that of
 * "other_label", mix a number of the step (expr.h). Sets params and macs, and checks expect:. NULL after an error. */
rgc_graph *rgc_network_build(rgc_network *network, int64_t batch, bool training, rgc_diagnostics *diags);
/* Whether data: train: mixes samples (mixup, cutmix). */
bool rgc_network_mixes(const rgc_network *network);
/* Whether `parameter` ("layer1.0.conv1.weight") or layer ("layer1.0.conv1") is frozen by freeze:. */
bool rgc_network_is_frozen(const rgc_network *network, const char *parameter);
/* Whether `name` is `pattern`, or stands within it: "fc" holds "fc.weight"; a '*' stands for any characters, dots among them. */
bool rgc_layer_holds(const char *pattern, const char *name);
#endif
