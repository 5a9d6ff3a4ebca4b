/* The broker's core: ranges of acks, leases, attempts, backoff, limits; and all of it against a model that keeps one record per message. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "broker/broker_internal.h"

/* ---- ranges ---- */

static void add_text(struct sl_ranges *set, const char *text)
{
    char *copy = sl_strdup(text), *save = NULL;
    for (char *part = strtok_r(copy, " ", &save); part; part = strtok_r(NULL, " ", &save)) {
        char *dash = strchr(part, '-');
        int64_t first = atoll(part), last = dash ? atoll(dash + 1) : first;
        sl_ranges_add(set, first, last);
    }
    free(copy);
}

static char *ranges_text(const struct sl_ranges *set, char *out)
{
    int n = sprintf(out, "%lld:", (long long)set->floor);
    for (size_t i = 0; i < set->n; i++) {
        const struct sl_range *range = &set->items[set->head + i];
        n += sprintf(out + n, " %lld-%lld", (long long)range->first, (long long)range->last);
    }
    return out;
}

Test(broker_core, ranges_merge)
{
    static const struct {
        const char *label, *added, *expected;
        int64_t total;
    } cases[] = {
        {"nothing", "", "0:", 0},
        {"in order moves the floor", "1 2 3", "3:", 0},
        {"one above", "5", "0: 5-5", 1},
        {"grows up", "5 6", "0: 5-6", 2},
        {"grows down", "6 5", "0: 5-6", 2},
        {"joins two", "4 6 5", "0: 4-6", 3},
        {"twice the same", "5 5", "0: 5-5", 1},
        {"between", "3 9 6", "0: 3-3 6-6 9-9", 3},
        {"over many", "3 5 7 9 2-10", "0: 2-10", 9},
        {"floor takes what touches", "2 4 1", "2: 4-4", 1},
        {"floor takes several", "2 4 6-8 1 3 5", "8:", 0},
        {"below the floor", "1-5 3", "5:", 0},
        {"partly below the floor", "1-5 4-7", "7:", 0},
        {"partly in a range", "5-8 7-12", "0: 5-12", 8},
        {"around a range", "5-6 4-9 20", "0: 4-9 20-20", 7},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_ranges set;
        char text[256];
        sl_ranges_init(&set, 0);
        add_text(&set, cases[i].added);
        cr_expect_str_eq(ranges_text(&set, text), cases[i].expected, "%s", cases[i].label);
        cr_expect_eq(set.total, cases[i].total, "%s", cases[i].label);
        sl_ranges_fini(&set);
    }
}

/* Rows that the store would hold after each round of gone and dirty ranges are the ranges themselves. */
#define N_NUMBERS 400
struct rows {
    int64_t last[N_NUMBERS + 2]; /* by first; 0: no row */
    int64_t floor;
};

static void store(struct rows *rows, struct sl_ranges *set)
{
    if (set->floor_dirty)
        rows->floor = set->floor;
    for (size_t i = 0; i < set->n_gone; i++)
        rows->last[set->gone[i]] = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct sl_range *range = &set->items[set->head + i];
        if (range->dirty)
            rows->last[range->first] = range->last;
    }
    sl_ranges_clean(set);
}

static void expect_rows(const struct rows *rows, const struct sl_ranges *set, unsigned seed)
{
    size_t n = 0;
    cr_assert_eq(rows->floor, set->floor, "seed %u", seed);
    for (int64_t first = 0; first <= N_NUMBERS; first++)
        n += rows->last[first] != 0;
    cr_assert_eq(n, set->n, "seed %u", seed);
    for (size_t i = 0; i < set->n; i++) {
        const struct sl_range *range = &set->items[set->head + i];
        cr_assert_eq(rows->last[range->first], range->last, "seed %u", seed);
    }
}

