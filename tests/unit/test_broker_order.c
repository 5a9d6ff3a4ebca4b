/* Messages of one key in the broker's core: their order, who may have them, what a failure of one does to the others; and all of it against what must
 * hold whatever happens. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker_internal.h"

#define LEASE_MS 1000

struct bed {
    struct sl_delivery delivery;
    struct sl_flow a, b;
    uint64_t serials[128];
};

static void begin(struct bed *bed, struct sl_delivery_policy policy)
{
    memset(bed, 0, sizeof(*bed));
    policy.ordered = true;
    sl_delivery_init(&bed->delivery, 0, 1);
    bed->delivery.policy = policy;
    bed->a.holder = 1;
    bed->b.holder = 2;
}

/* As delivery does it: what is ready first, then the unseen; numbers are the messages', keys[n - 1] the key. "" when there is nothing for it. */
static const char *deliver(struct bed *bed, const char *keys, struct sl_flow *flow, int64_t now_ms)
{
    static char text[1024];
    struct sl_delivery *delivery = &bed->delivery;
    int64_t n, last = (int64_t)strlen(keys);
    uint32_t passed = 0;
    *text = '\0';
    while ((n = sl_delivery_ready(delivery, flow, &passed)) != 0) {
        bed->serials[n] = sl_delivery_lease(delivery, n, flow, 1, now_ms + LEASE_MS).serial;
        sprintf(text + strlen(text), "%lld ", (long long)n);
    }
    while ((n = sl_delivery_unseen(delivery, last)) != 0) {
        uint64_t key = keys[n - 1] == '-' ? 0 : (uint64_t)keys[n - 1];
        if (!sl_delivery_offer(delivery, n, key, flow, now_ms))
            continue;
        bed->serials[n] = sl_delivery_lease(delivery, n, flow, 1, now_ms + LEASE_MS).serial;
        sprintf(text + strlen(text), "%lld ", (long long)n);
    }
    return text;
}

static bool ack(struct bed *bed, int64_t n)
{
    return sl_delivery_accepts(&bed->delivery, n, bed->serials[n]) && sl_delivery_ack(&bed->delivery, n, 127);
}

