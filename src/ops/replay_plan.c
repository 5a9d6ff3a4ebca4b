/* replay_plan.c - what is to be done with which dead letters, and how many of which kind. Pure: the same letters and the same ledger give the same plan, so that a dry run and the run
 * after it mean the same. */
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>
#include <sluice/replay.h>
#include <sluice/str.h>

const char *sl_replay_action_name(enum sl_replay_action action)
{
    switch (action) {
    case SL_ACT_REPLAY: return "replay";
    case SL_ACT_SKIP: return "skip";
    case SL_ACT_QUARANTINE: return "quarantine";
    case SL_ACT_KEEP: return "keep";
    }
    return "";
}

const char *sl_replay_quarantine(const char *topic, struct sl_arena *arena)
{
    return sl_arena_printf(arena, "%s-quarantine", topic);
}

/* ---- which ---- */

static bool is_meant(const struct sl_replay_policy *policy, const struct sl_dead_letter *letter, int64_t now_us)
{
    if (policy->id != NULL && sl_str_eq(policy->id, letter->replay_id))
        return false;
    if (policy->phase != NULL && policy->phase != letter->phase)
        return false;
    if (policy->from != SL_DATE_NONE && (letter->date == SL_DATE_NONE || letter->date < policy->from))
        return false;
    if (policy->to != SL_DATE_NONE && (letter->date == SL_DATE_NONE || letter->date > policy->to))
        return false;
    return sl_letter_filter_takes(policy->filter, letter, now_us);
}

static int64_t order_of_date(const struct sl_dead_letter *letter)
{
    return letter->date == SL_DATE_NONE ? INT64_MAX : letter->date;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_date(const void *a, const void *b)
{
    const struct sl_dead_letter *x = ((const struct sl_replay_step *)a)->letter, *y = ((const struct sl_replay_step *)b)->letter;
    int order = compare_numbers(order_of_date(x), order_of_date(y));
    if (order == 0)
        order = compare_numbers(x->source_publish_us, y->source_publish_us);
    if (order == 0)
        order = compare_numbers(x->message->publish_us, y->message->publish_us);
    return order != 0 ? order : strcmp(x->message->message_id, y->message->message_id);
}

/* ---- what ---- */

static const char *topic_of(const struct sl_dead_letter *letter, const struct sl_config *config, struct sl_arena *arena)
{
    const char *topic = letter->source_topic;
    if (topic == NULL && letter->phase != NULL)
        topic = letter->phase->topic;
    return topic == NULL ? NULL : sl_pubsub_resource(arena, config, "topics", topic);
}

static void quarantine(struct sl_replay_step *step, const struct sl_replay_policy *policy, struct sl_arena *arena)
{
    step->action = policy->quarantine != NULL ? SL_ACT_QUARANTINE : SL_ACT_KEEP;
    step->to = policy->quarantine;
    step->note = policy->quarantine != NULL ? sl_arena_printf(arena, "replayed %lld times", (long long)step->letter->replays)
                                            : "it was replayed often enough, and there is no dead-letter topic to quarantine it beside";
}

static void choose(struct sl_replay_step *step, const struct sl_replay_policy *policy, const struct sl_config *config, bool recorded,
                   struct sl_arena *arena)
{
    const struct sl_dead_letter *letter = step->letter;
    step->action = SL_ACT_REPLAY;
    if (recorded || letter->done) {
        step->action = SL_ACT_SKIP;
        step->note = letter->done ? "done already" : "its run is recorded";
        return;
    }
    if (letter->replays >= policy->max_replays) {
        quarantine(step, policy, arena);
        return;
    }
    step->to = policy->to_topic ? topic_of(letter, config, arena) : "sluice";
    if (step->to == NULL) {
        step->action = SL_ACT_KEEP;
        step->note = "no topic is known: neither its attributes nor the config name one";
    } else if (letter->code != SL_OK) {
        step->note = sl_arena_printf(arena, "will be rejected again: %s", sl_reject_name(letter->reject));
    }
}

size_t sl_replay_plan(struct sl_replay_step **out, const struct sl_dead_letter *letters, size_t n, const struct sl_replay_policy *policy,
                      const struct sl_config *config, int64_t now_us, bool (*recorded)(void *arg, const struct sl_dead_letter *letter),
                      void *arg, struct sl_arena *arena)
{
    struct sl_replay_step *steps = *out = sl_arena_array(arena, n + 1, sizeof *steps);
    size_t n_steps = 0;
    for (size_t i = 0; i < n; i++)
        if (is_meant(policy, &letters[i], now_us))
            steps[n_steps++].letter = &letters[i];
    if (n_steps > 0)
        qsort(steps, n_steps, sizeof *steps, by_date);
    if (policy->limit > 0 && n_steps > policy->limit)
        n_steps = policy->limit;
    for (size_t i = 0; i < n_steps; i++)
        choose(&steps[i], policy, config, steps[i].letter->code == SL_OK && recorded(arg, steps[i].letter), arena);
    return n_steps;
}

/* ---- how many ---- */

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int by_bar(const void *a, const void *b)
{
    const struct sl_replay_bar *x = a, *y = b;
    int order = (int)x->action - (int)y->action;
    if (order == 0)
        order = compare_texts(x->to, y->to);
    if (order == 0)
        order = compare_texts(x->phase, y->phase);
    if (order == 0)
        order = compare_texts(x->processor, y->processor);
    if (order == 0)
        order = compare_texts(x->reason, y->reason);
    return order != 0 ? order : compare_texts(x->note, y->note);
}

static void merge(struct sl_replay_bar *into, const struct sl_replay_bar *bar)
{
    into->n += bar->n;
    if (bar->first != SL_DATE_NONE && (into->first == SL_DATE_NONE || bar->first < into->first))
        into->first = bar->first;
    if (bar->last != SL_DATE_NONE && (into->last == SL_DATE_NONE || bar->last > into->last))
        into->last = bar->last;
    if (bar->oldest_us < into->oldest_us)
        into->oldest_us = bar->oldest_us;
}

static struct sl_replay_bar bar_of(const struct sl_replay_step *step)
{
    const struct sl_dead_letter *letter = step->letter;
    return (struct sl_replay_bar){.action = step->action,
                                  .to = step->to,
                                  .phase = letter->phase_name,
                                  .processor = letter->processor,
                                  .reason = letter->reason,
                                  .note = step->note,
                                  .n = 1,
                                  .first = letter->date,
                                  .last = letter->date,
                                  .oldest_us = letter->source_publish_us};
}

size_t sl_replay_histogram(struct sl_replay_bar **out, const struct sl_replay_step *steps, size_t n, struct sl_arena *arena)
{
    struct sl_replay_bar *bars = *out = sl_arena_array(arena, n + 1, sizeof *bars);
    size_t n_bars = 0;
    for (size_t i = 0; i < n; i++) /* one each, sorted, then merged */
        bars[i] = bar_of(&steps[i]);
    if (n > 0)
        qsort(bars, n, sizeof *bars, by_bar);
    for (size_t i = 0; i < n; i++)
        if (n_bars > 0 && by_bar(&bars[n_bars - 1], &bars[i]) == 0)
            merge(&bars[n_bars - 1], &bars[i]);
        else
            bars[n_bars++] = bars[i];
    return n_bars;
}
