/* test_replay.c - dead letters: what one says of itself, which of them a filter means, what is planned for them, and how many of which kind. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/replay.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const int64_t NOW = INT64_C(1744790500000000); /* 2025-04-16T08:01:40Z */
#define TODAY 20194                                   /* 2025-04-16 */

static const char CONFIG[] = "version: 1\n"
                             "pipeline: shop\n"
                             "timezone: UTC\n"
                             "bus: {type: embedded, project: p, path: broker}\n"
                             "ledger: {type: sqlite, path: ledger.db}\n"
                             "warehouse: {type: sqlite, path: warehouse}\n"
                             "message: {fields: {date: [day]}}\n"
                             "coverage: {log: shop_log.source_coverage_log}\n"
                             "phases:\n"
                             "  - name: raw\n"
                             "    aliases: [phase_1]\n"
                             "    completions: {topic: raw-done, subscription: raw-done-sub, dead_letter_topic: raw-dead}\n"
                             "    processors: [{name: orders, aliases: [OrdersJob], required: critical}]\n"
                             "  - name: daily\n"
                             "    after: [raw]\n"
                             "    completions: {topic: daily-done, subscription: daily-done-sub}\n"
                             "    processors: [{name: sales, required: critical}]\n";

struct fixture {
    struct sl_config *config;
    struct sl_arena arena;
    struct sl_err err;
};

static void set_up(struct fixture *f)
{
    char path[] = "/tmp/test_replay.XXXXXX";
    struct sl_buf errors = {0};
    *f = (struct fixture){0};
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs(CONFIG, file);
    fclose(file);
    enum sl_code code = sl_config_load(&f->config, path, NULL, 0, NULL, &errors, &f->err);
    remove(path);
    cr_assert_eq(code, SL_OK, "%s", sl_buf_text(&errors));
    sl_buf_fini(&errors);
}

static void tear_down(struct fixture *f)
{
    sl_config_destroy(&f->config);
    sl_arena_fini(&f->arena);
}

#define COMPLETION(phase, processor, day)                                                                                                  \
    "{\"processor_name\":\"" processor "\",\"phase\":\"" phase "\",\"execution_id\":\"e1\",\"day\":\"" day                                 \
    "\",\"status\":\"success\",\"timestamp\":\"2025-04-16T07:00:00Z\"}"

/* A letter; the attributes are pairs that end with NULL. */
static struct sl_dead_letter read_letter(struct fixture *f, const char *data, const char *const *pairs)
{
    struct sl_message *message = sl_arena_alloc(&f->arena, sizeof *message);
    struct sl_attribute *attributes = sl_arena_array(&f->arena, 16, sizeof *attributes);
    struct sl_dead_letter letter;
    *message = (struct sl_message){.subscription = "projects/p/subscriptions/raw-dead-sub",
                                   .message_id = "7",
                                   .publish_us = NOW - INT64_C(3600000000),
                                   .data = data,
                                   .len = strlen(data),
                                   .attributes = attributes};
    for (; pairs != NULL && pairs[0] != NULL; pairs += 2)
        attributes[message->n_attributes++] = (struct sl_attribute){pairs[0], pairs[1]};
    sl_dead_letter_read(&letter, message, &f->config->phases[0], f->config, NOW, &f->arena);
    return letter;
}

Test(replay, a_copy_outlives_its_letter)
{
    static const char *const marks[] = {"origin", "x", "sluice_reject_reason", "unknown_phase", "sluice_replay_count", "2", NULL};
    struct fixture f, other;
    struct sl_dead_letter copy;
    set_up(&f);
    set_up(&other);
    struct sl_dead_letter letter = read_letter(&f, COMPLETION("raw", "OrdersJob", "2025-04-15"), marks);
    sl_dead_letter_copy(&copy, &letter, &other.arena);
    sl_arena_fini(&f.arena);
    f.arena = (struct sl_arena){0};
    cr_expect_str_eq(copy.message->message_id, "7");
    cr_expect_null(copy.message->data);
    cr_expect_eq(copy.message->len, strlen(COMPLETION("raw", "OrdersJob", "2025-04-15")));
    cr_expect_eq(copy.message->n_attributes, 3);
    cr_expect_str_eq(copy.message->attributes[1].value, "unknown_phase");
    cr_expect_eq(copy.n_own, 1);
    cr_expect_str_eq(copy.own[0].key, "origin");
    cr_expect_str_eq(copy.reason, "unknown_phase");
    cr_expect_str_eq(copy.processor, "orders");
    cr_expect_str_eq(copy.phase_name, "raw");
    cr_expect_eq(copy.replays, 2);
    tear_down(&other);
    tear_down(&f);
}

