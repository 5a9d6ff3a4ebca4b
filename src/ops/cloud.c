/* cloud.c - see the header. A file that is named and can't be used is an error: nothing else is tried in its place. */
#include "cloud.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/log.h>

enum { PROBE_MS = 10000, TOKEN_MS = 15000 };

static const char *env(const char *(*getenv_fn)(const char *), const char *name)
{
    const char *value = getenv_fn ? getenv_fn(name) : getenv(name);
    return value && *value ? value : NULL;
}

static enum sl_code read_roots(struct sl_cloud *cloud, const char *path, const char *named_by, struct sl_err *err)
{
    if (!path)
        return SL_OK;
    if (sl_tls_roots_read(&cloud->roots, path, err) != SL_OK) {
        sl_wrap(err, "%s", named_by);
        return err->code = SL_INVALID;
    }
    cloud->peer.roots = sl_buf_text(&cloud->roots);
    return SL_OK;
}

static enum sl_code set_address(struct sl_cloud *cloud, const char *endpoint, struct sl_err *err)
{
    int64_t port = 0;
    if (endpoint) {
        const char *colon = strrchr(endpoint, ':');
        if (!colon || colon == endpoint || !sl_parse_i64(colon + 1, &port) || port < 1 || port > 65535 || strchr(endpoint, '/'))
            return sl_fail(err, SL_INVALID, "bus.endpoint is %.100s; expected host:port", endpoint);
        sl_buf_str(&cloud->address, endpoint);
    } else {
        sl_buf_printf(&cloud->address, "pubsub.%s:443", sl_credentials_universe(cloud->peer.credentials));
    }
    cloud->peer.address = sl_buf_text(&cloud->address);
    return SL_OK;
}

enum sl_code sl_cloud_open(struct sl_cloud *out, const struct sl_config *config, const char *(*getenv_fn)(const char *), struct sl_err *err)
{
    const struct sl_credentials_options options = {.getenv_fn = getenv_fn};
    *out = (struct sl_cloud){.peer = {.tls = true}};
    enum sl_code code = config->bus.ca
                            ? read_roots(out, config->bus.ca, "bus.ca", err)
                            : read_roots(out, env(getenv_fn, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", err);
    if (code == SL_OK)
        code = sl_credentials_find(&out->peer.credentials, &options, err);
    if (code == SL_OK)
        code = set_address(out, config->bus.endpoint, err);
    if (code == SL_OK)
        sl_log(SL_INFO, "Google Cloud Pub/Sub", {"endpoint", out->peer.address},
               {"credentials", sl_credentials_source(out->peer.credentials)});
    return code;
}

void sl_cloud_close(struct sl_cloud *cloud)
{
    sl_credentials_destroy(&cloud->peer.credentials);
    sl_buf_fini(&cloud->address);
    sl_buf_fini(&cloud->roots);
}

enum sl_code sl_cloud_check(const struct sl_cloud *cloud, struct sl_err *err)
{
    struct sl_buf header = {0};
    enum sl_code code = sl_tls_probe(cloud->peer.address, cloud->peer.roots, PROBE_MS, err);
    if (code == SL_OK)
        code = sl_credentials_token(cloud->peer.credentials, &header, TOKEN_MS, err);
    if (header.data)
        memset(header.data, 0, header.len);
    sl_buf_fini(&header);
    return code;
}
