/* cmd_quality.c - quality assess, aggregate, cap: lines of JSON in, lines of JSON out. Everything is read before anything is printed, so a wrong line leaves no half of an answer. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quality_lines.h"

#define MAX_TOLD 20 /* wrong lines that are named */

/* What a line gave, as far as its command prints it; texts of the command's arena. */
struct answer {
    const char *id, *tier, *issues, *metadata; /* id, issues, metadata: JSON */
    double number;
    bool capped, skipped;
};

struct job {
    struct sl_cli *cli;
    const struct sl_quality_policy *policy;
    enum sl_code (*read)(struct job *job, const struct sl_line *line, struct answer *out);
    const char *file;
    struct answer *answers;
    size_t n_answers, n_lines, n_wrong;
    struct sl_map *unknown; /* keys that were noted already */
    struct sl_buf text;
};

static void on_unknown(void *arg, const char *field)
{
    struct job *job = arg;
    if (sl_map_get(job->unknown, field) != NULL)
        return;
    sl_map_put(job->unknown, field, job);
    sl_cli_note(job->cli, "%s line %zu: %s says nothing here and is left out", job->file, job->n_lines, field);
}

static void tell_wrong(struct job *job)
{
    if (job->n_wrong++ < MAX_TOLD)
        sl_cli_note(job->cli, "%s", job->cli->err.text);
}

static enum sl_code read_json(struct job *job, const char *text, size_t len, json_t **out)
{
    json_error_t error;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(*out))
        return SL_OK;
    if (*out == NULL)
        return sl_fail(&job->cli->err, SL_INVALID, "%s line %zu: no JSON: %.120s", job->file, job->n_lines, error.text);
    return sl_fail(&job->cli->err, SL_INVALID, "%s line %zu: expected an object", job->file, job->n_lines);
}

static void read_line(struct job *job, const char *text, size_t len)
{
    struct sl_arena scratch = {0};
    json_t *json = NULL;
    struct answer answer = {0};
    enum sl_code code = read_json(job, text, len, &json);
    const struct sl_line line = {job->file, job->n_lines, json, &scratch, on_unknown, job, &job->cli->err};
    if (code == SL_OK)
        code = job->read(job, &line, &answer);
    if (code != SL_OK)
        tell_wrong(job);
    if (job->n_wrong == 0) {
        job->answers = sl_arena_push(&job->cli->arena, job->answers, &job->n_answers, sizeof *job->answers);
        job->answers[job->n_answers - 1] = answer;
    }
    json_decref(json);
    sl_arena_fini(&scratch);
}

static bool is_blank(const char *text, size_t len)
{
    return strspn(text, " \t\r\n") == len;
}

static enum sl_code read_all(struct job *job, FILE *file)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&text, &cap, file)) >= 0) {
        job->n_lines++;
        if (!is_blank(text, (size_t)len))
            read_line(job, text, (size_t)len);
    }
    free(text);
    if (ferror(file))
        return sl_fail(&job->cli->err, SL_UNAVAILABLE, "%s can't be read: %s", job->file, strerror(errno));
    if (job->n_wrong == 0)
        return SL_OK;
    return sl_fail(&job->cli->err, SL_INVALID, "%zu of %zu lines of %s are wrong, nothing is answered", job->n_wrong, job->n_lines,
                   job->file);
}

/* Lines are what scripts want here; -o may ask for another format. */
static void rows_of(struct sl_cli *cli, struct sl_rows **rows, const struct sl_field *fields, size_t n)
{
    if (!sl_args_has(&cli->args, "output"))
        cli->format = SL_FORMAT_NDJSON;
    sl_cli_rows(cli, rows, fields, n, false);
}

