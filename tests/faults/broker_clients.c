/* broker_clients.c - see broker_clients.h. What is asked and what is answered; the looking is in broker_look.c. */
#include "broker_clients_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "power_vfs.h"

enum { LEASE_MS = 10000, ATTEMPTS_MAX = 5, PUBLISH_MAX = 4, ACK_MAX = 3, NACK_MAX = 6, PULL_MAX = 20 };

static const struct {
    const char *name;
    int topic; /* of a subscription, or -1 */
} OBJECTS[CLIENTS_OBJECTS] = {
    [CLIENTS_TOPIC] = {"projects/p/topics/input", -1},
    [CLIENTS_DEAD_TOPIC] = {"projects/p/topics/dead", -1},
    [CLIENTS_FIRST_SUB + CLIENTS_MAIN] = {"projects/p/subscriptions/main", CLIENTS_TOPIC},
    [CLIENTS_FIRST_SUB + CLIENTS_OTHER] = {"projects/p/subscriptions/other", CLIENTS_TOPIC},
    [CLIENTS_FIRST_SUB + CLIENTS_DEAD] = {"projects/p/subscriptions/dead", CLIENTS_DEAD_TOPIC},
    [CLIENTS_CHURN_TOPIC] = {"projects/p/topics/churn", -1},
    [CLIENTS_CHURN_SUB] = {"projects/p/subscriptions/churn", CLIENTS_CHURN_TOPIC},
};

static const enum sl_method CREATE[] = {SL_CREATE_SUBSCRIPTION, SL_CREATE_TOPIC}, UPDATE[] = {SL_UPDATE_SUBSCRIPTION, SL_UPDATE_TOPIC},
                            DELETE[] = {SL_DELETE_SUBSCRIPTION, SL_DELETE_TOPIC}, GET[] = {SL_GET_SUBSCRIPTION, SL_GET_TOPIC};

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

static struct request *request_new(struct clients *clients, enum sl_method method, clients_on on)
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

static void send(struct request *request, struct sl_buf *bytes)
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
        if (!good && request->method != GET[0] && request->method != GET[1])
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
    struct request *request = request_new(clients, SL_PUBLISH, on_published);
    struct sl_buf bytes = {0};
    sl_pubsub_put_publish_topic(&bytes, OBJECTS[CLIENTS_TOPIC].name);
    for (uint64_t left = 1 + clients_chance(clients, PUBLISH_MAX); left > 0; left--) {
        struct message *message = message_add(&clients->published, (uint32_t)clients->published.n);
        message->request = clients->n_requests;
        message->there = KNOWN_MAYBE;
        request_names(request, message);
        put_publish(&bytes, message->number);
    }
    send(request, &bytes);
}

/* Its ids count, whether somebody subscribes or not. */
static void publish_churn(struct clients *clients)
{
    const struct object *topic = &clients->objects[CLIENTS_CHURN_TOPIC];
    struct sl_buf bytes = {0};
    if (!topic->there || topic->unsure || topic->busy)
        return;
    sl_pubsub_put_publish_topic(&bytes, OBJECTS[CLIENTS_CHURN_TOPIC].name);
    put_publish(&bytes, 1);
    send(request_new(clients, SL_PUBLISH, on_published), &bytes);
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
    if (attempt <= copy->least || attempt > copy->most + 1 || attempt > ATTEMPTS_MAX)
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
    if (origin->of[CLIENTS_MAIN].most < ATTEMPTS_MAX)
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
    copy->until_ms = clients->drive->now_ms + LEASE_MS;
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
    struct request *request = request_new(clients, SL_PULL, on_pulled);
    struct sl_buf bytes = {0};
    request->sub = sub;
    sl_pubsub_put_pull(&bytes, OBJECTS[CLIENTS_FIRST_SUB + sub].name, max, true);
    send(request, &bytes);
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
    struct request *request = request_new(clients, nack ? SL_MODIFY_ACK_DEADLINE : SL_ACKNOWLEDGE, nack ? on_nacked : on_acked);
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
        sl_pubsub_put_modify(&bytes, OBJECTS[CLIENTS_FIRST_SUB + sub].name, ack_ids, request->n, 0);
    else
        sl_pubsub_put_acknowledge(&bytes, OBJECTS[CLIENTS_FIRST_SUB + sub].name, ack_ids, request->n);
    send(request, &bytes);
}

/* ---- topics and subscriptions ---- */

static bool is_topic(int object)
{
    return OBJECTS[object].topic < 0;
}

static void on_changed(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    struct object *object = &request->clients->objects[request->object];
    (void)data, (void)len, (void)arena;
    if (status->code == SL_RPC_OK) {
        object->there = object->maybe_there;
        object->version = object->maybe_version;
    }
    object->unsure = status->code == SL_RPC_UNAVAILABLE;
}

static void put_topic(struct sl_buf *bytes, int object, const struct sl_pubsub_labels *labels, bool update)
{
    const struct sl_pubsub_topic topic = {.name = OBJECTS[object].name, .labels = *labels};
    if (update)
        sl_pubsub_put_update_topic(bytes, &topic, &(const char *){"labels"}, 1);
    else
        sl_pubsub_put_topic(bytes, &topic);
}

