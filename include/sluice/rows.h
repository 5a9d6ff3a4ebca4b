/* rows.h - what the warehouse says of tables, as values: the calendar's rows, keys, and who rows are about. Arena-held by whoever asked. Pure. */
#ifndef SLUICE_ROWS_H
#define SLUICE_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/date.h>

/* One row of the calendar, conditions already evaluated. Arena-held. */
struct sl_calendar_row {
    sl_date date;
    const char *unit;
    const char *season;
    bool planned, done;
    struct sl_row_entities {
        const char **names;
        size_t n;
    } * kinds; /* one per calendar.entities, in its order: the values of all its columns, each once, in the columns' order; NULL and empty ones left out */
};

/* A thing that should have rows: a date, and a unit unless it is judged by date. */
struct sl_key {
    sl_date date;
    const char *unit;
};

/* A row of a table by who it is about: distinct (date, unit, entity). Arena-held. */
struct sl_entity_row {
    sl_date date;
    const char *unit, *entity; /* unit "": the source has no unit column */
    const char *tier;          /* the row's own quality_tier, where it was asked for; NULL: it has none */
};

#endif
