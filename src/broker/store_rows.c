/* store_rows.c - the rows of the broker's file: loading, writing, reading. */
#include "store_sqlite_internal.h"

static int64_t key(int64_t topic, int64_t n)
{
    return topic << SL_STORE_N_BITS | n;
}

static int64_t number_of(int64_t id)
{
    return id & SL_STORE_N_MAX;
}

static void bind_blob(sqlite3_stmt *stmt, int i, const void *bytes, size_t len)
{
    sqlite3_bind_blob64(stmt, i, bytes ? bytes : "", len, SQLITE_STATIC);
}

static void bind_ints(sqlite3_stmt *stmt, int64_t a, int64_t b, int64_t c)
{
    sqlite3_bind_int64(stmt, 1, a);
    sqlite3_bind_int64(stmt, 2, b);
    if (sqlite3_bind_parameter_count(stmt) > 2)
        sqlite3_bind_int64(stmt, 3, c);
}

/* Every write needs the transaction that its caller will commit. */
static enum sl_code use_to_write(struct sl_store *store, enum sl_store_statement id, sqlite3_stmt **out, struct sl_err *err)
{
    enum sl_code code = sl_store_begin(store, err);
    return code ? code : sl_store_use(store, id, out, err);
}

static enum sl_code write_ints(struct sl_store *store, enum sl_store_statement id, int64_t a, int64_t b, int64_t c, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, id, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, a, b, c);
    return sl_store_run(store, stmt, err);
}

static enum sl_code write_id(struct sl_store *store, enum sl_store_statement statement, int64_t id, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, statement, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, id);
    return sl_store_run(store, stmt, err);
}

/* ---- loading ---- */

struct load {
    const struct sl_store_loader *loader;
    void *arg;
    struct sl_err *err;
};

static int64_t number(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt, column);
}

static const char *text(sqlite3_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt, column);
}

static struct sl_span bytes(sqlite3_stmt *stmt, int column)
{
    const char *start = sqlite3_column_blob(stmt, column);
    return (struct sl_span){start, (size_t)sqlite3_column_bytes(stmt, column)};
}

static enum sl_code load_topic(const struct load *load, sqlite3_stmt *stmt)
{
    const struct sl_topic_row row = {
        .id = number(stmt, 0), .name = text(stmt, 1), .last = number(stmt, 2), .trimmed = number(stmt, 3), .config = bytes(stmt, 4)};
    return load->loader->topic(load->arg, &row, load->err);
}

static enum sl_code load_subscription(const struct load *load, sqlite3_stmt *stmt)
{
    const struct sl_subscription_row row = {.id = number(stmt, 0),
                                            .name = text(stmt, 1),
                                            .topic = number(stmt, 2),
                                            .floor = number(stmt, 3),
                                            .config = bytes(stmt, 4),
                                            .epoch = (uint64_t)number(stmt, 5),
                                            .born = number(stmt, 6)};
    return load->loader->subscription(load->arg, &row, load->err);
}

static enum sl_code load_acked(const struct load *load, sqlite3_stmt *stmt)
{
    return load->loader->acked(load->arg, number(stmt, 0), number(stmt, 1), number(stmt, 2), load->err);
}

static enum sl_code load_attempts(const struct load *load, sqlite3_stmt *stmt)
{
    const struct sl_attempts_row row = {
        .subscription = number(stmt, 0), .n = number(stmt, 1), .attempts = (int)number(stmt, 2), .due_us = number(stmt, 3)};
    return load->loader->attempts(load->arg, &row, load->err);
}

static enum sl_code load_lease(const struct load *load, sqlite3_stmt *stmt)
{
    const struct sl_lease_row row = {
        .subscription = number(stmt, 0), .n = number(stmt, 1), .serial = (uint64_t)number(stmt, 2), .key = (uint64_t)number(stmt, 3)};
    return load->loader->lease(load->arg, &row, load->err);
}

static enum sl_code load_snapshot(const struct load *load, sqlite3_stmt *stmt)
{
    const struct sl_snapshot_row row = {
        .id = number(stmt, 0), .name = text(stmt, 1), .topic = number(stmt, 2), .floor = number(stmt, 3), .config = bytes(stmt, 4)};
    return load->loader->snapshot(load->arg, &row, load->err);
}

static enum sl_code load_snapshot_acked(const struct load *load, sqlite3_stmt *stmt)
{
    return load->loader->snapshot_acked(load->arg, number(stmt, 0), number(stmt, 1), number(stmt, 2), load->err);
}

