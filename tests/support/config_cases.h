/* config_cases.h - a small pipeline as YAML, and every way to break it: what is replaced by what, and the errors word for word. */
#ifndef SLUICE_TESTS_CONFIG_CASES_H
#define SLUICE_TESTS_CONFIG_CASES_H

#include <stddef.h>

static const char SHOP_YAML[] =
    "version: 1\n"
    "pipeline: shop\n"
    "timezone: Europe/Berlin\n"
    "environment: test\n"
    "bus: {type: embedded, project: p, path: state/broker}\n"
    "ledger: {type: sqlite, path: state/ledger.db}\n"
    "warehouse: {type: sqlite, path: data}\n"
    "message: {naive_timestamps: UTC}\n"
    "calendar:\n"
    "  table: raw.schedule\n"
    "  date_column: day\n"
    "  unit_column: shop\n"
    "  planned: {kind: [open]}\n"
    "  done: {status: 3}\n"
    "  entities: {team: [home, away]}\n"
    "  season: {column: year, starts: {month: 1, day: 31}}\n"
    "defaults:\n"
    "  date_column: day\n"
    "  unit_column: shop\n"
    "  settle: 5m\n"
    "  deadline: {after: 30m, then: alert}\n"
    "phases:\n"
    "  - name: raw\n"
    "    aliases: [phase_1]\n"
    "    completions: {topic: t-raw, subscription: s-raw}\n"
    "    processors:\n"
    "      - name: sales\n"
    "        aliases: [SalesLoader]\n"
    "        required: critical\n"
    "        table: raw.sales\n"
    "        fallback: [raw.backup]\n"
    "        quality: {required: [a], optional: [b], weights: {a: 2}}\n"
    "      - {name: backup, required: optional, table: raw.backup, date_column: bday, unit_column: none}\n"
    "  - name: report\n"
    "    after: [raw]\n"
    "    started_by: {topic: start-report}\n"
    "    completions: {topic: t-report, subscription: s-report}\n"
    "    deadline: {at: \"06:00\"}\n"
    "    processors:\n"
    "      - {name: totals, required: {past: critical}, table: rep.totals, inputs: [{table: raw.sales, entity_column: shop, window: 10 "
    "rows}]}\n"
    "    checks:\n"
    "      upstream: strict\n"
    "      gaps: {mode: strict, look_back: 30d}\n"
    "      completeness: {entity: team, table: raw.sales, entity_column: team, window: 10 units, threshold: 70%}\n"
    "audit: {at: \"09:00\"}\n";

