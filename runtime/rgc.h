/* rgc.h: the one public header of librgc: residual networks from graph files, compiled to programs that train and infer.
 *
 *   graph file --rgc_network_open--> rgc_network --rgc_plan_of_network--> rgc_plan --rgc_model_open--> rgc_model
 *   plan file  --rgc_plan_open--------------------------------------------^            run, train, evaluate, save
 *
 *     rgc_diagnostics *errors = rgc_diagnostics_create();
 *     rgc_plan *plan = rgc_plan_open("best.bin", NULL, 0, errors);
 *     rgc_model_options o = {0};
 *     rgc_model *model = plan ? rgc_model_open(plan, &o, errors) : NULL;
 *     if (!model || !rgc_model_run(model, images, n, logits, errors)) fputs(rgc_diagnostics_text(errors, false), stderr);
 *     rgc_model_close(model), rgc_plan_close(plan), rgc_diagnostics_destroy(errors);
 *
 * Errors. A function that can fail takes an rgc_diagnostics, adds one entry or more to it and returns false or NULL; nothing
 * is left half-written. The library prints nothing and never exits, but for two cases after which no process could go on: no memory for
 * the compiler's own data, and a bug of rgc. Both say so on stderr and abort. Pointers must not be NULL unless it is said.
 *
 * Ownership. What *_open, *_create and *_of_* return is the caller's, to be given to *_close or *_destroy (NULL is allowed there). A
 * network outlives the plans made of it, a plan the models opened on it. Texts (`char *`) are the caller's, for rgc_free; `const char *`
 * belong to the handle asked and live as long.
 *
 * Threads. A handle is used by one thread at a time; a plan and its models count as one handle, likewise a network and its plans. Different
 * handles may be used at the same time. A data set does not change after it was opened, so any number of threads may share it. Programs
 * run on threads of their own (rgc_model_options.threads); the bits of the results do not depend on how many.
 *
 * Option structs: begin with = {0} (in C++ = {}); a field that is 0 or NULL means what its comment says. They grow at their ends, and the
 * shared library's version with them.
 *
 * Units: images are float32 [n][height][width][channels] (NHWC) after the transforms (rgc_network_input makes them), labels int32 from 0,
 * seconds and bytes as such, MB 10^6 bytes. */
#ifndef RGC_PUBLIC_H
#define RGC_PUBLIC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RGC_VERSION_MAJOR 0
#define RGC_VERSION_MINOR 1
#define RGC_VERSION_PATCH 0
#define RGC_VERSION "0.1.0"

#define RGC_API __attribute__((visibility("default")))
#define RGC_PRINTF(text, first) __attribute__((format(printf, text, first)))

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library that runs: "0.1.0". RGC_VERSION is that of the header. */
RGC_API const char *rgc_version(void);
/* Frees a text or a result that the library gave; NULL is allowed. */
RGC_API void rgc_free(void *memory);

/* ---- what went wrong ---- */

typedef struct rgc_diagnostics rgc_diagnostics;

/* One entry. Texts belong to the rgc_diagnostics. */
typedef struct rgc_problem {
  const char *severity;    /* "error", "warning", "note" */
  const char *code;        /* "unknown-key"; the codes and what they mean: rgc_code_meaning */
  const char *file;        /* as the user wrote it; NULL: none */
  int line, column;        /* in `file`, from 1; 0: unknown */
  const char *source_line; /* the text of that line; NULL */
  const char *path;        /* where in the network, "layer3.0.conv2"; NULL */
  const char *message;     /* one line, without a full stop */
  const char *expected;    /* what would have been right; NULL */
  const char *help;        /* what to do; NULL */
} rgc_problem;

RGC_API rgc_diagnostics *rgc_diagnostics_create(void);
RGC_API void rgc_diagnostics_destroy(rgc_diagnostics *diags);
/* Forgets all entries and their texts. */
RGC_API void rgc_diagnostics_clear(rgc_diagnostics *diags);
RGC_API int rgc_diagnostics_count(const rgc_diagnostics *diags);
RGC_API int rgc_diagnostics_error_count(const rgc_diagnostics *diags);
/* Entry `index`, from 0; false past the end. */
RGC_API bool rgc_diagnostics_get(const rgc_diagnostics *diags, int index, rgc_problem *problem);
/* All entries for a person: "file:line:col: error[code]: message", the line, a caret, what to do. Lives as long as `diags`. */
RGC_API const char *rgc_diagnostics_text(rgc_diagnostics *diags, bool color);
/* Adds an error of the calling program, to be told like the library's. `code` is one of the library's codes, or counts as "usage"; `file`
 * and `help` may be NULL. Returns false. */
