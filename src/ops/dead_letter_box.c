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
    int64_t now_us;
    sl_letter_seen seen;
    void *arg;
    const volatile int *stop;
};

static bool goes_on(const struct looking *l)
{
    return l->out->all && __atomic_load_n(l->stop, __ATOMIC_RELAXED) == 0;
}

static void see(struct looking *l, const struct sl_received *received, struct sl_arena *arena)
{
    const struct sl_pubsub_message *from = &received->message;
    struct sl_dead_letter letter;
    struct sl_attribute *attributes = sl_arena_array(arena, from->n_attributes + 1, sizeof *attributes);
    for (size_t i = 0; i < from->n_attributes; i++) {
        attributes[i].key = sl_arena_strndup(arena, from->attributes[i].key.ptr, from->attributes[i].key.len);
        attributes[i].value = sl_arena_strndup(arena, from->attributes[i].value.ptr, from->attributes[i].value.len);
    }
    const struct sl_message message = {.subscription = l->box->subscription,
                                       .message_id = sl_arena_strndup(arena, from->message_id.ptr, from->message_id.len),
                                       .publish_us = from->publish_us,
                                       .data = from->data.ptr,
                                       .len = from->data.len,
                                       .attributes = attributes,
                                       .n_attributes = from->n_attributes,
                                       .delivery_attempt = received->delivery_attempt};
    sl_dead_letter_read(&letter, &message, l->box->phase, l->config, l->now_us, arena);
    l->out->n++;
    l->out->all = l->seen(l->arg, &letter);
}

static void see_all(struct looking *l, const struct sl_received *received, size_t n, struct sl_arena *arena)
{
    for (size_t i = 0; i < n && l->out->all; i++)
        see(l, &received[i], arena);
}

static enum sl_code ask_pages(struct looking *l, struct sl_pubsub_admin *admin, struct sl_err *err)
{
    struct sl_buf from = {0};
    enum sl_code code = SL_OK;
    do {
        struct sl_arena page = {0};
        struct sl_received *received;
        const char *next = "";
        size_t n;
        code = sl_pubsub_admin_look(admin, l->box->subscription, sl_buf_text(&from), PAGE, &received, &n, &next, &page, err);
        if (code == SL_OK)
            see_all(l, received, n, &page);
        sl_buf_clear(&from);
        sl_buf_str(&from, next);
        sl_arena_fini(&page);
    } while (code == SL_OK && from.len > 0 && goes_on(l));
    sl_buf_fini(&from);
    return code;
}

struct pulled { /* what has to be given back */
    struct sl_arena arena;
    const char **ack_ids;
    size_t n;
};

static enum sl_code pull_some(struct looking *l, struct sl_pubsub_admin *admin, struct pulled *pulled, size_t *n, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_received *received;
    *n = 0;
    enum sl_code code = sl_pubsub_admin_pull(admin, l->box->subscription, PAGE, &received, n, &arena, err);
    for (size_t i = 0; i < *n; i++) {
        pulled->ack_ids = sl_arena_push(&pulled->arena, pulled->ack_ids, &pulled->n, sizeof *pulled->ack_ids);
        pulled->ack_ids[pulled->n - 1] = sl_arena_strndup(&pulled->arena, received[i].ack_id.ptr, received[i].ack_id.len);
    }
    see_all(l, received, *n, &arena);
    sl_arena_fini(&arena);
    return code;
}

/* Pulls until nothing has come a few times: one pull may bring less than there is. */
static enum sl_code pull_all(struct looking *l, struct sl_pubsub_admin *admin, struct pulled *pulled, struct sl_err *err)
{
    const struct timespec pause = {.tv_nsec = PULL_PAUSE_MS * 1000000L};
    enum sl_code code = SL_OK;
    for (int in_vain = 0; in_vain < PULLS_IN_VAIN && code == SL_OK && goes_on(l);) {
        size_t n;
        code = pull_some(l, admin, pulled, &n, err);
        in_vain = n > 0 ? 0 : in_vain + 1;
        if (n == 0)
            nanosleep(&pause, NULL);
    }
    return code;
}

static enum sl_code pull_and_give_back(struct looking *l, struct sl_pubsub_admin *admin, struct sl_err *err)
{
    struct pulled pulled = {0};
    struct sl_err trouble = {0};
    if (l->box->counts_attempts)
        return sl_fail(err, SL_CONFLICT,
                       "%s has a dead-letter policy of its own: receiving from it would count as an attempt, and this server can't be "
                       "asked in another way",
                       l->box->subscription);
    l->out->taken = true;
    const enum sl_code code = pull_all(l, admin, &pulled, err);
    const enum sl_code given_back = sl_pubsub_admin_give_back(admin, l->box->subscription, pulled.ack_ids, pulled.n, &trouble);
    if (given_back != SL_OK)
        sl_log(SL_WARNING, "messages that were looked at could not be given back; they come again when their leases end",
               {"subscription", l->box->subscription}, {"error", trouble.text});
    sl_arena_fini(&pulled.arena);
    return code;
}

enum sl_code sl_letters_look(struct sl_letter_look *out, const struct sl_letter_box *box, struct sl_service *service,
                             const struct sl_config *config, int64_t now_us, sl_letter_seen seen, void *arg, const volatile int *stop,
                             struct sl_err *err)
{
    struct looking looking = {.out = out, .box = box, .config = config, .now_us = now_us, .seen = seen, .arg = arg, .stop = stop};
    struct sl_pubsub_admin *admin = NULL;
    *out = (struct sl_letter_look){.all = true};
    enum sl_code code = sl_pubsub_admin_create(&admin, sl_service_peer(service), err);
    if (code == SL_OK)
        code = ask_pages(&looking, admin, err);
    if (code == SL_INVALID && admin != NULL && out->n == 0)
        code = pull_and_give_back(&looking, admin, err);
    sl_pubsub_admin_destroy(&admin);
    return code;
}
