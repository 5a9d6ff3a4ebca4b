/* IAM policies: kept, told, guarded by their etag, gone with what they are of; and everybody may do everything. */
#define _GNU_SOURCE /* memmem */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "broker_bed.h"

#define IAM "google.iam.v1.IAMPolicy/"
#define VIEWER                                                                                                                             \
    "\x0a\x0croles/viewer\x12\x11"                                                                                                         \
    "domain:google.com"
#define SNAP "projects/p/snapshots/one"

struct policy { /* what a Policy says */
    bool viewer;
    char etag[64];
    size_t etag_len, len;
};

static void read_policy(struct policy *out, const struct sl_buf *response)
{
    static const char BINDING[] = "\x22\x21" VIEWER;
    *out = (struct policy){.len = response->len};
    out->viewer = memmem(response->data, response->len, BINDING, sizeof(BINDING) - 1) != NULL;
    for (size_t i = 0; i + 2 <= response->len;) { /* version is a varint, the rest are bytes */
        const unsigned char *at = (const unsigned char *)response->data + i;
        if (at[0] == (3 << 3 | 2)) {
            out->etag_len = at[1];
            memcpy(out->etag, at + 2, at[1]);
        }
        i += at[0] == 1 << 3 ? 2 : 2 + (size_t)at[1];
    }
}

static enum sl_rpc_code get(struct bed *bed, const char *resource, struct policy *out)
{
    struct sl_buf request = {0}, response = {0};
    put_field_str(&request, 1, resource);
    enum sl_rpc_code code = bed_call(bed, IAM "GetIamPolicy", &request, &response);
    if (code == SL_RPC_OK)
        read_policy(out, &response);
    sl_buf_fini(&response);
    return code;
}

/* `binding` NULL: a policy without one. `from` NULL: without an etag. */
static enum sl_rpc_code set(struct bed *bed, const char *resource, const char *binding, const struct policy *from, struct policy *out)
{
    struct sl_buf request = {0}, response = {0}, policy = {0};
    if (binding)
        put_field_str(&policy, 4, binding);
    if (from)
        sl_wire_put_bytes(&policy, 3, from->etag, from->etag_len);
    put_field_str(&request, 1, resource);
    put_field_buf(&request, 2, &policy);
    enum sl_rpc_code code = bed_call(bed, IAM "SetIamPolicy", &request, &response);
    if (code == SL_RPC_OK && out)
        read_policy(out, &response);
    sl_buf_fini(&response);
    return code;
}

static void open_with_all(struct bed *bed)
{
    bed_open_with_sub(bed, NULL);
    make_snapshot(bed, SNAP);
}

Test(broker_iam, a_policy_is_kept_and_given_up)
{
    static const char *const RESOURCES[] = {TOPIC, SUB, SNAP};
    struct bed bed;
    struct policy first, second, third;
    open_with_all(&bed);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(get(&bed, RESOURCES[i], &first), SL_RPC_OK, "%s", bed.message);
        cr_expect_not(first.viewer);
        cr_expect_eq(first.etag_len, 3, "nobody has set one");
        cr_assert_eq(set(&bed, RESOURCES[i], VIEWER, &first, &second), SL_RPC_OK, "%s", bed.message);
        cr_expect(second.viewer);
    }
    bed_restart(&bed);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(get(&bed, RESOURCES[i], &third), SL_RPC_OK);
        cr_expect(third.viewer, "%s", RESOURCES[i]);
        cr_assert_eq(set(&bed, RESOURCES[i], NULL, &third, &second), SL_RPC_OK);
        cr_expect_not(second.viewer);
        cr_expect(second.etag_len != third.etag_len || memcmp(second.etag, third.etag, third.etag_len) != 0,
                  "another one has another etag");
    }
    bed_close(&bed);
}

Test(broker_iam, an_etag_that_is_not_the_newest_changes_nothing)
{
    struct bed bed;
    struct policy first, now;
    open_with_all(&bed);
    cr_assert_eq(get(&bed, TOPIC, &first), SL_RPC_OK);
    cr_assert_eq(set(&bed, TOPIC, VIEWER, &first, NULL), SL_RPC_OK);
    cr_expect_eq(set(&bed, TOPIC, NULL, &first, NULL), SL_RPC_ABORTED);
    cr_expect_str_eq(bed.message,
                     "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.");
    cr_assert_eq(get(&bed, TOPIC, &now), SL_RPC_OK);
    cr_expect(now.viewer);
    cr_expect_eq(set(&bed, TOPIC, NULL, NULL, &now), SL_RPC_OK, "without an etag it is written over");
    cr_expect_not(now.viewer);
    bed_close(&bed);
}