Test(broker_core, ranges_are_stored_as_they_are)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct sl_ranges set;
        struct rows rows = {0};
        bool in[N_NUMBERS + 2] = {true};
        unsigned state = seed;
        sl_ranges_init(&set, 0);
        for (int step = 0; step < 300; step++) {
            int64_t first = 1 + rand_r(&state) % N_NUMBERS, last = first + (rand_r(&state) % 4 ? 0 : rand_r(&state) % 9);
            last = last > N_NUMBERS ? N_NUMBERS : last;
            sl_ranges_add(&set, first, last);
            for (int64_t n = first; n <= last; n++)
                in[n] = true;
            if (rand_r(&state) % 5 == 0)
                store(&rows, &set);
        }
        store(&rows, &set);
        expect_rows(&rows, &set, seed);
        for (int64_t n = 1; n <= N_NUMBERS; n++)
            cr_assert_eq(sl_ranges_has(&set, n), in[n], "seed %u, %lld", seed, (long long)n);
        sl_ranges_fini(&set);
    }
}

/* ---- one message's life ---- */

struct fixture {
    struct sl_delivery delivery;
    struct sl_flow flow;
};

static struct fixture begin(struct sl_delivery_policy policy)
{
    struct fixture fixture = {.flow = {0}};
    sl_delivery_init(&fixture.delivery, 0, 1000);
    fixture.delivery.policy = policy;
    return fixture;
}

