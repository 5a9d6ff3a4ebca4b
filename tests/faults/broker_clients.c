/* broker_clients.c - see broker_clients.h. Messages and rounds; topics and subscriptions are in broker_objects.c, the looking is in broker_look.c. */
#include "broker_clients_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "power_vfs.h"

enum { PUBLISH_MAX = 4, ACK_MAX = 3, NACK_MAX = 6, PULL_MAX = 20 };

uint64_t clients_chance(struct clients *clients, uint64_t below)
{
    clients->random = clients->random * 6364136223846793005u + 1442695040888963407u;
    return (clients->random >> 33) % below;
}

void clients_violation(struct clients *clients, const char *fmt, ...)
{
    va_list args;
    if (clients->violation[0])
        return;
    va_start(args, fmt);
    vsnprintf(clients->violation, sizeof clients->violation, fmt, args);
    va_end(args);
}

static const char *sub_name(enum clients_sub sub)
{
    return clients_name(CLIENTS_FIRST_SUB + (int)sub);
}

/* ---- messages ---- */

static struct message *message_add(struct messages *list, uint32_t number)
{
    struct message *message = sl_calloc(1, sizeof *message);
    message->number = number;
    sl_grow((void **)&list->items, &list->cap, list->n + 1, sizeof *list->items);
    return list->items[list->n++] = message;
}

static struct message *message_by_id(const struct messages *list, const char *id)
{
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->items[i]->id, id))
            return list->items[i];
    return NULL;
}

/* An id that is told: nobody else has it, and the message has no other. */
static void learn_id(struct clients *clients, struct message *message, struct sl_span told)
{
    char id[SL_MESSAGE_ID_SIZE];
    snprintf(id, sizeof id, "%.*s", (int)told.len, told.ptr);
    if (message && message->id[0]) {
        if (strcmp(message->id, id) != 0)
            clients_violation(clients, "message %u has the id %s and had %s", message->number, id, message->id);
        return;
    }
    bool taken = message_by_id(&clients->published, id) || message_by_id(&clients->dead, id);
    for (size_t i = 0; i < clients->n_ids; i++)
        taken |= !strcmp(clients->ids[i], id);
    if (taken)
        clients_violation(clients, "the id %s is given twice", id);
    if (message) {
        memcpy(message->id, id, sizeof id);
        return;
    }
    sl_grow((void **)&clients->ids, &clients->cap_ids, clients->n_ids + 1, sizeof *clients->ids);
    memcpy(clients->ids[clients->n_ids++], id, sizeof id);
}

/* The number, and bytes that follow from it: some fill pages of their own. */
static void put_data(struct sl_buf *out, uint32_t number)
{
    const size_t len = number % 11 == 0 ? 9000 : 40 + number * 37 % 1500;
    sl_buf_printf(out, "%u:", number);
    while (out->len < len)
        sl_buf_char(out, (char)('a' + (number + out->len) % 26));
}

/* An attempt ends with the lease; it is stored before anything is delivered. */
static void expire(struct clients *clients, struct copy *copy, bool stored)
{
    if (!copy->leased || copy->until_ms > clients->drive->now_ms)
        return;
    copy->leased = false;
    copy->most++;
    copy->least += stored && !clients->full;
}

/* ---- answers ---- */

struct request *clients_request(struct clients *clients, enum sl_method method, clients_on on)
{
    struct request *request = sl_calloc(1, sizeof *request);
    request->call.answered = clients_answered;
    request->clients = clients;
    request->method = method;
    request->on = on;
    request->next = clients->requests;
    clients->requests = request;
    clients->n_requests++;
    return request;
}

static void request_names(struct request *request, struct message *message)
{
    sl_grow((void **)&request->messages, &request->cap, request->n + 1, sizeof *request->messages);
    request->messages[request->n++] = message;
}

void clients_send(struct request *request, struct sl_buf *bytes)
{
    drive_call(request->clients->drive, &request->call, request->method, bytes);
    sl_buf_fini(bytes);
}

