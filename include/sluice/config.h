/* config.h - the configuration as the rest of Sluice sees it: parsed, validated, with every default filled in.
 * The shapes follow contract/nba.yaml; the one option table (key, type, default, unit, help) in src/core/options.c is where keys, types and defaults live,
 * and the parser, `config schema` and the normal form are made from it.
 * Read-only after load: any thread. All strings and arrays are owned by the config. Pure but for sl_config_load(), which reads one file. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/date.h>
#include <sluice/error.h>
#include <sluice/names.h>
#include <sluice/str.h>

enum sl_need { SL_NOT_REQUIRED, SL_OPTIONAL, SL_CRITICAL };
enum sl_mode { SL_OFF, SL_SOFT, SL_STRICT };
enum sl_on_empty { SL_EMPTY_NOTHING, SL_EMPTY_TRIGGER };
enum sl_on_skip { SL_SKIP_HOLD, SL_SKIP_DROP, SL_SKIP_COALESCE };
enum sl_on_late { SL_LATE_IGNORE, SL_LATE_MARK, SL_LATE_RETRIGGER };
enum sl_on_stale { SL_STALE_MARK, SL_STALE_RETRIGGER };
enum sl_on_unanswered { SL_UNANSWERED_ALERT, SL_UNANSWERED_RETRIGGER };
enum sl_on_deadline { SL_DEADLINE_DEGRADE, SL_DEADLINE_ALERT, SL_DEADLINE_HOLD };
enum sl_window_kind { SL_WINDOW_UNITS, SL_WINDOW_DAYS, SL_WINDOW_ROWS };

struct sl_pair {
    const char *key, *value;
};
struct sl_window {
    enum sl_window_kind kind;
    int n;
};

/* A table that can serve a processor's rows: [0] is the primary, the rest are fallbacks in order. */
struct sl_source {
    const char *table; /* "dataset.table" */
    const char *date_column;
    const char *unit_column; /* NULL: judged by date */
    struct sl_pair *columns; /* ours -> theirs */
    size_t n_columns;
};

struct sl_quality_profile {
    const char **required;
    size_t n_required;
    const char **optional;
    size_t n_optional;
    struct sl_weight {
        const char *field;
        double weight;
    } * weights;
    size_t n_weights;
    int expected_rows; /* 0: not given */
};
struct sl_input {
    const char *table, *entity_column;
    struct sl_window window;
};

struct sl_processor {
    const char *name;
    const char **aliases;
    size_t n_aliases;
    enum sl_need need[SL_N_PROFILES];
    struct sl_source *sources;
    size_t n_sources;                   /* none: judged by its runs */
    struct sl_quality_profile *quality; /* NULL: not assessed */
    struct sl_input *inputs;
    size_t n_inputs;
    const char *reconstruction_sql;
    int reconstruction_min_rows; /* NULL: none */
    const char **fingerprint_exclude;
    size_t n_fingerprint_exclude;
    const char *confidence_base, *confidence_final, *confidence_capped, *confidence_skipped; /* columns; NULL: none */
    bool stamp, audit;
};

struct sl_checks {
    struct {
        enum sl_mode mode;
        int64_t running_timeout_ms;
    } upstream;
    enum sl_mode units; /* SL_STRICT: every done unit; else at least one for a critical processor */
    struct {
        enum sl_mode mode;
        int look_back_days;
        bool every_day;
        int64_t degrade_after_ms; /* -1: never */
    } gaps;
    struct {
        enum sl_mode mode;
        const char *entity, *table, *entity_column;
        struct sl_window window;
        double threshold; /* 0..1 */
    } completeness;
    struct {
        enum sl_mode mode;
        double min_usable; /* 0..1 */
    } quality;
};

