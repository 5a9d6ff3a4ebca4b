/* doctor_bus.c - is the bus as the pipeline needs it? What `sluice init` would make is compared with what is there; then the grants, where the server knows of any. */
#include <sluice/doctor.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>
#include <sluice/grpc_bus.h>
#include <sluice/str.h>

#define LEAST_ATTEMPTS 5
#define MOST_ATTEMPTS  100
#define TOKEN_MS       10000
#define INIT           "sluice init"

/* ---- judging ---- */

static bool check_retention(struct sl_doctor *d, const struct sl_pubsub_subscription *found)
{
    char kept[32], outage[32];
    if (sl_pubsub_retention_ms(found) >= d->outage_ms)
        return true;
    sl_doctor_add(d, SL_HEALTH_WARNING, "retention", found->name, "raise message_retention_duration (up to 31d)",
                  "messages are kept for %s: an outage of %s (--outage) would lose some",
                  sl_duration_format(sl_pubsub_retention_ms(found), kept), sl_duration_format(d->outage_ms, outage));
    return false;
}

static bool check_dead_letters(struct sl_doctor *d, const struct sl_pubsub_subscription *wanted, const struct sl_pubsub_subscription *found)
{
    const int attempts = found->max_delivery_attempts;
    if (found->dead_letter_topic == NULL || found->dead_letter_topic[0] == '\0') {
        if (wanted->dead_letter_topic != NULL)
            sl_doctor_add(
                d, SL_HEALTH_CRITICAL, "dead_letter_policy", found->name, INIT,
                "the config names the dead-letter topic %s, the subscription has no such policy: what can't be processed comes for ever",
                wanted->dead_letter_topic);
        return wanted->dead_letter_topic == NULL;
    }
    if (wanted->dead_letter_topic != NULL && !sl_str_eq(found->dead_letter_topic, wanted->dead_letter_topic)) {
        sl_doctor_add(d, SL_HEALTH_WARNING, "dead_letter_policy", found->name, "name one of the two",
                      "its dead letters go to %s, the config names %s", found->dead_letter_topic, wanted->dead_letter_topic);
        return false;
    }
    if (attempts != 0 && (attempts < LEAST_ATTEMPTS || attempts > MOST_ATTEMPTS)) {
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "max_delivery_attempts", found->name, "sluice init makes it 100 on a new subscription",
                      "it is %d; Pub/Sub takes %d to %d", attempts, LEAST_ATTEMPTS, MOST_ATTEMPTS);
        return false;
    }
    return true;
}

static bool check_deadline(struct sl_doctor *d, const struct sl_pubsub_subscription *found)
{
    const int64_t deadline_ms = (int64_t)found->ack_deadline_s * 1000;
    if (d->batch_ms < 0) {
        sl_doctor_add(d, SL_HEALTH_UNKNOWN, "ack_deadline", found->name, NULL, "it is %d s; how long a batch takes here was not measured",
                      found->ack_deadline_s);
        return false;
    }
    if (deadline_ms >= 2 * d->batch_ms)
        return true;
    sl_doctor_add(d, SL_HEALTH_WARNING, "ack_deadline", found->name, "raise it to 60 s or more",
                  "it is %d s, a batch takes about %lld ms here: Sluice extends its leases, but another subscriber's messages come twice",
                  found->ack_deadline_s, (long long)d->batch_ms);
    return false;
}

static bool check_inbox(struct sl_doctor *d, const struct sl_pubsub_subscription *found)
{
    char inbox[32], kept[32];
    const int64_t inbox_ms = d->config->retention.inbox_ms;
    if (inbox_ms < 0 || inbox_ms >= sl_pubsub_retention_ms(found))
        return true;
    sl_doctor_add(d, SL_HEALTH_WARNING, "inbox", found->name, "leave retention.inbox out",
                  "retention.inbox is %s, but the subscription can bring a message again for %s", sl_duration_format(inbox_ms, inbox),
                  sl_duration_format(sl_pubsub_retention_ms(found), kept));
    return false;
}

static bool check_shape(struct sl_doctor *d, const struct sl_pubsub_subscription *wanted, const struct sl_pubsub_subscription *found)
{
    bool fine = true;
    if (found->detached || (wanted->topic != NULL && !sl_str_eq(found->topic, wanted->topic))) {
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "subscription", found->name, "delete it, then sluice init",
                      found->detached ? "it is detached: nothing comes any more" : "it is of the topic %s, not %s", found->topic,
                      wanted->topic);
        fine = false;
    }
    if (found->filter != NULL && found->filter[0] != '\0') {
        sl_doctor_add(d, SL_HEALTH_WARNING, "filter", found->name, "a subscription without a filter",
                      "only messages that match %.100s come", found->filter);
        fine = false;
    }
    if (!found->has_retry) {
        sl_doctor_add(d, SL_HEALTH_WARNING, "retry_policy", found->name, INIT,
                      "it has none: a message that fails comes again at once, and can burn all its attempts in a second");
        fine = false;
    }
    return fine;
}