Test(broker_core, lease_ack_and_floor)
{
    struct fixture f = begin((struct sl_delivery_policy){0});
    for (int64_t n = 1; n <= 3; n++) {
        cr_assert_eq(sl_delivery_unseen(&f.delivery, 3), n);
        struct sl_lease lease = sl_delivery_lease(&f.delivery, n, &f.flow, 10, 1000);
        cr_assert_eq(lease.attempt, 1);
    }
    cr_assert_eq(sl_delivery_unseen(&f.delivery, 3), 0);
    cr_assert_eq(f.flow.bytes, 30);
    cr_assert(sl_delivery_ack(&f.delivery, 2, 3));
    cr_assert_eq(f.delivery.acked.floor, 0);
    cr_assert(sl_delivery_ack(&f.delivery, 1, 3));
    cr_assert_eq(f.delivery.acked.floor, 2);
    cr_assert_not(sl_delivery_ack(&f.delivery, 1, 3), "acked already");
    cr_assert_not(sl_delivery_ack(&f.delivery, 4, 3), "no such message");
    cr_assert_not(sl_delivery_ack(&f.delivery, 0, 3));
    cr_assert_eq(sl_delivery_unacked(&f.delivery, 3), 1);
    cr_assert_eq(f.delivery.n_leased, 1);
    cr_assert_eq(f.flow.bytes, 10);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, expiry_counts_and_an_old_lease_means_nothing_but_its_ack)
{
    struct fixture f = begin((struct sl_delivery_policy){0});
    struct sl_lease first = sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 100);
    cr_assert_eq(sl_delivery_due_ms(&f.delivery), 100);
    sl_delivery_tick(&f.delivery, 99);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 0);
    cr_assert(sl_delivery_extend(&f.delivery, 1, first.serial, 200));
    sl_delivery_tick(&f.delivery, 199);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 0, "extended");
    sl_delivery_tick(&f.delivery, 200);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 1);
    cr_assert_eq(sl_delivery_due_ms(&f.delivery), SL_NEVER);
    cr_assert_not(sl_delivery_extend(&f.delivery, 1, first.serial, 900), "expired");
    struct sl_lease second = sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 300);
    cr_assert_eq(second.attempt, 2);
    cr_assert_not(sl_delivery_nack(&f.delivery, 1, first.serial, 250), "another lease by now");
    cr_assert_not(sl_delivery_extend(&f.delivery, 1, first.serial, 900));
    cr_assert_eq(sl_delivery_attempts(&f.delivery, 1), 1);
    cr_assert(sl_delivery_ack(&f.delivery, 1, 1), "an ack counts whatever the lease");
    cr_assert_eq(f.delivery.n_entries, 0);
    cr_assert_eq(f.flow.leases.n, 0);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, backoff_doubles_up_to_its_maximum)
{
    static const int64_t waits[] = {1000, 2000, 4000, 5000, 5000};
    struct fixture f = begin((struct sl_delivery_policy){.has_retry = true, .min_backoff_ms = 1000, .max_backoff_ms = 5000});
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct sl_lease lease = sl_delivery_lease(&f.delivery, 1, &f.flow, 1, now + 10000);
        cr_assert_eq(lease.attempt, (int)i + 1);
        cr_assert(sl_delivery_nack(&f.delivery, 1, lease.serial, now));
        cr_assert_eq(sl_delivery_due_ms(&f.delivery), now + waits[i], "attempt %zu", i);
        sl_delivery_tick(&f.delivery, now + waits[i] - 1);
        cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 0);
        now += waits[i];
        sl_delivery_tick(&f.delivery, now);
        cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 1);
    }
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, dead_after_its_attempts)
{
    struct fixture f = begin((struct sl_delivery_policy){.max_attempts = 5});
    int64_t dead[4];
    for (int attempt = 1; attempt <= 5; attempt++) {
        cr_assert_eq(sl_delivery_dead(&f.delivery, dead, 4), 0);
        struct sl_lease lease = sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 1000);
        cr_assert_eq(lease.attempt, attempt);
        if (attempt % 2)
            sl_delivery_nack(&f.delivery, 1, lease.serial, 10);
        else
            sl_delivery_tick(&f.delivery, 1000);
    }
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 0);
    cr_assert_eq(sl_delivery_dead(&f.delivery, dead, 4), 1);
    cr_assert_eq(dead[0], 1);
    sl_delivery_revive(&f.delivery, 1, 20);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 1, "could not be forwarded: delivered on");
    sl_delivery_nack(&f.delivery, 1, sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 1000).serial, 30);
    cr_assert_eq(sl_delivery_dead(&f.delivery, dead, 4), 1);
    cr_assert(sl_delivery_ack(&f.delivery, 1, 1));
    cr_assert_eq(sl_delivery_dead(&f.delivery, dead, 4), 0);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, a_closed_holder_frees_its_leases_in_order_and_counts_nothing)
{
    struct fixture f = begin((struct sl_delivery_policy){.max_attempts = 5});
    struct sl_flow other = {0};
    sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 1000);
    sl_delivery_lease(&f.delivery, 2, &other, 1, 1000);
    struct sl_lease third = sl_delivery_lease(&f.delivery, 3, &other, 1, 1000);
    sl_delivery_lease(&f.delivery, 4, &f.flow, 1, 1000);
    sl_delivery_nack(&f.delivery, 3, third.serial, 5);
    sl_delivery_release(&f.delivery, &f.flow);
    static const int64_t order[] = {1, 4, 3};
    static const int attempts[] = {1, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), order[i]);
        cr_assert_eq(sl_delivery_lease(&f.delivery, order[i], &other, 1, 1000).attempt, attempts[i]);
    }
    cr_assert_eq(f.flow.leases.n, 0);
    cr_assert_eq(f.flow.bytes, 0);
    cr_assert_eq(other.leases.n, 4);
    sl_delivery_release(&f.delivery, &f.flow);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 0);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, limits_of_a_holder)
{
    static const struct {
        const char *label;
        int64_t max_messages, max_bytes, held, bytes_each, next;
        bool room;
    } cases[] = {
        {"no limits", 0, 0, 1000, 1000, 1000000, true},
        {"below the count", 3, 0, 2, 1, 1, true},
        {"at the count", 3, 0, 3, 1, 1, false},
        {"below the bytes", 0, 100, 1, 50, 50, true},
        {"over the bytes", 0, 100, 1, 50, 51, false},
        {"one bigger than the limit goes alone", 0, 100, 0, 0, 5000, true},
        {"but not beside another", 0, 100, 1, 1, 5000, false},
        {"negative is none", -1, -1, 5, 5, 5, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = begin((struct sl_delivery_policy){0});
        f.flow.max_messages = cases[i].max_messages;
        f.flow.max_bytes = cases[i].max_bytes;
        for (int64_t n = 1; n <= cases[i].held; n++)
            sl_delivery_lease(&f.delivery, n, &f.flow, cases[i].bytes_each, 1000);
        cr_expect_eq(sl_flow_has_room(&f.flow, cases[i].next), cases[i].room, "%s", cases[i].label);
        sl_delivery_fini(&f.delivery);
    }
}

Test(broker_core, restored_state_is_delivered_where_it_stopped)
{
    struct fixture f = begin((struct sl_delivery_policy){.max_attempts = 7});
    sl_delivery_fini(&f.delivery);
    sl_delivery_init(&f.delivery, 10, 1);
    f.delivery.policy.max_attempts = 7;
    sl_delivery_restore_acked(&f.delivery, 13, 14);
    sl_delivery_restore_attempts(&f.delivery, 12, 3, 0);
    sl_delivery_restore_attempts(&f.delivery, 14, 2, 0); /* acked: nothing to restore */
    sl_delivery_restore_attempts(&f.delivery, 16, 7, 0);
    int64_t dead[2];
    cr_assert_eq(sl_delivery_dead(&f.delivery, dead, 2), 1);
    cr_assert_eq(dead[0], 16);
    cr_assert_eq(sl_delivery_ready(&f.delivery, &f.flow, NULL), 12);
    cr_assert_eq(sl_delivery_lease(&f.delivery, 12, &f.flow, 1, 100).attempt, 4);
    static const int64_t unseen[] = {11, 15, 17};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(sl_delivery_unseen(&f.delivery, 17), unseen[i]);
        sl_delivery_lease(&f.delivery, unseen[i], &f.flow, 1, 100);
    }
    cr_assert_eq(sl_delivery_unseen(&f.delivery, 17), 0);
    cr_assert_eq(sl_delivery_unacked(&f.delivery, 17), 5);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, missing_messages_count_as_acked)
{
    struct fixture f = begin((struct sl_delivery_policy){0});
    struct sl_lease lease = sl_delivery_lease(&f.delivery, 1, &f.flow, 1, 100);
    sl_delivery_lease(&f.delivery, 2, &f.flow, 1, 100);
    sl_delivery_nack(&f.delivery, 1, lease.serial, 5);
    sl_delivery_missing(&f.delivery, 1, 4);
    cr_assert_eq(f.delivery.acked.floor, 4);
    cr_assert_eq(f.delivery.n_entries, 0);
    cr_assert_eq(f.flow.leases.n, 0);
    cr_assert_eq(sl_delivery_unseen(&f.delivery, 6), 5);
    sl_delivery_fini(&f.delivery);
}