struct sl_phase {
    const char *name;
    size_t index; /* in sl_config.phases (config order) */
    size_t rank;  /* in DAG order: after every phase of `after`, ties in config order */
    const char **aliases;
    size_t n_aliases;
    size_t *after;
    size_t n_after; /* indices of the phases before */
    size_t *followers;
    size_t n_followers;                                   /* indices of the phases that name this one in `after`, config order */
    const char *topic, *subscription, *dead_letter_topic; /* of its completions; NULL when not given */
    const char *trigger_topic;                            /* started_by.topic; NULL: nobody starts it */
    struct sl_pair *trigger_fields;
    size_t n_trigger_fields; /* their name -> our name */
    struct sl_pair *trigger_attributes;
    size_t n_trigger_attributes;
    struct sl_processor *processors;
    size_t n_processors;
    struct sl_checks checks;
    double share; /* 0..1 */
    int64_t grace_ms, settle_ms, answer_within_ms;
    struct {
        int64_t after_ms; /* -1: none */
        int at_minutes;   /* -1: none */
        enum sl_on_deadline then;
        bool waive_critical;
    } deadline;
    enum sl_on_empty on_empty;
    enum sl_on_skip on_skip;
    enum sl_on_late on_late;
    enum sl_on_stale on_stale;
    enum sl_on_unanswered on_unanswered;
    bool observe; /* mode: observe */
    int bootstrap_days;
    int expect_by_minutes; /* -1: none */
};

/* A row counts when every column has one of its values: text comparison; numbers compare as their text. */
struct sl_condition {
    struct sl_term {
        const char *column;
        const char **values;
        size_t n;
    } * terms;
    size_t n;
};

struct sl_calendar_config {
    const char *table, *date_column, *unit_column; /* unit_column NULL: the date is the unit */
    struct sl_condition planned, done, cancelled;  /* n == 0: planned and done match every row, cancelled none */
    struct sl_entity_columns {
        const char *entity;
        const char **columns;
        size_t n;
    } * entities;
    size_t n_entities;
    const char *season_column; /* NULL: one season without end */
    int season_month, season_day;
    sl_date history_from; /* SL_DATE_NONE: no limit */
    double suspect_above; /* 0..1, default 0.2 */
};

/* The numbers of the quality score (DESIGN section 7). */
struct sl_quality_policy {
    double thresholds[4]; /* gold silver bronze poor, 0..100 descending */
    double ceilings[5];   /* gold .. unusable */
    double thin, thin_early;
    int early_units;
    double expected_early, expected_mid, expected_full, expected_none;
    const char *historical_tier;
    double historical_score;
    int season_month, season_day; /* of the calendar's season; 10, 15 without */
};

enum sl_bus_type { SL_BUS_EMBEDDED, SL_BUS_PUBSUB, SL_BUS_EMULATOR };
enum sl_ledger_type { SL_LEDGER_SQLITE, SL_LEDGER_POSTGRES };
enum sl_warehouse_type { SL_WAREHOUSE_SQLITE, SL_WAREHOUSE_BIGQUERY };

struct sl_config {
    int version;
    const char *pipeline, *timezone, *environment;
    struct sl_zone *zone;   /* of `timezone`, owned */
    const char *file, *dir; /* the config file and its directory; relative paths below are already joined to it */
    struct {
        enum sl_bus_type type;
        const char *project, *listen, *path;
        const char *endpoint, *ca; /* NULL: Google's, the system's */
        int streams, connections;
        bool compress;
    } bus;
    struct {
        enum sl_ledger_type type;
        const char *path, *dsn;
    } ledger;
    struct {
        enum sl_warehouse_type type;
        const char *path, *project, *location;
        int max_parallel;
        int64_t timeout_ms; /* of one question; 0: none */
    } warehouse;
    struct {
        const char **processor_name;
        size_t n_processor_name; /* field names, first hit wins */
        const char **date;
        size_t n_date;
        struct sl_field_names {
            const char *field;
            const char **names;
            size_t n;
        } * others;
        size_t n_others;            /* any other completion field that is mapped */
        struct sl_zone *naive_zone; /* of message.naive_timestamps, owned */
        size_t max_bytes;
    } message;
    struct sl_calendar_config *calendar; /* NULL: none */
    struct {
        const char *log_table, *runs_table;
        bool runs_by_sluice;
        int64_t load_every_ms;
        size_t load_max_events, load_max_bytes;
        bool require_partition_filter;
    } coverage;
    struct sl_phase *phases;
    size_t n_phases; /* config order */
    size_t *dag;     /* n_phases indices in DAG order */
    struct {
        size_t batch_messages, batch_bytes;
        int64_t recheck_min_ms, recheck_max_ms, recheck_for_ms;
        int retriggers_per_minute; /* of on_stale: retrigger */
    } worker;
    struct {
        int64_t facts_ms, inbox_ms; /* inbox -1: null */
    } retention;
    struct sl_quality_policy quality;
    struct {
        int at_minutes;
        int look_back_days;
        int64_t heartbeat_ms, stuck_after_ms;
    } audit;
    struct {
        int64_t window_ms;
        int digest_at_minutes;
        struct sl_channel {
            const char *type;
            struct sl_pair *settings;
            size_t n_settings;
        } * channels;
        size_t n_channels;
    } alerts;
    const char *http_listen; /* NULL: none */