RGC_API bool rgc_diagnostics_fail(rgc_diagnostics *diags, const char *code, const char *file, const char *help, const char *format, ...)
    RGC_PRINTF(5, 6);
/* What a code means, a sentence; NULL for a code that there is none of. */
RGC_API const char *rgc_code_meaning(const char *code);
/* The one of `count` words that was probably meant by `word`; NULL: none is near. */
RGC_API const char *rgc_nearest_word(const char *word, const char *const *words, int count);
/* Makes a folder whose parent exists; also true when it is there. Error file-write, with `help` (or NULL). */
RGC_API bool rgc_make_directory(const char *path, const char *help, rgc_diagnostics *diags);

/* ---- networks: graph files ---- */

typedef struct rgc_network rgc_network;

/* What a program prints goes to such a function, in order. */
typedef void rgc_text_function(void *context, const char *text);

typedef struct rgc_network_facts {
  const char *name, *file;
  int64_t channels, height, width; /* of the input image */
  int64_t params, macs;            /* learnt elements; multiply-adds of conv and linear for one image. 0 until it was checked or compiled */
  int64_t classes;                 /* of the first output */
  int outputs;
  int64_t batch;                   /* train: batch of the file */
  int64_t epochs, iterations, validate, seed; /* of train: in the file */
  double lr;
} rgc_network_facts;

/* Reads a graph file with `override_count` texts "PATH=VALUE" laid over it (NULL, 0: none). All errors of the file are reported at once. */
RGC_API rgc_network *rgc_network_open(const char *path, const char *const *overrides, int override_count, rgc_diagnostics *diags);
RGC_API void rgc_network_close(rgc_network *network);
/* Infers every shape, counts parameters and MACs, compares them with the file's expect:. */
RGC_API bool rgc_network_check(rgc_network *network, rgc_diagnostics *diags);
RGC_API void rgc_network_tell(const rgc_network *network, rgc_network_facts *facts);
/* Name of a class of the first output; NULL: the file gives none, or there is no such class. */
RGC_API const char *rgc_network_class_name(const rgc_network *network, int64_t index);

typedef struct rgc_output_facts {
  const char *name;             /* "" where the network has one output */
  int64_t first, classes;       /* of the numbers that rgc_model_run gives for an image, [first, first + classes) are this output's */
  const char *const *class_names; /* [classes]; NULL: the file gives none */
} rgc_output_facts;
/* Output `index`, in the order of the file's classes:. False: there is no such output. */
RGC_API bool rgc_network_output(const rgc_network *network, int index, rgc_output_facts *facts);
/* "FORMAT:PATH" of the file's data:, or PATH where it gives no format; NULL: it names no data. For rgc_free. */
RGC_API char *rgc_network_data(const rgc_network *network);
/* A table of layers: kind, output shape, parameters, MACs; then totals. NULL after an error. */
RGC_API char *rgc_network_summary(rgc_network *network, rgc_diagnostics *diags);

typedef struct rgc_graph_options {
  int64_t batch; /* 0: 1 */
  bool train;    /* with loss and gradients */
  bool kernels;  /* decomposed into kernels */
} rgc_graph_options;
/* The network's graph in its canonical text. NULL after an error. */
RGC_API char *rgc_network_graph(rgc_network *network, const rgc_graph_options *options, rgc_diagnostics *diags);
/* A JSON Schema of graph files, for editors. */
RGC_API char *rgc_graph_file_schema(void);

typedef struct rgc_survey_options {
  int64_t batch;                /* samples a training step; 0: 32 */
  const char *target;           /* NULL: the best for this machine */
  const char *const *overrides; /* [override_count] PATH=VALUE, laid over every file */
  int override_count;
  bool every_kernel;            /* diff: name the kernels that differ, too */
} rgc_survey_options;
/* The line over those of rgc_list_file. NULL: no such target. */
RGC_API char *rgc_list_header(const rgc_survey_options *options, rgc_diagnostics *diags);
/* A line on the network of a graph file: name, input, parameters, MACs of one image, bytes that training and inference take. NULL if the
 * file is wrong. */
RGC_API char *rgc_list_file(const char *path, const rgc_survey_options *options, rgc_diagnostics *diags);
/* What differs between two graph files: layers, tensors (and which weights carry over), parameters, MACs, bytes, kernels. NULL if a file
 * is wrong. */
RGC_API char *rgc_diff_files(const char *path_a, const char *path_b, const rgc_survey_options *options, rgc_diagnostics *diags);

