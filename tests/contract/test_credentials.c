/* test_credentials.c - where credentials are found, what is refused, and the life of tokens; against servers on loopback. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sluice/credentials.h>
#include <sluice/log.h>
#include <sluice/mem.h>

#include "../../src/pubsub/credentials_internal.h"
#include "../../src/pubsub/grpc_retry.h"
#include "fake_http.h"
#include "pki.h"

#define N(array) (sizeof(array) / sizeof *(array))

enum { LIMIT_MS = 60000 }; /* for what must come: only a failing test waits so long */

static const char METADATA[] = "Metadata-Flavor: Google\r\n";
static const char GOOD[] = "{\"access_token\":\"token-1\",\"expires_in\":3600,\"token_type\":\"Bearer\"}";

/* ---- an environment of the test's own ---- */

static struct {
    char dir[64], named[128], host[64], home[96];
} world;

static const char *world_env(const char *name)
{
    return strcmp(name, "GOOGLE_APPLICATION_CREDENTIALS") == 0 ? world.named
           : strcmp(name, "GCE_METADATA_HOST") == 0            ? world.host
           : strcmp(name, "HOME") == 0                         ? world.home
                                                               : NULL;
}

static void begin(void)
{
    memset(&world, 0, sizeof world);
    strcpy(world.dir, "/tmp/sluice-credentials-XXXXXX");
    cr_assert_not_null(mkdtemp(world.dir));
    strcpy(world.home, world.dir);
    sl_log_open(2, SL_LOG_JSON, SL_ERROR, false);
}

static const char *put_file(const char *name, const char *text)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", world.dir, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void name_file(const char *text)
{
    snprintf(world.named, sizeof world.named, "%s", put_file("key.json", text));
}

static void end(void)
{
    static const char *const FILES[] = {"key.json", ".config/gcloud/application_default_credentials.json", "roots.pem", ".config/gcloud",
                                        ".config"};
    char path[160];
    for (size_t i = 0; i < N(FILES); i++) {
        snprintf(path, sizeof path, "%s/%s", world.dir, FILES[i]);
        remove(path);
    }
    cr_expect_eq(rmdir(world.dir), 0, "%s is not empty", world.dir);
}

static struct sl_credentials *find(struct sl_credentials_options options)
{
    struct sl_credentials *c = NULL;
    struct sl_err err = {0};
    options.getenv_fn = world_env;
    options.backoff_min_ms = 1;
    options.backoff_max_ms = 20;
    cr_assert_eq(sl_credentials_find(&c, &options, &err), SL_OK, "%s", err.text);
    return c;
}

static struct sl_credentials *find_metadata(const struct fake_http *http, struct sl_credentials_options options)
{
    snprintf(world.host, sizeof world.host, "127.0.0.1:%d", http->port);
    return find(options);
}

static void expect_token(struct sl_credentials *c, const char *expected)
{
    struct sl_buf header = {0};
    struct sl_err err = {0};
    cr_expect_eq(sl_credentials_token(c, &header, LIMIT_MS, &err), SL_OK, "%s", err.text);
    cr_expect_str_eq(sl_buf_text(&header), expected);
    sl_buf_fini(&header);
}

static void user_file(struct sl_buf *out, int port)
{
    sl_buf_clear(out);
    sl_buf_printf(
        out,
        "{\"type\":\"authorized_user\",\"client_id\":\"the client\",\"client_secret\":\"SECRET-1\",\"refresh_token\":\"SECRET-2\","
        "\"quota_project_id\":\"quota\",\"token_uri\":\"http://127.0.0.1:%d/token\"}",
        port);
}

static void key_file(struct sl_buf *out, const char *key_pem)
{
    json_t *object = json_pack("{s:s,s:s,s:s,s:s}", "type", "service_account", "client_email", "worker@p.iam.gserviceaccount.com",
                               "private_key_id", "kid-1", "private_key", key_pem);
    char *text = json_dumps(object, 0);
    sl_buf_clear(out);
    sl_buf_str(out, text);
    free(text);
    json_decref(object);
}

/* ---- what is refused ---- */

