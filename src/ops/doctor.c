/* doctor.c - what is wrong on this machine: variables, credentials, the clock, the disk; and how long a batch takes here. */
#include <sluice/doctor.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <jansson.h>
#include <sluice/broker.h>
#include <sluice/clock.h>
#include <sluice/file.h>

#define GIB             (INT64_C(1) << 30)
#define DISK_CRITICAL   (INT64_C(200) * 1000 * 1000) /* a ledger's log and a day of messages */
#define CLOCK_ERROR_US  INT64_C(1000000)
#define CLOCK_AHEAD_US  INT64_C(2000000)
#define CREDENTIALS_MAX 65536
#define RECENT_GATES    20

const char *sl_health_name(enum sl_health health)
{
    switch (health) {
    case SL_HEALTH_CRITICAL: return "critical";
    case SL_HEALTH_WARNING: return "warning";
    case SL_HEALTH_UNKNOWN: return "unknown";
    case SL_HEALTH_OK: return "ok";
    }
    return "";
}

void sl_doctor_add(struct sl_doctor *doctor, enum sl_health health, const char *check, const char *subject, const char *help,
                   const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    doctor->results = sl_arena_push(doctor->arena, doctor->results, &doctor->n, sizeof *doctor->results);
    doctor->results[doctor->n - 1] = (struct sl_diagnosis){.health = health,
                                                           .check = check,
                                                           .subject = sl_arena_strdup(doctor->arena, subject),
                                                           .text = sl_arena_strdup(doctor->arena, text),
                                                           .help = sl_arena_strdup(doctor->arena, help)};
}

size_t sl_doctor_sort(struct sl_doctor *doctor)
{
    struct sl_diagnosis *sorted = sl_arena_array(doctor->arena, doctor->n + 1, sizeof *sorted);
    size_t n = 0, n_findings = 0;
    for (int health = SL_HEALTH_CRITICAL; health <= SL_HEALTH_OK; health++)
        for (size_t i = 0; i < doctor->n; i++)
            if (doctor->results[i].health == (enum sl_health)health) {
                sorted[n++] = doctor->results[i];
                n_findings += health <= SL_HEALTH_WARNING;
            }
    doctor->results = sorted;
    return n_findings;
}

/* ---- the environment ---- */

