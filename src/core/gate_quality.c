/* gate_quality.c - what the facts of the checks say of quality and completeness (DESIGN section 6, step 8, and section 7).
 * A gate's tier is the worst of its own units, of what the phases before hand down and of its inputs. Units that are unusable are left out of it and listed; only when nothing else is
 * left is the tier unusable. The checks judge what their config asks for; the tier is told in any case. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/completeness.h>

#include "gate_making.h"

/* ---- tier, score, issues, culprit ---- */

struct joining {
    struct sl_making *m;
    struct sl_quality_item *items;
    struct sl_culprit *culprits;
    size_t n;
};

static void join(struct joining *j, enum sl_tier tier, double score, const char *const *issues, size_t n_issues, struct sl_culprit culprit)
{
    size_t n = j->n;
    j->items = sl_arena_push(j->m->arena, j->items, &n, sizeof *j->items);
    j->culprits = sl_arena_push(j->m->arena, j->culprits, &j->n, sizeof *j->culprits);
    j->items[j->n - 1] = (struct sl_quality_item){.tier = tier, .score = score, .issues = issues, .n_issues = n_issues};
    j->culprits[j->n - 1] = culprit;
}

/* "" is the date itself. */
static const char *unit_name(struct sl_making *m, const char *unit)
{
    return *unit ? unit : sl_making_date(m, m->facts->date);
}

static void join_units(struct joining *j, const struct sl_proc_facts *proc)
{
    struct sl_making *m = j->m;
    const struct sl_unit_quality *unusable = NULL;
    size_t n_usable = 0;
    for (size_t i = 0; i < proc->quality.n_units; i++) {
        const struct sl_unit_quality *unit = &proc->quality.units[i];
        const struct sl_culprit culprit = {.phase = m->phase->name,
                                           .processor = proc->processor->name,
                                           .table = sl_source_name(proc->processor, unit->source),
                                           .date = m->facts->date,
                                           .unit = *unit->unit ? unit->unit : NULL};
        if (unit->quality.tier == SL_TIER_UNUSABLE) {
            unusable = unusable ? unusable : unit;
            sl_making_name(m, &m->out->unusable_units, &m->out->n_unusable_units, unit_name(m, unit->unit));
            continue;
        }
        n_usable++;
        join(j, unit->quality.tier, unit->quality.score, unit->quality.issues, unit->quality.n_issues, culprit);
    }
    if (unusable && n_usable == 0)
        join(j, SL_TIER_UNUSABLE, unusable->quality.score, unusable->quality.issues, unusable->quality.n_issues,
             (struct sl_culprit){.phase = m->phase->name,
                                 .processor = proc->processor->name,
                                 .table = sl_source_name(proc->processor, unusable->source),
                                 .date = m->facts->date});
}