void sl_doctor_subscription(struct sl_doctor *d, const struct sl_pubsub_subscription *wanted, const struct sl_pubsub_subscription *found)
{
    if (found == NULL) {
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "subscription", wanted->name, INIT, "it is not there");
        return;
    }
    bool fine = check_shape(d, wanted, found);
    fine &= check_dead_letters(d, wanted, found);
    fine &= check_deadline(d, found);
    fine &= check_retention(d, found);
    fine &= check_inbox(d, found);
    if (fine)
        sl_doctor_add(d, SL_HEALTH_OK, "subscription", found->name, NULL, "it is as it should be");
}

void sl_doctor_watched(struct sl_doctor *d, const char *what, const char *topic, const struct sl_pubsub_subscription *found, size_t n)
{
    const bool letters = strcmp(what, "dead letters") == 0;
    bool fine = n > 0;
    if (n == 0)
        sl_doctor_add(d, letters ? SL_HEALTH_CRITICAL : SL_HEALTH_WARNING, "watched", topic, INIT,
                      "nobody subscribes to it: %s that come there are lost", what);
    for (size_t i = 0; i < n; i++) {
        fine &= check_retention(d, &found[i]);
        if (letters && found[i].dead_letter_topic != NULL) {
            sl_doctor_add(d, SL_HEALTH_WARNING, "watched", found[i].name, "take its dead-letter policy away",
                          "it has a dead-letter policy of its own: looking at dead letters through it counts as attempts");
            fine = false;
        }
    }
    if (fine)
        sl_doctor_add(d, SL_HEALTH_OK, "watched", topic, NULL, "%zu %s to its %s", n, n == 1 ? "subscribes" : "subscribe", what);
}

static bool is_agent(const char *member)
{
    static const char START[] = "serviceAccount:service-", END[] = "@gcp-sa-pubsub.iam.gserviceaccount.com";
    const size_t len = strlen(member);
    return strncmp(member, START, sizeof START - 1) == 0 && len > sizeof END - 1 && strcmp(member + len - (sizeof END - 1), END) == 0;
}

static bool gives(const char *role, const char *wanted)
{
    return strcmp(role, wanted) == 0 || strcmp(role, "roles/pubsub.editor") == 0 || strcmp(role, "roles/pubsub.admin") == 0;
}

void sl_doctor_agent_grant(struct sl_doctor *d, const char *resource, const char *role, const struct sl_grant *grants, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gives(grants[i].role, role) && is_agent(grants[i].member)) {
            sl_doctor_add(d, SL_HEALTH_OK, "grant", resource, NULL, "Pub/Sub's own agent has %s", grants[i].role);
            return;
        }
    sl_doctor_add(
        d, SL_HEALTH_WARNING, "grant", resource,
        sl_arena_printf(d->arena, "grant %s to service-PROJECT_NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com", role),
        "Pub/Sub's own agent has no %s on it; unless the project grants it, which can't be seen from here, dead letters never leave", role);
}

/* ---- looking ---- */

struct looking {
    struct sl_doctor *doctor;
    struct sl_pubsub_admin *admin;
    bool no_grants; /* the server has no such service, or keeps policies and asks nobody for them, as our broker does */
};

static void say_unknown(struct looking *l, const char *check, const char *subject, const struct sl_err *err)
{
    sl_doctor_add(l->doctor, SL_HEALTH_UNKNOWN, check, subject, NULL, "it can't be asked: %s", err->text);
}

static void look_at_topic(struct looking *l, const char *name)
{
    struct sl_pubsub_topic found;
    struct sl_err err = {0};
    const enum sl_code code = sl_pubsub_admin_get_topic(l->admin, name, &found, l->doctor->arena, &err);
    if (code == SL_NOT_FOUND)
        sl_doctor_add(l->doctor, SL_HEALTH_CRITICAL, "topic", name, INIT, "it is not there");
    else if (code != SL_OK)
        say_unknown(l, "topic", name, &err);
}

static void look_at_subscription(struct looking *l, const struct sl_pubsub_subscription *wanted)
{
    struct sl_pubsub_subscription found;
    struct sl_err err = {0};
    const enum sl_code code = sl_pubsub_admin_get_subscription(l->admin, wanted->name, &found, l->doctor->arena, &err);
    if (code == SL_OK || code == SL_NOT_FOUND)
        sl_doctor_subscription(l->doctor, wanted, code == SL_OK ? &found : NULL);
    else
        say_unknown(l, "subscription", wanted->name, &err);
}

static const char *meaning(const struct sl_doctor *d, const char *topic)
{
    for (size_t i = 0; i < d->config->n_phases; i++) {
        const char *letters = d->config->phases[i].dead_letter_topic;
        if (letters != NULL && strcmp(sl_pubsub_resource(d->arena, d->config, "topics", letters), topic) == 0)
            return "dead letters";
    }
    return "triggers";
}

