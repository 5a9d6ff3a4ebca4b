/* Random small seasons, told twice: once in peace, once with crashes, faults, duplicates and redeliveries. Both must end the same: gates, runs, events,
 * triggers. A seed that fails is printed; SLUICE_SIM_SEED plays that one alone, SLUICE_SIM_SEEDS says how many. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { MAX_MESSAGES = 256, MAX_DATES = 4, MAX_LATE = 16 };

/* ---- chance ---- */

struct chance {
    uint64_t state;
};

/* splitmix64 */
static uint64_t next(struct chance *chance)
{
    uint64_t z = chance->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(struct chance *chance, size_t n)
{
    return (size_t)(next(chance) % n);
}

static bool percent(struct chance *chance, size_t n)
{
    return below(chance, 100) < n;
}

/* ---- a season ---- */

struct message {
    const char *phase, *processor, *status, *date;
    char run[16];
    int64_t at_us; /* after the start of the world */
    int failed;
    bool skip, broken;
};

struct row {
    const char *table, *date, *unit;
    size_t when; /* before this message is sent; 0: there from the start */
};

struct story {
    struct message messages[MAX_MESSAGES];
    size_t n;
    struct row rows[MAX_MESSAGES];
    size_t n_rows;
    size_t together[MAX_MESSAGES]; /* messages sent before the worker's next step, 0: none starts here */
    int64_t pause_ms[MAX_MESSAGES];
    size_t batch[MAX_MESSAGES]; /* messages per batch: what is decided together is part of the story */
    char dates[MAX_DATES][SL_DATE_LEN + 1];
    size_t n_dates;
};

static const struct {
    const char *phase, *name, *table;
} PROCESSORS[] = {{"raw", "a", "raw.a"},     {"raw", "b", "raw.b"},     {"raw", "c", "raw.c"}, {"raw", "d", "raw.d"},
                  {"stats", "s", "stats.s"}, {"stats", "t", "stats.t"}, {"show", "p", NULL}};
static const char *const UNITS[] = {"G1", "G2"};

static const char *a_status(struct chance *chance)
{
    static const char *const OTHERS[] = {"partial", "no_data", "failed", "running"};
    return percent(chance, 80) ? "success" : OTHERS[below(chance, 4)];
}

static void add_message(struct story *story, struct chance *chance, size_t processor, const char *date, int run, bool plain)
{
    cr_assert_lt(story->n, MAX_MESSAGES);
    struct message *m = &story->messages[story->n++];
    *m = (struct message){.phase = PROCESSORS[processor].phase, .processor = PROCESSORS[processor].name, .status = "success", .date = date};
    snprintf(m->run, sizeof m->run, "run %d", run);
    m->at_us = (int64_t)below(chance, 60) * 1000000;
    if (plain)
        return;
    m->status = a_status(chance);
    m->failed = percent(chance, 10) ? 1 : 0;
    m->skip = percent(chance, 5);
    m->broken = percent(chance, 3);
}

static void add_rows(struct story *story, struct chance *chance, const char *date)
{
    for (size_t p = 0; p < sizeof PROCESSORS / sizeof *PROCESSORS; p++)
        for (size_t u = 0; PROCESSORS[p].table && u < 2; u++)
            if (percent(chance, 92))
                story->rows[story->n_rows++] = (struct row){PROCESSORS[p].table, date, UNITS[u],
                                                            percent(chance, 15) ? 1 + below(chance, 30) : 0};
}

static void shuffle(struct story *story, struct chance *chance)
{
    for (size_t i = story->n; i > 1; i--) {
        size_t other = below(chance, i);
        struct message swap = story->messages[i - 1];
        story->messages[i - 1] = story->messages[other];
        story->messages[other] = swap;
    }
}

/* `plain`: every processor succeeds once for every date. */
static void make_story(struct story *story, struct chance *chance, bool plain)
{
    memset(story, 0, sizeof *story);
    story->n_dates = 2 + below(chance, MAX_DATES - 1);
    for (size_t d = 0; d < story->n_dates; d++) {
        const char *date = sl_date_format(sim_date("2025-01-05") + (sl_date)d, story->dates[d]);
        add_rows(story, chance, date);
        for (size_t p = 0; p < sizeof PROCESSORS / sizeof *PROCESSORS; p++) {
            if (plain || percent(chance, 95))
                add_message(story, chance, p, date, 1, plain);
            if (!plain && percent(chance, 20)) /* again, or the end of one that was running */
                add_message(story, chance, p, date, percent(chance, 70) ? 2 : 1, plain);
        }
    }
    shuffle(story, chance);
    for (size_t i = 0; i < story->n;) {
        story->together[i] = 1 + below(chance, 5);
        story->pause_ms[i] = (int64_t)below(chance, 4000); /* shorter than a silence */
        story->batch[i] = 1 + below(chance, 6);
        i += story->together[i];
    }
}

/* ---- telling it ---- */

static void set_fault(struct sim *sim, struct chance *chance)
{
    static const enum sim_slot SLOTS[] = {SIM_LEDGER_commit,  SIM_LEDGER_begin, SIM_WAREHOUSE_present,  SIM_WAREHOUSE_calendar,
                                          SIM_WAREHOUSE_load, SIM_BUS_ack,      SIM_LEDGER_outbox_done, SIM_LEDGER_load_done};
    struct sim_fault *fault = &sim->faults.fault;
    const bool any = percent(chance, 50);
    *fault = (struct sim_fault){.slot = any ? SIM_LEDGER_ANY : SLOTS[below(chance, sizeof SLOTS / sizeof *SLOTS)]};
    fault->at = 1 + below(chance, any ? 60 : 3);
    fault->for_ever = percent(chance, 50);
    fault->after = percent(chance, 50);
    fault->code = fault->for_ever ? SL_INTERNAL : SL_UNAVAILABLE;
}

/* Something that must not matter. */
static void disturb(struct sim *sim, struct chance *chance)
{
    for (size_t i = below(chance, 3); i > 0 && sim->n_sent > 0; i--)
        sim_send_again(sim, below(chance, sim->n_sent));
    if (percent(chance, 10))
        sim_crash(sim);
    if (percent(chance, 20))
        sl_memory_bus_fail_publishes(sim->memory, 1 + (int)below(chance, 3), SL_UNAVAILABLE);
    if (percent(chance, 40))
        set_fault(sim, chance);
}

static void send_message(struct sim *sim, const struct message *m)
{
    if (m->broken)
        sim_send(sim, m->phase, "{\"broken\": ");
    else
        report(sim, m->phase, m->processor, m->date, m->status, .run = m->run, .at_us = sim->start_us + m->at_us, .failed = m->failed,
               .skip = m->skip);
}

static void add_rows_before(struct sim *sim, const struct story *story, size_t message)
{
    for (size_t i = 0; i < story->n_rows; i++)
        if (story->rows[i].when == message)
            sim_rows(sim, story->rows[i].table, story->rows[i].date, story->rows[i].unit);
}

static void send_all(struct sim *sim, const struct story *story, struct chance *chance)
{
    for (size_t i = 0; i < story->n;) {
        const size_t end = i + story->together[i] < story->n ? i + story->together[i] : story->n;
        sim_advance(sim, story->pause_ms[i]);
        sim->batch = story->batch[i];
        for (; i < end; i++) {
            if (i > 0)
                add_rows_before(sim, story, i);
            send_message(sim, &story->messages[i]);
        }
        if (chance)
            disturb(sim, chance);
        sim_persist(sim);
    }
}

/* `chance` NULL: in peace. */
static void tell(struct sim *sim, const struct story *story, struct chance *chance, const char *const *sets)
{
    sim->quiet_trace = true;
    sim_open(sim, SIM_CASCADE, sets);
    for (size_t d = 0; d < story->n_dates; d++)
        for (size_t u = 0; u < 2; u++)
            sim_calendar(sim, story->dates[d], UNITS[u], "done");
    add_rows_before(sim, story, 0);
    send_all(sim, story, chance);
    for (size_t i = story->n; i < MAX_MESSAGES; i++)
        add_rows_before(sim, story, i);
    for (int minute = 0; minute < 70; minute++) {
        if (chance && percent(chance, 10))
            set_fault(sim, chance);
        sim_advance(sim, SIM_MINUTE);
        sim_persist(sim);
    }
    sim_load(sim, true);
    sim_check_triggers(sim);
    cr_assert_eq(sl_memory_bus_backlog(sim->memory), 0);
}

static size_t n_seeds(size_t otherwise)
{
    const char *text = getenv("SLUICE_SIM_SEEDS");
    return text ? strtoul(text, NULL, 10) : otherwise;
}

static uint64_t first_seed(void)
{
    const char *text = getenv("SLUICE_SIM_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

/* Lines of `a` that `b` lacks. */
static void print_lines(const char *what, const char *a, const char *b)
{
    for (; *a; a += strcspn(a, "\n") + 1) {
        char line[1024];
        snprintf(line, sizeof line, "%.*s\n", (int)strcspn(a, "\n"), a);
        if (!strstr(b, line))
            fprintf(stderr, "only %s: %s", what, line);
    }
}

static void compare(const struct sl_buf *first, const struct sl_buf *second, uint64_t seed)
{
    const char *a = sl_buf_text(first), *b = sl_buf_text(second);
    print_lines("the first time", a, b);
    print_lines("the second time", b, a);
    cr_assert(strcmp(a, b) == 0, "SLUICE_SIM_SEED=%llu tells it otherwise the second time", (unsigned long long)seed);
}

/* The log in the warehouse has each event once, whatever happened on the way. */
static void check_log(struct sim *sim, uint64_t seed)
{
    cr_assert_eq(sim_count(sim, "ref", "SELECT count(*) - count(DISTINCT event_id) FROM log"), 0, "seed %llu", (unsigned long long)seed);
    struct sl_ledger_counts counts;
    cr_assert_eq(sl_ledger_counts(sim->watch, sim->now_us, &counts, NULL), SL_OK);
    cr_assert_eq(counts.events_unloaded + counts.runs_unloaded + counts.outbox, 0, "seed %llu", (unsigned long long)seed);
}

Test(sim_random, faults_change_nothing, .timeout = 280)
{
    const uint64_t first = first_seed(), n = getenv("SLUICE_SIM_SEED") ? 1 : n_seeds(40);
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct chance chance = {seed};
        struct story *story = sl_alloc(sizeof *story);
        struct sl_buf states[2] = {{0}, {0}};
        make_story(story, &chance, false);
        for (int i = 0; i < 2; i++) {
            struct sim sim = {0};
            tell(&sim, story, i ? &chance : NULL, NULL);
            sim_state(&sim, &states[i]);
            check_log(&sim, seed);
            sim_close(&sim);
        }
        compare(&states[0], &states[1], seed);
        sl_buf_fini(&states[0]);
        sl_buf_fini(&states[1]);
        free(story);
    }
}

/* With one run per processor and all of them needed, any order of arrival gives the same gates. */
Test(sim_random, order_changes_no_gate, .timeout = 280)
{
    const uint64_t first = first_seed(), n = getenv("SLUICE_SIM_SEED") ? 1 : n_seeds(40) / 4 + 1;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct chance chance = {seed};
        struct story *story = sl_alloc(sizeof *story);
        struct sl_buf outcomes[2] = {{0}, {0}};
        make_story(story, &chance, true);
        for (int i = 0; i < 2; i++) {
            struct sim sim = {0};
            tell(&sim, story, NULL, SETS("defaults.share=100%", "phases.raw.checks.gaps=off"));
            sim_outcomes(&sim, &outcomes[i]);
            sim_close(&sim);
            shuffle(story, &chance);
        }
        compare(&outcomes[0], &outcomes[1], seed);
        sl_buf_fini(&outcomes[0]);
        sl_buf_fini(&outcomes[1]);
        free(story);
    }
}
