/* service.c - which bus a command talks to.
 *
 * The life of an embedded service: lock free -> the broker serves in this process until closed.
 *                                  lock held -> its holder is dialled; a thread looks whether it has left, and then serves at the same address: streams that were cut reconnect to us.
 * What can go wrong: the holder is just starting or stopping (its lock is there, its address isn't: waited for), the port belongs to somebody else (said), the store fails later
 * (sl_service_failed()). */
#include <sluice/service.h>

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sluice/broker.h>
#include <sluice/clock.h>
#include <sluice/grpc_bus.h>
#include <sluice/log.h>

#include "cloud.h"

#define WAIT_MS       10000 /* RULES 31 */
#define PORT_WAIT_MS  1000  /* the port of a process that has just ended */
#define RETRY_MS      100
#define TAKE_EVERY_MS 250
#define GRACE_MS      1000
#define HOLD_LEASE_S  20
#define PUBLISH_MS    5000 /* the outbox has a patience of its own, and a stop waits for no longer than 10 s */
#define ADDRESS_MAX   256

#define MOST_RETENTION_MS (INT64_C(31) * 86400000) /* the API's limit of message_retention_duration */

struct sl_service {
    const struct sl_config *config;
    char address[ADDRESS_MAX];
    struct sl_cloud cloud;      /* of bus.type pubsub */
    struct sl_pubsub_peer peer; /* what is dialled */
    pthread_mutex_t mutex;      /* of what follows */
    pthread_cond_t closed;
    struct sl_broker *broker;      /* NULL: somebody else serves */
    struct sl_pubsub_admin *admin; /* asks another process for its backlog; NULL until then */
    bool closing, keeper_on;
    bool asked_in_vain; /* it is no broker of ours */
    pthread_t keeper;
};

/* ---- addresses ---- */

enum sl_code sl_emulator_address(const char **out, const char *value, struct sl_arena *arena, struct sl_err *err)
{
    static const char HTTP[] = "http://";
    const char *start = strncmp(value, HTTP, sizeof HTTP - 1) == 0 ? value + sizeof HTTP - 1 : value;
    size_t len = strlen(start);
    int64_t port = 0;
    if (start != value && len > 0 && start[len - 1] == '/')
        len--;
    const char *address = sl_arena_strndup(arena, start, len);
    const char *colon = strrchr(address, ':');
    const bool has_port = colon != NULL && colon != address && sl_parse_i64(colon + 1, &port) && port >= 1 && port <= 65535;
    if (!has_port || address[strcspn(address, "/ ")] != '\0')
        return sl_fail(err, SL_INVALID, "PUBSUB_EMULATOR_HOST is %.100s; expected host:port", value);
    *out = address;
    return SL_OK;
}

static bool connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool connect_to(const struct addrinfo *info)
{
    const struct timeval patience = {.tv_sec = 3};
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    bool ok = connect(fd, info->ai_addr, info->ai_addrlen) == 0;
    close(fd);
    return ok;
}

/* "host:port", "[::1]:port" */
static bool connect_tcp(const char *text)
{
    char host[ADDRESS_MAX];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(text, ':');
    bool ok = false;
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return false;
    const bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
    const size_t len = (size_t)(colon - text) - (bracketed ? 2 : 0);
    memcpy(host, text + bracketed, len);
    host[len] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *info = found; info != NULL && !ok; info = info->ai_next)
        ok = connect_to(info);
    freeaddrinfo(found);
    return ok;
}

static bool listens(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? connect_unix(address + 5) : connect_tcp(address);
}

enum sl_code sl_service_reach(const struct sl_service *service, struct sl_err *err)
{
    if (service->config->bus.type == SL_BUS_PUBSUB)
        return sl_cloud_check(&service->cloud, err);
    if (listens(service->address))
        return SL_OK;
    return sl_fail(err, SL_UNAVAILABLE, "nothing answers at %s%s", service->address,
                   service->config->bus.type == SL_BUS_EMULATOR ? " (PUBSUB_EMULATOR_HOST)" : "");
}

/* ---- the embedded broker ---- */

static enum sl_code serve(const struct sl_config *config, const char *address, struct sl_broker **out, struct sl_err *err)
{
    const struct sl_broker_options options = {.path = config->bus.path, .listen = address};
    *out = NULL;
    enum sl_code code = sl_broker_create(out, &options, err);
    if (code != SL_OK)
        sl_broker_destroy(out);
    return code;
}

