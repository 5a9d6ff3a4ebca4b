/* ledger.c - the ledger's port: one wrapper per slot, which counts, and the choice of the backend. */
#include <sluice/ledger.h>

#include <stdlib.h>

#include <sluice/file.h>
#include <sluice/ledger_sqlite.h>

static enum sl_code open_sqlite(struct sl_ledger **out, const char *path, enum sl_ledger_open_mode mode, struct sl_err *err)
{
    static const struct sl_ledger_sqlite_options PRODUCTION = {0};
    if (mode == SL_LEDGER_WRITE) {
        char *dir = sl_path_dirname(path);
        enum sl_code code = sl_dir_make(dir, err);
        free(dir);
        if (code)
            return code;
    }
    return sl_ledger_sqlite_open(out, path, mode, &PRODUCTION, err);
}

enum sl_code sl_ledger_open(struct sl_ledger **out, const struct sl_config *config, enum sl_ledger_open_mode mode, struct sl_err *err)
{
    *out = NULL;
    switch (config->ledger.type) {
    case SL_LEDGER_SQLITE: return open_sqlite(out, config->ledger.path, mode, err);
    case SL_LEDGER_POSTGRES: return sl_fail(err, SL_INVALID, "ledger.type: postgres is not in this build; use sqlite");
    }
    return sl_fail(err, SL_INTERNAL, "ledger.type %d is unknown", (int)config->ledger.type);
}

void sl_ledger_destroy(struct sl_ledger **ledger)
{
    if (*ledger)
        (*ledger)->ops->destroy(*ledger);
    *ledger = NULL;
}

/* "No such row" is an answer, not an error. */
static enum sl_code counted(struct sl_ledger *ledger, enum sl_code code)
{
    if (code != SL_OK && code != SL_NOT_FOUND)
        ledger->counters.errors++;
    return code;
}

#define CALL(slot, ...) counted(ledger, ledger->ops->slot(ledger, __VA_ARGS__))

enum sl_code sl_ledger_commit(struct sl_ledger *ledger, struct sl_err *err)
{
    enum sl_code code = CALL(commit, err);
    if (code == SL_OK)
        ledger->counters.commits++;
    return code;
}

void sl_ledger_rollback(struct sl_ledger *ledger)
{
    ledger->ops->rollback(ledger);
    ledger->counters.rollbacks++;
}

enum sl_code sl_ledger_begin(struct sl_ledger *ledger, struct sl_err *err)
{
    return CALL(begin, err);
}

enum sl_code sl_ledger_changed(struct sl_ledger *ledger, bool *changed, struct sl_err *err)
{
    return CALL(changed, changed, err);
}

enum sl_code sl_ledger_inbox_add(struct sl_ledger *ledger, const char *subscription, const char *message_id, int64_t publish_us,
                                 int64_t now_us, bool *is_new, struct sl_err *err)
{
    return CALL(inbox_add, subscription, message_id, publish_us, now_us, is_new, err);
}

enum sl_code sl_ledger_run_get(struct sl_ledger *ledger, const char *phase, sl_date date, const char *processor, const char *execution_id,
                               struct sl_run *out, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(run_get, phase, date, processor, execution_id, out, arena, err);
}

enum sl_code sl_ledger_run_put(struct sl_ledger *ledger, const struct sl_run *run, struct sl_err *err)
{
    return CALL(run_put, run, err);
}

enum sl_code sl_ledger_runs_of(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_run **out, size_t *n,
                               struct sl_arena *arena, struct sl_err *err)
{
    return CALL(runs_of, phase, date, out, n, arena, err);
}

enum sl_code sl_ledger_gate_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                struct sl_gate *out, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(gate_get, phase, date, profile, generation, out, arena, err);
}

enum sl_code sl_ledger_gate_put(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err)
{
    return CALL(gate_put, gate, err);
}

enum sl_code sl_ledger_gate_touch(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err)
{
    return CALL(gate_touch, gate, err);
}

enum sl_code sl_ledger_gates(struct sl_ledger *ledger, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err)
{
    return CALL(gates, filter, out, n, arena, err);
}

