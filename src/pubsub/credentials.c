/* credentials.c - where credentials are looked for, and the life of their tokens.
 *
 *   none -> asked for -> held -> (less than refresh_before is left, and it is used) asked for again, the old one serves meanwhile -> held
 *             |-> refused: whoever waits is told, the next one asks again after a backoff
 *
 * One thread per credentials asks; calls that come while there is no token wait for the answer to the request that is under way, so an outage of the token's server costs
 * one request at a time, and every wait ends with a token or a sentence. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/log.h>

#include "credentials_internal.h"
#include "grpc_retry.h"
#include "http.h"

#define MARGIN_MS 10000

struct waiter {
    struct waiter *next;
    sl_rpc_token_done done;
    void *arg;
};

struct sl_credentials {
    struct sl_account account;
    struct sl_credentials_options options;
    struct sl_rpc_tokens tokens;
    pthread_mutex_t mutex;
    pthread_cond_t wake, changed;
    pthread_t thread;
    bool thread_on, closing;
    size_t refs;
    struct waiter *waiters, **last_waiter;
    bool wanted;  /* by a call that blocks */
    char *header; /* NULL: none yet */
    int64_t ends_ms, refresh_ms;
    bool used; /* since it came */
    uint64_t answers;
    struct sl_err trouble; /* of the last answer; SL_OK: it was a token */
    struct sl_backoff backoff;
    int64_t next_try_ms;
};

/* ---- the token; under the mutex ---- */

static bool is_valid(const struct sl_credentials *c, int64_t now_ms)
{
    return c->header && now_ms < c->ends_ms;
}

static void add_waiter(struct sl_credentials *c, sl_rpc_token_done done, void *arg)
{
    struct waiter *waiter = sl_alloc(sizeof *waiter);
    *waiter = (struct waiter){.done = done, .arg = arg};
    *(c->waiters ? c->last_waiter : &c->waiters) = waiter;
    c->last_waiter = &waiter->next;
    pthread_cond_signal(&c->wake);
}

static void forget_header(struct sl_credentials *c)
{
    if (c->header)
        OPENSSL_cleanse(c->header, strlen(c->header));
    free(c->header);
    c->header = NULL;
}

/* A token is no longer used shortly before its end. One that comes with little time left, as the metadata server's may, is not asked for in a loop. */
static void hold(struct sl_credentials *c, int64_t lifetime_ms, int64_t now_ms)
{
    const int64_t margin_ms = lifetime_ms / 10 < MARGIN_MS ? lifetime_ms / 10 : MARGIN_MS;
    c->ends_ms = now_ms + lifetime_ms - margin_ms;
    c->refresh_ms = now_ms + lifetime_ms - c->options.refresh_before_ms;
    if (c->refresh_ms < now_ms + lifetime_ms / 2)
        c->refresh_ms = now_ms + lifetime_ms / 2;
    c->used = false;
}

/* What came of asking; whoever waited, to be told without the mutex. */
static struct waiter *settle(struct sl_credentials *c, enum sl_code code, struct sl_token *token, const struct sl_err *err, int64_t now_ms)
{
    struct waiter *waiters = c->waiters;
    c->waiters = NULL;
    c->wanted = false;
    c->answers++;
    if (code == SL_OK) {
        forget_header(c);
        c->header = token->header.data;
        token->header = (struct sl_buf){0};
        hold(c, token->lifetime_ms, now_ms);
        c->next_try_ms = 0;
        c->trouble = (struct sl_err){0};
        sl_backoff_reset(&c->backoff);
    } else {
        c->trouble = *err;
        c->next_try_ms = now_ms + sl_backoff_next(&c->backoff);
    }
    pthread_cond_broadcast(&c->changed);
    return waiters;
}

/* When to ask: SL_MS_NEVER while nobody needs it. */
static int64_t due_ms(const struct sl_credentials *c, int64_t now_ms)
{
    int64_t due = SL_MS_NEVER;
    if (c->waiters || c->wanted)
        due = now_ms;
    else if (c->header && c->used)
        due = c->refresh_ms;
    return due != SL_MS_NEVER && due < c->next_try_ms ? c->next_try_ms : due;
}

/* ---- the thread ---- */

static void tell(struct waiter *waiters, const char *header, const char *trouble)
{
    while (waiters) {
        struct waiter *next = waiters->next;
        waiters->done(waiters->arg, header, header ? NULL : trouble);
        free(waiters);
        waiters = next;
    }
}