/* One try: the lock, or its holder. SL_CONFLICT: the holder can't be dialled. */
static enum sl_code find_or_serve(struct sl_service *service, bool any_port, struct sl_err *err)
{
    const struct sl_config *config = service->config;
    struct sl_err trouble = {0};
    enum sl_code code = serve(config, config->bus.listen, &service->broker, err);
    if (code == SL_UNAVAILABLE && any_port)
        code = serve(config, "127.0.0.1:0", &service->broker, err);
    if (code == SL_OK)
        snprintf(service->address, sizeof service->address, "%s", sl_broker_address(service->broker));
    if (code != SL_CONFLICT)
        return code;
    if (sl_broker_find(service->address, sizeof service->address, config->bus.path, &trouble) == SL_OK && listens(service->address))
        return SL_OK;
    return SL_CONFLICT;
}

static enum sl_code open_embedded(struct sl_service *service, const struct sl_service_options *options, struct sl_err *err)
{
    const int64_t wait_ms = options->wait_ms == 0 ? WAIT_MS : options->wait_ms;
    enum sl_code code = find_or_serve(service, options->brief, err);
    for (int64_t waited_ms = 0; code == SL_CONFLICT || code == SL_UNAVAILABLE; waited_ms += RETRY_MS) {
        if (waited_ms >= wait_ms || (code == SL_UNAVAILABLE && waited_ms >= PORT_WAIT_MS))
            break;
        sl_pause_ms(RETRY_MS);
        code = find_or_serve(service, options->brief, err);
    }
    if (code == SL_OK && service->broker != NULL && !options->brief && !sl_broker_is_local(service->address))
        sl_log(SL_WARNING, "other machines may reach the broker, which asks nobody who they are", {"address", service->address});
    if (code != SL_CONFLICT)
        return code;
    err->code = SL_UNAVAILABLE;
    return sl_wrap(err, "the broker of another process can't be reached");
}

/* While another process serves: its lock, once it has left. What is dialled stays the same. */
static void *keeper_main(void *arg)
{
    struct sl_service *service = arg;
    pthread_mutex_lock(&service->mutex);
    while (!service->closing && service->broker == NULL) {
        struct sl_broker *broker = NULL;
        struct sl_err err = {0};
        pthread_mutex_unlock(&service->mutex);
        enum sl_code code = serve(service->config, service->address, &broker, &err);
        if (code == SL_OK)
            sl_log(SL_WARNING, "the process that served the broker has left; this one serves now", {"address", service->address});
        pthread_mutex_lock(&service->mutex);
        service->broker = broker;
        if (!service->closing && broker == NULL)
            sl_cond_wait(&service->closed, &service->mutex, sl_monotonic_ms() + TAKE_EVERY_MS);
    }
    pthread_mutex_unlock(&service->mutex);
    return NULL;
}

/* ---- life ---- */

