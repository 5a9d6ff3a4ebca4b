/* test_bus.c - the bus port: one list of cases against every bus, and what each of them does alone. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/bus.h>

enum { LARGE_BYTES = 700 * 1000 };

static const struct sl_phase PHASE = {.name = "raw", .subscription = "raw-sub"};
static const struct sl_phase OTHER = {.name = "analytics", .subscription = "analytics-sub"};

/* ---- one list for every bus ---- */

struct fixture {
    struct sl_bus *bus;
    FILE *file;
};

struct kind {
    const char *label;
    /* A bus that has these bodies and nothing else, ever. */
    void (*make)(struct fixture *fixture, const char *const *bodies, size_t n);
    /* One that has nothing yet and hasn't ended. */
    void (*make_open)(struct fixture *fixture);
    bool publishes;
    int64_t silent_at_end_ms;
};

static void make_file(struct fixture *fixture, const char *const *bodies, size_t n)
{
    fixture->file = tmpfile();
    cr_assert_not_null(fixture->file);
    for (size_t i = 0; i < n; i++)
        fprintf(fixture->file, "%s\n", bodies[i]);
    rewind(fixture->file);
    cr_assert_eq(sl_file_bus_create(&fixture->bus, fixture->file, "test", 10000000, NULL), SL_OK);
}

static void make_pipe(struct fixture *fixture)
{
    static int writer; /* left open: the pipe doesn't end */
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    writer = ends[1];
    cr_assert_geq(writer, 0);
    fixture->file = fdopen(ends[0], "r");
    cr_assert_eq(sl_file_bus_create(&fixture->bus, fixture->file, "pipe", 10000000, NULL), SL_OK);
}

static void make_memory(struct fixture *fixture, const char *const *bodies, size_t n)
{
    sl_memory_bus_create(&fixture->bus, NULL);
    for (size_t i = 0; i < n; i++)
        sl_memory_bus_put(fixture->bus, &PHASE, bodies[i], strlen(bodies[i]), "m", (int64_t)i);
    sl_memory_bus_end(fixture->bus);
}

static void make_memory_open(struct fixture *fixture)
{
    sl_memory_bus_create(&fixture->bus, NULL);
}

static void fixture_fini(struct fixture *fixture)
{
    sl_bus_destroy(&fixture->bus);
    cr_assert_null(fixture->bus);
    if (fixture->file)
        fclose(fixture->file);
}

static const struct kind KINDS[] = {
    {"file", make_file, make_pipe, false, INT64_MAX},
    {"memory", make_memory, make_memory_open, true, -1},
};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

static bool is_body(const struct sl_bus_message *message, const char *body)
{
    return message->message.len == strlen(body) && memcmp(message->message.data, body, message->message.len) == 0;
}

/* Receives to the end, acking each batch; the sizes of the batches as "2+2+1". */
static const char *sizes(struct sl_bus *bus, size_t max_n, size_t max_bytes, const char *const *bodies, size_t n)
{
    static char text[256];
    struct sl_bus_batch batch = {0};
    size_t seen = 0;
    text[0] = '\0';
    while (!batch.end) {
        cr_assert_eq(sl_bus_receive(bus, max_n, max_bytes, 10000, &batch, NULL), SL_OK);
        for (size_t i = 0; i < batch.n; i++, seen++)
            cr_assert(seen < n && is_body(&batch.messages[i], bodies[seen]), "message %zu is not what was put in", seen);
        if (batch.n)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%zu", *text ? "+" : "", batch.n);
        cr_assert_eq(sl_bus_ack(bus, &batch, NULL), SL_OK);
    }
    cr_assert_eq(seen, n);
    sl_bus_batch_fini(&batch);
    return text;
}