Test(credentials, a_broken_file_is_an_error_and_nothing_else_is_tried)
{
    static const struct {
        const char *label, *text, *says;
    } CASES[] = {
        {"empty", "", "no JSON object"},
        {"not JSON", "-----BEGIN PRIVATE KEY-----SECRET", "no JSON object"},
        {"a list", "[\"SECRET\"]", "no JSON object"},
        {"no type", "{\"client_email\":\"SECRET\"}", "type is missing"},
        {"unknown type", "{\"type\":\"external_account\",\"x\":\"SECRET\"}", "type external_account is not known"},
        {"impersonated", "{\"type\":\"impersonated_service_account\"}", "is not known"},
        {"type is a number", "{\"type\":1}", "type is no text"},
        {"a key without e-mail", "{\"type\":\"service_account\",\"private_key\":\"SECRET\"}", "client_email is missing"},
        {"a key without id", "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"SECRET\"}",
         "private_key_id is missing"},
        {"a key that is none", "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key_id\":\"b\",\"private_key\":\"SECRET\"}",
         "private_key is no RSA key"},
        {"a key that is cut",
         "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key_id\":\"b\",\"private_key\":\"-----BEGIN PRIVATE "
         "KEY-----\\nSECRET\"}",
         "private_key is no RSA key"},
        {"a user without secret", "{\"type\":\"authorized_user\",\"client_id\":\"a\",\"refresh_token\":\"SECRET\"}",
         "client_secret is missing"},
        {"a token over plain HTTP",
         "{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"SECRET\",\"refresh_token\":\"SECRET\","
         "\"token_uri\":\"http://example.com/token\"}",
         "is not https"},
        {"the same key twice", "{\"type\":\"authorized_user\",\"type\":\"service_account\"}", "no JSON object"},
    };
    struct fake_http http;
    fake_http_start(&http);
    fake_http_tell(&http, 200, METADATA, GOOD);
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_credentials *c = NULL;
        struct sl_err err = {0};
        const struct sl_credentials_options options = {.getenv_fn = world_env};
        begin();
        name_file(CASES[i].text);
        snprintf(world.host, sizeof world.host, "127.0.0.1:%d", http.port);
        cr_expect_eq(sl_credentials_find(&c, &options, &err), SL_INVALID, "%s", CASES[i].label);
        cr_expect_null(c, "%s", CASES[i].label);
        cr_expect(strstr(err.text, CASES[i].says) && strstr(err.text, world.named), "%s: %s", CASES[i].label, err.text);
        cr_expect_null(strstr(err.text, "SECRET"), "%s: %s", CASES[i].label, err.text);
        end();
    }
    cr_expect_eq(fake_http_requests(&http), 0);
    fake_http_stop(&http);
}

Test(credentials, a_file_that_is_named_and_missing_is_an_error)
{
    struct sl_credentials *c = NULL;
    struct sl_err err = {0};
    const struct sl_credentials_options options = {.getenv_fn = world_env};
    begin();
    snprintf(world.named, sizeof world.named, "%s/none.json", world.dir);
    cr_assert_eq(sl_credentials_find(&c, &options, &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "GOOGLE_APPLICATION_CREDENTIALS"), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "none.json"), "%s", err.text);
    end();
}

