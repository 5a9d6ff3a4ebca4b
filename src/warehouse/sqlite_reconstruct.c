/* sqlite_reconstruct.c - a user's INSERT ... SELECT that makes a unit's rows where no source has any (DESIGN section 7).
 * opened -> transaction begun, so that nobody writes in between -> other datasets attached, only read -> the primary has no rows of the key -> the statement, which an
 * authorizer allows nothing but reading and inserting into that table -> all its rows are of the key, and enough -> recorded -> one durable commit.
 * Whatever fails rolls everything back. The connection is its own and lives for one statement: nothing that the statement does to it stays. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sqlite_content.h"

/* SQLite's limit for ATTACH. */
#define MAX_ATTACHED 10

struct making {
    const struct sl_reconstruct *rule;
    struct sl_wh_name name;
    struct sl_wh_db db;
    struct sl_key key;
    char date[SL_DATE_LEN + 1];
    const char *denied; /* what the authorizer refused first */
};

/* --- the statement's shape ------------------------------------------------------------------------------------------------------------ */

static const char *skip_blank(const char *p)
{
    for (;;) {
        const char *end = NULL;
        while (isspace((unsigned char)*p))
            p++;
        if (p[0] == '-' && p[1] == '-')
            end = strchr(p, '\n');
        else if (p[0] == '/' && p[1] == '*')
            end = strstr(p + 2, "*/");
        else
            return p;
        if (!end)
            return p + strlen(p);
        p = end + (*p == '/' ? 2 : 1);
    }
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Behind the word, or NULL when another one is there. */
static const char *skip_word(const char *p, const char *word)
{
    p = skip_blank(p);
    size_t len = strlen(word);
    return strncasecmp(p, word, len) || is_name_char(p[len]) ? NULL : p + len;
}

/* "INSERT OR REPLACE" and REPLACE would take rows away, so only INSERT INTO is one. */
static enum sl_code check_shape(const struct making *making, struct sl_err *err)
{
    const char *rest = skip_word(making->rule->sql, "INSERT");
    if (rest && skip_word(rest, "INTO"))
        return SL_OK;
    return sl_fail(err, SL_INVALID, "the reconstruction of %s must be one INSERT INTO %s ... SELECT ...", making->rule->source->table,
                   making->rule->source->table);
}

static bool mentions(const char *sql, const char *dataset)
{
    size_t len = strlen(dataset);
    for (const char *p = strcasestr(sql, dataset); p; p = strcasestr(p + 1, dataset))
        if ((p == sql || !is_name_char(p[-1])) && !is_name_char(p[len]))
            return true;
    return false;
}

/* --- other datasets ------------------------------------------------------------------------------------------------------------------- */

static enum sl_code attach(struct making *making, const char *dataset, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row;
    const struct sl_wh *wh = making->db.of->owner;
    struct sl_buf path = {0};
    sl_buf_printf(&path, "%s/%s.db", wh->dir, dataset);
    enum sl_code code = sl_wh_prepare(&making->db, "ATTACH ?1 AS ?2", &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, sl_buf_text(&path));
        sl_wh_bind(stmt, 2, dataset);
        code = sl_wh_step(&making->db, stmt, &row, err);
    }
    sqlite3_finalize(stmt);
    sl_buf_fini(&path);
    return code;
}

/* The name of another dataset that the statement mentions, from its file's name. */
static bool is_wanted(const struct making *making, const char *file, char *dataset)
{
    size_t len = strlen(file);
    if (len < 4 || len - 3 > SL_WH_MAX_NAME || strcmp(file + len - 3, ".db"))
        return false;
    memcpy(dataset, file, len - 3);
    dataset[len - 3] = '\0';
    return sl_wh_is_identifier(dataset) && strcasecmp(dataset, making->name.dataset) && mentions(making->rule->sql, dataset);
}

static enum sl_code attach_others(struct making *making, struct sl_err *err)
{
    const char *path = making->db.of->owner->dir;
    char dataset[SL_WH_MAX_NAME + 1];
    enum sl_code code = SL_OK;
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return sl_fail(err, SL_UNAVAILABLE, "%s can't be listed", path);
    for (const struct dirent *entry; !code && (entry = readdir(dir));) {
        if (!is_wanted(making, entry->d_name, dataset))
            continue;
        code = ++n > MAX_ATTACHED ? sl_fail(err, SL_INVALID, "the reconstruction of %s names more than %d other datasets",
                                            making->rule->source->table, MAX_ATTACHED)
                                  : attach(making, dataset, err);
    }
    closedir(dir);
    return code;
}

/* --- the guard ------------------------------------------------------------------------------------------------------------------------ */

static int deny(struct making *making, const char *what)
{
    if (!making->denied)
        making->denied = what;
    return SQLITE_DENY;
}

static int authorize(void *arg, int action, const char *one, const char *two, const char *schema, const char *trigger)
{
    struct making *making = arg;
    (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return two && !strcasecmp(two, "load_extension") ? deny(making, "load an extension") : SQLITE_OK;
    case SQLITE_INSERT:
        if (one && schema && !strcasecmp(one, making->name.table) && !strcasecmp(schema, making->name.dataset))
            return SQLITE_OK;
        return deny(making, "insert into another table");
    case SQLITE_UPDATE: return deny(making, "update rows");
    case SQLITE_DELETE: return deny(making, "delete rows");
    default: return deny(making, "do more than insert");
    }
}

