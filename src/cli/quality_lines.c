/* quality_lines.c - see quality_lines.h. Every reader takes the field's whole path, which is what an error names. */
#include "quality_lines.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROWS   INT64_C(1000000000000000) /* 10^15: sums and shares stay exact in a double */
#define MAX_SAMPLE 1000000000
#define MAX_WEIGHT 1000000

/* `found` NULL: the field is not there. */
static enum sl_code wrong(const struct sl_line *line, const char *field, const json_t *found, const char *expected)
{
    char *text = found == NULL ? NULL : json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    sl_fail(line->err, SL_INVALID, "%s line %zu: %s: %s%.80s; expected %s", line->file, line->number, field,
            found == NULL ? "missing" : "found ", text == NULL ? "" : text, expected);
    free(text);
    return SL_INVALID;
}

static const char *below(const struct sl_line *line, const char *field, const char *key)
{
    return sl_arena_printf(line->arena, "%s.%s", field, key);
}

static const char *item(const struct sl_line *line, const char *field, size_t index)
{
    return sl_arena_printf(line->arena, "%s[%zu]", field, index);
}

/* null is as good as nothing. */
static const json_t *given(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static enum sl_code read_text(const struct sl_line *line, const char *field, const json_t *value, const char **out)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0')
        return wrong(line, field, value, "a text that is not empty");
    *out = sl_arena_strdup(line->arena, text);
    return SL_OK;
}

/* A list of texts; an absent one is empty. */
static enum sl_code read_texts(const struct sl_line *line, const char *field, const json_t *list, const char ***out, size_t *n)
{
    enum sl_code code = SL_OK;
    *n = json_array_size(list);
    *out = sl_arena_array(line->arena, *n + 1, sizeof **out);
    if (list != NULL && !json_is_array(list))
        return wrong(line, field, list, "a list of texts");
    for (size_t i = 0; code == SL_OK && i < *n; i++)
        code = read_text(line, item(line, field, i), json_array_get(list, i), &(*out)[i]);
    return code;
}

static enum sl_code read_whole(const struct sl_line *line, const char *field, const json_t *value, int64_t least, int64_t most,
                               int64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
        return wrong(line, field, value,
                     sl_arena_printf(line->arena, "a whole number from %lld to %lld", (long long)least, (long long)most));
    *out = json_integer_value(value);
    return SL_OK;
}

static enum sl_code read_number(const struct sl_line *line, const char *field, const json_t *value, double most, double *out)
{
    if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > most)
        return wrong(line, field, value, sl_arena_printf(line->arena, "a number from 0 to %g", most));
    *out = json_number_value(value);
    return SL_OK;
}

static enum sl_code read_object(const struct sl_line *line, const char *field, const json_t *value)
{
    return json_is_object(value) ? SL_OK : wrong(line, field, value, "an object");
}

static void note_unknown(const struct sl_line *line, const char *field, const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL && line->unknown != NULL)
            line->unknown(line->arg, below(line, field, key));
    }
}

/* ---- assess ---- */

static enum sl_code check_once(const struct sl_line *line, const struct sl_quality_profile *profile)
{
    struct sl_map *seen = sl_map_create();
    const char *twice = NULL;
    for (size_t i = 0; i < profile->n_required + profile->n_optional && twice == NULL; i++) {
        const char *name = i < profile->n_required ? profile->required[i] : profile->optional[i - profile->n_required];
        if (sl_map_get(seen, name) != NULL)
            twice = name;
        sl_map_put(seen, name, seen);
    }
    sl_map_destroy(&seen);
    if (twice == NULL)
        return SL_OK;
    return sl_fail(line->err, SL_INVALID, "%s line %zu: profile: found the column \"%.60s\" twice; expected every column once", line->file,
                   line->number, twice);
}

static enum sl_code read_weights(const struct sl_line *line, const json_t *weights, struct sl_quality_profile *out)
{
    const char *field = "profile.field_weights", *key;
    json_t *value;
    enum sl_code code = weights == NULL ? SL_OK : read_object(line, field, weights);
    out->weights = sl_arena_array(line->arena, json_object_size(weights) + 1, sizeof *out->weights);
    json_object_foreach((json_t *)weights, key, value)
    {
        if (code != SL_OK)
            return code;
        if (!json_is_number(value) || json_number_value(value) <= 0 || json_number_value(value) > MAX_WEIGHT)
            return wrong(line, below(line, field, key), value, "a number above 0, at most 1000000");
        out->weights[out->n_weights++] = (struct sl_weight){sl_arena_strdup(line->arena, key), json_number_value(value)};
    }
    return code;
}

static enum sl_code read_profile(const struct sl_line *line, struct sl_quality_profile *out)
{
    static const char *const KEYS[] = {"required_fields", "optional_fields", "field_weights", NULL};
    const json_t *profile = given(line->json, "profile"), *required = given(profile, "required_fields");
    enum sl_code code = read_object(line, "profile", profile);
    if (code != SL_OK)
        return code;
    note_unknown(line, "profile", profile, KEYS);
    if (required == NULL)
        return wrong(line, "profile.required_fields", NULL, "a list of texts");
    code = read_texts(line, "profile.required_fields", required, &out->required, &out->n_required);
    if (code == SL_OK)
        code = read_texts(line, "profile.optional_fields", given(profile, "optional_fields"), &out->optional, &out->n_optional);
    if (code == SL_OK)
        code = check_once(line, out);
    return code == SL_OK ? read_weights(line, given(profile, "field_weights"), out) : code;
}

