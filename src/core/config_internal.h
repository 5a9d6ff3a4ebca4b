/* config_internal.h - what the files of the configuration share: the option table, its tree, and the reader that collects findings.
 * The way of a config: YAML tree -> (overrides) -> JSON tree of the keys given, each value in its canonical form -> defaults filled in and inherited
 * -> checked as a whole -> normal form and hash -> bound to the structs of sluice/config.h.
 * Canonical forms are themselves valid in a file, so the normal form loads again to the same hash. */
#ifndef SLUICE_CORE_CONFIG_INTERNAL_H
#define SLUICE_CORE_CONFIG_INTERNAL_H

#include <jansson.h>

#include <sluice/config.h>
#include <sluice/mem.h>
#include <sluice/yaml.h>

enum sl_option_type {
    SL_OPT_OBJECT,   /* a map of the keys that the table has below it */
    SL_OPT_MAP,      /* a map of free keys; row "path.*" types the values, `allowed` the keys: column or text */
    SL_OPT_LIST,     /* row "path[]" types the items */
    SL_OPT_TEXT,     /* not empty */
    SL_OPT_NAME,     /* letters, digits, "_", "-", "." */
    SL_OPT_TABLE,    /* dataset.table */
    SL_OPT_COLUMN,   /* an identifier */
    SL_OPT_ZONE,     /* a zone of tzdata */
    SL_OPT_ENUM,     /* one of `allowed`: "a|b|c" */
    SL_OPT_INT,      /* `allowed`: "LOW..HIGH", either may be empty; so for all that have an order */
    SL_OPT_NUMBER,   /* canonical: a JSON real */
    SL_OPT_BOOL,     /* */
    SL_OPT_DURATION, /* "5m" */
    SL_OPT_DAYS,     /* a duration of whole days */
    SL_OPT_PERCENT,  /* "60%" */
    SL_OPT_TIME,     /* "HH:MM" */
    SL_OPT_DATE,     /* "YYYY-MM-DD" */
    SL_OPT_WINDOW,   /* "10 units"; `allowed`: the kinds */
};

#define SL_OPT_REQUIRED 1u  /* an error where it is missing */
#define SL_OPT_NULL     2u  /* null is a value of its own */
#define SL_OPT_SECRET   4u  /* masked when shown */
#define SL_OPT_ONE      8u  /* list: a lone value stands for a list of one */
#define SL_OPT_NONE     16u /* column: "none" (or null) says that there is none */
#define SL_OPT_NOT_NULL 32u /* object: null is no empty map here */

/* One row of the option table. `path` has "[]" for list items and "*" for free keys; "@." stands for defaults and a phase, "%." for these and a processor. */
struct sl_option {
    const char *path;
    enum sl_option_type type;
    unsigned flags;
    const char *lone;    /* object: a lone scalar x stands for {lone: x}; "*": for x under every key */
    const char *def;     /* the default as a file would write it; NULL: none, the key stays absent */
    const char *allowed; /* by type, see above */
    const char *unit;
    const char *help;
};

extern const struct sl_option sl_options[];
extern const size_t sl_n_options;

/* The table as a tree: a node per key; key "[]" or "*" for the items of a list or map. */
struct sl_node {
    const char *key;
    const struct sl_option *option;
    struct sl_node **children; /* in the order of the table */
    size_t n;
};

#define SL_CONFIG_MAX_ITEMS    1000 /* of a list: item names are compared pairwise, 10^6 at most */
#define SL_CONFIG_MAX_NAME     128  /* bytes of a name, column, or dataset */
#define SL_CONFIG_MAX_TEXT     65536
#define SL_CONFIG_MAX_FINDINGS 200

#define SL_PATH_SET "--set" /* as a key path: the fault is of the option itself */

struct sl_finding {
    int line; /* 0: from --set */
    const char *text;
};

/* One reading of one config. Everything is in the arena but `lines` and `from_env`. */
struct sl_reader {
    struct sl_arena *arena;
    const char *file;
    const char *(*getenv_fn)(const char *name);
    struct sl_node *root;
    struct sl_map *lines;    /* key path -> line + 1 */
    struct sl_map *from_env; /* key paths of secrets that came out of ${...} */
    struct sl_finding *findings;
    size_t n_findings;
    const char **warnings;
    size_t n_warnings;
};

/* options_tree.c */
struct sl_node *sl_options_tree(struct sl_arena *arena);
const struct sl_node *sl_node_child(const struct sl_node *node, const char *key); /* NULL: no such key */
/* Names of the keys of an object, arena-held. */
const char **sl_node_keys(const struct sl_node *node, struct sl_arena *arena, size_t *n);
/* "a|b|c" split, arena-held. */
const char **sl_option_choices(const char *allowed, struct sl_arena *arena, size_t *n);
/* What the option takes, as the part after "expected ". Arena-held. */
const char *sl_node_expected(const struct sl_node *node, struct sl_arena *arena);