/* ---- reading ---- */

Test(replay, what_our_own_marks_say)
{
    static const char *const PAIRS[] = {"origin",
                                        "x",
                                        "sluice_reject_reason",
                                        "unknown_phase",
                                        "sluice_reject_detail",
                                        "phase is x",
                                        "sluice_source_subscription",
                                        "daily-done-sub",
                                        "sluice_source_topic",
                                        "daily-done",
                                        "sluice_source_message_id",
                                        "42",
                                        "sluice_source_publish_time",
                                        "2025-04-16T06:01:40Z",
                                        "sluice_replay_count",
                                        "2",
                                        NULL};
    struct fixture f;
    set_up(&f);
    struct sl_dead_letter letter = read_letter(&f, COMPLETION("daily", "sales", "2025-04-15"), PAIRS);
    cr_expect_str_eq(letter.reason, "unknown_phase");
    cr_expect_str_eq(letter.detail, "phase is x");
    cr_expect_str_eq(letter.phase->name, "daily");
    cr_expect_str_eq(letter.source_topic, "daily-done");
    cr_expect_str_eq(letter.source_message_id, "42");
    cr_expect_eq(letter.source_publish_us, NOW - INT64_C(7200000000));
    cr_expect_eq(letter.replays, 2);
    cr_expect_eq(letter.code, SL_OK);
    cr_expect_str_eq(letter.processor, "sales");
    cr_expect_eq(letter.date, TODAY - 1);
    cr_expect_eq(letter.n_own, 1);
    cr_expect_str_eq(letter.own[0].key, "origin");
    tear_down(&f);
}

Test(replay, what_the_five_marks_of_the_bus_say)
{
    static const char *const PAIRS[] = {"CloudPubSubDeadLetterSourceDeliveryCount",
                                        "100",
                                        "CloudPubSubDeadLetterSourceSubscription",
                                        "daily-done-sub",
                                        "CloudPubSubDeadLetterSourceSubscriptionProject",
                                        "p",
                                        "CloudPubSubDeadLetterSourceTopicPublishTime",
                                        "2025-04-15T08:01:40.500+00:00",
                                        "CloudPubSubDeadLetterSourceDeliveryErrorMessage",
                                        "nacked",
                                        NULL};
    struct fixture f;
    set_up(&f);
    struct sl_dead_letter letter = read_letter(&f, COMPLETION("daily", "sales", "2025-04-15"), PAIRS);
    cr_expect_str_eq(letter.reason, "undelivered");
    cr_expect_str_eq(letter.detail, "nacked");
    cr_expect_str_eq(letter.source_subscription, "projects/p/subscriptions/daily-done-sub");
    cr_expect_str_eq(letter.phase->name, "daily");
    cr_expect_eq(letter.deliveries, 100);
    cr_expect_eq(letter.source_publish_us, NOW - INT64_C(86400000000) + 500000);
    cr_expect_eq(letter.n_own, 0);
    tear_down(&f);
}

Test(replay, what_can_be_read_of_a_broken_one)
{
    struct fixture f;
    set_up(&f);
    struct sl_dead_letter letter = read_letter(&f, "{\"phase\":\"phase_1\",\"processor_name\":\"OrdersJob\",\"day\":\"2025-04-14\"}", NULL);
    cr_expect_eq(letter.code, SL_INVALID);
    cr_expect_eq(letter.reject, SL_REJECT_MISSING_FIELD);
    cr_expect_str_eq(letter.phase_name, "raw");
    cr_expect_str_eq(letter.processor, "orders");
    cr_expect_eq(letter.date, TODAY - 2);
    cr_expect_str_eq(letter.reason, "unknown");
    letter = read_letter(&f, "\xff", NULL);
    cr_expect_str_eq(letter.phase->name, "raw", "by the topic it lies on");
    cr_expect_eq(letter.date, SL_DATE_NONE);
    cr_expect_null(letter.processor);
    tear_down(&f);
}

