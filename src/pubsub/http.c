/* http.c - libcurl, kept small: no redirects, no cookies, two protocols, and a limit for everything. */
#include "http.h"

#include <curl/curl.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sluice/credentials.h>
#include <sluice/file.h>

enum { MAX_BODY = 1024 * 1024, MAX_ROOTS = 16 * 1024 * 1024 };

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static CURL *new_curl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    CURL *curl = curl_easy_init();
    if (!curl)
        abort();
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice");
    return curl;
}

static bool is_certificate_trouble(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
           result == CURLE_SSL_INVALIDCERTSTATUS;
}

/* The one place where curl's codes become ours. `detail` is curl's own sentence, "" when it has none. */
static enum sl_code fail_of(CURLcode result, const char *what, const char *detail, struct sl_err *err)
{
    const enum sl_code code = is_certificate_trouble(result) ? SL_DENIED : SL_UNAVAILABLE;
    return sl_fail(err, code, "%s: %s", what, detail[0] ? detail : curl_easy_strerror(result));
}

/* ---- requests ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct sl_http_response *response = arg;
    if (response->body.len + size * n > MAX_BODY) {
        response->too_long = true;
        return 0;
    }
    sl_buf_add(&response->body, bytes, size * n);
    return size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    static const char FLAVOR[] = "metadata-flavor: google";
    struct sl_http_response *response = arg;
    if (size * n >= sizeof FLAVOR - 1 && strncasecmp(bytes, FLAVOR, sizeof FLAVOR - 1) == 0)
        response->from_metadata = true;
    return size * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const bool *stop = arg;
    (void)a, (void)b, (void)c, (void)d;
    return stop && __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static void set_request(CURL *curl, const struct sl_http_request *request, struct sl_http_response *out)
{
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->total_ms);
    if (request->direct)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (request->form)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->form);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, out);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)request->stop);
}

enum sl_code sl_http(struct sl_http_response *out, const struct sl_http_request *request, struct sl_err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    *out = (struct sl_http_response){0};
    CURL *curl = new_curl();
    struct curl_slist *headers = request->header ? curl_slist_append(NULL, request->header) : NULL;
    set_request(curl, request, out);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    const CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (out->too_long)
        return sl_fail(err, SL_UNAVAILABLE, "%s: the answer has more than %d bytes", request->url, MAX_BODY);
    return result == CURLE_OK ? SL_OK : fail_of(result, request->url, detail, err);
}

void sl_http_form_add(struct sl_buf *form, const char *key, const char *value)
{
    char *escaped = curl_easy_escape(NULL, value, (int)strlen(value));
    sl_buf_printf(form, "%s%s=%s", form->len ? "&" : "", key, escaped ? escaped : "");
    curl_free(escaped);
}

/* ---- TLS ---- */

enum sl_code sl_tls_roots_read(struct sl_buf *out, const char *path, struct sl_err *err)
{
    struct sl_buf file = {0};
    enum sl_code code = sl_file_read(&file, path, MAX_ROOTS, err);
    if (code == SL_OK) {
        BIO *bio = BIO_new_mem_buf(sl_buf_text(&file), (int)file.len);
        X509 *first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!first)
            code = sl_fail(err, SL_INVALID, "%s holds no certificate in PEM", path);
        X509_free(first);
        BIO_free(bio);
    }
    if (code == SL_OK)
        sl_buf_add(out, sl_buf_text(&file), file.len);
    sl_buf_fini(&file);
    return code;
}

enum sl_code sl_tls_probe(const char *address, const char *roots, int64_t timeout_ms, struct sl_err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct sl_buf url = {0};
    CURL *curl = new_curl();
    sl_buf_printf(&url, "https://%s/", address);
    curl_easy_setopt(curl, CURLOPT_URL, url.data);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS); /* what gRPC asks for */
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    if (roots) {
        struct curl_blob blob = {.data = (void *)(uintptr_t)roots, .len = strlen(roots), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    const CURLcode result = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    sl_buf_fini(&url);
    return result == CURLE_OK ? SL_OK : fail_of(result, address, detail, err);
}
