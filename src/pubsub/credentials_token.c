/* credentials_token.c - a token of an account: signed with its key, or asked for over HTTP. */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sluice/json.h>

#include "credentials_internal.h"
#include "http.h"

enum {
    JWT_LIFETIME_S = 3600,
    JWT_LEEWAY_S = 10,
    UNSAID_LIFETIME_S = 300,
    MAX_LIFETIME_S = 24 * 3600,
    MAX_TOKEN = 64 * 1024,
    CONNECT_MS = 5000
};

/* ---- our own ---- */

static void put_base64url(struct sl_buf *out, const void *bytes, size_t len)
{
    unsigned char *text = sl_alloc(4 * (len / 3 + 1) + 1);
    int n = EVP_EncodeBlock(text, bytes, (int)len);
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (int i = 0; i < n; i++)
        sl_buf_char(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i]);
    free(text);
}

static void put_header(struct sl_buf *out, const struct sl_account *account)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_object(&json);
    sl_json_put_str(&json, "alg", "RS256");
    sl_json_put_str(&json, "typ", "JWT");
    sl_json_put_str(&json, "kid", account->key_id);
    sl_json_end_object(&json);
    put_base64url(out, text.data, text.len);
    sl_buf_fini(&text);
}

static void put_claims(struct sl_buf *out, const struct sl_account *account, int64_t issued_s, int64_t expires_s)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_object(&json);
    sl_json_put_str(&json, "iss", account->email);
    sl_json_put_str(&json, "sub", account->email);
    sl_json_put_str(&json, "aud", account->audience);
    sl_json_put_int(&json, "iat", issued_s);
    sl_json_put_int(&json, "exp", expires_s);
    sl_json_end_object(&json);
    put_base64url(out, text.data, text.len);
    sl_buf_fini(&text);
}

static enum sl_code jwt_sign(struct sl_buf *out, const struct sl_account *account, int64_t issued_s, int64_t expires_s, struct sl_err *err)
{
    struct sl_buf text = {0};
    size_t len = 0;
    put_header(&text, account);
    sl_buf_char(&text, '.');
    put_claims(&text, account, issued_s, expires_s);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const unsigned char *bytes = (const unsigned char *)text.data;
    unsigned char *signature = sl_alloc((size_t)EVP_PKEY_get_size(account->key));
    len = (size_t)EVP_PKEY_get_size(account->key);
    const bool ok = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, account->key) == 1 &&
                    EVP_DigestSign(context, signature, &len, bytes, text.len) == 1;
    if (ok) {
        sl_buf_add(out, text.data, text.len);
        sl_buf_char(out, '.');
        put_base64url(out, signature, len);
    }
    EVP_MD_CTX_free(context);
    free(signature);
    sl_buf_fini(&text);
    return ok ? SL_OK : sl_fail(err, SL_INVALID, "the key of %s can't sign", account->email);
}

static enum sl_code sign(struct sl_token *out, const struct sl_account *account, int64_t now_s, struct sl_err *err)
{
    sl_buf_str(&out->header, "Bearer ");
    out->lifetime_ms = (JWT_LIFETIME_S - JWT_LEEWAY_S) * INT64_C(1000);
    return jwt_sign(&out->header, account, now_s - JWT_LEEWAY_S, now_s - JWT_LEEWAY_S + JWT_LIFETIME_S, err);
}

/* ---- asked for ---- */

static bool is_token(const char *text)
{
    const size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0 && len <= MAX_TOKEN;
}

static enum sl_code read_token(struct sl_token *out, const struct sl_account *account, const json_t *object, struct sl_err *err)
{
    const char *token = json_string_value(json_object_get(object, "access_token"));
    const char *type = json_string_value(json_object_get(object, "token_type"));
    const json_t *expires = json_object_get(object, "expires_in");
    if (!is_token(token) || (type && strcasecmp(type, "Bearer") != 0))
        return sl_fail(err, SL_UNAVAILABLE, "%s answered without a token that can be used", account->token_url);
    double lifetime_s = json_is_number(expires) ? json_number_value(expires) : UNSAID_LIFETIME_S;
    if (!(lifetime_s >= 1))
        return sl_fail(err, SL_UNAVAILABLE, "%s answered with a token that has ended", account->token_url);
    out->lifetime_ms = (int64_t)(lifetime_s < MAX_LIFETIME_S ? lifetime_s : MAX_LIFETIME_S) * 1000;
    sl_buf_printf(&out->header, "Bearer %s", token);
    return SL_OK;
}

/* What the server says of a refusal, when it says it in OAuth's words. */
static enum sl_code refused(const struct sl_account *account, const struct sl_http_response *response, const json_t *object,
                            struct sl_err *err)
{
    const char *error = json_string_value(json_object_get(object, "error"));
    const char *description = json_string_value(json_object_get(object, "error_description"));
    const bool later = response->status >= 500 || response->status == 429 || response->status == 408;
    return sl_fail(err, later ? SL_UNAVAILABLE : SL_DENIED, "%s gives no token: HTTP %ld%s%.60s%s%.200s", account->token_url,
                   response->status, error ? ": " : "", error ? error : "", description ? ": " : "", description ? description : "");
}

static enum sl_code read_answer(struct sl_token *out, const struct sl_account *account, const struct sl_http_response *response,
                                struct sl_err *err)
{
    json_t *object = json_loadb(sl_buf_text(&response->body), response->body.len, 0, NULL);
    enum sl_code code;
    if (account->kind == SL_ACCOUNT_METADATA && !response->from_metadata)
        code = sl_fail(err, SL_UNAVAILABLE, "%s is no metadata server: HTTP %ld", account->token_url, response->status);
    else if (response->status == 200)
        code = read_token(out, account, object, err);
    else
        code = refused(account, response, object, err);
    json_decref(object);
    return code;
}

static enum sl_code ask(struct sl_token *out, const struct sl_account *account, int64_t call_ms, const bool *stop, struct sl_err *err)
{
    const bool is_user = account->kind == SL_ACCOUNT_USER;
    struct sl_buf form = {0};
    struct sl_http_response response;
    if (is_user) {
        sl_http_form_add(&form, "grant_type", "refresh_token");
        sl_http_form_add(&form, "client_id", account->client_id);
        sl_http_form_add(&form, "client_secret", account->client_secret);
        sl_http_form_add(&form, "refresh_token", account->refresh_token);
    }
    const struct sl_http_request request = {.url = account->token_url,
                                            .header = is_user ? NULL : "Metadata-Flavor: Google",
                                            .form = form.data,
                                            .connect_ms = call_ms < CONNECT_MS ? call_ms : CONNECT_MS,
                                            .total_ms = call_ms,
                                            .direct = !is_user,
                                            .stop = stop};
    enum sl_code code = sl_http(&response, &request, err);
    if (code == SL_OK)
        code = read_answer(out, account, &response, err);
    else
        sl_wrap(err, "no token");
    if (form.data)
        OPENSSL_cleanse(form.data, form.len);
    sl_buf_fini(&form);
    sl_buf_fini(&response.body);
    return code;
}

enum sl_code sl_account_token(struct sl_token *out, const struct sl_account *account, int64_t now_s, int64_t call_ms, const bool *stop,
                              struct sl_err *err)
{
    *out = (struct sl_token){0};
    return account->kind == SL_ACCOUNT_KEY ? sign(out, account, now_s, err) : ask(out, account, call_ms, stop, err);
}
