/* sqlite_migrate.c - alters tables that are there: quality columns where rows are stamped, columns that an older coverage log or run history lacks.
 * Every statement is prepared and run, in one transaction per file; without `apply` the transaction is rolled back, so that what is shown is what would run. The rows that
 * exist when a quality column is added are from before the system and get the historical default in it; later runs find nothing missing and change nothing. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sqlite.h"

static const char ISSUES[] = "[\"historical_data\"]";
static const char SOURCES[] = "[\"unknown\"]";
static const char METADATA[] = "{\"historical\":true}";

static const struct {
    const char *type, *declared;
} TYPES[] = {
    {"STRING", "TEXT"},
    {"FLOAT64", "REAL"},
    {"INT64", "INTEGER"},
    {"BOOL", "BOOL INTEGER"},
    {"JSON", "JSON TEXT"},
    {"ARRAY<STRING>", "JSON TEXT"},
    {"TIMESTAMP", "TIMESTAMP TEXT"},
};

enum what { QUALITY, LOG, RUNS };

struct target { /* a table to look at; `table` borrowed from the config */
    struct sl_wh_name name;
    const char *table;
    enum what what;
    bool done;
};

struct migrating {
    struct sl_wh *wh;
    const struct sl_config *config;
    struct sl_wh_db *db;
    struct target *targets;
    size_t n_targets;
    struct sl_migration *made;
    size_t n_made;
    struct sl_arena *arena;
    bool apply;
};

/* --- targets ------------------------------------------------------------------------------------------------------------------------ */

static enum sl_code add_target(struct migrating *m, const char *table, enum what what, struct sl_err *err)
{
    struct target target = {.table = table, .what = what};
    for (size_t i = 0; i < m->n_targets; i++)
        if (m->targets[i].what == what && !strcmp(m->targets[i].table, table))
            return SL_OK;
    enum sl_code code = sl_wh_name_parse(&target.name, table, err);
    if (code)
        return code;
    m->targets = sl_arena_push(m->arena, m->targets, &m->n_targets, sizeof *m->targets);
    m->targets[m->n_targets - 1] = target;
    return SL_OK;
}

/* Tables that are stamped, and those whose confidence is capped by the tier of their rows. */
static bool is_stamped(const struct sl_processor *processor)
{
    return processor->n_sources && (processor->stamp || processor->confidence_final);
}

static enum sl_code add_targets(struct migrating *m, struct sl_err *err)
{
    const struct sl_config *config = m->config;
    enum sl_code code = SL_OK;
    for (size_t p = 0; p < config->n_phases; p++)
        for (size_t i = 0; !code && i < config->phases[p].n_processors; i++)
            if (is_stamped(&config->phases[p].processors[i]))
                code = add_target(m, config->phases[p].processors[i].sources[0].table, QUALITY, err);
    if (!code && config->coverage.log_table)
        code = add_target(m, config->coverage.log_table, LOG, err);
    if (!code && config->coverage.runs_table && config->coverage.runs_by_sluice)
        code = add_target(m, config->coverage.runs_table, RUNS, err);
    return code;
}

/* --- statements --------------------------------------------------------------------------------------------------------------------- */

static void add_made(struct migrating *m, const struct target *target, const char *sql)
{
    m->made = sl_arena_push(m->arena, m->made, &m->n_made, sizeof *m->made);
    m->made[m->n_made - 1] = (struct sl_migration){target->table, sql};
}

static enum sl_code add_column(struct migrating *m, const struct target *target, const char *name, const char *declared, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sl_buf_str(&sql, "ALTER TABLE ");
    sl_wh_quote(&sql, target->name.table);
    sl_buf_str(&sql, " ADD COLUMN ");
    sl_wh_quote(&sql, name);
    sl_buf_printf(&sql, " %s", declared);
    enum sl_code code = sl_wh_exec(m->db, sl_buf_text(&sql), err);
    if (!code)
        add_made(m, target, sl_arena_strdup(m->arena, sl_buf_text(&sql)));
    sl_buf_fini(&sql);
    return code;
}

/* The value of a quality column in a row from before the system; what nobody knows of it is NULL: its sample. */
static void bind_default(const struct migrating *m, sqlite3_stmt *stmt, int at, const char *column)
{
    if (!strcmp(column, "quality_tier"))
        sl_wh_bind(stmt, at, m->config->quality.historical_tier);
    else if (!strcmp(column, "quality_score"))
        sqlite3_bind_double(stmt, at, m->config->quality.historical_score);
    else if (!strcmp(column, "quality_issues"))
        sl_wh_bind(stmt, at, ISSUES);
    else if (!strcmp(column, "data_sources"))
        sl_wh_bind(stmt, at, SOURCES);
    else if (!strcmp(column, "quality_metadata"))
        sl_wh_bind(stmt, at, METADATA);
    else
        sqlite3_bind_int(stmt, at, 0);
}

static bool has_default(const char *column)
{
    return strcmp(column, "quality_sample_size") != 0;
}

static void default_sql(struct sl_buf *sql, const struct target *target, const char *const *added, size_t n)
{
    const char *separator = " SET ";
    sl_buf_str(sql, "UPDATE ");
    sl_wh_quote(sql, target->name.table);
    for (size_t i = 0; i < n; i++) {
        if (!has_default(added[i]))
            continue;
        sl_buf_str(sql, separator);
        sl_wh_quote(sql, added[i]);
        sl_buf_str(sql, strcmp(added[i], "quality_calculated_at") ? " = ?" : " = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')");
        separator = ", ";
    }
}

