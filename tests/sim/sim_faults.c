/* sim_faults.c - the wrappers of the ports: one per slot, each asks whether this is the call that fails. */
#include "sim_faults.h"

#include <stdio.h>
#include <string.h>

static bool is_ledger(enum sim_slot slot)
{
    return slot < SIM_WAREHOUSE_present;
}

static bool is_it(struct sim_faults *faults, enum sim_slot slot)
{
    struct sim_fault *fault = &faults->fault;
    const bool matches = fault->slot == slot || (fault->slot == SIM_LEDGER_ANY && is_ledger(slot));
    if (faults->dead)
        return true;
    if (!fault->at || !matches || --fault->at > 0)
        return false;
    faults->fired = true;
    faults->dead = fault->for_ever;
    return true;
}

static enum sl_code fail(const struct sim_faults *faults, struct sl_err *err)
{
    return sl_fail(err, faults->fault.code, "a fault was ordered");
}

static enum sl_code pass(struct sim_faults *faults, enum sim_slot slot, struct sl_err *err)
{
    faults->calls[slot]++;
    faults->calls[SIM_LEDGER_ANY] += is_ledger(slot);
    return is_it(faults, slot) ? fail(faults, err) : SL_OK;
}

void sim_faults_clear(struct sim_faults *faults)
{
    faults->fault = (struct sim_fault){0};
    faults->fired = faults->dead = false;
}

/* ---- ledger ---- */

static struct sim_ledger_port *ledger_port(const struct sl_ledger *self)
{
    return (struct sim_ledger_port *)self->ops;
}

static void ledger_destroy(struct sl_ledger *self)
{
    self->ops = ledger_port(self)->real;
    self->ops->destroy(self);
}

/* A commit that fails has rolled back, unless it fails after. */
static enum sl_code ledger_commit(struct sl_ledger *self, struct sl_err *err)
{
    struct sim_ledger_port *port = ledger_port(self);
    const bool was_dead = port->faults->dead;
    if (pass(port->faults, SIM_LEDGER_commit, err) == SL_OK)
        return port->real->commit(self, err);
    if (!port->faults->fault.after || was_dead) {
        port->real->rollback(self);
        return port->faults->fault.code;
    }
    enum sl_code code = port->real->commit(self, err);
    return code == SL_OK ? fail(port->faults, err) : code;
}

