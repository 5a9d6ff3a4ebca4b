/* fault_world.c - see fault_world.h. */
#include "fault_internal.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>

#include "power_vfs.h"

#define BATCH_US 20000000LL
#define LATER_US 600000000LL /* longer than any claim, any retry and coverage.load.every */

/* ---- the bus: outside of the machine, so it loses nothing ---- */

static enum sl_code bus_receive(struct sl_bus *bus, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                struct sl_err *err)
{
    (void)bus, (void)max_n, (void)max_bytes, (void)timeout_ms, (void)out;
    return sl_fail(err, SL_INTERNAL, "batches are made by hand");
}

static enum sl_code bus_ack(struct sl_bus *bus, const struct sl_bus_batch *batch, struct sl_err *err)
{
    (void)bus;
    if (!power_vfs_step("ack"))
        return sl_fail(err, SL_UNAVAILABLE, "the connection is lost");
    for (size_t i = 0; i < batch->n; i++)
        *(bool *)batch->messages[i].receipt = true;
    return SL_OK;
}

/* "topic data", once per different text: published at least once. */
static enum sl_code bus_publish(struct sl_bus *bus, const char *topic, const char *data, size_t len, const char *attributes,
                                struct sl_err *err)
{
    struct fault_bus *self = (struct fault_bus *)bus;
    const char *text = sl_arena_printf(&self->arena, "%s %.*s", topic, (int)len, data);
    (void)attributes;
    if (!power_vfs_step("publish"))
        return sl_fail(err, SL_UNAVAILABLE, "the connection is lost");
    for (size_t i = 0; i < self->n_published; i++)
        if (!strcmp(self->published[i], text))
            return SL_OK;
    self->published = sl_arena_push(&self->arena, self->published, &self->n_published, sizeof *self->published);
    self->published[self->n_published - 1] = text;
    return SL_OK;
}

static int64_t bus_silent_ms(struct sl_bus *bus, const struct sl_phase *phase, int64_t now_us)
{
    (void)bus, (void)phase, (void)now_us;
    return -1;
}

static void bus_destroy(struct sl_bus *bus)
{
    struct fault_bus *self = (struct fault_bus *)bus;
    sl_arena_fini(&self->arena);
    free(self->acked);
    free(self);
}

static const struct sl_bus_ops BUS_OPS = {
    .name = "fault",
    .destroy = bus_destroy,
    .receive = bus_receive,
    .ack = bus_ack,
    .publish = bus_publish,
    .silent_ms = bus_silent_ms,
};

/* ---- files ---- */

static void remove_files(const char *dir)
{
    DIR *open_dir = opendir(dir);
    struct dirent *entry;
    while (open_dir && (entry = readdir(open_dir))) {
        char *path = sl_path_join(dir, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(path) != 0) {
            remove_files(path);
            rmdir(path);
        }
        free(path);
    }
    if (open_dir)
        closedir(open_dir);
}

static void copy_file(const char *from, const char *to)
{
    struct sl_buf bytes = {0};
    assert(sl_file_read(&bytes, from, 1u << 30, NULL) == SL_OK);
    FILE *file = fopen(to, "we");
    assert(file && fwrite(bytes.data, 1, bytes.len, file) == bytes.len);
    fclose(file);
    sl_buf_fini(&bytes);
}

static void restore_template(struct world *world)
{
    static const char *const FILES[] = {"plan.db", "raw.db", "book.db"};
    char from[4096], to[4096];
    remove_files(world->dir);
    snprintf(to, sizeof to, "%s/warehouse", world->dir);
    assert(sl_dir_make(to, NULL) == SL_OK);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(from, sizeof from, "%s/warehouse/%s", world->template_dir, FILES[i]);
        snprintf(to, sizeof to, "%s/warehouse/%s", world->dir, FILES[i]);
        copy_file(from, to);
    }
}

/* ---- the world ---- */