static const char *get(const char *(*getenv_fn)(const char *), const char *name)
{
    const char *value = getenv_fn(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool is_production(const struct sl_config *config)
{
    return strncmp(config->environment, "prod", 4) == 0;
}

static void check_pubsub_emulator(struct sl_doctor *d, const char *host)
{
    static const char NAME[] = "PUBSUB_EMULATOR_HOST";
    switch (d->config->bus.type) {
    case SL_BUS_PUBSUB:
        if (host != NULL)
            sl_doctor_add(d, SL_HEALTH_CRITICAL, "emulator", NAME, "unset PUBSUB_EMULATOR_HOST",
                          "it is set to %.100s, but bus.type is pubsub: Sluice refuses to start, other clients talk to the emulator", host);
        break;
    case SL_BUS_EMULATOR:
        if (host == NULL)
            sl_doctor_add(d, SL_HEALTH_CRITICAL, "emulator", NAME, "set it to host:port", "bus.type is emulator, and it is not set");
        else if (is_production(d->config))
            sl_doctor_add(d, SL_HEALTH_CRITICAL, "emulator", NAME, "bus.type pubsub",
                          "environment is %s, and the bus is an emulator at %.100s: what it holds is gone when it ends",
                          d->config->environment, host);
        break;
    case SL_BUS_EMBEDDED:
        if (host != NULL)
            sl_doctor_add(d, SL_HEALTH_WARNING, "emulator", NAME, "unset PUBSUB_EMULATOR_HOST",
                          "it is set to %.100s: Sluice ignores it, as bus.type is embedded, but processors that publish from here go there",
                          host);
        break;
    }
}

static void check_listen(struct sl_doctor *d)
{
    const char *listen = d->config->bus.listen;
    if (d->config->bus.type == SL_BUS_EMBEDDED && listen != NULL && !sl_broker_is_local(listen))
        sl_doctor_add(d, SL_HEALTH_WARNING, "listen", "bus.listen", "127.0.0.1:PORT or unix:PATH, or a firewall",
                      "the broker listens on %.100s and asks nobody who they are: whoever reaches it may read, ack and publish", listen);
}

static void check_other_emulators(struct sl_doctor *d, const char *(*getenv_fn)(const char *))
{
    static const char *const NAMES[] = {"BIGQUERY_EMULATOR_HOST", "BIGQUERY_EMULATOR_REST_HOST", "STORAGE_EMULATOR_HOST"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (get(getenv_fn, NAMES[i]) != NULL && (is_production(d->config) || d->config->warehouse.type == SL_WAREHOUSE_BIGQUERY))
            sl_doctor_add(d, is_production(d->config) ? SL_HEALTH_CRITICAL : SL_HEALTH_WARNING, "emulator", NAMES[i], "unset it",
                          "it is set to %.100s in environment %s", get(getenv_fn, NAMES[i]), d->config->environment);
}

static bool uses_google(const struct sl_config *config)
{
    return config->bus.type == SL_BUS_PUBSUB || config->warehouse.type == SL_WAREHOUSE_BIGQUERY;
}

static void check_credentials(struct sl_doctor *d, const char *path)
{
    static const char NAME[] = "GOOGLE_APPLICATION_CREDENTIALS";
    struct sl_buf text = {0};
    struct sl_err err = {0};
    if (!uses_google(d->config) || path == NULL)
        return;
    const enum sl_code code = sl_file_read(&text, path, CREDENTIALS_MAX, &err);
    json_t *json = code == SL_OK ? json_loadb(sl_buf_text(&text), text.len, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(json, "type"));
    if (code != SL_OK)
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "credentials", NAME, "name a readable key file", "%s", err.text);
    else if (type == NULL)
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "credentials", NAME, "name a key file",
                      "%.200s is no credentials file: it is not JSON with a type", path);
    else
        sl_doctor_add(d, SL_HEALTH_OK, "credentials", NAME, NULL, "%.200s holds credentials of type %.40s", path, type);
    json_decref(json);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    sl_buf_fini(&text);
}

void sl_doctor_environment(struct sl_doctor *d, const char *(*getenv_fn)(const char *))
{
    const size_t before = d->n;
    check_pubsub_emulator(d, get(getenv_fn, "PUBSUB_EMULATOR_HOST"));
    check_other_emulators(d, getenv_fn);
    if (d->n == before)
        sl_doctor_add(d, SL_HEALTH_OK, "emulator", "environment", NULL, "no emulator variable is in the way");
    check_listen(d);
    check_credentials(d, get(getenv_fn, "GOOGLE_APPLICATION_CREDENTIALS"));
}

/* ---- disk ---- */

void sl_doctor_disk(struct sl_doctor *d, const char *subject, int64_t free_bytes, int64_t total_bytes)
{
    const double share = total_bytes > 0 ? 100.0 * (double)free_bytes / (double)total_bytes : 0;
    const char *help = "make room: when it is full, Sluice stops reading and keeps what it has";
    if (free_bytes < DISK_CRITICAL)
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "disk", subject, help, "%lld MB are free", (long long)(free_bytes / 1000000));
    else if (free_bytes < GIB || (share < 5 && free_bytes < 10 * GIB))
        sl_doctor_add(d, SL_HEALTH_WARNING, "disk", subject, help, "%lld MB are free, %.1f %%", (long long)(free_bytes / 1000000), share);
    else
        sl_doctor_add(d, SL_HEALTH_OK, "disk", subject, NULL, "%lld MB are free", (long long)(free_bytes / 1000000));
}

/* The directory, or the nearest above it that is there. */
static void look_at_disk(struct sl_doctor *d, const char *subject, const char *path)
{
    struct statvfs at;
    char *dir = sl_strdup(path);
    while (statvfs(dir, &at) != 0 && strcmp(dir, "/") != 0 && strcmp(dir, ".") != 0) {
        char *up = sl_path_dirname(dir);
        free(dir);
        dir = up;
    }
    if (statvfs(dir, &at) != 0)
        sl_doctor_add(d, SL_HEALTH_UNKNOWN, "disk", subject, NULL, "the room at %s can't be asked for", path);
    else
        sl_doctor_disk(d, sl_arena_printf(d->arena, "%s (%s)", subject, path), (int64_t)(at.f_bavail * at.f_frsize),
                       (int64_t)(at.f_blocks * at.f_frsize));
    free(dir);
}

/* What one durable write takes beside the ledger: most of a commit. */
static void time_fsync(struct sl_doctor *d, const char *ledger_path)
{
    static const char BLOCK[4096] = {0};
    char *dir = sl_path_dirname(ledger_path), *path = sl_path_join(dir, "doctor.XXXXXX");
    const bool is_there = access(dir, F_OK) == 0;
    const int fd = is_there ? mkstemp(path) : -1;
    const int64_t start_ms = sl_monotonic_ms();
    if (fd >= 0 && write(fd, BLOCK, sizeof BLOCK) == (ssize_t)sizeof BLOCK && fsync(fd) == 0) {
        d->batch_ms = sl_monotonic_ms() - start_ms;
        sl_doctor_add(d, d->batch_ms > 1000 ? SL_HEALTH_WARNING : SL_HEALTH_OK, "fsync", dir,
                      d->batch_ms > 1000 ? "a faster disk: every batch waits for it" : NULL, "a durable write takes %lld ms",
                      (long long)d->batch_ms);
    } else if (is_there) {
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "fsync", dir, NULL, "nothing can be written durably there");
    }
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    free(dir);
}

