/* topics.c - what the pipeline needs on its bus: the topics that the config names, a subscription for every phase's completions, with its policies (RULES 24), and one on every
 * topic of triggers and dead letters that nobody listens to (RULES 32), so that nothing published there is lost. What is there already is left as it is. */
#include <sluice/service.h>

#include <string.h>

#include <sluice/grpc_bus.h>

#define ACK_DEADLINE_S        60
#define MAX_DELIVERY_ATTEMPTS 100 /* RULES 24 */
#define MIN_BACKOFF_MS        10000
#define MAX_BACKOFF_MS        600000

/* ---- the plan ---- */

static bool is_listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void add_name(const char ***names, size_t *n, const char *name, struct sl_arena *arena)
{
    if (is_listed(*names, *n, name))
        return;
    *names = sl_arena_push(arena, *names, n, sizeof **names);
    (*names)[*n - 1] = name;
}

/* The full name of a topic that was given. */
static const char *add_topic(struct sl_bus_plan *plan, const struct sl_config *config, const char *name, struct sl_arena *arena)
{
    if (name == NULL)
        return NULL;
    const char *full = sl_pubsub_resource(arena, config, "topics", name);
    add_name(&plan->topics, &plan->n_topics, full, arena);
    return full;
}

static void add_subscription(struct sl_bus_plan *plan, const struct sl_config *config, const struct sl_phase *phase, const char *topic,
                             const char *dead_letters, struct sl_arena *arena)
{
    if (phase->subscription == NULL)
        return;
    plan->subscriptions = sl_arena_push(arena, plan->subscriptions, &plan->n_subscriptions, sizeof *plan->subscriptions);
    plan->subscriptions[plan->n_subscriptions - 1] = (struct sl_pubsub_subscription){
        .name = sl_pubsub_resource(arena, config, "subscriptions", phase->subscription),
        .topic = topic,
        .ack_deadline_s = ACK_DEADLINE_S,
        .dead_letter_topic = dead_letters,
        .max_delivery_attempts = dead_letters == NULL ? 0 : MAX_DELIVERY_ATTEMPTS,
        .has_retry = true,
        .min_backoff_ms = MIN_BACKOFF_MS,
        .max_backoff_ms = MAX_BACKOFF_MS,
    };
}

static bool has_planned_subscription(const struct sl_bus_plan *plan, const char *topic)
{
    for (size_t i = 0; i < plan->n_subscriptions; i++)
        if (sl_str_eq(plan->subscriptions[i].topic, topic))
            return true;
    return false;
}

void sl_bus_plan(struct sl_bus_plan *out, const struct sl_config *config, struct sl_arena *arena)
{
    const char **outward = NULL;
    size_t n = 0;
    *out = (struct sl_bus_plan){0};
    for (size_t i = 0; i < config->n_phases; i++) {
        const struct sl_phase *phase = &config->phases[i];
        const char *trigger = add_topic(out, config, phase->trigger_topic, arena);
        const char *topic = add_topic(out, config, phase->topic, arena);
        const char *dead_letters = add_topic(out, config, phase->dead_letter_topic, arena);
        add_subscription(out, config, phase, topic, dead_letters, arena);
        if (trigger != NULL)
            add_name(&outward, &n, trigger, arena);
        if (dead_letters != NULL)
            add_name(&outward, &n, dead_letters, arena);
    }
    for (size_t i = 0; i < n; i++)
        if (!has_planned_subscription(out, outward[i]))
            add_name(&out->watched, &out->n_watched, outward[i], arena);
}

const char *sl_bus_watcher(const char *topic, struct sl_arena *arena)
{
    static const char TOPICS[] = "/topics";
    const char *name = strrchr(topic, '/');
    const size_t before = name == NULL ? 0 : (size_t)(name - topic);
    if (before < sizeof TOPICS - 1 || strncmp(name - (sizeof TOPICS - 1), TOPICS, sizeof TOPICS - 1) != 0)
        return sl_arena_printf(arena, "%s-sub", topic);
    return sl_arena_printf(arena, "%.*s/subscriptions/%s-sub", (int)(before - (sizeof TOPICS - 1)), topic, name + 1);
}

/* ---- made true ---- */

struct making {
    struct sl_pubsub_admin *admin;
    void (*made)(void *arg, const char *kind, const char *name);
    void *arg;
    struct sl_arena *arena;
    struct sl_err *err;
};

