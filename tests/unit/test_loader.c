/* test_loader.c: the batch loader against fetching and transforming by hand: the same bits for any number of workers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/data/loader.h"

enum { SIDE = 12, CHANNELS = 3, IMAGE_ELEMS = SIDE * SIDE * CHANNELS, COUNT = 90, MAX_TEST_WORKERS = 3 };

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_dataset *data;
  rgc_pipeline_options options;
  int order[COUNT];
} fixture;

static const float mean[] = {0.5f, 0.4f, 0.3f}, stddev[] = {0.2f, 0.3f, 0.4f};

/* 90 training samples of 8x8x3, wanted as 12x12x3, in an order that visits all of them. */
static fixture setup(void) {
  fixture f = {.arena = rgc_arena_create()};
  rgc_diagnostics_init(&f.diags, f.arena);
  f.data = rgc_dataset_open("synthetic:count=100,classes=7,size=8", NULL, &f.diags);
  cr_assert(f.data && rgc_dataset_count(f.data, RGC_SPLIT_TRAIN) == COUNT);
  f.options = (rgc_pipeline_options){.src = {8, 8, 3}, .dst = {SIDE, SIDE, CHANNELS}, .mean = mean, .stddev = stddev};
  for (int i = 0; i < COUNT; i++) f.order[i] = i * 37 % COUNT;
  return f;
}

static void teardown(fixture *f) {
  rgc_dataset_close(f->data);
  rgc_arena_destroy(f->arena);
}

static rgc_loader *make(fixture *f, int64_t batch, int workers) {
  rgc_loader *l = rgc_loader_create(f->data, &f->options, &(rgc_loader_options){.split = RGC_SPLIT_TRAIN, .batch = batch, .workers = workers}, &f->diags);
  cr_assert(l);
  return l;
}

static bool batch_is(fixture *f, const rgc_batch *b, const int *order) {
  uint8_t bytes[8 * 8 * 3];
  float wanted[IMAGE_ELEMS];
  rgc_transform_options options = {.src = f->options.src, .dst = f->options.dst, .mean = mean, .stddev = stddev};
  rgc_transform *t = rgc_transform_create(&options, f->arena, &f->diags);
  float *workspace = RGC_NEW_ARRAY(f->arena, float, rgc_transform_workspace_floats(t));
  for (int64_t i = 0; i < b->valid; i++) {
    int label = rgc_dataset_fetch(f->data, RGC_SPLIT_TRAIN, order[i], bytes);
    rgc_transform_apply(t, bytes, workspace, wanted);
    if (b->labels[i] != label || b->samples[i] != order[i] || memcmp(b->images + i * IMAGE_ELEMS, wanted, sizeof wanted)) return false;
  }
  return true;
}

/* A whole pass over the first `count` of the order, every batch compared; true when nothing differs and it ends in time. */
static bool pass_is_right(fixture *f, rgc_loader *l, int64_t batch, int64_t count) {
  rgc_loader_start(l, f->order, count, 0);
  for (int64_t begin = 0; begin < count; begin += batch) {
    const rgc_batch *b = rgc_loader_next(l);
    if (!b || b->valid != (count - begin < batch ? count - begin : batch) || !batch_is(f, b, f->order + begin)) return false;
  }
  return !rgc_loader_next(l) && !rgc_loader_next(l);
}

Test(loader, bits_do_not_depend_on_workers) {
  fixture f = setup();
  const int64_t batches[] = {1, 4, 9, 32, 90, 200}; /* one sample; ragged; whole; more than there is */
  for (int workers = 0; workers <= MAX_TEST_WORKERS; workers++)
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
      rgc_loader *l = make(&f, batches[b], workers);
      cr_expect(pass_is_right(&f, l, batches[b], COUNT), "batch %d, %d workers", (int)batches[b], workers);
      cr_expect(pass_is_right(&f, l, batches[b], 3), "3 samples, batch %d, %d workers", (int)batches[b], workers);
      cr_expect(pass_is_right(&f, l, batches[b], 0));
      cr_expect_gt(rgc_loader_waited_seconds(l), 0);
      rgc_loader_destroy(l);
    }
  teardown(&f);
}

