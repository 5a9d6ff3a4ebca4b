/* facts_builder_quality.c - facts of quality and completeness from a row's short words. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/facts_builder.h"

/* The parts of "a:b:c" in place; missing ones are NULL. */
static void split(char *word, char **parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        parts[i] = word ? strsep(&word, ":") : NULL;
}

static struct sl_proc_facts *processor(struct facts_builder *b, const char *word)
{
    cr_assert_eq(word[0], 'p', "processor: %s", word);
    const size_t i = strtoul(word + 1, NULL, 10);
    cr_assert_lt(i, b->facts.n_procs, "processor: %s", word);
    return &b->facts.procs[i];
}

static void quality_make(struct facts_builder *b, struct sl_quality *out, const char *tier, const char *score, const char *issue)
{
    *out = (struct sl_quality){.score = strtod(score, NULL), .games_into_season = -1};
    cr_assert(sl_tier_parse(tier, &out->tier), "tier: %s", tier);
    if (!issue)
        return;
    out->issues = sl_arena_array(&b->arena, 1, sizeof *out->issues);
    out->issues[out->n_issues++] = issue;
}

static size_t source_of(const struct sl_coverage *coverage, const char *unit)
{
    for (size_t i = 0; i < coverage->n_served; i++)
        if (!strcmp(coverage->served[i].unit, unit))
            return coverage->served[i].source;
    return 0;
}

static void all_flawless(struct facts_builder *b, struct sl_proc_facts *proc)
{
    const size_t n = proc->coverage.by_date ? 1 : b->facts.n_done;
    proc->quality.asked = true;
    proc->quality.units = sl_arena_array(&b->arena, n + 1, sizeof *proc->quality.units);
    for (size_t i = 0; i < n; i++) {
        const char *unit = proc->coverage.by_date ? "" : b->facts.done[i];
        struct sl_unit_quality *one = &proc->quality.units[proc->quality.n_units++];
        *one = (struct sl_unit_quality){.unit = unit, .rows = 2, .source = source_of(&proc->coverage, unit)};
        quality_make(b, &one->quality, "gold", "100", NULL);
    }
}

static void read_quality(struct facts_builder *b, char *word)
{
    char *parts[5];
    const bool error = strchr(word, '!') != NULL;
    split(word, parts, 5);
    struct sl_proc_facts *proc = processor(b, parts[0]);
    if (parts[1] && !strncmp(parts[1], "record=", 7)) {
        const bool none = !strcmp(parts[1] + 7, "none"), bad = !strcmp(parts[1] + 7, "bad");
        proc->record = (struct sl_run_said){.asked = true,
                                            .found = !none && !bad,
                                            .status = none || bad ? NULL : "success",
                                            .record_count = none || bad ? -1 : strtol(parts[1] + 7, NULL, 10),
                                            .error = bad ? "no such table: ref.runs" : NULL};
        return;
    }
    if (parts[1] && !strncmp(parts[1], "rows=", 5)) {
        proc->rows_counted = true;
        proc->n_rows = strtol(parts[1] + 5, NULL, 10);
        return;
    }
    if (!proc->quality.asked && !error)
        all_flawless(b, proc);
    if (error) {
        proc->quality.asked = true;
        proc->quality.error = "no such column: pts";
    }
    for (size_t i = 0; parts[2] && i < proc->quality.n_units; i++)
        if (!strcmp(proc->quality.units[i].unit, parts[1]))
            quality_make(b, &proc->quality.units[i].quality, parts[2], parts[3], parts[4]);
}

static void read_entity(struct facts_builder *b, char *word)
{
    struct sl_completeness_facts *facts = &b->facts.completeness;
    if (!strcmp(word, "!")) {
        facts->error = "no such table: nba_raw.t0";
        return;
    }
    char *name = strsep(&word, ":"), *at = NULL;
    facts->entities = sl_arena_push(&b->arena, facts->entities, &facts->n_entities, sizeof *facts->entities);
    struct sl_entity_facts *entity = &facts->entities[facts->n_entities - 1];
    entity->entity = name;
    entity->n_actual = strtoul(word, &at, 10);
    entity->n_expected = strtoul(at + 1, NULL, 10);
    entity->n_missing = entity->n_expected - entity->n_actual;
    entity->missing = sl_arena_array(&b->arena, entity->n_missing + 1, sizeof *entity->missing);
    for (size_t i = 0; i < entity->n_missing; i++)
        entity->missing[i] = sl_arena_printf(&b->arena, "m%zu", i + 1);
}

static void read_inherited(struct facts_builder *b, char *word)
{
    char *parts[3];
    struct sl_facts *facts = &b->facts;
    facts->inherited = sl_arena_push(&b->arena, facts->inherited, &facts->n_inherited, sizeof *facts->inherited);
    struct sl_inherited *from = &facts->inherited[facts->n_inherited - 1];
    from->phase = &b->phases[FB_UP];
    if (*word == '@') {
        static struct sl_input input = {.table = "nba_raw.cards", .entity_column = "player_id", .window = {SL_WINDOW_ROWS, 10}};
        b->phases[FB_UP].processors[0].inputs = &input;
        b->phases[FB_UP].processors[0].n_inputs = 1;
        from->processor = &b->phases[FB_UP].processors[0];
        from->input = &input;
        word++;
    }
    if (!strcmp(word, "!"))
        from->error = "no such column: pts";
    if (!strcmp(word, "!") || !strcmp(word, "-"))
        return;
    split(word, parts, 3);
    struct sl_quality quality;
    quality_make(b, &quality, parts[0], parts[1], parts[2]);
    from->any = true;
    from->tier = quality.tier;
    from->score = quality.score;
    from->issues = quality.issues;
    from->n_issues = quality.n_issues;
    from->n_keys = 5;
    from->culprit = (struct sl_culprit){
        .phase = from->phase->name, .processor = "p0", .table = "nba_raw.f0", .date = FB_DATE, .unit = "u4"};
}

static void read_found_before(struct facts_builder *b, char *word)
{
    char *parts[3];
    struct sl_facts *facts = &b->facts;
    split(word, parts, 3);
    facts->open_events = sl_arena_push(&b->arena, facts->open_events, &facts->n_open_events, sizeof *facts->open_events);
    facts->open_events[facts->n_open_events - 1] = (struct sl_open_event){
        .event_id = sl_arena_printf(&b->arena, "%s-%s-%s", parts[2], parts[0], parts[1]),
        .processor = processor(b, parts[0])->processor->name,
        .unit = strcmp(parts[1], "date") != 0 ? parts[1] : NULL,
        .type = parts[2]};
}

static void each_word(struct facts_builder *b, const char *words, void (*read)(struct facts_builder *b, char *word))
{
    char *rest = sl_arena_strdup(&b->arena, words), *word;
    while (rest && (word = strsep(&rest, " ")))
        if (*word)
            read(b, word);
}

void facts_build_quality(struct facts_builder *b, const struct fb_row *row)
{
    struct sl_completeness_facts *complete = &b->facts.completeness;
    complete->gathered = row->completeness != SL_OFF;
    complete->from = FB_DATE - 20;
    complete->to = FB_DATE;
    each_word(b, row->quality, read_quality);
    each_word(b, row->complete, read_entity);
    each_word(b, row->inherited, read_inherited);
    each_word(b, row->found_before, read_found_before);
}
