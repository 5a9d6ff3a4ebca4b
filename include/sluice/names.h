/* names.h - the enumerations of the domain and their names on the wire.
 * Names are static storage. A parse function gives false for an unknown name and leaves `*out` alone. Pure. */
#ifndef SLUICE_NAMES_H
#define SLUICE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_status { SL_RUN_SUCCESS, SL_RUN_PARTIAL, SL_RUN_NO_DATA, SL_RUN_FAILED, SL_RUN_RUNNING };
const char *sl_status_name(enum sl_status status);
bool sl_status_parse(const char *text, size_t len, enum sl_status *out);

enum sl_profile { SL_PAST, SL_TODAY, SL_FUTURE };
#define SL_N_PROFILES 3
const char *sl_profile_name(enum sl_profile profile);
bool sl_profile_parse(const char *text, enum sl_profile *out);

/* A gate's state. `waiting`, `blocked`: not open, decided again. `suppressed`: open but held back. `triggered`, `observed`: open.
 * `empty`: no planned unit. `superseded`: a newer generation took its place. RULES 7. */
enum sl_state { SL_WAITING, SL_BLOCKED, SL_SUPPRESSED, SL_EMPTY, SL_TRIGGERED, SL_OBSERVED, SL_SUPERSEDED };
#define SL_N_STATES 7
const char *sl_state_name(enum sl_state state);
bool sl_state_parse(const char *text, enum sl_state *out);

/* Reason codes, RULES 8. A set is a bit mask of 1u << code; names of a set are listed bytewise sorted. */
enum sl_reason {
    SL_REASON_RUN_FAILED,
    SL_REASON_NO_DATA,
    SL_REASON_UNITS,
    SL_REASON_CALENDAR,
    SL_REASON_CALENDAR_SUSPECT,
    SL_REASON_BARRIER,
    SL_REASON_GRACE,
    SL_REASON_DEADLINE,
    SL_REASON_JOIN,
    SL_REASON_UPSTREAM,
    SL_REASON_UPSTREAM_RUNNING,
    SL_REASON_GAPS,
    SL_REASON_COMPLETENESS,
    SL_REASON_QUALITY,
    SL_REASON_PARTIAL,
    SL_REASON_ROWS_DIFFER,
    SL_REASON_CHECK_ERROR,
    SL_REASON_SKIP,
    SL_REASON_HOLD,
    SL_REASON_BOOTSTRAP,
    SL_REASON_SETTLE
};
#define SL_N_REASONS 21
typedef uint32_t sl_reasons;
#define SL_REASON_BIT(code) ((sl_reasons)1u << (code))
const char *sl_reason_name(enum sl_reason reason);
/* Fills `out` (room for SL_N_REASONS) with the names of the set, sorted bytewise; returns how many. */
size_t sl_reasons_names(sl_reasons set, const char **out);
/* The set as names joined by commas into `out` (at least 256 bytes); returns out. */
char *sl_reasons_text(sl_reasons set, char *out);

/* Why a completion was refused, RULES 8. */
enum sl_reject {
    SL_REJECT_NOT_JSON,
    SL_REJECT_NOT_OBJECT,
    SL_REJECT_DUPLICATE_KEY,
    SL_REJECT_TOO_DEEP,
    SL_REJECT_TOO_LARGE,
    SL_REJECT_BAD_UTF8,
    SL_REJECT_NUL,
    SL_REJECT_MISSING_FIELD,
    SL_REJECT_WRONG_TYPE,
    SL_REJECT_BAD_VALUE,
    SL_REJECT_UNKNOWN_PHASE,
    SL_REJECT_WRONG_SUBSCRIPTION,
    SL_REJECT_FUTURE_TIMESTAMP
};
const char *sl_reject_name(enum sl_reject reject);

enum sl_trigger_reason { SL_BY_NONE, SL_BY_ALL_COMPLETE, SL_BY_CRITICAL_AND_SHARE, SL_BY_DEADLINE, SL_BY_RELEASED, SL_BY_RETRIGGERED };
const char *sl_trigger_reason_name(enum sl_trigger_reason reason); /* SL_BY_NONE: NULL */

enum sl_severity { SL_SEV_INFO, SL_SEV_WARNING, SL_SEV_CRITICAL }; /* ascending by rank */
const char *sl_severity_name(enum sl_severity severity);
bool sl_severity_parse(const char *text, enum sl_severity *out);

#endif