static enum sl_code write_default(struct migrating *m, const struct target *target, const char *const *added, size_t n, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    int at = 0;
    default_sql(&sql, target, added, n);
    enum sl_code code = sl_wh_prepare(m->db, sl_buf_text(&sql), &stmt, err);
    for (size_t i = 0; !code && i < n; i++)
        if (has_default(added[i]) && strcmp(added[i], "quality_calculated_at"))
            bind_default(m, stmt, ++at, added[i]);
    if (!code && m->apply)
        code = sl_wh_step(m->db, stmt, &row, err);
    char *shown = code ? NULL : sqlite3_expanded_sql(stmt);
    if (shown)
        add_made(m, target, sl_arena_strdup(m->arena, shown));
    sqlite3_free(shown);
    sqlite3_finalize(stmt);
    sl_buf_fini(&sql);
    return code;
}

/* --- one table ----------------------------------------------------------------------------------------------------------------------- */

static const char *declared_of(const char *type)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (!strcmp(TYPES[i].type, type))
            return TYPES[i].declared;
    return "TEXT";
}

static enum sl_code migrate_quality(struct migrating *m, const struct target *target, const struct sl_wh_columns *columns,
                                    struct sl_err *err)
{
    const char *added[SL_N_QUALITY_COLUMNS];
    size_t n = 0;
    bool defaults = false;
    enum sl_code code = SL_OK;
    for (size_t i = 0; !code && i < SL_N_QUALITY_COLUMNS; i++) {
        if (sl_wh_column_find(columns, SL_QUALITY_COLUMNS[i]))
            continue;
        code = add_column(m, target, SL_QUALITY_COLUMNS[i], declared_of(SL_QUALITY_TYPES[i]), err);
        defaults = defaults || has_default(SL_QUALITY_COLUMNS[i]);
        added[n++] = SL_QUALITY_COLUMNS[i];
    }
    return code || !defaults ? code : write_default(m, target, added, n, err);
}

/* The log and the run history, against what `init` would make today. */
static enum sl_code migrate_own(struct migrating *m, const struct target *target, const struct sl_wh_columns *columns, struct sl_err *err)
{
    struct sl_wh_columns wanted;
    enum sl_code code = sl_wh_own_columns(target->what == LOG, &wanted, m->arena, err);
    if (!code && target->what == LOG && !sl_wh_column_find(columns, "event_id"))
        return sl_fail(err, SL_INVALID, "%s has no event_id: it is no coverage log", target->table);
    for (size_t i = 0; !code && i < wanted.n; i++)
        if (!sl_wh_column_find(columns, wanted.items[i].name))
            code = add_column(m, target, wanted.items[i].name, wanted.items[i].declared, err);
    return code;
}

static enum sl_code migrate_table(struct migrating *m, const struct target *target, struct sl_err *err)
{
    struct sl_wh_columns columns;
    char kind[16];
    size_t before = m->n_made;
    enum sl_code code = sl_wh_kind(m->db, target->name.table, kind, err);
    if (!code)
        code = sl_wh_columns_read(m->db, target->name.table, &columns, m->arena, err);
    if (code || columns.n == 0) /* import makes it later */
        return code;
    code = target->what == QUALITY ? migrate_quality(m, target, &columns, err) : migrate_own(m, target, &columns, err);
    if (code && !strcmp(kind, "view"))
        code = sl_fail(err, SL_INVALID, "%s is a view: columns can't be added to it", target->table);
    if (code)
        m->n_made = before;
    return code;
}

/* --- one file ------------------------------------------------------------------------------------------------------------------------ */

static enum sl_code migrate_tables(struct migrating *m, const char *dataset, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; !code && i < m->n_targets; i++)
        if (!strcmp(m->targets[i].name.dataset, dataset)) {
            m->targets[i].done = true;
            code = migrate_table(m, &m->targets[i], err);
        }
    return code;
}

static enum sl_code migrate_file(struct migrating *m, struct target *first, struct sl_err *err)
{
    const size_t before = m->n_made;
    enum sl_code code = sl_wh_begin(m->wh, &first->name, false, &m->db, err);
    if (code) {
        first->done = true;
        return code == SL_NOT_FOUND ? SL_OK : code; /* a dataset that nothing was imported into yet */
    }
    code = migrate_tables(m, first->name.dataset, err);
    if (!code && m->apply && m->n_made > before)
        return sl_wh_end(m->db, code, err);
    sl_wh_rollback(m->db);
    return code;
}

enum sl_code sl_wh_migrate(struct sl_warehouse *self, const struct sl_config *config, bool apply, struct sl_migration **out, size_t *n,
                           struct sl_arena *arena, struct sl_err *err)
{
    struct migrating m = {.wh = (struct sl_wh *)self, .config = config, .arena = arena, .apply = apply};
    enum sl_code code = add_targets(&m, err);
    for (size_t i = 0; !code && i < m.n_targets; i++)
        if (!m.targets[i].done)
            code = migrate_file(&m, &m.targets[i], err);
    *out = m.made;
    *n = m.n_made;
    return code;
}
