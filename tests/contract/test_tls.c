/* test_tls.c - channels by TLS: whose certificate is good, what a token needs, and which headers go out. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice/credentials.h>
#include <sluice/log.h>
#include <sluice/mem.h>

#include "../../src/pubsub/grpc_retry.h"
#include "pki.h"

#define N(array) (sizeof(array) / sizeof *(array))

enum { DAY_S = 24 * 3600, LIMIT_MS = 60000 };

struct place { /* a server and what it last heard */
    struct sl_rpc_loop *loop;
    struct sl_rpc_server *server;
    char address[64];
    char authorization[256], project[64], client[128], routing[128];
};

static void keep(char *out, size_t size, struct sl_rpc_peer_call *call, const char *name)
{
    const char *value = sl_rpc_header(call, name);
    snprintf(out, size, "%s", value ? value : "");
}

static void called(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len)
{
    struct place *place = arg;
    const struct sl_rpc_status ok = {.code = SL_RPC_OK};
    (void)method;
    keep(place->authorization, sizeof place->authorization, call, "authorization");
    keep(place->project, sizeof place->project, call, "x-goog-user-project");
    keep(place->client, sizeof place->client, call, "x-goog-api-client");
    keep(place->routing, sizeof place->routing, call, "x-goog-request-params");
    sl_rpc_reply(call, &ok, data, len);
}

static void place_open(struct place *place, const struct pki *pki)
{
    static const struct sl_rpc_method METHODS[] = {{"/t/Echo", false}};
    static const struct sl_rpc_server_handlers HANDLERS = {.call = called};
    struct sl_err err = {0};
    int port = 0;
    *place = (struct place){0};
    sl_log_open(2, SL_LOG_JSON, SL_ERROR, false);
    cr_assert_eq(sl_rpc_loop_create(&place->loop, &err), SL_OK);
    const struct sl_rpc_identity identity = {pki ? pki->certificate_pem : NULL, pki ? pki->key_pem : NULL};
    cr_assert_eq(sl_rpc_server_create_tls(&place->server, place->loop, "127.0.0.1:0", pki ? &identity : NULL, METHODS, 1, &HANDLERS, place,
                                          &port, &err),
                 SL_OK, "%s", err.text);
    snprintf(place->address, sizeof place->address, "localhost:%d", port);
}

static void place_close(struct place *place)
{
    sl_rpc_server_destroy(&place->server);
    sl_rpc_loop_destroy(&place->loop);
}

static enum sl_code call(const struct place *place, const struct sl_rpc_channel_options *options, struct sl_err *err)
{
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel *channel = NULL;
    struct sl_buf response = {0};
    const struct sl_rpc_request request = {
        .method = "/t/Echo", .routing = "topic=projects/p/topics/t", .data = "hello", .len = 5, .timeout_ms = LIMIT_MS};
    cr_assert_eq(sl_rpc_loop_create(&loop, err), SL_OK);
    enum sl_code code = sl_rpc_channel_create(&channel, loop, place->address, options, err);
    if (code == SL_OK)
        code = sl_rpc_call(channel, &request, &response, NULL, err);
    if (code == SL_OK)
        cr_expect_str_eq(sl_buf_text(&response), "hello");
    sl_buf_fini(&response);
    sl_rpc_channel_destroy(&channel);
    sl_rpc_loop_destroy(&loop);
    return code;
}

/* ---- certificates ---- */

Test(tls, which_certificates_are_good)
{
    static const struct {
        const char *label, *host;
        long from_s, to_s;
        enum { BY_OURS, BY_OTHER, BY_ITSELF } signer;
        const char *says; /* NULL: it is good */
    } CASES[] = {
        {"good", "localhost", -DAY_S, DAY_S, BY_OURS, NULL},
        {"expired", "localhost", -2 * DAY_S, -DAY_S, BY_OURS, "certificate has expired"},
        {"not yet valid", "localhost", DAY_S, 2 * DAY_S, BY_OURS, "certificate is not yet valid"},
        {"wrong host", "pubsub.example.com", -DAY_S, DAY_S, BY_OURS, "subject name matches target host name 'localhost'"},
        {"unknown authority", "localhost", -DAY_S, DAY_S, BY_OTHER, "unable to get local issuer certificate"},
        {"self-signed", "localhost", -DAY_S, DAY_S, BY_ITSELF, "self-signed certificate"},
    };
    struct pki ours = {0}, other = {0};
    pki_make(&ours, NULL, "our authority", NULL, -DAY_S, DAY_S);
    pki_make(&other, NULL, "another authority", NULL, -DAY_S, DAY_S);
    for (size_t i = 0; i < N(CASES); i++) {
        struct pki leaf = {0};
        struct place place;
        struct sl_err err = {0};
        const struct sl_rpc_channel_options options = {.tls = true, .roots = ours.certificate_pem};
        const struct pki *const signers[] = {&ours, &other, NULL};
        pki_make(&leaf, signers[CASES[i].signer], "leaf", CASES[i].host, CASES[i].from_s, CASES[i].to_s);
        place_open(&place, &leaf);
        cr_expect_eq(sl_tls_probe(place.address, ours.certificate_pem, LIMIT_MS, &err), CASES[i].says ? SL_DENIED : SL_OK, "%s: %s",
                     CASES[i].label, err.text);
        if (CASES[i].says)
            cr_expect_not_null(strstr(err.text, CASES[i].says), "%s: %s", CASES[i].label, err.text);
        cr_expect_eq(call(&place, &options, &err), CASES[i].says ? SL_UNAVAILABLE : SL_OK, "%s: %s", CASES[i].label, err.text);
        place_close(&place);
        pki_fini(&leaf);
    }
    pki_fini(&ours);
    pki_fini(&other);
}

