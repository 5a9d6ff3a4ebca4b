/* error.h - the one error type of Sluice: a class that drives behaviour, a sentence for people.
 * Any thread; a struct sl_err belongs to its caller. Never parse the sentence. */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

#define SL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum sl_code {
    SL_OK = 0,
    SL_INVALID,     /* bad input; retrying cannot help      -> dead letter   */
    SL_NOT_FOUND,   /* looked, and it is absent             -> caller picks  */
    SL_CONFLICT,    /* there already, with other content    -> caller picks  */
    SL_UNAVAILABLE, /* peer down, throttled, disk busy/full -> keep, retry   */
    SL_DENIED,      /* credentials or permission            -> stop, alert   */
    SL_CORRUPT,     /* our stored data is not what we wrote -> stop, alert   */
    SL_INTERNAL,    /* a bug, or an I/O error after which a file can't be trusted -> stop, alert */
};

struct sl_err { /* open: a value; nothing to free */
    enum sl_code code;
    char text[1024];
};

/* Set the sentence. Returns `code`. `err` may be NULL. */
enum sl_code sl_fail(struct sl_err *err, enum sl_code code, const char *fmt, ...) SL_PRINTF(3, 4);

/* Put "context: " before the sentence. Returns err->code. `err` must not be NULL. */
enum sl_code sl_wrap(struct sl_err *err, const char *fmt, ...) SL_PRINTF(2, 3);

/* "invalid", "not_found", ...: static storage. */
const char *sl_code_name(enum sl_code code);

#endif