/* Pixels of one image to the network's input, one image of a batch: /255, channel count, bilinear resize, mean and std of the file.
 * pixels: u8 [height][width][channels]; dst: float32, the facts' height*width*channels elements. Error bad-value: channel
 * counts that have no conversion (equal, 1 to n and 3 to 1 have one). */
RGC_API bool rgc_network_input(const rgc_network *network, const uint8_t *pixels, int height, int width, int channels, float *dst,
                               rgc_diagnostics *diags);

/* ---- the compiler's passes ---- */

/* Name and purpose of pass `index`, in the order in which they run; false past the end. */
RGC_API bool rgc_pass_tell(int index, const char **name, const char **about);

typedef struct rgc_watch_options {
  bool infer;                     /* the inference program's passes, not the training step's */
  int64_t batch;                  /* 0: the file's */
  const char *target;             /* "cpu-avx2"...; NULL: the best for this machine */
  const char *const *dump_after;  /* names of passes, or "all": the graph's text after each */
  int dump_count;
  const char *stop_after;         /* NULL: the last pass */
  bool time;                      /* a line with milliseconds after each pass */
} rgc_watch_options;
/* Runs the passes and gives what is asked for to `text`; nothing else is made. */
RGC_API bool rgc_network_watch(rgc_network *network, const rgc_watch_options *options, rgc_text_function *text, void *context,
                               rgc_diagnostics *diags);

/* ---- plans: compiled networks ---- */

typedef struct rgc_plan rgc_plan;

/* A plan without programs yet; each is compiled when it is asked for first. */
RGC_API rgc_plan *rgc_plan_of_network(rgc_network *network, rgc_diagnostics *diags);
/* Reads a plan or checkpoint, which is checked in every part; or, where `path` ends in .yaml or .yml, a graph file with its overrides. */
RGC_API rgc_plan *rgc_plan_open(const char *path, const char *const *overrides, int override_count, rgc_diagnostics *diags);
RGC_API void rgc_plan_close(rgc_plan *plan);
/* The plan as a file, atomically: an earlier file of that name stays whole if anything fails. */
RGC_API bool rgc_plan_save(const rgc_plan *plan, const char *path, rgc_diagnostics *diags);
/* The network that the plan is of; belongs to the plan, or to whom it was made of. */
RGC_API rgc_network *rgc_plan_network(const rgc_plan *plan);
/* Whether the plan holds weights, as a checkpoint does. */
RGC_API bool rgc_plan_has_weights(const rgc_plan *plan);

/* The file that the graph file's weights: names, looked for as it is written and then beside the graph file; for rgc_model_load. NULL: it
 * names none, or the plan has weights. Lives as long as the plan's network. */
RGC_API const char *rgc_plan_weights_file(const rgc_plan *plan);
/* Weights from another program's file (PyTorch's .pth, .pt and .th, ONNX, safetensors, a plan) into the plan, by the rules of the graph file's
 * weights:. What the file need not have is drawn by `seed`. `report` gets lines on what became of each tensor (with `quiet`, of those alone
 * that were not taken as they are), for rgc_free, also after an error; it may be NULL. Errors: weights, file-read. */
RGC_API bool rgc_plan_import(rgc_plan *plan, const char *path, uint64_t seed, bool quiet, char **report, rgc_diagnostics *diags);
/* The plan's weights as safetensors, as load_state_dict takes them. names NULL: torchvision's; else one of the graph file's names: ("timm"), or "weights":
 * those of its rename: rules. `tensors` gets how many; may be NULL. Errors: weights, usage (no such names), file-write. */
RGC_API bool rgc_plan_export_safetensors(const rgc_plan *plan, const char *path, const char *names, int *tensors, rgc_diagnostics *diags);

typedef struct rgc_c_options {
  int64_t batch;      /* images a call; 0: 1 */
  const char *target; /* "cpu-avx512", "cpu-avx2", "cpu-plain"; NULL: the best for this machine */
} rgc_c_options;

typedef struct rgc_c_facts {
  int64_t batch;
  const char *target;
  int kernels; /* functions */
  int64_t weight_bytes, workspace_bytes;
} rgc_c_facts;
/* Inference as a C program that needs nothing of rgc: `dir`, which must not be there, appears, whole, with its kernels, the folded weights, a
 * header, a main and a Makefile. Its logits have the bits of rgc_model_run at the same batch and target. `options` and `facts` may be NULL. Errors:
 * weights (the plan has none), memory, device, file-write. */