/* What a refusal may say: all is over, or there is no room. */
static void expect_refusal(const struct request *request, const struct sl_rpc_status *status)
{
    struct clients *clients = request->clients;
    const bool about_acks = request->method == SL_ACKNOWLEDGE || request->method == SL_MODIFY_ACK_DEADLINE;
    const enum sl_rpc_code code = drive_failed(clients->drive, NULL) || about_acks ? SL_RPC_UNAVAILABLE : SL_RPC_RESOURCE_EXHAUSTED;
    if (!clients->full && !drive_failed(clients->drive, NULL))
        clients_violation(clients, "%s is refused without a reason: %d %s", SL_METHODS[request->method].path, (int)status->code,
                          status->message);
    else if (status->code != code || !status->message[0])
        clients_violation(clients, "%s is refused with %d, not %d: %s", SL_METHODS[request->method].path, (int)status->code, (int)code,
                          status->message);
}

void clients_answered(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct request *request = (struct request *)call;
    struct clients *clients = request->clients;
    struct sl_arena arena = {0};
    const bool left = power_vfs_step("answer");
    if (request->answered)
        clients_violation(clients, "%s is answered twice", SL_METHODS[request->method].path);
    request->answered = true;
    if (left || !clients->lost_answers) {
        const bool good = status->code == SL_RPC_OK;
        clients->answered += good;
        clients->refused += !good;
        if (!good && request->method != SL_GET_TOPIC && request->method != SL_GET_SUBSCRIPTION)
            expect_refusal(request, status);
        request->on(request, status, data, len, &arena);
    }
    sl_arena_fini(&arena);
}

static void requests_end(struct clients *clients)
{
    for (struct request *request = clients->requests, *next; request; request = next) {
        next = request->next;
        if (!request->answered)
            clients_violation(clients, "%s is not answered", SL_METHODS[request->method].path);
        free(request->messages);
        free(request);
    }
    clients->requests = NULL;
}

/* ---- publishing ---- */

static void on_published(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    struct sl_span *ids = NULL;
    size_t n = 0;
    if (status->code == SL_RPC_OK &&
        (sl_pubsub_read_publish_response(&ids, &n, data, len, arena, NULL) != SL_OK || n != (request->n ? request->n : 1)))
        clients_violation(request->clients, "a publish is answered with %zu ids", n);
    for (size_t i = 0; i < n && request->n == 0; i++)
        learn_id(request->clients, NULL, ids[i]);
    for (size_t i = 0; i < request->n; i++) {
        struct message *message = request->messages[i];
        if (status->code == SL_RPC_OK && i < n) {
            learn_id(request->clients, message, ids[i]);
            message->there = KNOWN_YES;
        } else if (status->code == SL_RPC_RESOURCE_EXHAUSTED) {
            message->there = KNOWN_NO;
        }
    }
}

static void put_publish(struct sl_buf *bytes, uint32_t number)
{
    struct sl_buf data = {0};
    put_data(&data, number);
    sl_pubsub_put_message(bytes, 2, data.data, data.len, NULL, 0, NULL);
    sl_buf_fini(&data);
}

static void publish(struct clients *clients)
{
    struct request *request = clients_request(clients, SL_PUBLISH, on_published);
    struct sl_buf bytes = {0};
    sl_pubsub_put_publish_topic(&bytes, clients_name(CLIENTS_TOPIC));
    for (uint64_t left = 1 + clients_chance(clients, PUBLISH_MAX); left > 0; left--) {
        struct message *message = message_add(&clients->published, (uint32_t)clients->published.n);
        message->request = clients->n_requests;
        message->there = KNOWN_MAYBE;
        request_names(request, message);
        put_publish(&bytes, message->number);
    }
    clients_send(request, &bytes);
}

/* Its ids count, whether somebody subscribes or not. */
static void publish_churn(struct clients *clients)
{
    const struct object *topic = &clients->objects[CLIENTS_CHURN_TOPIC];
    struct sl_buf bytes = {0};
    if (!topic->there || topic->unsure || topic->busy)
        return;
    sl_pubsub_put_publish_topic(&bytes, clients_name(CLIENTS_CHURN_TOPIC));
    put_publish(&bytes, 1);
    clients_send(clients_request(clients, SL_PUBLISH, on_published), &bytes);
}

/* ---- receiving ---- */

