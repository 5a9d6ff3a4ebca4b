/* Looking at what a subscription holds: nothing is delivered, nothing is counted, whoever holds what; and pulling what is given back at once. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#include "broker_bed.h"

struct looker {
    struct bed bed;
    struct sl_pubsub_admin *admin;
    struct sl_arena arena;
    struct sl_err err;
};

static void set_up(struct looker *l)
{
    memset(l, 0, sizeof *l);
    bed_open_with_sub(&l->bed, NULL);
    cr_assert_eq(sl_pubsub_admin_create(&l->admin, SL_PLAIN_PEER(l->bed.address), &l->err), SL_OK, "%s", l->err.text);
}

static void tear_down(struct looker *l)
{
    sl_pubsub_admin_destroy(&l->admin);
    sl_arena_fini(&l->arena);
    bed_close(&l->bed);
}

/* "text/attempts " of everything, in pages of `max`; how many pages. */
static const char *looked(struct looker *l, int max, int *pages)
{
    struct sl_buf text = {0};
    const char *from = "";
    *pages = 0;
    do {
        struct sl_received *received;
        size_t n;
        cr_assert_eq(sl_pubsub_admin_look(l->admin, SUB, from, max, &received, &n, &from, &l->arena, &l->err), SL_OK, "%s", l->err.text);
        for (size_t i = 0; i < n; i++) {
            const size_t len = received[i].message.data.len < 20 ? received[i].message.data.len : 20;
            sl_buf_printf(&text, "%.*s/%d ", (int)len, received[i].message.data.ptr, received[i].delivery_attempt);
            cr_expect_eq(received[i].ack_id.len, 0);
            cr_expect_gt(received[i].message.message_id.len, 0);
            cr_expect_gt(received[i].message.publish_us, 0);
        }
        ++*pages;
    } while (*from != '\0');
    const char *out = sl_arena_strdup(&l->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

Test(broker_look, leaves_everything_as_it_is)
{
    struct looker l;
    struct gots gots = {0};
    int pages;
    set_up(&l);
    cr_expect_str_eq(looked(&l, 0, &pages), "");
    publish_many(&l.bed, TOPIC, "m", 5, 0);
    cr_expect_str_eq(looked(&l, 0, &pages), "m0/0 m1/0 m2/0 m3/0 m4/0 ");
    expect_backlog(&l.bed, SUB, 5, 0);
    pull(&l.bed, SUB, 2, true, &gots);
    cr_expect_str_eq(looked(&l, 0, &pages), "m0/0 m1/0 m2/0 m3/0 m4/0 ", "what is leased is seen too");
    expect_backlog(&l.bed, SUB, 3, 2);
    ack(&l.bed, SUB, &gots, 0, 1);
    cr_expect_eq(modify(&l.bed, SUB, &gots, 1, 1, 0), SL_RPC_OK);
    cr_expect_str_eq(looked(&l, 0, &pages), "m1/1 m2/0 m3/0 m4/0 ", "a nack is an attempt, a look is none");
    cr_expect_str_eq(looked(&l, 0, &pages), "m1/1 m2/0 m3/0 m4/0 ");
    gots_fini(&gots);
    tear_down(&l);
}

Test(broker_look, pages)
{
    struct looker l;
    int pages;
    set_up(&l);
    publish_many(&l.bed, TOPIC, "m", 5, 0);
    cr_expect_str_eq(looked(&l, 2, &pages), "m0/0 m1/0 m2/0 m3/0 m4/0 ");
    cr_expect_eq(pages, 3);
    cr_expect_str_eq(looked(&l, 1, &pages), "m0/0 m1/0 m2/0 m3/0 m4/0 ");
    cr_expect_str_eq(looked(&l, 1000000, &pages), "m0/0 m1/0 m2/0 m3/0 m4/0 ");
    cr_expect_eq(pages, 1);
    tear_down(&l);
}

Test(broker_look, a_page_is_bounded_by_bytes)
{
    struct looker l;
    int pages;
    set_up(&l);
    publish_many(&l.bed, TOPIC, "big", 4, 600000);
    looked(&l, 0, &pages);
    cr_expect_geq(pages, 2);
    tear_down(&l);
}

Test(broker_look, of_no_subscription)
{
    struct looker l;
    struct sl_received *received;
    const char *next;
    size_t n;
    set_up(&l);
    cr_expect_eq(sl_pubsub_admin_look(l.admin, "projects/p/subscriptions/nobody", "", 0, &received, &n, &next, &l.arena, &l.err),
                 SL_NOT_FOUND);
    cr_expect_eq(sl_pubsub_admin_look(l.admin, SUB, "not a place", 0, &received, &n, &next, &l.arena, &l.err), SL_OK,
                 "it begins at the first");
    tear_down(&l);
}

Test(broker_look, pulled_and_given_back)
{
    struct looker l;
    struct sl_received *received;
    size_t n;
    set_up(&l);
    publish_many(&l.bed, TOPIC, "m", 3, 0);
    cr_assert_eq(sl_pubsub_admin_pull(l.admin, SUB, 10, &received, &n, &l.arena, &l.err), SL_OK, "%s", l.err.text);
    cr_assert_eq(n, 3);
    expect_backlog(&l.bed, SUB, 0, 3);
    const char *ids[3];
    for (size_t i = 0; i < n; i++)
        ids[i] = sl_arena_strndup(&l.arena, received[i].ack_id.ptr, received[i].ack_id.len);
    cr_expect_eq(sl_pubsub_admin_give_back(l.admin, SUB, ids, n, &l.err), SL_OK, "%s", l.err.text);
    expect_backlog(&l.bed, SUB, 3, 0);
    tear_down(&l);
}
