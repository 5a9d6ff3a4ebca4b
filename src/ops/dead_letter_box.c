/* dead_letter_box.c - the subscriptions on dead-letter topics, and what lies on one.
 * Our own broker is asked to look (Broker/Look): nothing is delivered, so no attempt is counted and nobody else misses anything. Another server can only be made to deliver: the
 * messages are pulled and given back at once, unacked. Where the subscription has a dead-letter policy of its own, that is an attempt, and it is refused. */
#include <sluice/dead_letters.h>

#include <string.h>
#include <time.h>

#include <sluice/grpc_bus.h>
#include <sluice/log.h>
#include <sluice/str.h>

#define PAGE          500
#define PULLS_IN_VAIN 4
#define PULL_PAUSE_MS 150

/* ---- which there are ---- */

static const char *full_topic(const struct sl_config *config, const struct sl_phase *phase, struct sl_arena *arena)
{
    return phase->dead_letter_topic == NULL ? NULL : sl_pubsub_resource(arena, config, "topics", phase->dead_letter_topic);
}

static const struct sl_phase *first_phase_of(const struct sl_config *config, const char *topic, struct sl_arena *arena)
{
    for (size_t i = 0; i < config->n_phases; i++)
        if (sl_str_eq(full_topic(config, &config->phases[i], arena), topic))
            return &config->phases[i];
    return NULL;
}

static enum sl_code read_policy(struct sl_letter_box *box, struct sl_pubsub_admin *admin, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_pubsub_subscription found;
    const enum sl_code code = sl_pubsub_admin_get_subscription(admin, box->subscription, &found, arena, err);
    if (code != SL_OK)
        return code;
    box->topic = found.topic;
    box->counts_attempts = found.dead_letter_topic != NULL;
    return SL_OK;
}

static struct sl_letter_box *add_box(struct sl_letter_box **boxes, size_t *n, const char *topic, const struct sl_phase *phase,
                                     struct sl_arena *arena)
{
    *boxes = sl_arena_push(arena, *boxes, n, sizeof **boxes);
    struct sl_letter_box *box = &(*boxes)[*n - 1];
    *box = (struct sl_letter_box){.topic = topic, .phase = phase, .is_there = true};
    return box;
}

static enum sl_code add_topic(struct sl_letter_box **boxes, size_t *n, const char *topic, const struct sl_phase *phase,
                              struct sl_pubsub_admin *admin, struct sl_arena *arena, struct sl_err *err)
{
    const char **names = NULL;
    size_t n_names = 0;
    enum sl_code code = sl_pubsub_admin_topic_subscriptions(admin, topic, &names, &n_names, arena, err);
    if (code != SL_OK && code != SL_NOT_FOUND)
        return code;
    if (n_names == 0)
        add_box(boxes, n, topic, phase, arena)->is_there = code == SL_OK;
    code = SL_OK;
    for (size_t i = 0; i < n_names && code == SL_OK; i++) {
        struct sl_letter_box *box = add_box(boxes, n, topic, phase, arena);
        box->subscription = names[i];
        code = read_policy(box, admin, arena, err);
    }
    return code;
}

enum sl_code sl_letter_boxes(struct sl_letter_box **out, size_t *n, struct sl_pubsub_admin *admin, const struct sl_config *config,
                             const struct sl_phase *only, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < config->n_phases && code == SL_OK; i++) {
        const struct sl_phase *phase = &config->phases[i];
        const char *topic = full_topic(config, phase, arena);
        if (topic != NULL && (only == NULL || only == phase) && (only != NULL || first_phase_of(config, topic, arena) == phase))
            code = add_topic(out, n, topic, phase, admin, arena, err);
    }
    return code;
}

enum sl_code sl_letter_box_find(struct sl_letter_box *out, const char *subscription, struct sl_pubsub_admin *admin,
                                const struct sl_config *config, struct sl_arena *arena, struct sl_err *err)
{
    *out = (struct sl_letter_box){.subscription = sl_pubsub_resource(arena, config, "subscriptions", subscription), .is_there = true};
    const enum sl_code code = read_policy(out, admin, arena, err);
    if (code == SL_OK)
        out->phase = first_phase_of(config, out->topic, arena);
    return code;
}

/* ---- what lies there ---- */

struct looking {
    struct sl_letter_look *out;
    const struct sl_letter_box *box;
    const struct sl_config *config;
    size_t limit;
    int64_t now_us;
    struct sl_arena *arena;
};

