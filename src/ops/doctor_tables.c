/* doctor_tables.c - the tables that the config names: are they there, with the columns that are asked for, and do they answer; and how long the questions of a batch take. */
#include <sluice/doctor.h>

#include <string.h>

#include <sluice/clock.h>
#include <sluice/str.h>

#define IMPORT "import it, or mend the config"

/* A table's columns, asked for once, and those it should have. */
struct table {
    struct sl_doctor *doctor;
    const char *name, *who;
    struct sl_table_info info;
    const char *missing; /* names joined by commas; NULL: none */
};

/* Among names joined by commas. */
static bool is_listed(const char *names, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = names; at != NULL && (at = strstr(at, name)) != NULL; at += len)
        if ((at == names || at[-1] == ' ') && (at[len] == '\0' || at[len] == ','))
            return true;
    return false;
}

static void need(struct table *table, const char *column)
{
    if (column == NULL)
        return;
    for (size_t i = 0; i < table->info.n_columns; i++)
        if (strcmp(table->info.columns[i].name, column) == 0)
            return;
    if (is_listed(table->missing, column))
        return;
    table->missing = table->missing == NULL ? column : sl_arena_printf(table->doctor->arena, "%s, %s", table->missing, column);
}

static void say_fine(const struct table *table)
{
    sl_doctor_add(table->doctor, SL_HEALTH_OK, "table", table->name, NULL, "it has the columns that are asked for (%s)", table->who);
}

/* true: and that is said. */
static bool lacks_columns(const struct table *table, const char *help, enum sl_health health)
{
    if (table->missing != NULL)
        sl_doctor_add(table->doctor, health, "table", table->name, help, "it has no column %s (%s)", table->missing, table->who);
    return table->missing != NULL;
}

/* What it answered when it was asked. */
static void say_answer(const struct table *table, enum sl_code code, const struct sl_err *err, const char *help)
{
    if (code == SL_OK)
        say_fine(table);
    else
        sl_doctor_add(table->doctor, code == SL_UNAVAILABLE ? SL_HEALTH_UNKNOWN : SL_HEALTH_CRITICAL, "table", table->name, help, "%s (%s)",
                      err->text, table->who);
}

/* false: said already. */
static bool describe(struct table *table, struct sl_warehouse *warehouse, bool matters, const char *help)
{
    struct sl_err err = {0};
    const enum sl_code code = sl_warehouse_describe(warehouse, table->name, &table->info, table->doctor->arena, &err);
    if (code == SL_OK)
        return true;
    sl_doctor_add(table->doctor,
                  code == SL_NOT_FOUND && matters ? SL_HEALTH_CRITICAL
                  : code == SL_NOT_FOUND          ? SL_HEALTH_WARNING
                                                  : SL_HEALTH_UNKNOWN,
                  "table", table->name, code == SL_NOT_FOUND ? help : NULL, "%s (%s)", err.text, table->who);
    return false;
}

static const char *theirs(const struct sl_source *source, const char *ours)
{
    for (size_t i = 0; i < source->n_columns; i++)
        if (strcmp(source->columns[i].key, ours) == 0)
            return source->columns[i].value;
    return ours;
}

static void need_quality(struct table *table, const struct sl_processor *processor, const struct sl_source *source)
{
    const struct sl_quality_profile *quality = processor->quality;
    for (size_t i = 0; quality != NULL && i < quality->n_required; i++)
        need(table, theirs(source, quality->required[i]));
    for (size_t i = 0; quality != NULL && i < quality->n_optional; i++)
        need(table, theirs(source, quality->optional[i]));
}

/* For one day, as a batch asks; one table after the other, as SQLite does it. The primaries' questions are those of every batch. */
static void ask_source(const struct table *table, struct sl_warehouse *warehouse, const struct sl_source *source, bool is_primary,
                       const char *help)
{
    struct sl_doctor *d = table->doctor;
    const int64_t start_us = sl_monotonic_us();
    struct sl_err err = {0};
    sl_date *dates = NULL;
    size_t n = 0;
    const enum sl_code code = sl_warehouse_dates(warehouse, source, 0, 0, &dates, &n, d->arena, &err);
    if (code == SL_OK && is_primary && d->batch_ms >= 0)
        d->batch_ms += (sl_monotonic_us() - start_us + 999) / 1000; /* rather too long */
    say_answer(table, code, &err, help);
}