static enum sl_code read_nulls(const struct sl_line *line, const json_t *counts, struct sl_quality_input *out)
{
    const char *field = "input.null_counts", *key;
    json_t *value;
    enum sl_code code = read_object(line, field, counts);
    struct sl_null_count *nulls = sl_arena_array(line->arena, json_object_size(counts) + 1, sizeof *nulls);
    out->nulls = nulls;
    json_object_foreach((json_t *)counts, key, value)
    {
        struct sl_null_count *one = &nulls[out->n_nulls];
        if (code == SL_OK)
            code = read_whole(line, below(line, field, key), value, 0, out->row_count, &one->n);
        if (code != SL_OK)
            return code;
        one->field = sl_arena_strdup(line->arena, key);
        out->n_nulls++;
    }
    return code;
}

static enum sl_code read_date(const struct sl_line *line, const json_t *value, sl_date *out)
{
    const char *text = json_string_value(value);
    *out = SL_DATE_NONE;
    if (value == NULL || (text != NULL && sl_date_parse(text, strlen(text), out)))
        return SL_OK;
    return wrong(line, "input.date", value, "a date, YYYY-MM-DD, or null");
}

/* Everything of the input that may be absent. */
static enum sl_code read_circumstances(const struct sl_line *line, const json_t *input, struct sl_quality_input *out)
{
    const json_t *rebuilt = given(input, "reconstruction_applied"), *expected = given(input, "expected_sample_size");
    const char **sources = NULL;
    int64_t sample = 0;
    enum sl_code code = read_texts(line, "input.data_sources", given(input, "data_sources"), &sources, &out->n_data_sources);
    out->data_sources = sources;
    if (code == SL_OK && rebuilt != NULL && !json_is_boolean(rebuilt))
        code = wrong(line, "input.reconstruction_applied", rebuilt, "true, false or null");
    out->reconstructed = json_is_true(rebuilt);
    if (code == SL_OK && expected != NULL)
        code = read_whole(line, "input.expected_sample_size", expected, 1, MAX_SAMPLE, &sample);
    out->expected = (int)sample;
    return code == SL_OK ? read_date(line, given(input, "date"), &out->date) : code;
}

enum sl_code sl_line_read_assess(const struct sl_line *line, struct sl_assess_line *out)
{
    static const char *const KEYS[] = {"row_count", "null_counts", "data_sources", "reconstruction_applied", "expected_sample_size",
                                       "date",      NULL};
    const json_t *input = given(line->json, "input");
    *out = (struct sl_assess_line){0};
    enum sl_code code = read_profile(line, &out->profile);
    if (code == SL_OK)
        code = read_object(line, "input", input);
    if (code != SL_OK)
        return code;
    note_unknown(line, "input", input, KEYS);
    code = read_whole(line, "input.row_count", given(input, "row_count"), 0, MAX_ROWS, &out->input.row_count);
    if (code == SL_OK)
        code = read_nulls(line, given(input, "null_counts"), &out->input);
    return code == SL_OK ? read_circumstances(line, input, &out->input) : code;
}

/* ---- aggregate ---- */

/* A list as long as `n`. */
static enum sl_code check_length(const struct sl_line *line, const char *field, const json_t *list, size_t n)
{
    if (!json_is_array(list))
        return wrong(line, field, list, "a list");
    if (json_array_size(list) == n)
        return SL_OK;
    return sl_fail(line->err, SL_INVALID, "%s line %zu: %s: found %zu items; expected %zu, one for every tier", line->file, line->number,
                   field, json_array_size(list), n);
}

/* NULL is no tier, and reads as unusable; its score may be NULL too, and is 0. */
static enum sl_code read_item(const struct sl_line *line, size_t i, struct sl_quality_item *out)
{
    const json_t *tier = json_array_get(json_object_get(line->json, "tiers"), i);
    const json_t *score = json_array_get(json_object_get(line->json, "scores"), i);
    const json_t *issues = json_array_get(given(line->json, "issues"), i);
    const char **texts = NULL;
    if (!json_is_string(tier) && !json_is_null(tier))
        return wrong(line, item(line, "tiers", i), tier, "a tier's name, or null");
    out->tier = sl_tier_read(json_string_value(tier));
    enum sl_code code = json_is_null(tier) && json_is_null(score) ? SL_OK
                                                                  : read_number(line, item(line, "scores", i), score, 100, &out->score);
    if (code == SL_OK && issues != NULL)
        code = read_texts(line, item(line, "issues", i), issues, &texts, &out->n_issues);
    out->issues = texts;
    return code;
}

enum sl_code sl_line_read_aggregate(const struct sl_line *line, struct sl_quality_item **out, size_t *n)
{
    const json_t *tiers = json_object_get(line->json, "tiers"), *issues = given(line->json, "issues");
    *n = json_array_size(tiers);
    *out = sl_arena_array(line->arena, *n + 1, sizeof **out);
    if (*n == 0)
        return wrong(line, "tiers", tiers, "a list of at least one tier");
    enum sl_code code = check_length(line, "scores", json_object_get(line->json, "scores"), *n);
    if (code == SL_OK && issues != NULL && !(json_is_array(issues) && json_array_size(issues) == 0))
        code = check_length(line, "issues", issues, *n);
    for (size_t i = 0; code == SL_OK && i < *n; i++)
        code = read_item(line, i, &(*out)[i]);
    return code;
}

/* ---- cap ---- */

enum sl_code sl_line_read_cap(const struct sl_line *line, const char **tier, double *confidence)
{
    const json_t *value = given(line->json, "tier");
    if (value != NULL && !json_is_string(value))
        return wrong(line, "tier", value, "a tier's name, or null");
    *tier = sl_arena_strdup(line->arena, json_string_value(value));
    return read_number(line, "confidence", json_object_get(line->json, "confidence"), 1, confidence);
}
