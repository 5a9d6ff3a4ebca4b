/* help.c - help made from the tables of commands and flags, nothing else. */
#include "command.h"

#include <string.h>

static const struct sl_flag PHASE_FLAGS[] = {{"phase", "P", "the phase, by name or alias", 'p'}, {0}};
static const struct sl_flag DATE_FLAGS[] = {{"date", "D", "YYYY-MM-DD, today or yesterday (in the pipeline's zone)", 'd'}, {0}};
static const struct sl_flag RANGE_FLAGS[] = {
    {"from", "D", "first date", 0},
    {"to", "D", "last date; A..B says both", 0},
    {0},
};

void sl_command_flags(const struct sl_command *command, const struct sl_flag **tables)
{
    size_t n = 0;
    if (command->flags != NULL)
        tables[n++] = command->flags;
    if (command->takes & SL_TAKES_PHASE)
        tables[n++] = PHASE_FLAGS;
    if (command->takes & (SL_TAKES_DATE | SL_TAKES_RANGE))
        tables[n++] = DATE_FLAGS;
    if (command->takes & SL_TAKES_RANGE)
        tables[n++] = RANGE_FLAGS;
    tables[n++] = SL_GLOBAL_FLAGS;
    tables[n] = NULL;
}

bool sl_command_in_family(const struct sl_command *command, const char *word)
{
    size_t len = strlen(word);
    return strncmp(command->name, word, len) == 0 && command->name[len] == ' ';
}

/* "-o, --output FORMAT" */
static void flag_text(const struct sl_flag *flag, char *out, size_t size)
{
    int n = flag->letter != 0 ? snprintf(out, size, "-%c, ", flag->letter) : snprintf(out, size, "    ");
    snprintf(out + n, size - (size_t)n, "--%s%s%s", flag->name, flag->value == NULL ? "" : " ", flag->value == NULL ? "" : flag->value);
}

static void print_flags(FILE *out, const struct sl_flag *flags)
{
    char text[64];
    for (; flags->name != NULL; flags++) {
        flag_text(flags, text, sizeof text);
        fprintf(out, "  %-28s %s\n", text, flags->help);
    }
}

static void print_commands(FILE *out, const char *family)
{
    for (size_t i = 0; SL_COMMANDS[i] != NULL; i++) {
        const struct sl_command *command = SL_COMMANDS[i];
        if (family == NULL || strcmp(command->name, family) == 0 || sl_command_in_family(command, family))
            fprintf(out, "  %-20s %s\n", command->name, command->help);
    }
}

void sl_help_all(FILE *out)
{
    fputs("usage: sluice [--config FILE] COMMAND ...\n\n"
          "Opens the next phase of a data pipeline only on evidence, and tells which dates have data.\n\nCommands:\n",
          out);
    print_commands(out, NULL);
    fputs("\nGlobal flags:\n", out);
    print_flags(out, SL_GLOBAL_FLAGS);
    fputs("\nExit codes: 0 ok, 1 failed, 2 usage or config error, 3 gaps or findings, 4 denied, 5 partly done, 75 try again later, 130 "
          "interrupted.\n`sluice COMMAND --help` has the flags and examples of a command.\n",
          out);
}

/* The first of each command. */
static void print_family_examples(FILE *out, const char *word)
{
    fputs("\nExamples:\n", out);
    for (size_t i = 0; SL_COMMANDS[i] != NULL; i++)
        if (sl_command_in_family(SL_COMMANDS[i], word))
            fprintf(out, "  sluice %s\n", SL_COMMANDS[i]->examples[0]);
}

void sl_help_family(FILE *out, const char *word)
{
    fprintf(out, "usage: sluice %s COMMAND ...\n\nCommands:\n", word);
    print_commands(out, word);
    print_family_examples(out, word);
    fprintf(out, "\n`sluice %s COMMAND --help` has the flags and examples of a command.\n", word);
}

void sl_help_command(FILE *out, const struct sl_command *command)
{
    const struct sl_flag *tables[SL_MAX_FLAG_TABLES];
    sl_command_flags(command, tables);
    fprintf(out, "usage: sluice %s%s%s\n\n%s\n", command->name, command->usage[0] == '\0' ? "" : " ", command->usage, command->help);
    if (command->more != NULL)
        fprintf(out, "\n%s\n", command->more);
    if (tables[0] != SL_GLOBAL_FLAGS)
        fputs("\nFlags:\n", out);
    size_t t = 0;
    for (; tables[t] != SL_GLOBAL_FLAGS; t++)
        print_flags(out, tables[t]);
    fputs("\nGlobal flags:\n", out);
    print_flags(out, tables[t]);
    fputs("\nExamples:\n", out);
    for (size_t i = 0; i < 4 && command->examples[i] != NULL; i++)
        fprintf(out, "  sluice %s\n", command->examples[i]);
}
