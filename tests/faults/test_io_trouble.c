/* test_io_trouble.c - single disk operations fail, over the whole of a season: an I/O error ends the use of the file (RULES 29), a full disk is waited out.
 * Either way nothing is acked that is not committed, the error has its class, and after going on the end is that of an undisturbed season. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fault_world.h"
#include "power_vfs.h"

enum { ROUNDS = 60, TRIES_WHILE_FULL = 3 };

struct round {
    struct world *world;
    const struct power_trouble *trouble;
    uint64_t seed, operations;
    const char *expected;
    size_t struck, failed, poisoned;
};

static bool is_ledger(const char *file)
{
    return !strncmp(file, "ledger.db", strlen("ledger.db"));
}

/* A file that can't be opened, or a lost connection, leaves no file that can't be trusted. */
static bool is_refused(void)
{
    static const char *const HARMLESS[] = {"create", "delete", "ack", "publish"};
    for (size_t i = 0; i < sizeof HARMLESS / sizeof *HARMLESS; i++)
        if (!strcmp(power_vfs_struck_what(), HARMLESS[i]))
            return true;
    return false;
}

#define expect(round, holds, what)                                                                                                         \
    cr_assert((holds) ? 1 : 0, "%s, seed %llu, %s of %s, step %d: %s", (round)->trouble->label, (unsigned long long)(round)->seed,         \
              power_vfs_struck_what(), power_vfs_struck_file(), (int)(round)->world->step, what)

/* After an I/O error in the middle of work: every further call is refused, and the file is left alone until it is closed, and by closing it. */
static void expect_poisoned(struct round *round)
{
    struct world *world = round->world;
    struct sl_err err = {0};
    const bool ledger = is_ledger(power_vfs_struck_file()), book = !strncmp(power_vfs_struck_file(), "book.db", strlen("book.db"));
    const bool working = world->worker && world->step != WORLD_OPEN && world->step != WORLD_CLOSE;
    if (!working || is_refused() || world->step == WORLD_CHECKPOINT)
        return;
    if (ledger) {
        expect(round, sl_ledger_begin(world->ledger, &err) == SL_INTERNAL, "the ledger goes on after an I/O error");
        expect(round, strstr(err.text, "I/O error"), "the refusal does not say why");
    }
    if (book)
        expect(round, sl_worker_load(world->worker, world->now_us + 3600000000, true, &err) == SL_INTERNAL,
               "the log goes on after an I/O error");
    round->poisoned += ledger || book;
    world_close(world);
    expect(round, !ledger || power_vfs_operations_after("ledger.db") == 0, "the ledger's file was touched again");
    expect(round, !book || power_vfs_operations_after("book.db") == 0, "the log's file was touched again");
}

static void after_error(struct round *round, enum sl_code code, const struct sl_err *err)
{
    if (code == SL_OK)
        return; /* in a checkpoint or while closing: the commit stands */
    round->failed++;
    expect(round, err->text[0], "no sentence");
    if (round->world->step != WORLD_CLOSE && !is_refused())
        expect(round, code == SL_INTERNAL, err->text);
    expect_poisoned(round);
}

/* The disk stays full for some tries. */
static enum sl_code while_full(struct round *round, enum sl_code code, struct sl_err *err)
{
    round->failed += code != SL_OK;
    for (int i = 0; code != SL_OK && i < TRIES_WHILE_FULL; i++) {
        expect(round, code == SL_UNAVAILABLE, err->text);
        expect(round, err->text[0], "no sentence");
        if (!round->world->worker || round->world->step == WORLD_OPEN)
            break;
        code = world_run(round->world, err);
    }
    return code;
}

/* Everything acked is there, the files are sound, and the season goes on to its end. */
static void go_on(struct round *round, bool reopen)
{
    struct world *world = round->world;
    struct sl_err err = {0};
    if (reopen) {
        world_close(world);
        if (round->trouble->power_lost)
            power_vfs_restart();
        power_vfs_order(POWER_GOOD, 0);
        expect(round, world_open(world, &err) == SL_OK, err.text);
    }
    char *unsound = world_unsound(world);
    expect(round, unsound == NULL, unsound);
    expect(round, world_lost(world) == 0, "something acked is lost");
    expect(round, world_run(world, &err) == SL_OK, err.text);
    world_close(world);
}

static void expect_same_end(struct round *round)
{
    char *actual = world_end_state(round->world);
    const char *instead_of, *other = world_difference(round->expected, actual, &instead_of);
    cr_assert(other == NULL, "%s, seed %llu: the end is another one:\n%.300s\n--- instead of\n%.300s", round->trouble->label,
              (unsigned long long)round->seed, other, instead_of);
    free(actual);
}

static void one_round(struct round *round, uint64_t at)
{
    struct world *world = round->world;
    struct sl_err err = {0};
    world_begin(world, round->seed);
    power_vfs_order(round->trouble->fault, at);
    enum sl_code code = world_open(world, &err);
    if (code == SL_OK)
        code = world_run(world, &err);
    round->struck += power_vfs_struck();
    if (round->trouble->fault == POWER_ERROR)
        after_error(round, code, &err);
    else
        code = while_full(round, code, &err);
    const bool must_reopen = round->trouble->reopen || !world->worker || world->step == WORLD_OPEN;
    if (!must_reopen)
        power_vfs_order(POWER_GOOD, 0);
    go_on(round, must_reopen);
    expect_same_end(round);
}

static char *undisturbed(struct world *world, uint64_t *operations)
{
    struct sl_err err = {0};
    world_begin(world, 1);
    const bool good = world_open(world, &err) == SL_OK && world_run(world, &err) == SL_OK;
    cr_assert(good ? 1 : 0, "%s", err.text);
    world_close(world);
    *operations = power_vfs_operations();
    return world_end_state(world);
}

Test(io_trouble, every_trouble_over_the_whole_season, .timeout = 200)
{
    struct world world;
    uint64_t operations = 0;
    world_create(&world, SL_SYNC_FULL);
    char *expected = undisturbed(&world, &operations);
    for (size_t i = 0; i < POWER_N_TROUBLES; i++) {
        struct round round = {
            .world = &world, .trouble = &POWER_TROUBLES[i], .operations = operations, .expected = expected, .seed = world_seed()};
        for (uint64_t r = 0; r < ROUNDS; r++, round.seed++)
            one_round(&round, 1 + (r * operations + round.seed % operations) / ROUNDS);
        fprintf(stderr, "%s: seed %llu, %d rounds over %llu disk operations, %zu struck, %zu failed calls, %zu files given up, 0 lost\n",
                round.trouble->label, (unsigned long long)world_seed(), ROUNDS, (unsigned long long)operations, round.struck, round.failed,
                round.poisoned);
        cr_assert(round.struck > ROUNDS / 2 ? 1 : 0, "%s: too few rounds were hit", round.trouble->label);
    }
    free(expected);
    world_destroy(&world);
}