Test(broker_core, entries_are_bounded)
{
    struct fixture f = begin((struct sl_delivery_policy){0});
    for (size_t n = 1; n <= SL_ENTRIES_MAX; n++) {
        cr_assert_eq(sl_delivery_unseen(&f.delivery, INT64_C(1) << 39), (int64_t)n);
        sl_delivery_lease(&f.delivery, (int64_t)n, &f.flow, 1, 100);
    }
    cr_assert_eq(sl_delivery_unseen(&f.delivery, INT64_C(1) << 39), 0);
    sl_delivery_ack(&f.delivery, 77, (int64_t)SL_ENTRIES_MAX);
    cr_assert_eq(sl_delivery_unseen(&f.delivery, INT64_C(1) << 39), (int64_t)SL_ENTRIES_MAX + 1);
    sl_delivery_fini(&f.delivery);
}

/* ---- the model ---- */

enum model_state { UNSEEN, LEASED, WAITING, READY, DEAD, ACKED };
#define N_MODEL 120
struct model {
    struct {
        enum model_state state;
        int attempts;
        int64_t at_ms;
        uint64_t serial;
        int flow;
    } messages[N_MODEL + 1];
    int stored_attempts[N_MODEL + 1];
    int64_t last, now;
};

static const struct sl_delivery_policy POLICY = {.max_attempts = 6, .has_retry = true, .min_backoff_ms = 10, .max_backoff_ms = 60};

static void model_fail(struct model *model, int64_t n)
{
    static const int64_t wait[] = {0, 10, 20, 40, 60, 60, 60};
    int attempts = ++model->messages[n].attempts;
    model->messages[n].state = attempts >= POLICY.max_attempts ? DEAD : WAITING;
    if (model->messages[n].state == WAITING)
        model->messages[n].at_ms = model->now + wait[attempts];
}

