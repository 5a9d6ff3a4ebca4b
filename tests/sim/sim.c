/* sim.c - the life of a world, its clock, and the calls of the engine. */
#include "sim.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/ledger_sqlite.h>
#include <sluice/log.h>
#include <sluice/ops.h>

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        struct sl_err err = {0};                                                                                                           \
        enum sl_code code_ = (call);                                                                                                       \
        cr_assert_eq(code_, SL_OK, "%s: %s: %s", #call, sl_code_name(code_), err.text);                                                    \
    } while (0)

/* ---- config ---- */

static const char *split_set(struct sim *sim, const char *set, struct sl_override *out)
{
    const char *equals = strchr(set, '=');
    cr_assert_not_null(equals, "a set without =: %s", set);
    out->key = sl_arena_strndup(&sim->arena, set, (size_t)(equals - set));
    out->value = equals + 1;
    return out->key;
}

static void load_config(struct sim *sim, const char *const *sets)
{
    struct sl_override overrides[16];
    size_t n = 0;
    for (; sets && sets[n]; n++)
        split_set(sim, sets[n], &overrides[n]);
    struct sl_buf errors = {0};
    struct sl_err err = {0};
    sim->configs = sl_realloc_array(sim->configs, sim->n_configs + 1, sizeof *sim->configs);
    enum sl_code code = sl_config_parse(&sim->configs[sim->n_configs], sim->text, strlen(sim->text), "sim.yaml", sim->dir, overrides, n,
                                        NULL, &errors, &err);
    cr_assert_eq(code, SL_OK, "%s\n%s", err.text, sl_buf_text(&errors));
    sl_buf_fini(&errors);
    sim->config = sim->configs[sim->n_configs++];
}

/* ---- tables ---- */

static void make_table(struct sim *sim, const char *name)
{
    char dataset[64];
    const char *dot = strchr(name, '.');
    snprintf(dataset, sizeof dataset, "%.*s", (int)(dot - name), name);
    sim_sql(sim, dataset, "CREATE TABLE IF NOT EXISTS %s (game_date DATE TEXT, game_id TEXT)", dot + 1);
}

static void make_tables(struct sim *sim)
{
    sim_sql(sim, "raw",
            "CREATE TABLE schedule (game_date DATE TEXT, game_id TEXT, status TEXT, season TEXT, PRIMARY KEY (game_date, game_id))");
    for (size_t p = 0; p < sim->config->n_phases; p++)
        for (size_t i = 0; i < sim->config->phases[p].n_processors; i++)
            for (size_t s = 0; s < sim->config->phases[p].processors[i].n_sources; s++)
                make_table(sim, sim->config->phases[p].processors[i].sources[s].table);
}

/* ---- process ---- */

/* The bus may only take back what the ledger will not do a second time. */
static void check_committed(void *arg, const struct sl_bus_batch *batch)
{
    struct sim *sim = arg;
    struct sl_ledger *ledger = NULL;
    MUST(sl_ledger_open(&ledger, sim->config, SL_LEDGER_WRITE, &err));
    MUST(sl_ledger_begin(ledger, &err));
    for (size_t i = 0; i < batch->n; i++) {
        const struct sl_message *m = &batch->messages[i].message;
        bool is_new = false;
        if (m->subscription)
            MUST(sl_ledger_inbox_add(ledger, m->subscription, m->message_id, m->publish_us, sim->now_us, &is_new, &err));
        cr_assert(!is_new, "message %s was acked before its commit", m->message_id);
    }
    sl_ledger_rollback(ledger);
    sl_ledger_destroy(&ledger);
}

static void set_silence(struct sim *sim)
{
    sl_memory_bus_silent(sim->memory, sim->connected ? (sim->now_us - sim->quiet_us) / 1000 : -1);
}

static void make_bus(struct sim *sim)
{
    sl_memory_bus_create(&sim->memory, sim->config);
    sim->bus = sim_faults_wrap_bus(&sim->faults, sim->memory);
    sim->faults.before_ack = check_committed;
    sim->faults.before_ack_arg = sim;
    sim->n_published = 0;
    sim->n_acked = 0;
}

static void start_process(struct sim *sim)
{
    /* The power does not fail here: fsync is another test's. */
    const struct sl_ledger_sqlite_options options = {.synchronous = SL_SYNC_OFF};
    MUST(sl_ledger_sqlite_open(&sim->ledger, sim->config->ledger.path, SL_LEDGER_WRITE, &options, &err));
    MUST(sl_warehouse_open(&sim->warehouse, sim->config, &err));
    sim_faults_wrap_ledger(&sim->faults, sim->ledger);
    sim_faults_wrap_warehouse(&sim->faults, sim->warehouse);
    sl_worker_create(&sim->worker, sim->config, sim->ledger, sim->warehouse, sim->bus, &sim->options);
    set_silence(sim);
    MUST(sl_worker_start(sim->worker, sim->now_us, &err));
    sim_look(sim);
}