Test(replay, a_row_of_the_ledgers_list)
{
    const struct sl_reject_row row = {.id = 5,
                                      .received_us = NOW,
                                      .phase = "raw",
                                      .subscription = "raw-done-sub",
                                      .message_id = "9",
                                      .publish_us = NOW - 1000000,
                                      .code = "too_large",
                                      .detail = "d",
                                      .data = "{}",
                                      .len = 2,
                                      .attributes = "{\"origin\":\"x\",\"sluice_replay_count\":\"1\"}"};
    struct sl_dead_letter letter;
    struct fixture f;
    set_up(&f);
    sl_dead_letter_of_reject(&letter, &row, f.config, NOW, &f.arena);
    cr_expect_eq(letter.reject_id, 5);
    cr_expect_str_eq(letter.message->subscription, "ledger");
    cr_expect_str_eq(letter.message->message_id, "5");
    cr_expect_str_eq(letter.reason, "too_large");
    cr_expect_str_eq(letter.source_topic, "raw-done");
    cr_expect_eq(letter.replays, 1);
    cr_expect_eq(letter.n_own, 1);
    tear_down(&f);
}

/* ---- filters ---- */

/* Against a letter of raw, orders, 2025-04-15, published 2 h ago. */
Test(replay, filters_that_are_understood)
{
    static const char *const PAIRS[] = {"origin",
                                        "shop 1",
                                        "we ird",
                                        "y",
                                        "sluice_reject_reason",
                                        "not_json",
                                        "sluice_source_publish_time",
                                        "2025-04-16T06:01:40Z",
                                        "sluice_replay_count",
                                        "2",
                                        NULL};
    static const struct {
        const char *text;
        bool takes;
    } cases[] = {
        {"phase = raw", true},
        {"phase == phase_1", true},
        {"phase=daily", false},
        {"phase != daily", true},
        {"processor = OrdersJob", true},
        {"processor in (sales, orders)", true},
        {"processor in (sales)", false},
        {"date = 2025-04-15", true},
        {"date = yesterday", true},
        {"date < today", true},
        {"date >= 2025-04-16", false},
        {"date in 2025-04-01..2025-04-15", true},
        {"date in 2025-04-16..", false},
        {"date in ..2025-04-15", true},
        {"date in (2025-04-14, 2025-04-15)", true},
        {"reason = not_json", true},
        {"reason ~ json", true},
        {"reason !~ json", false},
        {"age > 1h", true},
        {"age > 2h", false},
        {"age >= 2h", true},
        {"age < 90m", false},
        {"published < 2025-04-16T06:01:41Z", true},
        {"published >= 2025-04-16", true},
        {"published >= today and published < 2025-04-16T06:00:00Z", false},
        {"replays = 2", true},
        {"replays > 2", false},
        {"deliveries = 0", true},
        {"status = success", true},
        {"message_id = 7", true},
        {"attr.origin", true},
        {"attr.nothing", false},
        {"not attr.nothing", true},
        {"attr.origin = \"shop 1\"", true},
        {"attr.origin = 'shop 1'", true},
        {"attr.origin ~ shop", true},
        {"attr.nothing != x", true},
        {"attr.nothing = x", false},
        {"attr.nothing !~ x", true},
        {"attr.\"we ird\" = y", true},
        {"attr.sluice_replay_count = 2", true},
        {"detail = x", false},
        {"phase = raw and date = 2025-04-15", true},
        {"phase = daily or date = 2025-04-15", true},
        {"phase = daily and date = 2025-04-15 or replays = 2", true},
        {"phase = daily and (date = 2025-04-15 or replays = 2)", false},
        {"not phase = daily and not (reason = bad_utf8 or age < 1m)", true},
        {"not not phase = raw", true},
        {"(((phase = raw)))", true},
        {"  phase\t=\nraw  ", true},
        {"attr.origin and (attr.nothing)", false},
        {"reason = \"a \\\"quoted\\\" one\"", false},
    };
    struct fixture f;
    set_up(&f);
    struct sl_dead_letter letter = read_letter(&f, COMPLETION("raw", "orders", "2025-04-15"), PAIRS);
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_letter_filter *filter = NULL;
        cr_assert_eq(sl_letter_filter_parse(&filter, cases[i].text, f.config, TODAY, &f.arena, &f.err), SL_OK, "%s: %s", cases[i].text,
                     f.err.text);
        cr_expect_eq(sl_letter_filter_takes(filter, &letter, NOW), cases[i].takes, "%s", cases[i].text);
    }
    cr_expect(sl_letter_filter_takes(NULL, &letter, NOW));
    tear_down(&f);
}

