/* peer.c - our own client against the server that PUBSUB_EMULATOR_HOST names, as node/peer.mjs is Google's: the same words, one JSON object on stdout.
 *   own_peer make    TOPIC SUB [ordered | DEAD_LETTER_TOPIC]     five attempts; its subscription is DEAD_LETTER_TOPIC-sub
 *   own_peer publish TOPIC N SIZE [KEYS]
 *   own_peer receive SUB N [MODE K [LOG IDLE_MS]]     MODE: ack, slowly (a batch takes K ms), hold (acks nothing), keys (K keys: counts what comes before its turn)
 *       lapse (acks nothing and extends no lease), lapse-once (so with the first K, until they come again)
 * Our subscriber never nacks: it lets leases end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/grpc_bus.h>

#define PROJECT "interop"

enum { MAX_NUMBERS = 1000000, MAX_KEYS = 1000, POLL_MS = 100, IDLE_MS = 20000 };

static const char *address;
static struct sl_err err;

static void must(enum sl_code code, const char *what)
{
    if (code == SL_OK)
        return;
    fprintf(stderr, "own_peer: %s: %s\n", what, err.text);
    exit(1);
}

static const char *word(int argc, char **argv, int i, const char *absent)
{
    return i < argc ? argv[i] : absent;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- make ---- */

static void make_pair(struct sl_pubsub_admin *admin, const char *topic_name, const char *sub_name, bool ordered,
                      const char *dead_letter_topic)
{
    char topic_path[300], sub_path[300], dead_path[300];
    snprintf(topic_path, sizeof topic_path, "projects/" PROJECT "/topics/%s", topic_name);
    snprintf(sub_path, sizeof sub_path, "projects/" PROJECT "/subscriptions/%s", sub_name);
    snprintf(dead_path, sizeof dead_path, "projects/" PROJECT "/topics/%s", dead_letter_topic ? dead_letter_topic : "");
    const struct sl_pubsub_topic topic = {.name = topic_path};
    const struct sl_pubsub_subscription subscription = {.name = sub_path,
                                                        .topic = topic_path,
                                                        .ack_deadline_s = 10,
                                                        .ordering = ordered,
                                                        .dead_letter_topic = dead_letter_topic ? dead_path : NULL,
                                                        .max_delivery_attempts = dead_letter_topic ? 5 : 0};
    must(sl_pubsub_admin_create_topic(admin, &topic, &err), "making the topic");
    must(sl_pubsub_admin_create_subscription(admin, &subscription, &err), "making the subscription");
}

static void make(int argc, char **argv)
{
    const char *more = word(argc, argv, 2, NULL);
    const bool ordered = more && strcmp(more, "ordered") == 0;
    const char *dead_letter_topic = ordered ? NULL : more;
    struct sl_pubsub_admin *admin;
    must(sl_pubsub_admin_create(&admin, SL_PLAIN_PEER(address), &err), "connecting");
    if (dead_letter_topic) {
        char sub_name[200];
        snprintf(sub_name, sizeof sub_name, "%s-sub", dead_letter_topic);
        make_pair(admin, dead_letter_topic, sub_name, false, NULL);
    }
    make_pair(admin, argv[0], argv[1], ordered, dead_letter_topic);
    sl_pubsub_admin_destroy(&admin);
    printf("{\"topic\": \"%s\"}\n", argv[0]);
}

/* ---- publish ---- */

static size_t body_of(char *body, int number, size_t size)
{
    const size_t head = (size_t)sprintf(body, "%09d ", number);
    if (size > head)
        memset(body + head, 'x', size - head);
    return size > head ? size : head;
}

static struct {
    size_t ok, failed;
} published;

static void on_published(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *why)
{
    (void)arg, (void)index, (void)id, (void)why;
    published.ok += code == SL_OK;
    published.failed += code != SL_OK;
}

static void publish_all(const char *topic, int n, size_t size, int keys, char *body)
{
    struct sl_grpc_publisher *publisher;
    must(sl_grpc_publisher_create(&publisher, SL_PLAIN_PEER(address), topic, NULL, on_published, NULL, &err), "connecting");
    for (int i = 0; i < n; i++) {
        char number[16], key[24] = "";
        snprintf(number, sizeof number, "%d", i);
        if (keys > 0)
            snprintf(key, sizeof key, "key-%d", i % keys);
        const struct sl_attribute attribute = {"number", number};
        must(sl_grpc_publisher_add_ordered(publisher, key, body, body_of(body, i, size), &attribute, 1, &err), "adding a message");
    }
    must(sl_grpc_publisher_flush(publisher, &err), "publishing");
    sl_grpc_publisher_destroy(&publisher);
}

static void publish(int argc, char **argv)
{
    const size_t size = strtoul(argv[2], NULL, 10);
    const int keys = atoi(word(argc, argv, 3, "0"));
    char topic[300], *body = malloc(size + 16);
    snprintf(topic, sizeof topic, "projects/" PROJECT "/topics/%s", argv[0]);
    publish_all(topic, atoi(argv[1]), size, keys, body);
    free(body);
    printf("{\"published\": %zu, \"failed\": %zu}\n", published.ok, published.failed);
}

