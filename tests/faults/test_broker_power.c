/* test_broker_power.c - the power fails 200 times at random operations of the disk while clients publish, receive, ack, nack and administer: what the
 * broker has answered is so when the power is back. The same for I/O errors, after which it stops, and full disks, which it refuses on and outlives.
 * The test of the test: with synchronous=NORMAL something answered is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include <sluice/file.h>

#include "broker_clients.h"
#include "power_vfs.h"
#include "support/remove_dir.h"

enum { LOSSES = 200, LOSSES_PER_SEASON = 3, NORMAL_SEASONS = 40, ROUNDS = 150, TROUBLE_SEASONS = 40, ROUNDS_WHILE_FULL = 6 };

struct season {
    char dir[64], path[96];
    bool synchronous_normal;
    struct drive drive;
    struct clients clients;
    uint64_t seed, random;
    int round;
};

struct tally {
    uint64_t operations, steps; /* of an undisturbed season */
    size_t seasons, losses, in_look, opening, answered, acked, nacked, dead, stopped, refused;
};

static uint64_t seed_given(void)
{
    const char *text = getenv("SLUICE_SEED");
    return text && *text ? strtoull(text, NULL, 10) : 20250415;
}

static uint64_t draw(struct season *season, uint64_t below)
{
    season->random = season->random * 6364136223846793005u + 1442695040888963407u;
    return 1 + (season->random >> 33) % below;
}

/* ---- the disk ---- */

static void world_create(struct season *season, bool synchronous_normal)
{
    *season = (struct season){.dir = "/tmp/sluice-broker-power-XXXXXX", .synchronous_normal = synchronous_normal};
    cr_assert(mkdtemp(season->dir) != NULL);
    snprintf(season->path, sizeof season->path, "%s/broker.db", season->dir);
}

static void world_destroy(struct season *season)
{
    power_vfs_end();
    remove_dir(season->dir);
}