enum sl_code sl_ledger_gates_make_due(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, int64_t at_us, int64_t *n,
                                      struct sl_err *err)
{
    return CALL(gates_make_due, phase, from, to, at_us, n, err);
}

enum sl_code sl_ledger_gates_make_due_for_config(struct sl_ledger *ledger, const char *config_hash, int64_t at_us, int64_t *n,
                                                 struct sl_err *err)
{
    return CALL(gates_make_due_for_config, config_hash, at_us, n, err);
}

enum sl_code sl_ledger_next_due(struct sl_ledger *ledger, int64_t *out_us, struct sl_err *err)
{
    return CALL(next_due, out_us, err);
}

enum sl_code sl_ledger_decision_add(struct sl_ledger *ledger, const struct sl_gate *gate, const char *facts, size_t facts_len,
                                    const char *decision, size_t decision_len, struct sl_err *err)
{
    return CALL(decision_add, gate, facts, facts_len, decision, decision_len, err);
}

enum sl_code sl_ledger_decision_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                    struct sl_decision_record *out, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(decision_get, phase, date, profile, generation, out, arena, err);
}

enum sl_code sl_ledger_config_add(struct sl_ledger *ledger, const char *hash, const char *normal, int64_t now_us, struct sl_err *err)
{
    return CALL(config_add, hash, normal, now_us, err);
}

enum sl_code sl_ledger_config_get(struct sl_ledger *ledger, const char *hash, const char **normal, struct sl_arena *arena,
                                  struct sl_err *err)
{
    return CALL(config_get, hash, normal, arena, err);
}

enum sl_code sl_ledger_event_add(struct sl_ledger *ledger, const char *const *cells, bool *is_new, struct sl_err *err)
{
    return CALL(event_add, cells, is_new, err);
}

enum sl_code sl_ledger_events(struct sl_ledger *ledger, const struct sl_log_filter *filter,
                              void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err)
{
    return CALL(events, filter, row, arg, err);
}

enum sl_code sl_ledger_open_events(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_open_event **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err)
{
    return CALL(open_events, phase, date, out, n, arena, err);
}

enum sl_code sl_ledger_warn_once(struct sl_ledger *ledger, const char *what, bool *is_new, struct sl_err *err)
{
    return CALL(warn_once, what, is_new, err);
}

enum sl_code sl_ledger_outbox_add(struct sl_ledger *ledger, const struct sl_outbox_row *row, struct sl_err *err)
{
    return CALL(outbox_add, row, err);
}

enum sl_code sl_ledger_outbox_claim(struct sl_ledger *ledger, const char *owner, int64_t now_us, int64_t until_us, size_t limit,
                                    struct sl_outbox_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(outbox_claim, owner, now_us, until_us, limit, out, n, arena, err);
}

enum sl_code sl_ledger_outbox_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return CALL(outbox_done, id, err);
}

enum sl_code sl_ledger_outbox_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us,
                                     struct sl_err *err)
{
    return CALL(outbox_failed, id, error, now_us, next_us, err);
}

enum sl_code sl_ledger_outbox_left(struct sl_ledger *ledger, size_t *n, int64_t *failing_since_us, struct sl_err *err)
{
    return CALL(outbox_left, n, failing_since_us, err);
}

enum sl_code sl_ledger_reject_add(struct sl_ledger *ledger, const struct sl_reject_row *row, struct sl_err *err)
{
    return CALL(reject_add, row, err);
}

enum sl_code sl_ledger_rejects(struct sl_ledger *ledger, int64_t id, struct sl_reject_row **out, size_t *n, struct sl_arena *arena,
                               struct sl_err *err)
{
    return CALL(rejects, id, out, n, arena, err);
}

enum sl_code sl_ledger_reject_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return CALL(reject_remove, id, err);
}

enum sl_code sl_ledger_known_gap_add(struct sl_ledger *ledger, struct sl_known_gap *gap, struct sl_err *err)
{
    return CALL(known_gap_add, gap, err);
}

enum sl_code sl_ledger_known_gaps(struct sl_ledger *ledger, struct sl_known_gap **out, size_t *n, struct sl_arena *arena,
                                  struct sl_err *err)
{
    return CALL(known_gaps, out, n, arena, err);
}