Test(credentials, gclouds_file_is_found_and_counts_when_broken)
{
    struct sl_credentials *c = NULL;
    struct sl_err err = {0};
    struct sl_buf text = {0};
    const struct sl_credentials_options options = {.getenv_fn = world_env};
    char path[160];
    begin();
    snprintf(path, sizeof path, "%s/.config", world.dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    strcat(path, "/gcloud");
    cr_assert_eq(mkdir(path, 0700), 0);
    put_file(".config/gcloud/application_default_credentials.json", "{}");
    cr_expect_eq(sl_credentials_find(&c, &options, &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "application_default_credentials.json: type is missing"), "%s", err.text);
    user_file(&text, 1);
    put_file(".config/gcloud/application_default_credentials.json", text.data);
    c = find(options);
    cr_expect_not_null(strstr(sl_credentials_source(c), "authorized user"));
    cr_expect_str_eq(sl_credentials_tokens(c)->quota_project, "quota");
    sl_credentials_destroy(&c);
    sl_buf_fini(&text);
    end();
}

/* ---- tokens ---- */

static json_t *decode(const char *text, size_t len)
{
    unsigned char bytes[2048];
    char padded[2048];
    size_t n = 0;
    cr_assert_lt(len, sizeof padded - 4);
    for (; n < len; n++)
        padded[n] = text[n] == '-' ? '+' : text[n] == '_' ? '/' : text[n];
    for (; n % 4; n++)
        padded[n] = '=';
    const int got = EVP_DecodeBlock(bytes, (unsigned char *)padded, (int)n);
    cr_assert_gt(got, 0);
    return json_loadb((char *)bytes, (size_t)got - (n - len), 0, NULL);
}

static bool verifies(const char *jwt, EVP_PKEY *key)
{
    const char *signature = strrchr(jwt, '.') + 1;
    unsigned char bytes[512];
    char padded[512];
    size_t n = 0, len = strlen(signature);
    for (; n < len; n++)
        padded[n] = signature[n] == '-' ? '+' : signature[n] == '_' ? '/' : signature[n];
    for (; n % 4; n++)
        padded[n] = '=';
    const size_t got = (size_t)EVP_DecodeBlock(bytes, (unsigned char *)padded, (int)n) - (n - len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool ok = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                    EVP_DigestVerify(context, bytes, got, (const unsigned char *)jwt, (size_t)(signature - 1 - jwt)) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

Test(credentials, a_service_accounts_key_signs_its_own_token)
{
    struct pki pki = {0};
    struct sl_buf text = {0}, header = {0};
    struct sl_err err = {0};
    pki_make(&pki, NULL, "x", NULL, -60, 3600);
    begin();
    key_file(&text, pki.key_pem);
    name_file(text.data);
    struct sl_credentials *c = find((struct sl_credentials_options){0});
    cr_expect_not_null(strstr(sl_credentials_source(c), "worker@p.iam.gserviceaccount.com"));
    cr_assert_eq(sl_credentials_token(c, &header, LIMIT_MS, &err), SL_OK, "%s", err.text);
    cr_assert_eq(strncmp(header.data, "Bearer ", 7), 0);
    const char *jwt = header.data + 7, *claims = strchr(jwt, '.') + 1;
    json_t *head = decode(jwt, (size_t)(claims - 1 - jwt)), *body = decode(claims, (size_t)(strchr(claims, '.') - claims));
    cr_expect_str_eq(json_string_value(json_object_get(head, "alg")), "RS256");
    cr_expect_str_eq(json_string_value(json_object_get(head, "kid")), "kid-1");
    cr_expect_str_eq(json_string_value(json_object_get(body, "iss")), "worker@p.iam.gserviceaccount.com");
    cr_expect_str_eq(json_string_value(json_object_get(body, "sub")), "worker@p.iam.gserviceaccount.com");
    cr_expect_str_eq(json_string_value(json_object_get(body, "aud")), "https://pubsub.googleapis.com/");
    const int64_t issued = json_integer_value(json_object_get(body, "iat")), expires = json_integer_value(json_object_get(body, "exp"));
    cr_expect_eq(expires - issued, 3600);
    cr_expect(issued <= time(NULL) && issued > time(NULL) - 60);
    cr_expect(verifies(jwt, pki.key));
    json_decref(head);
    json_decref(body);
    sl_credentials_destroy(&c);
    sl_buf_fini(&text);
    sl_buf_fini(&header);
    pki_fini(&pki);
    end();
}

Test(credentials, a_refresh_token_is_exchanged_once_and_the_token_kept)
{
    struct fake_http http;
    struct sl_buf text = {0};
    fake_http_start(&http);
    fake_http_tell(&http, 200, "", GOOD);
    begin();
    user_file(&text, http.port);
    name_file(text.data);
    struct sl_credentials *c = find((struct sl_credentials_options){0});
    expect_token(c, "Bearer token-1");
    expect_token(c, "Bearer token-1");
    cr_expect_eq(fake_http_requests(&http), 1);
    cr_expect_not_null(strstr(http.last, "POST /token"));
    cr_expect_not_null(strstr(http.last, "grant_type=refresh_token&client_id=the%20client&client_secret=SECRET-1&refresh_token=SECRET-2"));
    sl_credentials_destroy(&c);
    fake_http_stop(&http);
    sl_buf_fini(&text);
    end();
}

Test(credentials, the_metadata_server_is_asked_with_its_header)
{
    struct fake_http http;
    fake_http_start(&http);
    fake_http_tell(&http, 200, METADATA, GOOD);
    begin();
    struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){0});
    expect_token(c, "Bearer token-1");
    cr_expect_not_null(strstr(http.last, "GET /computeMetadata/v1/instance/service-accounts/default/token"));
    cr_expect_not_null(strstr(http.last, "Metadata-Flavor: Google"));
    sl_credentials_destroy(&c);
    fake_http_stop(&http);
    end();
}

/* Of a call that had to wait: the token may have ended meanwhile. */
static void told_a_call(void *arg, const char *header, const char *trouble)
{
    (void)arg, (void)header, (void)trouble;
}

Test(credentials, a_token_is_asked_for_again_ahead_of_its_end)
{
    struct fake_http http;
    fake_http_start(&http);
    fake_http_tell(&http, 200, METADATA, "{\"access_token\":\"a\",\"expires_in\":2}");
    http.then = "{\"access_token\":\"b\",\"expires_in\":3600}";
    begin();
    struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){0});
    expect_token(c, "Bearer a");
    struct sl_buf header = {0};
    sl_credentials_tokens(c)->ask(c, &header, told_a_call, NULL); /* only one that is used is asked for again */
    cr_assert(fake_http_wait(&http, 2, LIMIT_MS), "not asked again");
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    do {
        sl_buf_clear(&header);
        sl_credentials_token(c, &header, 1000, NULL);
    } while (strcmp(sl_buf_text(&header), "Bearer b") != 0 && sl_monotonic_ms() < until_ms);
    cr_expect_str_eq(sl_buf_text(&header), "Bearer b");
    sl_buf_clear(&header);
    cr_expect(sl_credentials_tokens(c)->ask(c, &header, NULL, NULL), "a token that is there is given at once");
    cr_expect_eq(fake_http_requests(&http), 2, "asked in a loop");
    sl_buf_fini(&header);
    sl_credentials_destroy(&c);
    fake_http_stop(&http);
    end();
}

