/* names.c - one table of names per enumeration, in the order of its enumerators.
 * The wire, the ledger and the commands read the same tables, so a name is spelled in one place. A table that is shorter
 * than its enumeration does not compile; a value out of range has no name. */
#include <sluice/names.h>

#include <string.h>

#define LENGTH(table)        (sizeof(table) / sizeof((table)[0]))
#define COVERS(table, last)  _Static_assert(LENGTH(table) == (size_t)(last) + 1, #table " names every enumerator")
#define NAME_OF(table, code) name_of((table), LENGTH(table), (size_t)(code))
#define CODE_OF(table, text) code_of((table), LENGTH(table), (text), (text) ? strlen(text) : 0)
#define NO_CODE              SIZE_MAX

static const char *const STATUSES[] = {"success", "partial", "no_data", "failed", "running"};
COVERS(STATUSES, SL_RUN_RUNNING);

static const char *const PROFILES[] = {"past", "today", "future"};
COVERS(PROFILES, SL_FUTURE);
_Static_assert(LENGTH(PROFILES) == SL_N_PROFILES, "SL_N_PROFILES counts the profiles");

static const char *const STATES[] = {"waiting", "blocked", "suppressed", "empty", "triggered", "observed", "superseded"};
COVERS(STATES, SL_SUPERSEDED);
_Static_assert(LENGTH(STATES) == SL_N_STATES, "SL_N_STATES counts the states");

static const char *const REASONS[] = {
    "run_failed", "no_data",          "units",  "calendar",     "calendar_suspect", "barrier", "grace",       "deadline",    "join",
    "upstream",   "upstream_running", "gaps",   "completeness", "quality",          "partial", "rows_differ", "check_error", "skip",
    "hold",       "bootstrap",        "settle",
};
COVERS(REASONS, SL_REASON_SETTLE);
_Static_assert(LENGTH(REASONS) == SL_N_REASONS, "SL_N_REASONS counts the reasons");
_Static_assert(SL_N_REASONS <= 32, "a set of reasons fits its mask");

/* Every reason once, by the bytes of its name. */
static const enum sl_reason REASONS_SORTED[] = {
    SL_REASON_BARRIER,
    SL_REASON_BOOTSTRAP,
    SL_REASON_CALENDAR,
    SL_REASON_CALENDAR_SUSPECT,
    SL_REASON_CHECK_ERROR,
    SL_REASON_COMPLETENESS,
    SL_REASON_DEADLINE,
    SL_REASON_GAPS,
    SL_REASON_GRACE,
    SL_REASON_HOLD,
    SL_REASON_JOIN,
    SL_REASON_NO_DATA,
    SL_REASON_PARTIAL,
    SL_REASON_QUALITY,
    SL_REASON_ROWS_DIFFER,
    SL_REASON_RUN_FAILED,
    SL_REASON_SETTLE,
    SL_REASON_SKIP,
    SL_REASON_UNITS,
    SL_REASON_UPSTREAM,
    SL_REASON_UPSTREAM_RUNNING,
};
_Static_assert(LENGTH(REASONS_SORTED) == SL_N_REASONS, "the sorted list has every reason");

static const char *const REJECTS[] = {
    "not_json",      "not_object", "duplicate_key", "too_deep",      "too_large",          "bad_utf8",         "nul",
    "missing_field", "wrong_type", "bad_value",     "unknown_phase", "wrong_subscription", "future_timestamp",
};
COVERS(REJECTS, SL_REJECT_FUTURE_TIMESTAMP);

static const char *const TRIGGER_REASONS[] = {NULL, "all_complete", "critical_and_share", "deadline", "released", "retriggered"};
COVERS(TRIGGER_REASONS, SL_BY_RETRIGGERED);

static const char *const SEVERITIES[] = {"info", "warning", "critical"};
COVERS(SEVERITIES, SL_SEV_CRITICAL);

static const char *name_of(const char *const *table, size_t n, size_t code)
{
    return code < n ? table[code] : NULL;
}

/* The index of the name that is exactly `text`, or NO_CODE. */
static size_t code_of(const char *const *table, size_t n, const char *text, size_t len)
{
    if (!text)
        return NO_CODE;
    for (size_t i = 0; i < n; i++)
        if (table[i] && strlen(table[i]) == len && memcmp(table[i], text, len) == 0)
            return i;
    return NO_CODE;
}

const char *sl_status_name(enum sl_status status)
{
    return NAME_OF(STATUSES, status);
}

bool sl_status_parse(const char *text, size_t len, enum sl_status *out)
{
    size_t code = code_of(STATUSES, LENGTH(STATUSES), text, len);
    if (code != NO_CODE)
        *out = (enum sl_status)code;
    return code != NO_CODE;
}

const char *sl_profile_name(enum sl_profile profile)
{
    return NAME_OF(PROFILES, profile);
}

bool sl_profile_parse(const char *text, enum sl_profile *out)
{
    size_t code = CODE_OF(PROFILES, text);
    if (code != NO_CODE)
        *out = (enum sl_profile)code;
    return code != NO_CODE;
}

const char *sl_state_name(enum sl_state state)
{
    return NAME_OF(STATES, state);
}

bool sl_state_parse(const char *text, enum sl_state *out)
{
    size_t code = CODE_OF(STATES, text);
    if (code != NO_CODE)
        *out = (enum sl_state)code;
    return code != NO_CODE;
}

const char *sl_reason_name(enum sl_reason reason)
{
    return NAME_OF(REASONS, reason);
}

size_t sl_reasons_names(sl_reasons set, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < SL_N_REASONS; i++)
        if (set & SL_REASON_BIT(REASONS_SORTED[i]))
            out[n++] = REASONS[REASONS_SORTED[i]];
    return n;
}

/* All names and their commas are 190 bytes. */
char *sl_reasons_text(sl_reasons set, char *out)
{
    const char *names[SL_N_REASONS];
    size_t n = sl_reasons_names(set, names);
    char *end = out;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        if (i > 0)
            *end++ = ',';
        memcpy(end, names[i], len);
        end += len;
    }
    *end = '\0';
    return out;
}

const char *sl_reject_name(enum sl_reject reject)
{
    return NAME_OF(REJECTS, reject);
}

const char *sl_trigger_reason_name(enum sl_trigger_reason reason)
{
    return NAME_OF(TRIGGER_REASONS, reason);
}

const char *sl_severity_name(enum sl_severity severity)
{
    return NAME_OF(SEVERITIES, severity);
}

bool sl_severity_parse(const char *text, enum sl_severity *out)
{
    size_t code = CODE_OF(SEVERITIES, text);
    if (code != NO_CODE)
        *out = (enum sl_severity)code;
    return code != NO_CODE;
}
