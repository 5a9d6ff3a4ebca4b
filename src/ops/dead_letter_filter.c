/* dead_letter_filter.c - which dead letters an expression means. Read once into a tree in the arena: words and operators, then tests, joined by not, and, or in this order of
 * strength. Values are understood when they are read, so that a wrong date is a wrong expression and not a filter that takes nothing. */
#include <sluice/dead_letters.h>

#include <string.h>

#include <sluice/str.h>

#define MAX_BYTES 10000
#define MAX_DEPTH 100 /* of parentheses and not: the reader calls itself */

enum field { PHASE, PROCESSOR, DATE, STATUS, REASON, DETAIL, AGE, PUBLISHED, SUBSCRIPTION, MESSAGE_ID, REPLAYS, DELIVERIES, ATTRIBUTE };
enum type { TEXT, DAY, DURATION, TIME, NUMBER };
enum op { EQUAL, UNEQUAL, LESS, AT_MOST, MORE, AT_LEAST, HOLDS, HOLDS_NOT, IN, BETWEEN, EXISTS };

static const struct {
    const char *name;
    enum type type;
} FIELDS[] = {
    [PHASE] = {"phase", TEXT},           [PROCESSOR] = {"processor", TEXT}, [DATE] = {"date", DAY},
    [STATUS] = {"status", TEXT},         [REASON] = {"reason", TEXT},       [DETAIL] = {"detail", TEXT},
    [AGE] = {"age", DURATION},           [PUBLISHED] = {"published", TIME}, [SUBSCRIPTION] = {"subscription", TEXT},
    [MESSAGE_ID] = {"message_id", TEXT}, [REPLAYS] = {"replays", NUMBER},   [DELIVERIES] = {"deliveries", NUMBER},
};

struct value {
    const char *text;
    int64_t number; /* of every type but TEXT */
};

enum kind { TEST, NOT, AND, OR };

struct sl_letter_filter {
    enum kind kind;
    struct sl_letter_filter *left, *right;
    enum field field;
    const char *attribute; /* its name */
    enum op op;
    struct value *values;
    size_t n;
};

enum word { END, WORD, QUOTED, SIGN };

struct reader {
    const char *text, *at;
    const struct sl_config *config;
    sl_date today;
    struct sl_arena *arena;
    struct sl_err *err;
    enum word kind; /* of the word that is next */
    const char *word;
    size_t column; /* where it begins, from 1 */
    int depth;
};

static bool fail(struct reader *r, const char *expected)
{
    sl_fail(r->err, SL_INVALID, "the filter at column %zu: %s%.60s%s; expected %s", r->column, r->kind == END ? "" : "\"",
            r->kind == END ? "the end" : r->word, r->kind == END ? "" : "\"", expected);
    return false;
}

/* ---- words ---- */

static bool is_plain(char c)
{
    return c != '\0' && strchr(" \t\n\r()<>=!~,\"'", c) == NULL;
}

/* From the quote on; its content into `out`. */
static bool take_quoted(struct reader *r, struct sl_buf *out)
{
    const char quote = *r->at++;
    for (; *r->at != '\0' && *r->at != quote; r->at++) {
        if (*r->at == '\\' && r->at[1] != '\0')
            r->at++;
        sl_buf_char(out, *r->at);
    }
    if (*r->at == quote) {
        r->at++;
        return true;
    }
    sl_fail(r->err, SL_INVALID, "the filter at column %zu: a quote is not closed", r->column);
    return false;
}

/* A word may have a quoted part: attr."a name". */
static bool take_word(struct reader *r)
{
    struct sl_buf word = {0};
    bool fine = true;
    r->kind = *r->at == '"' || *r->at == '\'' ? QUOTED : WORD;
    while (fine && (is_plain(*r->at) || *r->at == '"' || *r->at == '\''))
        if (is_plain(*r->at))
            sl_buf_char(&word, *r->at++);
        else
            fine = take_quoted(r, &word);
    r->word = sl_arena_strdup(r->arena, sl_buf_text(&word));
    sl_buf_fini(&word);
    return fine;
}

static bool next(struct reader *r)
{
    static const char *const SIGNS[] = {"!=", "<=", ">=", "!~", "==", "=", "<", ">", "~", "(", ")", ","};
    r->at += strspn(r->at, " \t\n\r");
    r->column = (size_t)(r->at - r->text) + 1;
    r->kind = END;
    r->word = "";
    if (*r->at == '\0')
        return true;
    for (size_t i = 0; i < sizeof SIGNS / sizeof SIGNS[0]; i++)
        if (strncmp(r->at, SIGNS[i], strlen(SIGNS[i])) == 0) {
            r->at += strlen(SIGNS[i]);
            r->kind = SIGN;
            r->word = SIGNS[i];
            return true;
        }
    if (*r->at != '!')
        return take_word(r);
    r->kind = SIGN;
    r->word = "!";
    return fail(r, "!= or !~");
}

