/* config_sql.c - is a reconstruction one INSERT INTO its own table ... SELECT, with the parameters it needs? The statement is cut into tokens, so that what stands in comments and
 * strings counts for nothing. That its columns exist only the warehouse can say; that it writes nothing else can be said here. */
#include <string.h>
#include <strings.h>

#include "config_internal.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* also numbers: letters, digits, _, $ and everything beyond ASCII */
    TOKEN_QUOTED, /* a quoted name, without its quotes */
    TOKEN_STRING,
    TOKEN_PARAMETER, /* with its sign */
    TOKEN_SIGN,      /* one byte */
    TOKEN_BROKEN     /* a string, name or comment without end */
};

struct token {
    enum token_kind kind;
    const char *at;
    size_t len;
};

struct lexer {
    const char *at;
    bool bigquery; /* else SQLite: what quotes mean differs */
    struct token token;
};

static bool is_word_byte(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_' || byte >= 0x80;
}

/* Past blanks and comments; NULL: a comment without end. */
static const char *skip_blank(const struct lexer *lexer, const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n\f\v");
        if ((at[0] == '-' && at[1] == '-') || (at[0] == '#' && lexer->bigquery)) {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            at = strstr(at + 2, "*/");
            if (at == NULL)
                return NULL;
            at += 2;
        } else {
            return at;
        }
    }
}

/* SQLite: 'it''s', "a ""name""", [a name]. The byte behind the end; NULL: there is none. */
static const char *skip_quoted_sqlite(const char *at)
{
    const char close = *at == '[' ? ']' : *at;
    for (at++; *at != '\0'; at++) {
        if (*at != close)
            continue;
        if (close == ']' || at[1] != close)
            return at + 1;
        at++;
    }
    return NULL;
}

/* BigQuery: 'it\'s', """three quotes""". */
static const char *skip_quoted_bigquery(const char *at)
{
    const char close = *at;
    const size_t n = at[1] == close && at[2] == close ? 3 : 1;
    for (at += n; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        else if (at[0] == close && (n == 1 || (at[1] == close && at[2] == close)))
            return at + n;
    }
    return NULL;
}

/* A string or a quoted name. */
static void take_quoted(struct lexer *lexer, const char *at)
{
    bool string = *at == '\'' || (*at == '"' && lexer->bigquery);
    const char *end = lexer->bigquery ? skip_quoted_bigquery(at) : skip_quoted_sqlite(at);
    if (end == NULL)
        lexer->token = (struct token){TOKEN_BROKEN, at, 1};
    else if (string)
        lexer->token = (struct token){TOKEN_STRING, at, (size_t)(end - at)};
    else
        lexer->token = (struct token){TOKEN_QUOTED, at + 1, (size_t)(end - at) - 2};
    lexer->at = end == NULL ? at + strlen(at) : end;
}

static void take_run(struct lexer *lexer, const char *at, enum token_kind kind)
{
    const char *end = at + 1;
    while (is_word_byte(*end) || (*end == '$' && kind == TOKEN_WORD))
        end++;
    lexer->token = (struct token){kind, at, (size_t)(end - at)};
    lexer->at = end;
}

/* "@date"; "?", ":x", "$x" and "@@x" are parameters too, though none of ours. */
static bool is_parameter(const char *at)
{
    if (*at == '?')
        return true;
    return (*at == '@' || *at == ':' || *at == '$') && (is_word_byte(at[1]) || (*at == '@' && at[1] == '@'));
}

static void next(struct lexer *lexer)
{
    const char *at = skip_blank(lexer, lexer->at);
    if (at == NULL)
        lexer->token = (struct token){TOKEN_BROKEN, lexer->at, 0};
    else if (*at == '\0')
        lexer->token = (struct token){TOKEN_END, at, 0};
    else if (*at == '\'' || *at == '"' || *at == '`' || (*at == '[' && !lexer->bigquery))
        take_quoted(lexer, at);
    else if (is_word_byte(*at))
        take_run(lexer, at, TOKEN_WORD);
    else if (is_parameter(at))
        take_run(lexer, at, TOKEN_PARAMETER);
    else {
        lexer->token = (struct token){TOKEN_SIGN, at, 1};
        lexer->at = at + 1;
    }
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->len == strlen(word) && strncasecmp(token->at, word, token->len) == 0;
}

static bool is_sign(const struct token *token, char sign)
{
    return token->kind == TOKEN_SIGN && *token->at == sign;
}

static const char *token_text(struct sl_arena *arena, const struct token *token)
{
    if (token->kind == TOKEN_END)
        return "its end";
    if (token->kind == TOKEN_BROKEN)
        return token->len == 0 ? "a comment without end" : "quotes without end";
    return sl_arena_printf(arena, "'%.*s'", (int)(token->len < 40 ? token->len : 40), token->at);
}

