/* names.cuh: how templates name what they define: FN(x) is NAME_x of the kernel KERNEL_NAME. Included again by each; names_end.cuh ends it. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(name) PASTE(KERNEL_NAME, name)
#define PARTIALS_HELD (KERNEL_PARTIALS > 0 ? KERNEL_PARTIALS : 1)
