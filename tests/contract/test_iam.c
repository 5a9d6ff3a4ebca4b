/* test_iam.c - the questions about grants, against a server that answers as it is told: what is granted, what isn't, what is malformed, and a server that knows no such question. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#define RESOURCE "projects/p/topics/dead"

struct server {
    struct sl_rpc_loop *loop;
    struct sl_rpc_server *server;
    struct sl_pubsub_admin *admin;
    const char *answer; /* NULL: a failure of `code` */
    size_t len;
    enum sl_rpc_code code;
    char asked[256];
    size_t asked_len;
    struct sl_arena arena;
    struct sl_err err;
};

static void on_call(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len)
{
    struct server *s = arg;
    const struct sl_rpc_status status = {.code = s->answer ? SL_RPC_OK : s->code, .message = "as told"};
    (void)method;
    s->asked_len = len < sizeof s->asked ? len : sizeof s->asked;
    memcpy(s->asked, data, s->asked_len);
    sl_rpc_reply(call, &status, s->answer, s->len);
}

static const struct sl_rpc_method METHODS[] = {{"/google.iam.v1.IAMPolicy/TestIamPermissions", false},
                                               {"/google.iam.v1.IAMPolicy/GetIamPolicy", false},
                                               {"/google.pubsub.v1.Publisher/GetTopic", false}};
static const struct sl_rpc_server_handlers HANDLERS = {.call = on_call};

static void set_up(struct server *s, size_t first, size_t n)
{
    char address[64];
    int port = 0;
    *s = (struct server){.code = SL_RPC_PERMISSION_DENIED};
    cr_assert_eq(sl_rpc_loop_create(&s->loop, &s->err), SL_OK);
    cr_assert_eq(sl_rpc_server_create(&s->server, s->loop, "127.0.0.1:0", METHODS + first, n, &HANDLERS, s, &port, &s->err), SL_OK, "%s",
                 s->err.text);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    cr_assert_eq(sl_pubsub_admin_create(&s->admin, SL_PLAIN_PEER(address), &s->err), SL_OK);
}

static void tear_down(struct server *s)
{
    sl_pubsub_admin_destroy(&s->admin);
    sl_rpc_server_stop(s->server, 1000);
    sl_rpc_server_destroy(&s->server);
    sl_rpc_loop_destroy(&s->loop);
    sl_arena_fini(&s->arena);
}

Test(iam, permissions)
{
    static const struct {
        const char *label, *answer;
        size_t len;
        enum sl_code code;
        bool granted;
    } cases[] = {
        {"granted", "\x0a\x03p.x", 5, SL_OK, true},
        {"among others", "\x0a\x03p.y\x0a\x03p.x", 10, SL_OK, true},
        {"not granted", "", 0, SL_OK, false},
        {"another one, longer", "\x0a\x05p.xyz", 7, SL_OK, false},
        {"malformed", "\x0a\x09p", 3, SL_INVALID, false},
        {"denied", NULL, 0, SL_DENIED, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server s;
        bool granted = false;
        set_up(&s, 0, 2);
        s.answer = cases[i].answer;
        s.len = cases[i].len;
        cr_expect_eq(sl_pubsub_admin_test_permission(s.admin, RESOURCE, "p.x", &granted, &s.err), cases[i].code, "%s: %s", cases[i].label,
                     s.err.text);
        if (cases[i].code == SL_OK)
            cr_expect_eq(granted, cases[i].granted, "%s", cases[i].label);
        cr_expect(s.asked_len == 29 && memcmp(s.asked, "\x0a\x16" RESOURCE "\x12\x03p.x", 29) == 0, "it asked for both");
        tear_down(&s);
    }
}

/* Two bindings, the second with a condition: it may not count. */
Test(iam, grants)
{
    static const char POLICY[] =
        "\x08\x01\x22\x24\x0a\x16roles/pubsub.publisher\x12\x05user1\x12\x03two\x22\x11\x0a\x04role\x12\x05other\x1a\x02\x0a\x00";
    struct server s;
    struct sl_grant *grants;
    size_t n;
    set_up(&s, 0, 2);
    s.answer = POLICY;
    s.len = sizeof POLICY - 1;
    cr_assert_eq(sl_pubsub_admin_grants(s.admin, RESOURCE, &grants, &n, &s.arena, &s.err), SL_OK, "%s", s.err.text);
    cr_assert_eq(n, 2);
    cr_expect_str_eq(grants[0].role, "roles/pubsub.publisher");
    cr_expect_str_eq(grants[0].member, "user1");
    cr_expect_str_eq(grants[1].member, "two");
    s.answer = NULL;
    cr_expect_eq(sl_pubsub_admin_grants(s.admin, RESOURCE, &grants, &n, &s.arena, &s.err), SL_DENIED);
    cr_expect_eq(n, 0);
    tear_down(&s);
}

Test(iam, a_server_that_knows_no_such_question)
{
    struct server s;
    struct sl_grant *grants;
    bool granted;
    size_t n;
    set_up(&s, 2, 1);
    cr_expect_eq(sl_pubsub_admin_test_permission(s.admin, RESOURCE, "p.x", &granted, &s.err), SL_INVALID, "%s", s.err.text);
    cr_expect_eq(sl_pubsub_admin_grants(s.admin, RESOURCE, &grants, &n, &s.arena, &s.err), SL_INVALID);
    tear_down(&s);
}