/* a.b, "a"."b", `project.a.b`: the parts joined by dots; the lexer stands behind it. */
static const char *take_name(struct lexer *lexer, struct sl_arena *arena)
{
    struct sl_buf name = {0};
    while (lexer->token.kind == TOKEN_WORD || lexer->token.kind == TOKEN_QUOTED) {
        sl_buf_add(&name, lexer->token.at, lexer->token.len);
        next(lexer);
        if (!is_sign(&lexer->token, '.'))
            break;
        sl_buf_char(&name, '.');
        next(lexer);
    }
    const char *text = sl_arena_strdup(arena, sl_buf_text(&name));
    sl_buf_fini(&name);
    return text;
}

/* BigQuery's may have the project before it, and tells upper case from lower. */
static bool is_table(const struct lexer *lexer, const char *name, const char *table)
{
    size_t len = strlen(name), want = strlen(table);
    if (!lexer->bigquery)
        return strcasecmp(name, table) == 0;
    return len >= want && strcmp(name + len - want, table) == 0 && (len == want || name[len - want - 1] == '.');
}

/* Up to the parenthesis that closes the one where the lexer stands, and past it. */
static void skip_columns(struct lexer *lexer)
{
    int depth = 0;
    do {
        depth += is_sign(&lexer->token, '(') - is_sign(&lexer->token, ')');
        next(lexer);
    } while (depth > 0 && lexer->token.kind != TOKEN_END && lexer->token.kind != TOKEN_BROKEN);
}

/* "INSERT INTO table (columns)", up to SELECT or WITH. What was found instead, or NULL. */
static const char *take_head(struct lexer *lexer, const char *table, struct sl_arena *arena)
{
    static const char *const WORDS[] = {"INSERT", "INTO"};
    next(lexer);
    for (size_t i = 0; i < 2; i++) {
        if (!is_word(&lexer->token, WORDS[i]))
            return sl_arena_printf(arena, "%s where %s belongs", token_text(arena, &lexer->token), WORDS[i]);
        next(lexer);
    }
    const struct token first = lexer->token;
    const char *name = take_name(lexer, arena);
    if (*name == '\0')
        return sl_arena_printf(arena, "%s where %s belongs", token_text(arena, &first), table);
    if (!is_table(lexer, name, table))
        return sl_arena_printf(arena, "the table '%.60s'", name);
    if (is_sign(&lexer->token, '('))
        skip_columns(lexer);
    if (!is_word(&lexer->token, "SELECT") && !is_word(&lexer->token, "WITH"))
        return sl_arena_printf(arena, "%s where SELECT belongs", token_text(arena, &lexer->token));
    return NULL;
}

struct found {
    bool date, unit;
    int depth;
    bool on; /* the token before was ON */
};

/* One token of the SELECT. What is wrong with it, or NULL. */
static const char *take_token(const struct lexer *lexer, struct found *found, struct sl_arena *arena)
{
    const struct token *token = &lexer->token;
    bool after_on = found->on;
    found->depth += is_sign(token, '(') - is_sign(token, ')');
    found->on = is_word(token, "ON");
    if (token->kind == TOKEN_BROKEN)
        return token_text(arena, token);
    if (found->depth < 0)
        return "a ')' that nothing opens";
    if (is_sign(token, ';'))
        return found->depth > 0 ? "';' inside parentheses" : "a second statement";
    if (after_on && is_word(token, "CONFLICT"))
        return "ON CONFLICT";
    if (found->depth == 0 && is_word(token, "RETURNING"))
        return "RETURNING";
    if (token->kind != TOKEN_PARAMETER)
        return NULL;
    if (token->len == 5 && strncmp(token->at, "@date", 5) == 0)
        found->date = true;
    else if (token->len == 5 && strncmp(token->at, "@unit", 5) == 0)
        found->unit = true;
    else
        return sl_arena_printf(arena, "the parameter %s", token_text(arena, token));
    return NULL;
}

/* The SELECT to its end, one ';' after it allowed. */
static const char *take_select(struct lexer *lexer, struct found *found, struct sl_arena *arena)
{
    while (lexer->token.kind != TOKEN_END) {
        if (is_sign(&lexer->token, ';') && found->depth == 0) {
            struct lexer rest = *lexer;
            next(&rest);
            if (rest.token.kind == TOKEN_END)
                return NULL;
        }
        const char *wrong = take_token(lexer, found, arena);
        if (wrong != NULL)
            return wrong;
        next(lexer);
    }
    return found->depth > 0 ? "a '(' that nothing closes" : NULL;
}

const char *sl_sql_reconstruction(const char *sql, const char *table, bool units, bool bigquery, struct sl_arena *arena)
{
    struct lexer lexer = {.at = sql, .bigquery = bigquery};
    struct found found = {0};
    const char *wrong = take_head(&lexer, table, arena);
    if (wrong == NULL)
        wrong = take_select(&lexer, &found, arena);
    if (wrong == NULL && !found.date)
        wrong = "no @date";
    if (wrong == NULL && units && !found.unit)
        wrong = "no @unit";
    if (wrong == NULL && !units && found.unit)
        wrong = "@unit, although the table is judged by date";
    return wrong;
}