Test(bus, batches_keep_order_and_limits)
{
    static char large[LARGE_BYTES + 1];
    memset(large, 'x', LARGE_BYTES);
    const char *const five[] = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}", "{\"e\":5}"};
    const char *const sized[] = {"1", large, "2", "3", large};
    static const struct {
        const char *label;
        bool large;
        size_t n, max_n, max_bytes;
        const char *expected;
    } CASES[] = {
        {"all at once", false, 5, 100, 1000000, "5"},
        {"nothing at all", false, 0, 100, 1000000, ""},
        {"by count", false, 5, 2, 1000000, "2+2+1"},
        {"by count, without a rest", false, 4, 2, 1000000, "2+2"},
        {"a limit of 0 is 1", false, 2, 0, 1000000, "1+1"},
        {"by bytes", false, 5, 100, 15, "2+2+1"},
        {"by bytes, to the byte", false, 5, 100, 14, "2+2+1"},
        {"at least one", false, 3, 100, 1, "1+1+1"},
        {"large ones among small ones", true, 5, 100, LARGE_BYTES, "1+1+2+1"},
        {"large ones with room", true, 5, 100, 10 * LARGE_BYTES, "5"},
    };
    for (size_t k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
            struct fixture fixture = {0};
            const char *const *bodies = CASES[i].large ? sized : five;
            KINDS[k].make(&fixture, bodies, CASES[i].n);
            cr_expect_str_eq(sizes(fixture.bus, CASES[i].max_n, CASES[i].max_bytes, bodies, CASES[i].n), CASES[i].expected, "%s: %s",
                             KINDS[k].label, CASES[i].label);
            cr_expect_eq(fixture.bus->counters.received, CASES[i].n, "%s: %s", KINDS[k].label, CASES[i].label);
            cr_expect_eq(fixture.bus->counters.acked, CASES[i].n, "%s: %s", KINDS[k].label, CASES[i].label);
            cr_expect_eq(fixture.bus->counters.errors, 0);
            fixture_fini(&fixture);
        }
}

Test(bus, the_batch_holds_its_messages)
{
    static const char *const BODIES[] = {"first", "second"};
    for (size_t k = 0; k < N_KINDS; k++) {
        struct fixture fixture = {0};
        struct sl_bus_batch one = {0}, two = {0};
        KINDS[k].make(&fixture, BODIES, 2);
        cr_assert_eq(sl_bus_receive(fixture.bus, 1, 1000, 0, &one, NULL), SL_OK);
        cr_assert_eq(sl_bus_receive(fixture.bus, 1, 1000, 0, &two, NULL), SL_OK);
        fixture_fini(&fixture);
        cr_expect(one.n == 1 && is_body(&one.messages[0], "first"), "%s", KINDS[k].label);
        cr_expect(two.n == 1 && is_body(&two.messages[0], "second"), "%s", KINDS[k].label);
        sl_bus_batch_fini(&one);
        sl_bus_batch_fini(&two);
        cr_expect_null(one.messages);
    }
}

Test(bus, nothing_yet_is_an_empty_batch)
{
    for (size_t k = 0; k < N_KINDS; k++)
        for (int64_t timeout_ms = 0; timeout_ms <= 1; timeout_ms++) {
            struct fixture fixture = {0};
            struct sl_bus_batch batch = {.n = 7, .end = true};
            KINDS[k].make_open(&fixture);
            cr_expect_eq(sl_bus_receive(fixture.bus, 10, 1000, timeout_ms, &batch, NULL), SL_OK, "%s", KINDS[k].label);
            cr_expect(batch.n == 0 && batch.bytes == 0 && !batch.end, "%s", KINDS[k].label);
            cr_expect_eq(sl_bus_silent_ms(fixture.bus, &PHASE, 0), -1, "%s", KINDS[k].label);
            sl_bus_batch_fini(&batch);
            fixture_fini(&fixture);
        }
}

Test(bus, the_end_stays_the_end)
{
    static const char *const BODIES[] = {"only"};
    for (size_t k = 0; k < N_KINDS; k++) {
        struct fixture fixture = {0};
        struct sl_bus_batch batch = {0};
        KINDS[k].make(&fixture, BODIES, 1);
        cr_expect_eq(sl_bus_silent_ms(fixture.bus, &PHASE, 0), -1, "%s", KINDS[k].label);
        cr_expect_str_eq(sizes(fixture.bus, 10, 1000, BODIES, 1), "1");
        for (int again = 0; again < 2; again++) {
            cr_expect_eq(sl_bus_receive(fixture.bus, 10, 1000, -1, &batch, NULL), SL_OK);
            cr_expect(batch.n == 0 && batch.end, "%s", KINDS[k].label);
        }
        cr_expect_eq(sl_bus_silent_ms(fixture.bus, &PHASE, 0), KINDS[k].silent_at_end_ms, "%s", KINDS[k].label);
        sl_bus_batch_fini(&batch);
        fixture_fini(&fixture);
    }
}

