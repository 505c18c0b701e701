/* settings.h: the parts of a file that are no layers, read into the network. For lang.c. */
#ifndef RGC_LANG_SETTINGS_H
#define RGC_LANG_SETTINGS_H
#include "compiler/lang/lang.h"

void rgc_settings_read_train(rgc_network *network, const rgc_yaml *train, rgc_diagnostics *diags);
void rgc_settings_read_data(rgc_network *network, const rgc_yaml *data, rgc_diagnostics *diags);
/* After the classes have been read: whether mixed samples have a loss. */
void rgc_settings_check_mix(const rgc_network *network, const rgc_yaml *data, rgc_diagnostics *diags);
/* names: and rename:. */
void rgc_settings_read_namings(rgc_network *network, const rgc_yaml *names, rgc_diagnostics *diags);
void rgc_settings_read_rename(rgc_network *network, const rgc_yaml *rename, rgc_diagnostics *diags);
void rgc_settings_read_file(rgc_network *network, rgc_diagnostics *diags);
/* A constant: a number, or an expression without names, between min and max; `whole` asks for an integer. False if reported. */
bool rgc_read_number(const rgc_yaml *node, const char *what, double min, double max, bool whole, rgc_diagnostics *diags,
                     double *value);
/* Words of a list (may be NULL), appended to `names`. */
void rgc_read_names(rgc_network *network, const rgc_yaml *list, rgc_names *names, rgc_diagnostics *diags);
#endif