RGC_API bool rgc_plan_export_c(rgc_plan *plan, const char *dir, const rgc_c_options *options, rgc_c_facts *facts, rgc_diagnostics *diags);
/* The plan's inference as an ONNX model (operator set 17): input "input" float32 [N,channels,height,width] after the transforms, outputs
 * [N,classes] ("logits", or the names given with output:), any N; weights under torchvision's names. With `fold`, batch norms go into the
 * weights of the layers before them. `nodes` gets how many; may be NULL. Over 2 GB, the weights stand in "PATH.data" beside it, which a note tells. Errors: weights (the
 * plan has none), file-write. */
RGC_API bool rgc_plan_export_onnx(const rgc_plan *plan, const char *path, bool fold, int *nodes, rgc_diagnostics *diags);

/* Bytes alive at a program's peak, by kind. */
typedef struct rgc_memory_share {
  const char *kind; /* "saved", "gradient"... */
  int64_t bytes;
} rgc_memory_share;

/* What a GPU's function takes, as ptxas says. */
typedef struct rgc_function_facts {
  const char *name;          /* of its text and its symbol */
  const char *template_name; /* "contract_mma": codegen/cuda/templates/contract_mma.cuh */
  const char *layers;        /* whom it serves, with lines of the graph file */
  int registers, most_registers; /* of a thread; what the template declares (0: nothing) */
  int spill_bytes;           /* of a thread */
  int64_t shared_bytes;      /* of a block */
} rgc_function_facts;

/* One program of a plan. */
typedef struct rgc_program_facts {
  const char *kind;   /* "train": one step; "fold": what inference needs of the weights; "infer": logits */
  const char *target; /* "cpu-avx512", "cuda-sm_90a" */
  int64_t batch;
  int kernels, functions; /* kernels run; functions of machine code they share */
  int compiled;           /* functions that the C compiler or NVRTC made now; 0: all were in the cache, or none was asked for */
  double compile_seconds;
  bool with_code;         /* machine code was asked for and is there */
  int64_t total_bytes, param_bytes, state_bytes, folded_bytes, activation_bytes; /* total is the sum of the others */
  int64_t peak_bytes;     /* activations alive at once: no placement needs less */
  const rgc_memory_share *shares; /* [share_count] of peak_bytes */
  int share_count;
  int64_t scratch_bytes;  /* more: of each thread on a CPU, of all on a GPU */
  const rgc_function_facts *function_facts; /* GPU, with code: [functions]; else NULL */
  int64_t unfrozen_bytes; /* what total_bytes of a training program would be without the file's freeze:; -1: it has none */
  int64_t parts;          /* micro-batches that a training step's batch is taken in, to keep the file's memory:; else 1 */
} rgc_program_facts;

typedef struct rgc_compile_settings {
  int64_t batch;                 /* of training and of inference; 0: the file's */
  const int64_t *infer_batches;  /* [infer_batch_count]: inference for these, too */
  int infer_batch_count;
  bool infer_only;               /* no training program */
  const char *target;            /* NULL: the best for this machine's cores; "cuda-sm_90a" needs NVRTC, and no GPU */
  int64_t memory_bytes;          /* no program may take more; 0: the file's memory: */
  bool without_code;             /* do not run the C compiler now */
  const char *emit_dir;          /* write every kernel's C and the templates there; NULL: not */
  void (*compiled)(void *context, const rgc_program_facts *program); /* called for each program; NULL: not */
  void *context;
} rgc_compile_settings;
/* Adds the training program and the inference programs to the plan, and their machine code to the cache
 * ($RGC_CACHE, $XDG_CACHE_HOME/rgc or ~/.cache/rgc). */
RGC_API bool rgc_plan_compile(rgc_plan *plan, const rgc_compile_settings *settings, rgc_diagnostics *diags);

typedef struct rgc_explain_options {
  bool infer;         /* the inference program, not the training step */
  int64_t batch;      /* 0: the file's */
  bool kernels;       /* every kernel, too: layers, lines, tiles, FLOPs, bytes, what it reads and writes */
  const char *target; /* NULL: the best for this machine, or the machine's below */
  const char *machine; /* "h100", "a100" or a file (docs/GRAPH_FORMAT.md): how long the program takes there at least, beside one that is not fused;
                        * NULL: not */
} rgc_explain_options;
/* What fusion decided for each kernel and why, and where memory goes, as text. NULL after an error. */
RGC_API char *rgc_plan_explain(rgc_plan *plan, const rgc_explain_options *options, rgc_diagnostics *diags);

/* ---- data sets: labelled images ---- */

typedef struct rgc_dataset rgc_dataset;