Test(credentials, answers_without_a_token)
{
    static const struct {
        const char *label;
        int status;
        const char *headers, *body;
        enum sl_code code;
        const char *says;
    } CASES[] = {
        {"down", 503, METADATA, "", SL_UNAVAILABLE, "HTTP 503"},
        {"throttled", 429, METADATA, "", SL_UNAVAILABLE, "HTTP 429"},
        {"no account", 404, METADATA, "", SL_DENIED, "HTTP 404"},
        {"refused", 400, METADATA, "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been revoked.\"}", SL_DENIED,
         "invalid_grant: Token has been revoked."},
        {"not a metadata server", 200, "", GOOD, SL_UNAVAILABLE, "no metadata server"},
        {"a page", 200, METADATA, "<html>SECRET</html>", SL_UNAVAILABLE, "without a token"},
        {"an empty token", 200, METADATA, "{\"access_token\":\"\",\"expires_in\":3600}", SL_UNAVAILABLE, "without a token"},
        {"a token that no header holds", 200, METADATA, "{\"access_token\":\"SECRET\\n\",\"expires_in\":3600}", SL_UNAVAILABLE,
         "without a token"},
        {"another type", 200, METADATA, "{\"access_token\":\"SECRET\",\"token_type\":\"mac\"}", SL_UNAVAILABLE, "without a token"},
        {"over already", 200, METADATA, "{\"access_token\":\"SECRET\",\"expires_in\":0}", SL_UNAVAILABLE, "has ended"},
        {"hangs up", 0, "", "", SL_UNAVAILABLE, "no token"},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct fake_http http;
        struct sl_buf header = {0};
        struct sl_err err = {0};
        fake_http_start(&http);
        fake_http_tell(&http, CASES[i].status, CASES[i].headers, CASES[i].body);
        begin();
        struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){0});
        cr_expect_eq(sl_credentials_token(c, &header, LIMIT_MS, &err), CASES[i].code, "%s: %s", CASES[i].label, err.text);
        cr_expect_not_null(strstr(err.text, CASES[i].says), "%s: %s", CASES[i].label, err.text);
        cr_expect_null(strstr(err.text, "SECRET"), "%s: %s", CASES[i].label, err.text);
        cr_expect_eq(sl_credentials_failed(c, &err), CASES[i].code == SL_DENIED, "%s", CASES[i].label);
        fake_http_tell(&http, 200, METADATA, GOOD); /* it is back */
        expect_token(c, "Bearer token-1");
        cr_expect_not(sl_credentials_failed(c, &err), "%s", CASES[i].label);
        sl_credentials_destroy(&c);
        sl_buf_fini(&header);
        fake_http_stop(&http);
        end();
    }
}

