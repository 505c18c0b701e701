/* loader.c: see loader.h. A ring of batches, filled sample by sample.
 *
 * Samples are claimed in order, by whichever thread is free: the workers, and the caller while it waits for its batch. Sample n
 * belongs to batch n / batch, which lives in slot (n / batch) % depth; it may be claimed once that slot's earlier batch has been
 * given back. So small batches are shared out among all workers too, and with no workers the caller does everything by the same
 * code. All fields below the lock change only while it is held; a claimed sample's place in its slot is its claimer's alone. */
#include "runtime/data/loader.h"

#include <pthread.h>
#include <string.h>

#include "compiler/base/clock.h"

enum { MAX_WORKERS = 64, DEPTH = 3 }; /* the caller's batch and two to come */

typedef struct slot {
  rgc_batch batch;
  int64_t done; /* samples decoded */
} slot;

/* What a thread needs to decode. */
typedef struct decoder {
  rgc_loader *loader;
  uint8_t *bytes;   /* one sample as the data set gives it */
  float *workspace; /* of the transform */
} decoder;

struct rgc_loader {
  rgc_arena *arena;
  const rgc_dataset *data;
  rgc_transform *transform;
  rgc_split split;
  int64_t batch, image_elems; /* samples; height * width * channels */
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
  bool quit;
};

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Whether the next sample may be claimed for one of the batches up to `last`. Under the lock. */
static bool can_claim(const rgc_loader *l, int64_t last) {
  return l->claimed < l->count && l->claimed / l->batch <= last;
}

/* The last batch that has a slot now: those given back are before `current`. */
static int64_t last_with_slot(const rgc_loader *l) { return (l->current < 0 ? 0 : l->current) + l->depth - 1; }

/* Claims the next sample and decodes it into its slot. Called and left under the lock, which is not held meanwhile. */
static void decode_next(rgc_loader *l, decoder *d) {
  int64_t n = l->claimed++, place = n % l->batch;
  slot *s = &l->slots[n / l->batch % l->depth];
  int index = l->order[n];
  l->busy++;
  pthread_mutex_unlock(&l->lock);
  s->batch.labels[place] = rgc_dataset_fetch(l->data, l->split, index, d->bytes);
  rgc_transform_apply(l->transform, d->bytes, d->workspace, s->batch.images + place * l->image_elems);
  pthread_mutex_lock(&l->lock);
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

static void prepare_slots(rgc_loader *l) {
  for (int i = 0; i < l->depth; i++) {
    l->slots[i].batch.images = RGC_NEW_ARRAY(l->arena, float, l->batch * l->image_elems);
    l->slots[i].batch.labels = RGC_NEW_ARRAY(l->arena, int32_t, l->batch);
  }
}

static void prepare_decoder(rgc_loader *l, decoder *d) {
  d->loader = l;
  d->bytes = rgc_arena_alloc(l->arena, rgc_dataset_sample_bytes(l->data));
  d->workspace = RGC_NEW_ARRAY(l->arena, float, rgc_transform_workspace_floats(l->transform));
}

/* All memory is there before the first thread starts: an arena has no lock. */
static void start_workers(rgc_loader *l, int workers) {
  for (int i = 0; i < workers; i++) prepare_decoder(l, &l->decoders[i]);
  while (l->worker_count < workers && !pthread_create(&l->threads[l->worker_count], NULL, work, &l->decoders[l->worker_count]))
    l->worker_count++;
}

static bool check(const rgc_dataset *data, const rgc_transform_options *transform, int64_t batch, rgc_diagnostics *diags) {
  rgc_image_shape found = rgc_dataset_shape(data), wanted = transform->src;
  if (batch < 1) return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "ask for at least 1", "batches of %lld samples", (long long)batch);
  if (found.height == wanted.height && found.width == wanted.width && found.channels == wanted.channels) return true;
  return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "make the transform for the data set's shape",
                       "a transform of %dx%dx%d for samples of %dx%dx%d", wanted.height, wanted.width, wanted.channels, found.height,
                       found.width, found.channels);
}

rgc_loader *rgc_loader_create(const rgc_dataset *data, const rgc_transform_options *transform, rgc_split split, int64_t batch,
                              int workers, rgc_diagnostics *diags) {
  if (!check(data, transform, batch, diags)) return NULL;
  rgc_arena *arena = rgc_arena_create();
  rgc_loader *l = RGC_NEW(arena, rgc_loader);
  *l = (rgc_loader){.arena = arena, .data = data, .split = split, .batch = batch, .current = -1};
  l->transform = rgc_transform_create(transform, arena, diags);
  if (!l->transform) {
    rgc_arena_destroy(arena);
    return NULL;
  }
  l->image_elems = (int64_t)transform->dst.height * transform->dst.width * transform->dst.channels;
  l->depth = workers > 0 ? DEPTH : 1;
  prepare_slots(l);
  prepare_decoder(l, &l->decoders[MAX_WORKERS]);
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->may_claim, NULL);
  pthread_cond_init(&l->may_look, NULL);
  start_workers(l, workers < MAX_WORKERS ? workers : MAX_WORKERS);
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

void rgc_loader_start(rgc_loader *l, const int *order, int64_t count) {
  pthread_mutex_lock(&l->lock);
  l->count = l->claimed; /* nothing more of the pass at hand */
  while (l->busy) pthread_cond_wait(&l->may_look, &l->lock);
  copy_order(l, order, count);
  l->claimed = 0;
  l->current = -1;
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

/* Decodes or waits until the current batch has all its samples. Under the lock. */
static const rgc_batch *complete(rgc_loader *l) {
  slot *s = &l->slots[l->current % l->depth];
  s->batch.valid = min64(l->batch, l->count - l->current * l->batch);
  while (s->done < s->batch.valid) {
    if (can_claim(l, l->current))
      decode_next(l, &l->decoders[MAX_WORKERS]);
    else
      pthread_cond_wait(&l->may_look, &l->lock);
  }
  return &s->batch;
}

const rgc_batch *rgc_loader_next(rgc_loader *l) {
  double begin = rgc_now_seconds();
  const rgc_batch *batch = NULL;
  pthread_mutex_lock(&l->lock);
  if ((l->current + 1) * l->batch < l->count) {
    advance(l);
    batch = complete(l);
  }
  pthread_mutex_unlock(&l->lock);
  l->waited += rgc_now_seconds() - begin;
  return batch;
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
