/* warehouse_contract.h - what every warehouse backend must do: one list, run against whatever the fixture was made with.
 * A backend's test file makes the fixture and runs each entry of WAREHOUSE_CONTRACT as a test of its own. */
#ifndef SLUICE_WAREHOUSE_CONTRACT_H
#define SLUICE_WAREHOUSE_CONTRACT_H

#include <sluice/config.h>
#include <sluice/mem.h>
#include <sluice/warehouse.h>

struct warehouse_fixture {
    char dir[128];           /* a directory of its own, for CSV files too */
    struct sl_config config; /* names tables raw.scores (date, unit), raw.schedule (the calendar), raw.daily (by date) */
    struct sl_warehouse *warehouse;
    struct sl_arena arena;
    struct sl_err err;
};

/* The configuration part of a fixture; borrows static data only. */
void warehouse_fixture_config(struct warehouse_fixture *f);
/* Import `text` into `table`; the fixture's err holds the sentence. */
enum sl_code warehouse_import(struct warehouse_fixture *f, const char *table, const char *text, const char *replace,
                              struct sl_import_result *out);
sl_date warehouse_day(const char *text);
struct sl_key warehouse_key(const char *text); /* "2025-01-01 unit", or only the date; borrows */

#define WAREHOUSE_CONTRACT(X)                                                                                                              \
    X(names_are_checked_before_anything)                                                                                                   \
    X(missing_things_are_not_found_and_named)                                                                                              \
    X(describe_tells_the_types)                                                                                                            \
    X(present_and_count_by_unit)                                                                                                           \
    X(present_and_count_by_date)                                                                                                           \
    X(null_and_empty_units_never_count)                                                                                                    \
    X(units_compare_as_text)                                                                                                               \
    X(date_columns_of_other_types_are_refused)                                                                                             \
    X(dates_ascend_within_the_range)                                                                                                       \
    X(calendar_evaluates_conditions)                                                                                                       \
    X(calendar_compares_by_type)                                                                                                           \
    X(calendar_merges_duplicates)                                                                                                          \
    X(calendar_refuses_rows_without_date_or_unit)                                                                                          \
    X(version_changes_with_every_change)                                                                                                   \
    X(init_twice_makes_nothing_more)                                                                                                       \
    X(load_happens_once_per_job)                                                                                                           \
    X(load_keeps_event_ids_unique)                                                                                                         \
    X(load_into_nothing_is_not_found)                                                                                                      \
    X(load_is_whole_or_nothing)                                                                                                            \
    X(run_records)                                                                                                                         \
    X(log_rows_are_filtered)                                                                                                               \
    X(counters_count)                                                                                                                      \
    X(tally_counts_rows_and_nulls)                                                                                                         \
    X(tally_maps_columns)                                                                                                                  \
    X(tally_takes_many_columns)                                                                                                            \
    X(odd_names_are_only_text)                                                                                                             \
    X(tiers_are_the_rows_own)                                                                                                              \
    X(entities_are_distinct_and_sorted)                                                                                                    \
    X(fingerprint_tells_content)                                                                                                           \
    X(fingerprint_per_date)                                                                                                                \
    X(nothing_is_reconstructed_without_records)                                                                                            \
    X(reconstruct_makes_the_rows_of_a_unit)                                                                                                \
    X(reconstruct_by_date)                                                                                                                 \
    X(reconstruct_keeps_nothing_of_too_few)                                                                                                \
    X(reconstruct_is_guarded)                                                                                                              \
    X(reconstructed_rows_that_change_are_primary)                                                                                          \
    X(reconstruct_needs_its_table)                                                                                                         \
    X(stamp_by_date_unit_and_entity)                                                                                                       \
    X(the_most_specific_stamp_wins)                                                                                                        \
    X(stamp_takes_any_text)                                                                                                                \
    X(stamp_needs_the_columns)                                                                                                             \
    X(confidence_is_capped_by_the_rows_tier)                                                                                               \
    X(confidence_per_date)                                                                                                                 \
    X(capped_rows_stay_reconstructed)                                                                                                      \
    X(confidence_needs_the_columns)                                                                                                        \
    X(migrate_adds_quality_columns_once)                                                                                                   \
    X(migrate_completes_the_log)

#define WAREHOUSE_CONTRACT_DECLARE(name) void warehouse_contract_##name(struct warehouse_fixture *f);
WAREHOUSE_CONTRACT(WAREHOUSE_CONTRACT_DECLARE)

#endif