Test(credentials, an_answer_that_does_not_end_is_cut)
{
    enum { MORE = 2 * 1024 * 1024 };
    struct fake_http http;
    struct sl_buf header = {0};
    struct sl_err err = {0};
    char *body = malloc(MORE + 1);
    memset(body, '{', MORE);
    body[MORE] = '\0';
    fake_http_start(&http);
    fake_http_tell(&http, 200, METADATA, body);
    begin();
    struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){0});
    cr_expect_eq(sl_credentials_token(c, &header, 10000, &err), SL_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "the answer has more than 1048576 bytes"), "%s", err.text);
    sl_credentials_destroy(&c);
    sl_buf_fini(&header);
    fake_http_stop(&http);
    free(body);
}

Test(credentials, a_server_that_never_answers_is_bounded)
{
    struct fake_http http;
    struct sl_buf header = {0};
    struct sl_err err = {0};
    fake_http_start(&http);
    http.silent = true;
    begin();
    struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){.call_ms = 200});
    const int64_t start_ms = sl_monotonic_ms();
    cr_expect_eq(sl_credentials_token(c, &header, 2 * LIMIT_MS, &err), SL_UNAVAILABLE);
    cr_expect_lt(sl_monotonic_ms() - start_ms, LIMIT_MS, "by call_ms, not by our patience");
    cr_expect_not_null(strstr(err.text, "no token"), "%s", err.text);
    sl_credentials_destroy(&c);
    fake_http_stop(&http);
    end();
}

Test(credentials, destroying_ends_a_request_under_way)
{
    struct fake_http http;
    fake_http_start(&http);
    http.silent = true;
    begin();
    struct sl_credentials *c = find_metadata(&http, (struct sl_credentials_options){.call_ms = 10 * LIMIT_MS});
    struct sl_err err = {0};
    struct sl_buf header = {0};
    cr_expect_eq(sl_credentials_token(c, &header, 20, &err), SL_UNAVAILABLE);
    cr_assert(fake_http_wait(&http, 1, LIMIT_MS));
    const int64_t start_ms = sl_monotonic_ms();
    sl_credentials_destroy(&c);
    cr_expect_lt(sl_monotonic_ms() - start_ms, LIMIT_MS, "not by call_ms");
    fake_http_stop(&http);
    end();
}

/* ---- TLS ---- */

Test(credentials, roots_are_certificates_or_an_error)
{
    struct pki ca = {0};
    struct sl_buf out = {0};
    struct sl_err err = {0};
    begin();
    pki_make(&ca, NULL, "ca", NULL, -60, 3600);
    cr_expect_eq(sl_tls_roots_read(&out, put_file("roots.pem", ca.certificate_pem), &err), SL_OK, "%s", err.text);
    cr_expect_str_eq(out.data, ca.certificate_pem);
    cr_expect_eq(sl_tls_roots_read(&out, put_file("roots.pem", ca.key_pem), &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "no certificate in PEM"), "%s", err.text);
    cr_expect_eq(sl_tls_roots_read(&out, "/none/there.pem", &err), SL_NOT_FOUND);
    sl_buf_fini(&out);
    pki_fini(&ca);
    end();
}
