/* loader.c: see loader.h. A ring of batches, filled sample by sample.
 *
 * Samples are claimed in order, by whichever thread is free: the workers, and the caller while it waits for its batch. Sample n
 * belongs to batch b = batch_of(n), which lives in slot b % depth; it may be claimed once that slot's earlier batch has been
 * given back. So small batches are shared out among all workers too, and with no workers the caller does everything by the same
 * code. All fields below the lock change only while it is held; a claimed sample's place in its slot is its claimer's alone. */
#include "runtime/data/loader.h"

#include <pthread.h>
#include <string.h>

#include "compiler/base/clock.h"

enum { MAX_WORKERS = 64, DEPTH = 3 }; /* the caller's batch and two to come */

typedef struct slot {
  rgc_batch batch;
  bool *bad;    /* [batch]: samples that could not be decoded */
  int64_t done; /* samples decoded, or found bad */
} slot;

/* What a thread needs to decode. */
typedef struct decoder {
  rgc_loader *loader;
  rgc_pipeline_room room;
} decoder;

/* A file found bad. */
typedef struct bad_sample {
  int sample;
  rgc_bad_file file;
} bad_sample;

struct rgc_loader {
  rgc_arena *arena;
  const rgc_dataset *data;
  rgc_pipeline *pipeline;
  rgc_split split;
  bool skip_corrupt;
  int64_t batch, group, image_bytes; /* samples, samples; of one of them */
  int depth;                  /* slots in use */
  int worker_count;
  pthread_t threads[MAX_WORKERS];
  decoder decoders[MAX_WORKERS + 1]; /* the last is the caller's */
  double waited;                     /* seconds */

  pthread_mutex_t lock;
  pthread_cond_t may_claim, may_look; /* for workers: there may be something to claim; for the caller: a sample is done */
  slot slots[DEPTH];
  int *order; /* [capacity], the first `count` of this pass */
  int64_t count, capacity;
  int64_t claimed;  /* samples of this pass handed to a thread */
  int64_t current;  /* the batch the caller holds or waits for; -1 before the first */
  int busy;         /* threads decoding now */
  int64_t epoch;    /* of this pass */
  bad_sample *bad;  /* [bad_count], ascending */
  int bad_count, bad_capacity;
  float *room;      /* one image, for mixing */
  rgc_bad_file *listed; /* what rgc_loader_skipped gave */
  bool failed;      /* a bad file ended the pass */
  bool quit;
};

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Of group 20 and batch 8:  n  0.. 7  8..15  16..19 | 20..27  28..35  36..39 |
 *                     batch     0      1       2    |    3       4       5    |  */
static int64_t batch_of(const rgc_loader *l, int64_t n) {
  int64_t per_group = (l->group + l->batch - 1) / l->batch;
  return n / l->group * per_group + n % l->group / l->batch;
}

/* The first sample of a batch; that of the one after it is where it ends. */
static int64_t first_of(const rgc_loader *l, int64_t batch) {
  int64_t per_group = (l->group + l->batch - 1) / l->batch;
  return batch / per_group * l->group + batch % per_group * l->batch;
}

/* Whether the next sample may be claimed for one of the batches up to `last`. Under the lock. */
static bool can_claim(const rgc_loader *l, int64_t last) {
  return l->claimed < l->count && batch_of(l, l->claimed) <= last;
}

/* The last batch that has a slot now: those given back are before `current`. */
static int64_t last_with_slot(const rgc_loader *l) { return (l->current < 0 ? 0 : l->current) + l->depth - 1; }

/* Remembers a bad file, once. Under the lock. */
static void note_bad(rgc_loader *l, int sample, const char *problem) {
  int at = l->bad_count;
  while (at > 0 && l->bad[at - 1].sample >= sample) at--;
  if (at < l->bad_count && l->bad[at].sample == sample) return;
  (void)RGC_PUSH(l->arena, l->bad, l->bad_count, l->bad_capacity);
  memmove(&l->bad[at + 1], &l->bad[at], (size_t)(l->bad_count - 1 - at) * sizeof *l->bad);
  l->bad[at] = (bad_sample){sample, {rgc_dataset_file(l->data, l->split, sample), rgc_arena_strdup(l->arena, problem)}};
}