static struct message *which(struct clients *clients, enum clients_sub sub, const struct sl_received *received)
{
    char id[SL_MESSAGE_ID_SIZE];
    uint32_t number = 0;
    struct sl_buf data = {0};
    if (sscanf(received->message.data.ptr, "%u:", &number) != 1 || number >= clients->published.n)
        return NULL;
    put_data(&data, number);
    const bool same = data.len == received->message.data.len && !memcmp(data.data, received->message.data.ptr, data.len);
    sl_buf_fini(&data);
    if (!same)
        return NULL;
    snprintf(id, sizeof id, "%.*s", (int)received->message.message_id.len, received->message.message_id.ptr);
    if (sub != CLIENTS_DEAD)
        return clients->published.items[number];
    struct message *dead = message_by_id(&clients->dead, id);
    return dead ? dead : message_add(&clients->dead, number);
}

static void check_attempts(struct clients *clients, const struct message *message, struct copy *copy, int attempt)
{
    if (attempt <= copy->least || attempt > copy->most + 1 || attempt > CLIENTS_ATTEMPTS_MAX)
        clients_violation(clients, "message %u: delivery attempt %d after %d to %d that failed", message->number, attempt, copy->least,
                          copy->most);
    copy->most = attempt - 1;
    if (!clients->full)
        copy->least = copy->most;
}

static void check_dead(struct clients *clients, uint32_t number)
{
    struct message *origin = clients->published.items[number];
    expire(clients, &origin->of[CLIENTS_MAIN], true);
    if (origin->of[CLIENTS_MAIN].most < CLIENTS_ATTEMPTS_MAX)
        clients_violation(clients, "message %u is dead-lettered after %d attempts", number, origin->of[CLIENTS_MAIN].most);
    origin->dead_lettered = true;
}

static void receive(struct clients *clients, enum clients_sub sub, const struct sl_received *received)
{
    struct message *message = which(clients, sub, received);
    if (!message) {
        clients_violation(clients, "subscription %d delivers what nobody has published", (int)sub);
        return;
    }
    struct copy *copy = &message->of[sub];
    if (sub != CLIENTS_DEAD && message->there == KNOWN_NO)
        clients_violation(clients, "message %u was refused, or had gone, and is there", message->number);
    if (copy->acked == KNOWN_YES)
        clients_violation(clients, "message %u was acked on subscription %d and is delivered again", message->number, (int)sub);
    expire(clients, copy, true);
    if (copy->leased)
        clients_violation(clients, "message %u is delivered twice during one lease on subscription %d", message->number, (int)sub);
    learn_id(clients, message, received->message.message_id);
    if (sub == CLIENTS_MAIN)
        check_attempts(clients, message, copy, received->delivery_attempt);
    if (sub == CLIENTS_DEAD)
        check_dead(clients, message->number);
    message->there = KNOWN_YES;
    copy->acked = KNOWN_NO;
    copy->leased = copy->seen = true;
    copy->until_ms = clients->drive->now_ms + CLIENTS_LEASE_MS;
    snprintf(copy->ack_id, sizeof copy->ack_id, "%.*s", (int)received->ack_id.len, received->ack_id.ptr);
    clients->received++;
}

static void on_pulled(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    struct sl_streaming_response response;
    if (status->code != SL_RPC_OK)
        return;
    if (sl_pubsub_read_streaming_response(&response, data, len, arena, NULL) != SL_OK)
        clients_violation(request->clients, "a pull's answer can't be read");
    else
        for (size_t i = 0; i < response.n; i++)
            receive(request->clients, request->sub, &response.messages[i]);
}

void clients_pull(struct clients *clients, enum clients_sub sub, int max)
{
    struct request *request = clients_request(clients, SL_PULL, on_pulled);
    struct sl_buf bytes = {0};
    request->sub = sub;
    sl_pubsub_put_pull(&bytes, sub_name(sub), max, true);
    clients_send(request, &bytes);
}

/* ---- acks and nacks ---- */

static void on_acked(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    (void)data, (void)len, (void)arena;
    for (size_t i = 0; i < request->n && status->code == SL_RPC_OK; i++)
        request->messages[i]->of[request->sub].acked = KNOWN_YES;
    request->clients->acked += status->code == SL_RPC_OK ? request->n : 0;
}

static void on_nacked(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    (void)data, (void)len, (void)arena;
    for (size_t i = 0; i < request->n && status->code == SL_RPC_OK; i++)
        request->messages[i]->of[request->sub].least++;
    request->clients->nacked += status->code == SL_RPC_OK ? request->n : 0;
}