static void check_source(struct sl_doctor *d, struct sl_warehouse *warehouse, const struct sl_phase *phase,
                         const struct sl_processor *processor, const struct sl_source *source)
{
    static const char help[] = "mend the table, or the columns in the config";
    struct table table = {.doctor = d, .name = source->table, .who = sl_arena_printf(d->arena, "%s of %s", processor->name, phase->name)};
    if (!describe(&table, warehouse, source == processor->sources && processor->need[SL_PAST] == SL_CRITICAL, IMPORT))
        return;
    need(&table, source->date_column);
    need(&table, source->unit_column);
    for (size_t i = 0; i < source->n_columns; i++)
        need(&table, source->columns[i].value);
    need_quality(&table, processor, source);
    if (!lacks_columns(&table, help, SL_HEALTH_CRITICAL))
        ask_source(&table, warehouse, source, source == processor->sources, help);
}

static void check_stamps(struct sl_doctor *d, struct sl_warehouse *warehouse, const struct sl_processor *processor)
{
    struct sl_err err = {0};
    struct table table = {.doctor = d, .who = "stamp: true"};
    if (!processor->stamp || processor->n_sources == 0)
        return;
    table.name = processor->sources[0].table;
    if (sl_warehouse_describe(warehouse, table.name, &table.info, d->arena, &err) != SL_OK)
        return; /* said by check_source() */
    for (size_t i = 0; i < SL_N_QUALITY_COLUMNS; i++)
        need(&table, SL_QUALITY_COLUMNS[i]);
    lacks_columns(&table, "sluice migrate", SL_HEALTH_WARNING);
}

static void need_terms(struct table *table, const struct sl_condition *condition)
{
    for (size_t i = 0; i < condition->n; i++)
        need(table, condition->terms[i].column);
}

static void check_calendar(struct sl_doctor *d, struct sl_warehouse *warehouse, const struct sl_calendar_config *calendar)
{
    static const char help[] = "mend the table, or calendar in the config";
    struct table table = {.doctor = d, .name = calendar->table, .who = "the calendar"};
    struct sl_calendar_row *rows = NULL;
    struct sl_err err = {0};
    size_t n = 0;
    if (!describe(&table, warehouse, true, IMPORT))
        return;
    need(&table, calendar->date_column);
    need(&table, calendar->unit_column);
    need(&table, calendar->season_column);
    need_terms(&table, &calendar->planned);
    need_terms(&table, &calendar->done);
    need_terms(&table, &calendar->cancelled);
    for (size_t i = 0; i < calendar->n_entities; i++)
        for (size_t k = 0; k < calendar->entities[i].n; k++)
            need(&table, calendar->entities[i].columns[k]);
    if (!lacks_columns(&table, help, SL_HEALTH_CRITICAL))
        say_answer(&table, sl_warehouse_calendar(warehouse, calendar, &rows, &n, d->arena, &err), &err, help);
}

static void check_log(struct sl_doctor *d, struct sl_warehouse *warehouse)
{
    struct table table = {.doctor = d, .name = d->config->coverage.log_table, .who = "the coverage log"};
    if (table.name == NULL || !describe(&table, warehouse, true, "sluice init"))
        return;
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        need(&table, SL_LOG_COLUMNS[i]);
    if (!lacks_columns(&table, "sluice migrate", SL_HEALTH_CRITICAL))
        say_fine(&table);
}

static void check_completeness(struct sl_doctor *d, struct sl_warehouse *warehouse, const struct sl_phase *phase)
{
    struct table table = {
        .doctor = d, .name = phase->checks.completeness.table, .who = sl_arena_printf(d->arena, "completeness of %s", phase->name)};
    if (phase->checks.completeness.mode == SL_OFF || table.name == NULL || !describe(&table, warehouse, true, IMPORT))
        return;
    need(&table, phase->checks.completeness.entity_column);
    if (!lacks_columns(&table, "mend the table, or entity_column in the config", SL_HEALTH_CRITICAL))
        say_fine(&table);
}

void sl_doctor_look_at_tables(struct sl_doctor *d, struct sl_warehouse *warehouse)
{
    if (d->config->calendar != NULL)
        check_calendar(d, warehouse, d->config->calendar);
    for (size_t p = 0; p < d->config->n_phases; p++) {
        const struct sl_phase *phase = &d->config->phases[p];
        for (size_t i = 0; i < phase->n_processors; i++) {
            for (size_t s = 0; s < phase->processors[i].n_sources; s++)
                check_source(d, warehouse, phase, &phase->processors[i], &phase->processors[i].sources[s]);
            check_stamps(d, warehouse, &phase->processors[i]);
        }
        check_completeness(d, warehouse, phase);
    }
    check_log(d, warehouse);
}
