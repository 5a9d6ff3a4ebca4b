/* completion_config.h - a small pipeline for the tests and the fuzzer of the completion codec: two phases, field names as in
 * contract/nba.yaml, one mapped field. Static storage; the zone of naive timestamps is the caller's. */
#ifndef SLUICE_TESTS_COMPLETION_CONFIG_H
#define SLUICE_TESTS_COMPLETION_CONFIG_H

#include <sluice/config.h>

static inline struct sl_config completion_config(struct sl_zone *naive_zone)
{
    static const char *raw_aliases[] = {"phase_2"}, *team_aliases[] = {"NbacTeamBoxscoreProcessor", "p2_nbacom_team_boxscore"};
    static const char *names[] = {"processor_name", "scraper_name", "name"}, *dates[] = {"game_date", "data_date"};
    static const char *errors[] = {"error_message", "error"};
    static struct sl_processor processors[] = {{.name = "nbac_team_boxscore", .aliases = team_aliases, .n_aliases = 2}};
    static struct sl_phase phases[] = {
        {.name = "phase_2_raw", .index = 0, .aliases = raw_aliases, .n_aliases = 1, .processors = processors, .n_processors = 1},
        {.name = "phase_3_analytics", .index = 1},
    };
    static struct sl_field_names others[] = {{.field = "error_message", .names = errors, .n = 2}};
    struct sl_config config = {.pipeline = "nba", .phases = phases, .n_phases = 2};
    config.message.processor_name = names;
    config.message.n_processor_name = 3;
    config.message.date = dates;
    config.message.n_date = 2;
    config.message.others = others;
    config.message.n_others = 1;
    config.message.naive_zone = naive_zone;
    config.message.max_bytes = 10000000;
    return config;
}

#endif
