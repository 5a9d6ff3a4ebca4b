/* test_power_loss.c - the power fails 200 times at random operations of the disk, while the engine decides a season: what was acked is there when it comes
 * back, and the end is that of a season that nobody disturbed. The test of the test: with synchronous=NORMAL something acked is lost. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fault_world.h"
#include "power_vfs.h"

enum { LOSSES = 200, NORMAL_ROUNDS = 60, LOSSES_PER_ROUND = 3 };

struct tally {
    uint64_t operations, steps; /* of the undisturbed season */
    char *expected;
    size_t rounds, struck, losses, lost_messages, by_step[WORLD_CLOSE + 1];
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return 1 + (*seed >> 33) % below;
}

static void undisturbed(struct world *world, struct tally *tally)
{
    struct sl_err err = {0};
    world_begin(world, 1);
    cr_assert(world_open(world, &err) == SL_OK && world_run(world, &err) == SL_OK, "%s", err.text);
    cr_assert(world_acked(world) == world->n_messages);
    cr_assert(world_lost(world) == 0);
    world_close(world);
    tally->operations = power_vfs_operations();
    tally->steps = power_vfs_steps();
    tally->expected = world_end_state(world);
}

/* After the power came back: opened again (that may be struck, too), everything acked is looked for. */
static void look(struct world *world, struct tally *tally, uint64_t seed)
{
    size_t lost = world_lost(world);
    if (lost && power_vfs_struck())
        return; /* the power failed while we looked: the next look decides */
    tally->lost_messages += lost;
    if (lost && world->synchronous == SL_SYNC_FULL)
        cr_assert_fail("seed %llu: %zu acked messages are lost after the power failed at a %s of %s", (unsigned long long)seed, lost,
                       power_vfs_struck_what(), power_vfs_struck_file());
    char *unsound = world_unsound(world);
    cr_assert(unsound == NULL, "seed %llu: integrity_check: %s", (unsigned long long)seed, unsound);
}

/* One season with up to LOSSES_PER_ROUND losses; the later ones soon after the one before, so that recoveries are hit too. False: messages were lost. */
static bool season(struct world *world, struct tally *tally, uint64_t seed)
{
    struct sl_err err = {0};
    const size_t lost_before = tally->lost_messages;
    uint64_t random = seed;
    world_begin(world, seed);
    if (seed % 4)
        power_vfs_order(POWER_LOSS, draw(&random, tally->operations));
    else
        power_vfs_order(POWER_LOSS_OUTSIDE, draw(&random, tally->steps)); /* between a commit and its ack, or its publish */
    tally->rounds++;
    for (size_t losses = 0;;) {
        enum sl_code code = world_open(world, &err);
        if (code == SL_OK && losses > 0)
            look(world, tally, seed);
        if (code == SL_OK && tally->lost_messages == lost_before)
            code = world_run(world, &err);
        world_close(world);
        if (tally->lost_messages != lost_before)
            return false;
        if (!power_vfs_struck()) {
            cr_assert(code == SL_OK, "seed %llu: without a fault: %s", (unsigned long long)seed, err.text);
            return true;
        }
        tally->losses++;
        tally->by_step[world->step]++;
        losses++;
        power_vfs_restart();
        power_vfs_order(losses < LOSSES_PER_ROUND ? POWER_LOSS : POWER_GOOD, draw(&random, losses % 2 ? 40 : tally->operations));
    }
}

static void expect_same_end(const struct world *world, const struct tally *tally, uint64_t seed)
{
    char *actual = world_end_state(world);
    const char *instead_of, *other = world_difference(tally->expected, actual, &instead_of);
    cr_assert(other == NULL, "seed %llu: the end is another one:\n%.300s\n--- instead of\n%.300s", (unsigned long long)seed, other,
              instead_of);
    free(actual);
}

Test(power_loss, nothing_acked_is_lost_and_nothing_happens_twice, .timeout = 100)
{
    struct world world;
    struct tally tally = {0};
    const uint64_t seed = world_seed();
    world_create(&world, SL_SYNC_FULL);
    undisturbed(&world, &tally);
    for (uint64_t round = 0; tally.losses < LOSSES; round++) {
        season(&world, &tally, seed + round);
        expect_same_end(&world, &tally, seed + round);
    }
    fprintf(stderr,
            "power loss: seed %llu, %zu seasons of %zu messages and %llu disk operations, %zu losses (%zu opening, %zu batch, %zu tick, "
            "%zu drain, "
            "%zu load, %zu checkpoint, %zu closing), 0 lost\n",
            (unsigned long long)seed, tally.rounds, world.n_messages, (unsigned long long)tally.operations, tally.losses,
            tally.by_step[WORLD_OPEN], tally.by_step[WORLD_BATCH], tally.by_step[WORLD_TICK], tally.by_step[WORLD_DRAIN],
            tally.by_step[WORLD_LOAD], tally.by_step[WORLD_CHECKPOINT], tally.by_step[WORLD_CLOSE]);
    free(tally.expected);
    world_destroy(&world);
}

Test(power_loss, synchronous_normal_loses_what_was_acked, .timeout = 100)
{
    struct world world;
    struct tally tally = {0};
    const uint64_t seed = world_seed();
    size_t seasons_with_losses = 0;
    world_create(&world, SL_SYNC_NORMAL);
    undisturbed(&world, &tally);
    for (uint64_t round = 0; round < NORMAL_ROUNDS; round++)
        seasons_with_losses += !season(&world, &tally, seed + round);
    fprintf(stderr, "power loss with synchronous=NORMAL: seed %llu, %zu losses of power, acked messages lost in %zu of %d seasons\n",
            (unsigned long long)seed, tally.losses, seasons_with_losses, NORMAL_ROUNDS);
    cr_assert(seasons_with_losses > 0, "the harness does not notice a ledger that is not synced");
    free(tally.expected);
    world_destroy(&world);
}