typedef enum rgc_split { RGC_SPLIT_TRAIN, RGC_SPLIT_VALIDATION, RGC_SPLIT_COUNT } rgc_split;

typedef struct rgc_image_shape {
  int height, width, channels;
} rgc_image_shape;

typedef struct rgc_dataset_options {
  /* The network's classes in its order, or NULL. They choose and order the classes of quickdraw folders, reorder
   * CIFAR-10's, and name those of idx and synthetic, which have no names of their own. */
  const char *const *class_names;
  int class_count;     /* of class_names; without these the network's, for npy and idx, whose labels may not show all classes; 0: as many as they show */
  int limit_per_class; /* quickdraw: only the first so many of a class; 0 means 500 */
  double split;        /* folder, npy: the part kept for validation where they have none of their own; 0 means 0.1, less none */
  int64_t seed;        /* which samples those are */
} rgc_dataset_options;

/* Opens "KIND:WHERE", all of it into memory; of image files their names:
 *   folder:DIR             CLASS/FILE.jpg (.png, .webp), or the same in train/ and val/: image files of any size
 *   npy:DIR                images.npy (N,H,W), (N,H,W,C) or (N,C,H,W), u8 or f32, and labels.npy (N)
 *   quickdraw:DIR          CLASS.bin (rows of 784 bytes) or CLASS.npy (N,784): 28x28x1, white on black
 *   quickdraw-strokes:DIR  CLASS.ndjson or CLASS.bin strokes, drawn to 255x255x1 when fetched, black on white
 *   cifar10:FILE or DIR    records of 3073 bytes: 32x32x3; a DIR holds data_batch_*.bin and test_batch.bin
 *   idx:DIR                train- and t10k-{images-idx3,labels-idx1}-ubyte, plain or .gz
 *   synthetic:KEY=N,...    made up, the same every time; keys: count (1000), classes (10), size (32), channels (3), seed (0)
 *   DIR or FILE            one of these, by what is there
 * The split: CIFAR folders and IDX have their own test files. Otherwise the first nine tenths of each class
 * (quickdraw; 450 of 500) or of the file (cifar10:FILE, synthetic) are for training, the rest for validation; of a
 * folder without train/ and val/ a part of each class, of npy a part of all, chosen by a seed.
 * `options` may be NULL. NULL on error: data-missing, data-format, data-classes, file-read, bad-value. */
RGC_API rgc_dataset *rgc_dataset_open(const char *spec, const rgc_dataset_options *options, rgc_diagnostics *diags);
/* The same with the classes of a network (of its first output) and the split that its data: asks for; `network` may be NULL. */
RGC_API rgc_dataset *rgc_dataset_open_for(const rgc_network *network, const char *spec, rgc_diagnostics *diags);
/* Puts all samples into the validation split, those of the training split first. */
RGC_API void rgc_dataset_validate_all(rgc_dataset *dataset);
RGC_API void rgc_dataset_close(rgc_dataset *dataset); /* NULL is allowed */
RGC_API rgc_image_shape rgc_dataset_shape(const rgc_dataset *dataset); /* of every sample; all 0: samples are image files */
RGC_API bool rgc_dataset_is_float(const rgc_dataset *dataset);        /* samples are float32 in the place of u8 / 255 */
RGC_API bool rgc_dataset_has_class_names(const rgc_dataset *dataset); /* or only numbers */
/* The path of an image file; NULL if samples are no files. */
RGC_API const char *rgc_dataset_file(const rgc_dataset *dataset, rgc_split split, int index);
RGC_API size_t rgc_dataset_sample_bytes(const rgc_dataset *dataset);
RGC_API int rgc_dataset_class_count(const rgc_dataset *dataset);
RGC_API const char *rgc_dataset_class_name(const rgc_dataset *dataset, int label);
RGC_API int rgc_dataset_count(const rgc_dataset *dataset, rgc_split split);
/* Writes sample `index` of the split as u8[height][width][channels] (float[..] of a float set) and returns its label. Not for image files. */
RGC_API int rgc_dataset_fetch(const rgc_dataset *dataset, rgc_split split, int index, void *dst);
/* Only the label. */
RGC_API int rgc_dataset_label(const rgc_dataset *dataset, rgc_split split, int index);
/* Whether the network can train on the data: its classes (data-classes) and its images (bad-value). */
RGC_API bool rgc_dataset_fits(const rgc_dataset *dataset, const rgc_network *network, rgc_diagnostics *diags);
/* What the set holds, as text: shape, mean and std, samples of each class; and how a sample becomes the input of `network` or, where that
 * is NULL, an input: line that fits. NULL and bad-value where the network cannot take the images. `spec` heads the text. */
