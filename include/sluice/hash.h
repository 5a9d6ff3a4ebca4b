/* hash.h - SHA-256 and UUIDs (libcrypto underneath). Any thread. */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SL_SHA256_HEX 64
#define SL_UUID_LEN   36

#define SL_SHA256_BYTES 32
void sl_sha256(const void *bytes, size_t len, uint8_t *out); /* into SL_SHA256_BYTES */
/* Lower-case hex into `out` of SL_SHA256_HEX + 1 bytes; returns out. */
char *sl_sha256_hex(const void *bytes, size_t len, char *out);

struct sl_uuid {
    uint8_t bytes[16];
};
extern const struct sl_uuid SL_UUID_DNS; /* RFC 4122 appendix C */

struct sl_uuid sl_uuid5(struct sl_uuid ns, const void *name, size_t len); /* RFC 4122 4.3, SHA-1 */
struct sl_uuid sl_uuid4(void);                                            /* getrandom(2) */
char *sl_uuid_format(struct sl_uuid uuid, char *out);                     /* SL_UUID_LEN + 1 bytes; returns out */

#endif