/* The text from `from` up to `upto` (NULL: `from` itself; "": the end) becomes `with`. `from` NULL: everything. */
static const struct broken_config {
    const char *label, *from, *upto, *with, *errors;
} BROKEN[] = {
    {"not a map", NULL, NULL, "just text\n",
     "shop.yaml:1: found 'just text'; expected a map with the keys version, pipeline, timezone, environment, bus, ledger, warehouse, "
     "message, calendar, coverage, defaults, phases, quality, worker, retention, audit, alerts, http\n"},
    {"empty file", NULL, NULL, "",
     "shop.yaml:1: version: missing; expected 1\n"
     "shop.yaml:1: pipeline: missing; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"
     "shop.yaml:1: phases: missing; expected a list (the phases)\n"},
    {"duplicate key", "pipeline: shop\n", NULL,
     "pipeline: shop\n"
     "version: 1\n",
     "shop.yaml:3: key \"version\" comes twice, first on line 1\n"},
    {"broken yaml", "aliases: [phase_1]", NULL, "aliases: [phase_1",
     "shop.yaml:25: did not find expected ',' or ']' while parsing a flow sequence\n"},
    {"unknown key", "environment: test", NULL, "enviroment: test",
     "shop.yaml:4: enviroment: unknown key 'enviroment'; did you mean 'environment'?\n"},
    {"unknown key far from all", "environment: test", NULL, "zzzzzzzzzzzz: test",
     "shop.yaml:4: zzzzzzzzzzzz: unknown key 'zzzzzzzzzzzz'; expected a map with the keys version, pipeline, timezone, environment, bus, "
     "ledger, warehouse, message, calendar, coverage, defaults, phases, quality, worker, retention, audit, alerts, http\n"},
    {"unknown key deep", "threshold: 70%", NULL, "treshold: 70%",
     "shop.yaml:44: phases.report.checks.completeness.treshold: unknown key 'treshold'; did you mean 'threshold'?\n"},
    {"unknown key in defaults", "settle: 5m", NULL, "setle: 5m",
     "shop.yaml:20: defaults.setle: unknown key 'setle'; did you mean 'settle'?\n"},
    {"unknown key in a processor", "table: rep.totals", NULL, "tabel: rep.totals",
     "shop.yaml:40: phases.report.processors.totals.tabel: unknown key 'tabel'; did you mean 'table'?\n"
     "shop.yaml:40: phases.report.processors.totals.inputs: found without a table; expected phases.report.processors.totals.table too\n"},
    {"unknown key far, short map", "{after: 30m, then: alert}", NULL, "{after: 30m, whatever: alert}",
     "shop.yaml:21: defaults.deadline.whatever: unknown key 'whatever'; expected a map with the keys after, at, then, waive_critical\n"},
    {"key of another level", "audit: {at:", NULL,
     "grace: 5m\n"
     "audit: {at:",
     "shop.yaml:45: grace: unknown key 'grace'; expected a map with the keys version, pipeline, timezone, environment, bus, ledger, "
     "warehouse, message, calendar, coverage, defaults, phases, quality, worker, retention, audit, alerts, http\n"},
    {"list wildcard as key", "audit: {at:", NULL,
     "'[]': 5m\n"
     "audit: {at:",
     "shop.yaml:45: []: unknown key '[]'; expected a map with the keys version, pipeline, timezone, environment, bus, ledger, warehouse, "
     "message, calendar, coverage, defaults, phases, quality, worker, retention, audit, alerts, http\n"},
    {"version missing", "version: 1\n", NULL, "", "shop.yaml:1: version: missing; expected 1\n"},
    {"version 2", "version: 1", NULL, "version: 2", "shop.yaml:1: version: found '2'; expected 1\n"},
    {"version as text", "version: 1", NULL, "version: '1'", "shop.yaml:1: version: found '1'; expected 1\n"},
    {"version null", "version: 1", NULL, "version: null", "shop.yaml:1: version: found null; expected 1\n"},
    {"pipeline missing", "pipeline: shop\n", NULL, "",
     "shop.yaml:1: pipeline: missing; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"},
    {"pipeline with a blank", "pipeline: shop", NULL, "pipeline: my shop",
     "shop.yaml:2: pipeline: found 'my shop'; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"},
    {"time zone unknown", "Europe/Berlin", NULL, "Europe/Berln",
     "shop.yaml:3: timezone: found 'Europe/Berln'; expected a time zone such as America/Los_Angeles\n"},
    {"naive zone unknown", "naive_timestamps: UTC", NULL, "naive_timestamps: Mars",
     "shop.yaml:8: message.naive_timestamps: found 'Mars'; expected a time zone such as America/Los_Angeles\n"},
    {"enum near", "type: embedded", NULL, "type: embeded",
     "shop.yaml:5: bus.type: found 'embeded'; expected one of embedded, pubsub, emulator; did you mean 'embedded'?\n"},
    {"enum far", "type: embedded", NULL, "type: kafka",
     "shop.yaml:5: bus.type: found 'kafka'; expected one of embedded, pubsub, emulator\n"},
    {"enum case", "{type: sqlite, path: data}", NULL, "{type: SQLite, path: data}",
     "shop.yaml:7: warehouse.type: found 'SQLite'; expected one of sqlite, bigquery\n"},
    {"bus as text", "bus: {type: embedded, project: p, path: state/broker}", NULL, "bus: embedded",
     "shop.yaml:5: bus: found 'embedded'; expected a map with the keys type, project, listen, path, endpoint, ca, streams, connections, "
     "compress\n"},
    {"text as list", "environment: test", NULL, "environment: [a]", "shop.yaml:4: environment: found a list; expected a text\n"},
    {"text empty", "environment: test", NULL, "environment: ''", "shop.yaml:4: environment: found ''; expected a text\n"},
    {"text null", "environment: test", NULL, "environment:", "shop.yaml:4: environment: found null; expected a text\n"},
    {"pubsub without project", "{type: embedded, project: p, path", NULL, "{type: pubsub, path",
     "shop.yaml:5: bus.project: missing; expected a text, because bus.type is pubsub\n"},
    {"emulator without project", "{type: embedded, project: p, path", NULL, "{type: emulator, path",
     "shop.yaml:5: bus.project: missing; expected a text, because bus.type is emulator\n"},
    {"postgres without dsn", "{type: sqlite, path: state/ledger.db}", NULL, "{type: postgres}",
     "shop.yaml:6: ledger.dsn: missing; expected a text, because ledger.type is postgres\n"},
    {"bigquery without project", "{type: sqlite, path: data}", NULL, "{type: bigquery}",
     "shop.yaml:7: warehouse.project: missing; expected a text, because warehouse.type is bigquery\n"},
    {"max_parallel 0", "path: data}", NULL, "path: data, max_parallel: 0}",
     "shop.yaml:7: warehouse.max_parallel: found '0'; expected a whole number from 1 to 64\n"},
    {"max_parallel 1.5", "path: data}", NULL, "path: data, max_parallel: 1.5}",
     "shop.yaml:7: warehouse.max_parallel: found '1.5'; expected a whole number from 1 to 64\n"},
    {"message field unknown", "{naive_timestamps", NULL, "{fields: {stats: [state]}, naive_timestamps",
     "shop.yaml:8: message.fields.stats: unknown key 'stats'; did you mean 'status'?\n"},
    {"message field without names", "{naive_timestamps", NULL, "{fields: {date: []}, naive_timestamps",
     "shop.yaml:8: message.fields.date: found an empty list; expected at least one item\n"},
    {"max_bytes too large", "{naive_timestamps: UTC", NULL, "{naive_timestamps: UTC, max_bytes: 10000001",
     "shop.yaml:8: message.max_bytes: found '10000001'; expected a whole number from 1 to 10000000\n"},
    {"calendar without table", "  table: raw.schedule\n", NULL, "",
     "shop.yaml:9: calendar.table: missing; expected a table as dataset.table, each of letters, digits and '_'\n"},
    {"calendar table without dataset", "raw.schedule", NULL, "schedule",
     "shop.yaml:10: calendar.table: found 'schedule'; expected a table as dataset.table, each of letters, digits and '_'\n"},
    {"table with a dash", "raw.schedule", NULL, "raw.my-schedule",
     "shop.yaml:10: calendar.table: found 'raw.my-schedule'; expected a table as dataset.table, each of letters, digits and '_'\n"},
    {"table with three parts", "raw.schedule", NULL, "a.raw.schedule",
     "shop.yaml:10: calendar.table: found 'a.raw.schedule'; expected a table as dataset.table, each of letters, digits and '_'\n"},
    {"table that starts with a digit", "raw.schedule", NULL, "1raw.schedule",
     "shop.yaml:10: calendar.table: found '1raw.schedule'; expected a table as dataset.table, each of letters, digits and '_'\n"},
    {"column with a quote",
     "unit_column: shop\n"
     "  planned",
     NULL,
     "unit_column: 'a\"b'\n"
     "  planned",
     "shop.yaml:12: calendar.unit_column: found 'a\"b'; expected a column name of letters, digits and '_', or none\n"},
    {"condition as text", "planned: {kind: [open]}", NULL, "planned: open",
     "shop.yaml:13: calendar.planned: found 'open'; expected a map (rows that count at all), or null\n"},
    {"condition without values", "planned: {kind: [open]}", NULL, "planned: {kind: []}",
     "shop.yaml:13: calendar.planned.kind: found an empty list; expected at least one item\n"},
    {"condition value null", "{status: 3}", NULL, "{status: [3, null]}",
     "shop.yaml:14: calendar.done.status.1: found null; expected a text\n"},
    {"condition column", "{status: 3}", NULL, "{'a b': 3}",
     "shop.yaml:14: calendar.done: found the key 'a b'; expected a column name of at most 128 bytes\n"},
    {"entity without columns", "[home, away]", NULL, "[]",
     "shop.yaml:15: calendar.entities.team: found an empty list; expected at least one item\n"},
    {"season day that some years lack", "{month: 1, day: 31}", NULL, "{month: 2, day: 29}",
     "shop.yaml:16: calendar.season.starts: found month 2 day 29; expected a day that every year has\n"},
    {"month 13", "{month: 1, day: 31}", NULL, "{month: 13, day: 31}",
     "shop.yaml:16: calendar.season.starts.month: found '13'; expected a whole number from 1 to 12\n"},
    {"history_from no date", "season: {", NULL,
     "history_from: 2025-02-30\n"
     "  season: {",
     "shop.yaml:16: calendar.history_from: found '2025-02-30'; expected a date as YYYY-MM-DD, or null\n"},
    {"suspect_above without percent", "season: {", NULL,
     "suspect_above: 0.2\n"
     "  season: {",
     "shop.yaml:16: calendar.suspect_above: found '0.2'; expected a percentage such as 60%, from 0% to 100%\n"},
    {"duration without unit", "settle: 5m", NULL, "settle: 5",
     "shop.yaml:20: defaults.settle: found '5'; expected a duration such as 5m, from 0s to 400d\n"},
    {"duration of weeks", "settle: 5m", NULL, "settle: 1w",
     "shop.yaml:20: defaults.settle: found '1w'; expected a duration such as 5m, from 0s to 400d\n"},
    {"duration too long", "settle: 5m", NULL, "settle: 401d",
     "shop.yaml:20: defaults.settle: found '401d'; expected a duration such as 5m, from 0s to 400d\n"},
    {"share above 100", "settle: 5m", NULL, "share: 101%",
     "shop.yaml:20: defaults.share: found '101%'; expected a percentage such as 60%, from 0% to 100%\n"},
    {"share negative", "settle: 5m", NULL, "share: -1%",
     "shop.yaml:20: defaults.share: found '-1%'; expected a percentage such as 60%, from 0% to 100%\n"},
    {"bootstrap of hours", "settle: 5m", NULL, "bootstrap: 5h",
     "shop.yaml:20: defaults.bootstrap: found '5h'; expected whole days such as 30d, from 0d to 400d\n"},
    {"deadline null", "deadline: {at: \"06:00\"}", NULL, "deadline: null",
     "shop.yaml:38: phases.report.deadline: found null; expected a map with the keys after, at, then, waive_critical\n"},
    {"deadline at", "{at: \"06:00\"}", NULL, "{at: \"6 am\"}",
     "shop.yaml:38: phases.report.deadline.at: found '6 am'; expected a time of day as \"HH:MM\", or null\n"},
    {"deadline at 24:00", "{at: \"06:00\"}", NULL, "{at: \"24:00\"}",
     "shop.yaml:38: phases.report.deadline.at: found '24:00'; expected a time of day as \"HH:MM\", or null\n"},
    {"deadline then", "then: alert", NULL, "then: degraded",
     "shop.yaml:21: defaults.deadline.then: found 'degraded'; expected one of degrade, alert, hold; did you mean 'degrade'?\n"},
    {"no phases", "phases:", "audit:", "phases: []\n", "shop.yaml:22: phases: found no phases; expected at least one\n"},
    {"phases missing", "phases:", "audit:", "", "shop.yaml:1: phases: missing; expected a list (the phases)\n"},
    {"phases as a map", "phases:", "audit:", "phases: {raw: {}}\n",
     "shop.yaml:22: phases: found a map; expected a list (the phases) of at most 1000 items\n"},
    {"phase null", "phases:", "audit:", "phases: [null]\n",
     "shop.yaml:22: phases.0: found null; expected a map with the keys name, aliases, after, completions, started_by, processors, checks, "
     "date_column, unit_column, share, grace, settle, deadline, on_empty, on_skip, on_late, on_stale, on_unanswered, mode, bootstrap, "
     "answer_within, expect_by\n"},
    {"phases of one text", "phases:", "audit:", "phases: [raw]\n",
     "shop.yaml:22: phases.0: found 'raw'; expected a map with the keys name, aliases, after, completions, started_by, processors, checks, "
     "date_column, unit_column, share, grace, settle, deadline, on_empty, on_skip, on_late, on_stale, on_unanswered, mode, bootstrap, "
     "answer_within, expect_by\n"},
    {"phase without name",
     "  - name: report\n"
     "    after",
     NULL, "  - after", "shop.yaml:34: phases.1.name: missing; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"},
    {"phase name with a slash", "name: report", NULL, "name: re/port",
     "shop.yaml:34: phases.1.name: found 're/port'; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"},
    {"phase name twice", "name: report", NULL, "name: raw",
     "shop.yaml:34: phases.1.name: found 'raw', which phases.raw.name has too; expected a name of its own\n"},
    {"phase name is another's alias", "name: report", NULL, "name: phase_1",
     "shop.yaml:34: phases.phase_1.name: found 'phase_1', which phases.raw.aliases.0 has too; expected a name of its own\n"},
    {"alias is another's name", "aliases: [phase_1]", NULL, "aliases: [report]",
     "shop.yaml:34: phases.report.name: found 'report', which phases.raw.aliases.0 has too; expected a name of its own\n"},
    {"after unknown", "after: [raw]", NULL, "after: [row]",
     "shop.yaml:35: phases.report.after: found the phase 'row', which does not exist; expected one of raw, report; did you mean 'raw'?\n"},
    {"after unknown, far", "after: [raw]", NULL, "after: [warehouse]",
     "shop.yaml:35: phases.report.after: found the phase 'warehouse', which does not exist; expected one of raw, report\n"},
    {"after twice", "after: [raw]", NULL, "after: [raw, phase_1]",
     "shop.yaml:35: phases.report.after: found the phase 'phase_1' twice; expected every phase once\n"},
    {"after itself", "after: [raw]", NULL, "after: [report]",
     "shop.yaml:35: phases.report.after: found a cycle: report after report; expected phases that come after others without a cycle\n"},
    {"cycle of two", "aliases: [phase_1]", NULL, "after: report",
     "shop.yaml:24: phases.raw.after: found a cycle: raw after report after raw; expected phases that come after others without a cycle\n"},
    {"same subscription", "subscription: s-report", NULL, "subscription: s-raw",
     "shop.yaml:37: phases.report.completions.subscription: found 's-raw', which phases.raw.completions.subscription has too; expected a "
     "subscription of its own\n"},
    {"same topic", "topic: t-report", NULL, "topic: t-raw",
     "shop.yaml:37: phases.report.completions.topic: found 't-raw', which phases.raw.completions.topic has too; expected a topic of its "
     "own\n"},
    {"started_by without topic", "{topic: start-report}", NULL, "{fields: {a: b}}",
     "shop.yaml:36: phases.report.started_by.topic: missing; expected a text\n"},
    {"phase without processors",
     "    processors:\n"
     "      - {name: totals",
     "    checks:", "", "shop.yaml:34: phases.report.processors: missing; expected a list (what fills its tables)\n"},
    {"phase with an empty list of processors",
     "    processors:\n"
     "      - {name: totals",
     "    checks:", "    processors: []\n", "shop.yaml:39: phases.report.processors: found no processors; expected at least one\n"},
    {"processor name twice", "name: backup,", NULL, "name: sales,",
     "shop.yaml:33: phases.raw.processors.1.name: found 'sales', which phases.raw.processors.sales.name has too; expected a name of its "
     "own\n"},
    {"processor alias twice", "name: backup,", NULL, "name: backup, aliases: [SalesLoader],",
     "shop.yaml:33: phases.raw.processors.backup.aliases.0: found 'SalesLoader', which phases.raw.processors.sales.aliases.0 has too; "
     "expected a name of its own\n"},
    {"processor without required", "        required: critical\n", NULL, "",
     "shop.yaml:27: phases.raw.processors.sales.required: missing; expected one of critical, optional, none, or a map with the keys past, "
     "today, future\n"},
    {"required unknown", "required: critical", NULL, "required: kritical",
     "shop.yaml:29: phases.raw.processors.sales.required: found 'kritical'; expected one of critical, optional, none; did you mean "
     "'critical'?\n"},
    {"required null", "required: critical", NULL, "required: null",
     "shop.yaml:29: phases.raw.processors.sales.required: found null; expected one of critical, optional, none, or a map with the keys "
     "past, today, future\n"},
    {"required for an unknown profile", "{past: critical}", NULL, "{yesterday: critical}",
     "shop.yaml:40: phases.report.processors.totals.required.yesterday: unknown key 'yesterday'; expected one of critical, optional, none, "
     "or a map with the keys past, today, future\n"},
    {"fallback is the table itself", "[raw.backup]", NULL, "[raw.sales]",
     "shop.yaml:31: phases.raw.processors.sales.fallback.0: found 'raw.sales', which phases.raw.processors.sales.table has too; expected a "
     "table of its own\n"},
    {"fallback twice", "[raw.backup]", NULL, "[raw.backup, {table: raw.backup}]",
     "shop.yaml:31: phases.raw.processors.sales.fallback.1: found 'raw.backup', which phases.raw.processors.sales.fallback.0 has too; "
     "expected a table of its own\n"},
    {"fallback without table", "[raw.backup]", NULL, "[{columns: {a: b}}]",
     "shop.yaml:31: phases.raw.processors.sales.fallback.0.table: missing; expected a table as dataset.table, each of letters, digits and "
     "'_'\n"},
    {"fallback of a processor without table", "        table: raw.sales\n", NULL, "",
     "shop.yaml:30: phases.raw.processors.sales.fallback: found without a table; expected phases.raw.processors.sales.table too\n"
     "shop.yaml:31: phases.raw.processors.sales.quality: found without a table; expected phases.raw.processors.sales.table too\n"},
    {"no date column anywhere",
     "  date_column: day\n"
     "  unit_column: shop\n"
     "  settle",
     NULL, "  settle",
     "shop.yaml:25: phases.raw.processors.sales.date_column: missing; expected a column name here or in defaults\n"
     "shop.yaml:38: phases.report.processors.totals.date_column: missing; expected a column name here or in defaults\n"},
    {"quality column twice", "optional: [b]", NULL, "optional: [b, a]",
     "shop.yaml:32: phases.raw.processors.sales.quality.optional.1: found the column 'a' twice; expected every column once\n"},
    {"quality column twice, in another case", "optional: [b]", NULL, "optional: [b, A]",
     "shop.yaml:32: phases.raw.processors.sales.quality.optional.1: found the column 'A' twice; expected every column once\n"},
    {"quality without columns", "{required: [a], optional: [b], weights: {a: 2}}", NULL, "{weights: {a: 2}}",
     "shop.yaml:32: phases.raw.processors.sales.quality: found no columns; expected at least one in required or optional\n"},
    {"weight 0", "{a: 2}", NULL, "{a: 0}",
     "shop.yaml:32: phases.raw.processors.sales.quality.weights.a: found '0'; expected a number above 0, at most 1000000\n"},
    {"weight as text", "{a: 2}", NULL, "{a: heavy}",
     "shop.yaml:32: phases.raw.processors.sales.quality.weights.a: found 'heavy'; expected a number above 0, at most 1000000\n"},
    {"window without unit", "window: 10 rows", NULL, "window: 10",
     "shop.yaml:40: phases.report.processors.totals.inputs.0.window: found '10'; expected a window such as 10 units, counted in units, "
     "days, rows\n"},
    {"window 0", "window: 10 rows", NULL, "window: 0 rows",
     "shop.yaml:40: phases.report.processors.totals.inputs.0.window: found '0 rows'; expected a window such as 10 units, counted in units, "
     "days, rows\n"},
    {"completeness window of rows", "window: 10 units", NULL, "window: 10 rows",
     "shop.yaml:44: phases.report.checks.completeness.window: found '10 rows'; expected a window such as 10 units, counted in units, "
     "days\n"},
    {"completeness threshold", "threshold: 70%", NULL, "threshold: 700%",
     "shop.yaml:44: phases.report.checks.completeness.threshold: found '700%'; expected a percentage such as 60%, from 0% to 100%\n"},
    {"completeness entity unknown", "entity: team", NULL, "entity: teem",
     "shop.yaml:44: phases.report.checks.completeness.entity: found 'teem'; expected an entity of calendar.entities: team; did you mean "
     "'team'?\n"},
    {"completeness without table", "table: raw.sales, entity_column: team, w", NULL, "entity_column: team, w",
     "shop.yaml:44: phases.report.checks.completeness.table: missing; expected a table as dataset.table, each of letters, digits and "
     "'_'\n"},
    {"upstream mode", "upstream: strict", NULL, "upstream: strikt",
     "shop.yaml:42: phases.report.checks.upstream: found 'strikt'; expected one of off, soft, strict; did you mean 'strict'?\n"},
    {"upstream running_timeout", "upstream: strict", NULL, "upstream: {running_timeout: 0s}",
     "shop.yaml:42: phases.report.checks.upstream.running_timeout: found '0s'; expected a duration such as 5m, from 1m to 400d\n"},
    {"gaps look_back 0d", "look_back: 30d", NULL, "look_back: 0d",
     "shop.yaml:43: phases.report.checks.gaps.look_back: found '0d'; expected whole days such as 30d, from 1d to 400d\n"},
    {"gaps look_back 401d", "look_back: 30d", NULL, "look_back: 401d",
     "shop.yaml:43: phases.report.checks.gaps.look_back: found '401d'; expected whole days such as 30d, from 1d to 400d\n"},
    {"gaps every_day", "look_back: 30d", NULL, "every_day: yes",
     "shop.yaml:43: phases.report.checks.gaps.every_day: found 'yes'; expected true or false\n"},
    {"thresholds ascending", "audit:", NULL,
     "quality: {thresholds: [25, 50, 75, 95]}\n"
     "audit:",
     "shop.yaml:45: quality.thresholds: found [25.0, 50.0, 75.0, 95.0]; expected four descending numbers of 0 to 100: gold, silver, "
     "bronze, poor\n"},
    {"thresholds of three", "audit:", NULL,
     "quality: {thresholds: [95, 75, 50]}\n"
     "audit:",
     "shop.yaml:45: quality.thresholds: found [95.0, 75.0, 50.0]; expected four descending numbers of 0 to 100: gold, silver, bronze, "
     "poor\n"},
    {"threshold 101", "audit:", NULL,
     "quality: {thresholds: [101, 75, 50, 25]}\n"
     "audit:",
     "shop.yaml:45: quality.thresholds.0: found '101'; expected a number from 0 to 100\n"},
    {"ceiling above 1", "audit:", NULL,
     "quality: {ceilings: {gold: 1.1}}\n"
     "audit:",
     "shop.yaml:45: quality.ceilings.gold: found '1.1'; expected a number from 0 to 1\n"},
    {"recheck min above max", "audit:", NULL,
     "worker: {recheck: {min: 2h}}\n"
     "audit:",
     "shop.yaml:45: worker.recheck.min: found '2h'; expected at most worker.recheck.max, which is 1h\n"},
    {"audit at", "at: \"09:00\"", NULL, "at: 9", "shop.yaml:45: audit.at: found '9'; expected a time of day as \"HH:MM\"\n"},
    {"slack without address", "audit:", NULL,
     "alerts: {channels: [{type: slack}]}\n"
     "audit:",
     "shop.yaml:45: alerts.channels.0.webhook_env: missing; expected a text, because the channel is slack and has no webhook\n"},
    {"webhook without address", "audit:", NULL,
     "alerts: {channels: [log, webhook]}\n"
     "audit:",
     "shop.yaml:45: alerts.channels.1.url_env: missing; expected a text, because the channel is webhook and has no url\n"},
    {"mail without anything", "audit:", NULL,
     "alerts: {channels: [mail]}\n"
     "audit:",
     "shop.yaml:45: alerts.channels.0.host: missing; expected a text, because the channel is mail\n"
     "shop.yaml:45: alerts.channels.0.from: missing; expected a text, because the channel is mail\n"
     "shop.yaml:45: alerts.channels.0.to: missing; expected at least one receiver\n"},
    {"http without listen", "audit:", NULL,
     "http: {}\n"
     "audit:",
     "shop.yaml:45: http.listen: missing; expected a text\n"},
    {"variable not set", "environment: test", NULL, "environment: a-${SLUICE_NO_SUCH_VARIABLE}",
     "shop.yaml:4: environment: environment variable 'SLUICE_NO_SUCH_VARIABLE' is not set; expected a value for "
     "${SLUICE_NO_SUCH_VARIABLE}\n"},
    {"variable not closed", "environment: test", NULL, "environment: a-${HOME",
     "shop.yaml:4: environment: found '${HOME'; expected a variable as ${NAME}, or $${ for the text itself\n"},
    {"variable of the wrong type", "settle: 5m", NULL, "settle: ${SLUICE_TEST_STAGE}",
     "shop.yaml:20: defaults.settle: found 'blue'; expected a duration such as 5m, from 0s to 400d\n"},
    {"calendar's unit is its date", "unit_column: shop\n  planned", NULL, "unit_column: day\n  planned",
     "shop.yaml:12: calendar.unit_column: found the column 'day', which date_column names too; expected another one\n"},
    {"an entity's column twice", "[home, away]", NULL, "[home, home]",
     "shop.yaml:15: calendar.entities.team.1: found the column 'home' twice; expected every column once\n"},
    {"a table's unit is its date", "bday, unit_column: none", NULL, "bday, unit_column: bday",
     "shop.yaml:31: phases.raw.processors.sales.fallback.0.unit_column: found the column 'bday', which date_column names too; expected "
     "another "
     "one\n"
     "shop.yaml:33: phases.raw.processors.backup.unit_column: found the column 'bday', which date_column names too; expected another "
     "one\n"},
    {"a fallback's column twice", "[raw.backup]", NULL, "[{table: raw.backup, columns: {a: x, b: y, c: x}}]",
     "shop.yaml:31: phases.raw.processors.sales.fallback.0.columns.c: found the column 'x', which a has too; expected another one\n"},
    {"a fallback's column twice, in another case", "[raw.backup]", NULL, "[{table: raw.backup, columns: {a: x, b: y, c: X}}]",
     "shop.yaml:31: phases.raw.processors.sales.fallback.0.columns.c: found the column 'X', which a has too; expected another one\n"},
    {"a column excluded twice", "fallback: [raw.backup]", NULL, "fingerprint: {exclude: [at, by, at]}",
     "shop.yaml:31: phases.raw.processors.sales.fingerprint.exclude.2: found the column 'at' twice; expected every column once\n"},
    {"confidence into its own base", "fallback: [raw.backup]", NULL, "confidence: {base: c, final: c, capped: d}",
     "shop.yaml:31: phases.raw.processors.sales.confidence.final: found the column 'c', which base has too; expected another one\n"},
    {"weight below 0", "{a: 2}", NULL, "{a: -2}",
     "shop.yaml:32: phases.raw.processors.sales.quality.weights.a: found '-2'; expected a number above 0, at most 1000000\n"},
    {"completeness window 0", "window: 10 units", NULL, "window: 0 units",
     "shop.yaml:44: phases.report.checks.completeness.window: found '0 units'; expected a window such as 10 units, counted in units, "
     "days\n"},
    {"completeness window beyond the season", "window: 10 units", NULL, "window: 367 days",
     "shop.yaml:44: phases.report.checks.completeness.window: found '367 days'; expected at most 366 days, because windows end with the "
     "season\n"},
    {"input window beyond the season", "window: 10 rows", NULL, "window: 1000 days",
     "shop.yaml:40: phases.report.processors.totals.inputs.0.window: found '1000 days'; expected at most 366 days, because windows end "
     "with "
     "the season\n"},
    {"look-back beyond the season", "look_back: 30d", NULL, "look_back: 367d",
     "shop.yaml:43: phases.report.checks.gaps.look_back: found '367d'; expected at most 366d, because nothing before the season is looked "
     "at\n"},
    {"an input of a later phase", "fallback: [raw.backup]", NULL, "inputs: [{table: rep.totals, entity_column: shop, window: 2 days}]",
     "shop.yaml:31: phases.raw.processors.sales.inputs.0.table: found 'rep.totals', which phases.report.processors.totals fills in a later "
     "phase; expected a table of this phase or one before\n"},
    {"an input that is the table itself", "{table: raw.sales, entity_column: shop", NULL, "{table: rep.totals, entity_column: shop",
     "shop.yaml:40: phases.report.processors.totals.inputs.0.table: found 'rep.totals', which is made from 'rep.totals' itself; expected "
     "inputs "
     "without a cycle\n"},
    {"an input twice", "inputs: [", NULL, "inputs: [{table: raw.sales, entity_column: shop, window: 2 days}, ",
     "shop.yaml:40: phases.report.processors.totals.inputs.1.table: found 'raw.sales' with the entity column 'shop' twice; expected every "
     "input "
     "once\n"},
    {"an input without entity", "{table: raw.sales, entity_column: shop, w", NULL, "{table: raw.sales, w",
     "shop.yaml:40: phases.report.processors.totals.inputs.0.entity_column: missing; expected a column name of letters, digits and '_'\n"},
    {"inputs of a processor without table", "table: rep.totals, ", NULL, "",
     "shop.yaml:40: phases.report.processors.totals.inputs: found without a table; expected phases.report.processors.totals.table too\n"},
    {"a stamp that says nothing", "quality: {required: [a], optional: [b], weights: {a: 2}}", NULL, "stamp: true",
     "shop.yaml:32: phases.raw.processors.sales.stamp: found true, but nothing gives these rows a tier; expected a quality profile, inputs "
     "or a "
     "phase before\n"},
    {"a reconstruction that is none", "fallback: [raw.backup]", NULL, "reconstruction: {sql: \"DELETE FROM raw.sales\"}",
     "shop.yaml:31: phases.raw.processors.sales.reconstruction.sql: found 'DELETE' where INSERT belongs; expected one INSERT INTO "
     "raw.sales ... "
     "SELECT ... with @date and @unit\n"},
    {"a reconstruction of 0 rows", "fallback: [raw.backup]", NULL,
     "reconstruction: {sql: \"INSERT INTO raw.sales SELECT * FROM raw.x WHERE d = @date AND u = @unit\", min_rows: 0}",
     "shop.yaml:31: phases.raw.processors.sales.reconstruction.min_rows: found '0'; expected a whole number from 1 to 1000000000\n"},
    {"three at once, by line",
     "version: 1\n"
     "pipeline: shop\n"
     "timezone: Europe/Berlin\n"
     "environment: test",
     NULL,
     "version: 3\n"
     "pipline: shop\n"
     "timezone: Europe/Berlin\n"
     "environment: ''",
     "shop.yaml:1: version: found '3'; expected 1\n"
     "shop.yaml:1: pipeline: missing; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"
     "shop.yaml:2: pipline: unknown key 'pipline'; did you mean 'pipeline'?\n"
     "shop.yaml:4: environment: found ''; expected a text\n"},
};

