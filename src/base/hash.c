/* hash.c - digests by libcrypto. The algorithms are fetched once for the process: a lookup by name at every digest costs more
 * than the digest of a short text. The contexts are the calling thread's own for the call, so nothing outlives a thread. */
#include <sluice/hash.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>

const struct sl_uuid SL_UUID_DNS = {{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}};

static EVP_MD *sha256, *sha1;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static _Noreturn void broken(const char *what)
{
    fprintf(stderr, "sluice: %s failed\n", what);
    abort();
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (sha256 == NULL || sha1 == NULL)
        broken("libcrypto's SHA-1 or SHA-256");
}

/* Digest of `head` followed by `tail` into `out` of EVP_MAX_MD_SIZE bytes. */
static void digest(EVP_MD *const *algorithm, const void *head, size_t head_len, const void *tail, size_t tail_len, unsigned char *out)
{
    pthread_once(&fetch_once, fetch);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex2(context, *algorithm, NULL) != 1 || EVP_DigestUpdate(context, head, head_len) != 1 ||
        EVP_DigestUpdate(context, tail, tail_len) != 1 || EVP_DigestFinal_ex(context, out, NULL) != 1)
        broken("a digest of libcrypto");
    EVP_MD_CTX_free(context);
}

static char *hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
    return out;
}

void sl_sha256(const void *bytes, size_t len, uint8_t *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    digest(&sha256, bytes, len, "", 0, sum);
    memcpy(out, sum, SL_SHA256_BYTES);
}

char *sl_sha256_hex(const void *bytes, size_t len, char *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    digest(&sha256, bytes, len, "", 0, sum);
    hex(sum, SL_SHA256_HEX / 2, out);
    return out;
}

static void stamp(struct sl_uuid *uuid, unsigned version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0F) | (version << 4));
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3F) | 0x80);
}

struct sl_uuid sl_uuid5(struct sl_uuid ns, const void *name, size_t len)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    digest(&sha1, ns.bytes, sizeof(ns.bytes), name, len, sum);
    struct sl_uuid uuid;
    memcpy(uuid.bytes, sum, sizeof(uuid.bytes));
    stamp(&uuid, 5);
    return uuid;
}

struct sl_uuid sl_uuid4(void)
{
    struct sl_uuid uuid;
    ssize_t got;
    do
        got = getrandom(uuid.bytes, sizeof(uuid.bytes), 0); /* up to 256 bytes come whole */
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(uuid.bytes))
        broken("getrandom");
    stamp(&uuid, 4);
    return uuid;
}

char *sl_uuid_format(struct sl_uuid uuid, char *out)
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    const unsigned char *from = uuid.bytes;
    char *at = out;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (i > 0)
            *at++ = '-';
        at = hex(from, groups[i], at);
        from += groups[i];
    }
    return out;
}