static bool is_sign(const struct reader *r, const char *sign)
{
    return r->kind == SIGN && strcmp(r->word, sign) == 0;
}

static bool is_word(const struct reader *r, const char *word)
{
    return r->kind == WORD && strcmp(r->word, word) == 0;
}

/* ---- values ---- */

static bool read_day(struct reader *r, const char *text, int64_t *out)
{
    sl_date date;
    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0)
        *out = strcmp(text, "today") == 0 ? r->today : r->today - 1;
    else if (sl_date_parse(text, strlen(text), &date))
        *out = date;
    else
        return fail(r, "a date: YYYY-MM-DD, today or yesterday");
    return true;
}

/* An instant, or the beginning of a day in the pipeline's zone. */
static bool read_time(struct reader *r, const char *text, int64_t *out)
{
    bool has_offset;
    int64_t day;
    if (sl_time_parse(text, strlen(text), out, &has_offset) && has_offset)
        return true;
    if (!read_day(r, text, &day))
        return fail(r, "a time such as 2025-04-16T08:00:00Z, or a date");
    *out = sl_zone_instant(r->config->zone, (sl_date)day, 0);
    return true;
}

static const char *config_name(const struct reader *r, enum field field, const char *text)
{
    const struct sl_phase *phase = field == PHASE ? sl_config_phase(r->config, text) : NULL;
    if (phase != NULL)
        return phase->name;
    for (size_t i = 0; field == PROCESSOR && i < r->config->n_phases; i++) {
        const struct sl_processor *processor = sl_phase_processor(&r->config->phases[i], text);
        if (processor != NULL)
            return processor->name;
    }
    return text;
}

static bool understand(struct reader *r, const struct sl_letter_filter *test, const char *text, struct value *out)
{
    const enum type type = test->field == ATTRIBUTE ? TEXT : FIELDS[test->field].type;
    int64_t ms;
    out->text = text;
    switch (type) {
    case TEXT: out->text = config_name(r, test->field, text); return true;
    case DAY: return read_day(r, text, &out->number);
    case TIME: return read_time(r, text, &out->number);
    case NUMBER: return sl_parse_i64(text, &out->number) || fail(r, "a whole number");
    case DURATION:
        if (!sl_duration_parse(text, &ms) || ms > INT64_MAX / 1000)
            return fail(r, "a duration such as 30m, 6h or 2d");
        out->number = ms * 1000;
        return true;
    }
    return false;
}

static bool add_value(struct reader *r, struct sl_letter_filter *test, const char *text)
{
    test->values = sl_arena_push(r->arena, test->values, &test->n, sizeof *test->values);
    return understand(r, test, text, &test->values[test->n - 1]);
}

static bool take_value(struct reader *r, struct sl_letter_filter *test)
{
    if (r->kind != WORD && r->kind != QUOTED)
        return fail(r, "a value");
    return add_value(r, test, r->word) && next(r);
}

/* "A..B", either end may be left out. */
static bool take_range(struct reader *r, struct sl_letter_filter *test)
{
    const char *dots = r->kind == WORD ? strstr(r->word, "..") : NULL;
    if (dots == NULL || (test->field != ATTRIBUTE && FIELDS[test->field].type == TEXT) || test->field == ATTRIBUTE)
        return fail(r, FIELDS[test->field == ATTRIBUTE ? PHASE : test->field].type == TEXT ? "(VALUE, ...)" : "A..B or (VALUE, ...)");
    const char *from = sl_arena_strndup(r->arena, r->word, (size_t)(dots - r->word)), *to = dots + 2;
    test->op = BETWEEN;
    if (!add_value(r, test, from[0] != '\0' ? from : to) || !add_value(r, test, to[0] != '\0' ? to : from))
        return false;
    if (from[0] == '\0')
        test->values[0].number = INT64_MIN;
    if (to[0] == '\0')
        test->values[1].number = INT64_MAX;
    return next(r);
}

static bool take_list(struct reader *r, struct sl_letter_filter *test)
{
    if (!is_sign(r, "("))
        return take_range(r, test);
    do {
        if (!next(r) || !take_value(r, test))
            return false;
    } while (is_sign(r, ","));
    return is_sign(r, ")") ? next(r) : fail(r, "a comma or a closing parenthesis");
}