static const struct broken_set {
    const char *label, *key, *value, *errors;
} BROKEN_SETS[] = {
    {"unknown key", "defaults.setle", "0s", "--set: defaults.setle: unknown key 'setle'; did you mean 'settle'?\n"},
    {"bad value", "defaults.settle", "soon", "--set: defaults.settle: found 'soon'; expected a duration such as 5m, from 0s to 400d\n"},
    {"unknown part", "defualts.settle", "0s", "--set: defualts: unknown key 'defualts'; did you mean 'defaults'?\n"},
    {"unknown phase", "phases.rapport.settle", "0s",
     "--set: phases.rapport.settle: found no item 'rapport'; expected a name, an alias or an index below 2; did you mean 'report'?\n"},
    {"index too high", "phases.2.settle", "0s",
     "--set: phases.2.settle: found no item '2'; expected a name, an alias or an index below 2\n"},
    {"unknown processor", "phases.report.processors.total.table", "a.b",
     "--set: phases.report.processors.total.table: found no item 'total'; expected a name, an alias or an index below 1; did you mean "
     "'totals'?\n"},
    {"below a value", "pipeline.name", "x",
     "--set: pipeline: found a map; expected a name of letters, digits, '_', '-' and '.', at most 128 bytes\n"},
    {"empty key", "", "x", "--set: found the key ''; expected a key path such as defaults.settle\n"},
    {"key that ends in a dot", "phases.", "x", "--set: found the key 'phases.'; expected a key path such as defaults.settle\n"},
    {"broken value", "bus", "{type: embedded", "--set: bus: value:1: did not find expected ',' or '}' while parsing a flow mapping\n"},
    {"breaks the whole", "phases.raw.after", "[report]",
     "--set: phases.raw.after: found a cycle: raw after report after raw; expected phases that come after others without a cycle\n"},
    {"variable not set", "pipeline", "${SLUICE_NO_SUCH_VARIABLE}",
     "--set: pipeline: environment variable 'SLUICE_NO_SUCH_VARIABLE' is not set; expected a value for ${SLUICE_NO_SUCH_VARIABLE}\n"},
};

#endif