static const struct {
    const char *sql;
    enum sl_code (*row)(const struct load *load, sqlite3_stmt *stmt);
} LOADS[] = {
    {"SELECT id, name, last, trimmed, config FROM topics ORDER BY id", load_topic},
    {"SELECT id, name, topic, floor, config, epoch, born FROM subscriptions ORDER BY id", load_subscription},
    {"SELECT subscription, first, last FROM acked ORDER BY subscription, first", load_acked},
    {"SELECT subscription, n, attempts, due_us FROM attempts ORDER BY subscription, n", load_attempts},
    {"SELECT subscription, n, serial, order_key FROM leases ORDER BY subscription, n", load_lease},
    {"SELECT id, name, topic, floor, config FROM snapshots ORDER BY id", load_snapshot},
    {"SELECT snapshot, first, last FROM snapshot_acked ORDER BY snapshot, first", load_snapshot_acked},
};

enum sl_code sl_store_load(struct sl_store *store, const struct sl_store_loader *loader, void *arg, struct sl_err *err)
{
    struct load load = {loader, arg, err};
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < sizeof(LOADS) / sizeof(LOADS[0]) && code == SL_OK; i++) {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(store->db, LOADS[i].sql, -1, &stmt, NULL);
        while (rc == SQLITE_OK && code == SL_OK && (code = sl_store_step(store, stmt, err)) == SL_OK)
            code = LOADS[i].row(&load, stmt);
        if (rc != SQLITE_OK)
            code = sl_store_failed(store, store->db, rc, err);
        sqlite3_finalize(stmt);
        code = code == SL_NOT_FOUND ? SL_OK : code;
    }
    return code;
}

/* ---- writing ---- */

enum sl_code sl_store_add_topic(struct sl_store *store, const struct sl_topic_row *row, int64_t *id, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_ADD_TOPIC, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_text(stmt, 1, row->name, -1, SQLITE_STATIC);
    bind_blob(stmt, 2, row->config.ptr, row->config.len);
    code = sl_store_run(store, stmt, err);
    *id = sqlite3_last_insert_rowid(store->db);
    return code;
}

enum sl_code sl_store_put_topic(struct sl_store *store, const struct sl_topic_row *row, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_PUT_TOPIC, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, row->id);
    sqlite3_bind_text(stmt, 2, row->name, -1, SQLITE_STATIC);
    bind_blob(stmt, 3, row->config.ptr, row->config.len);
    sqlite3_bind_int64(stmt, 4, row->last);
    sqlite3_bind_int64(stmt, 5, row->trimmed);
    return sl_store_run(store, stmt, err);
}

enum sl_code sl_store_set_topic_last(struct sl_store *store, int64_t id, int64_t last, struct sl_err *err)
{
    return write_ints(store, SL_ST_SET_TOPIC_LAST, id, last, 0, err);
}

enum sl_code sl_store_delete_topic(struct sl_store *store, int64_t id, struct sl_err *err)
{
    return write_id(store, SL_ST_DELETE_TOPIC, id, err);
}

enum sl_code sl_store_add_subscription(struct sl_store *store, const struct sl_subscription_row *row, int64_t *id, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_ADD_SUBSCRIPTION, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, row->topic);
    sqlite3_bind_text(stmt, 2, row->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, row->floor);
    bind_blob(stmt, 4, row->config.ptr, row->config.len);
    sqlite3_bind_int64(stmt, 5, row->born);
    code = sl_store_run(store, stmt, err);
    *id = sqlite3_last_insert_rowid(store->db);
    return code;
}

static enum sl_code set_config(struct sl_store *store, enum sl_store_statement statement, int64_t id, const void *config, size_t len,
                               struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, statement, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, id);
    bind_blob(stmt, 2, config, len);
    return sl_store_run(store, stmt, err);
}

enum sl_code sl_store_set_subscription_config(struct sl_store *store, int64_t id, const void *config, size_t len, struct sl_err *err)
{
    return set_config(store, SL_ST_SET_CONFIG, id, config, len, err);
}

enum sl_code sl_store_delete_subscription(struct sl_store *store, int64_t id, struct sl_err *err)
{
    enum sl_code code = write_id(store, SL_ST_DELETE_SUBSCRIPTION, id, err);
    if (code == SL_OK)
        code = write_id(store, SL_ST_DELETE_ACKED_OF, id, err);
    if (code == SL_OK)
        code = write_id(store, SL_ST_DELETE_LEASES_OF, id, err);
    return code ? code : write_id(store, SL_ST_DELETE_ATTEMPTS_OF, id, err);
}