/* Due times in their order, as the core takes them; equal ones in any order come to the same. */
static void model_tick(struct model *model)
{
    for (int64_t n = 1; n <= model->last; n++)
        if (model->messages[n].state == WAITING && model->messages[n].at_ms <= model->now)
            model->messages[n].state = READY;
        else if (model->messages[n].state == LEASED && model->messages[n].at_ms <= model->now)
            model_fail(model, n);
}

static void model_store(struct model *model, struct sl_delivery *delivery)
{
    for (size_t i = 0; i < delivery->n_changed; i++)
        model->stored_attempts[delivery->changed[i]] = sl_delivery_attempts(delivery, delivery->changed[i]);
    sl_delivery_clean(delivery);
}

static void model_check(const struct model *model, struct sl_delivery *delivery, unsigned seed)
{
    size_t leased = 0, ready = 0, dead = 0;
    int64_t unacked = 0;
    for (int64_t n = 1; n <= model->last; n++) {
        enum model_state state = model->messages[n].state;
        leased += state == LEASED;
        ready += state == READY;
        dead += state == DEAD;
        unacked += state != ACKED;
        cr_assert_eq(sl_ranges_has(&delivery->acked, n), state == ACKED, "seed %u, message %lld", seed, (long long)n);
        if (state != ACKED && state != UNSEEN)
            cr_assert_eq(sl_delivery_attempts(delivery, n), model->messages[n].attempts, "seed %u, message %lld", seed, (long long)n);
    }
    cr_assert_eq(delivery->n_leased, leased, "seed %u", seed);
    cr_assert_eq(delivery->ready.n, ready, "seed %u", seed);
    cr_assert_eq(delivery->dead.n, dead, "seed %u", seed);
    cr_assert_eq(sl_delivery_unacked(delivery, model->last), unacked, "seed %u", seed);
}

static void model_deliver(struct model *model, struct sl_delivery *delivery, struct sl_flow *flow, int which, unsigned seed)
{
    int64_t n = sl_delivery_ready(delivery, flow, NULL);
    if (n) {
        cr_assert_eq(model->messages[n].state, READY, "seed %u", seed);
    } else {
        n = sl_delivery_unseen(delivery, model->last);
        for (int64_t k = 1; k <= model->last && !n; k++)
            cr_assert_neq(model->messages[k].state, UNSEEN, "seed %u: %lld was passed over", seed, (long long)k);
        if (!n)
            return;
        cr_assert_eq(model->messages[n].state, UNSEEN, "seed %u", seed);
    }
    struct sl_lease lease = sl_delivery_lease(delivery, n, flow, 7, model->now + 50);
    cr_assert_eq(lease.attempt, model->messages[n].attempts + 1, "seed %u", seed);
    model->messages[n].state = LEASED;
    model->messages[n].at_ms = model->now + 50;
    model->messages[n].serial = lease.serial;
    model->messages[n].flow = which;
}

static void model_release(struct model *model, int which)
{
    for (int64_t n = 1; n <= model->last; n++)
        if (model->messages[n].state == LEASED && model->messages[n].flow == which)
            model->messages[n].state = READY;
}

/* The process ends and another begins: what is stored is known, leases are not. */
static void model_restart(struct model *model, struct sl_delivery *delivery, struct sl_flow flows[2])
{
    struct sl_delivery next;
    model_store(model, delivery);
    sl_delivery_init(&next, delivery->acked.floor, delivery->serial + 1000);
    next.policy = POLICY;
    for (size_t i = 0; i < delivery->acked.n; i++) {
        const struct sl_range *range = &delivery->acked.items[delivery->acked.head + i];
        sl_delivery_restore_acked(&next, range->first, range->last);
    }
    for (int64_t n = 1; n <= model->last; n++) {
        if (model->messages[n].state == ACKED)
            cr_assert_eq(model->stored_attempts[n], 0, "attempts of an acked message are gone");
        else
            cr_assert_eq(model->stored_attempts[n], model->messages[n].attempts);
        if (model->stored_attempts[n])
            sl_delivery_restore_attempts(&next, n, model->stored_attempts[n], 0);
        if (model->messages[n].state != ACKED && model->messages[n].state != DEAD)
            model->messages[n].state = model->messages[n].attempts ? READY : UNSEEN;
    }
    sl_delivery_fini(delivery);
    *delivery = next;
    memset(flows, 0, 2 * sizeof(*flows));
}