/* What the run itself says: of all its rows. Those of an optional processor that nobody can use are left out. */
static void join_reported(struct joining *j, const struct sl_proc_facts *proc)
{
    const struct sl_reported *reported = &proc->reported;
    const struct sl_culprit culprit = {.phase = j->m->phase->name, .processor = proc->processor->name, .date = j->m->facts->date};
    if (reported->any && (reported->tier != SL_TIER_UNUSABLE || proc->need == SL_CRITICAL))
        join(j, reported->tier, reported->score, reported->issues, reported->n_issues, culprit);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Several processors may find the same unit unusable. */
static void sort_unusable(struct sl_decision *out)
{
    size_t kept = 0;
    if (out->n_unusable_units)
        qsort(out->unusable_units, out->n_unusable_units, sizeof *out->unusable_units, by_bytes);
    for (size_t i = 0; i < out->n_unusable_units; i++)
        if (kept == 0 || strcmp(out->unusable_units[kept - 1], out->unusable_units[i]) != 0)
            out->unusable_units[kept++] = out->unusable_units[i];
    out->n_unusable_units = kept;
}

/* "phase_2_raw/boxscores: nba_raw.bdl_box_scores of 2025-04-15, 0052400101, MIA" */
static const char *culprit_sentence(struct sl_making *m, const struct sl_culprit *culprit)
{
    const char *text = sl_arena_printf(m->arena, "%s%s%s%s%s of %s", culprit->phase ? culprit->phase : "", culprit->phase ? "/" : "",
                                       culprit->processor ? culprit->processor : "", culprit->processor ? ": " : "",
                                       culprit->table ? culprit->table : "its rows", sl_making_date(m, culprit->date));
    if (culprit->unit)
        text = sl_making_listed(m, text, culprit->unit);
    return culprit->entity ? sl_making_listed(m, text, culprit->entity) : text;
}

/* The word for units in sentences: "games" where the calendar's units are game_id, else "units". */
static const char *units_word(struct sl_making *m)
{
    const struct sl_calendar_config *calendar = m->config->calendar;
    const char *column = calendar ? calendar->unit_column : NULL;
    const size_t len = column ? strlen(column) : 0;
    if (len <= 3 || strcmp(column + len - 3, "_id") != 0)
        return "units";
    return sl_arena_printf(m->arena, "%.*ss", (int)(len - 3), column);
}

/* "2 of 2 games come from nba_raw.bdl_box_scores" */
static void note_fallbacks(struct sl_making *m, const struct sl_proc_facts *proc)
{
    const struct sl_coverage *coverage = &proc->coverage;
    for (size_t source = 1; source <= proc->processor->n_sources; source++) {
        size_t n = 0;
        for (size_t i = 0; i < coverage->n_served; i++)
            n += coverage->served[i].source == source;
        if (n == 0)
            continue;
        const char *from = sl_source_name(proc->processor, source);
        const char *note = coverage->by_date
                               ? sl_arena_printf(m->arena, "%s comes from %s", sl_making_date(m, m->facts->date), from)
                               : sl_arena_printf(m->arena, "%zu of %zu %s come from %s", n, coverage->n_due, units_word(m), from);
        if (!m->out->quality_note || !strstr(m->out->quality_note, note))
            m->out->quality_note = sl_making_also(m, m->out->quality_note, note);
    }
}

void sl_making_take_quality(struct sl_making *m)
{
    struct joining j = {.m = m};
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || !proc->run)
            continue;
        note_fallbacks(m, proc);
        join_units(&j, proc);
        join_reported(&j, proc);
    }
    sort_unusable(m->out);
    for (size_t i = 0; i < m->facts->n_inherited; i++) {
        const struct sl_inherited *from = &m->facts->inherited[i];
        if (from->any)
            join(&j, from->tier, from->score, from->issues, from->n_issues, from->culprit);
    }
    struct sl_quality_item worst;
    size_t culprit = 0;
    struct sl_err none;
    if (j.n == 0 || sl_quality_worst(&worst, &culprit, j.items, j.n, m->arena, &none) != SL_OK)
        return;
    m->out->has_quality = true;
    m->out->quality_tier = worst.tier;
    m->out->quality_score = worst.score;
    m->out->n_quality_issues = worst.n_issues;
    m->out->quality_issues = sl_arena_array(m->arena, worst.n_issues + 1, sizeof *m->out->quality_issues);
    for (size_t i = 0; i < worst.n_issues; i++)
        m->out->quality_issues[i] = worst.issues[i];
    if (worst.tier != SL_TIER_GOLD)
        m->out->quality_culprit = culprit_sentence(m, &j.culprits[culprit]);
}

bool sl_is_flawless(const struct sl_unit_quality *unit)
{
    return unit->source == 0 && unit->quality.tier == SL_TIER_GOLD && unit->quality.n_issues == 0 && unit->quality.score >= 100;
}

/* ---- the quality check ---- */

