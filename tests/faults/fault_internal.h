/* fault_internal.h - what the files of the fault world share. */
#ifndef SLUICE_TESTS_FAULT_INTERNAL_H
#define SLUICE_TESTS_FAULT_INTERNAL_H

#include "fault_world.h"

enum { FAULT_BATCH = 5 };

#define FAULT_BEGIN_US 1750000000000000LL /* 2025-06-15T15:06:40Z */

/* Outside of the machine, so it loses nothing. */
struct fault_bus {
    struct sl_bus base;
    bool *acked; /* per message; the receipt is the message's flag */
    struct sl_arena arena;
    const char **published;
    size_t n_published;
};

static inline struct fault_bus *fault_bus_of(const struct world *world)
{
    return (struct fault_bus *)world->bus;
}

/* fault_season.c */
extern const char FAULT_CONFIG[];
/* Fills world->messages and the counts. */
void fault_season_messages(struct world *world);
/* Tables and an empty log below world->template_dir; not the ledger: making that is part of what may fail. */
void fault_season_tables(struct world *world);

#endif