Test(loader, a_pass_may_be_abandoned_at_any_batch) {
  fixture f = setup();
  for (int workers = 0; workers <= MAX_TEST_WORKERS; workers++) {
    rgc_loader *l = make(&f, 4, workers);
    cr_expect_null(rgc_loader_next(l), "nothing is started");
    for (int taken = 0; taken < 24; taken++) {
      rgc_loader_start(l, f.order, COUNT, 0);
      for (int i = 0; i < taken && i < 23; i++) cr_expect(batch_is(&f, rgc_loader_next(l), f.order + 4 * i));
      cr_expect(pass_is_right(&f, l, 4, 10 + taken), "%d workers after %d batches", workers, taken);
    }
    rgc_loader_destroy(l);
  }
  teardown(&f);
}

Test(loader, may_be_destroyed_at_any_batch) {
  fixture f = setup();
  for (int workers = 0; workers <= MAX_TEST_WORKERS; workers++)
    for (int taken = 0; taken < 12; taken++) {
      rgc_loader *l = make(&f, 8, workers);
      if (taken) rgc_loader_start(l, f.order, COUNT, 0);
      for (int i = 1; i < taken; i++) cr_assert(rgc_loader_next(l));
      rgc_loader_destroy(l);
    }
  rgc_loader_destroy(NULL);
  teardown(&f);
}

/* The caller may write to its batch: the ring's other batches are elsewhere. */
Test(loader, a_batch_is_the_callers_until_the_next_call) {
  fixture f = setup();
  rgc_loader *l = make(&f, 8, 2);
  rgc_loader_start(l, f.order, COUNT, 0);
  for (int begin = 0; begin < COUNT; begin += 8) {
    const rgc_batch *b = rgc_loader_next(l);
    cr_assert(b && batch_is(&f, b, f.order + begin));
    memset(b->images, 0xff, (size_t)b->valid * IMAGE_ELEMS * sizeof *b->images);
  }
  rgc_loader_destroy(l);
  teardown(&f);
}

Test(loader, refuses_what_does_not_fit) {
  fixture f = setup();
  cr_expect_null(rgc_loader_create(f.data, &f.options, &(rgc_loader_options){.batch = 0, .workers = 1}, &f.diags));
  f.options.src.height = 9;
  cr_expect_null(rgc_loader_create(f.data, &f.options, &(rgc_loader_options){.batch = 4, .workers = 1}, &f.diags));
  f.options.src.height = 8;
  f.options.dst.channels = 2;
  cr_expect_null(rgc_loader_create(f.data, &f.options, &(rgc_loader_options){.batch = 4, .workers = 1}, &f.diags));
  cr_assert_eq(f.diags.error_count, 3);
  for (int i = 0; i < 3; i++) cr_expect_eq(f.diags.items[i].code, RGC_CODE_BAD_VALUE);
  teardown(&f);
}

/* Of every 20 samples 8, 8 and 4; what is left of a group at the end, likewise. */
Test(loader, batches_are_cut_from_groups) {
  fixture f = setup();
  for (int workers = 0; workers <= MAX_TEST_WORKERS; workers++)
    for (int64_t count = 1; count <= COUNT; count += 11) {
      rgc_loader_options o = {.split = RGC_SPLIT_TRAIN, .batch = 8, .group = 20, .workers = workers};
      rgc_loader *l = rgc_loader_create(f.data, &f.options, &o, &f.diags);
      rgc_loader_start(l, f.order, count, 0);
      for (int64_t begin = 0, size; begin < count; begin += size) {
        const rgc_batch *b = rgc_loader_next(l);
        size = begin % 20 == 16 ? 4 : 8;
        cr_assert(b && b->valid == (count - begin < size ? count - begin : size) && batch_is(&f, b, f.order + begin), "%d of %d", (int)begin, (int)count);
      }
      cr_expect_null(rgc_loader_next(l));
      rgc_loader_destroy(l);
    }
  teardown(&f);
}