Test(tls, what_is_no_tls_at_all)
{
    struct place place;
    struct sl_err err = {0};
    const struct sl_rpc_channel_options options = {.tls = true};
    place_open(&place, NULL);
    cr_expect_eq(sl_tls_probe(place.address, NULL, LIMIT_MS, &err), SL_UNAVAILABLE);
    cr_expect_eq(call(&place, &options, &err), SL_UNAVAILABLE);
    place_close(&place);
    cr_expect_eq(sl_tls_probe("localhost:1", NULL, LIMIT_MS, &err), SL_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "localhost:1"), "%s", err.text);
}

Test(tls, a_server_that_says_nothing_is_bounded)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    char address[64];
    struct sl_err err = {0};
    struct pki ours = {0};
    pki_make(&ours, NULL, "our authority", NULL, -DAY_S, DAY_S); /* the system's roots take their time to be read */
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 4) == 0);
    getsockname(fd, (struct sockaddr *)&to, &len);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(to.sin_port));
    const int64_t start_ms = sl_monotonic_ms();
    cr_expect_eq(sl_tls_probe(address, ours.certificate_pem, 300, &err), SL_UNAVAILABLE, "%s", err.text);
    cr_expect_lt(sl_monotonic_ms() - start_ms, LIMIT_MS);
    close(fd);
    pki_fini(&ours);
}

/* ---- tokens ---- */

struct teller { /* tokens as a test wants them */
    bool later;
    const char *trouble;
    pthread_t thread;
    sl_rpc_token_done done;
    void *done_arg;
    size_t asked;
};

static void *tell(void *arg)
{
    const struct teller *teller = arg;
    teller->done(teller->done_arg, teller->trouble ? NULL : "Bearer later", teller->trouble);
    return NULL;
}

static bool ask(void *arg, struct sl_buf *header, sl_rpc_token_done done, void *done_arg)
{
    struct teller *teller = arg;
    teller->asked++;
    if (!teller->later) {
        sl_buf_str(header, "Bearer now");
        return true;
    }
    teller->done = done;
    teller->done_arg = done_arg;
    cr_assert_eq(pthread_create(&teller->thread, NULL, tell, teller), 0);
    return false;
}

static void nothing(void *arg)
{
    (void)arg;
}

Test(tls, a_token_goes_out_with_the_call)
{
    static const struct {
        const char *label;
        bool later;
        const char *trouble, *arrives;
    } CASES[] = {
        {"at once", false, NULL, "Bearer now"},
        {"later", true, NULL, "Bearer later"},
        {"not at all", true, "no token: the endpoint is down", ""},
    };
    struct pki ours = {0}, leaf = {0};
    pki_make(&ours, NULL, "our authority", NULL, -DAY_S, DAY_S);
    pki_make(&leaf, &ours, "leaf", "localhost", -DAY_S, DAY_S);
    for (size_t i = 0; i < N(CASES); i++) {
        struct place place;
        struct sl_err err = {0};
        struct teller teller = {.later = CASES[i].later, .trouble = CASES[i].trouble};
        const struct sl_rpc_tokens tokens = {.ask = ask, .retain = nothing, .release = nothing, .arg = &teller, .quota_project = "quota-1"};
        const struct sl_rpc_channel_options options = {.tls = true, .roots = ours.certificate_pem, .tokens = &tokens};
        place_open(&place, &leaf);
        cr_expect_eq(call(&place, &options, &err), CASES[i].trouble ? SL_UNAVAILABLE : SL_OK, "%s: %s", CASES[i].label, err.text);
        if (CASES[i].trouble)
            cr_expect_not_null(strstr(err.text, CASES[i].trouble), "%s: %s", CASES[i].label, err.text);
        cr_expect_str_eq(place.authorization, CASES[i].arrives, "%s", CASES[i].label);
        if (!CASES[i].trouble) {
            cr_expect_str_eq(place.project, "quota-1");
            cr_expect_str_eq(place.routing, "topic=projects/p/topics/t");
            cr_expect_eq(strncmp(place.client, "gl-c/", 5), 0, "%s", place.client);
        }
        cr_expect_eq(teller.asked, 1);
        if (CASES[i].later)
            pthread_join(teller.thread, NULL);
        place_close(&place);
    }
    pki_fini(&leaf);
    pki_fini(&ours);
}

Test(tls, a_token_is_never_sent_in_plaintext)
{
    struct place place;
    struct sl_err err = {0};
    struct teller teller = {0};
    const struct sl_rpc_tokens tokens = {.ask = ask, .retain = nothing, .release = nothing, .arg = &teller};
    const struct sl_rpc_channel_options options = {.tokens = &tokens};
    place_open(&place, NULL);
    cr_expect_eq(call(&place, &options, &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "without TLS"), "%s", err.text);
    cr_expect_eq(call(&place, NULL, &err), SL_OK, "%s", err.text);
    cr_expect_str_eq(place.authorization, "");
    cr_expect_eq(teller.asked, 0);
    place_close(&place);
}
