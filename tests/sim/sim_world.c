/* sim_world.c - what the world around the worker does: messages, rows, the calendar. */
#include "sim.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sl_date sim_date(const char *text)
{
    sl_date date = SL_DATE_NONE;
    cr_assert(sl_date_parse(text, strlen(text) < SL_DATE_LEN ? strlen(text) : SL_DATE_LEN, &date), "no date: %s", text);
    return date;
}

/* ---- messages ---- */

static void put(struct sim *sim, const struct sim_message *message)
{
    const struct sl_phase *phase = message->phase ? sl_config_phase(sim->config, message->phase) : NULL;
    sl_memory_bus_put(sim->memory, phase, message->data, message->len, message->id, message->publish_us);
    sim->quiet_us = sim->now_us;
}

void sim_send(struct sim *sim, const char *phase, const char *bytes)
{
    char id[32];
    sl_grow((void **)&sim->sent, &sim->cap_sent, sim->n_sent + 1, sizeof *sim->sent);
    snprintf(id, sizeof id, "m%zu", sim->n_sent);
    struct sim_message *message = &sim->sent[sim->n_sent++];
    *message = (struct sim_message){
        .phase = sl_strdup(phase), .data = sl_strdup(bytes), .id = sl_strdup(id), .len = strlen(bytes), .publish_us = sim->now_us};
    put(sim, message);
}

void sim_send_again(struct sim *sim, size_t i)
{
    cr_assert_lt(i, sim->n_sent);
    put(sim, &sim->sent[i]);
}

void sim_report(struct sim *sim, const struct sim_report *r)
{
    char stamp[SL_TIME_LEN + 1];
    struct sl_buf body = {0};
    sl_buf_printf(&body, "{\"processor_name\": \"%s\", \"phase\": \"%s\", \"game_date\": \"%s\", \"status\": \"%s\"", r->processor,
                  r->phase, r->date, r->status);
    if (r->run)
        sl_buf_printf(&body, ", \"execution_id\": \"%s\"", r->run);
    else
        sl_buf_printf(&body, ", \"execution_id\": \"%s-%s\"", r->processor, r->date);
    sl_buf_printf(&body, ", \"timestamp\": \"%s\"", sl_time_format(r->at_us ? r->at_us : sim->now_us, stamp));
    if (r->records)
        sl_buf_printf(&body, ", \"record_count\": %d", r->records < 0 ? 0 : r->records);
    if (r->failed)
        sl_buf_printf(&body, ", \"records_failed\": %d", r->failed);
    if (r->skip)
        sl_buf_str(&body, ", \"skip_downstream_trigger\": true");
    sl_buf_printf(&body, "%s}", r->extra ? r->extra : "");
    sim_send(sim, r->phase, sl_buf_text(&body));
    sl_buf_fini(&body);
}

/* ---- tables ---- */

static sqlite3 *open_dataset(const struct sim *sim, const char *dataset)
{
    char path[160];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/wh/%s.db", sim->dir, dataset);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK, "%s", path);
    sqlite3_busy_timeout(db, 1000);
    return db;
}

void sim_sql(struct sim *sim, const char *dataset, const char *sql, ...)
{
    struct sl_buf text = {0};
    char line[1024];
    va_list args;
    va_start(args, sql);
    vsnprintf(line, sizeof line, sql, args);
    va_end(args);
    sl_buf_str(&text, line);
    sqlite3 *db = open_dataset(sim, dataset);
    cr_assert_eq(sqlite3_exec(db, sl_buf_text(&text), NULL, NULL, NULL), SQLITE_OK, "%s: %s", line, sqlite3_errmsg(db));
    sqlite3_close(db);
    sl_buf_fini(&text);
}

int64_t sim_count(struct sim *sim, const char *dataset, const char *sql)
{
    sqlite3 *db = open_dataset(sim, dataset);
    sqlite3_stmt *stmt = NULL;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s", sql);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

void sim_rows(struct sim *sim, const char *table, const char *date, const char *unit)
{
    char dataset[64];
    const char *dot = strchr(table, '.');
    snprintf(dataset, sizeof dataset, "%.*s", (int)(dot - table), table);
    sim_sql(sim, dataset, "INSERT INTO %s VALUES ('%s', '%s')", dot + 1, date, unit);
}

/* The season of an October belongs to the year after it. */
void sim_calendar(struct sim *sim, const char *date, const char *unit, const char *status)
{
    int year = atoi(date) + (atoi(date + 5) >= 10);
    sim_sql(sim, "raw", "INSERT OR REPLACE INTO schedule VALUES ('%s', '%s', '%s', '%d')", date, unit, status, year);
}

void sim_day(struct sim *sim, const char *date, const char *unit)
{
    static const char *const TABLES[] = {"raw.a", "raw.b", "raw.c", "raw.d", "stats.s", "stats.t"};
    sim_calendar(sim, date, unit, "done");
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++)
        sim_rows(sim, TABLES[i], date, unit);
}

void sim_open_day(struct sim *sim, const char *date, const char *const *sets)
{
    sim_open(sim, SIM_CASCADE, sets);
    sim_day(sim, date, "G1");
}

void sim_succeed(struct sim *sim, const char *phase, const char *processors, const char *date)
{
    for (const char *p = processors; *p; p++)
        report(sim, phase, ((const char[]){*p, '\0'}), date, "success");
}

void sim_four(struct sim *sim, const char *date)
{
    sim_succeed(sim, "raw", "abcd", date);
}

void sim_open_decided(struct sim *sim, const char *date, const char *const *sets)
{
    sim_open_day(sim, date, sets);
    sim_four(sim, date);
    sim_step(sim);
}
