/* contract_names.h: how both contract templates name what they define, for one specialisation. Included again by each, so it has
 * no guard; the template undefines the names at its end. FN(x) is CONTRACT_NAME_x; PANEL is the width of a weight panel, in elements. */
#ifndef CONTRACT_LINKAGE
#define CONTRACT_LINKAGE
#endif
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(name) PASTE(CONTRACT_NAME, name)
#define PANEL (CONTRACT_VECTORS * CONTRACT_LANES)
