/* parallel.c: see parallel.h. A thread takes the next task when it is done with one; where the system gives no thread, fewer do all. */
#include "compiler/base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST_THREADS = 16 };

typedef struct work {
  int count;
  atomic_int next;
  void (*task)(void *context, int i);
  void *context;
} work;

static void *take_tasks(void *argument) {
  work *w = argument;
  for (int i; (i = atomic_fetch_add(&w->next, 1)) < w->count;) w->task(w->context, i);
  return NULL;
}

static int least(int a, int b) { return a < b ? a : b; }

void rgc_parallel(int count, void (*task)(void *context, int i), void *context) {
  work w = {.count = count, .task = task, .context = context};
  pthread_t others[MOST_THREADS];
  int wanted = least(count, least((int)sysconf(_SC_NPROCESSORS_ONLN), MOST_THREADS)) - 1, started = 0;
  while (started < wanted && !pthread_create(&others[started], NULL, take_tasks, &w)) started++;
  take_tasks(&w);
  for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
}
