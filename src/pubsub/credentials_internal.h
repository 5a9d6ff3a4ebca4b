/* credentials_internal.h - what the files of credentials share. Private to src/pubsub. */
#ifndef SLUICE_CREDENTIALS_INTERNAL_H
#define SLUICE_CREDENTIALS_INTERNAL_H

#include <openssl/evp.h>

#include <sluice/credentials.h>
#include <sluice/mem.h>

enum sl_account_kind { SL_ACCOUNT_KEY, SL_ACCOUNT_USER, SL_ACCOUNT_METADATA };

struct sl_account { /* who we are; read-only once found */
    enum sl_account_kind kind;
    char *source, *universe, *quota_project; /* quota_project NULL: none */
    char *email, *key_id, *audience;         /* of a key */
    EVP_PKEY *key;
    char *client_id, *client_secret, *refresh_token, *token_url; /* of a user; token_url of the metadata server too */
};
void sl_account_fini(struct sl_account *account);

/* From a credentials file. SL_INVALID says what is wrong with it. */
enum sl_code sl_account_read(struct sl_account *out, const char *path, const char *service, struct sl_err *err);

struct sl_token {
    struct sl_buf header; /* "Bearer ..." */
    int64_t lifetime_ms;
};
/* Blocks; `now_s` is the time of day. SL_UNAVAILABLE, or SL_DENIED when asking again can't help. */
enum sl_code sl_account_token(struct sl_token *out, const struct sl_account *account, int64_t now_s, int64_t call_ms, const bool *stop,
                              struct sl_err *err);

#endif