/* config_findings.c: errors and warnings, each with its place. */
void sl_reader_note(struct sl_reader *reader, const char *path, int line);
/* At the line of `path`, or of the nearest key above it that the file has. */
void sl_reader_fault(struct sl_reader *reader, const char *path, const char *fmt, ...) SL_PRINTF(3, 4);
void sl_reader_warn(struct sl_reader *reader, const char *fmt, ...) SL_PRINTF(2, 3);
/* "; did you mean 'x'?" or "". Arena-held. */
const char *sl_reader_hint(struct sl_reader *reader, const char *word, const char *const *candidates, size_t n);
/* Sort by line; the first into `err`, all into `errors`. SL_OK when there are none. */
enum sl_code sl_reader_report(struct sl_reader *reader, struct sl_buf *errors, struct sl_err *err);

/* config_path.c: how keys are named in errors and in --set: phases.NAME.processors.NAME.fallback.0.table */
bool sl_config_name_ok(const char *text);
const char *sl_path_key(struct sl_arena *arena, const char *path, const char *key);
/* An item of a JSON list: by its name where it has one of its own, else by index. */
const char *sl_path_item(struct sl_arena *arena, const char *path, const json_t *list, size_t index);
const char *sl_path_yaml_item(struct sl_arena *arena, const char *path, const struct sl_yaml *list, size_t index);

/* config_env.c: ${NAME} and $${ of a value. false: a fault was noted. */
bool sl_env_expand(struct sl_reader *reader, const char *path, const char *text, const char **out, bool *expanded);

/* config_value.c: one scalar in its canonical form; NULL: not of this type (or not in its range). New reference. */
json_t *sl_value_normal(const struct sl_option *option, const char *text, bool quoted);
bool sl_window_parse(const char *text, struct sl_window *out);
bool sl_percent_parse(const char *text, double *out_share); /* "60%" -> 0.6 */

/* config_set.c: put the overrides into the YAML tree. Faults are noted. */
void sl_config_override(struct sl_reader *reader, struct sl_yaml **root, const struct sl_override *sets, size_t n_sets);

/* config_normal.c: the keys given, in canonical form. Never NULL; faults are noted. New reference. */
json_t *sl_config_normalise(struct sl_reader *reader, const struct sl_yaml *root);
/* One value; NULL when absent or faulty. New reference. */
json_t *sl_config_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path);

/* config_defaults.c: fill in, inherit, resolve fallbacks; `defaults` itself goes away. */
void sl_config_fill(struct sl_reader *reader, json_t *root);

/* config_check.c, config_check_phase.c: what only the whole can show. `root` is filled. */
void sl_config_check(struct sl_reader *reader, json_t *root);
void sl_config_check_phases(struct sl_reader *reader, json_t *root);
/* One key for every spelling of a column's name: SQLite and BigQuery don't tell columns apart by case. Arena-held. */
const char *sl_column_key(struct sl_arena *arena, const char *name);
/* config_check_data.c: what the parts that look at rows need of each other: columns named twice, inputs, reconstructions, stamps, windows. After the phases themselves. */
void sl_config_check_data(struct sl_reader *reader, const json_t *root);

/* config_sql.c: what is found wrong with a reconstruction (arena-held), or NULL. It must be one INSERT INTO `table` ... SELECT with @date, with @unit when the table has `units` and
 * without it when not, and with no other parameter. */
const char *sl_sql_reconstruction(const char *sql, const char *table, bool units, bool bigquery, struct sl_arena *arena);

/* config_dag.c */
/* Name or alias -> index + 1, the first of a name. The caller destroys it. */
struct sl_map *sl_config_phase_index(const json_t *phases);
int sl_config_find_phase(const struct sl_map *index, const char *name); /* -1: no such phase */
/* Indices of the phases in DAG order into `dag` (room for all); `*n_placed` of them. false: a cycle leaves the rest out. */
bool sl_config_dag(const json_t *phases, const struct sl_map *index, size_t *dag, size_t *n_placed);

/* config_bind*.c: the structs, in `arena`. `root` is valid. */
enum sl_code sl_config_bind(struct sl_config *config, const json_t *root, struct sl_arena *arena, struct sl_err *err);
void sl_config_bind_phases(struct sl_config *config, const json_t *root, struct sl_arena *arena);
/* Values of an object by key, arena-held; absent and null give NULL, -1 or 0 as said. */
const char *sl_bind_str(struct sl_arena *arena, const json_t *object, const char *key);
const char **sl_bind_strs(struct sl_arena *arena, const json_t *list, size_t *n);
struct sl_pair *sl_bind_pairs(struct sl_arena *arena, const json_t *map, size_t *n);
int64_t sl_bind_ms(const json_t *object, const char *key);                     /* -1 */
int sl_bind_days(const json_t *object, const char *key);                       /* 0 */
int sl_bind_minutes(const json_t *object, const char *key);                    /* -1 */
int64_t sl_bind_int(const json_t *object, const char *key);                    /* 0 */
const char *sl_bind_unit_column(struct sl_arena *arena, const json_t *object); /* "none": NULL */
double sl_bind_share(const json_t *object, const char *key);                   /* 0 */
bool sl_bind_bool(const json_t *object, const char *key);                      /* false */
struct sl_window sl_bind_window(const json_t *object, const char *key);
/* Place of the value in "a|b|c", 0 when absent. */
int sl_bind_choice(const json_t *object, const char *key, const char *choices);

/* config_show.c: the indented normal form with secrets masked. Heap; free(). */
char *sl_config_masked(struct sl_reader *reader, const json_t *root);

/* What sl_config.owner points to. */
struct sl_config_owner {
    struct sl_arena arena;
    char *shown;
};

#endif
