/* fault_look.c - the fault world seen from outside: what is kept, whether files are sound, and the end of a season as text. */
#include "fault_internal.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power_vfs.h"

size_t world_acked(const struct world *world)
{
    size_t n = 0;
    for (size_t i = 0; i < world->n_messages; i++)
        n += fault_bus_of(world)->acked[i];
    return n;
}

/* One text from one row; NULL when there is none or the question failed. Arena-held. */
static const char *ask(struct world *world, const char *path, const char *sql, const char *argument)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    const char *answer = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, POWER_VFS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        if (argument)
            sqlite3_bind_text(stmt, 1, argument, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            answer = sl_arena_strdup(&world->arena, (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer;
}

/* Every inbox id, and every run with its status (0 to 3 are terminal), in one text. */
#define KEPT_SQL                                                                                                                           \
    "SELECT (SELECT coalesce(group_concat(' ' || message_id || ' ', ''), '') FROM inbox) || '|' ||"                                        \
    " (SELECT coalesce(group_concat(' ' || execution_id || CASE WHEN status < 4 THEN '! ' ELSE '? ' END, ''), '') FROM runs) || '|' ||"    \
    " (SELECT coalesce(group_concat(' ' || message_id || ' ', ''), '') FROM (SELECT message_id FROM rejects UNION ALL SELECT"              \
    " json_extract(attributes, '$.sluice_source_message_id') FROM outbox_bodies))"

/* Its inbox id, and its run: as a terminal one unless the message said running. A reject's inbox id is committed with its copy. */
static bool is_kept(const struct sl_bus_message *message, const char *kept)
{
    char key[128];
    snprintf(key, sizeof key, " %s ", message->message.message_id);
    if (!strstr(kept, key))
        return false;
    const char *execution = strstr(message->message.data, "\"execution_id\": \"");
    if (!execution)
        return true;
    execution += strlen("\"execution_id\": \"");
    const int len = (int)strcspn(execution, "\"");
    snprintf(key, sizeof key, " %.*s! ", len, execution);
    if (strstr(kept, key))
        return true;
    snprintf(key, sizeof key, " %.*s? ", len, execution);
    return strstr(message->message.data, "\"running\"") && strstr(kept, key);
}

size_t world_lost(struct world *world)
{
    size_t n = 0;
    const char *kept = ask(world, world->config->ledger.path, KEPT_SQL, NULL);
    for (size_t i = 0; i < world->n_messages; i++)
        n += fault_bus_of(world)->acked[i] && !(kept && is_kept(&world->messages[i], kept));
    return n;
}

char *world_unsound(struct world *world)
{
    static const char *const DATASETS[] = {"book", "raw", "plan"};
    const char *said = ask(world, world->config->ledger.path, "PRAGMA integrity_check", NULL);
    for (size_t i = 0; said && !strcmp(said, "ok") && i < sizeof DATASETS / sizeof *DATASETS; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.db", world->config->warehouse.path, DATASETS[i]);
        said = ask(world, path, "PRAGMA integrity_check", NULL);
    }
    if (!said && power_vfs_struck())
        return NULL; /* the power failed while we looked */
    return said && !strcmp(said, "ok") ? NULL : sl_strdup(said ? said : "it can't be read");
}

/* ---- the end ---- */

static void dump(struct sl_buf *out, const char *path, const char *title, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    sl_buf_printf(out, "# %s\n", title);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        sl_buf_printf(out, "%s\n", sqlite3_errmsg(db));
    }
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            sl_buf_printf(out, "%s ", sqlite3_column_text(stmt, i) ? (const char *)sqlite3_column_text(stmt, i) : "-");
        sl_buf_char(out, '\n');
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A trigger's time of making is the only thing in it that may differ: it is cut off. */
static void dump_published(struct sl_buf *out, const struct fault_bus *bus)
{
    const char **sorted = sl_calloc(bus->n_published + 1, sizeof *sorted);
    for (size_t i = 0; i < bus->n_published; i++)
        sorted[i] = bus->published[i];
    qsort(sorted, bus->n_published, sizeof *sorted, compare_texts);
    sl_buf_str(out, "# published\n");
    for (size_t i = 0; i < bus->n_published; i++) {
        const char *stamp = strstr(sorted[i], "\"timestamp\"");
        sl_buf_printf(out, "%.*s\n", stamp ? (int)(stamp - sorted[i]) : (int)strlen(sorted[i]), sorted[i]);
    }
    free(sorted);
}

char *world_end_state(const struct world *world)
{
    static const char *const LEDGER[][2] = {
        {"gates", "SELECT phase, date, profile, generation, state, reasons, trigger_reason, completed, missing, late, is_production_ready,"
                  " degraded, dropped, trigger_id FROM gates ORDER BY 1, 2, 3, 4"},
        {"runs", "SELECT phase, date, processor, execution_id, status, timestamp_us, generation FROM runs ORDER BY 1, 2, 3, 4"},
        {"events", "SELECT event_id, event_type, severity, phase, game_date, game_id FROM events ORDER BY 1"},
        {"inbox", "SELECT subscription, message_id FROM inbox ORDER BY 1, 2"},
        {"rejects", "SELECT message_id, code, CAST(data AS TEXT) FROM rejects ORDER BY 1"},
        {"left",
         "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM outbox_bodies), (SELECT count(*) FROM loads WHERE done_us IS NULL)"},
    };
    static const char *const BOOK[][2] = {
        {"log", "SELECT event_id, event_type, severity, phase, game_date, game_id FROM log ORDER BY 1"},
        {"history",
         "SELECT phase, data_date, processor_name, run_id, status FROM history WHERE status != 'running' ORDER BY 1, 2, 3, 4, 5"},
        {"announced twice", "SELECT run_id FROM history WHERE status = 'running' GROUP BY run_id HAVING count(*) > 1"},
    };
    struct sl_buf out = {0};
    char book[4096];
    snprintf(book, sizeof book, "%s/book.db", world->config->warehouse.path);
    for (size_t i = 0; i < sizeof LEDGER / sizeof *LEDGER; i++)
        dump(&out, world->config->ledger.path, LEDGER[i][0], LEDGER[i][1]);
    for (size_t i = 0; i < sizeof BOOK / sizeof *BOOK; i++)
        dump(&out, book, BOOK[i][0], BOOK[i][1]);
    dump_published(&out, fault_bus_of(world));
    sl_buf_str(&out, "");
    return out.data;
}

const char *world_difference(const char *expected, const char *actual, const char **instead_of)
{
    while (*expected && *expected == *actual)
        expected++, actual++;
    *instead_of = expected;
    return *expected == *actual ? NULL : actual;
}

uint64_t world_seed(void)
{
    const char *text = getenv("SLUICE_SEED");
    return text && *text ? strtoull(text, NULL, 10) : 20250415;
}