Test(bus, publishing_where_it_can)
{
    for (size_t k = 0; k < N_KINDS; k++) {
        struct fixture fixture = {0};
        struct sl_err err = {0};
        KINDS[k].make(&fixture, NULL, 0);
        cr_expect_eq(sl_bus_can_publish(fixture.bus), KINDS[k].publishes, "%s", KINDS[k].label);
        cr_expect_eq(sl_bus_publish(fixture.bus, "topic", "{}", 2, "{}", &err), KINDS[k].publishes ? SL_OK : SL_INTERNAL, "%s",
                     KINDS[k].label);
        cr_expect_eq(fixture.bus->counters.published, KINDS[k].publishes, "%s", KINDS[k].label);
        fixture_fini(&fixture);
    }
}

Test(bus, nothing_to_destroy)
{
    struct sl_bus *bus = NULL;
    sl_bus_destroy(&bus);
    cr_expect_null(bus);
}

/* ---- the file bus ---- */

static void file_with(struct fixture *fixture, const char *text, size_t len, size_t max_line_bytes)
{
    fixture->file = tmpfile();
    cr_assert_not_null(fixture->file);
    cr_assert_eq(fwrite(text, 1, len, fixture->file), len);
    rewind(fixture->file);
    cr_assert_eq(sl_file_bus_create(&fixture->bus, fixture->file, "in.ndjson", max_line_bytes, NULL), SL_OK);
}

