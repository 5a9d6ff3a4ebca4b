/* stamp.c - quality columns and confidence on their way into the tables, after the decision and never in its way.
 *   queued in the decision's transaction -> due -> one statement per table and batch -> done
 *                                            ^--- failed: 1 min doubling to 1 h; after a day one event that wants an alert
 * A crash between the statement and `done` writes the same values again. Queueing and finishing belong to the decider; the statement may run on another thread. */
#include "stamp.h"

#include <sluice/log.h>

#include "worker_internal.h"

#define AT_ONCE          1000               /* dates of one table */
#define AT_ONCE_BYTES    (4u * 1024 * 1024) /* of bodies, held in memory twice over while they are parsed */
#define LEAST_BACKOFF_US 60000000LL
#define MOST_BACKOFF_US  3600000000LL
#define ALARM_AFTER_US   86400000000LL
#define MOST_CUT         0.10 /* of confidence without an event */
#define CUT_TOLERANCE    1e-9

/* ---- queueing ---- */

static enum sl_code queue_one(struct sl_worker *worker, const struct work *work, const struct sl_proc_facts *proc, int64_t now_us,
                              struct sl_err *err)
{
    struct sl_buf body = {0};
    enum sl_code code = SL_OK;
    if (sl_stamp_body_make(&body, worker->config, &work->facts, proc, &worker->arena)) {
        const struct sl_stamp_row row = {.table = proc->processor->sources[0].table,
                                         .phase = work->phase->name,
                                         .processor = proc->processor->name,
                                         .date = work->gate.date,
                                         .body = sl_buf_text(&body),
                                         .created_us = now_us,
                                         .next_us = now_us};
        code = sl_ledger_stamp_put(worker->ledger, &row, err);
        worker->stamp_due_us = worker->stamp_due_us < now_us ? worker->stamp_due_us : now_us;
    }
    sl_buf_fini(&body);
    return code;
}

enum sl_code sl_stamp_queue(struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < work->facts.n_procs; i++)
        code = queue_one(worker, work, &work->facts.procs[i], now_us, err);
    return code;
}

/* ---- taking ---- */

bool sl_stamp_is_due(const struct sl_worker *worker, int64_t now_us)
{
    return worker->stamp_due_us <= now_us;
}

enum sl_code sl_stamp_take(struct sl_worker *worker, int64_t now_us, struct sl_stamping *out, struct sl_err *err)
{
    enum sl_code code = sl_ledger_stamps_due(worker->ledger, now_us, AT_ONCE, AT_ONCE_BYTES, &out->rows, &out->n, &out->arena, err);
    if (code == SL_OK && out->n == 0)
        code = sl_ledger_stamps_next(worker->ledger, &worker->stamp_due_us, err);
    out->bodies = sl_arena_array(&out->arena, out->n + 1, sizeof *out->bodies);
    out->unreadable = sl_arena_array(&out->arena, out->n + 1, sizeof *out->unreadable);
    out->results = sl_arena_array(&out->arena, out->n + 1, sizeof *out->results);
    return code;
}

/* ---- running ---- */

/* The processor whose rows they are; NULL: the config has lost it, and nobody can say what to write. */
static const struct sl_processor *processor_of(const struct sl_config *config, const struct sl_stamp_row *row)
{
    const struct sl_phase *phase = sl_config_phase(config, row->phase);
    const struct sl_processor *processor = phase ? sl_phase_processor(phase, row->processor) : NULL;
    const bool owns = processor && processor->n_sources && sl_str_eq(processor->sources[0].table, row->table);
    return owns ? processor : NULL;
}

/* One that can't be read fails for itself: its body is empty, and nothing of it is written. */
static void read_bodies(struct sl_stamping *stamping)
{
    struct sl_err err;
    for (size_t i = 0; i < stamping->n; i++)
        if (sl_stamp_body_read(&stamping->bodies[i], stamping->rows[i].body, stamping->rows[i].date, &stamping->arena, &err)) {
            stamping->bodies[i] = (struct sl_stamp_body){0};
            stamping->unreadable[i] = true;
        }
}

static enum sl_code write_stamps(struct sl_warehouse *warehouse, const struct sl_source *source, struct sl_stamping *stamping)
{
    const char *entity = NULL;
    size_t n = 0;
    int64_t rows;
    for (size_t i = 0; i < stamping->n; i++)
        n += stamping->bodies[i].n;
    if (n == 0)
        return SL_OK;
    struct sl_stamp *stamps = sl_arena_array(&stamping->arena, n, sizeof *stamps);
    n = 0;
    for (size_t i = 0; i < stamping->n; i++) {
        const struct sl_stamp_body *body = &stamping->bodies[i];
        entity = entity ? entity : body->entity;
        for (size_t s = 0; s < body->n; s++)
            stamps[n++] = body->stamps[s];
    }
    return sl_warehouse_stamp(warehouse, source, entity, stamps, n, &rows, &stamping->err);
}

static enum sl_code cap_confidence(const struct sl_config *config, struct sl_warehouse *warehouse, const struct sl_processor *processor,
                                   struct sl_stamping *stamping)
{
    const struct sl_confidence_columns columns = {.base = processor->confidence_base,
                                                  .final = processor->confidence_final,
                                                  .capped = processor->confidence_capped,
                                                  .skipped = processor->confidence_skipped};
    struct sl_confidence_result *results = sl_arena_array(&stamping->arena, stamping->n, sizeof *results);
    sl_date *dates = sl_arena_array(&stamping->arena, stamping->n, sizeof *dates);
    size_t n = 0, at = 0;
    for (size_t i = 0; i < stamping->n; i++)
        if (stamping->bodies[i].confidence)
            dates[n++] = stamping->rows[i].date;
    if (n == 0 || !processor->confidence_final)
        return SL_OK;
    enum sl_code code = sl_warehouse_confidence(warehouse, &processor->sources[0], &columns, config->quality.ceilings, dates, n, results,
                                                &stamping->err);
    for (size_t i = 0; code == SL_OK && i < stamping->n; i++)
        if (stamping->bodies[i].confidence)
            stamping->results[i] = results[at++];
    return code;
}

