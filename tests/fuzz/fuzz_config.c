/* Any bytes as a config: refused with errors or accepted; what is accepted has a normal form that loads again to the same hash. A first line
 * "#set KEY=VALUE" overrides. */
#include <stdlib.h>
#include <string.h>

#include <sluice/config.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_env(const char *name)
{
    return strlen(name) % 2 == 0 ? "x" : NULL;
}

/* The override of the first line into `set`, its text into `line`. */
static size_t first_line(const char *text, size_t size, char *line, size_t room, struct sl_override *set)
{
    const char *end = memchr(text, '\n', size);
    if (size < 5 || memcmp(text, "#set ", 5) != 0 || end == NULL || (size_t)(end - text - 5) >= room)
        return 0;
    memcpy(line, text + 5, (size_t)(end - text - 5));
    line[end - text - 5] = '\0';
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return 0;
    *equals = '\0';
    *set = (struct sl_override){line, equals + 1};
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char line[256];
    struct sl_override set = {0};
    size_t n_sets = first_line(text, size, line, sizeof line, &set);
    struct sl_config *config = NULL, *again = NULL;
    struct sl_buf out = {0};
    struct sl_err err = {0};
    enum sl_code code = sl_config_parse(&config, text, size, "fuzz", ".", &set, n_sets, no_env, &out, &err);
    if ((code == SL_OK) != (config != NULL) || (code != SL_OK && (out.len == 0 || err.text[0] == '\0')))
        abort();
    if (code == SL_OK && strstr(config->normal, "${") == NULL) {
        sl_buf_clear(&out);
        sl_config_show(&out, config);
        if (sl_config_parse(&again, config->normal, strlen(config->normal), "normal", ".", NULL, 0, no_env, NULL, &err) != SL_OK)
            abort();
        if (strcmp(again->hash, config->hash) != 0)
            abort();
    }
    sl_config_destroy(&again);
    sl_config_destroy(&config);
    sl_buf_fini(&out);
    return 0;
}