RGC_API char *rgc_dataset_describe(const rgc_dataset *dataset, const char *spec, const rgc_network *network, rgc_diagnostics *diags);
/* Draws the first training samples of every class, at most `each` (1 to 4096), a class a row, as PNG. */
RGC_API bool rgc_dataset_draw(const rgc_dataset *dataset, const char *path, int each, rgc_diagnostics *diags);

/* Writes the samples as PNG files, DIR/train/CLASS/00001.png and DIR/val/CLASS/00001.png, at most `limit` of a class in each split (0: all).
 * `dir` must not be there: it appears, whole, at the end. Returns the number of files, -1 after an error. */
RGC_API int rgc_dataset_export(const rgc_dataset *dataset, const char *dir, int limit, rgc_diagnostics *diags);

/* ---- models: programs with weights, ready to run ---- */

typedef struct rgc_model rgc_model;

typedef struct rgc_model_options {
  int64_t batch;      /* samples a step, and the most that inference takes at once; 0: the file's. memory: {allow: [split]} may make less do */
  uint64_t seed;      /* of initial values, where the plan has no weights */
  int threads;        /* 0: all processors, or OMP_NUM_THREADS */
  bool train;         /* it will be trained; else it can only infer */
  const char *keep;   /* a value that rgc_model_dump writes: a layer ("layer3.2", its output), its gradient ("layer3.2.grad") or a
                       * name of the graph's text; NULL: none */
  const char *target; /* "cpu-avx512", "cpu-avx2", "cpu-plain", "cuda-sm_90a"...; NULL: the device's best */
  const char *device; /* "auto", "cpu", "cuda-emu"; NULL: auto, the one that runs the target */
} rgc_model_options;

typedef struct rgc_model_facts {
  int64_t batch;          /* samples that a program takes at once */
  int threads;
  int64_t classes;        /* numbers that rgc_model_run gives for an image: the classes of all outputs together */
  int compiled;           /* functions that had to be compiled when it was opened */
  double compile_seconds; /* that took */
  int64_t step_batch;     /* samples of a training step's batch: more than `batch` where memory: {allow: [split]} had it split */
  const char *device, *target; /* "cpu", "cpu-avx512" */
  bool timed;             /* the time that it takes is a machine's, not an emulator's */
  int train_products, infer_products; /* kernels of a training step, and of inference, that cuBLAS computes where all samples of a batch count */
} rgc_model_facts;

/* Takes the programs from the plan or compiles what it lacks, takes the weights from the plan or draws them. NULL after an error, memory (with
 * the largest batch that fits) and device (no C compiler) among them. */
RGC_API rgc_model *rgc_model_open(rgc_plan *plan, const rgc_model_options *options, rgc_diagnostics *diags);
RGC_API void rgc_model_close(rgc_model *model);
RGC_API void rgc_model_tell(const rgc_model *model, rgc_model_facts *facts);
/* Weights from any file that rgc_plan_import reads, by the rules under the network's weights: key (fresh layers keep what they have); a plan of a
 * network of the same name and weights: key, a checkpoint of this one for one, is taken whole. */
RGC_API bool rgc_model_load(rgc_model *model, const char *path, rgc_diagnostics *diags);
/* The plan with the weights as they are now, as a file that runs; atomically. */
RGC_API bool rgc_model_save(rgc_model *model, const char *path, rgc_diagnostics *diags);

/* Inference. images: [count][height][width][channels]; logits: [count][classes], for each image those of all outputs, one output
 * behind the other (rgc_network_output). Any count >= 0; in batches of the model's. */
RGC_API bool rgc_model_run(rgc_model *model, const float *images, int64_t count, float *logits, rgc_diagnostics *diags);
/* exp(logits[c]) / sum, without overflow; probabilities [count] or NULL. Returns log(sum of exp(logits)), so that the cross entropy of
 * class k is that less logits[k]. */
RGC_API double rgc_softmax(const float *logits, int64_t count, double *probabilities);
/* The probability of each class for a JPEG, PNG or WebP file, made the network's input as data: evaluate: says; probabilities [classes], as
 * rgc_model_run's logits, with a softmax of each output. */
RGC_API bool rgc_model_predict_file(rgc_model *model, const char *path, double *probabilities, rgc_diagnostics *diags);

/* One validation sample's result. */
typedef struct rgc_prediction {
  int label, predicted; /* classes, from 0; predicted -1: the sample's file was skipped */
  double probability;   /* of the predicted class, by softmax */
  int rank;             /* classes that are likelier than the label; equal ones count if they come before it */
} rgc_prediction;

