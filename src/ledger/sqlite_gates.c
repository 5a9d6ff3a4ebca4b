/* sqlite_gates.c - gates: the current decision of each (phase, date, profile, generation).
 * SL_NEVER_US is stored as NULL, so that the indexes on clocks hold only the gates whose clock runs. The newest generation is the one
 * that no greater one exists for: a seek, nothing to keep up to date. */
#include "sqlite_internal.h"

#define GATE_COLUMNS                                                                                                                       \
    "phase, date, profile, generation, state, reasons, trigger_reason, completed, missing, late, is_production_ready,"                     \
    " degraded, dropped, trigger_id, waits_for, config_hash, created_us, decided_us, checked_us, clock_start_ms,"                          \
    " since_us, last_report_us, due_us, recheck_ms, answer_due_us, reopened, quality_tier, quality_score"
#define GATE_KEY "phase = ?1 AND date = ?2 AND profile = ?3"

#define SQL_GATE_GET    "SELECT " GATE_COLUMNS " FROM gates WHERE " GATE_KEY " AND generation = ?4"
#define SQL_GATE_NEWEST "SELECT " GATE_COLUMNS " FROM gates WHERE " GATE_KEY " ORDER BY generation DESC LIMIT 1"
#define SQL_GATE_PUT                                                                                                                       \
    "INSERT INTO gates (" GATE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"                       \
    " ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28) ON CONFLICT (phase, date, profile, generation) DO UPDATE"           \
    " SET state = ?5, reasons = ?6, trigger_reason = ?7, completed = ?8, missing = ?9, late = ?10,"                                        \
    " is_production_ready = ?11, degraded = ?12, dropped = ?13, trigger_id = ?14, waits_for = ?15, config_hash = ?16,"                     \
    " created_us = ?17, decided_us = ?18, checked_us = ?19, clock_start_ms = ?20, since_us = ?21,"                                         \
    " last_report_us = ?22, due_us = ?23, recheck_ms = ?24, answer_due_us = ?25, reopened = ?26,"                                          \
    " quality_tier = ?27, quality_score = ?28"
#define SQL_GATE_TOUCH                                                                                                                     \
    "UPDATE gates SET checked_us = ?5, due_us = ?6, recheck_ms = ?7, answer_due_us = ?8, config_hash = ?9 WHERE " GATE_KEY                 \
    " AND generation = ?4"

/* One filter; what differs is the condition that leads to an index. */
#define GATES_FILTER                                                                                                                       \
    " (?1 IS NULL OR phase = ?1) AND date BETWEEN ?2 AND ?3 AND (?4 >> state) & 1 AND (?5 OR NOT EXISTS (SELECT 1"                         \
    " FROM gates h WHERE h.phase = g.phase AND h.date = g.date AND h.profile = g.profile AND h.generation >"                               \
    " g.generation)) AND (?6 = 0 OR due_us <= ?6) AND (?7 = 0 OR answer_due_us <= ?7)"                                                     \
    " ORDER BY phase, date, profile, generation LIMIT ?8"
#define GATES_FROM "SELECT " GATE_COLUMNS " FROM gates g "

/* INDEXED BY: without it the planner takes the primary key, for the order, and reads every gate. */
#define SQL_GATES_ALL           GATES_FROM "WHERE" GATES_FILTER
#define SQL_GATES_PHASE         GATES_FROM "WHERE phase = ?1 AND" GATES_FILTER
#define SQL_GATES_DUE           GATES_FROM "INDEXED BY gates_due WHERE due_us <= ?6 AND" GATES_FILTER
#define SQL_GATES_ANSWER        GATES_FROM "INDEXED BY gates_answer WHERE answer_due_us <= ?7 AND" GATES_FILTER
#define SQL_GATES_PENDING       GATES_FROM "INDEXED BY gates_pending WHERE state < 4 AND" GATES_FILTER
#define SQL_GATES_PENDING_PHASE GATES_FROM "INDEXED BY gates_pending WHERE phase = ?1 AND state < 4 AND" GATES_FILTER

#define PENDING_STATES ((1u << SL_WAITING) | (1u << SL_BLOCKED) | (1u << SL_SUPPRESSED) | (1u << SL_EMPTY))

/* States 0, 1, 3: waiting, blocked, empty. A phase's dates are a short range of the primary key. */
#define MAKE_DUE                  " SET due_us = ?1 WHERE state IN (0, 1, 3) AND (due_us IS NULL OR due_us > ?1)"
#define SQL_GATES_MAKE_DUE_ALL    "UPDATE gates INDEXED BY gates_pending" MAKE_DUE " AND state < 4 AND date BETWEEN ?2 AND ?3"
#define SQL_GATES_MAKE_DUE_PHASE  "UPDATE gates" MAKE_DUE " AND date BETWEEN ?2 AND ?3 AND phase = ?4"
#define SQL_GATES_MAKE_DUE_CONFIG "UPDATE gates INDEXED BY gates_pending" MAKE_DUE " AND state < 4 AND config_hash IS NOT ?2"