static void model_step(struct model *model, struct sl_delivery *delivery, struct sl_flow flows[2], unsigned *state, unsigned seed)
{
    int64_t n = model->last ? 1 + rand_r(state) % model->last : 0, dead;
    int which = rand_r(state) % 2;
    bool leased = n && model->messages[n].state == LEASED;
    uint64_t serial = n ? model->messages[n].serial : 0;
    switch (rand_r(state) % 12) {
    case 0:
        if (model->last < N_MODEL)
            model->last++;
        break;
    case 1:
    case 2:
    case 3: model_deliver(model, delivery, &flows[which], which, seed); break;
    case 4:
        if (n && model->messages[n].state != UNSEEN) {
            cr_assert_eq(sl_delivery_ack(delivery, n, model->last), model->messages[n].state != ACKED, "seed %u", seed);
            model->messages[n].state = ACKED;
        }
        break;
    case 5:
    case 6:
        cr_assert_eq(n && sl_delivery_nack(delivery, n, serial, model->now), leased, "seed %u", seed);
        if (leased)
            model_fail(model, n);
        break;
    case 7:
        cr_assert_eq(n && sl_delivery_extend(delivery, n, serial, model->now + 80), leased, "seed %u", seed);
        if (leased)
            model->messages[n].at_ms = model->now + 80;
        break;
    case 8:
        model->now += rand_r(state) % 30;
        sl_delivery_tick(delivery, model->now);
        model_tick(model);
        break;
    case 9:
        if (rand_r(state) % 8 == 0) {
            sl_delivery_release(delivery, &flows[which]);
            model_release(model, which);
        }
        break;
    case 10: model_store(model, delivery); break;
    case 11:
        if (rand_r(state) % 20 == 0)
            model_restart(model, delivery, flows);
        else if (sl_delivery_dead(delivery, &dead, 1)) {
            sl_delivery_ack(delivery, dead, model->last);
            model->messages[dead].state = ACKED;
        }
        break;
    }
}

Test(broker_core, model)
{
    for (unsigned seed = 1; seed <= 150; seed++) {
        struct sl_delivery delivery;
        struct sl_flow flows[2] = {{0}, {0}};
        struct model model = {.now = 1};
        unsigned state = seed;
        sl_delivery_init(&delivery, 0, 1);
        delivery.policy = POLICY;
        for (int step = 0; step < 1500; step++) {
            model_step(&model, &delivery, flows, &state, seed);
            model_check(&model, &delivery, seed);
        }
        sl_delivery_fini(&delivery);
    }
}

/* ---- ack ids, dead letters, names ---- */

Test(broker_core, ack_ids)
{
    struct sl_ack_id id = {.store = 4000000001u, .subscription = 17, .n = (INT64_C(1) << 40) - 1, .serial = UINT64_MAX - 3}, back;
    char text[SL_ACK_ID_LEN + 1];
    sl_ack_id_format(text, &id);
    cr_assert_eq(strlen(text), SL_ACK_ID_LEN);
    cr_assert(sl_ack_id_parse(&back, text, strlen(text)));
    cr_assert_eq(back.store, id.store);
    cr_assert_eq(back.subscription, id.subscription);
    cr_assert_eq(back.n, id.n);
    cr_assert_eq(back.serial, id.serial);
    cr_assert_not(sl_ack_id_parse(&back, text, SL_ACK_ID_LEN - 1));
    cr_assert_not(sl_ack_id_parse(&back, "zz", 2));
    text[20] = 'G';
    cr_assert_not(sl_ack_id_parse(&back, text, SL_ACK_ID_LEN));
}

static const char *attribute_of(const struct sl_pubsub_message *message, const char *key, char *out)
{
    strcpy(out, "(none)");
    for (size_t i = 0; i < message->n_attributes; i++) {
        const struct sl_pubsub_attribute *attribute = &message->attributes[i];
        if (attribute->key.len == strlen(key) && memcmp(attribute->key.ptr, key, attribute->key.len) == 0)
            snprintf(out, 128, "%.*s", (int)attribute->value.len, attribute->value.ptr);
    }
    return out;
}

