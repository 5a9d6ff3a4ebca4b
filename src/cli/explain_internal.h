/* explain_internal.h - what the files that explain a decision share. Private to them. */
#ifndef SLUICE_CLI_EXPLAIN_INTERNAL_H
#define SLUICE_CLI_EXPLAIN_INTERNAL_H

#include <jansson.h>

#include "gate_view.h"

/* "  label        text", nothing without a text. */
void sl_explain_line(struct sl_cli *cli, const char *label, const char *text);
/* A text of an object; "" when it has none. Borrowed. */
const char *sl_explain_text(const json_t *object, const char *key);
/* Names joined by commas, the first `most` of them and how many more there are of `n_all`. Arena. */
const char *sl_explain_names(struct sl_cli *cli, const json_t *names, size_t n_all, size_t most);
/* Tables of a section are indented. */
const char *sl_explain_indent(struct sl_cli *cli, const char *text);

/* explain_checks.c: every check; what failed with what is missing, a line each. `facts` may be NULL. */
void sl_explain_checks(struct sl_cli *cli, const json_t *decision, const json_t *facts);

/* explain_quality.c: where the rows come from, how good they are, what is inherited, who lacks which units. Each section only when there is something to tell. */
enum sl_code sl_explain_quality(struct sl_cli *cli, const json_t *decision, const json_t *facts);

#endif