#define RGC_OUTPUTS 8 /* the most outputs of a network */

/* Of one output: mean cross entropy and share that is right. `name` lives as long as the network. */
typedef struct rgc_output_result {
  const char *name; /* "" where the network has only one */
  double loss, acc;
} rgc_output_result;

typedef struct rgc_run_result {
  double valid_loss, valid_acc; /* mean cross entropy and share that is right, of the last validation */
  double best_acc;              /* of all validations */
  bool stopped;                 /* `stop` was set */
  double seconds;               /* of all training steps, with what they waited for data; without validation */
  double waited_seconds;        /* that they waited */
  double valid_top5;            /* share whose label is among the five likeliest classes of the first output */
  bool early;                   /* `patience` ended it */
  int output_count;             /* valid_loss is the sum of the outputs' by the file's weights, valid_acc the first one's */
  rgc_output_result outputs[RGC_OUTPUTS]; /* [output_count] */
} rgc_run_result;

typedef enum rgc_event {
  RGC_EVENT_BEGIN,    /* before the first step */
  RGC_EVENT_STEP,     /* after each step */
  RGC_EVENT_VALIDATED /* after a validation, which follows its step */
} rgc_event;

/* How far a training run is. */
typedef struct rgc_progress {
  rgc_event event;
  int64_t step, total;          /* step from 0, and how many there are */
  int64_t batch;                /* samples a step */
  double loss, acc;             /* of the step; not at BEGIN */
  double valid_loss, valid_acc; /* VALIDATED only */
  const rgc_output_result *outputs; /* [output_count], VALIDATED only; until the function returns */
  int output_count;
} rgc_progress;
typedef void rgc_progress_function(void *context, const rgc_progress *progress);

typedef struct rgc_run_options {
  const char *out_dir; /* exists; gets log.csv; best.bin and last.bin, plans that run; last.state. NULL: no files */
  int64_t steps;       /* 0: epochs */
  int64_t epochs;
  int64_t validate;    /* steps between validations; 0: once an epoch */
  uint64_t seed;       /* of shuffling and dropout */
  double lr;           /* learning rate, before the file's schedule */
  const char *state;   /* optimizer state to go on from, with the step it is of: last.state beside a checkpoint; NULL */
  const volatile int *stop; /* set to 1 from outside (a signal, another thread): save and end after this step; may be NULL */
  rgc_progress_function *progress; /* called by the thread that trains; may be NULL */
  void *context;                   /* for `progress` */
  bool resume;         /* go on from last.bin and last.state of out_dir, and with its log.csv; `state` is not read then */
  int64_t patience;    /* end after so many validations that were not better than the best; 0: never */
} rgc_run_options;

/* What the graph file's train: says; without files, state, stop and progress. */
RGC_API void rgc_run_defaults(const rgc_network *network, rgc_run_options *options);
/* Trains the weights of a model opened with `train`, with the optimizer, schedule and smoothing of its graph file. A second call goes
 * on with the weights and the optimizer's moments as they are, and counts its steps from 0 again. False after an error:
 * data that does not fit, a loss that is not finite (the first such value is named; earlier checkpoints stay), a file that cannot be
 * written. */
RGC_API bool rgc_model_train(rgc_model *model, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                             rgc_diagnostics *diags);
/* Runs the validation split. `predictions` takes an entry a validation sample, in their order; may be NULL. */
RGC_API bool rgc_model_evaluate(rgc_model *model, const rgc_dataset *data, rgc_run_result *result, rgc_prediction *predictions,
                                rgc_diagnostics *diags);
/* How often each class was taken for which, by `predictions` of the whole validation split, to `path` as CSV: a line "label,CLASS,...", then a
 * line a label. Samples whose file was skipped do not count. */
RGC_API bool rgc_dataset_write_confusion(const rgc_dataset *dataset, const char *path, const rgc_prediction *predictions, rgc_diagnostics *diags);
/* The same as text: of at most 20 classes all of it, of more the ten pairs that are confused most often. For rgc_free. */
RGC_API char *rgc_dataset_confusion(const rgc_dataset *dataset, const rgc_prediction *predictions);
/* Draws the validation samples indices[count] (1 to 100) with what was predicted, and what is right where that is wrong, as PNG. */
RGC_API bool rgc_dataset_draw_predictions(const rgc_dataset *dataset, const char *path, const rgc_prediction *predictions, const int *indices,
                                          int count, rgc_diagnostics *diags);