Test(broker_iam, what_is_gone_has_taken_its_policy_along)
{
    struct bed bed;
    struct policy policy;
    struct sl_buf request = {0};
    open_with_all(&bed);
    cr_assert_eq(set(&bed, TOPIC, VIEWER, NULL, NULL), SL_RPC_OK);
    cr_assert_eq(set(&bed, SUB, VIEWER, NULL, NULL), SL_RPC_OK);
    cr_assert_eq(set(&bed, SNAP, VIEWER, NULL, NULL), SL_RPC_OK);
    sl_pubsub_put_name(&request, SNAP);
    cr_assert_eq(bed_call(&bed, "Subscriber/DeleteSnapshot", &request, NULL), SL_RPC_OK);
    delete_topic(&bed, TOPIC); /* which its subscription outlives */
    cr_expect_eq(get(&bed, TOPIC, &policy), SL_RPC_NOT_FOUND);
    cr_expect_eq(get(&bed, SUB, &policy), SL_RPC_OK);
    cr_expect(policy.viewer);
    delete_subscription(&bed, SUB);
    make_topic(&bed, TOPIC);
    make_subscription(&bed, SUB, TOPIC);
    make_snapshot(&bed, SNAP);
    static const char *const RESOURCES[] = {TOPIC, SUB, SNAP};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(get(&bed, RESOURCES[i], &policy), SL_RPC_OK);
        cr_expect_not(policy.viewer, "%s", RESOURCES[i]);
    }
    bed_close(&bed);
}

Test(broker_iam, policies_are_checked)
{
    struct bed bed;
    static const struct {
        const char *label, *resource, *binding, *said;
        enum sl_rpc_code code;
    } cases[] = {
        {"no such topic", "projects/p/topics/none", VIEWER, "Resource not found (resource=projects/p/topics/none).", SL_RPC_NOT_FOUND},
        {"no resource", "", VIEWER, "Resource not found (resource=).", SL_RPC_NOT_FOUND},
        {"no role", TOPIC,
         "\x12\x08"
         "allUsers",
         "Binding: a role is missing", SL_RPC_INVALID_ARGUMENT},
        {"no member", TOPIC,
         "\x0a\x01r\x12\x05"
         "alice",
         "Binding: alice is no member; user:EMAIL is, and allUsers", SL_RPC_INVALID_ARGUMENT},
        {"a member without a name", TOPIC, "\x0a\x01r\x12\x05user:", "Binding: user: is no member; user:EMAIL is, and allUsers",
         SL_RPC_INVALID_ARGUMENT},
        {"everybody", TOPIC,
         "\x0a\x01r\x12\x08"
         "allUsers",
         "", SL_RPC_OK},
        {"nobody", TOPIC, "\x0a\x01r", "", SL_RPC_OK},
    };
    struct policy policy;
    open_with_all(&bed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(set(&bed, cases[i].resource, cases[i].binding, NULL, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
        cr_expect_str_eq(bed.message, cases[i].said, "%s", cases[i].label);
    }
    cr_assert_eq(get(&bed, TOPIC, &policy), SL_RPC_OK);
    cr_expect_eq(policy.len, policy.etag_len + 2, "a binding of nobody is left out");
    bed_close(&bed);
}

Test(broker_iam, everybody_may_do_everything)
{
    struct bed bed;
    static const struct {
        const char *resource, *permission, *granted;
        enum sl_rpc_code code;
    } cases[] = {
        {TOPIC, "pubsub.topics.get", "\x0a\x11pubsub.topics.get", SL_RPC_OK},
        {SUB, "pubsub.subscriptions.consume", "\x0a\x1cpubsub.subscriptions.consume", SL_RPC_OK},
        {SNAP, "pubsub.snapshots.seek", "\x0a\x15pubsub.snapshots.seek", SL_RPC_OK},
        {"projects/p/topics/none", "pubsub.topics.get", "", SL_RPC_OK},
        {TOPIC, "pubsub.subscriptions.get", NULL, SL_RPC_INVALID_ARGUMENT},
        {TOPIC, "pubsub.topics.*", NULL, SL_RPC_INVALID_ARGUMENT},
    };
    struct sl_buf request = {0}, response = {0};
    open_with_all(&bed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_field_str(&request, 1, cases[i].resource);
        put_field_str(&request, 2, cases[i].permission);
        cr_expect_eq(bed_call(&bed, IAM "TestIamPermissions", &request, &response), cases[i].code, "%s: %s", cases[i].permission,
                     bed.message);
        if (cases[i].granted)
            cr_expect_str_eq(sl_buf_text(&response), cases[i].granted, "%s", cases[i].permission);
    }
    cr_expect_str_eq(bed.message, "Permission pubsub.topics.* is not valid for this resource.");
    sl_buf_fini(&response);
    bed_close(&bed);
}
