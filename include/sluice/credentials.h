/* credentials.h - who we are to Google Cloud: application default credentials, and the tokens made from them.
 *
 * Looked for in this order, the first that is there counts, and one that is there and broken is an error: the file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's file
 * ($CLOUDSDK_CONFIG or ~/.config/gcloud, application_default_credentials.json), the metadata server (GCE_METADATA_HOST or metadata.google.internal).
 * A service account's key signs its own tokens; an authorized user's refresh token and the metadata server are asked over HTTP, by a thread of the credentials, ahead of the end
 * of the token before. Tokens and keys are in no sentence, no log and no file of ours. Any thread. */
#ifndef SLUICE_CREDENTIALS_H
#define SLUICE_CREDENTIALS_H

#include <sluice/rpc.h>

struct sl_credentials_options {                 /* 0, NULL: the default in parentheses */
    const char *(*getenv_fn)(const char *name); /* (getenv) */
    const char *service;                        /* ("pubsub"): a token that we sign is for https://SERVICE.googleapis.com/ */
    int64_t refresh_before_ms;                  /* a token with less than that left is made anew (225,000) */
    int64_t call_ms;                            /* one request for a token (10,000) */
    int64_t probe_ms;                           /* looking whether there is a metadata server (3,000) */
    int64_t backoff_min_ms, backoff_max_ms;     /* between requests that fail (500, doubled, 30,000) */
};

struct sl_credentials;
/* Blocks for at most about probe_ms. SL_INVALID: a file that is broken, of a kind that isn't known, or missing although it is named. SL_DENIED: there are none. */
enum sl_code sl_credentials_find(struct sl_credentials **out, const struct sl_credentials_options *options, struct sl_err *err);
/* What uses its tokens may outlive it: calls that wait are told. */
void sl_credentials_destroy(struct sl_credentials **credentials);

/* For people: "service account a@b (/path/key.json)". */
const char *sl_credentials_source(const struct sl_credentials *credentials);
const char *sl_credentials_universe(const struct sl_credentials *credentials); /* "googleapis.com" */

/* The value of `authorization`. Blocks up to timeout_ms. SL_UNAVAILABLE: it can't be had now; SL_DENIED: it is refused for good. */
enum sl_code sl_credentials_token(struct sl_credentials *credentials, struct sl_buf *header, int64_t timeout_ms, struct sl_err *err);
/* Was the last request for a token refused for good? */
bool sl_credentials_failed(struct sl_credentials *credentials, struct sl_err *err);
const struct sl_rpc_tokens *sl_credentials_tokens(const struct sl_credentials *credentials); /* for channels */

/* ---- TLS ---- */

/* Certificates as PEM, from a file. SL_INVALID: it holds none. Appended to `out`. */
enum sl_code sl_tls_roots_read(struct sl_buf *out, const char *path, struct sl_err *err);
/* Is the certificate of "host:port" good for that host? roots NULL: the system's. SL_DENIED says what is wrong with it; SL_UNAVAILABLE: no connection, or no TLS. */
enum sl_code sl_tls_probe(const char *address, const char *roots, int64_t timeout_ms, struct sl_err *err);

#endif