static void put_subscription(struct sl_buf *bytes, int object, const struct sl_pubsub_labels *labels, bool update)
{
    const bool dead_letters = object == CLIENTS_FIRST_SUB + CLIENTS_MAIN;
    const struct sl_pubsub_subscription subscription = {
        .name = OBJECTS[object].name,
        .topic = OBJECTS[OBJECTS[object].topic].name,
        .labels = *labels,
        .ack_deadline_s = LEASE_MS / 1000,
        .dead_letter_topic = dead_letters ? OBJECTS[CLIENTS_DEAD_TOPIC].name : NULL,
        .max_delivery_attempts = dead_letters ? ATTEMPTS_MAX : 0,
    };
    if (update)
        sl_pubsub_put_update_subscription(bytes, &subscription, &(const char *){"labels"}, 1);
    else
        sl_pubsub_put_subscription(bytes, &subscription);
}

/* What the object will be is unsure until the answer. */
static void change(struct clients *clients, int number, bool there)
{
    struct object *object = &clients->objects[number];
    const bool update = there && object->there;
    char text[16];
    struct sl_buf bytes = {0};
    struct request *request = request_new(clients, (!there ? DELETE : update ? UPDATE : CREATE)[is_topic(number)], on_changed);
    const struct sl_pubsub_labels labels = {.keys = &(const char *){"version"}, .values = &(const char *){text}, .n = 1};
    request->object = number;
    object->busy = object->unsure = true;
    object->maybe_there = there;
    object->maybe_version = ++clients->version;
    snprintf(text, sizeof text, "%d", object->maybe_version);
    if (!there)
        sl_pubsub_put_name(&bytes, OBJECTS[number].name);
    else
        (is_topic(number) ? put_topic : put_subscription)(&bytes, number, &labels, update);
    send(request, &bytes);
}

static int label_of(const struct sl_pubsub_labels *labels)
{
    return labels->n == 1 ? atoi(labels->values[0]) : -1;
}

/* The object is one of the two that it can be, and from now on that. */
static void on_shown(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len, struct sl_arena *arena)
{
    struct object *object = &request->clients->objects[request->object];
    struct sl_pubsub_topic topic = {0};
    struct sl_pubsub_subscription subscription = {0};
    const bool there = status->code == SL_RPC_OK;
    int version = 0;
    if (there && is_topic(request->object) && sl_pubsub_read_topic(&topic, data, len, arena, NULL) == SL_OK)
        version = label_of(&topic.labels);
    else if (there && !is_topic(request->object) && sl_pubsub_read_subscription(&subscription, data, len, arena, NULL) == SL_OK)
        version = label_of(&subscription.labels);
    if (!there && status->code != SL_RPC_NOT_FOUND)
        return;
    const bool as_known = object->there == there && (!there || object->version == version);
    const bool as_asked = object->unsure && object->maybe_there == there && (!there || object->maybe_version == version);
    if (!as_known && !as_asked)
        clients_violation(request->clients, "%s: %s with version %d instead of %s with %d", OBJECTS[request->object].name,
                          there ? "there" : "not there", version, object->there ? "there" : "not there", object->version);
    object->there = there;
    object->version = version;
    object->unsure = false;
}

void clients_ask_for(struct clients *clients, int object)
{
    struct sl_buf bytes = {0};
    struct request *request = request_new(clients, GET[is_topic(object)], on_shown);
    request->object = object;
    sl_pubsub_put_name(&bytes, OBJECTS[object].name);
    send(request, &bytes);
}

/* ---- rounds ---- */

static bool usable(const struct clients *clients, int object)
{
    return clients->objects[object].there && !clients->objects[object].unsure && !clients->objects[object].busy;
}

/* Topics come before subscriptions. true: they are all there. */
static bool create_fixed(struct clients *clients)
{
    bool all = true;
    for (int i = 0; i < CLIENTS_CHURN_TOPIC; i++) {
        if (clients->objects[i].there)
            continue;
        all = false;
        if (is_topic(i) || (clients->objects[CLIENTS_TOPIC].there && clients->objects[CLIENTS_DEAD_TOPIC].there))
            change(clients, i, true);
    }
    return all;
}

static void churn(struct clients *clients)
{
    const int object = (int)clients_chance(clients, CLIENTS_OBJECTS);
    const struct object *now = &clients->objects[object];
    if (now->busy || now->unsure)
        return;
    if (object < CLIENTS_CHURN_TOPIC || (now->there && clients_chance(clients, 3) == 0))
        change(clients, object, true);
    else if (now->there)
        change(clients, object, false);
    else if (object == CLIENTS_CHURN_TOPIC || usable(clients, CLIENTS_CHURN_TOPIC))
        change(clients, object, true);
}

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
        churn(clients);
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
    static const int64_t LATER_MS[] = {5, 5, 5, 5, 5, 5, 600, 600, 1100, LEASE_MS + 1000};
    if (create_fixed(clients))
        for (uint64_t left = clients_chance(clients, 7); left > 0; left--)
            any_call(clients);
    clients_run(clients, LATER_MS[clients_chance(clients, sizeof LATER_MS / sizeof *LATER_MS)]);
}

void clients_try_all(struct clients *clients)
{
    publish(clients);
    acknowledge(clients, CLIENTS_OTHER, false);
    acknowledge(clients, CLIENTS_MAIN, true);
    clients_pull(clients, CLIENTS_MAIN, 1);
    if (!clients->objects[CLIENTS_TOPIC].unsure)
        change(clients, CLIENTS_TOPIC, true);
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