/* Each the first entry of its index. */
#define SQL_GATES_NEXT_DUE                                                                                                                 \
    "SELECT min(at) FROM (SELECT (SELECT min(due_us) FROM gates INDEXED BY gates_due WHERE due_us IS NOT NULL) AS at"                      \
    " UNION ALL SELECT (SELECT min(answer_due_us) FROM gates INDEXED BY gates_answer WHERE answer_due_us IS NOT NULL))"

static void bind_key(sqlite3_stmt *stmt, const char *phase, sl_date date, enum sl_profile profile, int generation)
{
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, date);
    sl_lsqlite_bind_int(stmt, 3, profile);
    if (generation > 0)
        sl_lsqlite_bind_int(stmt, 4, generation);
}

static void read_gate(sqlite3_stmt *stmt, struct sl_gate *out, struct sl_arena *arena)
{
    *out = (struct sl_gate){
        .phase = sl_lsqlite_text(stmt, 0, arena),
        .date = sl_lsqlite_date(stmt, 1),
        .profile = (enum sl_profile)sqlite3_column_int(stmt, 2),
        .generation = sqlite3_column_int(stmt, 3),
        .state = (enum sl_state)sqlite3_column_int(stmt, 4),
        .reasons = (sl_reasons)sqlite3_column_int64(stmt, 5),
        .trigger_reason = (enum sl_trigger_reason)sqlite3_column_int(stmt, 6),
        .completed = sl_lsqlite_text(stmt, 7, arena),
        .missing = sl_lsqlite_text(stmt, 8, arena),
        .late = sl_lsqlite_text(stmt, 9, arena),
        .is_production_ready = sqlite3_column_int(stmt, 10) != 0,
        .degraded = sqlite3_column_int(stmt, 11) != 0,
        .dropped = sqlite3_column_int(stmt, 12) != 0,
        .trigger_id = sl_lsqlite_text(stmt, 13, arena),
        .waits_for = sl_lsqlite_text(stmt, 14, arena),
        .config_hash = sl_lsqlite_text(stmt, 15, arena),
        .created_us = sqlite3_column_int64(stmt, 16),
        .decided_us = sqlite3_column_int64(stmt, 17),
        .checked_us = sqlite3_column_int64(stmt, 18),
        .clock_start_ms = sqlite3_column_int64(stmt, 19),
        .since_us = sqlite3_column_int64(stmt, 20),
        .last_report_us = sqlite3_column_int64(stmt, 21),
        .due_us = sl_lsqlite_int_or(stmt, 22, SL_NEVER_US),
        .recheck_ms = sqlite3_column_int64(stmt, 23),
        .answer_due_us = sl_lsqlite_int_or(stmt, 24, SL_NEVER_US),
        .reopened = sqlite3_column_int(stmt, 25) != 0,
        .quality_tier = sl_lsqlite_text(stmt, 26, arena),
        .quality_score = sqlite3_column_double(stmt, 27),
    };
}

enum sl_code sl_lsqlite_gate_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                 struct sl_gate *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = generation > 0 ? sl_lsqlite_use(self, SQ_GATE_GET, SQL_GATE_GET, &stmt, err)
                                       : sl_lsqlite_use(self, SQ_GATE_NEWEST, SQL_GATE_NEWEST, &stmt, err);
    if (code)
        return code;
    bind_key(stmt, phase, date, profile, generation);
    code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, code, "no gate of %s for this date", phase);
    if (code)
        return code;
    read_gate(stmt, out, arena);
    sqlite3_reset(stmt);
    return SL_OK;
}

enum sl_code sl_lsqlite_gate_put(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    if (gate->generation < 1)
        return sl_fail(err, SL_INVALID, "a gate's generation begins at 1, not %d", gate->generation);
    enum sl_code code = sl_lsqlite_use(self, SQ_GATE_PUT, SQL_GATE_PUT, &stmt, err);
    if (code)
        return code;
    bind_key(stmt, gate->phase, gate->date, gate->profile, gate->generation);
    sl_lsqlite_bind_int(stmt, 5, gate->state);
    sl_lsqlite_bind_int(stmt, 6, gate->reasons);
    sl_lsqlite_bind_int(stmt, 7, gate->trigger_reason);
    sl_lsqlite_bind_text(stmt, 8, gate->completed);
    sl_lsqlite_bind_text(stmt, 9, gate->missing);
    sl_lsqlite_bind_text(stmt, 10, gate->late);
    sl_lsqlite_bind_int(stmt, 11, gate->is_production_ready);
    sl_lsqlite_bind_int(stmt, 12, gate->degraded);
    sl_lsqlite_bind_int(stmt, 13, gate->dropped);
    sl_lsqlite_bind_text(stmt, 14, gate->trigger_id);
    sl_lsqlite_bind_text(stmt, 15, gate->waits_for);
    sl_lsqlite_bind_text(stmt, 16, gate->config_hash);
    sl_lsqlite_bind_int(stmt, 17, gate->created_us);
    sl_lsqlite_bind_int(stmt, 18, gate->decided_us);
    sl_lsqlite_bind_int(stmt, 19, gate->checked_us);
    sl_lsqlite_bind_int(stmt, 20, gate->clock_start_ms);
    sl_lsqlite_bind_int(stmt, 21, gate->since_us);
    sl_lsqlite_bind_int(stmt, 22, gate->last_report_us);
    sl_lsqlite_bind_unless(stmt, 23, gate->due_us, SL_NEVER_US);
    sl_lsqlite_bind_int(stmt, 24, gate->recheck_ms);
    sl_lsqlite_bind_unless(stmt, 25, gate->answer_due_us, SL_NEVER_US);
    sl_lsqlite_bind_int(stmt, 26, gate->reopened);
    sl_lsqlite_bind_text(stmt, 27, gate->quality_tier);
    sqlite3_bind_double(stmt, 28, gate->quality_score);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_gate_touch(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_GATE_TOUCH, SQL_GATE_TOUCH, &stmt, err);
    if (code)
        return code;
    bind_key(stmt, gate->phase, gate->date, gate->profile, 0);
    sl_lsqlite_bind_int(stmt, 4, gate->generation);
    sl_lsqlite_bind_int(stmt, 5, gate->checked_us);
    sl_lsqlite_bind_unless(stmt, 6, gate->due_us, SL_NEVER_US);
    sl_lsqlite_bind_int(stmt, 7, gate->recheck_ms);
    sl_lsqlite_bind_unless(stmt, 8, gate->answer_due_us, SL_NEVER_US);
    sl_lsqlite_bind_text(stmt, 9, gate->config_hash);
    code = sl_lsqlite_run(self, stmt, &changed, err);
    if (code == SL_OK && changed == 0)
        return sl_fail(err, SL_NOT_FOUND, "no gate of %s to touch", gate->phase);
    return code;
}