/* ---- the clock ---- */

void sl_doctor_clock(struct sl_doctor *d, const struct sl_clock_facts *facts)
{
    const char *help = "let chrony, ntpd or systemd-timesyncd set it";
    if (!facts->has_kernel)
        sl_doctor_add(d, SL_HEALTH_UNKNOWN, "clock", "kernel", NULL, "the kernel doesn't say whether the clock is synchronised");
    else if (!facts->synchronised)
        sl_doctor_add(d, SL_HEALTH_UNKNOWN, "clock", "kernel", help,
                      "the kernel knows of nothing that synchronises the clock; a hypervisor may");
    else if (facts->error_us > CLOCK_ERROR_US)
        sl_doctor_add(d, SL_HEALTH_WARNING, "clock", "kernel", help, "the clock may be wrong by %lld ms",
                      (long long)(facts->error_us / 1000));
    else
        sl_doctor_add(d, SL_HEALTH_OK, "clock", "kernel", NULL, "the clock is synchronised to %lld ms",
                      (long long)(facts->error_us / 1000));
    if (facts->last_commit_us > facts->now_us + CLOCK_AHEAD_US)
        sl_doctor_add(d, SL_HEALTH_CRITICAL, "clock", "ledger", help,
                      "the ledger's last commit is %lld s in the future: the clock was set back",
                      (long long)((facts->last_commit_us - facts->now_us) / 1000000));
    if (facts->n_messages == 0)
        sl_doctor_add(d, SL_HEALTH_UNKNOWN, "clock", "bus", NULL, "no message has come yet to compare the bus's clock by");
    else if (facts->ahead_us > CLOCK_AHEAD_US)
        sl_doctor_add(d, SL_HEALTH_WARNING, "clock", "bus", help,
                      "of %zu messages some were published %lld ms after they came: one of the clocks is off by that", facts->n_messages,
                      (long long)(facts->ahead_us / 1000));
    else
        sl_doctor_add(d, SL_HEALTH_OK, "clock", "bus", NULL, "the publish times of %zu messages agree with the clock here",
                      facts->n_messages);
}

/* The newest gates' runs: none can have been published after it was received. */
static void compare_clocks(struct sl_clock_facts *facts, const struct sl_ops *ops)
{
    const struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE};
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(ops->ledger, &filter, &gates, &n, &arena, &err);
    for (size_t i = n > RECENT_GATES ? n - RECENT_GATES : 0; code == SL_OK && i < n; i++) {
        struct sl_run *runs = NULL;
        size_t n_runs = 0;
        code = sl_ledger_runs_of(ops->ledger, gates[i].phase, gates[i].date, &runs, &n_runs, &arena, &err);
        for (size_t k = 0; code == SL_OK && k < n_runs; k++) {
            if (runs[k].publish_us <= 0)
                continue;
            facts->n_messages++;
            if (runs[k].publish_us - runs[k].received_us > facts->ahead_us)
                facts->ahead_us = runs[k].publish_us - runs[k].received_us;
        }
    }
    sl_arena_fini(&arena);
}

static void look_at_clock(struct sl_doctor *d, const struct sl_ops *ops)
{
    struct timex timex = {0};
    struct sl_ledger_counts counts = {0};
    struct sl_err err = {0};
    const int state = adjtimex(&timex);
    struct sl_clock_facts facts = {.has_kernel = state >= 0,
                                   .synchronised = state != TIME_ERROR && !(timex.status & STA_UNSYNC),
                                   .error_us = timex.maxerror,
                                   .now_us = ops->now_us};
    if (ops->ledger != NULL && sl_ledger_counts(ops->ledger, ops->now_us, &counts, &err) == SL_OK) {
        facts.last_commit_us = counts.last_commit_us;
        compare_clocks(&facts, ops);
    }
    sl_doctor_clock(d, &facts);
}

void sl_doctor_look_here(struct sl_doctor *d, const struct sl_ops *ops)
{
    const struct sl_config *config = d->config;
    d->batch_ms = -1;
    look_at_clock(d, ops);
    if (config->ledger.type == SL_LEDGER_SQLITE) {
        look_at_disk(d, "ledger", config->ledger.path);
        time_fsync(d, config->ledger.path);
    }
    if (config->warehouse.type == SL_WAREHOUSE_SQLITE)
        look_at_disk(d, "warehouse", config->warehouse.path);
    if (config->bus.type == SL_BUS_EMBEDDED)
        look_at_disk(d, "broker", config->bus.path);
}