static const char *read_env(const struct sl_service_options *options, const char *name)
{
    const char *value = options->getenv_fn != NULL ? options->getenv_fn(name) : getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static enum sl_code open_emulator(struct sl_service *service, const char *host, struct sl_err *err)
{
    struct sl_arena arena = {0};
    const char *address = NULL;
    if (host == NULL)
        return sl_fail(err, SL_INVALID, "bus.type is emulator, but PUBSUB_EMULATOR_HOST (host:port) is not set");
    enum sl_code code = sl_emulator_address(&address, host, &arena, err);
    if (code == SL_OK && strlen(address) >= sizeof service->address)
        code = sl_fail(err, SL_INVALID, "PUBSUB_EMULATOR_HOST is too long");
    if (code == SL_OK)
        snprintf(service->address, sizeof service->address, "%s", address);
    sl_arena_fini(&arena);
    return code;
}

/* A worker waits for what may come back; certificates and credentials that are no good don't. */
static enum sl_code open_pubsub(struct sl_service *service, const struct sl_service_options *options, const char *host, struct sl_err *err)
{
    struct sl_err trouble = {0};
    if (host != NULL)
        return sl_fail(err, SL_INVALID, "bus.type is pubsub, but PUBSUB_EMULATOR_HOST is set to %.100s; unset it, or use bus.type emulator",
                       host);
    enum sl_code code = sl_cloud_open(&service->cloud, service->config, options->getenv_fn, err);
    if (code != SL_OK)
        return code;
    service->peer = service->cloud.peer;
    snprintf(service->address, sizeof service->address, "%s", service->peer.address);
    code = options->brief ? SL_OK : sl_cloud_check(&service->cloud, &trouble);
    if (code == SL_UNAVAILABLE)
        sl_log(SL_WARNING, "Google Cloud Pub/Sub can't be reached yet", {"error", trouble.text});
    else if (code != SL_OK)
        return sl_fail(err, code, "%s", trouble.text);
    return SL_OK;
}

static enum sl_code open_by_type(struct sl_service *service, const struct sl_service_options *options, struct sl_err *err)
{
    const char *host = read_env(options, "PUBSUB_EMULATOR_HOST");
    switch (service->config->bus.type) {
    case SL_BUS_PUBSUB: return open_pubsub(service, options, host, err);
    case SL_BUS_EMULATOR: return open_emulator(service, host, err);
    case SL_BUS_EMBEDDED:
        if (host != NULL)
            sl_log(SL_WARNING, "PUBSUB_EMULATOR_HOST is ignored: bus.type is embedded", {"PUBSUB_EMULATOR_HOST", host});
        return open_embedded(service, options, err);
    }
    return sl_fail(err, SL_INTERNAL, "bus.type %d is unknown", (int)service->config->bus.type);
}

static enum sl_code start_keeper(struct sl_service *service, struct sl_err *err)
{
    if (service->config->bus.type != SL_BUS_EMBEDDED || service->broker != NULL)
        return SL_OK;
    service->keeper_on = pthread_create(&service->keeper, NULL, keeper_main, service) == 0;
    return service->keeper_on ? SL_OK : sl_fail(err, SL_UNAVAILABLE, "a thread could not be started");
}

enum sl_code sl_service_open(struct sl_service **out, const struct sl_config *config, const struct sl_service_options *options,
                             struct sl_err *err)
{
    static const struct sl_service_options DEFAULTS = {0};
    struct sl_service *service = sl_calloc(1, sizeof *service);
    service->config = config;
    service->peer.address = service->address;
    pthread_mutex_init(&service->mutex, NULL);
    sl_cond_init(&service->closed);
    *out = service;
    enum sl_code code = open_by_type(service, options != NULL ? options : &DEFAULTS, err);
    if (code == SL_OK)
        code = start_keeper(service, err);
    if (code != SL_OK)
        sl_service_close(out);
    return code;
}

void sl_service_close(struct sl_service **out)
{
    struct sl_service *service = *out;
    if (service == NULL)
        return;
    pthread_mutex_lock(&service->mutex);
    service->closing = true;
    pthread_cond_broadcast(&service->closed);
    pthread_mutex_unlock(&service->mutex);
    if (service->keeper_on)
        pthread_join(service->keeper, NULL);
    if (service->broker != NULL)
        sl_broker_stop(service->broker, GRACE_MS);
    sl_broker_destroy(&service->broker);
    sl_pubsub_admin_destroy(&service->admin);
    sl_cloud_close(&service->cloud);
    pthread_cond_destroy(&service->closed);
    pthread_mutex_destroy(&service->mutex);
    free(service);
    *out = NULL;
}

const char *sl_service_address(const struct sl_service *service)
{
    return service->address;
}

const struct sl_pubsub_peer *sl_service_peer(const struct sl_service *service)
{
    return &service->peer;
}

bool sl_service_is_ours(struct sl_service *service)
{
    pthread_mutex_lock(&service->mutex);
    bool ours = service->broker != NULL;
    pthread_mutex_unlock(&service->mutex);
    return ours;
}

bool sl_service_failed(struct sl_service *service, struct sl_err *err)
{
    pthread_mutex_lock(&service->mutex);
    bool failed = service->broker != NULL && sl_broker_failed(service->broker, err);
    pthread_mutex_unlock(&service->mutex);
    return failed;
}

/* Under the mutex. What can't be asked just now counts as something that waits: nobody is idle while the bus is away. */
static void ask_backlog(struct sl_service *service, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased)
{
    struct sl_err err = {0};
    if (service->asked_in_vain)
        return;
    enum sl_code code = service->admin != NULL ? SL_OK : sl_pubsub_admin_create(&service->admin, &service->peer, &err);
    if (code == SL_OK)
        code = sl_pubsub_admin_backlog(service->admin, subscriptions, n, undelivered, leased, &err);
    service->asked_in_vain = code == SL_INVALID;
    if (code != SL_OK)
        *undelivered = *leased = code == SL_INVALID ? -1 : 1;
}

static void backlog(void *arg, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased)
{
    struct sl_service *service = arg;
    *undelivered = *leased = -1;
    pthread_mutex_lock(&service->mutex);
    if (service->broker != NULL)
        sl_broker_backlog(service->broker, subscriptions, n, undelivered, leased);
    else
        ask_backlog(service, subscriptions, n, undelivered, leased);
    pthread_mutex_unlock(&service->mutex);
}

static enum sl_code count_waiting(struct sl_service *service, const char *const *subscriptions, size_t n, int64_t *out, struct sl_err *err)
{
    int64_t undelivered = 0, leased = 0;
    enum sl_code code = SL_OK;
    pthread_mutex_lock(&service->mutex);
    if (service->broker != NULL) {
        sl_broker_backlog(service->broker, subscriptions, n, &undelivered, &leased);
    } else {
        code = service->admin != NULL ? SL_OK : sl_pubsub_admin_create(&service->admin, &service->peer, err);
        if (code == SL_OK)
            code = sl_pubsub_admin_backlog(service->admin, subscriptions, n, &undelivered, &leased, err);
    }
    pthread_mutex_unlock(&service->mutex);
    *out = undelivered + leased;
    return code;
}

enum sl_code sl_service_backlog(struct sl_service *service, int64_t *out, struct sl_err *err)
{
    const struct sl_config *config = service->config;
    struct sl_arena arena = {0};
    const char **names = sl_arena_array(&arena, config->n_phases + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < config->n_phases; i++)
        if (config->phases[i].subscription != NULL)
            names[n++] = sl_pubsub_resource(&arena, config, "subscriptions", config->phases[i].subscription);
    enum sl_code code = count_waiting(service, names, n, out, err);
    sl_arena_fini(&arena);
    return code;
}

static int64_t retention_of(struct sl_pubsub_admin *admin, const struct sl_config *config, const char *subscription)
{
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_pubsub_subscription found;
    int64_t ms = MOST_RETENTION_MS;
    if (sl_pubsub_admin_get_subscription(admin, sl_pubsub_resource(&arena, config, "subscriptions", subscription), &found, &arena, &err) ==
        SL_OK)
        ms = sl_pubsub_retention_ms(&found);
    sl_arena_fini(&arena);
    return ms;
}

int64_t sl_service_retention_ms(const struct sl_service *service, const struct sl_phase *const *phases, size_t n)
{
    struct sl_err err = {0};
    struct sl_pubsub_admin *admin;
    int64_t most_ms = 0;
    if (sl_pubsub_admin_create(&admin, &service->peer, &err) != SL_OK)
        return MOST_RETENTION_MS;
    for (size_t i = 0; i < n && most_ms < MOST_RETENTION_MS; i++) {
        const int64_t ms = retention_of(admin, service->config, phases[i]->subscription);
        most_ms = ms > most_ms ? ms : most_ms;
    }
    sl_pubsub_admin_destroy(&admin);
    return most_ms;
}

enum sl_code sl_service_bus(struct sl_bus **out, struct sl_service *service, const struct sl_phase *const *phases, size_t n_phases,
                            struct sl_err *err)
{
    const struct sl_grpc_bus_options options = {.publish_ms = PUBLISH_MS, .backlog = backlog, .backlog_arg = service};
    return sl_grpc_bus_create(out, &service->peer, service->config, phases, n_phases, &options, err);
}

enum sl_code sl_service_holding_bus(struct sl_bus **out, struct sl_service *service, const struct sl_phase *phase, size_t max_messages,
                                    size_t max_bytes, struct sl_err *err)
{
    const struct sl_grpc_bus_options options = {.streams = 1,
                                                .max_outstanding_messages = (int64_t)max_messages,
                                                .max_outstanding_bytes = (int64_t)max_bytes,
                                                .lease_s = HOLD_LEASE_S,
                                                .lease_cap_ms = INT64_C(7) * 86400 *
                                                                1000, /* a slow replay holds them for as long as it takes */
                                                .publish_ms = PUBLISH_MS,
                                                .backlog = backlog,
                                                .backlog_arg = service};
    return sl_grpc_bus_create(out, &service->peer, service->config, &phase, 1, &options, err);
}