Test(broker_order, a_key_goes_to_one_holder_at_a_time)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xxy-", &bed.a, 0), "1 2 3 4 ", "many of a key at a time, in order");
    cr_expect_str_eq(deliver(&bed, "xxy-xy-z", &bed.b, 0), "7 8 ", "5 and 6 wait for their keys");
    cr_expect_str_eq(deliver(&bed, "xxy-xy-z", &bed.a, 0), "5 6 ", "who has the key gets more of it");
    for (int64_t n = 1; n <= 8; n++)
        cr_expect(ack(&bed, n));
    cr_expect_eq(bed.delivery.n_entries, 0);
    cr_expect_eq(bed.delivery.n_keys, 0);
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, a_key_that_is_free_again_goes_to_anybody)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "x", &bed.a, 0), "1 ");
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.b, 0), "");
    cr_expect(ack(&bed, 1));
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.b, 0), "2 3 ");
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.a, 0), "");
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, nobody_keeps_a_key_that_others_want)
{
    struct bed bed;
    char keys[SL_KEY_TENURE + 3];
    memset(keys, 'x', sizeof(keys));
    keys[sizeof(keys) - 1] = '\0';
    begin(&bed, (struct sl_delivery_policy){0});
    bed.delivery.shared = true;
    deliver(&bed, keys, &bed.a, 0);
    cr_expect_eq(bed.delivery.n_leased, SL_KEY_TENURE);
    cr_expect_str_eq(deliver(&bed, keys, &bed.b, 0), "");
    for (int64_t n = 1; n < SL_KEY_TENURE; n++)
        cr_expect(ack(&bed, n));
    cr_expect_str_eq(deliver(&bed, keys, &bed.a, 0), "", "not before it is done with all");
    cr_expect(ack(&bed, SL_KEY_TENURE));
    cr_expect_str_eq(deliver(&bed, keys, &bed.b, 0), "65 66 ");
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, a_nack_calls_the_later_ones_back)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xxxyx", &bed.a, 0), "1 2 3 4 5 ");
    cr_expect(ack(&bed, 1));
    cr_expect(sl_delivery_nack(&bed.delivery, 2, bed.serials[2], 0));
    cr_expect_not(ack(&bed, 3), "its lease is not good any more");
    cr_expect_not(sl_delivery_extend(&bed.delivery, 5, bed.serials[5], 100));
    cr_expect(ack(&bed, 4), "of another key");
    cr_expect_str_eq(deliver(&bed, "xxxyx", &bed.b, 0), "2 3 5 ", "in order, and to whoever has room");
    cr_expect_eq(sl_delivery_attempts(&bed.delivery, 2), 1);
    cr_expect_eq(sl_delivery_attempts(&bed.delivery, 3), 0, "being called back is no attempt");
    for (int64_t n = 2; n <= 5; n++)
        cr_expect_eq(ack(&bed, n), n != 4);
    cr_expect_eq(bed.delivery.acked.floor, 5);
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, behind_a_lease_the_nacked_one_waits_for_it)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.a, 0), "1 2 3 ");
    cr_expect(sl_delivery_nack(&bed.delivery, 2, bed.serials[2], 0));
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.b, 0), "", "1 is still out with the other");
    cr_expect_str_eq(deliver(&bed, "xxx", &bed.a, 0), "2 3 ");
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, a_backoff_and_an_expiry_hold_the_key_up)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){.has_retry = true, .min_backoff_ms = 50, .max_backoff_ms = 50});
    cr_expect_str_eq(deliver(&bed, "xxy", &bed.a, 0), "1 2 3 ");
    sl_delivery_tick(&bed.delivery, LEASE_MS);
    cr_expect_str_eq(deliver(&bed, "xxy", &bed.b, LEASE_MS), "", "backoff");
    sl_delivery_tick(&bed.delivery, LEASE_MS + 50);
    const char *got = deliver(&bed, "xxy", &bed.b, LEASE_MS + 50);
    cr_expect(strcmp(got, "1 2 3 ") == 0 || strcmp(got, "1 3 2 ") == 0 || strcmp(got, "3 1 2 ") == 0, "%s", got);
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, dead_ones_let_the_next_go)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){.max_attempts = 1});
    cr_expect_str_eq(deliver(&bed, "xx", &bed.a, 0), "1 2 ");
    cr_expect(sl_delivery_nack(&bed.delivery, 1, bed.serials[1], 0));
    cr_expect_str_eq(deliver(&bed, "xx", &bed.a, 0), "", "it is not away yet");
    sl_delivery_ack(&bed.delivery, 1, 2);
    cr_expect_str_eq(deliver(&bed, "xx", &bed.a, 0), "2 ");
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, a_holder_that_goes_gives_all_back_in_order)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xyxy", &bed.a, 0), "1 2 3 4 ");
    cr_expect_str_eq(deliver(&bed, "xyxyx", &bed.b, 0), "", "5 is ready for the first only");
    sl_delivery_release(&bed.delivery, &bed.a);
    cr_expect_str_eq(deliver(&bed, "xyxyx", &bed.b, 0), "1 2 3 4 5 ");
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, leases_that_are_adopted_last_on)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xx", &bed.a, 0), "1 2 ");
    sl_delivery_adopt(&bed.delivery, &bed.a);
    cr_expect_eq(bed.a.leases.n, 0);
    cr_expect_eq(bed.delivery.pulled.leases.n, 2);
    cr_expect_str_eq(deliver(&bed, "xx", &bed.b, 0), "");
    cr_expect(sl_delivery_holds(&bed.delivery, 1, bed.serials[1]));
    cr_expect(ack(&bed, 1));
    cr_expect_str_eq(deliver(&bed, "xx", &bed.b, 0), "", "2 is out as before");
    cr_expect(ack(&bed, 2));
    cr_expect_eq(bed.delivery.n_leased, 0);
    sl_delivery_fini(&bed.delivery);
}

