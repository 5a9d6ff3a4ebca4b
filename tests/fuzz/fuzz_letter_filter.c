/* fuzz_letter_filter.c - any text as a filter of dead letters: it is refused with a sentence, or it can be asked of any letter, always with the same answer. */
#include <sluice/dead_letters.h>

#include "completion_checks.h"

static void ask(const struct sl_letter_filter *filter, const char *body, struct sl_arena *arena)
{
    static const struct sl_attribute attributes[] = {{"origin", "x"}, {"sluice_reject_reason", "not_json"}, {"sluice_replay_count", "2"}};
    const struct sl_message message = {.subscription = "s",
                                       .message_id = "7",
                                       .publish_us = NOW,
                                       .data = body,
                                       .len = strlen(body),
                                       .attributes = attributes,
                                       .n_attributes = 3};
    struct sl_dead_letter letter;
    sl_dead_letter_read(&letter, &message, NULL, config(), NOW, arena);
    if (sl_letter_filter_takes(filter, &letter, NOW) != sl_letter_filter_takes(filter, &letter, NOW))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct sl_arena arena = {0};
    struct sl_letter_filter *filter = NULL;
    struct sl_err err = {0};
    const char *text = sl_arena_strndup(&arena, (const char *)bytes, len);
    const enum sl_code code = sl_letter_filter_parse(&filter, text, config(), 20194, &arena, &err);
    if (code == SL_OK) {
        ask(filter, "{\"processor_name\":\"nbac_team_boxscore\",\"phase\":\"phase_2\",\"game_date\":\"2025-04-15\"}", &arena);
        ask(filter, "nothing", &arena);
    } else if (code != SL_INVALID || filter || err.text[0] == '\0') {
        abort();
    }
    sl_arena_fini(&arena);
    return 0;
}