/* sl_ledger_NAME(self, PARAMS, err) */
#define SLOT(name, params, ...)                                                                                                            \
    static enum sl_code ledger_##name params                                                                                               \
    {                                                                                                                                      \
        const struct sim_ledger_port *port = ledger_port(self);                                                                            \
        enum sl_code code = pass(port->faults, SIM_LEDGER_##name, err);                                                                    \
        return code == SL_OK ? port->real->name(__VA_ARGS__) : code;                                                                       \
    }

#define SELF struct sl_ledger *self
#define ERR  struct sl_err *err

SLOT(begin, (SELF, ERR), self, err)
SLOT(changed, (SELF, bool *changed, ERR), self, changed, err)
SLOT(inbox_add, (SELF, const char *subscription, const char *id, int64_t publish_us, int64_t now_us, bool *is_new, ERR), self, subscription,
     id, publish_us, now_us, is_new, err)
SLOT(run_get,
     (SELF, const char *phase, sl_date date, const char *processor, const char *execution, struct sl_run *out, struct sl_arena *arena, ERR),
     self, phase, date, processor, execution, out, arena, err)
SLOT(run_put, (SELF, const struct sl_run *run, ERR), self, run, err)
SLOT(runs_of, (SELF, const char *phase, sl_date date, struct sl_run **out, size_t *n, struct sl_arena *arena, ERR), self, phase, date, out,
     n, arena, err)
SLOT(gate_get,
     (SELF, const char *phase, sl_date date, enum sl_profile profile, int generation, struct sl_gate *out, struct sl_arena *arena, ERR),
     self, phase, date, profile, generation, out, arena, err)
SLOT(gate_put, (SELF, const struct sl_gate *gate, ERR), self, gate, err)
SLOT(gate_touch, (SELF, const struct sl_gate *gate, ERR), self, gate, err)
SLOT(gates, (SELF, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n, struct sl_arena *arena, ERR), self, filter, out, n,
     arena, err)
SLOT(gates_make_due, (SELF, const char *phase, sl_date from, sl_date to, int64_t at_us, int64_t *n, ERR), self, phase, from, to, at_us, n,
     err)
SLOT(gates_make_due_for_config, (SELF, const char *hash, int64_t at_us, int64_t *n, ERR), self, hash, at_us, n, err)
SLOT(next_due, (SELF, int64_t *out_us, ERR), self, out_us, err)
SLOT(decision_add, (SELF, const struct sl_gate *gate, const char *facts, size_t facts_len, const char *decision, size_t decision_len, ERR),
     self, gate, facts, facts_len, decision, decision_len, err)
SLOT(config_add, (SELF, const char *hash, const char *normal, int64_t now_us, ERR), self, hash, normal, now_us, err)
SLOT(event_add, (SELF, const char *const *cells, bool *is_new, ERR), self, cells, is_new, err)
SLOT(open_events, (SELF, const char *phase, sl_date date, struct sl_open_event **out, size_t *n, struct sl_arena *arena, ERR), self, phase,
     date, out, n, arena, err)
SLOT(warn_once, (SELF, const char *what, bool *is_new, ERR), self, what, is_new, err)
SLOT(outbox_add, (SELF, const struct sl_outbox_row *row, ERR), self, row, err)
SLOT(outbox_claim,
     (SELF, const char *owner, int64_t now_us, int64_t until_us, size_t limit, struct sl_outbox_row **out, size_t *n,
      struct sl_arena *arena, ERR),
     self, owner, now_us, until_us, limit, out, n, arena, err)
SLOT(outbox_left, (SELF, size_t *n, int64_t *failing_since_us, ERR), self, n, failing_since_us, err)
SLOT(outbox_done, (SELF, int64_t id, ERR), self, id, err)
SLOT(outbox_failed, (SELF, int64_t id, const char *error, int64_t now_us, int64_t next_us, ERR), self, id, error, now_us, next_us, err)
SLOT(reject_add, (SELF, const struct sl_reject_row *row, ERR), self, row, err)
SLOT(known_gaps, (SELF, struct sl_known_gap **out, size_t *n, struct sl_arena *arena, ERR), self, out, n, arena, err)
SLOT(holds, (SELF, struct sl_hold **out, size_t *n, struct sl_arena *arena, ERR), self, out, n, arena, err)
SLOT(stale_add, (SELF, const struct sl_stale_mark *mark, bool *is_new, ERR), self, mark, is_new, err)
SLOT(stale, (SELF, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **out, size_t *n, struct sl_arena *arena, ERR), self,
     phase, from, to, out, n, arena, err)
SLOT(stale_clear, (SELF, const char *phase, sl_date date, enum sl_profile profile, int generation, int64_t now_us, ERR), self, phase, date,
     profile, generation, now_us, err)
SLOT(stale_triggered, (SELF, int64_t id, int64_t now_us, ERR), self, id, now_us, err)
SLOT(units, (SELF, struct sl_known_unit **out, size_t *n, struct sl_arena *arena, ERR), self, out, n, arena, err)
SLOT(units_set, (SELF, const struct sl_known_unit *units, size_t n, ERR), self, units, n, err)
SLOT(clock_get, (SELF, const char *phase, int64_t *ms, ERR), self, phase, ms, err)
SLOT(clock_set, (SELF, const char *phase, int64_t ms, ERR), self, phase, ms, err)
SLOT(load_fix, (SELF, enum sl_load_kind kind, size_t max_rows, size_t max_bytes, struct sl_load_job *out, struct sl_arena *arena, ERR),
     self, kind, max_rows, max_bytes, out, arena, err)
SLOT(load_done, (SELF, const char *job_id, int64_t now_us, ERR), self, job_id, now_us, err)
SLOT(counts, (SELF, int64_t now_us, struct sl_ledger_counts *out, ERR), self, now_us, out, err)

void sim_faults_wrap_ledger(struct sim_faults *faults, struct sl_ledger *ledger)
{
    struct sim_ledger_port *port = &faults->ledger;
    *port = (struct sim_ledger_port){.ops = *ledger->ops, .real = ledger->ops, .faults = faults};
#define X(name) port->ops.name = ledger_##name;
    SIM_LEDGER_SLOTS(X)
#undef X
    port->ops.destroy = ledger_destroy;
    ledger->ops = &port->ops;
}

/* ---- warehouse ---- */

static struct sim_warehouse_port *warehouse_port(const struct sl_warehouse *self)
{
    return (struct sim_warehouse_port *)self->ops;
}

static void warehouse_destroy(struct sl_warehouse *self)
{
    self->ops = warehouse_port(self)->real;
    self->ops->destroy(self);
}

static void count_asked(struct sim_faults *faults, enum sim_slot slot, const char *table)
{
    struct sim_asked *asked = faults->asked;
    while (asked < faults->asked + faults->n_asked && (asked->slot != slot || strcmp(asked->table, table) != 0))
        asked++;
    if (asked == faults->asked + sizeof faults->asked / sizeof *faults->asked)
        return;
    if (asked == faults->asked + faults->n_asked) {
        *asked = (struct sim_asked){.slot = slot};
        snprintf(asked->table, sizeof asked->table, "%s", table);
        faults->n_asked++;
    }
    asked->n++;
}

static enum sl_code ask(struct sl_warehouse *self, enum sim_slot slot, const char *table, struct sl_err *err)
{
    struct sim_faults *faults = warehouse_port(self)->faults;
    count_asked(faults, slot, table);
    if (faults->fault.table && !faults->dead && strcmp(faults->fault.table, table) != 0) {
        faults->calls[slot]++;
        return SL_OK;
    }
    enum sl_code code = pass(faults, slot, err);
    self->timed_out = code != SL_OK && faults->fault.timed_out;
    return code;
}

/* sl_warehouse_NAME(self, PARAMS, err), about a source */
#define QUESTION(name, table, params, ...)                                                                                                 \
    static enum sl_code warehouse_##name params                                                                                            \
    {                                                                                                                                      \
        enum sl_code code = ask(self, SIM_WAREHOUSE_##name, table, err);                                                                   \
        return code == SL_OK ? warehouse_port(self)->real->name(__VA_ARGS__) : code;                                                       \
    }
#define WAREHOUSE struct sl_warehouse *self
#define SOURCE    const struct sl_source *source

QUESTION(present, source->table, (WAREHOUSE, SOURCE, const struct sl_key *keys, size_t n, uint8_t *present, ERR), self, source, keys, n,
         present, err)
QUESTION(reconstructed, source->table, (WAREHOUSE, SOURCE, const struct sl_key *keys, size_t n, uint8_t *made, ERR), self, source, keys, n,
         made, err)
QUESTION(count, source->table, (WAREHOUSE, SOURCE, const struct sl_key *keys, size_t n, int64_t *rows, ERR), self, source, keys, n, rows,
         err)
QUESTION(tally, source->table,
         (WAREHOUSE, SOURCE, const char *const *columns, size_t n_columns, const struct sl_key *keys, size_t n, int64_t *rows,
          int64_t *nulls, ERR),
         self, source, columns, n_columns, keys, n, rows, nulls, err)
QUESTION(entities, source->table,
         (WAREHOUSE, SOURCE, const char *column, sl_date from, sl_date to, struct sl_entity_row **out, size_t *n, struct sl_arena *arena,
          ERR),
         self, source, column, from, to, out, n, arena, err)
QUESTION(tiers, source->table,
         (WAREHOUSE, SOURCE, const char *column, sl_date from, sl_date to, bool *has, struct sl_entity_row **out, size_t *n,
          struct sl_arena *arena, ERR),
         self, source, column, from, to, has, out, n, arena, err)
QUESTION(fingerprint, source->table,
         (WAREHOUSE, SOURCE, const char *const *exclude, size_t n_exclude, const sl_date *dates, size_t n, struct sl_fingerprint *out, ERR),
         self, source, exclude, n_exclude, dates, n, out, err)
QUESTION(reconstruct, rule->source->table, (WAREHOUSE, const struct sl_reconstruct *rule, int64_t *rows, ERR), self, rule, rows, err)

static enum sl_code warehouse_calendar(struct sl_warehouse *self, const struct sl_calendar_config *config, struct sl_calendar_row **out,
                                       size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    const struct sim_warehouse_port *port = warehouse_port(self);
    enum sl_code code = pass(port->faults, SIM_WAREHOUSE_calendar, err);
    return code == SL_OK ? port->real->calendar(self, config, out, n, arena, err) : code;
}

static enum sl_code warehouse_load(struct sl_warehouse *self, const struct sl_load *load, bool *already, struct sl_err *err)
{
    const struct sim_warehouse_port *port = warehouse_port(self);
    const bool was_dead = port->faults->dead;
    if (pass(port->faults, SIM_WAREHOUSE_load, err) == SL_OK)
        return port->real->load(self, load, already, err);
    if (port->faults->fault.after && !was_dead)
        port->real->load(self, load, already, err);
    return fail(port->faults, err);
}

void sim_faults_wrap_warehouse(struct sim_faults *faults, struct sl_warehouse *warehouse)
{
    struct sim_warehouse_port *port = &faults->warehouse;
    *port = (struct sim_warehouse_port){.ops = *warehouse->ops, .real = warehouse->ops, .faults = faults};
#define X(name) port->ops.name = warehouse_##name;
    SIM_WAREHOUSE_SLOTS(X)
#undef X
    port->ops.destroy = warehouse_destroy;
    warehouse->ops = &port->ops;
}

/* ---- bus ---- */

static struct sim_bus_port *bus_port(struct sl_bus *self)
{
    return (struct sim_bus_port *)self;
}

static void bus_destroy(struct sl_bus *self)
{
    (void)self;
}

static enum sl_code bus_receive(struct sl_bus *self, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                struct sl_err *err)
{
    struct sl_bus *inner = bus_port(self)->inner;
    return inner->ops->receive(inner, max_n, max_bytes, timeout_ms, out, err);
}

static enum sl_code bus_ack(struct sl_bus *self, const struct sl_bus_batch *batch, struct sl_err *err)
{
    const struct sim_bus_port *port = bus_port(self);
    const bool was_dead = port->faults->dead;
    enum sl_code code = pass(port->faults, SIM_BUS_ack, err);
    if (code != SL_OK && (!port->faults->fault.after || was_dead))
        return code;
    if (port->faults->before_ack)
        port->faults->before_ack(port->faults->before_ack_arg, batch);
    enum sl_code real = port->inner->ops->ack(port->inner, batch, err);
    return code == SL_OK ? real : fail(port->faults, err);
}

/* What a dead process does not do. */
static enum sl_code bus_publish(struct sl_bus *self, const char *topic, const char *data, size_t len, const char *attributes,
                                struct sl_err *err)
{
    const struct sim_bus_port *port = bus_port(self);
    if (port->faults->dead)
        return fail(port->faults, err);
    return port->inner->ops->publish(port->inner, topic, data, len, attributes, err);
}

static int64_t bus_silent_ms(struct sl_bus *self, const struct sl_phase *phase, int64_t now_us)
{
    struct sl_bus *inner = bus_port(self)->inner;
    return inner->ops->silent_ms(inner, phase, now_us);
}

static const struct sl_bus_ops BUS_OPS = {
    .name = "sim",
    .destroy = bus_destroy,
    .receive = bus_receive,
    .ack = bus_ack,
    .publish = bus_publish,
    .silent_ms = bus_silent_ms,
};

struct sl_bus *sim_faults_wrap_bus(struct sim_faults *faults, struct sl_bus *inner)
{
    faults->bus = (struct sim_bus_port){.base = {.ops = &BUS_OPS}, .inner = inner, .faults = faults};
    return &faults->bus.base;
}