Test(file_bus, lines)
{
    static const struct {
        const char *label, *text;
        size_t n;
        const char *bodies[4], *ids[4];
    } CASES[] = {
        {"empty file", "", 0, {0}, {0}},
        {"only a newline", "\n", 0, {0}, {0}},
        {"one line", "{\"a\":1}\n", 1, {"{\"a\":1}"}, {"in.ndjson:1"}},
        {"without newline at the end", "{\"a\":1}\nlast", 2, {"{\"a\":1}", "last"}, {"in.ndjson:1", "in.ndjson:2"}},
        {"CRLF", "one\r\ntwo\r\n", 2, {"one", "two"}, {"in.ndjson:1", "in.ndjson:2"}},
        {"CR inside stays", "a\rb\n", 1, {"a\rb"}, {"in.ndjson:1"}},
        {"one CR of two", "a\r\r\n", 1, {"a\r"}, {"in.ndjson:1"}},
        {"CR without newline at the end is the body's", "a\r", 1, {"a\r"}, {"in.ndjson:1"}},
        {"empty lines are skipped, and counted", "\n\na\n\r\n\nb\n\n", 2, {"a", "b"}, {"in.ndjson:3", "in.ndjson:6"}},
        {"blanks are a body", " \n", 1, {" "}, {"in.ndjson:1"}},
        {"a whole message, data as object", "{\"data\": {\"x\": 1}, \"attributes\": {\"k\": \"v\"}}\n", 1, {"{\"x\": 1}"}, {"in.ndjson:1"}},
        {"a whole message, data as text", "{\"data\": \"{\\\"x\\\": 1}\"}\n", 1, {"{\"x\": 1}"}, {"in.ndjson:1"}},
        {"an empty body inside a message", "{\"data\": \"\"}\n", 1, {""}, {"in.ndjson:1"}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture fixture = {0};
        struct sl_bus_batch batch = {0};
        file_with(&fixture, CASES[i].text, strlen(CASES[i].text), 1000);
        cr_assert_eq(sl_bus_receive(fixture.bus, 100, 100000, 0, &batch, NULL), SL_OK);
        cr_expect(batch.end, "%s", CASES[i].label);
        cr_assert_eq(batch.n, CASES[i].n, "%s: %zu messages", CASES[i].label, batch.n);
        for (size_t k = 0; k < batch.n; k++) {
            const struct sl_bus_message *message = &batch.messages[k];
            cr_expect(is_body(message, CASES[i].bodies[k]), "%s: body %zu", CASES[i].label, k);
            cr_expect_str_eq(message->message.message_id, CASES[i].ids[k], "%s", CASES[i].label);
            cr_expect(!message->phase && !message->receipt && !message->message.subscription && message->message.publish_us == 0, "%s",
                      CASES[i].label);
        }
        sl_bus_batch_fini(&batch);
        fixture_fini(&fixture);
    }
}

Test(file_bus, attributes_of_a_whole_message)
{
    static const char TEXT[] = "{\"data\": {\"x\": 1}, \"attributes\": {\"skip_downstream_trigger\": \"true\", \"b\": \"2\"}}\n";
    struct fixture fixture = {0};
    struct sl_bus_batch batch = {0};
    file_with(&fixture, TEXT, sizeof TEXT - 1, 1000);
    cr_assert_eq(sl_bus_receive(fixture.bus, 100, 100000, 0, &batch, NULL), SL_OK);
    cr_assert_eq(batch.n, 1);
    cr_assert_eq(batch.messages[0].message.n_attributes, 2);
    cr_expect_str_eq(batch.messages[0].message.attributes[0].key, "skip_downstream_trigger");
    cr_expect_str_eq(batch.messages[0].message.attributes[0].value, "true");
    sl_bus_batch_fini(&batch);
    fixture_fini(&fixture);
}

Test(file_bus, a_nul_is_part_of_the_line)
{
    struct fixture fixture = {0};
    struct sl_bus_batch batch = {0};
    file_with(&fixture, "a\0b\nc\n", 6, 1000);
    cr_assert_eq(sl_bus_receive(fixture.bus, 100, 100000, 0, &batch, NULL), SL_OK);
    cr_assert_eq(batch.n, 2);
    cr_expect_eq(batch.messages[0].message.len, 3);
    cr_expect_eq(memcmp(batch.messages[0].message.data, "a\0b", 3), 0);
    sl_bus_batch_fini(&batch);
    fixture_fini(&fixture);
}

/* A body of `body` bytes, as it is or inside a whole message, between two short lines. */
Test(file_bus, too_long_lines_are_cut_to_one_byte_more)
{
    enum { LIMIT = 100, KEPT = 6 * LIMIT + 64 * 1024 };
    static const struct {
        const char *label;
        size_t body;
        bool whole, newline;
        size_t expected;
    } CASES[] = {
        {"at the limit", LIMIT, false, true, LIMIT},
        {"one more", LIMIT + 1, false, true, LIMIT + 1},
        {"two more", LIMIT + 2, false, true, LIMIT + 1},
        {"at the limit, inside a message", LIMIT, true, true, LIMIT},
        {"one more, inside a message", LIMIT + 1, true, true, LIMIT + 1},
        {"two more, inside a message", LIMIT + 2, true, true, LIMIT + 1},
        {"as much as is kept", KEPT, false, true, LIMIT + 1},
        {"more than is kept", KEPT + 1, false, true, LIMIT + 1},
        {"more than a read", 5000000, false, true, LIMIT + 1},
        {"more than a read, inside a message", 5000000, true, true, LIMIT + 1},
        {"more than a read, and the file's last", 5000000, false, false, LIMIT + 1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_buf text = {0};
        struct fixture fixture = {0};
        struct sl_bus_batch batch = {0};
        sl_buf_str(&text, CASES[i].whole ? "before\n{\"data\": \"" : "before\n");
        for (size_t k = 0; k < CASES[i].body; k++)
            sl_buf_char(&text, 'x');
        sl_buf_str(&text, CASES[i].whole ? "\"}" : "");
        sl_buf_str(&text, CASES[i].newline ? "\nafter\n" : "");
        file_with(&fixture, text.data, text.len, LIMIT);
        cr_assert_eq(sl_bus_receive(fixture.bus, 100, 100000000, 0, &batch, NULL), SL_OK);
        cr_assert_eq(batch.n, CASES[i].newline ? 3 : 2, "%s: %zu messages", CASES[i].label, batch.n);
        cr_expect(is_body(&batch.messages[0], "before"), "%s", CASES[i].label);
        cr_expect_eq(batch.messages[1].message.len, CASES[i].expected, "%s: %zu bytes", CASES[i].label, batch.messages[1].message.len);
        if (CASES[i].newline) {
            cr_expect(is_body(&batch.messages[2], "after"), "%s", CASES[i].label);
            cr_expect_str_eq(batch.messages[2].message.message_id, "in.ndjson:3", "%s", CASES[i].label);
        }
        cr_expect_lt(batch.arena.used_bytes, 4 * KEPT, "%s", CASES[i].label);
        sl_bus_batch_fini(&batch);
        sl_buf_fini(&text);
        fixture_fini(&fixture);
    }
}

Test(file_bus, a_pipe_hands_over_what_it_has)
{
    int ends[2];
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0};
    cr_assert_eq(pipe(ends), 0);
    FILE *file = fdopen(ends[0], "r");
    cr_assert_eq(sl_file_bus_create(&bus, file, "pipe", 1000, NULL), SL_OK);
    cr_assert_eq(write(ends[1], "one\ntwo\nthr", 11), 11);
    cr_assert_eq(sl_bus_receive(bus, 10, 1000, 10000, &batch, NULL), SL_OK);
    cr_assert_eq(batch.n, 2);
    cr_expect(!batch.end);
    cr_assert_eq(sl_bus_receive(bus, 10, 1000, 0, &batch, NULL), SL_OK);
    cr_expect_eq(batch.n, 0);
    cr_assert_eq(write(ends[1], "ee\n", 3), 3);
    close(ends[1]);
    cr_assert_eq(sl_bus_receive(bus, 10, 1000, 10000, &batch, NULL), SL_OK);
    cr_assert_eq(batch.n, 1);
    cr_expect(is_body(&batch.messages[0], "three"));
    cr_assert_eq(sl_bus_receive(bus, 10, 1000, 10000, &batch, NULL), SL_OK);
    cr_expect(batch.end);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
    fclose(file);
}

Test(file_bus, what_cannot_be_read)
{
    struct sl_err err = {0};
    struct sl_bus *bus = NULL;
    struct sl_bus_batch batch = {0};
    FILE *file = fdopen(open("/", O_RDONLY | O_DIRECTORY), "r");
    cr_assert_eq(sl_file_bus_create(&bus, file, "folder", 1000, &err), SL_OK);
    cr_expect_eq(sl_bus_receive(bus, 10, 1000, 0, &batch, &err), SL_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "folder"), "%s", err.text);
    cr_expect(batch.n == 0 && !batch.end);
    cr_expect_eq(bus->counters.errors, 1);
    cr_expect_eq(sl_bus_silent_ms(bus, &PHASE, 0), -1);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
    fclose(file);
    char memory[] = "no descriptor";
    file = fmemopen(memory, sizeof memory, "r");
    cr_expect_eq(sl_file_bus_create(&bus, file, "memory", 1000, &err), SL_INVALID);
    cr_expect_null(bus);
    fclose(file);
}

