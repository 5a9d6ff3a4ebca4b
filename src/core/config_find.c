/* config_find.c - who is called what, who owns which table, and other questions to a config that more than one layer asks. */
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

const char *sl_source_column(const struct sl_source *source, const char *column)
{
    for (size_t i = 0; i < source->n_columns; i++)
        if (strcmp(source->columns[i].key, column) == 0)
            return source->columns[i].value;
    return column;
}

size_t sl_calendar_kind(const struct sl_calendar_config *calendar, const char *entity)
{
    size_t kind = 0;
    while (kind < calendar->n_entities && strcmp(calendar->entities[kind].entity, entity) != 0)
        kind++;
    return kind;
}

bool sl_phase_is_after(const struct sl_phase *phase, const struct sl_phase *before)
{
    for (size_t i = 0; i < phase->n_after; i++)
        if (phase->after[i] == before->index)
            return true;
    return false;
}

bool sl_processor_is_gap_judged(const struct sl_processor *processor)
{
    bool critical = false;
    for (int profile = 0; profile < SL_N_PROFILES; profile++)
        critical |= processor->need[profile] == SL_CRITICAL;
    return critical && processor->n_sources > 0;
}

/* ---- how far back ---- */

bool sl_config_is_before_history(const struct sl_config *config, sl_date date)
{
    const struct sl_calendar_config *calendar = config->calendar;
    return calendar != NULL && calendar->history_from != SL_DATE_NONE && date < calendar->history_from;
}

sl_date sl_config_not_before(const struct sl_config *config, sl_date season_first)
{
    const struct sl_calendar_config *calendar = config->calendar;
    return calendar != NULL && calendar->history_from > season_first ? calendar->history_from : season_first;
}

sl_date sl_gaps_look_back_from(const struct sl_config *config, const struct sl_phase *phase, sl_date date, sl_date season_first)
{
    const sl_date from = date - phase->checks.gaps.look_back_days, not_before = sl_config_not_before(config, season_first);
    return not_before != SL_DATE_NONE && from < not_before ? not_before : from;
}
