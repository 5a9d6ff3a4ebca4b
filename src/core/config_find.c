/* Who is called what, and who owns which table. */
#include <string.h>

#include <sluice/config.h>

static bool same(const char *own, const char *name, size_t len)
{
    return strlen(own) == len && memcmp(own, name, len) == 0;
}

static bool is_called(const char *own, const char *const *aliases, size_t n, const char *name, size_t len)
{
    if (same(own, name, len))
        return true;
    for (size_t i = 0; i < n; i++)
        if (same(aliases[i], name, len))
            return true;
    return false;
}

const struct sl_phase *sl_config_phase_n(const struct sl_config *config, const char *name, size_t len)
{
    for (size_t i = 0; i < config->n_phases; i++) {
        const struct sl_phase *phase = &config->phases[i];
        if (is_called(phase->name, phase->aliases, phase->n_aliases, name, len))
            return phase;
    }
    return NULL;
}

const struct sl_phase *sl_config_phase(const struct sl_config *config, const char *name)
{
    return name == NULL ? NULL : sl_config_phase_n(config, name, strlen(name));
}

const struct sl_processor *sl_phase_processor(const struct sl_phase *phase, const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);
    for (size_t i = 0; i < phase->n_processors && name != NULL; i++) {
        const struct sl_processor *processor = &phase->processors[i];
        if (is_called(processor->name, processor->aliases, processor->n_aliases, name, len))
            return processor;
    }
    return NULL;
}

static const struct sl_processor *owner_in(const struct sl_phase *phase, const char *table)
{
    for (size_t i = 0; i < phase->n_processors; i++) {
        const struct sl_processor *processor = &phase->processors[i];
        if (processor->n_sources > 0 && strcmp(processor->sources[0].table, table) == 0)
            return processor;
    }
    return NULL;
}

const struct sl_processor *sl_config_table_owner(const struct sl_config *config, const char *table, const struct sl_phase **phase)
{
    for (size_t i = 0; i < config->n_phases; i++) {
        const struct sl_processor *owner = owner_in(&config->phases[i], table);
        if (owner == NULL)
            continue;
        if (phase != NULL)
            *phase = &config->phases[i];
        return owner;
    }
    return NULL;
}