/* ---- tests ---- */

static bool take_field(struct reader *r, struct sl_letter_filter *test)
{
    const char *names[ATTRIBUTE + 1];
    if (r->kind != WORD)
        return fail(r, "a field, not, or an opening parenthesis");
    if (strncmp(r->word, "attr.", 5) == 0 && r->word[5] != '\0') {
        test->field = ATTRIBUTE;
        test->attribute = r->word + 5;
        return next(r);
    }
    for (int i = 0; i < ATTRIBUTE; i++) {
        names[i] = FIELDS[i].name;
        if (strcmp(r->word, FIELDS[i].name) == 0) {
            test->field = (enum field)i;
            return next(r);
        }
    }
    names[ATTRIBUTE] = "attr.NAME";
    const char *near = sl_str_nearest(r->word, names, ATTRIBUTE + 1);
    return fail(r, near != NULL ? near
                                : "phase, processor, date, status, reason, detail, age, published, subscription, message_id, replays, "
                                  "deliveries or attr.NAME");
}

static bool take_op(struct reader *r, struct sl_letter_filter *test)
{
    static const struct {
        const char *sign;
        enum op op;
    } OPS[] = {{"=", EQUAL}, {"==", EQUAL},    {"!=", UNEQUAL}, {"<", LESS},      {"<=", AT_MOST},
               {">", MORE},  {">=", AT_LEAST}, {"~", HOLDS},    {"!~", HOLDS_NOT}};
    const bool text = test->field == ATTRIBUTE || FIELDS[test->field].type == TEXT;
    for (size_t i = 0; r->kind == SIGN && i < sizeof OPS / sizeof OPS[0]; i++) {
        if (strcmp(r->word, OPS[i].sign) != 0)
            continue;
        test->op = OPS[i].op;
        if (text && test->op >= LESS && test->op <= AT_LEAST)
            return fail(r, "= != ~ !~ or in: it is a text");
        if (!text && test->op >= HOLDS)
            return fail(r, "= != < <= > >= or in: it is no text");
        return next(r);
    }
    return fail(r, "= != < <= > >= ~ !~ or in");
}

static bool take_test(struct reader *r, struct sl_letter_filter *test)
{
    if (!take_field(r, test))
        return false;
    if (is_word(r, "in")) {
        test->op = IN;
        return next(r) && take_list(r, test);
    }
    if (test->field == ATTRIBUTE && r->kind != SIGN) {
        test->op = EXISTS;
        return true;
    }
    if (test->field == ATTRIBUTE && is_sign(r, ")")) {
        test->op = EXISTS;
        return true;
    }
    return take_op(r, test) && take_value(r, test);
}

/* ---- joined ---- */

static struct sl_letter_filter *take_or(struct reader *r);

static struct sl_letter_filter *node(struct reader *r, enum kind kind, struct sl_letter_filter *left, struct sl_letter_filter *right)
{
    struct sl_letter_filter *filter = sl_arena_alloc(r->arena, sizeof *filter);
    filter->kind = kind;
    filter->left = left;
    filter->right = right;
    return filter;
}

static struct sl_letter_filter *take_inner(struct reader *r)
{
    if (!next(r))
        return NULL;
    struct sl_letter_filter *inner = take_or(r);
    if (inner != NULL && !is_sign(r, ")")) {
        fail(r, "and, or, or a closing parenthesis");
        return NULL;
    }
    return inner != NULL && next(r) ? inner : NULL;
}

static struct sl_letter_filter *take_one(struct reader *r)
{
    struct sl_letter_filter *filter = NULL;
    if (++r->depth > MAX_DEPTH) {
        fail(r, "at most 100 levels");
    } else if (is_word(r, "not")) {
        struct sl_letter_filter *inner = next(r) ? take_one(r) : NULL;
        filter = inner != NULL ? node(r, NOT, inner, NULL) : NULL;
    } else if (is_sign(r, "(")) {
        filter = take_inner(r);
    } else {
        struct sl_letter_filter *test = node(r, TEST, NULL, NULL);
        filter = take_test(r, test) ? test : NULL;
    }
    r->depth--;
    return filter;
}

static struct sl_letter_filter *take_and(struct reader *r)
{
    struct sl_letter_filter *left = take_one(r);
    while (left != NULL && is_word(r, "and")) {
        struct sl_letter_filter *right = next(r) ? take_one(r) : NULL;
        left = right != NULL ? node(r, AND, left, right) : NULL;
    }
    return left;
}