static void look_at_watched(struct looking *l, const char *topic)
{
    struct sl_doctor *d = l->doctor;
    struct sl_err err = {0};
    const char **names = NULL;
    size_t n = 0;
    enum sl_code code = sl_pubsub_admin_topic_subscriptions(l->admin, topic, &names, &n, d->arena, &err);
    struct sl_pubsub_subscription *found = sl_arena_array(d->arena, n + 1, sizeof *found);
    for (size_t i = 0; i < n && code == SL_OK; i++)
        code = sl_pubsub_admin_get_subscription(l->admin, names[i], &found[i], d->arena, &err);
    if (code == SL_OK)
        sl_doctor_watched(d, meaning(d, topic), topic, found, n);
    else if (code != SL_NOT_FOUND) /* look_at_topic() says so */
        say_unknown(l, "watched", topic, &err);
}

/* ---- grants ---- */

static void look_at_permission(struct looking *l, const char *resource, const char *permission)
{
    struct sl_err err = {0};
    bool granted = false;
    if (l->no_grants)
        return;
    const enum sl_code code = sl_pubsub_admin_test_permission(l->admin, resource, permission, &granted, &err);
    l->no_grants = code == SL_INVALID;
    if (code == SL_OK && !granted)
        sl_doctor_add(l->doctor, SL_HEALTH_CRITICAL, "grant", resource, "grant it to the account that Sluice runs as",
                      "we have no %s on it", permission);
    else if (code == SL_OK)
        sl_doctor_add(l->doctor, SL_HEALTH_OK, "grant", resource, NULL, "we have %s", permission);
    else if (code != SL_INVALID && code != SL_NOT_FOUND)
        say_unknown(l, "grant", resource, &err);
}

static void look_at_agent(struct looking *l, const char *resource, const char *role)
{
    struct sl_grant *grants = NULL;
    struct sl_err err = {0};
    size_t n = 0;
    if (l->no_grants)
        return;
    const enum sl_code code = sl_pubsub_admin_grants(l->admin, resource, &grants, &n, l->doctor->arena, &err);
    if (code == SL_OK)
        sl_doctor_agent_grant(l->doctor, resource, role, grants, n);
    else if (code == SL_DENIED)
        sl_doctor_add(l->doctor, SL_HEALTH_UNKNOWN, "grant", resource, "let somebody with getIamPolicy look",
                      "we may not see whether Pub/Sub's own agent has %s", role);
    else if (code != SL_NOT_FOUND && code != SL_INVALID)
        say_unknown(l, "grant", resource, &err);
}

static void look_at_grants(struct looking *l, const struct sl_bus_plan *plan)
{
    for (size_t i = 0; i < plan->n_subscriptions; i++) {
        look_at_permission(l, plan->subscriptions[i].name, "pubsub.subscriptions.consume");
        if (plan->subscriptions[i].dead_letter_topic == NULL)
            continue;
        look_at_agent(l, plan->subscriptions[i].name, "roles/pubsub.subscriber");
        look_at_agent(l, plan->subscriptions[i].dead_letter_topic, "roles/pubsub.publisher");
    }
    for (size_t i = 0; i < plan->n_watched; i++)
        look_at_permission(l, plan->watched[i], "pubsub.topics.publish");
    if (l->no_grants)
        sl_doctor_add(l->doctor, l->doctor->config->bus.type == SL_BUS_PUBSUB ? SL_HEALTH_UNKNOWN : SL_HEALTH_OK, "grant", "bus", NULL,
                      "this server knows no grants: everybody who reaches it may do everything");
}

/* They are asked for a token, which is thrown away. */
static void look_at_credentials(struct sl_doctor *d, struct sl_credentials *credentials)
{
    struct sl_buf header = {0};
    struct sl_err err = {0};
    if (credentials == NULL)
        return;
    const enum sl_code code = sl_credentials_token(credentials, &header, TOKEN_MS, &err);
    if (code == SL_OK)
        sl_doctor_add(d, SL_HEALTH_OK, "credentials", sl_credentials_source(credentials), NULL, "they give tokens");
    else
        sl_doctor_add(d, code == SL_DENIED ? SL_HEALTH_CRITICAL : SL_HEALTH_WARNING, "credentials", sl_credentials_source(credentials),
                      NULL, "they give no token: %s", err.text);
    if (header.data != NULL)
        explicit_bzero(header.data, header.len);
    sl_buf_fini(&header);
}

void sl_doctor_look_at_bus(struct sl_doctor *d, struct sl_service *service)
{
    struct looking looking = {.doctor = d, .no_grants = d->config->bus.type != SL_BUS_PUBSUB};
    struct sl_bus_plan plan;
    struct sl_err err = {0};
    sl_bus_plan(&plan, d->config, d->arena);
    if (sl_pubsub_admin_create(&looking.admin, sl_service_peer(service), &err) != SL_OK) {
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "bus", sl_service_address(service), NULL, "%s", err.text);
        return;
    }
    look_at_credentials(d, sl_service_peer(service)->credentials);
    for (size_t i = 0; i < plan.n_topics; i++)
        look_at_topic(&looking, plan.topics[i]);
    for (size_t i = 0; i < plan.n_subscriptions; i++)
        look_at_subscription(&looking, &plan.subscriptions[i]);
    for (size_t i = 0; i < plan.n_watched; i++)
        look_at_watched(&looking, plan.watched[i]);
    look_at_grants(&looking, &plan);
    sl_pubsub_admin_destroy(&looking.admin);
}
