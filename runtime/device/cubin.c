/* cubin.c: see cubin.h. */
#include "runtime/device/cubin.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "compiler/base/file.h"

/* What ptxas says. */

/* The number before `words` in a line, 0 if they are not there: "12 bytes spill stores". */
static int number_before(const char *line, const char *words) {
  const char *at = strstr(line, words);
  while (at && at > line && at[-1] == ' ') at--;
  while (at && at > line && at[-1] >= '0' && at[-1] <= '9') at--;
  return at ? atoi(at) : 0;
}

/* ptxas -v says of each kernel
 *   ptxas info    : Compiling entry function 'wg128' for 'sm_90a'
 *   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
 *   ptxas info    : Used 232 registers, used 1 barriers, 1024 bytes smem */
static void read_ptxas(rgc_cubin *cubin, rgc_arena *arena) {
  static const char entry[] = "Compiling entry function '";
  rgc_cubin_kernel *kernel = NULL;
  char *copy = rgc_arena_strdup(arena, cubin->log), *rest = copy;
  for (char *line; (line = strsep(&rest, "\n"));) {
    char *found = strstr(line, entry);
    if (found) {
      found += sizeof entry - 1;
      kernel = RGC_PUSH(arena, cubin->kernels, cubin->kernel_count, cubin->kernel_capacity);
      *kernel = (rgc_cubin_kernel){.name = rgc_arena_strndup(arena, found, strcspn(found, "'"))};
    } else if (kernel && strstr(line, "bytes stack frame")) {
      kernel->stack_bytes = number_before(line, "bytes stack frame");
      kernel->spill_store_bytes = number_before(line, "bytes spill stores");
      kernel->spill_load_bytes = number_before(line, "bytes spill loads");
    } else if (kernel && strstr(line, ": Used ")) {
      kernel->registers = number_before(line, "registers");
      kernel->barriers = number_before(line, "barriers");
      kernel->shared_bytes = number_before(line, "bytes smem");
      kernel = NULL;
    }
  }
}

/*   ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to ... in the function 'wg128' */
static void read_losses(rgc_cubin *cubin, rgc_arena *arena) {
  static const char loss[] = "Potential Performance Loss: ";
  for (const char *at = cubin->log; (at = strstr(at, loss)); at += sizeof loss - 1) {
    const char *line = rgc_arena_strndup(arena, at + sizeof loss - 1, strcspn(at + sizeof loss - 1, "\n"));
    for (int i = 0; i < cubin->kernel_count; i++)
      if (strstr(line, rgc_arena_printf(arena, "'%s'", cubin->kernels[i].name))) cubin->kernels[i].loss = line;
  }
}

/* What the template declares: RGC_KERNEL leaves it in the cubin as the symbol NAME_limits, {threads of a block, blocks of an SM}. */

/* Sections and symbols of a cubin, which is ELF64 of little end. */
typedef struct elf {
  const char *bytes;
  size_t size;
  const Elf64_Shdr *sections;
  int count;
} elf;

/* `size` bytes from `at` on; NULL where they are not all there. */
static const void *piece(const elf *e, uint64_t at, uint64_t size) { return at <= e->size && size <= e->size - at ? e->bytes + at : NULL; }
/* The same of a table, which lies at a multiple of 8. */
static const void *table_at(const elf *e, uint64_t at, uint64_t size) {
  const void *found = piece(e, at, size);
  return (uintptr_t)found % 8 ? NULL : found;
}

static bool open_elf(const rgc_cubin *cubin, elf *e) {
  *e = (elf){.bytes = cubin->bytes, .size = cubin->size_bytes};
  const Elf64_Ehdr *head = table_at(e, 0, sizeof *head);
  if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) || head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof *e->sections) return false;
  e->count = head->e_shnum;
  e->sections = table_at(e, head->e_shoff, (uint64_t)e->count * sizeof *e->sections);
  return e->sections != NULL;
}

/* The two numbers of a symbol whose name is NAME_limits; NULL where the symbol is not that. */
static const int *read_limits(const elf *e, const Elf64_Sym *symbol, const char *strings, size_t string_bytes, const char *kernel) {
  size_t length = strlen(kernel);
  if (symbol->st_size != 2 * sizeof(int) || symbol->st_shndx >= e->count || symbol->st_name >= string_bytes) return NULL;
  const char *name = strings + symbol->st_name;
  if (strncmp(name, kernel, length) || strcmp(name + length, "_limits")) return NULL;
  const Elf64_Shdr *section = &e->sections[symbol->st_shndx];
  return section->sh_type == SHT_NOBITS ? NULL : piece(e, section->sh_offset + symbol->st_value, symbol->st_size);
}

