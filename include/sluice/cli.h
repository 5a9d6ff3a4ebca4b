/* cli.h - the parts of the command line that stand alone: flags read by a table, rows printed in a format, and the whole as one call.
 * One thread. Flags and rows are pure but for the stream that is passed in. */
#ifndef SLUICE_CLI_H
#define SLUICE_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sluice/error.h>
#include <sluice/mem.h>

enum sl_exit {
    SL_EXIT_OK = 0,
    SL_EXIT_FAILED = 1,
    SL_EXIT_USAGE = 2,
    SL_EXIT_FINDINGS = 3, /* gaps or findings, not safe, not open */
    SL_EXIT_DENIED = 4,
    SL_EXIT_PARTLY = 5,
    SL_EXIT_LATER = 75,
    SL_EXIT_INTERRUPTED = 130
};

/* The exit code of a failure of this class (SL_INVALID is 1: bad data; wrong usage says 2 itself). */
enum sl_exit sl_exit_of(enum sl_code code);

/* The whole command line; argv[0] is skipped. Returns the exit code. */
int sl_cli_main(int argc, const char *const *argv);

/* One flag. A table of flags ends with a name NULL. */
struct sl_flag {
    const char *name;  /* without the dashes */
    const char *value; /* what it takes, as help shows it; NULL: a switch */
    const char *help;
    char letter; /* of its short form, or 0 */
};

struct sl_flag_value {
    const struct sl_flag *flag;
    const char *text;
};

/* Flags and words of a command line. Arena-held; texts are borrowed from argv. */
struct sl_args {
    struct sl_flag_value *values;
    size_t n_values;
    const char **words;
    size_t n_words;
};

/* Read argv by `tables` (an array of tables that ends with NULL): `--flag value`, `--flag=value`, `-f value`, `-fvalue`, before or after the words; after `--`
 * there are only words. SL_INVALID: an unknown flag (with the nearest one), a value that is missing or too much. */
enum sl_code sl_args_parse(struct sl_args *out, const struct sl_flag *const *tables, int argc, const char *const *argv,
                           struct sl_arena *arena, struct sl_err *err);
/* The index of the first word, flags of `globals` and their values skipped; argc when there is none. An unknown flag ends the search: argc. */
int sl_args_first_word(const struct sl_flag *globals, int argc, const char *const *argv);
const char *sl_args_get(const struct sl_args *args, const char *flag); /* the last value given; NULL when none; "" for a switch */
bool sl_args_has(const struct sl_args *args, const char *flag);
size_t sl_args_all(const struct sl_args *args, const char *flag, const char **out); /* all values, at most n_values of them */

enum sl_format { SL_FORMAT_TABLE, SL_FORMAT_JSON, SL_FORMAT_NDJSON, SL_FORMAT_CSV };
bool sl_format_parse(const char *text, enum sl_format *out);

enum sl_paint { SL_PAINT_NONE, SL_PAINT_GOOD, SL_PAINT_WARN, SL_PAINT_BAD, SL_PAINT_DIM };
const char *sl_paint_start(enum sl_paint paint); /* the escape sequence, "" for none */
#define SL_PAINT_END "\033[0m"

/* Rows of named cells, printed as they come (json, ndjson, csv) or aligned at the end (table). In a table NULL is "-", a list its parts joined by commas, and bytes that
 * a terminal would act on are "?"; in csv NULL is empty and a list its JSON. */
struct sl_field {
    const char *name;
    bool detail; /* not in the table */
    bool right;  /* aligned right in the table */
};
struct sl_rows_options {
    enum sl_format format;
    bool colour;
    bool single; /* one row, in json not inside an array */
};
struct sl_rows;
void sl_rows_create(struct sl_rows **out, FILE *file, const struct sl_rows_options *options, const struct sl_field *fields, size_t n);
/* The next cell; the row ends with its last field. Texts are copied. */
void sl_rows_str(struct sl_rows *rows, const char *text); /* NULL: null */
void sl_rows_int(struct sl_rows *rows, int64_t value);
void sl_rows_double(struct sl_rows *rows, double value); /* not finite: null */
void sl_rows_bool(struct sl_rows *rows, bool value);
void sl_rows_date(struct sl_rows *rows, int32_t date);     /* SL_DATE_NONE: null */
void sl_rows_time(struct sl_rows *rows, int64_t us);       /* 0 or less, and "never": null */
void sl_rows_json(struct sl_rows *rows, const char *json); /* valid JSON; NULL: null */
void sl_rows_painted(struct sl_rows *rows, const char *text, enum sl_paint paint);
/* Prints what is left and destroys; SL_UNAVAILABLE when the stream refused something. */
enum sl_code sl_rows_finish(struct sl_rows **rows, struct sl_err *err);

/* `text` without the bytes that a terminal would act on. */
void sl_print_safe(FILE *file, const char *text);

#endif