static void *sample_place(const rgc_loader *l, const slot *s, int64_t place) {
  char *images = s->batch.pixels ? (char *)s->batch.pixels : (char *)s->batch.images;
  return images + place * l->image_bytes;
}

/* Claims the next sample and decodes it into its slot. Called and left under the lock, which is not held meanwhile. */
static void decode_next(rgc_loader *l, decoder *d) {
  int64_t n = l->claimed++, batch = batch_of(l, n), place = n - first_of(l, batch);
  slot *s = &l->slots[batch % l->depth];
  int index = l->order[n];
  l->busy++;
  pthread_mutex_unlock(&l->lock);
  rgc_arena *scratch = rgc_arena_create();
  const char *problem = rgc_pipeline_sample(l->pipeline, &d->room, l->data, l->split, index, l->epoch, scratch, sample_place(l, s, place));
  s->batch.labels[place] = rgc_dataset_label(l->data, l->split, index);
  s->batch.samples[place] = index;
  s->bad[place] = problem != NULL;
  pthread_mutex_lock(&l->lock);
  if (problem) note_bad(l, index, problem);
  rgc_arena_destroy(scratch);
  l->busy--;
  s->done++;
}

static void *work(void *argument) {
  decoder *d = argument;
  rgc_loader *l = d->loader;
  pthread_mutex_lock(&l->lock);
  while (!l->quit) {
    if (can_claim(l, last_with_slot(l))) {
      decode_next(l, d);
      pthread_cond_signal(&l->may_look);
    } else {
      pthread_cond_wait(&l->may_claim, &l->lock);
    }
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Sets image_bytes; false if the images of all slots are more than may be taken. */
static bool has_memory(rgc_loader *l, int64_t there, rgc_diagnostics *diags) {
  rgc_image_shape image = rgc_pipeline_dst(l->pipeline);
  l->image_bytes = (int64_t)image.height * image.width * image.channels * (rgc_pipeline_gives_pixels(l->pipeline) ? 1 : (int64_t)sizeof(float));
  int64_t fits = there / (l->depth * l->image_bytes);
  if (!there || l->batch <= fits) return true;
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, NULL, "give a smaller --batch",
                       "%d batches of %lld images need %.1f MB and %.1f MB are left beside the network; the largest batch that fits is %lld", l->depth,
                       (long long)l->batch, (double)l->depth * (double)l->batch * (double)l->image_bytes * 1e-6, (double)there * 1e-6, (long long)fits);
}

static void prepare_slots(rgc_loader *l) {
  l->room = rgc_arena_alloc(l->arena, (size_t)l->image_bytes);
  for (int i = 0; i < l->depth; i++) {
    void *images = rgc_arena_alloc(l->arena, (size_t)(l->batch * l->image_bytes));
    if (rgc_pipeline_gives_pixels(l->pipeline)) l->slots[i].batch.pixels = images;
    else l->slots[i].batch.images = images;
    l->slots[i].batch.labels = RGC_NEW_ARRAY(l->arena, int32_t, l->batch);
    l->slots[i].batch.others = RGC_NEW_ARRAY(l->arena, int32_t, l->batch);
    l->slots[i].batch.samples = RGC_NEW_ARRAY(l->arena, int, l->batch);
    l->slots[i].bad = RGC_NEW_ARRAY(l->arena, bool, l->batch);
  }
}

static void prepare_decoder(rgc_loader *l, decoder *d) {
  d->loader = l;
  d->room = rgc_pipeline_room_create(l->pipeline, l->arena);
}

/* All memory is there before the first thread starts: an arena has no lock. */
static void start_workers(rgc_loader *l, int workers) {
  for (int i = 0; i < workers; i++) prepare_decoder(l, &l->decoders[i]);
  while (l->worker_count < workers && !pthread_create(&l->threads[l->worker_count], NULL, work, &l->decoders[l->worker_count]))
    l->worker_count++;
}

static bool check(const rgc_dataset *data, const rgc_pipeline_options *pipeline, int64_t batch, rgc_diagnostics *diags) {
  rgc_image_shape found = rgc_dataset_shape(data), wanted = pipeline->src;
  if (batch < 1) return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "ask for at least 1", "batches of %lld samples", (long long)batch);
  if (found.height == wanted.height && found.width == wanted.width && found.channels == wanted.channels &&
      rgc_dataset_is_float(data) == pipeline->src_is_float)
    return true;
  return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "make the pipeline for the data set's shape",
                       "a pipeline of %dx%dx%d for samples of %dx%dx%d", wanted.height, wanted.width, wanted.channels, found.height,
                       found.width, found.channels);
}