/* Any that was received can be acked, whatever has become of its lease; the newest lease can be nacked. */
static bool choose(struct clients *clients, struct request *request, size_t max, bool leased)
{
    const struct messages *list = request->sub == CLIENTS_DEAD ? &clients->dead : &clients->published;
    const size_t from = list->n ? (size_t)clients_chance(clients, list->n) : 0;
    for (size_t i = 0; i < list->n && request->n < max; i++) {
        struct message *message = list->items[(from + i) % list->n];
        const struct copy *copy = &message->of[request->sub];
        if (copy->ack_id[0] && copy->acked != KNOWN_YES && (copy->leased || !leased) && clients_chance(clients, 3))
            request_names(request, message);
    }
    return request->n > 0;
}

static void acknowledge(struct clients *clients, enum clients_sub sub, bool nack)
{
    struct request *request = clients_request(clients, nack ? SL_MODIFY_ACK_DEADLINE : SL_ACKNOWLEDGE, nack ? on_nacked : on_acked);
    const char *ack_ids[NACK_MAX];
    struct sl_buf bytes = {0};
    request->sub = sub;
    if (!choose(clients, request, nack ? NACK_MAX : ACK_MAX, nack)) {
        request->answered = true;
        return;
    }
    for (size_t i = 0; i < request->n; i++) {
        struct copy *copy = &request->messages[i]->of[sub];
        ack_ids[i] = copy->ack_id;
        copy->leased = false;
        copy->most += nack;
        if (!nack)
            copy->acked = KNOWN_MAYBE;
    }
    if (nack)
        sl_pubsub_put_modify(&bytes, sub_name(sub), ack_ids, request->n, 0);
    else
        sl_pubsub_put_acknowledge(&bytes, sub_name(sub), ack_ids, request->n);
    clients_send(request, &bytes);
}

/* ---- rounds ---- */

static void any_call(struct clients *clients)
{
    const enum clients_sub sub = (enum clients_sub)clients_chance(clients, CLIENTS_SUBS);
    const uint64_t kind = clients_chance(clients, 20);
    if (kind < 5)
        publish(clients);
    else if (kind < 6)
        publish_churn(clients);
    else if (kind < 9)
        acknowledge(clients, sub, false);
    else if (kind < 12)
        acknowledge(clients, sub == CLIENTS_DEAD ? CLIENTS_MAIN : sub, true);
    else if (kind < 18)
        clients_pull(clients, sub, 1 + (int)clients_chance(clients, PULL_MAX));
    else
        clients_churn(clients);
}

void clients_run(struct clients *clients, int64_t ms)
{
    clients->received = 0;
    drive_round(clients->drive, ms);
    const bool stored = !drive_failed(clients->drive, NULL);
    for (size_t i = 0; i < clients->published.n; i++)
        for (int sub = 0; sub < CLIENTS_DEAD; sub++)
            expire(clients, &clients->published.items[i]->of[sub], stored);
    for (size_t i = 0; i < clients->dead.n; i++)
        expire(clients, &clients->dead.items[i]->of[CLIENTS_DEAD], stored);
    for (int i = 0; i < CLIENTS_OBJECTS; i++)
        clients->objects[i].busy = false;
    requests_end(clients);
}

void clients_round(struct clients *clients)
{
    static const int64_t LATER_MS[] = {5, 5, 5, 5, 5, 5, 600, 600, 1100, CLIENTS_LEASE_MS + 1000};
    if (clients_create_fixed(clients))
        for (uint64_t left = clients_chance(clients, 7); left > 0; left--)
            any_call(clients);
    clients_run(clients, LATER_MS[clients_chance(clients, sizeof LATER_MS / sizeof *LATER_MS)]);
}

void clients_try_all(struct clients *clients)
{
    if (clients_create_fixed(clients)) {
        publish(clients);
        acknowledge(clients, CLIENTS_OTHER, false);
        acknowledge(clients, CLIENTS_MAIN, true);
        clients_pull(clients, CLIENTS_MAIN, 1);
        if (!clients->objects[CLIENTS_TOPIC].unsure)
            clients_change(clients, CLIENTS_TOPIC, true);
    }
    clients_run(clients, 2000);
}

/* ---- life ---- */

void clients_begin(struct clients *clients, struct drive *drive, uint64_t seed)
{
    *clients = (struct clients){.drive = drive, .random = seed};
}

static void forget(struct messages *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
}

void clients_end(struct clients *clients)
{
    forget(&clients->published);
    forget(&clients->dead);
    free(clients->ids);
}
