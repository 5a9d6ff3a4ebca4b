/* csv.h - CSV by RFC 4180, record by record, from a file that can be read twice.
 * Quoted fields with commas, newlines and doubled quotes; CRLF or LF; a UTF-8 byte order mark is skipped; invalid UTF-8, NUL, and quotes or
 * carriage returns inside an unquoted field are refused with file and line. Private to the warehouse. One thread at a time. May block on the disk. */
#ifndef SLUICE_WAREHOUSE_CSV_H
#define SLUICE_WAREHOUSE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/str.h>

/* The longest record: a bound for the memory that an unclosed quote can take. */
#define SL_CSV_MAX_RECORD_BYTES (16u << 20)
/* A pipe is kept in memory up to here, then in a file that has no name. */
#define SL_CSV_SPOOL_BYTES (64u << 20)

/* Bytes that can be read from the start again: a regular file, or a pipe that was spooled. */
struct sl_csv_source { /* open for embedding; fini copes with zeroed */
    int fd;            /* -1: everything is in `memory` */
    bool owned;        /* close fd */
    struct sl_buf memory;
};

/* `path` "-" is stdin. `spool_dir` is for a pipe's file. SL_NOT_FOUND, SL_DENIED, SL_INVALID (a directory), SL_UNAVAILABLE. */
enum sl_code sl_csv_source_open(struct sl_csv_source *out, const char *path, const char *spool_dir, size_t spool_bytes, struct sl_err *err);
void sl_csv_source_fini(struct sl_csv_source *source);

struct sl_csv { /* open for embedding; borrows source and name */
    struct sl_csv_source *source;
    const char *name; /* in errors */
    int64_t offset;   /* of the next byte to read */
    bool at_end;
    char *bytes;
    size_t cap, start, end;  /* unread bytes are start..end */
    int64_t line, next_line; /* where the record begins, from 1 */
    char **fields;           /* NUL-terminated, valid until the next record */
    size_t *lengths;
    size_t n_fields, cap_fields, cap_lengths;
};

void sl_csv_init(struct sl_csv *csv, struct sl_csv_source *source, const char *name);
void sl_csv_fini(struct sl_csv *csv);
/* The next record into `fields`; *more false at the end. */
enum sl_code sl_csv_next(struct sl_csv *csv, bool *more, struct sl_err *err);
/* The line on which field `i` of the record begins. */
int64_t sl_csv_field_line(const struct sl_csv *csv, size_t i);

#endif