enum { SM_REGISTERS = 65536, THREAD_REGISTERS = 255, REGISTER_STEP = 8 }; /* of every architecture since sm_50 */

static int registers_for(int threads, int blocks) {
  int most = threads > 0 && blocks > 0 ? SM_REGISTERS / threads / blocks / REGISTER_STEP * REGISTER_STEP : 0;
  return most < THREAD_REGISTERS ? most : THREAD_REGISTERS;
}

static void find_limits(const elf *e, const Elf64_Shdr *table, rgc_cubin_kernel *kernel) {
  const Elf64_Shdr *names = table->sh_link < (unsigned)e->count ? &e->sections[table->sh_link] : NULL;
  const char *strings = names ? piece(e, names->sh_offset, names->sh_size) : NULL;
  size_t count = table->sh_size / sizeof(Elf64_Sym);
  const Elf64_Sym *symbols = table_at(e, table->sh_offset, count * sizeof *symbols);
  if (!strings || !names->sh_size || strings[names->sh_size - 1] || !symbols) return;
  for (size_t i = 0; i < count; i++) {
    const int *limits = read_limits(e, &symbols[i], strings, names->sh_size, kernel->name);
    int numbers[2];
    if (!limits) continue;
    memcpy(numbers, limits, sizeof numbers);
    kernel->most_registers = registers_for(numbers[0], numbers[1]);
  }
}

void rgc_cubin_find_kernels(rgc_cubin *cubin, rgc_arena *arena) {
  elf e;
  read_ptxas(cubin, arena);
  read_losses(cubin, arena);
  if (!open_elf(cubin, &e)) return;
  for (int s = 0; s < e.count; s++)
    for (int i = 0; e.sections[s].sh_type == SHT_SYMTAB && i < cubin->kernel_count; i++) find_limits(&e, &e.sections[s], &cubin->kernels[i]);
}

const rgc_cubin_kernel *rgc_cubin_kernel_named(const rgc_cubin *cubin, const char *name) {
  for (int i = 0; i < cubin->kernel_count; i++)
    if (!strcmp(cubin->kernels[i].name, name)) return &cubin->kernels[i];
  return NULL;
}

/* Files. */

static const char trailer_format[] = "\nrgc-cubin %010zu %016llx\n";
enum { TRAILER_BYTES = 39, TRAILER_ROOM = 64 };

static void print_trailer(char trailer[TRAILER_ROOM], const char *all, size_t cubin_bytes, size_t log_bytes) {
  snprintf(trailer, TRAILER_ROOM, trailer_format, log_bytes, (unsigned long long)XXH3_64bits(all, cubin_bytes + log_bytes));
}

bool rgc_cubin_write(const rgc_cubin *cubin, const char *path, rgc_diagnostics *diags) {
  rgc_text all = {0};
  char trailer[TRAILER_ROOM];
  rgc_text_add_bytes(&all, cubin->bytes, cubin->size_bytes);
  rgc_text_add(&all, cubin->log);
  print_trailer(trailer, all.chars, cubin->size_bytes, all.length - cubin->size_bytes);
  rgc_text_add(&all, trailer);
  FILE *to = fopen(path, "wb");
  bool good = to && fwrite(all.chars, 1, all.length, to) == all.length;
  if (to && fclose(to)) good = false;
  rgc_text_free(&all);
  return good || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "is the disk full?", "cannot be written: %s", strerror(errno));
}

rgc_cubin *rgc_cubin_read(const char *path, rgc_arena *arena) {
  size_t size, log_bytes = 0;
  unsigned long long hash;
  char trailer[TRAILER_ROOM], *bytes = rgc_read_bytes(path, arena, &size);
  if (!bytes || size < TRAILER_BYTES) return NULL;
  size_t before = size - TRAILER_BYTES;
  if (sscanf(bytes + before, trailer_format, &log_bytes, &hash) != 2 || log_bytes > before) return NULL;
  print_trailer(trailer, bytes, before - log_bytes, log_bytes);
  if (memcmp(bytes + before, trailer, TRAILER_BYTES)) return NULL;
  rgc_cubin *cubin = RGC_NEW(arena, rgc_cubin);
  *cubin = (rgc_cubin){.bytes = bytes, .size_bytes = before - log_bytes};
  cubin->log = rgc_arena_strndup(arena, bytes + before - log_bytes, log_bytes);
  rgc_cubin_find_kernels(cubin, arena);
  return cubin;
}