static void expect_sound(const struct season *season)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char said[256] = "it can't be read";
    if (sqlite3_open_v2(season->path, &db, SQLITE_OPEN_READWRITE, POWER_VFS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(said, sizeof said, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    cr_assert(!strcmp(said, "ok") || power_vfs_struck(), "seed %llu: integrity_check: %s", (unsigned long long)season->seed, said);
}

/* ---- a season ---- */

static void season_begin(struct season *season, uint64_t seed)
{
    remove_files_in(season->dir);
    power_vfs_begin(seed);
    season->seed = season->random = seed;
    season->round = 0;
    season->drive = (struct drive){.now_ms = 1000000};
    clients_begin(&season->clients, &season->drive, seed);
}

static void season_end(struct season *season, struct tally *tally)
{
    const struct clients *clients = &season->clients;
    tally->answered += clients->answered;
    tally->acked += clients->acked;
    tally->nacked += clients->nacked;
    tally->dead += clients->dead.n;
    clients_end(&season->clients);
}

static bool broken(const struct season *season)
{
    return season->clients.violation[0] != '\0';
}

static void expect_kept(const struct season *season, const char *label)
{
    cr_assert(!broken(season), "%s, seed %llu, round %d, struck at a %s of %s: %s", label, (unsigned long long)season->seed, season->round,
              power_vfs_struck_what(), power_vfs_struck_file(), season->clients.violation);
}

static enum sl_code season_open(struct season *season, struct sl_err *err)
{
    clients_restarted(&season->clients);
    return drive_open(&season->drive, season->path, season->synchronous_normal, err);
}

/* Until a fault strikes, the broker fails, a promise is broken, or the season is over. */
static void season_run(struct season *season, int rounds)
{
    for (int i = 0; i < rounds && season->round < ROUNDS; i++, season->round++) {
        clients_round(&season->clients);
        if (broken(season) || power_vfs_struck() || drive_failed(&season->drive, NULL))
            return;
    }
}

/* Opens, looks, goes on to the end. false: the broker could not be opened, or failed. */
static bool season_go(struct season *season, bool look, struct tally *tally, struct sl_err *err)
{
    if (season_open(season, err) != SL_OK) {
        tally->opening++;
        return false;
    }
    if (look) {
        expect_sound(season);
        if (!clients_look(&season->clients)) {
            tally->in_look++;
            drive_failed(&season->drive, err);
            return false;
        }
    }
    if (!broken(season))
        season_run(season, ROUNDS);
    return !drive_failed(&season->drive, err);
}

/* With nothing in the way: everything answered is there at the end. */
static void last_look(struct season *season, const char *label)
{
    struct sl_err err = {0};
    drive_close(&season->drive);
    cr_assert(season_open(season, &err) == SL_OK, "%s, seed %llu: %s", label, (unsigned long long)season->seed, err.text);
    expect_sound(season);
    cr_assert(clients_look(&season->clients), "%s, seed %llu: the broker failed", label, (unsigned long long)season->seed);
    drive_close(&season->drive);
}

static void undisturbed(struct season *season, struct tally *tally)
{
    struct sl_err err = {0};
    season_begin(season, 1);
    cr_assert(season_go(season, false, tally, &err), "%s", err.text);
    last_look(season, "undisturbed");
    expect_kept(season, "undisturbed");
    tally->operations = power_vfs_operations(); /* answers are among them */
    tally->steps = power_vfs_steps();
    season_end(season, tally);
    cr_assert(tally->dead > 0, "nothing was dead-lettered");
    *tally = (struct tally){.operations = tally->operations, .steps = tally->steps};
}

/* ---- lost power ---- */

static void order_loss(struct season *season, const struct tally *tally, size_t losses)
{
    const bool outside = losses == 0 && season->seed % 4 == 0; /* between a commit and its answer */
    season->clients.lost_answers = outside;
    if (outside)
        power_vfs_order(POWER_LOSS_OUTSIDE, draw(season, tally->steps));
    else if (losses < LOSSES_PER_SEASON)
        power_vfs_order(POWER_LOSS, draw(season, losses % 2 ? 40 : tally->operations));
    else
        power_vfs_order(POWER_GOOD, 0);
}

/* Up to LOSSES_PER_SEASON losses; every second one soon after the one before, so that recoveries and looks are hit too. false: a promise was broken. */
static bool season_of_losses(struct season *season, struct tally *tally, uint64_t seed)
{
    struct sl_err err = {0};
    season_begin(season, seed);
    tally->seasons++;
    for (size_t losses = 0;;) {
        order_loss(season, tally, losses);
        const bool good = season_go(season, losses > 0, tally, &err);
        const bool struck = power_vfs_struck();
        if (!broken(season) && !struck) {
            cr_assert(good, "seed %llu: without a fault: %s", (unsigned long long)seed, err.text);
            power_vfs_order(POWER_GOOD, 0);
            last_look(season, "after the losses");
        }
        drive_close(&season->drive);
        if (broken(season) || !struck)
            return !broken(season);
        tally->losses++;
        losses++;
        power_vfs_restart();
    }
}

Test(broker_power, what_was_answered_survives_losses_of_power, .timeout = 100)
{
    struct season season;
    struct tally tally = {0};
    const uint64_t seed = seed_given();
    world_create(&season, false);
    undisturbed(&season, &tally);
    for (uint64_t i = 0; tally.losses < LOSSES; i++) {
        season_of_losses(&season, &tally, seed + i);
        expect_kept(&season, "power loss");
        season_end(&season, &tally);
    }
    fprintf(stderr,
            "broker, power loss: seed %llu, %zu seasons of %llu operations of the disk, %zu losses (%zu opening, %zu looking), %zu "
            "answers, %zu "
            "acked, "
            "%zu nacked, %zu dead letters, 0 lost\n",
            (unsigned long long)seed, tally.seasons, (unsigned long long)(tally.operations - tally.steps), tally.losses, tally.opening,
            tally.in_look, tally.answered, tally.acked, tally.nacked, tally.dead);
    world_destroy(&season);
}

Test(broker_power, synchronous_normal_loses_what_was_answered, .timeout = 100)
{
    struct season season;
    struct tally tally = {0};
    const uint64_t seed = seed_given();
    size_t n_broken = 0;
    world_create(&season, true);
    undisturbed(&season, &tally);
    for (uint64_t i = 0; i < NORMAL_SEASONS; i++) {
        n_broken += !season_of_losses(&season, &tally, seed + i);
        season_end(&season, &tally);
    }
    fprintf(stderr, "broker, power loss with synchronous=NORMAL: seed %llu, %zu losses of power, promises broken in %zu of %d seasons\n",
            (unsigned long long)seed, tally.losses, n_broken, NORMAL_SEASONS);
    cr_assert(n_broken > 0, "the harness does not notice a store that is not synced");
    world_destroy(&season);
}

/* ---- I/O errors and full disks ---- */

#define expect(season, trouble, holds, what)                                                                                               \
    cr_assert((holds) ? 1 : 0, "%s, seed %llu, round %d, struck at a %s of %s: %s", (trouble)->label, (unsigned long long)(season)->seed,  \
              (season)->round, power_vfs_struck_what(), power_vfs_struck_file(), what)

/* The broker has stopped: it says why, refuses every call, and leaves the file alone, also when it is closed. */
static void expect_stopped(struct season *season, const struct power_trouble *trouble, struct tally *tally)
{
    struct sl_err err = {0};
    const size_t answered = season->clients.answered;
    expect(season, trouble, drive_failed(&season->drive, &err), "the broker goes on after an I/O error");
    expect(season, trouble, err.code == SL_INTERNAL && err.text[0], err.text);
    clients_try_all(&season->clients);
    expect(season, trouble, season->clients.answered == answered, "a broker that has failed says that something is done");
    drive_close(&season->drive);
    expect(season, trouble, power_vfs_operations_after("broker.db") == 0, "the file was touched again");
    tally->stopped++;
}

/* It refuses what needs room for as long as there is none, and goes on. */
static void while_full(struct season *season, const struct power_trouble *trouble, struct tally *tally)
{
    struct sl_err err = {0};
    for (int i = 0; i < ROUNDS_WHILE_FULL; i++) {
        clients_try_all(&season->clients);
        expect(season, trouble, !drive_failed(&season->drive, &err), err.text);
    }
    tally->refused += season->clients.refused > 0;
}

/* Rounds until the fault has struck and its round is over. */
static enum sl_code run_into(struct season *season, struct sl_err *err)
{
    enum sl_code code = season_open(season, err);
    while (code == SL_OK && !power_vfs_struck() && season->round < ROUNDS && !drive_failed(&season->drive, err))
        season_run(season, 1);
    return code;
}

static void go_on(struct season *season, const struct power_trouble *trouble, struct tally *tally)
{
    struct sl_err err = {0};
    if (trouble->reopen || !season->drive.broker) {
        drive_close(&season->drive);
        if (trouble->power_lost)
            power_vfs_restart();
        power_vfs_order(POWER_GOOD, 0);
        expect(season, trouble, season_go(season, true, tally, &err), err.text);
    } else {
        power_vfs_order(POWER_GOOD, 0);
        season_run(season, ROUNDS);
        expect(season, trouble, !drive_failed(&season->drive, &err), err.text);
    }
    last_look(season, trouble->label);
}

static void season_of_trouble(struct season *season, const struct power_trouble *trouble, struct tally *tally, uint64_t seed, uint64_t at)
{
    struct sl_err err = {0};
    season_begin(season, seed);
    season->clients.full = trouble->fault == POWER_FULL;
    power_vfs_order(trouble->fault, at);
    const enum sl_code code = run_into(season, &err);
    const bool struck = power_vfs_struck();
    tally->losses += struck;
    if (code != SL_OK)
        expect(season, trouble, struck && err.text[0] && (trouble->fault != POWER_FULL || code == SL_UNAVAILABLE), err.text);
    else if (struck && !strcmp(power_vfs_struck_what(), "answer"))
        tally->losses--; /* nothing has happened to the disk */
    else if (struck && trouble->fault == POWER_FULL)
        while_full(season, trouble, tally);
    else if (struck)
        expect_stopped(season, trouble, tally);
    expect_kept(season, trouble->label);
    go_on(season, trouble, tally);
    expect_kept(season, trouble->label);
    season_end(season, tally);
}

Test(broker_power, io_errors_stop_the_broker_and_full_disks_do_not, .timeout = 100)
{
    struct season season;
    struct tally undisturbed_tally = {0};
    const uint64_t seed = seed_given();
    world_create(&season, false);
    undisturbed(&season, &undisturbed_tally);
    for (size_t i = 0; i < POWER_N_TROUBLES; i++) {
        struct tally tally = {0};
        for (uint64_t r = 0; r < TROUBLE_SEASONS; r++)
            season_of_trouble(&season, &POWER_TROUBLES[i], &tally, seed + r,
                              1 + (r * undisturbed_tally.operations + seed % undisturbed_tally.operations) / TROUBLE_SEASONS);
        fprintf(stderr, "broker, %s: seed %llu, %d seasons, %zu struck, stopped in %zu, refused in %zu, %zu answers, 0 lost\n",
                POWER_TROUBLES[i].label, (unsigned long long)seed, TROUBLE_SEASONS, tally.losses, tally.stopped, tally.refused,
                tally.answered);
        cr_assert(tally.losses > TROUBLE_SEASONS / 2, "%s: too few seasons were hit", POWER_TROUBLES[i].label);
        cr_assert((POWER_TROUBLES[i].fault == POWER_FULL ? tally.refused : tally.stopped) > TROUBLE_SEASONS / 4, "%s: too few were felt",
                  POWER_TROUBLES[i].label);
    }
    world_destroy(&season);
}