/* What is wrong with a user's statement is no fault of ours. */
static enum sl_code refuse(struct making *making, struct sl_err *err)
{
    const char *table = making->rule->source->table;
    int rc = sqlite3_errcode(making->db.handle) & 0xff;
    if (making->denied)
        return sl_fail(err, SL_INVALID, "the reconstruction of %s may only insert into that table, but would %s", table, making->denied);
    if (rc == SQLITE_ERROR || rc == SQLITE_RANGE)
        return sl_fail(err, SL_INVALID, "the reconstruction of %s: %s", table, sqlite3_errmsg(making->db.handle));
    sl_wh_error(&making->db, "the reconstruction", err);
    return err->code;
}

static enum sl_code bind(const struct making *making, sqlite3_stmt *stmt, struct sl_err *err)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
        const char *name = sqlite3_bind_parameter_name(stmt, i);
        if (name && !strcmp(name, "@date"))
            sl_wh_bind(stmt, i, making->date);
        else if (name && !strcmp(name, "@unit"))
            sl_wh_bind(stmt, i, making->key.unit);
        else
            return sl_fail(err, SL_INVALID, "the reconstruction of %s has a parameter %s; there are @date and @unit",
                           making->rule->source->table, name ? name : "?");
    }
    return SL_OK;
}

/* One statement, with nothing but comments behind it. */
static enum sl_code prepare(struct making *making, sqlite3_stmt **out, struct sl_err *err)
{
    const char *tail = NULL;
    sqlite3_stmt *second = NULL;
    if (sqlite3_prepare_v2(making->db.handle, making->rule->sql, -1, out, &tail))
        return refuse(making, err);
    for (tail = skip_blank(tail); *tail == ';'; tail = skip_blank(tail + 1))
        continue;
    int rc = sqlite3_prepare_v2(making->db.handle, tail, -1, &second, NULL);
    bool more = rc || second;
    sqlite3_finalize(second);
    if (!*out || more)
        return sl_fail(err, SL_INVALID, "the reconstruction of %s is not one statement", making->rule->source->table);
    return SL_OK;
}

static enum sl_code run_statement(struct making *making, int64_t *rows, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_ROW;
    sqlite3_set_authorizer(making->db.handle, authorize, making);
    enum sl_code code = prepare(making, &stmt, err);
    if (!code)
        code = bind(making, stmt, err);
    while (!code && rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    if (!code && rc != SQLITE_DONE)
        code = refuse(making, err);
    *rows = code ? 0 : sqlite3_changes64(making->db.handle);
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(making->db.handle, NULL, NULL);
    return code;
}

/* --- the transaction ------------------------------------------------------------------------------------------------------------------ */

static enum sl_code key_rows(struct making *making, int64_t *rows, struct sl_fingerprint *fingerprint, struct sl_err *err)
{
    struct sl_wh_question q = sl_wh_question(making->rule->source, &making->key, 1);
    q.name = making->name;
    q.db = &making->db;
    return sl_wh_content(&q, NULL, 0, fingerprint, rows, err);
}

static enum sl_code check_nothing_there(struct making *making, struct sl_err *err)
{
    struct sl_fingerprint fingerprint;
    int64_t rows;
    enum sl_code code = key_rows(making, &rows, &fingerprint, err);
    if (code || rows == 0)
        return code;
    return sl_fail(err, SL_CONFLICT, "%s has %lld rows of %s%s%s already", making->rule->source->table, (long long)rows, making->date,
                   making->key.unit ? " " : "", making->key.unit ? making->key.unit : "");
}

static enum sl_code check_made(struct making *making, int64_t made, int64_t of_key, struct sl_err *err)
{
    const char *table = making->rule->source->table, *unit = making->key.unit ? making->key.unit : "";
    if (of_key != made)
        return sl_fail(err, SL_INVALID, "the reconstruction of %s made %lld rows, but %lld of %s %s", table, (long long)made,
                       (long long)of_key, making->date, unit);
    if (made >= making->rule->min_rows && made > 0)
        return SL_OK;
    return sl_fail(err, SL_NOT_FOUND, "the reconstruction of %s found %lld rows for %s %s; at least %d are wanted", table, (long long)made,
                   making->date, unit, making->rule->min_rows > 1 ? making->rule->min_rows : 1);
}

static enum sl_code make(struct making *making, int64_t *rows, struct sl_err *err)
{
    struct sl_fingerprint fingerprint;
    int64_t of_key = 0;
    enum sl_code code = attach_others(making, err);
    if (!code)
        code = sl_wh_record_forget(&making->db, making->name.table, &making->key, err);
    if (!code)
        code = check_nothing_there(making, err);
    if (!code)
        code = run_statement(making, rows, err);
    if (!code)
        code = key_rows(making, &of_key, &fingerprint, err);
    if (!code)
        code = check_made(making, *rows, of_key, err);
    return code ? code : sl_wh_record_add(&making->db, making->name.table, &making->key, *rows, &fingerprint, err);
}

enum sl_code sl_wh_reconstruct(struct sl_warehouse *self, const struct sl_reconstruct *rule, int64_t *rows, struct sl_err *err)
{
    const bool by_unit = rule->source->unit_column && rule->unit;
    struct making making = {.rule = rule, .key = {rule->date, by_unit ? rule->unit : NULL}};
    sl_date_format(rule->date, making.date);
    enum sl_code code = sl_wh_name_parse(&making.name, rule->source->table, err);
    if (!code)
        code = check_shape(&making, err);
    if (!code)
        code = sl_wh_open_own((struct sl_wh *)self, &making.name, &making.db, err);
    if (!code && sqlite3_db_config(making.db.handle, SQLITE_DBCONFIG_MAINDBNAME, making.name.dataset))
        code = sl_wh_error(&making.db, "name the dataset", err);
    if (!code)
        code = sl_wh_exec(&making.db, "BEGIN IMMEDIATE", err);
    if (!code)
        code = sl_wh_end(&making.db, make(&making, rows, err), err);
    if (making.db.of)
        sl_wh_close_own(&making.db);
    return code;
}
