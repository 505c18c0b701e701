/* panel.h: where an element of a value lies in memory, whatever its layout (compiler/graph/kernel.h). */
#ifndef RGC_DEVICE_PANEL_H
#define RGC_DEVICE_PANEL_H
#include "compiler/graph/graph.h"

/* Number of the stored element that holds the logical one at `point`. */
int64_t rgc_stored_element(const rgc_value *value, const int64_t point[RGC_AXES]);
#endif