/* What could not be assessed. */
static const char *quality_errors(struct sl_making *m)
{
    const char *text = NULL;
    for (size_t i = 0; i < m->facts->n_procs; i++)
        if (m->facts->procs[i].need != SL_NOT_REQUIRED && m->facts->procs[i].quality.error)
            text = sl_making_also(
                m, text, sl_arena_printf(m->arena, "%s: %s", m->facts->procs[i].processor->name, m->facts->procs[i].quality.error));
    for (size_t i = 0; i < m->facts->n_inherited; i++) {
        const struct sl_inherited *from = &m->facts->inherited[i];
        if (from->error)
            text = sl_making_also(m, text,
                                  sl_arena_printf(m->arena, "%s: %s", from->phase ? from->phase->name : from->input->table, from->error));
    }
    return text;
}

/* Does a critical processor have too few units that can be used? Its sentence, or NULL. */
static const char *too_few_usable(struct sl_making *m, const struct sl_proc_facts *proc)
{
    const char **bad = NULL;
    size_t n_bad = 0;
    for (size_t i = 0; i < proc->quality.n_units; i++)
        if (proc->quality.units[i].quality.tier == SL_TIER_UNUSABLE)
            sl_making_name(m, &bad, &n_bad, unit_name(m, proc->quality.units[i].unit));
    if (proc->reported.any && proc->reported.tier == SL_TIER_UNUSABLE)
        return sl_arena_printf(m->arena, "%s: its run says that its rows are unusable", proc->processor->name);
    const size_t n = proc->quality.n_units;
    const double share = n ? (double)(n - n_bad) / (double)n : 1;
    if (n_bad < n && share >= m->phase->checks.quality.min_usable - 1e-9)
        return NULL;
    return n == 0 ? NULL
                  : sl_arena_printf(m->arena, "%s: %zu of %zu units are unusable: %s", proc->processor->name, n_bad, n,
                                    sl_making_names(m, bad, n_bad));
}

static const char *quality_actual(struct sl_making *m)
{
    const struct sl_decision *out = m->out;
    if (!out->has_quality)
        return "nothing to assess";
    return sl_arena_printf(m->arena, "%s, %.1f%s%s", sl_tier_name(out->quality_tier), out->quality_score,
                           out->quality_culprit ? " by " : "", out->quality_culprit ? out->quality_culprit : "");
}

sl_reasons sl_check_quality(struct sl_making *m, const char **blocking)
{
    const enum sl_mode mode = m->phase->checks.quality.mode;
    if (mode == SL_OFF)
        return 0;
    sl_reasons failed = 0;
    const char *errors = quality_errors(m), *detail = errors;
    if (errors)
        failed |= SL_REASON_BIT(SL_REASON_CHECK_ERROR);
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const char *few = sl_making_is_critical(m, i) && m->facts->procs[i].run ? too_few_usable(m, &m->facts->procs[i]) : NULL;
        if (!few)
            continue;
        failed |= SL_REASON_BIT(SL_REASON_QUALITY);
        detail = sl_making_also(m, detail, few);
    }
    struct sl_check *check = sl_making_check(m, "quality", mode);
    check->expected = sl_arena_printf(m->arena, "%.4g %% of the units of every critical processor are usable",
                                      100 * m->phase->checks.quality.min_usable);
    check->actual = quality_actual(m);
    check->detail = detail;
    check->passed = !failed;
    failed = sl_making_weigh(m, mode, failed);
    if (failed)
        *blocking = sl_making_also(m, *blocking, sl_arena_printf(m->arena, "quality: %s", detail));
    return failed;
}

/* ---- the completeness check ---- */

/* "MIA 8 of 10 (80.0 %): 0052400101, 0052400121" */
static const char *entity_sentence(struct sl_making *m, const struct sl_entity_facts *entity, size_t most)
{
    return sl_arena_printf(m->arena, "%s %zu of %zu (%.1f %%): %s", entity->entity, entity->n_actual, entity->n_expected,
                           sl_completeness_pct(entity->n_actual, entity->n_expected),
                           sl_making_first_names(m, entity->missing, entity->n_missing, most));
}