/* ---- receive ---- */

static struct {
    size_t received, distinct, acked, early, lapsed, lapsed_again;
    int newest[MAX_KEYS];
    unsigned char seen[MAX_NUMBERS], done[MAX_NUMBERS], let_go[MAX_NUMBERS];
} book;

/* The first time numbers of a key come ascending. */
static void count(int number, int keys)
{
    book.received++;
    book.lapsed_again += book.let_go[number] == 1;
    book.let_go[number] *= 2;
    book.distinct += !book.seen[number];
    if (keys > 0) {
        int *newest = &book.newest[number % keys];
        book.early += !book.seen[number] && number < *newest;
        *newest = number;
    }
    book.seen[number] = 1;
}

/* Whether this one is not acked. */
static bool lapses(int number, const char *mode, int k)
{
    if (strcmp(mode, "lapse") != 0 && (strcmp(mode, "lapse-once") != 0 || book.lapsed >= (size_t)k || book.let_go[number]))
        return false;
    book.lapsed += !book.let_go[number];
    book.let_go[number] = 1;
    return true;
}

static void work_on(struct sl_bus *bus, const struct sl_bus_batch *batch, const char *mode, int k, FILE *log)
{
    for (size_t i = 0; i < batch->n; i++)
        count(atoi(batch->messages[i].message.data), strcmp(mode, "keys") == 0 ? k : 0);
    if (strcmp(mode, "hold") == 0)
        return;
    if (strcmp(mode, "slowly") == 0)
        nanosleep(&(struct timespec){.tv_sec = k / 1000, .tv_nsec = (long)(k % 1000) * 1000000}, NULL);
    for (size_t i = 0; i < batch->n; i++) {
        const int number = atoi(batch->messages[i].message.data);
        if (lapses(number, mode, k)) {
            batch->messages[i].receipt = NULL;
            continue;
        }
        book.acked += !book.done[number];
        book.done[number] = 1;
        if (log)
            fprintf(log, "%d\n", number);
    }
    if (log)
        fflush(log);
    must(sl_bus_ack(bus, batch, &err), "acking");
}

static void receive_all(struct sl_bus *bus, size_t n, const char *mode, int k, FILE *log, int64_t idle_ms)
{
    struct sl_bus_batch batch = {0};
    int64_t last_ms = now_ms();
    while (book.acked < n && now_ms() - last_ms < idle_ms) {
        must(sl_bus_receive(bus, 200, 10000000, POLL_MS, &batch, &err), "receiving");
        if (batch.n == 0)
            continue;
        work_on(bus, &batch, mode, k, log);
        last_ms = now_ms();
    }
    sl_bus_batch_fini(&batch);
}

static void receive(int argc, char **argv)
{
    const char *path = word(argc, argv, 4, "-");
    FILE *log = strcmp(path, "-") == 0 ? NULL : fopen(path, "a");
    struct sl_config config = {0};
    struct sl_phase phase = {.name = "peer", .subscription = argv[0]};
    const struct sl_phase *const phases[] = {&phase};
    struct sl_bus *bus;
    config.bus.type = SL_BUS_EMULATOR;
    config.bus.project = PROJECT;
    config.worker.batch_messages = 200;
    config.worker.batch_bytes = 10000000;
    const char *mode = word(argc, argv, 2, "ack");
    const struct sl_grpc_bus_options options = {.lease_cap_ms = strncmp(mode, "lapse", 5) == 0 ? 1 : 0};
    must(sl_grpc_bus_create(&bus, SL_PLAIN_PEER(address), &config, phases, 1, &options, &err), "connecting");
    receive_all(bus, strtoul(argv[1], NULL, 10), mode, atoi(word(argc, argv, 3, "0")), log,
                atoi(word(argc, argv, 5, "0")) > 0 ? atoi(argv[5]) : IDLE_MS);
    sl_bus_destroy(&bus); /* waits until the acks are answered */
    if (log)
        fclose(log);
    printf("{\"received\": %zu, \"distinct\": %zu, \"acked\": %zu, \"early\": %zu, \"nacked\": %zu, \"nacked_again\": %zu, \"bad\": 0, "
           "\"errors\": []}\n",
           book.received, book.distinct, book.acked, book.early, book.lapsed, book.lapsed_again);
}

int main(int argc, char **argv)
{
    address = getenv("PUBSUB_EMULATOR_HOST");
    if (address && argc > 3 && strcmp(argv[1], "make") == 0)
        make(argc - 2, argv + 2);
    else if (address && argc > 4 && strcmp(argv[1], "publish") == 0)
        publish(argc - 2, argv + 2);
    else if (address && argc > 3 && strcmp(argv[1], "receive") == 0)
        receive(argc - 2, argv + 2);
    else
        return fprintf(stderr, "usage: PUBSUB_EMULATOR_HOST=... own_peer make|publish|receive ...\n"), 2;
    return 0;
}