static void kill_process(struct sim *sim)
{
    sl_worker_destroy(&sim->worker);
    sl_ledger_destroy(&sim->ledger);
    sl_warehouse_destroy(&sim->warehouse);
    sim_faults_clear(&sim->faults);
}

static void make_dir(struct sim *sim)
{
    struct stat about;
    bool in_memory = stat("/dev/shm", &about) == 0 && access("/dev/shm", W_OK) == 0;
    char wh[96];
    snprintf(sim->dir, sizeof sim->dir, "%s/sluice-sim-XXXXXX", in_memory ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(sim->dir));
    snprintf(wh, sizeof wh, "%s/wh", sim->dir);
    cr_assert_eq(mkdir(wh, 0750), 0);
    snprintf(wh, sizeof wh, "%s/log", sim->dir);
    sim->log_fd = open(wh, O_CREAT | O_RDWR | O_APPEND, 0640);
    cr_assert_geq(sim->log_fd, 0);
    sl_log_open(sim->log_fd, SL_LOG_JSON, SL_DEBUG, false);
}

void sim_open(struct sim *sim, const char *text, const char *const *sets)
{
    make_dir(sim);
    sim->text = text;
    sim->gates = sl_map_create();
    sim->ids = sl_map_create();
    sim->batch = 1000;
    sim->poll_ms = SIM_MINUTE;
    load_config(sim, sets);
    sim_at(sim, "2025-01-10 12:00:00");
    sim->start_us = sim->quiet_us = sim->now_us;
    sim->connected = true;
    make_tables(sim);
    MUST(sl_ledger_open(&sim->watch, sim->config, SL_LEDGER_WRITE, &err));
    struct sl_warehouse *warehouse = NULL;
    const char **made = NULL;
    size_t n_made = 0;
    MUST(sl_warehouse_open(&warehouse, sim->config, &err));
    MUST(sl_warehouse_init(warehouse, sim->config, &made, &n_made, &sim->arena, &err));
    sl_warehouse_destroy(&warehouse);
    make_bus(sim);
    start_process(sim);
}

static const struct sl_config *config_of(const struct sim *sim, const char *hash)
{
    for (size_t i = 0; i < sim->n_configs; i++)
        if (sl_str_eq(sim->configs[i]->hash, hash))
            return sim->configs[i];
    return NULL;
}

/* The record of a gate is enough to decide it again: read back under its config its facts write themselves to the byte, and decide to the byte. */
static void expect_again(struct sim *sim, const struct sl_decision_record *record)
{
    struct sl_facts facts;
    struct sl_decision decision;
    struct sl_buf text = {0}, decided = {0};
    struct sl_json json;
    struct sl_err err;
    const struct sl_config *config = config_of(sim, record->config_hash);
    if (!config || !record->facts)
        return;
    cr_assert_eq(sl_facts_read(&facts, config, record->facts, strlen(record->facts), &sim->arena, &err), SL_OK, "%s", err.text);
    sl_json_init(&json, &text);
    sl_facts_json(&json, &facts);
    sl_gate_decide(&decision, config, &facts, &sim->arena);
    sl_json_init(&json, &decided);
    sl_decision_json(&json, &decision);
    cr_expect_str_eq(text.data, record->facts);
    cr_expect_str_eq(decided.data, record->decision);
    sl_buf_fini(&text);
    sl_buf_fini(&decided);
}

static void expect_records(struct sim *sim)
{
    const struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .all_generations = true};
    struct sl_gate *gates = NULL;
    struct sl_err err;
    size_t n = 0;
    if (sl_ledger_gates(sim->watch, &filter, &gates, &n, &sim->arena, &err) != SL_OK)
        return; /* a test that broke its ledger */
    for (size_t i = 0; i < n; i++) {
        struct sl_decision_record record;
        if (sl_ledger_decision_get(sim->watch, gates[i].phase, gates[i].date, gates[i].profile, gates[i].generation, &record, &sim->arena,
                                   &err) == SL_OK)
            expect_again(sim, &record);
    }
}

