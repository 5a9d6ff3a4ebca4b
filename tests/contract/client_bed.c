/* client_bed.c - our client of the bus before a server that does what it is told. */
#include "client_bed.h"

#include <string.h>

enum { BATCH_MESSAGES = 100, BATCH_BYTES = 30000000 };

static const struct sl_phase RAW = {.name = "raw", .subscription = "raw-sub"};
static const struct sl_phase ANALYTICS = {.name = "analytics", .subscription = "projects/other/subscriptions/a-sub"};
const struct sl_phase *const CLIENT_PHASES[2] = {&RAW, &ANALYTICS};

struct sl_grpc_bus_options client_quick(void)
{
    return (struct sl_grpc_bus_options){.receipt_ms = 5, .backoff_min_ms = 20, .backoff_max_ms = 200, .pings = SL_PINGS_LEARNED};
}

void client_start_at(struct client *client, unsigned port)
{
    char listen[32];
    *client = (struct client){
        .config = {.bus = {.project = "p"}, .worker = {.batch_messages = BATCH_MESSAGES, .batch_bytes = BATCH_BYTES}}};
    snprintf(listen, sizeof listen, "127.0.0.1:%u", port);
    fake_start(&client->fake, listen);
}

void client_start(struct client *client)
{
    client_start_at(client, 0);
}

void client_join(struct client *client, size_t n_phases, struct sl_grpc_bus_options options)
{
    cr_assert_eq(sl_grpc_bus_create(&client->bus, SL_PLAIN_PEER(client->fake.address), &client->config, CLIENT_PHASES, n_phases, &options,
                                    &client->err),
                 SL_OK, "%s", client->err.text);
}

void client_finish(struct client *client)
{
    sl_bus_batch_fini(&client->batch);
    sl_bus_destroy(&client->bus);
    fake_fini(&client->fake);
}

const char *client_receive(struct client *client, size_t n, bool ack)
{
    static char ids[4096];
    size_t seen = 0;
    ids[0] = '\0';
    while (seen < n) {
        cr_assert_eq(sl_bus_receive(client->bus, n - seen, BATCH_BYTES, LIMIT_MS, &client->batch, &client->err), SL_OK, "%s",
                     client->err.text);
        cr_assert_gt(client->batch.n, 0, "nothing came; so far: %s", ids);
        for (size_t i = 0; i < client->batch.n; i++, seen++) {
            strcat(ids, *ids ? "," : "");
            strncat(ids, client->batch.messages[i].message.message_id, 64);
        }
        if (ack)
            sl_bus_ack(client->bus, &client->batch, NULL);
    }
    cr_assert_eq(seen, n);
    return ids;
}

struct sl_grpc_bus_stats client_stats(const struct client *client)
{
    struct sl_grpc_bus_stats out;
    sl_grpc_bus_stats(client->bus, &out);
    return out;
}

void client_pause(struct client *client)
{
    static const size_t NEVER = 0; /* never reaches 1 */
    fake_wait(&client->fake, &NEVER, 1, 5);
}