Test(replay, a_letter_without_a_date_equals_none)
{
    static const struct {
        const char *text;
        bool takes;
    } cases[] = {{"date = 2025-04-15", false},
                 {"date != 2025-04-15", true},
                 {"date < 2030-01-01", false},
                 {"date in ..2030-01-01", false},
                 {"not date in ..2030-01-01", true}};
    struct fixture f;
    set_up(&f);
    struct sl_dead_letter letter = read_letter(&f, "x", NULL);
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_letter_filter *filter = NULL;
        cr_assert_eq(sl_letter_filter_parse(&filter, cases[i].text, f.config, TODAY, &f.arena, &f.err), SL_OK);
        cr_expect_eq(sl_letter_filter_takes(filter, &letter, NOW), cases[i].takes, "%s", cases[i].text);
    }
    tear_down(&f);
}

Test(replay, filters_that_are_refused)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "column 1: the end; expected a field"},
        {"phase", "column 6: the end; expected = != < <= > >= ~ !~ or in"},
        {"phase =", "column 8: the end; expected a value"},
        {"phase = raw and", "column 16: the end; expected a field"},
        {"phase = raw raw", "column 13: \"raw\"; expected and, or, or the end"},
        {"phse = raw", "\"phse\"; expected phase"},
        {"nonsense = 1", "expected phase, processor, date"},
        {"phase < raw", "it is a text"},
        {"date ~ 2025", "it is no text"},
        {"date = soon", "\"soon\"; expected a date"},
        {"date = 2025-02-30", "expected a date"},
        {"date in 2025-04-01", "expected A..B or (VALUE, ...)"},
        {"date in 2025-04-01..soon", "expected a date"},
        {"phase in a..b", "expected (VALUE, ...)"},
        {"phase in (a", "expected a comma or a closing parenthesis"},
        {"phase in ()", "expected a value"},
        {"age > 2", "expected a duration"},
        {"age > 99999999999999d", "expected a duration"},
        {"replays = many", "expected a whole number"},
        {"published = noon", "expected a time such as"},
        {"(phase = raw", "expected and, or, or a closing parenthesis"},
        {"phase = raw)", "expected and, or, or the end"},
        {"phase = \"raw", "a quote is not closed"},
        {"phase ! raw", "expected != or !~"},
        {"attr. = x", "attr."},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_letter_filter *filter = NULL;
        cr_expect_eq(sl_letter_filter_parse(&filter, cases[i].text, f.config, TODAY, &f.arena, &f.err), SL_INVALID, "%s", cases[i].text);
        cr_expect_null(filter);
        cr_expect(strstr(f.err.text, cases[i].says), "%s: %s", cases[i].text, f.err.text);
    }
    tear_down(&f);
}