void sim_close(struct sim *sim)
{
    char command[128];
    kill_process(sim);
    expect_records(sim);
    sl_ledger_destroy(&sim->watch);
    sl_bus_destroy(&sim->memory);
    for (size_t i = 0; i < sim->n_configs; i++)
        sl_config_destroy(&sim->configs[i]);
    free(sim->configs);
    for (size_t i = 0; i < sim->n_sent; i++) {
        free(sim->sent[i].phase);
        free(sim->sent[i].data);
        free(sim->sent[i].id);
    }
    free(sim->sent);
    sl_buf_fini(&sim->trace);
    sl_map_destroy(&sim->gates);
    sl_map_destroy(&sim->ids);
    sl_arena_fini(&sim->arena);
    sl_log_open(2, SL_LOG_AUTO, SL_INFO, false);
    close(sim->log_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", sim->dir);
    cr_assert_eq(system(command), 0);
    memset(sim, 0, sizeof *sim);
}

void sim_crash(struct sim *sim)
{
    kill_process(sim);
    sl_memory_bus_redeliver(sim->memory);
    sim->quiet_us = sim->now_us;
    sim_trace(sim, "crash");
    start_process(sim);
}

void sim_restart(struct sim *sim, const char *const *sets)
{
    cr_assert_eq(sl_memory_bus_backlog(sim->memory), 0, "the bus is not empty");
    kill_process(sim);
    sl_bus_destroy(&sim->memory);
    load_config(sim, sets);
    make_bus(sim);
    sim->quiet_us = sim->now_us;
    sim_trace(sim, "restart");
    start_process(sim);
}

/* ---- clock ---- */

void sim_at(struct sim *sim, const char *local)
{
    int64_t wall_us = 0;
    bool has_offset = false;
    sl_date date = sim_date(local);
    cr_assert(sl_time_parse(local, strlen(local), &wall_us, &has_offset));
    int64_t at = sl_zone_instant(sim->config->zone, date, wall_us - (int64_t)date * SL_US_PER_DAY);
    if (!sim->start_us || sim->n_sent == 0)
        sim->start_us = sim->quiet_us = at;
    cr_assert_geq(at, sim->now_us * (sim->n_sent > 0), "time does not go back");
    sim->now_us = at;
}

void sim_advance(struct sim *sim, int64_t ms)
{
    sim->now_us += ms * 1000;
}

void sim_disconnect(struct sim *sim)
{
    sim->connected = false;
}

void sim_connect(struct sim *sim)
{
    sim->connected = true;
    sim->quiet_us = sim->now_us;
}

/* ---- engine ---- */

static enum sl_code traced(struct sim *sim, const char *what, enum sl_code code)
{
    sim_look(sim);
    if (code != SL_OK)
        sim_trace(sim, "%s: %s", what, sl_code_name(code));
    return code;
}

enum sl_code sim_batch(struct sim *sim)
{
    struct sl_bus_batch batch = {0};
    struct sl_err err = {0};
    set_silence(sim);
    enum sl_code code = sl_bus_receive(sim->bus, sim->batch, 1 << 20, 0, &batch, &err);
    if (batch.n) { /* the stream was not silent just now */
        sim->quiet_us = sim->now_us;
        set_silence(sim);
    }
    if (code == SL_OK && batch.n)
        code = sl_worker_batch(sim->worker, &batch, sim->now_us, &err);
    sl_bus_batch_fini(&batch);
    return traced(sim, "batch", code);
}

enum sl_code sim_tick(struct sim *sim)
{
    struct sl_err err = {0};
    bool more = true;
    enum sl_code code = SL_OK;
    set_silence(sim);
    for (int i = 0; code == SL_OK && more; i++) {
        cr_assert_lt(i, 1000, "a tick that never ends");
        code = sl_worker_tick(sim->worker, sim->now_us, &more, &err);
    }
    return traced(sim, "tick", code);
}

enum sl_code sim_drain(struct sim *sim)
{
    struct sl_err err = {0};
    size_t left = 0;
    return traced(sim, "drain", sl_worker_drain(sim->worker, sim->now_us, &left, &err));
}

enum sl_code sim_load(struct sim *sim, bool flush)
{
    struct sl_err err = {0};
    return traced(sim, "load", sl_worker_load(sim->worker, sim->now_us, flush, &err));
}

void sim_step(struct sim *sim)
{
    uint64_t received;
    do {
        received = sim->bus->counters.received;
        cr_assert_eq(sim_batch(sim), SL_OK, "%s", sl_buf_text(&sim->trace));
    } while (sim->bus->counters.received != received);
    cr_assert_eq(sim_tick(sim), SL_OK, "%s", sl_buf_text(&sim->trace));
    cr_assert_eq(sim_drain(sim), SL_OK, "%s", sl_buf_text(&sim->trace));
}

static enum sl_code try_everything(struct sim *sim)
{
    enum sl_code code;
    uint64_t received;
    do {
        received = sim->bus->counters.received;
        code = sim_batch(sim);
    } while (code == SL_OK && sim->bus->counters.received != received);
    if (code == SL_OK)
        code = sim_tick(sim);
    if (code == SL_OK)
        code = sim_drain(sim);
    return code == SL_OK ? sim_load(sim, false) : code;
}

void sim_persist(struct sim *sim)
{
    const int64_t quiet_us = sim->quiet_us;
    for (int i = 0; try_everything(sim) != SL_OK; i++) {
        cr_assert_lt(i, 5, "it does not get better:\n%s", sl_buf_text(&sim->trace));
        if (sim->faults.dead)
            sim_crash(sim);
        else
            sl_memory_bus_redeliver(sim->memory);
        sim->quiet_us = quiet_us;
    }
    sim_faults_clear(&sim->faults);
}

void sim_pass(struct sim *sim, int64_t ms)
{
    const int64_t end_us = sim->now_us + ms * 1000;
    while (sim->now_us < end_us) {
        int64_t due_us = SL_NEVER_US, next_us = sim->now_us + sim->poll_ms * 1000;
        MUST(sl_worker_next_due(sim->worker, &due_us, &err));
        if (due_us > sim->now_us && due_us < next_us)
            next_us = due_us;
        sim->now_us = next_us < end_us ? next_us : end_us;
        sim_step(sim);
    }
}

/* ---- operators ---- */

static const struct sl_phase *phase_of(const struct sim *sim, const char *name)
{
    const struct sl_phase *phase = sl_config_phase(sim->config, name);
    cr_assert_not_null(phase, "no phase %s", name);
    return phase;
}

static struct sl_release release_of(const struct sim *sim, const char *phase, const char *from, const char *to)
{
    return (struct sl_release){.phase = phase_of(sim, phase), .from = sim_date(from), .to = sim_date(to), .reason = "because", .who = "me"};
}

static void trace_verdict(struct sim *sim, const char *what, const struct sl_verdict *verdict)
{
    char date[SL_DATE_LEN + 1], reasons[256];
    sim_trace(sim, "%s %s %s: %s%s%s", what, verdict->after.phase, sl_date_format(verdict->after.date, date) + 5,
              sl_state_name(verdict->after.state), verdict->after.reasons ? " " : "", sl_reasons_text(verdict->after.reasons, reasons));
}

void sim_release(struct sim *sim, const char *phase, const char *from, const char *to, bool force, bool dry_run)
{
    struct sl_release release = release_of(sim, phase, from, to);
    struct sl_verdict *verdicts = NULL;
    struct sl_arena arena = {0};
    size_t n = 0;
    release.force = force;
    release.dry_run = dry_run;
    set_silence(sim);
    MUST(sl_worker_release(sim->worker, &release, sim->now_us, &verdicts, &n, &arena, &err));
    for (size_t i = 0; i < n; i++)
        trace_verdict(sim, dry_run ? "would release" : "release", &verdicts[i]);
    sl_arena_fini(&arena);
    sim_look(sim);
}

void sim_drop(struct sim *sim, const char *phase, const char *from, const char *to)
{
    struct sl_release release = release_of(sim, phase, from, to);
    size_t n = 0;
    MUST(sl_worker_drop(sim->worker, &release, sim->now_us, &n, &err));
    sim_trace(sim, "drop %zu", n);
    sim_look(sim);
}

void sim_retrigger(struct sim *sim, const char *phase, const char *date, bool new_generation)
{
    struct sl_verdict verdict = {0};
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    set_silence(sim);
    enum sl_code code = sl_worker_retrigger(sim->worker, phase_of(sim, phase), sim_date(date), new_generation, "because", "me", sim->now_us,
                                            &verdict, &arena, &err);
    if (code == SL_OK)
        trace_verdict(sim, "retrigger", &verdict);
    else
        sim_trace(sim, "retrigger: %s", sl_code_name(code));
    sl_arena_fini(&arena);
    sim_look(sim);
}

static struct sl_ops operator_of(const struct sim *sim)
{
    return (struct sl_ops){.config = sim->config,
                           .ledger = sim->watch,
                           .warehouse = sim->warehouse,
                           .now_us = sim->now_us,
                           .today = sl_zone_date(sim->config->zone, sim->now_us)};
}

int64_t sim_hold(struct sim *sim, const char *phase, const char *from, const char *to, int64_t for_ms)
{
    struct sl_hold hold = {.phase = phase, .from = sim_date(from), .to = sim_date(to), .reason = "wait", .who = "me"};
    const struct sl_ops ops = operator_of(sim);
    hold.until_us = for_ms ? sim->now_us + for_ms * 1000 : SL_NEVER_US;
    MUST(sl_ops_hold_add(&ops, &hold, &sim->arena, &err));
    sim_look(sim);
    return hold.id;
}

int64_t sim_known_gap(struct sim *sim, const char *phase, const char *date)
{
    struct sl_known_gap gap = {.phase = phase, .date = sim_date(date), .reason = "known", .who = "me", .until = SL_DATE_NONE};
    const struct sl_ops ops = operator_of(sim);
    MUST(sl_ops_known_gap_add(&ops, &gap, 1, &sim->arena, &err));
    sim_look(sim);
    return gap.id;
}
