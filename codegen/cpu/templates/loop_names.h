/* loop_names.h: how map.h, reduce.h and window.h name what they define. Included again by each, so it has no guard; the template
 * undefines the names at its end. FN(x) is LOOP_NAME_x. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(name) PASTE(LOOP_NAME, name)