static int run(struct sl_cli *cli, enum sl_code (*read)(struct job *job, const struct sl_line *line, struct answer *out),
               const struct sl_field *fields, size_t n_fields, void (*print)(struct sl_rows *rows, const struct answer *answer))
{
    struct job job = {.cli = cli, .read = read, .policy = cli->config == NULL ? sl_quality_policy_default() : &cli->config->quality};
    struct sl_rows *rows;
    FILE *file = sl_cli_input(cli, &job.file);
    if (file == NULL)
        return sl_cli_failed(cli, NULL);
    job.unknown = sl_map_create();
    enum sl_code code = read_all(&job, file);
    sl_map_destroy(&job.unknown);
    sl_buf_fini(&job.text);
    if (file != stdin)
        fclose(file);
    if (code != SL_OK)
        return code == SL_INVALID ? sl_cli_usage_err(cli) : sl_cli_failed(cli, NULL);
    rows_of(cli, &rows, fields, n_fields);
    for (size_t i = 0; i < job.n_answers; i++)
        print(rows, &job.answers[i]);
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

/* What was written into job->text, kept. */
static const char *kept(struct job *job)
{
    return sl_arena_strdup(&job->cli->arena, sl_buf_text(&job->text));
}

static const char *issues_json(struct job *job, const char *const *issues, size_t n)
{
    struct sl_json json;
    sl_buf_clear(&job->text);
    sl_json_init(&json, &job->text);
    sl_json_array(&json);
    for (size_t i = 0; i < n; i++)
        sl_json_str(&json, issues[i]);
    sl_json_end_array(&json);
    return kept(job);
}

static enum sl_code assess(struct job *job, const struct sl_line *line, struct answer *out)
{
    struct sl_assess_line parts;
    struct sl_quality quality;
    struct sl_json json;
    const json_t *id = json_object_get(line->json, "id");
    char *text = id == NULL ? NULL : json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    out->id = sl_arena_strdup(&job->cli->arena, text);
    free(text);
    enum sl_code code = sl_line_read_assess(line, &parts);
    if (code != SL_OK)
        return code;
    sl_quality_assess(&quality, job->policy, &parts.profile, &parts.input, line->arena);
    out->tier = sl_tier_name(quality.tier);
    out->number = quality.score;
    out->issues = issues_json(job, quality.issues, quality.n_issues);
    sl_buf_clear(&job->text);
    sl_json_init(&json, &job->text);
    sl_quality_metadata_json(&json, &quality);
    out->metadata = kept(job);
    return SL_OK;
}

static void print_assessed(struct sl_rows *rows, const struct answer *answer)
{
    sl_rows_json(rows, answer->id);
    sl_rows_str(rows, answer->tier);
    sl_rows_double(rows, answer->number);
    sl_rows_json(rows, answer->issues);
    sl_rows_json(rows, answer->metadata);
}

static int run_assess(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {
        {"id", false, false}, {"tier", false, false}, {"score", false, true}, {"issues", false, false}, {"metadata", true, false}};
    return run(cli, assess, FIELDS, 5, print_assessed);
}

static enum sl_code aggregate(struct job *job, const struct sl_line *line, struct answer *out)
{
    struct sl_quality_item *items = NULL, worst;
    size_t n = 0;
    enum sl_code code = sl_line_read_aggregate(line, &items, &n);
    if (code == SL_OK)
        code = sl_quality_worst(&worst, NULL, items, n, line->arena, line->err);
    if (code != SL_OK)
        return code;
    out->tier = sl_tier_name(worst.tier);
    out->number = worst.score;
    out->issues = issues_json(job, worst.issues, worst.n_issues);
    return SL_OK;
}

static void print_aggregated(struct sl_rows *rows, const struct answer *answer)
{
    sl_rows_str(rows, answer->tier);
    sl_rows_double(rows, answer->number);
    sl_rows_json(rows, answer->issues);
}

static int run_aggregate(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {{"tier", false, false}, {"score", false, true}, {"issues", false, false}};
    return run(cli, aggregate, FIELDS, 3, print_aggregated);
}

static enum sl_code cap(struct job *job, const struct sl_line *line, struct answer *out)
{
    const char *tier;
    double confidence;
    enum sl_code code = sl_line_read_cap(line, &tier, &confidence);
    if (code != SL_OK)
        return code;
    const struct sl_capped capped = sl_confidence_cap(job->policy, tier, confidence);
    out->number = capped.confidence;
    out->capped = capped.capped;
    out->skipped = capped.skipped;
    return SL_OK;
}

static void print_capped(struct sl_rows *rows, const struct answer *answer)
{
    sl_rows_double(rows, answer->number);
    sl_rows_bool(rows, answer->capped);
    sl_rows_bool(rows, answer->skipped);
}

static int run_cap(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {
        {"final_confidence", false, true}, {"confidence_capped", false, false}, {"skipped", false, false}};
    return run(cli, cap, FIELDS, 3, print_capped);
}

#define LINES_IN                                                                                                                           \
    "The numbers are the config's `quality` where there is a config, else the defaults. A wrong line ends it: exit 2, and nothing is "     \
    "answered."

const struct sl_command SL_CMD_QUALITY_ASSESS = {
    .name = "quality assess",
    .usage = "[FILE.ndjson]",
    .help = "tier, score and issues of rows, from their aggregates: NDJSON in and out",
    .more = "A line is {\"id\", \"profile\": {\"required_fields\", \"optional_fields\", \"field_weights\"}, \"input\": {\"row_count\", "
            "\"null_counts\",\n"
            "\"data_sources\", \"reconstruction_applied\", \"expected_sample_size\", \"date\"}}. A column that null_counts lacks does not "
            "exist.\n" LINES_IN,
    .takes = SL_TAKES_WORD,
    .opens = SL_OPENS_CONFIG_IF_ANY,
    .examples = {"quality assess < aggregates.ndjson", "quality assess aggregates.ndjson -o table"},
    .run = run_assess,
};

const struct sl_command SL_CMD_QUALITY_AGGREGATE = {
    .name = "quality aggregate",
    .usage = "[FILE.ndjson]",
    .help = "what several assessments come to: the worst wins",
    .more = "A line is {\"tiers\": [], \"scores\": [], \"issues\": [[]]}. A tier that is unknown or null counts as unusable. " LINES_IN,
    .takes = SL_TAKES_WORD,
    .opens = SL_OPENS_CONFIG_IF_ANY,
    .examples = {"quality aggregate < tiers.ndjson", "quality aggregate tiers.ndjson -o csv"},
    .run = run_aggregate,
};

const struct sl_command SL_CMD_QUALITY_CAP = {
    .name = "quality cap",
    .usage = "[FILE.ndjson]",
    .help = "the confidence that a tier allows",
    .more = "A line is {\"tier\", \"confidence\"}. No tier counts as bronze, an unknown one has the ceiling of poor; unusable: no "
            "prediction. " LINES_IN,
    .takes = SL_TAKES_WORD,
    .opens = SL_OPENS_CONFIG_IF_ANY,
    .examples = {"quality cap < predictions.ndjson", "quality cap predictions.ndjson --set quality.ceilings.bronze=0.7"},
    .run = run_cap,
};