enum sl_code sl_store_add_message(struct sl_store *store, int64_t topic, int64_t n, int64_t publish_us, const void *body, size_t len,
                                  struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_ADD_MESSAGE, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, key(topic, n));
    sqlite3_bind_int64(stmt, 2, publish_us);
    bind_blob(stmt, 3, body, len);
    return sl_store_run(store, stmt, err);
}

static enum sl_code put_acked(struct sl_store *store, int64_t subscription, const struct sl_ranges *acked, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    if (acked->floor_dirty)
        code = write_ints(store, SL_ST_SET_FLOOR, subscription, acked->floor, 0, err);
    if (!acked->dirty)
        return code;
    for (size_t i = 0; i < acked->n_gone && code == SL_OK; i++)
        code = write_ints(store, SL_ST_DELETE_ACKED, subscription, acked->gone[i], 0, err);
    for (size_t i = 0; i < acked->n && code == SL_OK; i++) {
        const struct sl_range *range = &acked->items[acked->head + i];
        if (range->dirty)
            code = write_ints(store, SL_ST_PUT_ACKED, subscription, range->first, range->last, err);
    }
    return code;
}

static enum sl_code put_attempts(struct sl_store *store, int64_t subscription, const struct sl_delivery *delivery, int64_t n,
                                 struct sl_now now, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    int attempts = sl_delivery_attempts(delivery, n);
    int64_t wait_ms = sl_delivery_waits_ms(delivery, n, now.ms);
    if (attempts == 0)
        return write_ints(store, SL_ST_DELETE_ATTEMPTS, subscription, n, 0, err);
    enum sl_code code = use_to_write(store, SL_ST_PUT_ATTEMPTS, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, subscription, n, attempts);
    sqlite3_bind_int64(stmt, 4, wait_ms ? now.us + wait_ms * 1000 : 0);
    return sl_store_run(store, stmt, err);
}

enum sl_code sl_store_put_delivery(struct sl_store *store, int64_t subscription, const struct sl_delivery *delivery, struct sl_now now,
                                   struct sl_err *err)
{
    enum sl_code code = put_acked(store, subscription, &delivery->acked, err);
    for (size_t i = 0; i < delivery->n_changed && code == SL_OK; i++) {
        int64_t n = delivery->changed[i];
        code = put_attempts(store, subscription, delivery, n, now, err);
        if (code == SL_OK && delivery->stores_leases && !sl_delivery_has_stored_lease(delivery, n))
            code = write_ints(store, SL_ST_DELETE_LEASE, subscription, n, 0, err);
    }
    return code;
}

enum sl_code sl_store_put_lease(struct sl_store *store, const struct sl_lease_row *row, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_PUT_LEASE, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, row->subscription, row->n, (int64_t)row->serial);
    sqlite3_bind_int64(stmt, 4, (int64_t)row->key);
    return sl_store_run(store, stmt, err);
}

enum sl_code sl_store_set_epoch(struct sl_store *store, int64_t subscription, uint64_t epoch, struct sl_err *err)
{
    return write_ints(store, SL_ST_SET_EPOCH, subscription, (int64_t)epoch, 0, err);
}

enum sl_code sl_store_add_snapshot(struct sl_store *store, const struct sl_snapshot_row *row, const struct sl_ranges *acked, int64_t *id,
                                   struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_ADD_SNAPSHOT, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_int64(stmt, 1, row->topic);
    sqlite3_bind_text(stmt, 2, row->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, acked->floor);
    bind_blob(stmt, 4, row->config.ptr, row->config.len);
    code = sl_store_run(store, stmt, err);
    *id = sqlite3_last_insert_rowid(store->db);
    for (size_t i = 0; i < acked->n && code == SL_OK; i++) {
        const struct sl_range *range = &acked->items[acked->head + i];
        code = write_ints(store, SL_ST_ADD_SNAPSHOT_ACKED, *id, range->first, range->last, err);
    }
    return code;
}

enum sl_code sl_store_set_snapshot_config(struct sl_store *store, int64_t id, const void *config, size_t len, struct sl_err *err)
{
    return set_config(store, SL_ST_SET_SNAPSHOT, id, config, len, err);
}

enum sl_code sl_store_delete_snapshot(struct sl_store *store, int64_t id, struct sl_err *err)
{
    enum sl_code code = write_id(store, SL_ST_DELETE_SNAPSHOT, id, err);
    return code ? code : write_id(store, SL_ST_DELETE_SNAPSHOT_ACKED, id, err);
}