static void ask(struct sl_credentials *c)
{
    struct sl_token token;
    struct sl_err err = {0};
    pthread_mutex_unlock(&c->mutex);
    const enum sl_code code = sl_account_token(&token, &c->account, (int64_t)time(NULL), c->options.call_ms, &c->closing, &err);
    if (code != SL_OK)
        sl_log(SL_WARNING, "no token for Google Cloud", {"credentials", c->account.source}, {"error", err.text});
    pthread_mutex_lock(&c->mutex);
    struct waiter *waiters = settle(c, code, &token, &err, sl_monotonic_ms());
    char *header = code == SL_OK ? sl_strdup(c->header) : NULL;
    pthread_mutex_unlock(&c->mutex);
    sl_buf_fini(&token.header);
    tell(waiters, header, err.text);
    free(header);
    pthread_mutex_lock(&c->mutex);
}

static void *thread_main(void *arg)
{
    struct sl_credentials *c = arg;
    pthread_mutex_lock(&c->mutex);
    while (!c->closing) {
        const int64_t now_ms = sl_monotonic_ms(), due = due_ms(c, now_ms);
        if (due <= now_ms)
            ask(c);
        else
            sl_cond_wait(&c->wake, &c->mutex, due);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* ---- used by ---- */

static bool ask_for(void *arg, struct sl_buf *header, sl_rpc_token_done done, void *done_arg)
{
    struct sl_credentials *c = arg;
    pthread_mutex_lock(&c->mutex);
    const bool now = is_valid(c, sl_monotonic_ms());
    if (now) {
        sl_buf_str(header, c->header);
        if (!c->used)
            pthread_cond_signal(&c->wake);
        c->used = true;
    } else if (!c->closing) {
        add_waiter(c, done, done_arg);
    }
    const bool late = !now && c->closing;
    pthread_mutex_unlock(&c->mutex);
    if (late) /* its channel outlives it: the call goes out without a token, and is refused */
        sl_buf_str(header, "Bearer");
    return now || late;
}

enum sl_code sl_credentials_token(struct sl_credentials *c, struct sl_buf *header, int64_t timeout_ms, struct sl_err *err)
{
    const int64_t until_ms = sl_monotonic_ms() + timeout_ms;
    enum sl_code code = SL_OK;
    pthread_mutex_lock(&c->mutex);
    const uint64_t before = c->answers;
    c->wanted = !is_valid(c, sl_monotonic_ms());
    pthread_cond_signal(&c->wake);
    while (c->answers == before && !is_valid(c, sl_monotonic_ms()) && code == SL_OK)
        if (!sl_cond_wait(&c->changed, &c->mutex, until_ms))
            code = sl_fail(err, SL_UNAVAILABLE, "no token from %s yet", c->account.source);
    if (is_valid(c, sl_monotonic_ms())) {
        sl_buf_str(header, c->header);
        code = SL_OK;
    } else if (code == SL_OK) {
        code = sl_fail(err, c->trouble.code, "%s", c->trouble.text);
    }
    pthread_mutex_unlock(&c->mutex);
    return code;
}

bool sl_credentials_failed(struct sl_credentials *c, struct sl_err *err)
{
    pthread_mutex_lock(&c->mutex);
    const struct sl_err trouble = is_valid(c, sl_monotonic_ms()) ? (struct sl_err){0} : c->trouble;
    pthread_mutex_unlock(&c->mutex);
    const bool failed = trouble.code == SL_DENIED || trouble.code == SL_INVALID;
    if (failed)
        sl_fail(err, trouble.code, "%s", trouble.text);
    return failed;
}

const struct sl_rpc_tokens *sl_credentials_tokens(const struct sl_credentials *c)
{
    return &c->tokens;
}

const char *sl_credentials_source(const struct sl_credentials *c)
{
    return c->account.source;
}

const char *sl_credentials_universe(const struct sl_credentials *c)
{
    return c->account.universe;
}

/* ---- looking for them ---- */

static const char *env(const struct sl_credentials *c, const char *name)
{
    const char *value = c->options.getenv_fn ? c->options.getenv_fn(name) : getenv(name);
    return value && *value ? value : NULL;
}

/* gcloud's file; NULL: no home to look in. Heap. */
static char *gcloud_path(const struct sl_credentials *c)
{
    const char *config = env(c, "CLOUDSDK_CONFIG"), *home = env(c, "HOME");
    struct sl_buf path = {0};
    if (config)
        sl_buf_printf(&path, "%s/application_default_credentials.json", config);
    else if (home)
        sl_buf_printf(&path, "%s/.config/gcloud/application_default_credentials.json", home);
    return path.data;
}

/* Is that a metadata server? GCE_METADATA_HOST says so; else one is asked. */
static enum sl_code probe_metadata(const struct sl_credentials *c, const char *host, struct sl_err *err)
{
    struct sl_buf url = {0};
    struct sl_http_response response;
    sl_buf_printf(&url, "http://%s/", host);
    const struct sl_http_request request = {.url = url.data,
                                            .header = "Metadata-Flavor: Google",
                                            .connect_ms = c->options.probe_ms,
                                            .total_ms = c->options.probe_ms,
                                            .direct = true};
    enum sl_code code = sl_http(&response, &request, err);
    if (code == SL_OK && !response.from_metadata)
        code = sl_fail(err, SL_UNAVAILABLE, "%s is no metadata server", host);
    sl_buf_fini(&response.body);
    sl_buf_fini(&url);
    return code;
}

static enum sl_code find_metadata(struct sl_credentials *c, const char *gcloud, struct sl_err *err)
{
    static const char PATH[] = "/computeMetadata/v1/instance/service-accounts/default/token";
    const char *named = env(c, "GCE_METADATA_HOST"), *host = named ? named : "metadata.google.internal";
    struct sl_buf url = {0}, source = {0};
    struct sl_err why = {0};
    if (!named && probe_metadata(c, host, &why) != SL_OK)
        return sl_fail(
            err, SL_DENIED,
            "no credentials for Google Cloud: GOOGLE_APPLICATION_CREDENTIALS is not set, there is no %s, and no metadata server (%s)",
            gcloud ? gcloud : "home directory with gcloud's file", why.text);
    sl_buf_printf(&url, "http://%s%s", host, PATH);
    sl_buf_printf(&source, "metadata server %s", host);
    c->account = (struct sl_account){
        .kind = SL_ACCOUNT_METADATA, .source = source.data, .token_url = url.data, .universe = sl_strdup("googleapis.com")};
    return SL_OK;
}

static enum sl_code find(struct sl_credentials *c, struct sl_err *err)
{
    const char *named = env(c, "GOOGLE_APPLICATION_CREDENTIALS");
    enum sl_code code;
    if (named) {
        code = sl_account_read(&c->account, named, c->options.service, err);
        if (code != SL_OK) {
            sl_wrap(err, "GOOGLE_APPLICATION_CREDENTIALS");
            code = err->code = SL_INVALID; /* missing, too */
        }
        return code;
    }
    char *gcloud = gcloud_path(c);
    if (gcloud && access(gcloud, F_OK) == 0) {
        code = sl_account_read(&c->account, gcloud, c->options.service, err);
        if (code != SL_OK)
            code = err->code = SL_INVALID;
    } else {
        code = find_metadata(c, gcloud, err);
    }
    free(gcloud);
    return code;
}

/* ---- life ---- */

static void retain(void *arg)
{
    struct sl_credentials *c = arg;
    pthread_mutex_lock(&c->mutex);
    c->refs++;
    pthread_mutex_unlock(&c->mutex);
}

static void release(void *arg)
{
    struct sl_credentials *c = arg;
    pthread_mutex_lock(&c->mutex);
    const bool last = --c->refs == 0;
    pthread_mutex_unlock(&c->mutex);
    if (!last)
        return;
    forget_header(c);
    sl_account_fini(&c->account);
    pthread_cond_destroy(&c->changed);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

static void fill_options(struct sl_credentials_options *options)
{
    if (!options->service)
        options->service = "pubsub";
    sl_set_default(&options->refresh_before_ms, 225000);
    sl_set_default(&options->call_ms, 10000);
    sl_set_default(&options->probe_ms, 3000);
    sl_set_default(&options->backoff_min_ms, 500);
    sl_set_default(&options->backoff_max_ms, 30000);
}

static struct sl_credentials *new_credentials(const struct sl_credentials_options *options)
{
    struct sl_credentials *c = sl_calloc(1, sizeof *c);
    if (options)
        c->options = *options;
    fill_options(&c->options);
    c->refs = 1;
    c->backoff = (struct sl_backoff){.min_ms = c->options.backoff_min_ms, .max_ms = c->options.backoff_max_ms, .factor = 2};
    c->tokens = (struct sl_rpc_tokens){.ask = ask_for, .retain = retain, .release = release, .arg = c};
    pthread_mutex_init(&c->mutex, NULL);
    sl_cond_init(&c->wake);
    sl_cond_init(&c->changed);
    return c;
}

enum sl_code sl_credentials_find(struct sl_credentials **out, const struct sl_credentials_options *options, struct sl_err *err)
{
    struct sl_credentials *c = *out = new_credentials(options);
    enum sl_code code = find(c, err);
    c->tokens.quota_project = c->account.quota_project;
    if (code == SL_OK && pthread_create(&c->thread, NULL, thread_main, c) != 0)
        code = sl_fail(err, SL_UNAVAILABLE, "no thread for the credentials");
    c->thread_on = code == SL_OK;
    if (code != SL_OK)
        sl_credentials_destroy(out);
    return code;
}

void sl_credentials_destroy(struct sl_credentials **credentials)
{
    struct sl_credentials *c = *credentials;
    *credentials = NULL;
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    __atomic_store_n(&c->closing, true, __ATOMIC_RELAXED);
    struct waiter *waiters = c->waiters;
    c->waiters = NULL;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->mutex);
    tell(waiters, NULL, "the credentials are closed");
    if (c->thread_on)
        pthread_join(c->thread, NULL);
    release(c);
}
