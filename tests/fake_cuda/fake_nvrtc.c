/* fake_nvrtc.c: an NVRTC whose machine code is the text itself: fake_driver.c gives it to the emulator. See fake.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake_cuda/fake.h"

const char fake_image_magic[8] = "RGCFAKE";

typedef struct program {
  char *text, *name, *log;
  int arch;
  bool own;
} program;

#define FAKE_INT __attribute__((visibility("default"))) int

FAKE_INT nvrtcVersion(int *major, int *minor) {
  *major = FAKE_NVRTC_VERSION / 1000;
  *minor = FAKE_NVRTC_VERSION % 1000 / 10;
  return 0;
}

static const int architectures[] = {80, 90, 100};

FAKE_INT nvrtcGetNumSupportedArchs(int *count) {
  *count = (int)(sizeof architectures / sizeof *architectures);
  return 0;
}

FAKE_INT nvrtcGetSupportedArchs(int *numbers) {
  memcpy(numbers, architectures, sizeof architectures);
  return 0;
}

FAKE_INT nvrtcCreateProgram(program **made, const char *text, const char *name, int header_count, const char *const *headers, const char *const *header_names) {
  (void)header_count, (void)headers, (void)header_names;
  *made = calloc(1, sizeof **made);
  (*made)->text = strdup(text);
  (*made)->name = strdup(name);
  return 0;
}

FAKE_INT nvrtcDestroyProgram(program **made) {
  free((*made)->text);
  free((*made)->name);
  free((*made)->log);
  free(*made);
  return 0;
}

/* A line of the log for each kernel, as ptxas -v has it. */
static void write_log(program *p) {
  static const char define[] = "#define KERNEL_NAME ";
  size_t room = 256 * (1 + strlen(p->text) / sizeof define), length = 0;
  p->log = calloc(1, room);
  for (const char *at = p->text; (at = strstr(at, define));) {
    at += sizeof define - 1;
    length += (size_t)snprintf(p->log + length, room - length,
                               "ptxas info    : Compiling entry function '%.*s' for 'sm_%d'\nptxas info    : Used 1 registers\n", (int)strcspn(at, "\n"), at,
                               p->arch);
  }
}

FAKE_INT nvrtcCompileProgram(program *p, int option_count, const char *const *options) {
  static const char arch[] = "--gpu-architecture=sm_";
  for (int i = 0; i < option_count; i++) {
    if (strncmp(options[i], arch, sizeof arch - 1)) continue;
    char *end;
    p->arch = (int)strtol(options[i] + sizeof arch - 1, &end, 10);
    p->own = *end == 'a';
  }
  write_log(p);
  return 0;
}

FAKE_INT nvrtcGetProgramLogSize(program *p, size_t *bytes) {
  *bytes = strlen(p->log) + 1;
  return 0;
}

FAKE_INT nvrtcGetProgramLog(program *p, char *text) {
  strcpy(text, p->log);
  return 0;
}

FAKE_INT nvrtcGetCUBINSize(program *p, size_t *bytes) {
  *bytes = sizeof(fake_image) + strlen(p->text) + 1;
  return 0;
}

FAKE_INT nvrtcGetCUBIN(program *p, char *bytes) {
  fake_image image = {.arch = p->arch, .own = p->own, .nvrtc_version = FAKE_NVRTC_VERSION};
  memcpy(image.magic, fake_image_magic, sizeof image.magic);
  snprintf(image.name, sizeof image.name, "%s", p->name);
  memcpy(bytes, &image, sizeof image);
  strcpy(bytes + sizeof image, p->text);
  return 0;
}