static enum sl_code make_topic(const struct making *m, const char *name)
{
    const struct sl_pubsub_topic topic = {.name = name};
    struct sl_pubsub_topic found;
    enum sl_code code = sl_pubsub_admin_get_topic(m->admin, name, &found, m->arena, m->err);
    if (code != SL_NOT_FOUND)
        return code;
    code = sl_pubsub_admin_create_topic(m->admin, &topic, m->err);
    if (code == SL_OK)
        m->made(m->arg, "topic", name);
    return code == SL_CONFLICT ? SL_OK : code; /* somebody was quicker */
}

static enum sl_code create_subscription(const struct making *m, const struct sl_pubsub_subscription *wanted)
{
    if (wanted->topic == NULL)
        return sl_fail(m->err, SL_INVALID, "the subscription %s is not there, and the config names no completions.topic to make it on",
                       wanted->name);
    enum sl_code code = sl_pubsub_admin_create_subscription(m->admin, wanted, m->err);
    if (code == SL_OK)
        m->made(m->arg, "subscription", wanted->name);
    return code;
}

/* Policies that are there are somebody's choice; only missing ones are made. */
static enum sl_code add_policies(const struct making *m, const struct sl_pubsub_subscription *wanted,
                                 const struct sl_pubsub_subscription *found)
{
    const char *paths[2];
    size_t n = 0;
    if (wanted->dead_letter_topic != NULL && found->dead_letter_topic == NULL)
        paths[n++] = "dead_letter_policy";
    if (wanted->has_retry && !found->has_retry)
        paths[n++] = "retry_policy";
    if (n == 0)
        return SL_OK;
    struct sl_pubsub_subscription changed = *found;
    changed.has_retry = true;
    changed.min_backoff_ms = found->has_retry ? found->min_backoff_ms : wanted->min_backoff_ms;
    changed.max_backoff_ms = found->has_retry ? found->max_backoff_ms : wanted->max_backoff_ms;
    if (found->dead_letter_topic == NULL) {
        changed.dead_letter_topic = wanted->dead_letter_topic;
        changed.max_delivery_attempts = wanted->max_delivery_attempts;
    }
    enum sl_code code = sl_pubsub_admin_update_subscription(m->admin, &changed, paths, n, m->err);
    if (code == SL_OK)
        m->made(m->arg, "policy", wanted->name);
    return code;
}

static enum sl_code make_subscription(const struct making *m, const struct sl_pubsub_subscription *wanted)
{
    struct sl_pubsub_subscription found;
    enum sl_code code = sl_pubsub_admin_get_subscription(m->admin, wanted->name, &found, m->arena, m->err);
    if (code == SL_NOT_FOUND)
        return create_subscription(m, wanted);
    if (code != SL_OK)
        return code;
    if (wanted->topic != NULL && !sl_str_eq(found.topic, wanted->topic))
        return sl_fail(m->err, SL_CONFLICT, "the subscription %s is there, but of the topic %s, not %s; delete it, or name another one",
                       wanted->name, found.topic, wanted->topic);
    return add_policies(m, wanted, &found);
}

static enum sl_code watch_topic(const struct making *m, const char *topic)
{
    const struct sl_pubsub_subscription watcher = {
        .name = sl_bus_watcher(topic, m->arena), .topic = topic, .ack_deadline_s = ACK_DEADLINE_S};
    const char **names = NULL;
    size_t n = 0;
    enum sl_code code = sl_pubsub_admin_topic_subscriptions(m->admin, topic, &names, &n, m->arena, m->err);
    return code != SL_OK || n > 0 ? code : create_subscription(m, &watcher);
}

static enum sl_code make_all(const struct making *m, const struct sl_bus_plan *plan)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < plan->n_topics; i++)
        code = make_topic(m, plan->topics[i]);
    for (size_t i = 0; code == SL_OK && i < plan->n_subscriptions; i++)
        code = make_subscription(m, &plan->subscriptions[i]);
    for (size_t i = 0; code == SL_OK && i < plan->n_watched; i++)
        code = watch_topic(m, plan->watched[i]);
    return code;
}

enum sl_code sl_bus_init(const struct sl_pubsub_peer *peer, const struct sl_config *config,
                         void (*made)(void *arg, const char *kind, const char *name), void *arg, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_bus_plan plan;
    struct making m = {.made = made, .arg = arg, .arena = &arena, .err = err};
    sl_bus_plan(&plan, config, &arena);
    enum sl_code code = sl_pubsub_admin_create(&m.admin, peer, err);
    if (code == SL_OK)
        code = make_all(&m, &plan);
    sl_pubsub_admin_destroy(&m.admin);
    sl_arena_fini(&arena);
    return code;
}
