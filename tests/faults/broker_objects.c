/* broker_objects.c - the topics and subscriptions of the broker's clients: made, changed, deleted, asked for. */
#include "broker_clients_internal.h"

#include <stdio.h>
#include <stdlib.h>

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

const char *clients_name(int object)
{
    return OBJECTS[object].name;
}

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
    const struct sl_pubsub_topic topic = {.name = clients_name(object), .labels = *labels};
    if (update)
        sl_pubsub_put_update_topic(bytes, &topic, &(const char *){"labels"}, 1);
    else
        sl_pubsub_put_topic(bytes, &topic);
}

static void put_subscription(struct sl_buf *bytes, int object, const struct sl_pubsub_labels *labels, bool update)
{
    const bool dead_letters = object == CLIENTS_FIRST_SUB + CLIENTS_MAIN;
    const struct sl_pubsub_subscription subscription = {
        .name = clients_name(object),
        .topic = clients_name(OBJECTS[object].topic),
        .labels = *labels,
        .ack_deadline_s = CLIENTS_LEASE_MS / 1000,
        .dead_letter_topic = dead_letters ? OBJECTS[CLIENTS_DEAD_TOPIC].name : NULL,
        .max_delivery_attempts = dead_letters ? CLIENTS_ATTEMPTS_MAX : 0,
    };
    if (update)
        sl_pubsub_put_update_subscription(bytes, &subscription, &(const char *){"labels"}, 1);
    else
        sl_pubsub_put_subscription(bytes, &subscription);
}

/* What the object will be is unsure until the answer. */
void clients_change(struct clients *clients, int number, bool there)
{
    struct object *object = &clients->objects[number];
    const bool update = there && object->there;
    char text[16];
    struct sl_buf bytes = {0};
    struct request *request = clients_request(clients, (!there ? DELETE : update ? UPDATE : CREATE)[is_topic(number)], on_changed);
    const struct sl_pubsub_labels labels = {.keys = &(const char *){"version"}, .values = &(const char *){text}, .n = 1};
    request->object = number;
    object->busy = object->unsure = true;
    object->maybe_there = there;
    object->maybe_version = ++clients->version;
    snprintf(text, sizeof text, "%d", object->maybe_version);
    if (!there)
        sl_pubsub_put_name(&bytes, clients_name(number));
    else
        (is_topic(number) ? put_topic : put_subscription)(&bytes, number, &labels, update);
    clients_send(request, &bytes);
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
        clients_violation(request->clients, "%s: %s with version %d instead of %s with %d", clients_name(request->object),
                          there ? "there" : "not there", version, object->there ? "there" : "not there", object->version);
    object->there = there;
    object->version = version;
    object->unsure = false;
}

void clients_ask_for(struct clients *clients, int object)
{
    struct sl_buf bytes = {0};
    struct request *request = clients_request(clients, GET[is_topic(object)], on_shown);
    request->object = object;
    sl_pubsub_put_name(&bytes, clients_name(object));
    clients_send(request, &bytes);
}

static bool usable(const struct clients *clients, int object)
{
    return clients->objects[object].there && !clients->objects[object].unsure && !clients->objects[object].busy;
}

/* Topics come before subscriptions. true: they are all there. */
bool clients_create_fixed(struct clients *clients)
{
    bool all = true;
    for (int i = 0; i < CLIENTS_CHURN_TOPIC; i++) {
        if (clients->objects[i].there)
            continue;
        all = false;
        if (clients->objects[i].unsure)
            continue; /* until a look */
        if (is_topic(i) || (clients->objects[CLIENTS_TOPIC].there && clients->objects[CLIENTS_DEAD_TOPIC].there))
            clients_change(clients, i, true);
    }
    return all;
}

void clients_churn(struct clients *clients)
{
    const int object = (int)clients_chance(clients, CLIENTS_OBJECTS);
    const struct object *now = &clients->objects[object];
    if (now->busy || now->unsure)
        return;
    if (object < CLIENTS_CHURN_TOPIC || (now->there && clients_chance(clients, 3) == 0))
        clients_change(clients, object, true);
    else if (now->there)
        clients_change(clients, object, false);
    else if (object == CLIENTS_CHURN_TOPIC || usable(clients, CLIENTS_CHURN_TOPIC))
        clients_change(clients, object, true);
}