/* The entities below the threshold; *n_below of them. */
static const char *entities_below(struct sl_making *m, size_t *n_below, size_t most, size_t most_units)
{
    const struct sl_completeness_facts *facts = &m->facts->completeness;
    const char *text = NULL;
    *n_below = 0;
    for (size_t i = 0; i < facts->n_entities; i++) {
        if (sl_entity_is_complete(&facts->entities[i], m->phase->checks.completeness.threshold))
            continue;
        if ((*n_below)++ < most)
            text = sl_making_also(m, text, entity_sentence(m, &facts->entities[i], most_units));
    }
    return *n_below > most ? sl_arena_printf(m->arena, "%s; and %zu more", text, *n_below - most) : text;
}

static void completeness_over_all(struct sl_making *m)
{
    const struct sl_completeness_facts *facts = &m->facts->completeness;
    size_t actual = 0, expected = 0;
    for (size_t i = 0; i < facts->n_entities; i++) {
        actual += facts->entities[i].n_actual;
        expected += facts->entities[i].n_expected;
    }
    m->out->completeness_pct = sl_completeness_pct(actual, expected);
}

static const char *window_words(struct sl_making *m, struct sl_window window)
{
    static const char *const KINDS[] = {[SL_WINDOW_UNITS] = "units", [SL_WINDOW_DAYS] = "days", [SL_WINDOW_ROWS] = "rows"};
    return sl_arena_printf(m->arena, "%d %s", window.n, KINDS[window.kind]);
}

/* The units that can't be checked, NULL when all can; then what else there is to say. */
static const char *completeness_words(struct sl_making *m, const char *below, size_t most)
{
    const struct sl_completeness_facts *facts = &m->facts->completeness;
    if (facts->n_nameless == 0)
        return below;
    const char *nameless = sl_arena_printf(m->arena, "by the calendar no %s takes part in %s", m->phase->checks.completeness.entity,
                                           sl_making_first_names(m, facts->nameless, facts->n_nameless, most));
    return below ? sl_making_also(m, nameless, below) : nameless;
}

sl_reasons sl_check_completeness(struct sl_making *m, const char **blocking)
{
    const enum sl_mode mode = m->phase->checks.completeness.mode;
    const struct sl_completeness_facts *facts = &m->facts->completeness;
    if (mode == SL_OFF)
        return 0;
    const char *said = facts->gathered ? facts->error : "it was not asked";
    sl_reasons failed = said ? SL_REASON_BIT(SL_REASON_CHECK_ERROR) : 0;
    size_t n_below = 0;
    const char *detail = said ? said : completeness_words(m, entities_below(m, &n_below, 40, 20), 20);
    if (n_below)
        failed |= SL_REASON_BIT(SL_REASON_COMPLETENESS);
    if (facts->n_nameless)
        failed |= SL_REASON_BIT(SL_REASON_CHECK_ERROR);
    if (!said)
        completeness_over_all(m);
    struct sl_check *check = sl_making_check(m, "completeness", mode);
    check->expected = sl_arena_printf(m->arena, "%.4g %% of each %s's last %s in %s", 100 * m->phase->checks.completeness.threshold,
                                      m->phase->checks.completeness.entity, window_words(m, m->phase->checks.completeness.window),
                                      m->phase->checks.completeness.table);
    check->actual = said ? "unknown"
                         : sl_arena_printf(m->arena, "%zu of %zu have it, %.1f %% over all, %zu known gaps excused",
                                           facts->n_entities - n_below, facts->n_entities, m->out->completeness_pct, facts->n_excused);
    check->detail = detail;
    check->passed = !failed;
    failed = sl_making_weigh(m, mode, failed);
    if (failed)
        *blocking = sl_making_also(
            m, *blocking,
            sl_arena_printf(m->arena, "completeness: %s", said ? said : completeness_words(m, entities_below(m, &n_below, 3, 3), 3)));
    return failed;
}