typedef struct rgc_value_facts {
  const char *name; /* in the graph; lives as long as the model */
  int64_t shape[4]; /* [n,h,w,c] */
} rgc_value_facts;
/* Runs the first training batch through the program that has options->keep (the training step if the model has one) and writes that value
 * as .npy, [n,h,w,c]. */
RGC_API bool rgc_model_dump(rgc_model *model, const rgc_dataset *data, uint64_t seed, const char *path, rgc_value_facts *facts,
                            rgc_diagnostics *diags);

/* ---- looking into a model ---- */

typedef struct rgc_verify_result {
  int kernels, agree;      /* how many there are, and are right */
  int furthest;            /* the kernel that is furthest off */
  const char *layer;       /* that it serves */
  double error;            /* its relative L2 distance */
} rgc_verify_result;
/* Runs each kernel of a program on random inputs beside the double-precision reference. True when all are within `tolerance` (relative L2;
 * 3e-5 is what float32 keeps); false with an error that names the first that is off. The model's weights and states are changed by it. */
RGC_API bool rgc_model_verify(rgc_model *model, bool infer, uint64_t seed, double tolerance, rgc_verify_result *result,
                              rgc_diagnostics *diags);

typedef struct rgc_beside_result {
  int kernels, equal, close; /* how many there are, give the same bits, and are within the tolerance */
  int furthest;              /* the kernel that is furthest apart */
  const char *layer;         /* that it serves */
  double distance;           /* relative L2 */
} rgc_beside_result;
/* Runs each kernel of a program on two models of one plan, batch and target, on different devices (cuda and cuda-emu), on inputs of small integers:
 * sums of their products are exact, so that only kernels with quotients, roots and exponentials may differ in a bit. True when all are within
 * `tolerance`; false with an error that names the first that is not. Weights and states of both are changed by it. */
RGC_API bool rgc_model_verify_beside(rgc_model *model, rgc_model *other, bool infer, uint64_t seed, double tolerance, rgc_beside_result *result,
                                     rgc_diagnostics *diags);

typedef struct rgc_bench_kernel {
  const char *layer;     /* lives as long as the model; "" for none */
  const char *kind;      /* "contract", "data" and "weights" (gradients), "map", "reduce", "window" */
  double seconds;        /* of one run, median */
  double flops, bytes;   /* of one run: products and sums of a contract; operands and outputs, each once */
  const char *library;   /* that ran it, "cuBLAS"; NULL: a kernel of rgc's own */
} rgc_bench_kernel;

typedef struct rgc_bench_result {
  double seconds;            /* of one step, median */
  int kernels;               /* of the program */
  rgc_bench_kernel *each;    /* [each_count], in the order they run; NULL: not asked for. For rgc_free */
  int each_count;
  int products;              /* kernels that cuBLAS computes */
} rgc_bench_result;
/* Times the training step (a model opened with `train`) or inference, on random data: `repeats` (>= 1) runs after one to warm up;
 * with_kernels: and as often once more, timing each kernel. Weights change a little by training steps. */
RGC_API bool rgc_model_bench(rgc_model *model, bool train, int repeats, bool with_kernels, rgc_bench_result *result, rgc_diagnostics *diags);
typedef struct rgc_tuned_product {
  const char *layer, *product; /* live as long as the model: the layer, and rows x columns x depth of its product: "64 x 1000 x 2048, with a bias" */
  int algorithms;              /* of cuBLAS that were tried */
  double seconds, own_seconds; /* of one run: the fastest of them (0: there is none), and rgc's own kernel */
  bool library;                /* cuBLAS is used from now on */
} rgc_tuned_product;
/* Times all that cuBLAS may compute of a program (rgc explain tells what) by each of its algorithms and by rgc's own kernels, on device cuda; the fastest
 * is used from now on, and recorded (cublas.json in the kernel cache) for later runs on the same card with the same cuBLAS. Equal products are timed
 * once. *products, for rgc_free, is NULL where there are none. What is chosen changes the last bits of results. */
RGC_API bool rgc_model_tune(rgc_model *model, bool train, rgc_tuned_product **products, int *count, rgc_diagnostics *diags);
typedef struct rgc_peak {
  double gflops; /* GFLOP/s: of the cores float32 multiply-adds in registers alone; of a GPU bf16 on its tensor cores by mma.sync */
  double gbytes; /* GB/s, read and written, of a large copy */
} rgc_peak;
/* The most that the model's device does, measured now. False after an error: an emulated device's time means nothing. */
RGC_API bool rgc_model_peak(const rgc_model *model, rgc_peak *peak, rgc_diagnostics *diags);

#ifdef __cplusplus
}
#endif
#endif
