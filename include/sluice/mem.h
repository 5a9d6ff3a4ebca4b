/* mem.h - memory: allocations that abort on failure, and arenas.
 * A failed allocation aborts (unacked messages come again); sizes that come from outside are checked by the caller first.
 * An arena belongs to one thread at a time; everything in it lives until reset or fini. */
#ifndef SLUICE_MEM_H
#define SLUICE_MEM_H

#include <stddef.h>

void *sl_alloc(size_t bytes);            /* uninitialised; free() it */
void *sl_calloc(size_t n, size_t bytes); /* zeroed; aborts on overflow too */
void *sl_realloc_array(void *old, size_t n, size_t bytes);
char *sl_strdup(const char *text); /* NULL stays NULL */
char *sl_strndup(const char *text, size_t len);

/* Grow `*items` (heap array of `*cap` elements of `bytes`) so that `need` fit; doubles. */
void sl_grow(void **items, size_t *cap, size_t need, size_t bytes);

struct sl_arena_block;
struct sl_arena { /* open for embedding; zero-initialised is valid and empty */
    struct sl_arena_block *head;
    size_t used_bytes; /* handed out since the last reset */
};

void sl_arena_init(struct sl_arena *arena);
void sl_arena_fini(struct sl_arena *arena);
void sl_arena_reset(struct sl_arena *arena);                          /* keeps one block, frees the rest */
void *sl_arena_alloc(struct sl_arena *arena, size_t bytes);           /* zeroed, aligned for any type */
void *sl_arena_array(struct sl_arena *arena, size_t n, size_t bytes); /* zeroed; aborts on overflow */
char *sl_arena_strdup(struct sl_arena *arena, const char *text);      /* NULL stays NULL */
char *sl_arena_strndup(struct sl_arena *arena, const char *text, size_t len);
char *sl_arena_printf(struct sl_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append to an arena-held array that grows by doubling: returns the (possibly moved) array; `*n` is the count in use. The
 * capacity is the next power of two from 8; `items` NULL with *n == 0 starts one. The new element is zeroed. */
void *sl_arena_push(struct sl_arena *arena, void *items, size_t *n, size_t bytes);

#endif
