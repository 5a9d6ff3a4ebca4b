/* security.c - how a channel is secured: in plaintext, or by TLS with, perhaps, tokens for its calls.
 * gRPC asks the plugin for every call, once it has a connection that is secure; the tokens' owner answers at once or later, by way of a `pending` of ours. */
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>

#include <sluice/log.h>
#include <sluice/mem.h>

#include "rpc_internal.h"

struct plugin {
    struct sl_rpc_tokens tokens;
    char *quota_project;
};

struct pending { /* a call that waits for its token */
    struct plugin *plugin;
    grpc_credentials_plugin_metadata_cb done;
    void *user_data;
};

static size_t headers_of(const struct plugin *plugin, const char *header, grpc_metadata *out)
{
    size_t n = 0;
    out[n].key = grpc_slice_from_static_string("authorization");
    out[n++].value = grpc_slice_from_copied_string(header);
    if (plugin->quota_project) {
        out[n].key = grpc_slice_from_static_string("x-goog-user-project");
        out[n++].value = grpc_slice_from_copied_string(plugin->quota_project);
    }
    return n;
}

static void token_came(void *arg, const char *header, const char *trouble)
{
    struct pending *pending = arg;
    grpc_metadata headers[2];
    memset(headers, 0, sizeof headers);
    if (header) {
        const size_t n = headers_of(pending->plugin, header, headers);
        pending->done(pending->user_data, headers, n, GRPC_STATUS_OK, NULL);
        for (size_t i = 0; i < n; i++)
            grpc_slice_unref(headers[i].value);
    } else {
        pending->done(pending->user_data, NULL, 0, GRPC_STATUS_UNAVAILABLE, trouble);
    }
    free(pending);
}

static int get_metadata(void *state, grpc_auth_metadata_context context, grpc_credentials_plugin_metadata_cb done, void *user_data,
                        grpc_metadata headers[GRPC_METADATA_CREDENTIALS_PLUGIN_SYNC_MAX], size_t *n, grpc_status_code *status,
                        const char **error)
{
    struct plugin *plugin = state;
    struct sl_buf header = {0};
    struct pending *pending = sl_alloc(sizeof *pending);
    (void)context;
    *pending = (struct pending){plugin, done, user_data};
    if (!plugin->tokens.ask(plugin->tokens.arg, &header, token_came, pending))
        return 0;
    *n = headers_of(plugin, sl_buf_text(&header), headers);
    *status = GRPC_STATUS_OK;
    *error = NULL;
    sl_buf_fini(&header);
    free(pending);
    return 1;
}

static char *describe(void *state)
{
    (void)state; /* nothing of a token */
    return gpr_strdup("sluice");
}

static void plugin_destroy(void *state)
{
    struct plugin *plugin = state;
    plugin->tokens.release(plugin->tokens.arg);
    free(plugin->quota_project);
    free(plugin);
}

/* gRPC's traces print headers, whatever is in them. */
static void stop_traces(void)
{
    static bool said;
    const char *traces = getenv("GRPC_TRACE");
    grpc_tracer_set_enabled("all", 0);
    if (traces && *traces && !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        sl_log(SL_WARNING, "gRPC's traces are off: they would print tokens", {"GRPC_TRACE", traces});
}

static grpc_channel_credentials *with_tokens(grpc_channel_credentials *tls, const struct sl_rpc_tokens *tokens)
{
    struct plugin *plugin = sl_calloc(1, sizeof *plugin);
    stop_traces();
    plugin->tokens = *tokens;
    plugin->quota_project = sl_strdup(tokens->quota_project);
    tokens->retain(tokens->arg);
    const grpc_metadata_credentials_plugin made = {
        .get_metadata = get_metadata, .debug_string = describe, .destroy = plugin_destroy, .state = plugin, .type = "sluice"};
    grpc_call_credentials *calls = grpc_metadata_credentials_create_from_plugin(made, GRPC_PRIVACY_AND_INTEGRITY, NULL);
    grpc_channel_credentials *both = grpc_composite_channel_credentials_create(tls, calls, NULL);
    grpc_call_credentials_release(calls);
    grpc_channel_credentials_release(tls);
    return both;
}

enum sl_code sl_rpc_secure(grpc_channel_credentials **out, const struct sl_rpc_channel_options *options, struct sl_err *err)
{
    *out = NULL;
    if (!options->tls && options->tokens)
        return sl_fail(err, SL_INVALID, "tokens are not sent without TLS");
    if (!options->tls) {
        *out = grpc_insecure_credentials_create();
        return SL_OK;
    }
    *out = grpc_ssl_credentials_create_ex(options->roots, NULL, NULL, NULL);
    if (!*out)
        return sl_fail(err, SL_INVALID, "the roots for TLS can't be used");
    if (options->tokens)
        *out = with_tokens(*out, options->tokens);
    return SL_OK;
}