Test(replay, filters_have_limits)
{
    struct sl_letter_filter *filter = NULL;
    struct sl_buf text = {0};
    struct fixture f;
    set_up(&f);
    for (int i = 0; i < 101; i++)
        sl_buf_str(&text, "not ");
    sl_buf_str(&text, "phase = raw");
    cr_expect_eq(sl_letter_filter_parse(&filter, text.data, f.config, TODAY, &f.arena, &f.err), SL_INVALID);
    cr_expect(strstr(f.err.text, "at most 100 levels"), "%s", f.err.text);
    sl_buf_clear(&text);
    sl_buf_str(&text, "phase = raw");
    while (text.len < 9980)
        sl_buf_str(&text, " or phase = raw");
    cr_expect_eq(sl_letter_filter_parse(&filter, text.data, f.config, TODAY, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    sl_buf_str(&text, " or phase = raw or phase = raw");
    cr_expect_eq(sl_letter_filter_parse(&filter, text.data, f.config, TODAY, &f.arena, &f.err), SL_INVALID);
    sl_buf_fini(&text);
    tear_down(&f);
}

/* ---- plans ---- */

struct made {
    const char *id, *data, *const *pairs;
};

static const char *const ONCE[] = {"sluice_replay_count", "1", NULL};
static const char *const THRICE[] = {"sluice_replay_count", "3", NULL};
static const char *const OURS[] = {"sluice_replay_id", "this", NULL};
static const char *const ELSEWHERE[] = {"sluice_source_topic", "projects/q/topics/other", NULL};
static const struct made LETTERS[] = {
    {"late", COMPLETION("raw", "orders", "2025-04-15"), NULL},           {"broken", "x", ONCE},
    {"early", COMPLETION("raw", "orders", "2025-04-01"), NULL},          {"recorded", COMPLETION("raw", "orders", "2025-04-02"), NULL},
    {"often", COMPLETION("raw", "orders", "2025-04-03"), THRICE},        {"ours", COMPLETION("raw", "orders", "2025-04-04"), OURS},
    {"elsewhere", COMPLETION("raw", "orders", "2025-04-05"), ELSEWHERE},
};

static bool is_recorded(void *arg, const struct sl_dead_letter *letter)
{
    (void)arg;
    return strcmp(letter->message->message_id, "recorded") == 0;
}

/* "ID:action:to:note" for each step. */
static const char *planned(struct fixture *f, const struct sl_replay_policy *policy, struct sl_replay_step **steps, size_t *n)
{
    struct sl_dead_letter *letters = sl_arena_array(&f->arena, N(LETTERS), sizeof *letters);
    struct sl_buf text = {0};
    for (size_t i = 0; i < N(LETTERS); i++) {
        letters[i] = read_letter(f, LETTERS[i].data, LETTERS[i].pairs);
        ((struct sl_message *)letters[i].message)->message_id = LETTERS[i].id;
    }
    *n = sl_replay_plan(steps, letters, N(LETTERS), policy, f->config, NOW, is_recorded, NULL, &f->arena);
    for (size_t i = 0; i < *n; i++)
        sl_buf_printf(&text, "%s %s %s; ", (*steps)[i].letter->message->message_id, sl_replay_action_name((*steps)[i].action),
                      (*steps)[i].to ? (*steps)[i].to : "-");
    const char *out = sl_arena_strdup(&f->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

Test(replay, plans)
{
    static const struct {
        const char *label;
        struct sl_replay_policy policy;
        const char *filter, *expected;
    } cases[] = {
        {"into Sluice",
         {.max_replays = 3, .id = "this", .quarantine = "Q"},
         NULL,
         "early replay sluice; recorded skip -; often quarantine Q; elsewhere replay sluice; late replay sluice; broken replay sluice; "},
        {"a dry run sees all",
         {.max_replays = 4, .quarantine = "Q"},
         NULL,
         "early replay sluice; recorded skip -; often replay sluice; ours replay sluice; elsewhere replay sluice; late replay sluice; "
         "broken replay sluice; "},
        {"to the topic",
         {.max_replays = 3, .id = "this", .quarantine = "Q", .to_topic = true},
         NULL,
         "early replay projects/p/topics/raw-done; recorded skip -; often quarantine Q; elsewhere replay projects/q/topics/other; late "
         "replay projects/p/topics/raw-done; "
         "broken replay projects/p/topics/raw-done; "},
        {"the first two", {.max_replays = 3, .limit = 2}, NULL, "early replay sluice; recorded skip -; "},
        {"no quarantine", {.max_replays = 1, .id = "this"}, "replays > 0", "often keep -; broken keep -; "},
        {"none may be replayed", {.max_replays = 0, .quarantine = "Q"}, "message_id = late", "late quarantine Q; "},
        {"a range",
         {.max_replays = 3, .from = TODAY - 14, .to = TODAY - 11},
         NULL,
         "recorded skip -; often keep -; ours replay sluice; elsewhere replay sluice; "},
        {"a filter", {.max_replays = 3}, "date > 2025-04-10", "late replay sluice; "},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_replay_policy policy = cases[i].policy;
        struct sl_letter_filter *filter = NULL;
        struct sl_replay_step *steps;
        size_t n;
        struct fixture f;
        set_up(&f);
        if (policy.from == 0)
            policy.from = policy.to = SL_DATE_NONE;
        if (cases[i].filter)
            cr_assert_eq(sl_letter_filter_parse(&filter, cases[i].filter, f.config, TODAY, &f.arena, &f.err), SL_OK, "%s", f.err.text);
        policy.filter = filter;
        cr_expect_str_eq(planned(&f, &policy, &steps, &n), cases[i].expected, "%s", cases[i].label);
        tear_down(&f);
    }
}

Test(replay, only_one_phase)
{
    struct fixture f;
    struct sl_replay_step *steps;
    size_t n;
    set_up(&f);
    const struct sl_replay_policy policy = {.phase = &f.config->phases[1], .from = SL_DATE_NONE, .to = SL_DATE_NONE, .max_replays = 3};
    cr_expect_str_eq(planned(&f, &policy, &steps, &n), "");
    tear_down(&f);
}

Test(replay, what_goes_nowhere_stays)
{
    static const char *const STRANGE[] = {"CloudPubSubDeadLetterSourceSubscription", "strange", NULL};
    struct fixture f;
    struct sl_replay_step *steps;
    struct sl_message message = {.subscription = "s", .message_id = "1", .data = "x", .len = 1};
    const struct sl_attribute attribute = {STRANGE[0], STRANGE[1]};
    const struct sl_replay_policy policy = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .max_replays = 3, .to_topic = true};
    struct sl_dead_letter letter;
    set_up(&f);
    message.attributes = &attribute;
    message.n_attributes = 1;
    sl_dead_letter_read(&letter, &message, NULL, f.config, NOW, &f.arena);
    cr_assert_eq(sl_replay_plan(&steps, &letter, 1, &policy, f.config, NOW, is_recorded, NULL, &f.arena), 1);
    cr_expect_eq(steps[0].action, SL_ACT_KEEP);
    cr_expect(strstr(steps[0].note, "no topic is known"));
    letter.done = true;
    sl_replay_plan(&steps, &letter, 1, &policy, f.config, NOW, is_recorded, NULL, &f.arena);
    cr_expect_eq(steps[0].action, SL_ACT_SKIP);
    tear_down(&f);
}

Test(replay, a_histogram)
{
    static const char *const EXPECTED[] = {
        "replay sluice raw - unknown 1 - - will be rejected again: not_json",
        "replay sluice raw orders unknown 4 2025-04-01 2025-04-15 -",
        "skip - raw orders unknown 1 2025-04-02 2025-04-02 its run is recorded",
        "quarantine Q raw orders unknown 1 2025-04-03 2025-04-03 replayed 3 times",
    };
    struct fixture f;
    struct sl_replay_step *steps;
    struct sl_replay_bar *bars;
    size_t n, n_bars;
    set_up(&f);
    planned(&f, &(struct sl_replay_policy){.from = SL_DATE_NONE, .to = SL_DATE_NONE, .max_replays = 3, .quarantine = "Q"}, &steps, &n);
    n_bars = sl_replay_histogram(&bars, steps, n, &f.arena);
    cr_assert_eq(n_bars, N(EXPECTED));
    for (size_t i = 0; i < n_bars; i++) {
        char first[SL_DATE_LEN + 1], last[SL_DATE_LEN + 1];
        const char *text = sl_arena_printf(
            &f.arena, "%s %s %s %s %s %zu %s %s %s", sl_replay_action_name(bars[i].action), bars[i].to ? bars[i].to : "-", bars[i].phase,
            bars[i].processor ? bars[i].processor : "-", bars[i].reason, bars[i].n,
            bars[i].first == SL_DATE_NONE ? "-" : sl_date_format(bars[i].first, first),
            bars[i].last == SL_DATE_NONE ? "-" : sl_date_format(bars[i].last, last), bars[i].note ? bars[i].note : "-");
        cr_expect_str_eq(text, EXPECTED[i]);
    }
    cr_expect_eq(sl_replay_histogram(&bars, steps, 0, &f.arena), 0);
    tear_down(&f);
}