rgc_loader *rgc_loader_create(const rgc_dataset *data, const rgc_pipeline_options *pipeline, const rgc_loader_options *o,
                              rgc_diagnostics *diags) {
  if (!check(data, pipeline, o->batch, diags)) return NULL;
  rgc_arena *arena = rgc_arena_create();
  rgc_loader *l = RGC_NEW(arena, rgc_loader);
  *l = (rgc_loader){.arena = arena, .data = data, .split = o->split, .batch = o->batch, .group = o->group ? o->group : o->batch, .skip_corrupt = o->skip_corrupt, .current = -1};
  l->depth = o->workers > 0 ? DEPTH : 1;
  l->pipeline = rgc_pipeline_create(pipeline, arena, diags);
  if (!l->pipeline || !has_memory(l, o->memory_bytes, diags)) {
    rgc_arena_destroy(arena);
    return NULL;
  }
  prepare_slots(l);
  prepare_decoder(l, &l->decoders[MAX_WORKERS]);
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->may_claim, NULL);
  pthread_cond_init(&l->may_look, NULL);
  start_workers(l, o->workers < MAX_WORKERS ? o->workers : MAX_WORKERS);
  return l;
}

static void copy_order(rgc_loader *l, const int *order, int64_t count) {
  if (count > l->capacity) {
    l->order = RGC_NEW_ARRAY(l->arena, int, count);
    l->capacity = count;
  }
  if (count > 0) memcpy(l->order, order, (size_t)count * sizeof *order);
  l->count = count;
}

void rgc_loader_start(rgc_loader *l, const int *order, int64_t count, int64_t epoch) {
  pthread_mutex_lock(&l->lock);
  l->count = l->claimed; /* nothing more of the pass at hand */
  while (l->busy) pthread_cond_wait(&l->may_look, &l->lock);
  copy_order(l, order, count);
  l->claimed = 0;
  l->current = -1;
  l->epoch = epoch;
  l->failed = false;
  for (int i = 0; i < l->depth; i++) l->slots[i].done = 0;
  pthread_cond_broadcast(&l->may_claim);
  pthread_mutex_unlock(&l->lock);
}

/* Gives the batch at hand back, if there is one, and moves to the one after it. Under the lock. */
static void advance(rgc_loader *l) {
  if (l->current >= 0) l->slots[l->current % l->depth].done = 0;
  l->current++;
  pthread_cond_broadcast(&l->may_claim);
}

/* Closes the gaps that bad samples leave. */
static void close_gaps(const rgc_loader *l, slot *s) {
  int64_t kept = 0;
  for (int64_t i = 0; i < s->batch.valid; i++) {
    if (s->bad[i]) continue;
    if (kept < i) {
      memcpy(sample_place(l, s, kept), sample_place(l, s, i), (size_t)l->image_bytes);
      s->batch.labels[kept] = s->batch.labels[i];
      s->batch.samples[kept] = s->batch.samples[i];
    }
    kept++;
  }
  s->batch.valid = kept;
}

