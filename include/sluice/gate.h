/* gate.h - how a gate decides: decide(policy, facts) -> decision (DESIGN section 6, RULES 6 to 23).
 * Pure: no I/O, no clock, no SQL; everything it may look at is in struct sl_facts, gathered before and stored with the decision. Any thread.
 *
 * The life of a decision: facts of the steps 4 to 7 are gathered (calendar, newest runs, coverage of units) -> sl_gate_decide() either ends there, or says `wants_checks` ->
 * facts of the checks are gathered (upstream, gaps) and `checks_gathered` is set -> sl_gate_decide() again gives the final decision. Same facts and config, same bytes. */
#ifndef SLUICE_GATE_H
#define SLUICE_GATE_H

#include <sluice/config.h>
#include <sluice/event.h>
#include <sluice/json.h>
#include <sluice/mem.h>
#include <sluice/quality.h>
#include <sluice/records.h>

/* A done unit that is served by sources[source], source > 0; source == n_sources: rows that a reconstruction made in the primary. */
struct sl_served {
    const char *unit;
    size_t source;
};
/* The table that serves, or "reconstruction". */
const char *sl_source_name(const struct sl_processor *processor, size_t source);

/* What the warehouse says of one processor's rows on one date: what is missing, and counts. Units ascending bytewise. */
struct sl_coverage {
    bool asked;       /* false: no table, or nobody asked */
    bool by_date;     /* the table has no unit column: one thing is due, the date itself (unit "") */
    size_t n_due;     /* done units of the date, or 1; 0 when nothing has taken place */
    size_t n_primary; /* of those, served by the primary */
    struct sl_served *served;
    size_t n_served; /* by a fallback */
    const char **missing;
    size_t n_missing;           /* by none */
    const char **source_errors; /* one per source of the processor: NULL, or why it could not be asked */
    size_t n_source_errors;     /* 0 when there was none */
    bool *source_timed_out;     /* beside source_errors: it took longer than warehouse.timeout */
    struct sl_rebuilt {
        const char *unit;
        int64_t rows;      /* that the rule made; fewer than min_rows were not kept */
        const char *error; /* NULL when the statement ran */
    } * rebuilt;
    size_t n_rebuilt; /* units that no source covered, for which the reconstruction was run in this pass */
};

/* The quality of one due unit's rows in the source that serves it (unit "": judged by date). */
struct sl_unit_quality {
    const char *unit;
    size_t source;
    int64_t rows;
    struct sl_quality quality;
};
struct sl_proc_quality {
    bool asked;                    /* the processor has a quality profile and something to assess */
    const char *error;             /* could not be assessed */
    struct sl_unit_quality *units; /* every due unit that has rows, ascending by unit */
    size_t n_units;
};

/* What the run history says of one run. */
struct sl_run_said {
    bool asked, found;
    int64_t record_count; /* -1: it says nothing */
    const char *status;   /* NULL: it says nothing */
    const char *error;    /* could not be asked */
};

/* What the ledger says of one processor on one date. */
struct sl_proc_facts {
    const struct sl_processor *processor;
    enum sl_need need;            /* by the gate's profile */
    const struct sl_run *run;     /* the newest terminal run, or NULL: not reported */
    const struct sl_run *running; /* a `running` run newer than that, or NULL */
    struct sl_reported reported;  /* what `run` says of its rows' quality */
    struct sl_coverage coverage;
    /* facts of the checks */
    struct sl_proc_quality quality;
    bool rows_counted;
    int64_t n_rows;            /* all rows of the primary on the date; of rows_counted */
    const char *fingerprint;   /* of the primary's rows on the date; NULL: not asked, "": no rows */
    struct sl_run_said record; /* what the processors' own run history says of `run` (coverage.runs.written_by: processors) */
};

/* Where a tier comes from: the thing whose rows were assessed. */
struct sl_culprit {
    const char *phase, *processor, *table;
    sl_date date;
    const char *unit, *entity; /* NULL: the whole date, everybody */
};
/* What one unit or entity inherits, when it is below gold. */
struct sl_inherited_part {
    const char *key;
    enum sl_tier tier;
    double score;
    struct sl_culprit culprit;
    const char *const *issues; /* of what decides */
    size_t n_issues;
};
/* What is inherited from a phase before this one on the gate's date, or by a processor of this one from one of its inputs. Unusable units are left out of tier and score, but are parts. */
struct sl_inherited {
    const struct sl_phase *phase;         /* the phase before; NULL: an input of this one */
    const struct sl_processor *processor; /* whose input it is, of this phase or `phase`; NULL: units or runs of `phase` */
    const struct sl_input *input;
    const char *error; /* could not be assessed */
    bool any;          /* something was assessed; else nothing below is set */
    enum sl_tier tier;
    double score;
    const char **issues;
    size_t n_issues;
    struct sl_culprit culprit; /* of the tier */
    size_t n_keys;             /* units (of a phase) or entities (of an input) that were looked at; 0: what a run says of the whole date */
    struct sl_inherited_part *parts; /* those below gold, ascending by key */
    size_t n_parts;
};