void world_create(struct world *world, enum sl_sqlite_sync synchronous)
{
    char base[] = "/tmp/sluice-power-XXXXXX";
    struct sl_err err = {0};
    *world = (struct world){.synchronous = synchronous};
    if (!mkdtemp(base))
        abort();
    world->dir = sl_path_join(base, "work");
    world->template_dir = sl_path_join(base, "template");
    if (sl_config_parse(&world->config, FAULT_CONFIG, strlen(FAULT_CONFIG), "mill.yaml", world->dir, NULL, 0, NULL, NULL, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    fault_season_messages(world);
    fault_season_tables(world);
}

void world_destroy(struct world *world)
{
    char *base = sl_path_dirname(world->dir);
    world_close(world);
    sl_bus_destroy(&world->bus);
    power_vfs_end();
    sl_config_destroy(&world->config);
    sl_arena_fini(&world->arena);
    remove_files(base);
    rmdir(base);
    free(base);
    free(world->dir);
    free(world->template_dir);
}

void world_begin(struct world *world, uint64_t seed)
{
    sl_bus_destroy(&world->bus);
    struct fault_bus *bus = sl_calloc(1, sizeof *bus);
    bus->base.ops = &BUS_OPS;
    bus->acked = sl_calloc(world->n_messages, sizeof *bus->acked);
    world->bus = &bus->base;
    for (size_t i = 0; i < world->n_messages; i++)
        world->messages[i].receipt = &bus->acked[i];
    restore_template(world);
    power_vfs_begin(seed);
    world->at = world->restarted_at = 0;
    world->now_us = FAULT_BEGIN_US;
}

/* The first batch that is not acked, and the one before it once more: acks get lost too. */
static size_t first_to_deliver(const struct world *world)
{
    size_t batch = 0;
    while (batch < world->n_batches && fault_bus_of(world)->acked[batch * FAULT_BATCH])
        batch++;
    return batch > 0 ? batch - 1 : 0;
}

enum sl_code world_open(struct world *world, struct sl_err *err)
{
    const struct sl_ledger_sqlite_options ledger = {
        .vfs = POWER_VFS, .synchronous = world->synchronous, .busy_timeout_ms = 50, .wal_limit_pages = 120};
    const struct sl_warehouse_sqlite_options warehouse = {.vfs = POWER_VFS, .busy_timeout_ms = 50, .checkpoint_pages = 20};
    world->step = WORLD_OPEN;
    enum sl_code code = sl_ledger_sqlite_open(&world->ledger, world->config->ledger.path, SL_LEDGER_WRITE, &ledger, err);
    if (code == SL_OK)
        code = sl_ledger_sqlite_open(&world->checkpointer, world->config->ledger.path, SL_LEDGER_WRITE, &ledger, err);
    if (code == SL_OK)
        code = sl_warehouse_sqlite_open(&world->warehouse, world->config->warehouse.path, &warehouse, err);
    if (code != SL_OK)
        return code;
    sl_worker_create(&world->worker, world->config, world->ledger, world->warehouse, world->bus, NULL);
    world->at = first_to_deliver(world);
    return sl_worker_start(world->worker, world->now_us, err);
}

void world_close(struct world *world)
{
    sl_worker_destroy(&world->worker);
    sl_warehouse_destroy(&world->warehouse);
    sl_ledger_destroy(&world->checkpointer);
    sl_ledger_destroy(&world->ledger);
}

static enum sl_code batch(struct world *world, struct sl_err *err)
{
    const size_t first = world->at * FAULT_BATCH;
    struct sl_bus_batch batch = {.messages = &world->messages[first]};
    batch.n = world->n_messages - first < FAULT_BATCH ? world->n_messages - first : FAULT_BATCH;
    world->step = WORLD_BATCH;
    enum sl_code code = sl_worker_batch(world->worker, &batch, world->now_us, err);
    sl_arena_fini(&batch.arena);
    if (code == SL_OK)
        world->at++;
    return code;
}

static enum sl_code ticks(struct world *world, struct sl_err *err)
{
    bool more = true;
    enum sl_code code = SL_OK;
    world->step = WORLD_TICK;
    while (code == SL_OK && more)
        code = sl_worker_tick(world->worker, world->now_us, &more, err);
    return code;
}

static enum sl_code drain(struct world *world, size_t *left, struct sl_err *err)
{
    world->step = WORLD_DRAIN;
    return sl_worker_drain(world->worker, world->now_us, left, err);
}

static enum sl_code load(struct world *world, struct sl_err *err)
{
    world->step = WORLD_LOAD;
    return sl_worker_load(world->worker, world->now_us, false, err);
}

static enum sl_code checkpoint(struct world *world, struct sl_err *err)
{
    world->step = WORLD_CHECKPOINT;
    return sl_ledger_checkpoint(world->checkpointer, err);
}

static enum sl_code restart(struct world *world, size_t done, struct sl_err *err)
{
    world->step = WORLD_CLOSE;
    world->restarted_at = done; /* the batch before comes again after it */
    world_close(world);
    return power_vfs_struck() ? sl_fail(err, SL_UNAVAILABLE, "while closing") : world_open(world, err);
}

/* What the worker's threads do between batches, here in a fixed order. */
static enum sl_code between(struct world *world, size_t done, struct sl_err *err)
{
    size_t left;
    enum sl_code code = load(world, err);
    if (code == SL_OK && done % 3 == 1)
        code = drain(world, &left, err);
    if (code == SL_OK && done % 4 == 2)
        code = ticks(world, err);
    if (code == SL_OK && done % 5 == 3)
        code = checkpoint(world, err);
    if (code == SL_OK && done % 11 == 10 && done > world->restarted_at)
        code = restart(world, done, err);
    return code;
}

/* Everything is acked: what is due, what is to be published, what is to be loaded. Nothing is flushed: a worker that runs must come to it by itself. */
static enum sl_code wind_up(struct world *world, struct sl_err *err)
{
    size_t left = 1;
    enum sl_code code = SL_OK;
    for (int i = 0; code == SL_OK && (i < 2 || left); i++) {
        world->now_us += LATER_US;
        code = ticks(world, err);
        if (code == SL_OK)
            code = drain(world, &left, err);
        if (code == SL_OK)
            code = load(world, err);
        assert(i < 20);
    }
    return code;
}

enum sl_code world_run(struct world *world, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    while (code == SL_OK && world->at < world->n_batches) {
        world->now_us += BATCH_US;
        code = batch(world, err);
        if (code == SL_OK)
            code = between(world, world->at, err);
    }
    return code == SL_OK ? wind_up(world, err) : code;
}