/* ---- the memory bus ---- */

static void put(struct sl_bus *bus, const struct sl_phase *phase, const char *body)
{
    sl_memory_bus_put(bus, phase, body, strlen(body), body, 5);
}

static void receive(struct sl_bus *bus, size_t max_n, struct sl_bus_batch *out)
{
    cr_assert_eq(sl_bus_receive(bus, max_n, 1000000, 0, out, NULL), SL_OK);
}

Test(memory_bus, a_message_says_where_it_comes_from)
{
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0};
    sl_memory_bus_create(&bus, NULL);
    put(bus, &PHASE, "a");
    put(bus, NULL, "b");
    receive(bus, 10, &batch);
    cr_assert_eq(batch.n, 2);
    cr_expect_eq(batch.messages[0].phase, &PHASE);
    cr_expect_str_eq(batch.messages[0].message.subscription, "raw-sub");
    cr_expect_str_eq(batch.messages[0].message.message_id, "a");
    cr_expect_eq(batch.messages[0].message.publish_us, 5);
    cr_expect_eq(batch.messages[0].message.delivery_attempt, 1);
    cr_expect_null(batch.messages[1].phase);
    cr_expect_null(batch.messages[1].message.subscription);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
}

Test(memory_bus, what_is_not_acked_comes_again)
{
    struct sl_bus *bus;
    struct sl_bus_batch first = {0}, second = {0}, again = {0};
    sl_memory_bus_create(&bus, NULL);
    put(bus, &PHASE, "a");
    put(bus, &PHASE, "b");
    put(bus, &PHASE, "c");
    receive(bus, 1, &first);
    receive(bus, 1, &second);
    cr_assert_eq(sl_bus_ack(bus, &first, NULL), SL_OK);
    cr_expect_eq(sl_memory_bus_backlog(bus), 2);
    sl_memory_bus_redeliver(bus);
    receive(bus, 10, &again);
    cr_assert_eq(again.n, 2);
    cr_expect(is_body(&again.messages[0], "b") && again.messages[0].message.delivery_attempt == 2);
    cr_expect(is_body(&again.messages[1], "c") && again.messages[1].message.delivery_attempt == 1);
    cr_assert_eq(sl_bus_ack(bus, &second, NULL), SL_OK);
    cr_expect_eq(sl_memory_bus_backlog(bus), 2, "an ack of the delivery before is void");
    cr_assert_eq(sl_bus_ack(bus, &again, NULL), SL_OK);
    cr_assert_eq(sl_bus_ack(bus, &again, NULL), SL_OK);
    cr_expect_eq(sl_memory_bus_backlog(bus), 0);
    sl_memory_bus_redeliver(bus);
    receive(bus, 10, &again);
    cr_expect_eq(again.n, 0);
    put(bus, &PHASE, "d");
    receive(bus, 10, &again);
    cr_expect_eq(again.n, 1);
    sl_bus_batch_fini(&first);
    sl_bus_batch_fini(&second);
    sl_bus_batch_fini(&again);
    sl_bus_destroy(&bus);
}