/* One entity of the date's units in its window. */
struct sl_entity_facts {
    const char *entity;
    size_t n_expected, n_actual;
    const char **missing; /* units, ascending by (date, unit) */
    size_t n_missing;
};
struct sl_completeness_facts {
    bool gathered;
    const char *error;
    sl_date from, to;                 /* dates that the windows span */
    struct sl_entity_facts *entities; /* ascending by entity */
    size_t n_entities;
    size_t n_excused;      /* missing units that known gaps excuse: not expected */
    const char **nameless; /* done units of the date in which nobody takes part, by the calendar: they can't be checked; ascending */
    size_t n_nameless;
};

/* An event of this phase and date that a later state of the source resolves: source_missing, fallback_used, reconstruction. */
struct sl_open_event {
    const char *event_id, *type, *processor, *unit; /* unit NULL: the date */
};

struct sl_upstream_facts {
    const struct sl_phase *phase;
    struct sl_proc_facts *procs;
    size_t n; /* its critical processors by the profile */
};

/* A date on which a table leaves due units without rows. */
struct sl_gap {
    const struct sl_processor *processor;
    sl_date date;
    const char **units;
    size_t n_units;
    size_t n_due;
    const char *error; /* the table could not be asked */
};

struct sl_join_facts {
    const struct sl_phase *follower;
    const struct sl_phase *other;
    enum sl_state state;
    bool exists, waits_for_join;
    const char *trigger_id; /* of other's trigger to follower, or NULL */
};

struct sl_facts {
    /* identity */
    const struct sl_phase *phase;
    sl_date date;
    enum sl_profile profile;
    int generation;
    int64_t now_us;
    sl_date today;
    const char *config_hash;
    bool truncated; /* read from a record whose lists were cut: some names are "?", and sums need not be whole */
    /* calendar */
    bool has_calendar, calendar_suspect,
        date_lost_units; /* suspect: empty, or shrunk by more than suspect_above; lost: the ledger remembers units of this date that are gone */
    const char *calendar_error; /* could not be read */
    size_t n_planned;
    const char **done;
    size_t n_done;
    const char **not_done;
    size_t n_not_done;
    const char *season;
    sl_date season_first; /* first planned unit of the date's season; SL_DATE_NONE */
    /* runs and rows */
    struct sl_proc_facts *procs;
    size_t n_procs; /* every processor of the phase, config order */
    /* clocks */
    bool drained;                /* the phase's stream is connected and silent: grace and deadline may pass */
    int64_t clock_ms;            /* phase clock since the first completion's commit; -1: no completion yet */
    int64_t first_completion_us; /* 0: none */
    int64_t last_report_us;
    bool settled;                     /* settle has passed since, or generation 1 */
    bool in_progress;                 /* a run of the phase is running */
    int64_t blocked_by_gaps_since_us; /* 0: it isn't */
    /* suppression */
    bool worker_skip;
    int64_t hold_id;
    const char *hold_reason; /* 0: no hold */
    const char **skip_by;
    size_t n_skip_by;      /* processors whose counted run of this generation says skip */
    bool released, forced; /* an operator's release; --force */
    bool retriggered;      /* this generation was opened by an operator */
    const char *const *late;
    size_t n_late; /* processors that reported late */
    /* checks */
    bool checks_gathered;
    struct sl_upstream_facts *upstream;
    size_t n_upstream;
    struct sl_gap *gaps;
    size_t n_gaps;
    size_t n_gap_dates; /* (dates looked at) ascending by date, then processor */
    sl_date gaps_from, gaps_to;
    size_t n_known_gaps; /* excused */
    struct sl_completeness_facts completeness;
    struct sl_inherited *inherited; /* phases before in DAG order, then inputs in config order */
    size_t n_inherited;
    struct sl_open_event *open_events; /* only asked for a gate that was decided before */
    size_t n_open_events;
    struct sl_join_facts *joins;
    size_t n_joins;
};

struct sl_check {
    const char *
        name; /* "calendar", "reported", "units", "barrier", "upstream", "gaps", "completeness", "quality", "rows", "suppression", "join" */
    enum sl_mode mode;
    bool evaluated, passed;
    const char *expected, *actual, *detail; /* sentences; detail names the missing things; NULL when there is nothing to say */
};

struct sl_decision_trigger {
    const struct sl_phase *to;
    char trigger_id[SL_UUID_LEN + 1];
};