static struct sl_letter_filter *take_or(struct reader *r)
{
    struct sl_letter_filter *left = take_and(r);
    while (left != NULL && is_word(r, "or")) {
        struct sl_letter_filter *right = next(r) ? take_and(r) : NULL;
        left = right != NULL ? node(r, OR, left, right) : NULL;
    }
    return left;
}

enum sl_code sl_letter_filter_parse(struct sl_letter_filter **out, const char *text, const struct sl_config *config, sl_date today,
                                    struct sl_arena *arena, struct sl_err *err)
{
    *out = NULL;
    if (strlen(text) > MAX_BYTES)
        return sl_fail(err, SL_INVALID, "the filter has %zu bytes; expected at most %d", strlen(text), MAX_BYTES);
    struct reader reader = {.text = text, .at = text, .config = config, .today = today, .arena = arena, .err = err};
    *out = next(&reader) ? take_or(&reader) : NULL;
    if (*out != NULL && reader.kind != END)
        *out = fail(&reader, "and, or, or the end") ? *out : NULL;
    return *out != NULL ? SL_OK : SL_INVALID;
}

/* ---- asked ---- */

static const char *text_of(const struct sl_letter_filter *test, const struct sl_dead_letter *letter)
{
    switch (test->field) {
    case PHASE: return letter->phase_name;
    case PROCESSOR: return letter->processor;
    case STATUS: return letter->status;
    case REASON: return letter->reason;
    case DETAIL: return letter->detail;
    case SUBSCRIPTION: return letter->source_subscription;
    case MESSAGE_ID: return letter->message->message_id;
    case ATTRIBUTE:
        for (size_t i = letter->message->n_attributes; i-- > 0;)
            if (strcmp(letter->message->attributes[i].key, test->attribute) == 0)
                return letter->message->attributes[i].value;
        return NULL;
    case DATE:
    case AGE:
    case PUBLISHED:
    case REPLAYS:
    case DELIVERIES: return NULL;
    }
    return NULL;
}

static bool number_of(enum field field, const struct sl_dead_letter *letter, int64_t now_us, int64_t *out)
{
    *out = field == DATE        ? letter->date
           : field == AGE       ? now_us - letter->source_publish_us
           : field == PUBLISHED ? letter->source_publish_us
           : field == REPLAYS   ? letter->replays
                                : letter->deliveries;
    return field != DATE || letter->date != SL_DATE_NONE;
}

static bool takes_text(const struct sl_letter_filter *test, const char *text)
{
    bool found = false;
    for (size_t i = 0; text != NULL && i < test->n; i++)
        found |= test->op == HOLDS || test->op == HOLDS_NOT ? strstr(text, test->values[i].text) != NULL
                                                            : strcmp(text, test->values[i].text) == 0;
    if (test->op == EXISTS)
        return text != NULL;
    return test->op == UNEQUAL || test->op == HOLDS_NOT ? !found : found;
}

static bool compare(enum op op, int64_t a, int64_t b)
{
    switch (op) {
    case EQUAL:
    case IN: return a == b;
    case UNEQUAL: return a != b;
    case LESS: return a < b;
    case AT_MOST: return a <= b;
    case MORE: return a > b;
    case AT_LEAST: return a >= b;
    case HOLDS:
    case HOLDS_NOT:
    case BETWEEN:
    case EXISTS: return false;
    }
    return false;
}

static bool takes_number(const struct sl_letter_filter *test, bool has, int64_t number)
{
    bool found = false;
    if (!has)
        return test->op == UNEQUAL;
    if (test->op == BETWEEN)
        return number >= test->values[0].number && number <= test->values[1].number;
    for (size_t i = 0; i < test->n; i++)
        found |= compare(test->op, number, test->values[i].number);
    return found;
}

static bool takes(const struct sl_letter_filter *filter, const struct sl_dead_letter *letter, int64_t now_us)
{
    int64_t number;
    switch (filter->kind) {
    case NOT: return !takes(filter->left, letter, now_us);
    case AND: return takes(filter->left, letter, now_us) && takes(filter->right, letter, now_us);
    case OR: return takes(filter->left, letter, now_us) || takes(filter->right, letter, now_us);
    case TEST: break;
    }
    if (filter->field == ATTRIBUTE || FIELDS[filter->field].type == TEXT)
        return takes_text(filter, text_of(filter, letter));
    const bool has = number_of(filter->field, letter, now_us, &number);
    return takes_number(filter, has, number);
}

bool sl_letter_filter_takes(const struct sl_letter_filter *filter, const struct sl_dead_letter *letter, int64_t now_us)
{
    return filter == NULL || takes(filter, letter, now_us);
}