/* The first sample tells the batch apart from others of the epoch, also when an epoch is gone on with in its middle. */
static void mix(const rgc_loader *l, rgc_batch *b) {
  rgc_mix_batch batch = {b->images, b->labels, b->others, b->valid, rgc_pipeline_dst(l->pipeline), l->room};
  b->mix = b->valid ? rgc_pipeline_mix(l->pipeline, l->epoch, b->samples[0], &batch) : 1;
}

/* Decodes or waits until the current batch has all its samples. Under the lock, which is not held while the batch is mixed: it is the
 * caller's own by then. */
static const rgc_batch *complete(rgc_loader *l) {
  slot *s = &l->slots[l->current % l->depth];
  s->batch.valid = min64(l->count, first_of(l, l->current + 1)) - first_of(l, l->current);
  while (s->done < s->batch.valid) {
    if (can_claim(l, l->current))
      decode_next(l, &l->decoders[MAX_WORKERS]);
    else
      pthread_cond_wait(&l->may_look, &l->lock);
  }
  int64_t whole = s->batch.valid;
  close_gaps(l, s);
  pthread_mutex_unlock(&l->lock);
  mix(l, &s->batch);
  pthread_mutex_lock(&l->lock);
  if (s->batch.valid == whole || l->skip_corrupt) return &s->batch;
  l->failed = true;
  l->count = l->claimed; /* the pass ends here */
  return NULL;
}

const rgc_batch *rgc_loader_next(rgc_loader *l) {
  double begin = rgc_now_seconds();
  const rgc_batch *batch = NULL;
  pthread_mutex_lock(&l->lock);
  if (!l->failed && first_of(l, l->current + 1) < l->count) {
    advance(l);
    batch = complete(l);
  }
  pthread_mutex_unlock(&l->lock);
  l->waited += rgc_now_seconds() - begin;
  return batch;
}

/* Whether a sample is in the batch that the caller asked for last. */
static bool is_current(const rgc_loader *l, int sample) {
  for (int64_t n = first_of(l, l->current); n < l->count && n < first_of(l, l->current + 1); n++)
    if (l->order[n] == sample) return true;
  return false;
}

/* Only the files of the batch that failed: which of those after it are decoded by now is chance. */
bool rgc_loader_failed(rgc_loader *l, rgc_diagnostics *diags) {
  pthread_mutex_lock(&l->lock);
  bool failed = l->failed;
  for (int i = 0; failed && i < l->bad_count; i++)
    if (is_current(l, l->bad[i].sample))
      rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, l->bad[i].file.path,
                    "replace or remove the file; data: {corrupt: skip} goes on without such files", "%s", l->bad[i].file.problem);
  pthread_mutex_unlock(&l->lock);
  return failed;
}

const rgc_bad_file *rgc_loader_skipped(rgc_loader *l, int *count) {
  pthread_mutex_lock(&l->lock);
  l->listed = RGC_NEW_ARRAY(l->arena, rgc_bad_file, l->bad_count + 1);
  for (int i = 0; i < l->bad_count; i++) l->listed[i] = l->bad[i].file;
  *count = l->bad_count;
  const rgc_bad_file *listed = l->listed;
  pthread_mutex_unlock(&l->lock);
  return listed;
}

double rgc_loader_waited_seconds(const rgc_loader *l) { return l->waited; }

void rgc_loader_destroy(rgc_loader *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->quit = true;
  pthread_cond_broadcast(&l->may_claim);
  pthread_mutex_unlock(&l->lock);
  for (int i = 0; i < l->worker_count; i++) pthread_join(l->threads[i], NULL);
  pthread_cond_destroy(&l->may_look);
  pthread_cond_destroy(&l->may_claim);
  pthread_mutex_destroy(&l->lock);
  rgc_arena_destroy(l->arena);
}