Test(broker_order, what_was_tried_before_a_start_has_its_turn_by_number)
{
    struct bed bed;
    begin(&bed, (struct sl_delivery_policy){.max_attempts = 5});
    sl_delivery_restore_attempts(&bed.delivery, 2, 3, 0);
    sl_delivery_restore_attempts(&bed.delivery, 3, 5, 0);
    sl_delivery_restore_attempts(&bed.delivery, 5, 1, 70);
    int64_t dead;
    cr_expect_str_eq(deliver(&bed, "xxyzzz", &bed.a, 0), "1 2 4 ", "5 has a backoff, 6 waits for it");
    cr_expect_eq(sl_delivery_dead(&bed.delivery, &dead, 1), 1);
    cr_expect_eq(dead, 3);
    sl_delivery_tick(&bed.delivery, 70);
    cr_expect_str_eq(deliver(&bed, "xxyzzz", &bed.a, 70), "5 6 ");
    cr_expect_eq(sl_delivery_attempts(&bed.delivery, 2), 3);
    sl_delivery_fini(&bed.delivery);
}

/* ---- seeking ---- */

Test(broker_order, a_seek_begins_anew)
{
    struct bed bed;
    struct sl_ranges target;
    begin(&bed, (struct sl_delivery_policy){0});
    cr_expect_str_eq(deliver(&bed, "xx-x", &bed.a, 0), "1 2 3 4 ");
    cr_expect(ack(&bed, 1));
    cr_expect(sl_delivery_nack(&bed.delivery, 3, bed.serials[3], 0));
    sl_delivery_clean(&bed.delivery);
    sl_ranges_init(&target, 0);
    sl_ranges_add(&target, 3, 3);
    sl_delivery_seek(&bed.delivery, &target);
    cr_expect(sl_delivery_dirty(&bed.delivery));
    cr_expect_eq(bed.a.leases.n, 0);
    cr_expect_eq(bed.delivery.n_entries, 0);
    cr_expect_eq(sl_delivery_unacked(&bed.delivery, 4), 3);
    cr_expect_not(ack(&bed, 2), "an ack from before it");
    cr_expect_str_eq(deliver(&bed, "xx-x", &bed.b, 0), "1 2 4 ");
    cr_expect(ack(&bed, 2));
    sl_ranges_fini(&target);
    sl_delivery_fini(&bed.delivery);
}

/* ---- what must always hold ---- */

#define N 80
struct model {
    int last;
    int64_t now_ms;
    char key[N + 1]; /* 0: none */
    int holder[N + 1];
    bool acked[N + 1], leased[N + 1];
    uint64_t serial[N + 1];
};

/* Of a key that has one, all before it that are not acked are out, and with the same holder. */
static void expect_order(const struct model *model, int n, int holder, unsigned seed)
{
    for (int before = 1; before < n && model->key[n]; before++) {
        if (model->acked[before] || model->key[before] != model->key[n])
            continue;
        cr_assert(model->leased[before], "seed %u: %d goes before %d", seed, n, before);
        cr_assert_eq(model->holder[before], holder, "seed %u: %d and %d are with two", seed, before, n);
    }
}

static void read_leases(struct model *model, const struct sl_delivery *delivery)
{
    for (int n = 1; n <= model->last; n++)
        model->leased[n] = model->serial[n] && sl_delivery_holds(delivery, n, model->serial[n]);
}

static void hand_out(struct model *model, struct sl_delivery *delivery, struct sl_flow *flow, int most, unsigned seed)
{
    uint32_t passed = 0;
    int64_t n;
    bool unseen = false;
    while (most > 0) {
        n = unseen ? sl_delivery_unseen(delivery, model->last) : sl_delivery_ready(delivery, flow, &passed);
        if (n == 0 && unseen)
            return;
        if (n == 0) {
            unseen = true;
            continue;
        }
        if (unseen && !sl_delivery_offer(delivery, n, (uint64_t)model->key[n], flow, model->now_ms))
            continue;
        read_leases(model, delivery);
        expect_order(model, (int)n, (int)flow->holder, seed);
        model->serial[n] = sl_delivery_lease(delivery, n, flow, 1, model->now_ms + 40).serial;
        model->holder[n] = (int)flow->holder;
        most--;
    }
}

static void restart(struct model *model, struct sl_delivery *delivery, struct sl_flow *flows)
{
    struct sl_delivery next;
    sl_delivery_init(&next, delivery->acked.floor, delivery->serial + 1000);
    next.policy = delivery->policy;
    for (size_t i = 0; i < delivery->acked.n; i++)
        sl_delivery_restore_acked(&next, delivery->acked.items[delivery->acked.head + i].first,
                                  delivery->acked.items[delivery->acked.head + i].last);
    for (int n = 1; n <= model->last; n++)
        if (sl_delivery_attempts(delivery, n) > 0)
            sl_delivery_restore_attempts(&next, n, sl_delivery_attempts(delivery, n), 0);
    sl_delivery_fini(delivery);
    *delivery = next;
    memset(model->serial, 0, sizeof(model->serial));
    for (int i = 0; i < 3; i++)
        flows[i] = (struct sl_flow){.holder = flows[i].holder + 3};
}

