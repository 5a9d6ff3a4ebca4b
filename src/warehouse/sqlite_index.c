/* sqlite_index.c - the indexes that init and import make: (date, unit) of every configured table.
 * Where a quality profile checks columns, the index ends in one number per row whose bits say which of them are NULL: a tally reads nothing but the index then, which is
 * hardly larger for it. An index that is there already is left alone; that of a profile which has changed is made again. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sqlite.h"

/* Bits of an SQL integer that can be added without thought for the sign. */
#define MAX_MASK 60

static const char NAME_SQL[] = "SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
static const char MASK_SQL[] = "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE AND instr(sql, ?2) > 0";

/* --- the mask ------------------------------------------------------------------------------------------------------------------------ */

static int by_name(const void *left, const void *right)
{
    return strcasecmp(*(const char *const *)left, *(const char *const *)right);
}

bool sl_wh_mask_sort(const char **columns, size_t n)
{
    if (n == 0 || n > MAX_MASK)
        return false;
    qsort(columns, n, sizeof *columns, by_name);
    for (size_t i = 1; i < n; i++)
        if (!strcasecmp(columns[i - 1], columns[i]))
            return false;
    return true;
}

void sl_wh_add_mask(struct sl_buf *sql, const char *const *columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sl_buf_str(sql, i ? " + (" : "(");
        sl_wh_quote(sql, columns[i]);
        sl_buf_printf(sql, " IS NULL) * %lld", 1LL << i);
    }
}

static void add_pair(struct sl_buf *sql, const char *date, const char *unit)
{
    sl_buf_str(sql, "(");
    sl_wh_quote(sql, date);
    if (unit) {
        sl_buf_str(sql, ", ");
        sl_wh_quote(sql, unit);
    }
}

/* What the index is on: "(date, unit)" or "(date, unit, (mask))". */
static void add_content(struct sl_buf *sql, const char *date, const char *unit, const char *const *columns, size_t n)
{
    add_pair(sql, date, unit);
    if (n) {
        sl_buf_str(sql, ", (");
        sl_wh_add_mask(sql, columns, n);
        sl_buf_str(sql, ")");
    }
    sl_buf_str(sql, ")");
}

enum sl_code sl_wh_has_mask(struct sl_wh_db *db, const char *table, const char *date, const char *unit, const char *const *columns,
                            size_t n, bool *out, struct sl_err *err)
{
    struct sl_buf content = {0};
    sqlite3_stmt *stmt;
    add_content(&content, date, unit, columns, n);
    enum sl_code code = sl_wh_cached(db, MASK_SQL, &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, table);
        sl_wh_bind(stmt, 2, sl_buf_text(&content));
        code = sl_wh_step(db, stmt, out, err);
        sl_wh_done(stmt);
    }
    sl_buf_fini(&content);
    return code;
}

/* --- making -------------------------------------------------------------------------------------------------------------------------- */

struct making {
    struct sl_wh_db *db;
    const char *table, *date, *unit;
    const char **columns; /* of the mask */
    size_t n;
    struct sl_arena *arena;
};

/* A name for the index that nothing has yet. */
static enum sl_code free_name(struct making *m, const char **out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_wh_cached(m->db, NAME_SQL, &stmt, err);
    bool taken = true;
    for (int i = 1; !code && taken; i++) {
        char *name = sl_arena_printf(m->arena, "sluice_%s_%s%s%s", m->table, m->date, m->unit ? "_" : "", m->unit ? m->unit : "");
        *out = i == 1 ? name : sl_arena_printf(m->arena, "%s_%d", name, i);
        sl_wh_bind(stmt, 1, *out);
        code = sl_wh_step(m->db, stmt, &taken, err);
        sl_wh_done(stmt);
    }
    return code;
}

static enum sl_code create(struct making *m, const char *name, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sl_buf_str(&sql, "DROP INDEX IF EXISTS ");
    sl_wh_quote(&sql, name);
    sl_buf_str(&sql, "; CREATE INDEX ");
    sl_wh_quote(&sql, name);
    sl_buf_str(&sql, " ON ");
    sl_wh_quote(&sql, m->table);
    add_content(&sql, m->date, m->unit, m->columns, m->n);
    enum sl_code code = sl_wh_exec(m->db, sl_buf_text(&sql), err);
    sl_buf_fini(&sql);
    return code;
}

