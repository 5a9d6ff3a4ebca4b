/* wire.h - the protobuf wire format: fields out of bytes that nobody vouches for, and fields into a buffer. Pure. Any thread.
 * Reading is over spans of the input; every length is checked against what is left before it is used. Groups (deprecated, in none of our messages) are refused; what to do with
 * unknown fields, and with known ones of another wire type, is the caller's to say. */
#ifndef SLUICE_WIRE_H
#define SLUICE_WIRE_H

#include <sluice/error.h>
#include <sluice/mem.h>
#include <sluice/str.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_span { /* bytes of somebody else's; no NUL at the end */
    const char *ptr;
    size_t len;
};

enum sl_wire_type { SL_WIRE_VARINT = 0, SL_WIRE_FIXED64 = 1, SL_WIRE_BYTES = 2, SL_WIRE_FIXED32 = 5 };

/* What a field is switched on: its number and its type. */
#define SL_KEY(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* ---- reading ---- */

struct sl_wire { /* open: a value; borrows the bytes, `what` and `err` */
    const char *start, *at, *end;
    const char *what; /* name of the message, for the sentence */
    struct sl_err *err;
    enum sl_code code; /* SL_INVALID once something was malformed */
    const char *why;   /* then what it was */
};

struct sl_wire_field {
    uint32_t key;         /* SL_KEY() */
    uint64_t value;       /* of a varint, or the bits of a fixed one */
    struct sl_span bytes; /* never NULL */
};

static inline uint32_t sl_wire_number(const struct sl_wire_field *field)
{
    return field->key >> 3;
}

static inline enum sl_wire_type sl_wire_type_of(const struct sl_wire_field *field)
{
    return (enum sl_wire_type)(field->key & 7);
}

struct sl_wire sl_wire_open(struct sl_span bytes, const char *what, struct sl_err *err); /* `err` may be NULL */
/* The next field, and wire->at behind it; false at the end or at malformed bytes (wire->code says which). */
bool sl_wire_next(struct sl_wire *wire, struct sl_wire_field *field);
bool sl_wire_fail(struct sl_wire *wire, const char *why); /* false, always; `why` is kept */
/* One varint of a packed field. */
bool sl_wire_varint(struct sl_wire *wire, uint64_t *out);
/* A string that must be UTF-8. */
bool sl_wire_text(struct sl_wire *wire, const struct sl_wire_field *field, struct sl_span *out);
/* The same without a NUL, into the arena. */
bool sl_wire_string(struct sl_wire *wire, const struct sl_wire_field *field, struct sl_arena *arena, const char **out);
/* All of a message whose fields 1 and 2 are bytes: a map's entry, an Any. Of a field that is there twice the last one counts; "" for none. */
enum sl_code sl_wire_pair(struct sl_span *first, struct sl_span *second, struct sl_span bytes, const char *what, struct sl_err *err);

/* ---- writing ---- */

enum { SL_WIRE_MAX_VARINT_BYTES = 10 };

size_t sl_wire_varint_size(uint64_t value);
size_t sl_wire_bytes_size(int number, size_t len);                                      /* key, length and bytes */
size_t sl_wire_write_varint(char out[static SL_WIRE_MAX_VARINT_BYTES], uint64_t value); /* how many bytes it took */
/* Appended to `out`. */
void sl_wire_put_varint(struct sl_buf *out, uint64_t value);
void sl_wire_put_key(struct sl_buf *out, int number, enum sl_wire_type type);
void sl_wire_put_bytes(struct sl_buf *out, int number, const void *bytes, size_t len);
void sl_wire_put_text(struct sl_buf *out, int number, const char *text); /* nothing for NULL and "" */
void sl_wire_put_int(struct sl_buf *out, int number, int64_t value);     /* nothing for 0 */
void sl_wire_put_message(struct sl_buf *out, int number, const struct sl_buf *message);

#endif