struct sl_decision {
    bool wants_checks; /* gather the facts of the checks and decide again; nothing else is valid then */
    enum sl_state state;
    sl_reasons reasons;
    enum sl_trigger_reason trigger_reason;
    const char **completed;
    size_t n_completed; /* delivered, config order */
    const char **missing;
    size_t n_missing; /* required and not delivered */
    const char **late;
    size_t n_late;
    bool is_production_ready, degraded, dropped;
    /* quality: worst wins over the units of this phase's processors (unusable ones left out), its inputs and the phases before */
    bool has_quality;
    enum sl_tier quality_tier;
    double quality_score;
    const char **quality_issues;
    size_t n_quality_issues;
    const char *quality_culprit; /* "phase_2_raw/boxscores: nba_raw.bdl_box_scores of 2025-04-15, 0052400101"; NULL: gold */
    const char **unusable_units;
    size_t n_unusable_units;  /* ascending, each once */
    const char *quality_note; /* a sentence about what a fallback serves; NULL: nothing */
    double completeness_pct;  /* over all entities, one decimal; NaN: not checked */
    struct sl_decision_trigger *triggers;
    size_t n_triggers;              /* to publish now */
    const char *adopted_trigger_id; /* the trigger of another phase that completed the join */
    const char *trigger_id;         /* first of triggers, else the adopted one; NULL unless triggered, and when nothing comes after */
    const char *waits_for;
    int64_t due_us; /* next clock; SL_NEVER_US */
    struct sl_check *checks;
    size_t n_checks;
};

/* RULES 3. 37 bytes; returns out. */
char *sl_trigger_id(const struct sl_config *config, const struct sl_phase *from, const struct sl_phase *to, sl_date date,
                    enum sl_profile profile, int generation, char *out);

enum sl_profile sl_profile_of(sl_date date, sl_date today);

/* Delivered by the words of DESIGN section 1 and RULES 11, 12. `n_done`: done units of the date; `strict`: units: strict in the processor's phase. */
bool sl_processor_delivered(const struct sl_proc_facts *facts, size_t n_done, bool strict);

void sl_gate_decide(struct sl_decision *out, const struct sl_config *config, const struct sl_facts *facts, struct sl_arena *arena);

/* What a newer terminal run means to a gate that has been decided (RULES 16). `prior`: the newest terminal run of its processor before this one, or NULL. */
enum sl_arrival {
    SL_ARRIVAL_COUNTS,
    SL_ARRIVAL_OLDER,
    SL_ARRIVAL_NEW_GENERATION,
    SL_ARRIVAL_LATE,
    SL_ARRIVAL_LATE_GENERATION /* late, and it opens one: on_late: retrigger */
};
enum sl_arrival sl_gate_arrival(const struct sl_phase *phase, const struct sl_gate *gate, const struct sl_run *run,
                                const struct sl_run *prior, const struct sl_processor *processor);

/* The facts as JSON: what is missing and counts; at most SL_FACTS_MAX_BYTES, with "truncated": true when lists were cut. */
#define SL_FACTS_MAX_BYTES (256 * 1024)
void sl_facts_json(struct sl_json *json, const struct sl_facts *facts);
/* Back from the text that sl_facts_json() wrote, under a config that may be another one: phases, processors and tables are found by name, what the config no longer names is
 * left out, what it names in addition has no facts, and whether a processor is required is what it says. Under the config of the record sl_gate_decide() decides as recorded.
 * Of the done units only their number comes back (`done` is NULL), of what a cut list does not name only how many there are ("?"), of runs what a decision looks at.
 * Arena-held; nothing of `text` is kept. SL_NOT_FOUND: the config has no such phase; SL_CORRUPT: no text of ours. */
enum sl_code sl_facts_read(struct sl_facts *out, const struct sl_config *config, const char *text, size_t len, struct sl_arena *arena,
                           struct sl_err *err);
/* The decision as JSON: state, reasons, checks, triggers. */
void sl_decision_json(struct sl_json *json, const struct sl_decision *decision);

/* The coverage events of a decision (RULES 4, 22), ids set. `before`: the gate as it was, NULL when new. Arena-held, in a fixed order. */
void sl_gate_events(struct sl_event **out, size_t *n, const struct sl_config *config, const struct sl_facts *facts,
                    const struct sl_decision *decision, const struct sl_gate *before, struct sl_arena *arena);

/* The trigger message (contract/messages.md): body and attributes, both JSON. `now_us` is its timestamp. */
void sl_trigger_message(struct sl_buf *body, struct sl_buf *attributes, const struct sl_config *config, const struct sl_facts *facts,
                        const struct sl_decision *decision, const struct sl_decision_trigger *trigger, int64_t now_us);

#endif