    const char *normal; /* the normal form: canonical JSON (sorted keys, all defaults, env expanded) */
    const char *hash;   /* SHA-256 hex of `normal` */
    const char **warnings;
    size_t n_warnings; /* sentences: accepted, but worth knowing (tables judged by date, checks that have nothing to look at) */
    void *owner;       /* arena and friends */
};

struct sl_override {
    const char *key, *value;
}; /* --set defaults.settle=0s; phases are addressed by name or index: phases.phase_2_raw.grace=0s */

/* Load, override, expand ${ENV} (through `getenv_fn`, NULL: getenv), validate. On SL_INVALID `err` holds the first error, and `errors` (may be NULL) one line per error found:
 * "FILE:LINE: key.path: what is wrong; expected ...; did you mean ...?". */
enum sl_code sl_config_load(struct sl_config **out, const char *path, const struct sl_override *sets, size_t n_sets,
                            const char *(*getenv_fn)(const char *), struct sl_buf *errors, struct sl_err *err);
/* The same from text in memory, `name` in errors, relative paths joined to `dir`. */
enum sl_code sl_config_parse(struct sl_config **out, const char *text, size_t len, const char *name, const char *dir,
                             const struct sl_override *sets, size_t n_sets, const char *(*getenv_fn)(const char *), struct sl_buf *errors,
                             struct sl_err *err);
void sl_config_destroy(struct sl_config **config);

/* The JSON Schema (draft 2020-12) made from the option table. */
void sl_config_schema(struct sl_buf *out);
/* The normal form, indented, secrets masked as "***" (a dsn's password, webhook addresses, anything that came out of ${...} under a key marked secret). */
void sl_config_show(struct sl_buf *out, const struct sl_config *config);

const struct sl_phase *sl_config_phase(const struct sl_config *config, const char *name); /* by name or alias; NULL */
const struct sl_phase *sl_config_phase_n(const struct sl_config *config, const char *name, size_t len);
const struct sl_processor *sl_phase_processor(const struct sl_phase *phase, const char *name); /* by name or alias, exactly; NULL */
/* The processor that owns `table` as its primary, or NULL; *phase (may be NULL) gets its phase. */
const struct sl_processor *sl_config_table_owner(const struct sl_config *config, const char *table, const struct sl_phase **phase);
/* What the source's table calls the column. Borrowed from either. */
const char *sl_source_column(const struct sl_source *source, const char *column);
/* The index of the entity among the calendar's kinds; n_entities: it has no such kind. */
size_t sl_calendar_kind(const struct sl_calendar_config *calendar, const char *entity);

bool sl_phase_is_after(const struct sl_phase *phase, const struct sl_phase *before); /* directly */
bool sl_processor_is_gap_judged(const struct sl_processor *processor);               /* critical in some profile, and has rows */

/* Dates before calendar.history_from are not expected. */
bool sl_config_is_before_history(const struct sl_config *config, sl_date date);
/* No look-back goes further: the season's first date (SL_DATE_NONE: unknown) or calendar.history_from, the later. SL_DATE_NONE: no limit. */
sl_date sl_config_not_before(const struct sl_config *config, sl_date season_first);
/* The first date that the phase's gap check looks back to. */
sl_date sl_gaps_look_back_from(const struct sl_config *config, const struct sl_phase *phase, sl_date date, sl_date season_first);

#endif
