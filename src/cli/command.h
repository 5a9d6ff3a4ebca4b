/* command.h - what a command of the table is, and what it is handed when it runs. Private to src/cli. */
#ifndef SLUICE_CLI_COMMAND_H
#define SLUICE_CLI_COMMAND_H

#include <sluice/cli.h>
#include <sluice/config.h>
#include <sluice/json.h>
#include <sluice/ops.h>
#include <sluice/service.h>

/* What a command understands; the flags --phase, --date, --from, --to come from here. */
enum {
    SL_TAKES_PHASE = 1 << 0,
    SL_TAKES_DATE = 1 << 1,
    SL_TAKES_RANGE = 1 << 2, /* A..B or one date; --from --to --date */
    SL_TAKES_WORD = 1 << 3,  /* one word of its own: a file, an id, a name */
    SL_WANTS_PHASE = 1 << 4, /* it must be there */
    SL_WANTS_DATE = 1 << 5,
    SL_WANTS_RANGE = 1 << 6, /* both ends */
    SL_WANTS_WORD = 1 << 7,
};

/* What is opened before it runs. */
enum {
    SL_OPENS_CONFIG = 1 << 0,
    SL_OPENS_LEDGER = 1 << 1,       /* for reading; must be there */
    SL_OPENS_LEDGER_WRITE = 1 << 2, /* must be there */
    SL_OPENS_WAREHOUSE = 1 << 3,
    SL_OPENS_WORKER = 1 << 4,        /* the deciding engine over the two */
    SL_OPENS_CONFIG_IF_ANY = 1 << 5, /* one that is named, or ./sluice.yaml; else cli->config stays NULL */
    SL_READS = SL_OPENS_CONFIG | SL_OPENS_LEDGER,
    SL_ASKS = SL_READS | SL_OPENS_WAREHOUSE | SL_OPENS_WORKER,
    SL_CHANGES = SL_OPENS_CONFIG | SL_OPENS_LEDGER_WRITE | SL_OPENS_WAREHOUSE | SL_OPENS_WORKER,
};

struct sl_cli;

struct sl_command {
    const char *name;  /* "gates", "hold add" */
    const char *usage; /* what follows the name */
    const char *help;  /* one line */
    const char *more;  /* a paragraph for --help; may be NULL */
    unsigned takes, opens;
    const struct sl_flag *flags;    /* its own; may be NULL */
    const char *examples[4];        /* at least two; NULL ends */
    int (*run)(struct sl_cli *cli); /* the exit code */
};

/* What phase and dates the line names. */
struct sl_selection {
    const struct sl_phase *phase; /* NULL: none */
    sl_date date, from, to;       /* SL_DATE_NONE: not given */
    const char *word;             /* NULL: none */
};

struct sl_cli {
    const struct sl_command *command;
    struct sl_args args;
    struct sl_selection select;
    enum sl_format format;
    bool colour;
    FILE *out, *errs;
    int64_t now_us;
    sl_date today;
    struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_warehouse *warehouse;
    struct sl_worker *worker;
    struct sl_arena arena;
    struct sl_err err;
};

extern const struct sl_command *const SL_COMMANDS[]; /* ends with NULL */
extern const struct sl_flag SL_GLOBAL_FLAGS[];

/* The flags that follow from `takes`, as tables for sl_args_parse(): at most 5 of them with the command's own, the global ones and the NULL. */
#define SL_MAX_FLAG_TABLES 7
void sl_command_flags(const struct sl_command *command, const struct sl_flag **tables);
/* The commands whose name starts with the word: "hold" -> hold add, hold list, hold remove. */
bool sl_command_in_family(const struct sl_command *command, const char *word);

void sl_help_all(FILE *out);
void sl_help_family(FILE *out, const char *word);
void sl_help_command(FILE *out, const struct sl_command *command);

/* Fills cli->select from words and flags. SL_INVALID. */
enum sl_code sl_cli_select(struct sl_cli *cli);
/* "YYYY-MM-DD", "today" or "yesterday" in the pipeline's zone. SL_INVALID names what was read. */
enum sl_code sl_cli_date(struct sl_cli *cli, const char *text, sl_date *out);
/* A phase by name or alias. SL_INVALID with the nearest one. */
enum sl_code sl_cli_phase(struct sl_cli *cli, const char *name, const struct sl_phase **out);
/* The flag's value as a whole number of at least `least`; `fallback` when it is not given. */
enum sl_code sl_cli_number(struct sl_cli *cli, const char *flag, int64_t least, int64_t fallback, int64_t *out);

/* The flag --rate, "5/s" or "5": the pause between two things; 0 when it is not given. */
enum sl_code sl_cli_rate(struct sl_cli *cli, int64_t *pause_ms);

/* The file that the word names, stdin for "-" or none; *name is for sentences. NULL: cli->err says why. */
FILE *sl_cli_input(struct sl_cli *cli, const char **name);

/* Prints cli->err (and the next command, when there is one) and gives its exit code. */
int sl_cli_failed(struct sl_cli *cli, const char *next);
/* The same for wrong usage: exit 2. */
int sl_cli_usage(struct sl_cli *cli, const char *fmt, ...) SL_PRINTF(2, 3);
int sl_cli_usage_err(struct sl_cli *cli); /* of cli->err */
/* A sentence for people. */
void sl_cli_note(struct sl_cli *cli, const char *fmt, ...) SL_PRINTF(2, 3);

enum sl_code sl_cli_open(struct sl_cli *cli, unsigned opens);
void sl_cli_ops(const struct sl_cli *cli, struct sl_ops *out);
/* Prints a line of JSON. */
void sl_cli_print_json(struct sl_cli *cli, const struct sl_buf *buf);
void sl_cli_rows(struct sl_cli *cli, struct sl_rows **out, const struct sl_field *fields, size_t n, bool single);
/* Who asks: $USER or the user id. Arena. */
const char *sl_cli_who(struct sl_cli *cli);
/* After a change: decide what it made due, or say that the running worker does. The exit code. */
int sl_cli_decide_due(struct sl_cli *cli, int code_when_done);

/* The bus of the config; `brief`: for the length of a command, and something must answer there. 0 and *out, or the exit code, said. */
int sl_cli_open_service(struct sl_cli *cli, bool brief, struct sl_service **out);
/* SL_NOT_FOUND names the topic and `sluice init`. `topic` is a full name. */
enum sl_code sl_cli_topic_exists(struct sl_cli *cli, const struct sl_service *service, const char *topic);
/* Run's last line on stdout (when `json`), a sentence on stderr. */
void sl_cli_print_counters(struct sl_cli *cli, const struct sl_worker_counters *counters, int64_t ms, bool json);

/* systemd's notifications (sd_notify): nothing happens without $NOTIFY_SOCKET. */
void sl_cli_notify(const char *state); /* "READY=1" */
int64_t sl_cli_watchdog_ms(void);      /* half of what the watchdog allows; 0: it doesn't watch us */

/* SIGINT and SIGTERM set *stop to their number; a second one ends at once. */
void sl_cli_catch_signals(void);
/* From the first one on the process has that long; then it ends with 75. */
void sl_cli_limit_stop(unsigned seconds);
const volatile int *sl_cli_stop(void); /* to be read atomically by threads */
int sl_cli_stopped(void);              /* the signal, or 0 */
void sl_cli_ask_stop(int number);      /* as the signal would */
/* Sleeps unless stopped. */
void sl_cli_pause(int64_t ms);

#endif
