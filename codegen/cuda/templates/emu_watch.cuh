/* emu_watch.cuh: ordinary loads and stores of a kernel told to the emulator. Compiled with -fsanitize=thread, which calls these functions before each
 * of them, and without the library that it is made for. Addresses that are not in shared memory go by. */
#ifndef RGC_CUDA_EMU_WATCH_CUH
#define RGC_CUDA_EMU_WATCH_CUH

#define EMU_HOOK __attribute__((no_sanitize("thread"), noinline))
#define EMU_SHARED_SPAN (1 << 20) /* shared memory and some of what is behind it */

EMU_HOOK static void emu_watch(const void *address, int bytes, int writes) {
  static const emu_site loads = {"an ordinary load", "", 0}, stores = {"an ordinary store", "", 0};
  if (rgc_emu && (size_t)((const unsigned char *)address - rgc_emu->shared) < EMU_SHARED_SPAN)
    rgc_emu->call_watch(rgc_emu, writes ? &stores : &loads, address, bytes, writes);
}

#define EMU_WATCH(bytes)                                                          \
  EMU_HOOK void __tsan_read##bytes(void *at) { emu_watch(at, bytes, 0); }         \
  EMU_HOOK void __tsan_write##bytes(void *at) { emu_watch(at, bytes, 1); }        \
  EMU_HOOK void __tsan_unaligned_read##bytes(void *at) { emu_watch(at, bytes, 0); } \
  EMU_HOOK void __tsan_unaligned_write##bytes(void *at) { emu_watch(at, bytes, 1); }
EMU_WATCH(1)
EMU_WATCH(2)
EMU_WATCH(4)
EMU_WATCH(8)
EMU_WATCH(16)
EMU_HOOK void __tsan_read_range(void *at, size_t bytes) { emu_watch(at, (int)bytes, 0); }
EMU_HOOK void __tsan_write_range(void *at, size_t bytes) { emu_watch(at, (int)bytes, 1); }
EMU_HOOK void __tsan_init(void) {}
EMU_HOOK void __tsan_func_entry(void *caller) { (void)caller; }
EMU_HOOK void __tsan_func_exit(void) {}
EMU_HOOK void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
  emu_watch(from, (int)bytes, 0);
  emu_watch(to, (int)bytes, 1);
  return __builtin_memcpy(to, from, bytes);
}
EMU_HOOK void *__tsan_memset(void *to, int value, size_t bytes) {
  emu_watch(to, (int)bytes, 1);
  return __builtin_memset(to, value, bytes);
}
#endif
