/* sim_config.c - the pipelines of the simulation. */
#include "sim.h"

#define CALENDAR                                                                                                                           \
    "version: 1\n"                                                                                                                         \
    "pipeline: sim\n"                                                                                                                      \
    "timezone: America/Los_Angeles\n"                                                                                                      \
    "bus: {type: embedded, project: sim, listen: '127.0.0.1:0', path: bus}\n"                                                              \
    "ledger: {type: sqlite, path: ledger.db}\n"                                                                                            \
    "warehouse: {type: sqlite, path: wh}\n"                                                                                                \
    "message: {fields: {date: game_date}}\n"                                                                                               \
    "calendar:\n"                                                                                                                          \
    "  table: raw.schedule\n"                                                                                                              \
    "  date_column: game_date\n"                                                                                                           \
    "  unit_column: game_id\n"                                                                                                             \
    "  planned: {status: [planned, done]}\n"                                                                                               \
    "  done: {status: done}\n"                                                                                                             \
    "  season: {column: season, starts: {month: 10, day: 15}}\n"
#define REST                                                                                                                               \
    "coverage:\n"                                                                                                                          \
    "  log: ref.log\n"                                                                                                                     \
    "  runs: {table: ref.runs, written_by: sluice}\n"                                                                                      \
    "defaults: {date_column: game_date, unit_column: game_id, share: 60%, grace: 5m, settle: 5m}\n"                                        \
    "phases:\n"
#define HEAD CALENDAR REST

const char SIM_CASCADE[] = HEAD "  - name: raw\n"
                                "    completions: {topic: raw-done, subscription: raw-done-sub, dead_letter_topic: raw-dlq}\n"
                                "    processors:\n"
                                "      - {name: a, aliases: [RawA], required: critical, table: raw.a, fallback: [raw.a2]}\n"
                                "      - {name: b, required: critical, table: raw.b}\n"
                                "      - {name: c, required: optional, table: raw.c}\n"
                                "      - {name: d, required: optional, table: raw.d}\n"
                                "    checks: {units: strict, gaps: {mode: soft, look_back: 30d}}\n"
                                "  - name: stats\n"
                                "    after: [raw]\n"
                                "    started_by: {topic: stats-go}\n"
                                "    completions: {topic: stats-done, subscription: stats-done-sub}\n"
                                "    processors:\n"
                                "      - {name: s, required: {past: critical}, table: stats.s}\n"
                                "      - {name: t, required: optional, table: stats.t}\n"
                                "    checks: {upstream: strict, units: strict, gaps: {mode: strict, look_back: 30d}}\n"
                                "  - name: show\n"
                                "    after: [stats]\n"
                                "    started_by: {topic: show-go}\n"
                                "    completions: {topic: show-done, subscription: show-done-sub}\n"
                                "    processors:\n"
                                "      - {name: p, required: critical}\n";

const char SIM_JOIN[] = HEAD "  - name: left\n"
                             "    completions: {topic: left-done, subscription: left-done-sub}\n"
                             "    processors: [{name: l, required: critical, table: raw.l}]\n"
                             "    checks: {units: strict}\n"
                             "  - name: right\n"
                             "    completions: {topic: right-done, subscription: right-done-sub}\n"
                             "    processors: [{name: r, required: critical, table: raw.r}]\n"
                             "    checks: {units: strict}\n"
                             "  - name: joined\n"
                             "    after: [left, right]\n"
                             "    started_by: {topic: joined-go}\n"
                             "    completions: {topic: joined-done, subscription: joined-done-sub}\n"
                             "    processors: [{name: j, required: critical}]\n";

const char SIM_QUALITY[] = CALENDAR
    "  entities: {team: [home, away]}\n" REST "  - name: raw\n"
    "    completions: {topic: raw-done, subscription: raw-done-sub}\n"
    "    processors:\n"
    "      - name: a\n"
    "        required: critical\n"
    "        table: raw.a\n"
    "        fallback: [{table: raw.a2, columns: {team: side, pts: points}}]\n"
    "        quality: {required: [team, pts], optional: [extra], expected_rows: 2}\n"
    "        reconstruction: {sql: 'INSERT INTO raw.a SELECT * FROM raw.lines WHERE game_date = @date AND game_id = @unit', min_rows: 2}\n"
    "    checks: {units: strict, completeness: {mode: soft, entity: team, table: raw.a, entity_column: team, window: 3 units}}\n"
    "  - name: stats\n"
    "    after: [raw]\n"
    "    started_by: {topic: stats-go}\n"
    "    completions: {topic: stats-done, subscription: stats-done-sub}\n"
    "    processors:\n"
    "      - {name: s, required: critical, table: stats.s, quality: {required: [player, pts], optional: [extra], expected_rows: 2}}\n"
    "    checks: {upstream: strict, units: strict, quality: {mode: strict, min_usable: 60%},\n"
    "             completeness: {mode: strict, entity: team, table: raw.a, entity_column: team, window: 3 units, threshold: 90%}}\n"
    "  - name: cache\n"
    "    after: [stats]\n"
    "    started_by: {topic: cache-go}\n"
    "    completions: {topic: cache-done, subscription: cache-done-sub}\n"
    "    processors:\n"
    "      - {name: k, required: critical, table: cache.k, unit_column: none,\n"
    "         inputs: [{table: stats.s, entity_column: player, window: 3 rows}]}\n"
    "    checks: {upstream: strict, units: strict}\n"
    "  - name: show\n"
    "    after: [cache]\n"
    "    started_by: {topic: show-go}\n"
    "    completions: {topic: show-done, subscription: show-done-sub}\n"
    "    processors:\n"
    "      - {name: p, required: critical, table: show.p, unit_column: none,\n"
    "         inputs: [{table: cache.k, entity_column: player, window: 1 rows}, {table: cache.own, entity_column: player, window: 7 "
    "days}]}\n"
    "    checks: {units: strict}\n";
