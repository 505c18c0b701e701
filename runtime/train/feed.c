/* feed.c: see feed.h. */
#include "runtime/train/feed.h"

#include <string.h>

void rgc_feed_open(rgc_feed *feed, const rgc_model *model, const rgc_model_program *program, rgc_loader *loader, const rgc_teacher *teacher,
                   rgc_arena *arena) {
  *feed = (rgc_feed){.model = model, .program = program, .loader = loader, .teacher = teacher};
  feed->batch.labels = RGC_NEW_ARRAY(arena, int32_t, model->batch);
  feed->batch.samples = RGC_NEW_ARRAY(arena, int, model->batch);
}

void rgc_feed_start(rgc_feed *feed, const int *order, int64_t count, int64_t epoch) {
  feed->taken = NULL;
  feed->ahead = false;
  rgc_loader_start(feed->loader, order, count, epoch);
}

static bool stage(const rgc_feed *feed, rgc_diagnostics *diags) {
  const rgc_batch *batch = feed->taken;
  if (feed->teacher && !rgc_teacher_logits(feed->teacher, batch, feed->program->data[feed->program->teacher], diags)) return false;
  return rgc_model_stage(feed->model, feed->program, feed->slot, batch, diags);
}

/* The loader's next batch to the slot that the one at hand is not in. */
static bool take(rgc_feed *feed, rgc_diagnostics *diags) {
  feed->taken = rgc_loader_next(feed->loader);
  feed->slot = (feed->slot + 1) % RGC_DEVICE_SLOTS;
  if (feed->taken && feed->taken->valid) feed->failed |= !stage(feed, diags);
  return !feed->failed;
}

const rgc_batch *rgc_feed_next(rgc_feed *feed, rgc_diagnostics *diags) {
  if (!feed->ahead && !take(feed, diags)) return NULL;
  feed->ahead = false;
  const rgc_batch *taken = feed->taken;
  if (!taken) return NULL;
  memcpy(feed->batch.labels, taken->labels, sizeof *taken->labels * (size_t)taken->valid);
  memcpy(feed->batch.samples, taken->samples, sizeof *taken->samples * (size_t)taken->valid);
  feed->batch.valid = taken->valid;
  feed->batch.mix = taken->mix;
  if (taken->valid) feed->failed |= !rgc_device_load(feed->program->run, feed->slot, diags);
  return feed->failed ? NULL : &feed->batch;
}

bool rgc_feed_ahead(rgc_feed *feed, rgc_diagnostics *diags) {
  if (!rgc_device_stages_ahead(feed->program->run)) return true;
  feed->ahead = true;
  return take(feed, diags);
}

bool rgc_feed_again(rgc_feed *feed, rgc_diagnostics *diags) {
  if (!rgc_device_stages_ahead(feed->program->run)) return stage(feed, diags);
  int slot = feed->ahead ? (feed->slot + RGC_DEVICE_SLOTS - 1) % RGC_DEVICE_SLOTS : feed->slot;
  return rgc_device_load(feed->program->run, slot, diags);
}

bool rgc_feed_renew(rgc_feed *feed, rgc_diagnostics *diags) {
  return !feed->ahead || !feed->taken || !feed->taken->valid || stage(feed, diags);
}
