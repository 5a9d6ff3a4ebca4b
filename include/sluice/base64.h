/* base64.h - RFC 4648 base64: bytes as text and back. Pure. Any thread. */
#ifndef SLUICE_BASE64_H
#define SLUICE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/mem.h>

/* With padding, NUL-terminated, in the arena. */
char *sl_base64_encode(const void *bytes, size_t len, struct sl_arena *arena);
/* The whole of `text`: the standard alphabet, with or without padding, no blanks, no stray bits at the end. The bytes are in the arena, followed by a NUL. false: it isn't base64. */
bool sl_base64_decode(const char *text, size_t len, struct sl_arena *arena, char **out, size_t *out_len);

#endif
