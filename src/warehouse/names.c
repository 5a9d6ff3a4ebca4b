/* names.c - identifiers: the only text that goes into SQL. Everything else is bound. */
#include "sqlite.h"

#include <string.h>

static bool is_identifier(const char *text, size_t len)
{
    if (len == 0 || len > SL_WH_MAX_NAME || (text[0] >= '0' && text[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

bool sl_wh_is_identifier(const char *text)
{
    return text && is_identifier(text, strlen(text));
}

enum sl_code sl_wh_name_parse(struct sl_wh_name *out, const char *text, struct sl_err *err)
{
    const char *dot = text ? strchr(text, '.') : NULL;
    if (!dot || !is_identifier(text, (size_t)(dot - text)) || !sl_wh_is_identifier(dot + 1))
        return sl_fail(err, SL_INVALID, "\"%.*s\" is no table name: expected dataset.table of letters, digits and _", 200,
                       text ? text : "");
    size_t len = (size_t)(dot - text);
    memcpy(out->dataset, text, len);
    out->dataset[len] = '\0';
    memcpy(out->table, dot + 1, strlen(dot + 1) + 1);
    return SL_OK;
}

enum sl_code sl_wh_check_column(const char *table, const char *column, struct sl_err *err)
{
    if (sl_wh_is_identifier(column))
        return SL_OK;
    return sl_fail(err, SL_INVALID, "%s: \"%.*s\" is no column name: expected letters, digits and _", table, 200, column ? column : "");
}

void sl_wh_quote(struct sl_buf *sql, const char *name)
{
    sl_buf_char(sql, '"');
    for (; *name; name++) {
        if (*name == '"')
            sl_buf_char(sql, '"');
        sl_buf_char(sql, *name);
    }
    sl_buf_char(sql, '"');
}