/* The profile's columns that the table has, but for those that the index has anyway. */
static void take_columns(struct making *m, const struct sl_wh_columns *columns, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_wh_column_find(columns, names[i]) && strcasecmp(names[i], m->date) && !(m->unit && !strcasecmp(names[i], m->unit)))
            m->columns[m->n++] = names[i];
}

static void choose_mask(struct making *m, const struct sl_wh_columns *columns, const struct sl_quality_profile *profile)
{
    m->columns = sl_arena_array(m->arena, profile->n_required + profile->n_optional + 1, sizeof *m->columns);
    take_columns(m, columns, profile->required, profile->n_required);
    take_columns(m, columns, profile->optional, profile->n_optional);
    if (!sl_wh_mask_sort(m->columns, m->n))
        m->n = 0;
}

static enum sl_code make(struct making *m, const char **made, struct sl_err *err)
{
    unsigned use = 0;
    bool there = false;
    enum sl_code code = SL_OK;
    if (m->n)
        code = sl_wh_has_mask(m->db, m->table, m->date, m->unit, m->columns, m->n, &there, err);
    else
        code = sl_wh_indexes(m->db, m->table, m->date, m->unit, &use, err);
    if (code || there || (use & SL_WH_INDEX_DATE_UNIT))
        return code;
    if (m->n)
        *made = sl_arena_printf(m->arena, "sluice_%s_%s%s%s_quality", m->table, m->date, m->unit ? "_" : "", m->unit ? m->unit : "");
    else
        code = free_name(m, made, err);
    return code ? code : create(m, *made, err);
}

enum sl_code sl_wh_index_make(struct sl_wh_db *db, const char *table, const struct sl_wh_use *use, const char **made,
                              struct sl_arena *arena, struct sl_err *err)
{
    struct making m = {.db = db, .table = table, .date = use->date, .unit = use->unit, .arena = arena};
    struct sl_wh_columns columns;
    char kind[16];
    *made = NULL;
    enum sl_code code = sl_wh_kind(db, table, kind, err);
    if (code || strcmp(kind, "table"))
        return code;
    code = sl_wh_columns_read(db, table, &columns, arena, err);
    if (code || !sl_wh_column_find(&columns, m.date))
        return code;
    if (m.unit && !sl_wh_column_find(&columns, m.unit)) /* judged by date then, RULES 11 */
        m.unit = NULL;
    if (use->quality)
        choose_mask(&m, &columns, use->quality);
    return make(&m, made, err);
}

/* --- what the config asks by ---------------------------------------------------------------------------------------------------------- */

static void add_use(struct sl_wh_use **out, size_t *n, struct sl_wh_use use, struct sl_arena *arena)
{
    for (size_t i = 0; i < *n; i++) {
        struct sl_wh_use *known = &(*out)[i];
        if (sl_str_eq(known->table, use.table) && sl_str_eq(known->date, use.date) && sl_str_eq(known->unit, use.unit)) {
            known->quality = known->quality ? known->quality : use.quality;
            return;
        }
    }
    *out = sl_arena_push(arena, *out, n, sizeof **out);
    (*out)[*n - 1] = use;
}

static void add_sources(struct sl_wh_use **out, size_t *n, const struct sl_processor *processor, struct sl_arena *arena)
{
    for (size_t i = 0; i < processor->n_sources; i++) {
        const struct sl_source *source = &processor->sources[i];
        add_use(out, n, (struct sl_wh_use){source->table, source->date_column, source->unit_column, i ? NULL : processor->quality}, arena);
    }
}

void sl_wh_uses(const struct sl_config *config, struct sl_wh_use **out, size_t *n, struct sl_arena *arena)
{
    const struct sl_calendar_config *calendar = config->calendar;
    *out = NULL;
    *n = 0;
    for (size_t p = 0; p < config->n_phases; p++)
        for (size_t i = 0; i < config->phases[p].n_processors; i++)
            add_sources(out, n, &config->phases[p].processors[i], arena);
    if (calendar)
        add_use(out, n, (struct sl_wh_use){calendar->table, calendar->date_column, calendar->unit_column, NULL}, arena);
}
