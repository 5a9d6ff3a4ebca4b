/* ${NAME} in a value is the environment's; $${ stands for ${ itself. */
#include <string.h>

#include "config_internal.h"

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

/* Append the value of the variable at `at` ("${NAME}..."); *at moves behind it. */
static bool expand_one(struct sl_reader *reader, const char *path, const char **at, struct sl_buf *out)
{
    const char *name = *at + 2;
    size_t len = strspn(name, name_letters);
    if (len == 0 || name[len] != '}' || (name[0] >= '0' && name[0] <= '9')) {
        sl_reader_fault(reader, path, "found '%.60s'; expected a variable as ${NAME}, or $${ for the text itself", *at);
        return false;
    }
    const char *key = sl_arena_strndup(reader->arena, name, len);
    const char *value = reader->getenv_fn(key);
    if (value == NULL) {
        sl_reader_fault(reader, path, "environment variable '%s' is not set; expected a value for ${%s}", key, key);
        return false;
    }
    if (strlen(value) > SL_CONFIG_MAX_TEXT || out->len > SL_CONFIG_MAX_TEXT || !sl_utf8_valid(value, strlen(value))) {
        sl_reader_fault(reader, path, "environment variable '%s' is too long or no UTF-8; expected at most %d bytes", key,
                        SL_CONFIG_MAX_TEXT);
        return false;
    }
    sl_buf_str(out, value);
    *at = name + len + 1;
    return true;
}

bool sl_env_expand(struct sl_reader *reader, const char *path, const char *text, const char **out, bool *expanded)
{
    *expanded = false;
    *out = text;
    if (strstr(text, "${") == NULL)
        return true;
    struct sl_buf buf = {0};
    bool ok = true;
    for (const char *at = text; ok && *at != '\0';) {
        if (strncmp(at, "$${", 3) == 0) {
            sl_buf_str(&buf, "${");
            at += 3;
        } else if (strncmp(at, "${", 2) == 0) {
            ok = expand_one(reader, path, &at, &buf);
            *expanded = true;
        } else {
            sl_buf_char(&buf, *at++);
        }
    }
    *out = sl_arena_strdup(reader->arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return ok;
}
