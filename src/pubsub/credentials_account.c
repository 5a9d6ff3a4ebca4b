/* credentials_account.c - credentials files, read strictly: what is missing or of another kind is said, with the file's name and never with what a secret holds. */
#include <jansson.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/file.h>

#include "credentials_internal.h"

enum { MAX_FILE = 1024 * 1024 };

void sl_account_fini(struct sl_account *account)
{
    char *texts[] = {account->source,   account->universe,  account->quota_project, account->email,     account->key_id,
                     account->audience, account->client_id, account->client_secret, account->token_url, account->refresh_token};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    EVP_PKEY_free(account->key);
    *account = (struct sl_account){0};
}

struct reader {
    const char *path;
    const json_t *object;
    struct sl_err *err;
};

static enum sl_code text_of(char **out, const struct reader *reader, const char *key)
{
    const json_t *value = json_object_get(reader->object, key);
    if (!json_is_string(value) || json_string_length(value) == 0)
        return sl_fail(reader->err, SL_INVALID, "credentials file %s: %s is %s; expected a text", reader->path, key,
                       value ? "no text or empty" : "missing");
    *out = sl_strdup(json_string_value(value));
    return SL_OK;
}

/* Missing is fine. */
static char *optional_text(const struct reader *reader, const char *key)
{
    const char *text = json_string_value(json_object_get(reader->object, key));
    return text && *text ? sl_strdup(text) : NULL;
}

/* A key that asks for a passphrase is not to be waited for. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return 0;
}

static enum sl_code parse_key(struct sl_account *out, const struct reader *reader, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    out->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!out->key || EVP_PKEY_get_base_id(out->key) != EVP_PKEY_RSA)
        return sl_fail(reader->err, SL_INVALID, "credentials file %s: private_key is no RSA key in PEM", reader->path);
    return SL_OK;
}

static enum sl_code read_key(struct sl_account *out, const struct reader *reader, const char *service)
{
    char *pem = NULL;
    struct sl_buf text = {0};
    enum sl_code code = text_of(&out->email, reader, "client_email");
    if (code == SL_OK)
        code = text_of(&out->key_id, reader, "private_key_id");
    if (code == SL_OK)
        code = text_of(&pem, reader, "private_key");
    if (code == SL_OK)
        code = parse_key(out, reader, pem);
    if (pem)
        OPENSSL_cleanse(pem, strlen(pem));
    free(pem);
    if (code != SL_OK)
        return code;
    out->kind = SL_ACCOUNT_KEY;
    sl_buf_printf(&text, "https://%s.%s/", service, out->universe);
    out->audience = text.data;
    text = (struct sl_buf){0};
    sl_buf_printf(&text, "service account %s (%s)", out->email, reader->path);
    out->source = text.data;
    return SL_OK;
}

/* A refresh token goes out in it: over TLS, or to this machine. */
static bool is_safe_url(const char *url)
{
    static const char *const SAFE[] = {"https://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:"};
    for (size_t i = 0; i < sizeof SAFE / sizeof *SAFE; i++)
        if (strncmp(url, SAFE[i], strlen(SAFE[i])) == 0)
            return true;
    return false;
}

static enum sl_code read_user(struct sl_account *out, const struct reader *reader)
{
    struct sl_buf source = {0};
    enum sl_code code = text_of(&out->client_id, reader, "client_id");
    if (code == SL_OK)
        code = text_of(&out->client_secret, reader, "client_secret");
    if (code == SL_OK)
        code = text_of(&out->refresh_token, reader, "refresh_token");
    if (code != SL_OK)
        return code;
    out->kind = SL_ACCOUNT_USER;
    out->quota_project = optional_text(reader, "quota_project_id");
    out->token_url = optional_text(reader, "token_uri");
    if (!out->token_url)
        out->token_url = sl_strdup("https://oauth2.googleapis.com/token");
    if (!is_safe_url(out->token_url))
        return sl_fail(reader->err, SL_INVALID, "credentials file %s: token_uri %.100s is not https", reader->path, out->token_url);
    sl_buf_printf(&source, "authorized user (%s)", reader->path);
    out->source = source.data;
    return SL_OK;
}

static enum sl_code read_object(struct sl_account *out, const struct reader *reader, const char *service)
{
    char *type = NULL;
    enum sl_code code = text_of(&type, reader, "type");
    if (code != SL_OK)
        return code;
    out->universe = optional_text(reader, "universe_domain");
    if (!out->universe)
        out->universe = sl_strdup("googleapis.com");
    if (strcmp(type, "service_account") == 0)
        code = read_key(out, reader, service);
    else if (strcmp(type, "authorized_user") == 0)
        code = read_user(out, reader);
    else
        code = sl_fail(reader->err, SL_INVALID, "credentials file %s: type %.60s is not known; expected service_account or authorized_user",
                       reader->path, type);
    free(type);
    return code;
}

enum sl_code sl_account_read(struct sl_account *out, const char *path, const char *service, struct sl_err *err)
{
    struct sl_buf file = {0};
    json_error_t error;
    *out = (struct sl_account){0};
    enum sl_code code = sl_file_read(&file, path, MAX_FILE, err);
    if (code != SL_OK) {
        sl_buf_fini(&file);
        return sl_wrap(err, "credentials file");
    }
    json_t *object = json_loadb(sl_buf_text(&file), file.len, JSON_REJECT_DUPLICATES, &error);
    const struct reader reader = {path, object, err};
    if (json_is_object(object))
        code = read_object(out, &reader, service);
    else /* the parser's words may quote what it read */
        code = sl_fail(err, SL_INVALID, "credentials file %s is no JSON object", path);
    json_decref(object);
    OPENSSL_cleanse(file.data, file.len);
    sl_buf_fini(&file);
    if (code != SL_OK)
        sl_account_fini(out);
    return code;
}