enum sl_code sl_ledger_known_gap_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return CALL(known_gap_remove, id, err);
}

enum sl_code sl_ledger_hold_add(struct sl_ledger *ledger, struct sl_hold *hold, struct sl_err *err)
{
    return CALL(hold_add, hold, err);
}

enum sl_code sl_ledger_holds(struct sl_ledger *ledger, struct sl_hold **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(holds, out, n, arena, err);
}

enum sl_code sl_ledger_hold_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return CALL(hold_remove, id, err);
}

enum sl_code sl_ledger_stale_add(struct sl_ledger *ledger, const struct sl_stale_mark *mark, bool *is_new, struct sl_err *err)
{
    return CALL(stale_add, mark, is_new, err);
}

enum sl_code sl_ledger_stale(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err)
{
    return CALL(stale, phase, from, to, out, n, arena, err);
}

enum sl_code sl_ledger_stale_clear(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                   int64_t now_us, struct sl_err *err)
{
    return CALL(stale_clear, phase, date, profile, generation, now_us, err);
}

enum sl_code sl_ledger_stale_triggered(struct sl_ledger *ledger, int64_t id, int64_t now_us, struct sl_err *err)
{
    return CALL(stale_triggered, id, now_us, err);
}

enum sl_code sl_ledger_stamp_put(struct sl_ledger *ledger, const struct sl_stamp_row *row, struct sl_err *err)
{
    return CALL(stamp_put, row, err);
}

enum sl_code sl_ledger_stamps_due(struct sl_ledger *ledger, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **out,
                                  size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(stamps_due, now_us, limit, max_bytes, out, n, arena, err);
}

enum sl_code sl_ledger_stamp_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return CALL(stamp_done, id, err);
}

enum sl_code sl_ledger_stamp_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us, bool alarmed,
                                    struct sl_err *err)
{
    return CALL(stamp_failed, id, error, now_us, next_us, alarmed, err);
}

enum sl_code sl_ledger_stamps_next(struct sl_ledger *ledger, int64_t *due_us, struct sl_err *err)
{
    return CALL(stamps_next, due_us, err);
}

enum sl_code sl_ledger_units(struct sl_ledger *ledger, struct sl_known_unit **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(units, out, n, arena, err);
}

enum sl_code sl_ledger_units_set(struct sl_ledger *ledger, const struct sl_known_unit *units, size_t n, struct sl_err *err)
{
    return CALL(units_set, units, n, err);
}

enum sl_code sl_ledger_clock_get(struct sl_ledger *ledger, const char *phase, int64_t *ms, struct sl_err *err)
{
    return CALL(clock_get, phase, ms, err);
}

enum sl_code sl_ledger_clock_set(struct sl_ledger *ledger, const char *phase, int64_t ms, struct sl_err *err)
{
    return CALL(clock_set, phase, ms, err);
}

enum sl_code sl_ledger_load_fix(struct sl_ledger *ledger, enum sl_load_kind kind, size_t max_rows, size_t max_bytes,
                                struct sl_load_job *out, struct sl_arena *arena, struct sl_err *err)
{
    return CALL(load_fix, kind, max_rows, max_bytes, out, arena, err);
}

enum sl_code sl_ledger_load_done(struct sl_ledger *ledger, const char *job_id, int64_t now_us, struct sl_err *err)
{
    return CALL(load_done, job_id, now_us, err);
}

enum sl_code sl_ledger_counts(struct sl_ledger *ledger, int64_t now_us, struct sl_ledger_counts *out, struct sl_err *err)
{
    return CALL(counts, now_us, out, err);
}

enum sl_code sl_ledger_prune(struct sl_ledger *ledger, int64_t inbox_before_us, int64_t facts_before_us, bool *more, struct sl_err *err)
{
    return CALL(prune, inbox_before_us, facts_before_us, more, err);
}

enum sl_code sl_ledger_checkpoint(struct sl_ledger *ledger, struct sl_err *err)
{
    return CALL(checkpoint, err);
}