static void read_copy(struct sl_pubsub_message **message, struct sl_span **raw, const struct sl_buf *body, struct sl_buf *request,
                      struct sl_arena *arena)
{
    struct sl_span topic;
    size_t n;
    struct sl_err err;
    sl_pubsub_put_publish_topic(request, "projects/p/topics/t");
    sl_pubsub_put_item(request, body->data, body->len);      /* field 1 */
    request->data[strlen("projects/p/topics/t") + 2] = 0x12; /* made field 2 */
    cr_assert_eq(sl_pubsub_read_publish(&topic, message, &n, raw, request->data, request->len, arena, &err), SL_OK, "%s", err.text);
    cr_assert_eq(n, 1);
}

Test(broker_core, dead_letter_copies)
{
    static const struct sl_attribute ATTRIBUTES[] = {{"a", "1"},
                                                     {"CloudPubSubDeadLetterSourceDeliveryCount", "99"},
                                                     {"CloudPubSubDeadLetterSourceDeliveryErrorMessage", "of an earlier one"},
                                                     {"z", ""}};
    struct sl_arena arena = {0};
    struct sl_buf published = {0}, copy = {0}, request = {0}, again = {0};
    struct sl_pubsub_message *message;
    struct sl_span topic, *raw;
    size_t n;
    char text[128];
    sl_pubsub_put_publish_topic(&published, "t");
    sl_pubsub_put_message(&published, 2, "body", 4, ATTRIBUTES, 4, "key");
    cr_assert_eq(sl_pubsub_read_publish(&topic, &message, &n, &raw, published.data, published.len, &arena, NULL), SL_OK);
    struct sl_dead_letter about = {.subscription = "projects/my-p/subscriptions/my-s", .attempts = 5, .publish_us = 1700000000000000};
    sl_dead_letter_put(&copy, raw[0].ptr, raw[0].len, &about);
    read_copy(&message, &raw, &copy, &request, &arena);
    cr_expect_eq(message->n_attributes, 7);
    cr_expect_str_eq(attribute_of(message, "a", text), "1");
    cr_expect_str_eq(attribute_of(message, "z", text), "");
    cr_expect_str_eq(attribute_of(message, "CloudPubSubDeadLetterSourceDeliveryCount", text), "5");
    cr_expect_str_eq(attribute_of(message, "CloudPubSubDeadLetterSourceSubscription", text), "my-s");
    cr_expect_str_eq(attribute_of(message, "CloudPubSubDeadLetterSourceSubscriptionProject", text), "my-p");
    cr_expect_str_eq(attribute_of(message, "CloudPubSubDeadLetterSourceTopicPublishTime", text), "2023-11-14T22:13:20Z");
    cr_expect_str_eq(attribute_of(message, "CloudPubSubDeadLetterSourceDeliveryErrorMessage", text),
                     "not acknowledged in 5 delivery attempts");
    cr_expect_eq(message->data.len, 4);
    cr_expect_eq(message->ordering_key.len, 3);
    sl_buf_fini(&published);
    sl_buf_fini(&copy);
    sl_buf_fini(&request);
    sl_buf_fini(&again);
    sl_arena_fini(&arena);
}

Test(broker_core, names)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"projects/p/topics/abc", true},
        {"projects/p/topics/a-._~+%9", true},
        {"projects/p/topics/ab", false},
        {"projects/p/topics/1ab", false},
        {"projects/p/topics/goog1", false},
        {"projects/p/topics/a b c", false},
        {"projects//topics/abc", false},
        {"projects/p/subscriptions/abc", false},
        {"topics/abc", false},
        {"projects/p/topics/abc/def", false},
        {"", false},
        {"projects/p", false},
        {"projects/p/topics/", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq(sl_resource_name_valid(cases[i].name, "topics"), cases[i].valid, "%s", cases[i].name);
    char longest[] = "projects/p/topics/";
    char name[400];
    snprintf(name, sizeof(name), "%s%0*d", longest, 255, 0);
    name[strlen(longest)] = 'a';
    cr_expect(sl_resource_name_valid(name, "topics"));
    strcat(name, "0");
    cr_expect_not(sl_resource_name_valid(name, "topics"));
}
