/* bench_subscriber.c - our subscriber: what a message costs its process, from the stream to the answer to its ack.
 *   bench_subscriber receive ADDRESS PROJECT SUBSCRIPTION N [STREAMS]   receives and acks N messages, prints what it took
 *   bench_subscriber serve BYTES                                        a server that has messages of so many bytes without end; prints where it listens, ends with its stdin */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <sluice/grpc_bus.h>

enum { BATCH = 1000, PER_RESPONSE = 200, MAX_UNSENT = 4000000, IDLE_MS = 10000 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int fail(const struct sl_err *err)
{
    fprintf(stderr, "bench_subscriber: %s\n", err->text);
    return 1;
}

/* ---- receiving ---- */

static enum sl_code take(struct sl_bus *bus, size_t n, size_t *bytes, size_t *batches, struct sl_err *err)
{
    struct sl_bus_batch batch = {0};
    size_t got = 0;
    enum sl_code code = SL_OK;
    while (code == SL_OK && got < n) {
        code = sl_bus_receive(bus, BATCH, 100000000, IDLE_MS, &batch, err);
        if (code == SL_OK && batch.n == 0)
            code = sl_fail(err, SL_UNAVAILABLE, "after %zu messages nothing came for %d ms", got, IDLE_MS);
        if (code == SL_OK)
            code = sl_bus_ack(bus, &batch, err);
        got += batch.n;
        *bytes += batch.bytes;
        *batches += 1;
    }
    sl_bus_batch_fini(&batch);
    return code;
}

static int receive(char **arguments, int streams)
{
    struct sl_phase phase = {.name = "bench", .subscription = arguments[2]};
    const struct sl_phase *const phases[] = {&phase};
    struct sl_config config = {.bus = {.type = SL_BUS_EMULATOR, .project = arguments[1], .streams = streams, .connections = streams}};
    struct sl_bus *bus;
    struct sl_err err = {0};
    struct sl_grpc_bus_stats stats;
    const size_t n = strtoul(arguments[3], NULL, 10);
    const struct sl_grpc_bus_options options = {.max_outstanding_messages = 10000, .max_outstanding_bytes = 100000000};
    size_t bytes = 0, batches = 0;
    if (sl_grpc_bus_create(&bus, SL_PLAIN_PEER(arguments[0]), &config, phases, 1, &options, &err) != SL_OK)
        return fail(&err);
    const double start = seconds();
    if (take(bus, n, &bytes, &batches, &err) != SL_OK)
        return fail(&err);
    sl_grpc_bus_settle(bus, IDLE_MS);
    const double took = seconds() - start;
    sl_grpc_bus_stats(bus, &stats);
    sl_bus_destroy(&bus);
    printf("{\"received\": %zu, \"confirmed\": %llu, \"bytes\": %zu, \"batches\": %zu, \"seconds\": %.3f, \"per_second\": %.0f, \"cpu_s\": "
           "%.3f}\n",
           n, (unsigned long long)stats.acks_confirmed, bytes, batches, took, (double)n / took, cpu_seconds());
    return 0;
}

/* ---- serving ---- */

struct server {
    struct sl_buf response;
};

static void put_response(struct sl_buf *out, size_t bytes)
{
    char *body = malloc(bytes + 1), id[40];
    struct sl_buf stored = {0};
    memset(body, 'x', bytes);
    const struct sl_attribute attribute = {"content-type", "application/json"};
    sl_pubsub_put_message(&stored, 2, body, bytes, &attribute, 1, NULL);
    struct sl_arena arena = {0};
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    sl_pubsub_read_publish(&topic, &messages, &n, &raw, stored.data, stored.len, &arena, NULL);
    for (int i = 0; i < PER_RESPONSE; i++) {
        snprintf(id, sizeof id, "projects/bench/%d", i);
        sl_pubsub_put_received(out, id, raw[0].ptr, raw[0].len, id, 1700000000000000, 1, NULL, 0);
    }
    sl_pubsub_put_properties(out, false, false);
    sl_arena_fini(&arena);
    sl_buf_fini(&stored);
    free(body);
}

static void more(void *arg, struct sl_rpc_peer_call *call)
{
    const struct server *server = arg;
    while (!sl_rpc_gone(call) && sl_rpc_unsent_bytes(call) < MAX_UNSENT)
        sl_rpc_send(call, server->response.data, server->response.len);
}

static void opened(void *arg, struct sl_rpc_peer_call *call, size_t method)
{
    (void)method;
    more(arg, call);
}

static void closed(void *arg, struct sl_rpc_peer_call *call)
{
    const struct sl_rpc_status gone = {.code = SL_RPC_CANCELLED};
    (void)arg;
    sl_rpc_finish(call, &gone);
}

static void called(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len)
{
    const struct sl_rpc_status ok = {.code = SL_RPC_OK};
    (void)arg, (void)method, (void)data, (void)len;
    sl_rpc_reply(call, &ok, "", 0);
}

static int serve(size_t bytes)
{
    static const struct sl_rpc_method METHODS[] = {{"/google.pubsub.v1.Subscriber/StreamingPull", true},
                                                   {"/google.pubsub.v1.Subscriber/Acknowledge", false},
                                                   {"/google.pubsub.v1.Subscriber/ModifyAckDeadline", false},
                                                   {"/google.pubsub.v1.Subscriber/GetSubscription", false}};
    static const struct sl_rpc_server_handlers HANDLERS = {.call = called, .opened = opened, .closed = closed, .writable = more};
    struct server server = {0};
    struct sl_rpc_loop *loop;
    struct sl_rpc_server *rpc;
    struct sl_err err = {0};
    int port;
    put_response(&server.response, bytes);
    if (sl_rpc_loop_create(&loop, &err) != SL_OK ||
        sl_rpc_server_create(&rpc, loop, "127.0.0.1:0", METHODS, sizeof METHODS / sizeof *METHODS, &HANDLERS, &server, &port, &err) !=
            SL_OK)
        return fail(&err);
    printf("{\"listening\": \"127.0.0.1:%d\"}\n", port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    sl_rpc_server_destroy(&rpc);
    sl_rpc_loop_destroy(&loop);
    sl_buf_fini(&server.response);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "receive") == 0)
        return receive(argv + 2, argc > 6 ? atoi(argv[6]) : 1);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(strtoul(argv[2], NULL, 10));
    fprintf(stderr, "usage: bench_subscriber receive ADDRESS PROJECT SUBSCRIPTION N [STREAMS] | serve BYTES\n");
    return 2;
}