Test(memory_bus, publishes_in_order_and_ordered_faults)
{
    static const struct {
        enum sl_code code;
    } FAULTS[] = {{SL_UNAVAILABLE}, {SL_DENIED}, {SL_INVALID}, {SL_INTERNAL}};
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        struct sl_bus *bus;
        struct sl_err err = {0};
        const struct sl_published *published;
        sl_memory_bus_create(&bus, NULL);
        sl_memory_bus_fail_publishes(bus, 2, FAULTS[i].code);
        cr_expect_eq(sl_bus_publish(bus, "t", "lost", 4, "{}", &err), FAULTS[i].code);
        cr_expect_eq(err.code, FAULTS[i].code);
        cr_expect_eq(sl_bus_publish(bus, "t", "lost", 4, "{}", &err), FAULTS[i].code);
        for (int n = 0; n < 20; n++)
            cr_assert_eq(sl_bus_publish(bus, n % 2 ? "odd" : "even", "{}xx", 2, "{\"k\":\"v\"}", &err), SL_OK);
        cr_assert_eq(sl_memory_bus_published(bus, &published), 20);
        cr_expect_str_eq(published[0].topic, "even");
        cr_expect_str_eq(published[19].topic, "odd");
        cr_expect_str_eq(published[19].data, "{}");
        cr_expect_str_eq(published[19].attributes, "{\"k\":\"v\"}");
        cr_expect_eq(bus->counters.published, 20);
        cr_expect_eq(bus->counters.errors, 2);
        sl_bus_destroy(&bus);
    }
}

Test(memory_bus, silence_is_per_phase_and_of_what_waits)
{
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0};
    sl_memory_bus_create(&bus, NULL);
    sl_memory_bus_silent(bus, 6000);
    put(bus, &PHASE, "a");
    cr_expect_eq(sl_bus_silent_ms(bus, &PHASE, 0), -1);
    cr_expect_eq(sl_bus_silent_ms(bus, &OTHER, 0), 6000);
    receive(bus, 10, &batch);
    cr_expect_eq(sl_bus_silent_ms(bus, &PHASE, 0), 6000);
    sl_memory_bus_redeliver(bus);
    cr_expect_eq(sl_bus_silent_ms(bus, &PHASE, 0), -1);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
}

static void *put_from_beside(void *bus)
{
    put(bus, &PHASE, "late");
    return NULL;
}

static void *end_from_beside(void *bus)
{
    sl_memory_bus_end(bus);
    return NULL;
}

Test(memory_bus, a_receiver_that_waits_is_woken, .timeout = 60)
{
    static const struct {
        const char *label;
        void *(*act)(void *);
        size_t n;
    } CASES[] = {{"by a message", put_from_beside, 1}, {"by the end", end_from_beside, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_bus *bus;
        struct sl_bus_batch batch = {0};
        pthread_t beside;
        sl_memory_bus_create(&bus, NULL);
        cr_assert_eq(pthread_create(&beside, NULL, CASES[i].act, bus), 0);
        cr_assert_eq(sl_bus_receive(bus, 10, 1000, -1, &batch, NULL), SL_OK);
        cr_expect_eq(batch.n, CASES[i].n, "%s", CASES[i].label);
        cr_expect_eq(batch.end, CASES[i].n == 0, "%s", CASES[i].label);
        pthread_join(beside, NULL);
        sl_bus_batch_fini(&batch);
        sl_bus_destroy(&bus);
    }
}

Test(memory_bus, the_end_waits_for_the_last_ack)
{
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0}, next = {0};
    sl_memory_bus_create(&bus, NULL);
    put(bus, &PHASE, "a");
    sl_memory_bus_end(bus);
    receive(bus, 10, &batch);
    cr_expect(batch.n == 1 && !batch.end);
    receive(bus, 10, &next);
    cr_expect(next.n == 0 && !next.end);
    cr_assert_eq(sl_bus_ack(bus, &batch, NULL), SL_OK);
    receive(bus, 10, &next);
    cr_expect(next.end);
    sl_bus_batch_fini(&batch);
    sl_bus_batch_fini(&next);
    sl_bus_destroy(&bus);
}
