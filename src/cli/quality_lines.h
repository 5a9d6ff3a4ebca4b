/* quality_lines.h - a line of JSON for `sluice quality` as values, checked: whatever is wrong is named by line, field and rule. Private to src/cli. */
#ifndef SLUICE_CLI_QUALITY_LINES_H
#define SLUICE_CLI_QUALITY_LINES_H

#include <jansson.h>

#include <sluice/quality.h>

/* Where a line is read from, and what it is read into. */
struct sl_line {
    const char *file;
    size_t number; /* counted from 1 */
    const json_t *json;
    struct sl_arena *arena;                        /* of the values */
    void (*unknown)(void *arg, const char *field); /* a key that says nothing; may be NULL */
    void *arg;
    struct sl_err *err;
};

struct sl_assess_line {
    struct sl_quality_profile profile;
    struct sl_quality_input input;
};
/* {"profile": {"required_fields", "optional_fields", "field_weights"}, "input": {"row_count", "null_counts", "data_sources", "reconstruction_applied", "expected_sample_size", "date"}} */
enum sl_code sl_line_read_assess(const struct sl_line *line, struct sl_assess_line *out);

/* {"tiers": [], "scores": [], "issues": [[]]}; the number of items, of which there is at least one. */
enum sl_code sl_line_read_aggregate(const struct sl_line *line, struct sl_quality_item **out, size_t *n);

/* {"tier", "confidence"}; *tier NULL: none. */
enum sl_code sl_line_read_cap(const struct sl_line *line, const char **tier, double *confidence);

#endif