static void forward_dead(struct model *model, struct sl_delivery *delivery)
{
    int64_t dead;
    while (sl_delivery_dead(delivery, &dead, 1)) {
        sl_delivery_ack(delivery, dead, model->last);
        model->acked[dead] = true;
    }
}

static void step(struct model *model, struct sl_delivery *delivery, struct sl_flow *flows, unsigned *state, unsigned seed)
{
    int n = model->last ? 1 + rand_r(state) % model->last : 0, which = rand_r(state) % 3;
    switch (rand_r(state) % 11) {
    case 0:
    case 1:
        if (model->last < N)
            model->key[++model->last] = (char)(rand_r(state) % 5);
        break;
    case 2:
    case 3: hand_out(model, delivery, &flows[which], 1 + rand_r(state) % 6, seed); break;
    case 4:
    case 5:
    case 6:
        if (n && model->serial[n] && sl_delivery_accepts(delivery, n, model->serial[n]) && sl_delivery_ack(delivery, n, model->last))
            model->acked[n] = true;
        break;
    case 7:
        if (n && model->serial[n])
            sl_delivery_nack(delivery, n, model->serial[n], model->now_ms);
        break;
    case 8:
        model->now_ms += rand_r(state) % 30;
        sl_delivery_tick(delivery, model->now_ms);
        break;
    case 9:
        if (rand_r(state) % 4 == 0)
            sl_delivery_release(delivery, &flows[which]);
        flows[which].holder = (uint64_t)(flows[which].leases.n ? flows[which].holder : flows[which].holder + 3);
        break;
    case 10:
        forward_dead(model, delivery);
        if (rand_r(state) % 30 == 0)
            restart(model, delivery, flows);
        break;
    }
    for (int k = 1; k <= model->last; k++)
        cr_assert_eq(sl_ranges_has(&delivery->acked, k), model->acked[k], "seed %u: %d", seed, k);
}

/* Nobody fails any more: everything goes, to the end. */
static void finish(struct model *model, struct sl_delivery *delivery, struct sl_flow *flows, unsigned seed)
{
    for (int i = 0; i < 3; i++)
        sl_delivery_release(delivery, &flows[i]);
    for (int round = 0; round < 2 * N && sl_delivery_unacked(delivery, model->last) > 0; round++) {
        model->now_ms += 100;
        sl_delivery_tick(delivery, model->now_ms);
        forward_dead(model, delivery);
        hand_out(model, delivery, &flows[0], N, seed);
        read_leases(model, delivery);
        for (int n = 1; n <= model->last; n++)
            if (model->leased[n] && sl_delivery_ack(delivery, n, model->last))
                model->acked[n] = true;
    }
    cr_assert_eq(sl_delivery_unacked(delivery, model->last), 0, "seed %u: something is stuck", seed);
    cr_assert_eq(delivery->n_keys, 0, "seed %u", seed);
    cr_assert_eq(delivery->n_entries, 0, "seed %u", seed);
}

Test(broker_order, model)
{
    static const struct sl_delivery_policy POLICIES[] = {
        {.ordered = true},
        {.ordered = true, .has_retry = true, .min_backoff_ms = 10, .max_backoff_ms = 40},
        {.ordered = true, .max_attempts = 4, .has_retry = true, .min_backoff_ms = 5, .max_backoff_ms = 40},
    };
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct sl_delivery delivery;
        struct sl_flow flows[3] = {{.holder = 1}, {.holder = 2}, {.holder = 3}};
        struct model model = {.now_ms = 1};
        unsigned state = seed;
        sl_delivery_init(&delivery, 0, 1);
        delivery.policy = POLICIES[seed % 3];
        delivery.shared = seed % 2;
        for (int i = 0; i < 600; i++)
            step(&model, &delivery, flows, &state, seed);
        finish(&model, &delivery, flows, seed);
        sl_delivery_fini(&delivery);
    }
}