/* The statement whose index fits the filter best. */
static enum sl_code use_gates(struct sl_lsqlite *self, const struct sl_gate_filter *filter, sqlite3_stmt **out, struct sl_err *err)
{
    bool pending = filter->states && !(filter->states & ~PENDING_STATES);
    if (filter->due_by_us > 0)
        return sl_lsqlite_use(self, SQ_GATES_DUE, SQL_GATES_DUE, out, err);
    if (filter->answer_due_by_us > 0)
        return sl_lsqlite_use(self, SQ_GATES_ANSWER, SQL_GATES_ANSWER, out, err);
    if (pending && filter->phase)
        return sl_lsqlite_use(self, SQ_GATES_PENDING_PHASE, SQL_GATES_PENDING_PHASE, out, err);
    if (pending)
        return sl_lsqlite_use(self, SQ_GATES_PENDING, SQL_GATES_PENDING, out, err);
    if (filter->phase)
        return sl_lsqlite_use(self, SQ_GATES_PHASE, SQL_GATES_PHASE, out, err);
    return sl_lsqlite_use(self, SQ_GATES_ALL, SQL_GATES_ALL, out, err);
}

enum sl_code sl_lsqlite_gates(struct sl_ledger *ledger, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                              struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_gate *gates = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = use_gates(self, filter, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, filter->phase);
    sl_lsqlite_bind_range(stmt, 2, filter->from, filter->to);
    sl_lsqlite_bind_int(stmt, 4, filter->states ? filter->states : UINT32_MAX);
    sl_lsqlite_bind_int(stmt, 5, filter->all_generations);
    sl_lsqlite_bind_int(stmt, 6, filter->due_by_us);
    sl_lsqlite_bind_int(stmt, 7, filter->answer_due_by_us);
    sl_lsqlite_bind_int(stmt, 8, filter->limit ? (int64_t)filter->limit : -1);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        gates = sl_arena_push(arena, gates, n, sizeof(*gates));
        read_gate(stmt, &gates[*n - 1], arena);
    }
    *out = gates;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_gates_make_due(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, int64_t at_us, int64_t *n,
                                       struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = phase ? sl_lsqlite_use(self, SQ_GATES_MAKE_DUE_PHASE, SQL_GATES_MAKE_DUE_PHASE, &stmt, err)
                              : sl_lsqlite_use(self, SQ_GATES_MAKE_DUE_ALL, SQL_GATES_MAKE_DUE_ALL, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, at_us);
    sl_lsqlite_bind_range(stmt, 2, from, to);
    if (phase)
        sl_lsqlite_bind_text(stmt, 4, phase);
    return sl_lsqlite_run(self, stmt, n, err);
}

enum sl_code sl_lsqlite_gates_make_due_for_config(struct sl_ledger *ledger, const char *config_hash, int64_t at_us, int64_t *n,
                                                  struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_GATES_MAKE_DUE_CONFIG, SQL_GATES_MAKE_DUE_CONFIG, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, at_us);
    sl_lsqlite_bind_text(stmt, 2, config_hash);
    return sl_lsqlite_run(self, stmt, n, err);
}

enum sl_code sl_lsqlite_next_due(struct sl_ledger *ledger, int64_t *out_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    *out_us = SL_NEVER_US;
    enum sl_code code = sl_lsqlite_use(self, SQ_GATES_NEXT_DUE, SQL_GATES_NEXT_DUE, &stmt, err);
    return code ? code : sl_lsqlite_one_int(self, stmt, SL_NEVER_US, out_us, err);
}
