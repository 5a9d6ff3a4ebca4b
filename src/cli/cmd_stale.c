/* cmd_stale.c - decisions that used what has changed since, as an ordered plan; --trigger starts it. */
#include <sluice/stale.h>

#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"trigger", NULL, "start the first stale phase of every date again, in date order", 0},
    {"rate", "N/s", "at most so many triggers a second", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {0},
};

struct stale {
    struct sl_cli *cli;
    struct sl_rows *rows;
    int64_t pause_ms;
    const char *reason;
    size_t n_fired, n_refused, n_others;
};

static const char *standing(const struct sl_stale_step *step)
{
    return !step->first ? "follows" : step->triggered ? "triggered" : "to trigger";
}

static void add_row(struct stale *s, const struct sl_stale_step *step, const char *result, enum sl_paint paint)
{
    const struct sl_stale_mark *mark = &step->marks[0];
    sl_rows_date(s->rows, step->date);
    sl_rows_str(s->rows, step->phase->name);
    sl_rows_str(s->rows, sl_profile_name(step->profile));
    sl_rows_int(s->rows, step->generation);
    sl_rows_painted(s->rows, result, paint);
    sl_rows_str(s->rows, mark->culprit_phase);
    sl_rows_date(s->rows, mark->culprit_date);
    sl_rows_int(s->rows, mark->culprit_generation);
    sl_rows_str(s->rows, mark->reason);
    sl_rows_int(s->rows, (int64_t)step->n_marks);
    sl_rows_time(s->rows, mark->marked_us);
}

/* A phase that nothing can trigger stays on the list, and the next date goes on. */
static enum sl_code trigger_one(struct stale *s, const struct sl_stale_step *step)
{
    struct sl_cli *cli = s->cli;
    if (!step->first || step->triggered) {
        s->n_others++;
        add_row(s, step, standing(step), SL_PAINT_NONE);
        return SL_OK;
    }
    sl_cli_pause(s->n_fired ? s->pause_ms : 0);
    enum sl_code code = sl_worker_stale_restart(cli->worker, step, sl_cli_who(cli), s->reason, cli->now_us, &cli->err);
    if (code != SL_OK && code != SL_INVALID)
        return code;
    s->n_fired += code == SL_OK;
    s->n_refused += code != SL_OK;
    if (code != SL_OK)
        sl_cli_note(cli, "%s", cli->err.text);
    add_row(s, step, code == SL_OK ? "fired" : "refused", code == SL_OK ? SL_PAINT_GOOD : SL_PAINT_BAD);
    return SL_OK;
}

static int triggered(struct stale *s)
{
    struct sl_cli *cli = s->cli;
    sl_cli_note(cli, "%zu triggered, %zu refused, %zu follow or were triggered before", s->n_fired, s->n_refused, s->n_others);
    if (sl_cli_stopped() != 0)
        return SL_EXIT_INTERRUPTED;
    return sl_cli_decide_due(cli, s->n_refused ? SL_EXIT_PARTLY : SL_EXIT_OK);
}

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {
        {"date", false, false},   {"phase", false, false},         {"profile", false, false},      {"generation", true, false},
        {"action", false, false}, {"culprit_phase", false, false}, {"culprit_date", false, false}, {"culprit_generation", true, false},
        {"reason", false, false}, {"culprits", true, false},       {"marked_at", false, false}};
    struct stale s = {.cli = cli, .reason = sl_args_get(&cli->args, "reason")};
    const char *phase = cli->select.phase ? cli->select.phase->name : NULL;
    const bool trigger = sl_args_has(&cli->args, "trigger");
    struct sl_stale_mark *marks = NULL;
    struct sl_stale_step *steps = NULL;
    size_t n_marks = 0, n = 0;
    if (sl_cli_rate(cli, &s.pause_ms) != SL_OK)
        return sl_cli_usage_err(cli);
    enum sl_code code = sl_ledger_stale(cli->ledger, phase, cli->select.from, cli->select.to, &marks, &n_marks, &cli->arena, &cli->err);
    if (code == SL_OK)
        sl_stale_plan(&steps, &n, cli->config, marks, n_marks, &cli->arena);
    sl_cli_catch_signals();
    sl_cli_rows(cli, &s.rows, FIELDS, sizeof FIELDS / sizeof FIELDS[0], false);
    for (size_t i = 0; code == SL_OK && i < n && sl_cli_stopped() == 0; i++) {
        if (trigger)
            code = trigger_one(&s, &steps[i]);
        else
            add_row(&s, &steps[i], standing(&steps[i]), SL_PAINT_NONE);
    }
    struct sl_err output_err = {0};
    if (sl_rows_finish(&s.rows, &output_err) != SL_OK && code == SL_OK) {
        cli->err = output_err;
        code = output_err.code;
    }
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (trigger)
        return triggered(&s);
    return n ? SL_EXIT_FINDINGS : SL_EXIT_OK;
}

const struct sl_command SL_CMD_STALE = {
    .name = "stale",
    .usage = "[PHASE] [DATE | A..B] [--trigger [--rate N/s] [--reason TEXT]]",
    .help = "decisions that used what has changed since, in the order to make them again",
    .more = "A decision is stale when a phase before it was run again for a date that it used, and the rows have changed. Of every date "
            "the first stale phase "
            "needs a trigger; the others follow from it. --trigger opens a generation of the phase before it, whose new trigger starts it. "
            "Exit 3 when "
            "something is stale, 5 when some could not be triggered.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_CHANGES,
    .flags = FLAGS,
    .examples = {"stale", "stale orders_daily 2025-01-01..2025-01-31 -o json",
                 "stale --trigger --rate 2/s --reason \"orders were corrected\""},
    .run = run,
};
