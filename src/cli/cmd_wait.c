/* cmd_wait.c - waits until a gate is in a state, can't come to it any more, or the time is over. Looks at the ledger four times a second, reads it only when it changed. */
#include "gate_view.h"

#include "commands.h"

#include <sluice/clock.h>

#define LOOK_EVERY_MS   250
#define DEFAULT_TIMEOUT "1h"

static const struct sl_flag FLAGS[] = {
    {"for", "STATE", "the state waited for; triggered when not given", 0},
    {"timeout", "T", "as 30s, 5m, 1h; 1h when not given", 0},
    {"profile", "NAME", "past, today or future; else the date's own, else the one decided last", 0},
    {"generation", "N", "else the newest", 0},
    {0},
};

struct waiting {
    enum sl_state state;
    int64_t until_ms;
    bool known;
    struct sl_gate gate;
};

static enum sl_code look(struct sl_cli *cli, struct waiting *w)
{
    struct sl_gate gate;
    enum sl_code code = sl_find_gate(cli, &gate);
    if (code == SL_NOT_FOUND)
        return SL_OK;
    if (code == SL_OK) {
        w->known = true;
        w->gate = gate;
    }
    return code;
}

static bool is_over(const struct waiting *w)
{
    if (w->known && (w->gate.state == w->state || !sl_gate_can_become(&w->gate, w->state)))
        return true;
    return sl_cli_stopped() != 0 || sl_monotonic_ms() >= w->until_ms;
}

static enum sl_code wait_for(struct sl_cli *cli, struct waiting *w)
{
    enum sl_code code = look(cli, w);
    while (code == SL_OK && !is_over(w)) {
        bool changed = false;
        int64_t left_ms = w->until_ms - sl_monotonic_ms();
        sl_cli_pause(left_ms < LOOK_EVERY_MS ? left_ms : LOOK_EVERY_MS);
        code = sl_ledger_changed(cli->ledger, &changed, &cli->err);
        if (code == SL_OK && changed)
            code = look(cli, w);
    }
    return code;
}

static int verdict(struct sl_cli *cli, const struct waiting *w)
{
    char date[SL_DATE_LEN + 1];
    const char *state = w->known ? sl_state_name(w->gate.state) : "not there";
    sl_date_format(cli->select.date, date);
    if (w->known && w->gate.state == w->state)
        return SL_EXIT_OK;
    if (sl_cli_stopped() != 0)
        return SL_EXIT_INTERRUPTED;
    if (w->known && !sl_gate_can_become(&w->gate, w->state)) {
        sl_cli_note(cli, "%s %s is %s and can't become %s any more", cli->select.phase->name, date, state, sl_state_name(w->state));
        return SL_EXIT_FINDINGS;
    }
    sl_cli_note(cli, "%s %s is still %s", cli->select.phase->name, date, state);
    sl_cli_note(cli, "try: sluice why %s %s", cli->select.phase->name, date);
    return SL_EXIT_LATER;
}

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {SL_GATE_FIELDS};
    const char *state = sl_args_get(&cli->args, "for"), *timeout = sl_args_get(&cli->args, "timeout");
    struct waiting w = {.state = SL_TRIGGERED};
    int64_t timeout_ms;
    if (state != NULL && !sl_state_parse(state, &w.state))
        return sl_cli_usage(cli, "--for %.40s is no state of a gate", state);
    if (!sl_duration_parse(timeout == NULL ? DEFAULT_TIMEOUT : timeout, &timeout_ms) || timeout_ms > INT64_MAX / 2)
        return sl_cli_usage(cli, "--timeout %.40s is no duration; expected something like 30s, 5m or 1h", timeout);
    w.until_ms = sl_monotonic_ms() + timeout_ms;
    sl_cli_catch_signals();
    enum sl_code code = wait_for(cli, &w);
    if (code == SL_INVALID)
        return sl_cli_usage_err(cli);
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (w.known) {
        struct sl_rows *rows;
        sl_cli_rows(cli, &rows, FIELDS, SL_N_GATE_FIELDS, true);
        sl_gate_row(cli, rows, &w.gate);
        if (sl_rows_finish(&rows, &cli->err) != SL_OK)
            return sl_cli_failed(cli, NULL);
    }
    return verdict(cli, &w);
}

const struct sl_command SL_CMD_WAIT = {
    .name = "wait",
    .usage = "PHASE DATE [--for STATE] [--timeout T]",
    .help = "waits for a gate: 0 when it is in the state, 3 when it can't be any more, 75 on timeout",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_READS,
    .flags = FLAGS,
    .examples = {"wait orders_daily today --for triggered --timeout 1h",
                 "wait --phase orders_raw --date 2025-01-03 --for empty --timeout 30s"},
    .run = run,
};