void sl_stamp_run(const struct sl_config *config, struct sl_warehouse *warehouse, struct sl_stamping *stamping)
{
    const struct sl_processor *processor = processor_of(config, &stamping->rows[0]);
    stamping->code = SL_OK;
    if (processor) {
        read_bodies(stamping);
        stamping->code = write_stamps(warehouse, &processor->sources[0], stamping);
    }
    if (processor && stamping->code == SL_OK)
        stamping->code = cap_confidence(config, warehouse, processor, stamping);
}

/* ---- finishing ---- */

static struct sl_event event_of(const struct sl_stamp_row *row, const char *type, enum sl_severity severity, int64_t now_us)
{
    struct sl_event event = sl_event_make(type, severity, now_us);
    event.phase = row->phase;
    event.processor = row->processor;
    event.table = row->table;
    event.date = row->date;
    return event;
}

/* Confidence was cut by more than a little. */
static enum sl_code tell_cut(struct sl_worker *worker, const struct sl_stamp_row *row, const struct sl_stamp_body *body,
                             const struct sl_confidence_result *result, int64_t now_us, struct sl_err *err)
{
    if (result->most_cut <= MOST_CUT + CUT_TOLERANCE)
        return SL_OK;
    char date[SL_DATE_LEN + 1];
    struct sl_event event = event_of(row, "quality_degradation", SL_SEV_INFO, now_us);
    event.generation = body->generation;
    event.season = body->season;
    event.tier_before = body->before;
    event.tier_after = body->after;
    if (body->before)
        event.score_before = body->score_before;
    if (body->after)
        event.score_after = body->score_after;
    event.downstream_impact = "predictions_degraded";
    event.description = sl_arena_printf(&worker->arena, "The confidence of %lld of %lld rows of %s on %s was capped, by up to %.2f",
                                        (long long)result->n_capped, (long long)result->rows, row->table, sl_date_format(row->date, date),
                                        result->most_cut);
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

/* One for a table and day, however many of its dates fail. */
static enum sl_code tell_alarm(struct sl_worker *worker, const struct sl_stamp_row *row, const char *error, int64_t now_us,
                               struct sl_err *err)
{
    char day[SL_DATE_LEN + 1];
    struct sl_event event = event_of(row, "validation_failure", SL_SEV_WARNING, now_us);
    event.date = SL_DATE_NONE;
    event.source = sl_arena_printf(&worker->arena, "stamp %s", sl_date_format(sl_zone_date(worker->config->zone, now_us), day));
    event.requires_alert = true;
    event.resolution = "requires_investigation";
    event.description = sl_arena_printf(&worker->arena, "The quality columns of %s could not be written for a day: %s", row->table, error);
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

static int64_t backoff_us(int attempts)
{
    int64_t wait_us = LEAST_BACKOFF_US;
    for (int i = 0; i < attempts && wait_us < MOST_BACKOFF_US; i++)
        wait_us *= 2;
    return wait_us < MOST_BACKOFF_US ? wait_us : MOST_BACKOFF_US;
}

static enum sl_code record_failure(struct sl_worker *worker, const struct sl_stamp_row *row, const char *error, int64_t now_us,
                                   struct sl_err *err)
{
    const bool late = row->failing_since_us && now_us - row->failing_since_us >= ALARM_AFTER_US;
    enum sl_code code = late && !row->alarmed ? tell_alarm(worker, row, error, now_us, err) : SL_OK;
    if (code == SL_OK)
        code = sl_ledger_stamp_failed(worker->ledger, row->id, error, now_us, now_us + backoff_us(row->attempts), row->alarmed || late,
                                      err);
    return code;
}

static enum sl_code record(struct sl_worker *worker, const struct sl_stamping *stamping, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < stamping->n; i++) {
        const struct sl_stamp_row *row = &stamping->rows[i];
        if (stamping->code != SL_OK || stamping->unreadable[i]) {
            const char *why = stamping->code != SL_OK ? stamping->err.text : "what the ledger keeps of it can't be read";
            code = record_failure(worker, row, why, now_us, err);
            continue;
        }
        code = tell_cut(worker, row, &stamping->bodies[i], &stamping->results[i], now_us, err);
        if (code == SL_OK)
            code = sl_ledger_stamp_done(worker->ledger, row->id, err);
    }
    return code;
}

enum sl_code sl_stamp_finish(struct sl_worker *worker, struct sl_stamping *stamping, int64_t now_us, struct sl_err *err)
{
    if (stamping->code != SL_OK)
        sl_log(SL_WARNING, "quality columns could not be written; it is tried again", {"table", stamping->rows[0].table},
               {"error", stamping->err.text});
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_worker_end(worker, record(worker, stamping, now_us, err), err);
    return code == SL_OK ? sl_ledger_stamps_next(worker->ledger, &worker->stamp_due_us, err) : code;
}

enum sl_code sl_worker_stamp(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    while (code == SL_OK && sl_stamp_is_due(worker, now_us)) {
        struct sl_stamping stamping = {0};
        code = sl_stamp_take(worker, now_us, &stamping, err);
        if (code == SL_OK && stamping.n) {
            sl_stamp_run(worker->config, worker->warehouse, &stamping);
            code = sl_stamp_finish(worker, &stamping, now_us, err);
        }
        sl_arena_fini(&stamping.arena);
    }
    return code;
}