static void add_letter(struct looking *l, const struct sl_received *received)
{
    const struct sl_pubsub_message *from = &received->message;
    struct sl_message *message = sl_arena_alloc(l->arena, sizeof *message);
    struct sl_attribute *attributes = sl_arena_array(l->arena, from->n_attributes + 1, sizeof *attributes);
    for (size_t i = 0; i < from->n_attributes; i++) {
        attributes[i].key = sl_arena_strndup(l->arena, from->attributes[i].key.ptr, from->attributes[i].key.len);
        attributes[i].value = sl_arena_strndup(l->arena, from->attributes[i].value.ptr, from->attributes[i].value.len);
    }
    *message = (struct sl_message){.subscription = l->box->subscription,
                                   .message_id = sl_arena_strndup(l->arena, from->message_id.ptr, from->message_id.len),
                                   .publish_us = from->publish_us,
                                   .data = from->data.ptr,
                                   .len = from->data.len,
                                   .attributes = attributes,
                                   .n_attributes = from->n_attributes,
                                   .delivery_attempt = received->delivery_attempt};
    l->out->letters = sl_arena_push(l->arena, l->out->letters, &l->out->n, sizeof *l->out->letters);
    sl_dead_letter_read(&l->out->letters[l->out->n - 1], message, l->box->phase, l->config, l->now_us, l->arena);
}

static enum sl_code ask_pages(struct looking *l, struct sl_pubsub_admin *admin, const volatile int *stop, struct sl_err *err)
{
    const char *from = "";
    enum sl_code code = SL_OK;
    do {
        struct sl_received *received;
        size_t n;
        code = sl_pubsub_admin_look(admin, l->box->subscription, from, PAGE, &received, &n, &from, l->arena, err);
        for (size_t i = 0; code == SL_OK && i < n && l->out->n < l->limit; i++)
            add_letter(l, &received[i]);
        l->out->all = *from == '\0' && l->out->n <= l->limit;
        if (code == SL_OK && l->out->n == l->limit && n > 0)
            l->out->all = false;
    } while (code == SL_OK && *from != '\0' && l->out->n < l->limit && __atomic_load_n(stop, __ATOMIC_RELAXED) == 0);
    return code;
}

/* Pulls until nothing has come a few times: one pull may bring less than there is. */
static enum sl_code pull_all(struct looking *l, struct sl_pubsub_admin *admin, const char ***ack_ids, size_t *n, const volatile int *stop,
                             struct sl_err *err)
{
    const struct timespec pause = {.tv_nsec = PULL_PAUSE_MS * 1000000L};
    enum sl_code code = SL_OK;
    for (int in_vain = 0;
         in_vain < PULLS_IN_VAIN && l->out->n < l->limit && code == SL_OK && __atomic_load_n(stop, __ATOMIC_RELAXED) == 0;) {
        struct sl_received *received;
        size_t n_received = 0;
        code = sl_pubsub_admin_pull(admin, l->box->subscription, PAGE, &received, &n_received, l->arena, err);
        for (size_t i = 0; i < n_received; i++) {
            *ack_ids = sl_arena_push(l->arena, *ack_ids, n, sizeof **ack_ids);
            (*ack_ids)[*n - 1] = sl_arena_strndup(l->arena, received[i].ack_id.ptr, received[i].ack_id.len);
            if (l->out->n < l->limit)
                add_letter(l, &received[i]);
        }
        in_vain = n_received > 0 ? 0 : in_vain + 1;
        if (n_received == 0)
            nanosleep(&pause, NULL);
    }
    l->out->all = l->out->n < l->limit;
    return code;
}

static enum sl_code pull_and_give_back(struct looking *l, struct sl_pubsub_admin *admin, const volatile int *stop, struct sl_err *err)
{
    const char **ack_ids = NULL;
    size_t n = 0;
    struct sl_err trouble = {0};
    if (l->box->counts_attempts)
        return sl_fail(err, SL_CONFLICT,
                       "%s has a dead-letter policy of its own: receiving from it would count as an attempt, and this server can't be "
                       "asked in another way",
                       l->box->subscription);
    l->out->taken = true;
    const enum sl_code code = pull_all(l, admin, &ack_ids, &n, stop, err);
    const enum sl_code given_back = sl_pubsub_admin_give_back(admin, l->box->subscription, ack_ids, n, &trouble);
    if (given_back != SL_OK)
        sl_log(SL_WARNING, "messages that were looked at could not be given back; they come again when their leases end",
               {"subscription", l->box->subscription}, {"error", trouble.text});
    return code;
}

enum sl_code sl_letters_look(struct sl_letter_look *out, const struct sl_letter_box *box, struct sl_service *service,
                             const struct sl_config *config, size_t limit, int64_t now_us, const volatile int *stop, struct sl_arena *arena,
                             struct sl_err *err)
{
    struct looking looking = {.out = out, .box = box, .config = config, .limit = limit, .now_us = now_us, .arena = arena};
    struct sl_pubsub_admin *admin = NULL;
    *out = (struct sl_letter_look){0};
    enum sl_code code = sl_pubsub_admin_create(&admin, sl_service_peer(service), err);
    if (code == SL_OK)
        code = ask_pages(&looking, admin, stop, err);
    if (code == SL_INVALID && admin != NULL && out->n == 0)
        code = pull_and_give_back(&looking, admin, stop, err);
    sl_pubsub_admin_destroy(&admin);
    return code;
}
