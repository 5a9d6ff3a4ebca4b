/* utf8_internal.h - one character at a time, for the files of this folder.
 * Pure. Any thread. */
#ifndef SLUICE_BASE_UTF8_INTERNAL_H
#define SLUICE_BASE_UTF8_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Length 1..4 of the valid UTF-8 character that `left` (at least 1) bytes begin with; 0 when they begin with none. */
size_t sl_utf8_length(const unsigned char *bytes, size_t left);
/* Write the character U+0000..U+10FFFF (no surrogate) into `out` of 4 bytes; returns its length. */
size_t sl_utf8_encode(uint32_t character, char *out);

#endif
