/* http.h - one HTTP request and its answer (libcurl underneath). Blocks. Any thread. Private to src/pubsub. */
#ifndef SLUICE_PUBSUB_HTTP_H
#define SLUICE_PUBSUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/str.h>

struct sl_http_request {
    const char *url;    /* http, https */
    const char *header; /* one more, NULL: none */
    const char *form;   /* the body of a POST, NULL: GET */
    int64_t connect_ms, total_ms;
    bool direct;      /* by no proxy */
    const bool *stop; /* atomic; once true the request ends. NULL: never */
};
struct sl_http_response {
    long status;
    struct sl_buf body; /* at most 1 MiB */
    bool from_metadata; /* it carries Metadata-Flavor: Google */
    bool too_long;      /* there was more, and the request was ended */
};

/* SL_OK: there is an answer, whatever its status. SL_UNAVAILABLE: there is none; SL_DENIED: the server's certificate is not to be trusted. sl_buf_fini(&out->body) in any case. */
enum sl_code sl_http(struct sl_http_response *out, const struct sl_http_request *request, struct sl_err *err);
void sl_http_form_add(struct sl_buf *form, const char *key, const char *value); /* escaped */

#endif