enum sl_code sl_store_put_policy(struct sl_store *store, const char *resource, int64_t revision, const void *policy, size_t len,
                                 struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = use_to_write(store, SL_ST_PUT_POLICY, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_text(stmt, 1, resource, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, revision);
    bind_blob(stmt, 3, policy, len);
    return sl_store_run(store, stmt, err);
}

enum sl_code sl_store_get_policy(struct sl_store *store, const char *resource, int64_t *revision, struct sl_buf *policy, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_store_use(store, SL_ST_GET_POLICY, &stmt, err);
    if (code)
        return code;
    sqlite3_bind_text(stmt, 1, resource, -1, SQLITE_STATIC);
    code = sl_store_step(store, stmt, err);
    if (code == SL_OK) {
        *revision = sqlite3_column_int64(stmt, 0);
        sl_buf_add(policy, sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1));
    }
    sqlite3_reset(stmt);
    return code;
}

enum sl_code sl_store_trim(struct sl_store *store, int64_t topic, int64_t from, int64_t upto, int64_t limit, int64_t *trimmed,
                           struct sl_err *err)
{
    *trimmed = from;
    int64_t end = upto - from > limit ? from + limit : upto;
    enum sl_code code = write_ints(store, SL_ST_DELETE_MESSAGES, key(topic, from), key(topic, end), 0, err);
    if (code == SL_OK)
        code = write_ints(store, SL_ST_SET_TRIMMED, topic, end, 0, err);
    if (code == SL_OK)
        *trimmed = end;
    return code;
}

/* ---- reading ---- */

static void read_row(sqlite3_stmt *stmt, struct sl_stored *out)
{
    out->n = number_of(sqlite3_column_int64(stmt, 0));
    out->publish_us = sqlite3_column_int64(stmt, 1);
    out->body = sqlite3_column_blob(stmt, 2);
    out->len = (size_t)sqlite3_column_bytes(stmt, 2);
    if (!out->body)
        out->body = "";
}

/* The row stays borrowed until the statement is used again. */
enum sl_code sl_store_get(struct sl_store *store, int64_t topic, int64_t n, struct sl_stored *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_store_use(store, SL_ST_GET, &stmt, err);
    if (code)
        return code;
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, key(topic, n));
    code = sl_store_step(store, stmt, err);
    if (code == SL_OK)
        read_row(stmt, out);
    return code;
}

enum sl_code sl_store_scan_open(struct sl_store *store, int64_t topic, int64_t first, int64_t last, struct sl_err *err)
{
    sl_store_scan_close(store);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_store_use(store, SL_ST_SCAN, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, key(topic, first), key(topic, last), 0);
    store->scanning = true;
    return SL_OK;
}

enum sl_code sl_store_scan_next(struct sl_store *store, struct sl_stored *out, struct sl_err *err)
{
    enum sl_code code = sl_store_step(store, store->statements[SL_ST_SCAN], err);
    if (code == SL_OK)
        read_row(store->statements[SL_ST_SCAN], out);
    return code;
}

/* Ends the read transactions of both reading statements: an open one would keep the log from starting over. */
void sl_store_scan_close(struct sl_store *store)
{
    if (store->statements[SL_ST_GET])
        sqlite3_reset(store->statements[SL_ST_GET]);
    if (store->scanning)
        sqlite3_reset(store->statements[SL_ST_SCAN]);
    store->scanning = false;
}

enum sl_code sl_store_next(struct sl_store *store, int64_t topic, int64_t n, int64_t last, struct sl_stored *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_store_use(store, SL_ST_NEXT, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, key(topic, n), key(topic, last), 0);
    code = sl_store_step(store, stmt, err);
    if (code == SL_OK)
        *out = (struct sl_stored){.n = number_of(sqlite3_column_int64(stmt, 0)), .publish_us = sqlite3_column_int64(stmt, 1), .body = ""};
    sqlite3_reset(stmt);
    return code;
}

enum sl_code sl_store_older(struct sl_store *store, int64_t topic, int64_t from, int64_t before_us, int64_t limit, int64_t *out,
                            struct sl_err *err)
{
    sqlite3_stmt *stmt;
    *out = from;
    enum sl_code code = sl_store_use(store, SL_ST_TIMES, &stmt, err);
    if (code)
        return code;
    bind_ints(stmt, key(topic, from), key(topic, SL_STORE_N_MAX), limit);
    while ((code = sl_store_step(store, stmt, err)) == SL_OK) {
        if (sqlite3_column_int64(stmt, 1) >= before_us)
            break;
        *out = number_of(sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    return code == SL_NOT_FOUND ? SL_OK : code;
}
