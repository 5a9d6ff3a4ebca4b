/* stamp.h - what is written into the quality columns of a table's rows of a date, from facts to JSON and back. Pure. Private to the worker and its tests. */
#ifndef SLUICE_WORKER_STAMP_H
#define SLUICE_WORKER_STAMP_H

#include <sluice/gate.h>
#include <sluice/ledger.h>
#include <sluice/str.h>
#include <sluice/warehouse.h>

/* One table's stamps of a date, as the ledger keeps them. */
struct sl_stamp_body {
    int generation;     /* of the gate */
    const char *entity; /* the column that stamps name entities by; NULL: none does */
    bool confidence;    /* then the confidence of the rows is capped */
    const char *season;
    const char *before, *after; /* worst tier of the rows by themselves, and with what they inherit; NULL: not assessed */
    double score_before, score_after;
    struct sl_stamp *stamps;
    size_t n;
};

/* The body for processors with `stamp` or `confidence`; false: there is nothing to write. A unit's stamp is its own assessment joined with what it inherits: without inputs from the
 * phases before, by unit where they were judged by unit, else by date; with inputs per entity. Only units that the primary holds. */
bool sl_stamp_body_make(struct sl_buf *out, const struct sl_config *config, const struct sl_facts *facts, const struct sl_proc_facts *proc,
                        struct sl_arena *arena);
/* SL_CORRUPT: not what sl_stamp_body_make() writes. Strings are copied into the arena. */
enum sl_code sl_stamp_body_read(struct sl_stamp_body *out, const char *text, sl_date date, struct sl_arena *arena, struct sl_err *err);

#endif
