/* mem.c - allocations that abort on failure, and arenas.
 * An arena is a list of blocks. The head is the one being filled; blocks double from 8 KiB to 1 MiB. What would not fit into
 * a quarter of a block gets one of its own, behind the head, so that it wastes nothing. A reset keeps the head only. Under
 * AddressSanitizer the unused part of a block is poisoned: a use after reset is reported. */
#include <sluice/mem.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif

#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define poison(at, bytes)   ASAN_POISON_MEMORY_REGION((at), (bytes))
#define unpoison(at, bytes) ASAN_UNPOISON_MEMORY_REGION((at), (bytes))
#else
#define poison(at, bytes)   ((void)(at), (void)(bytes))
#define unpoison(at, bytes) ((void)(at), (void)(bytes))
#endif

#define ALIGN           _Alignof(max_align_t)
#define BLOCK_MIN_BYTES ((size_t)8 * 1024)
#define BLOCK_MAX_BYTES ((size_t)1024 * 1024)
#define PUSH_FIRST      8
#define PRINTF_BYTES    256 /* most texts are shorter and need one pass */

struct sl_arena_block {
    struct sl_arena_block *next;
    size_t cap, used;
    _Alignas(max_align_t) unsigned char data[];
};

static _Noreturn void out_of_memory(size_t bytes)
{
    fprintf(stderr, "sluice: out of memory (%zu bytes)\n", bytes);
    abort();
}

static size_t times(size_t n, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(n, bytes, &total))
        out_of_memory(SIZE_MAX);
    return total;
}

static size_t plus(size_t a, size_t b)
{
    size_t total;
    if (__builtin_add_overflow(a, b, &total))
        out_of_memory(SIZE_MAX);
    return total;
}

void *sl_alloc(size_t bytes)
{
    void *at = malloc(bytes > 0 ? bytes : 1);
    if (at == NULL)
        out_of_memory(bytes);
    return at;
}

void *sl_calloc(size_t n, size_t bytes)
{
    size_t total = times(n, bytes);
    void *at = calloc(1, total > 0 ? total : 1);
    if (at == NULL)
        out_of_memory(total);
    return at;
}

void *sl_realloc_array(void *old, size_t n, size_t bytes)
{
    size_t total = times(n, bytes);
    void *at = realloc(old, total > 0 ? total : 1);
    if (at == NULL)
        out_of_memory(total);
    return at;
}

char *sl_strdup(const char *text)
{
    return text == NULL ? NULL : sl_strndup(text, strlen(text));
}

char *sl_strndup(const char *text, size_t len)
{
    if (text == NULL)
        return NULL;
    char *copy = sl_alloc(plus(len, 1));
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

/* The pointer is read and written as bytes: callers pass the address of a pointer to any type. */
void sl_grow(void **items, size_t *cap, size_t need, size_t bytes)
{
    if (need <= *cap)
        return;
    size_t grown = *cap > 0 ? times(*cap, 2) : 8;
    if (grown < need)
        grown = need;
    void *at;
    memcpy(&at, (const void *)items, sizeof(at));
    at = sl_realloc_array(at, grown, bytes);
    memcpy((void *)items, &at, sizeof(at));
    *cap = grown;
}

void sl_arena_init(struct sl_arena *arena)
{
    *arena = (struct sl_arena){0};
}

static void free_blocks(struct sl_arena_block *block)
{
    while (block != NULL) {
        struct sl_arena_block *next = block->next;
        unpoison(block->data, block->cap);
        free(block);
        block = next;
    }
}

void sl_arena_fini(struct sl_arena *arena)
{
    free_blocks(arena->head);
    *arena = (struct sl_arena){0};
}

void sl_arena_reset(struct sl_arena *arena)
{
    arena->used_bytes = 0;
    if (arena->head == NULL)
        return;
    free_blocks(arena->head->next);
    arena->head->next = NULL;
    arena->head->used = 0;
    poison(arena->head->data, arena->head->cap);
}

static struct sl_arena_block *new_block(size_t cap)
{
    struct sl_arena_block *block = sl_alloc(plus(sizeof(*block), cap));
    block->next = NULL;
    block->cap = cap;
    block->used = 0;
    poison(block->data, cap);
    return block;
}

/* A block with room for `bytes`: the head, a new head, or one of its own behind the head. */
static struct sl_arena_block *block_for(struct sl_arena *arena, size_t bytes)
{
    struct sl_arena_block *head = arena->head;
    if (head != NULL && head->cap - head->used >= bytes)
        return head;
    if (head != NULL && bytes > head->cap / 4) {
        struct sl_arena_block *own = new_block(bytes);
        own->next = head->next;
        head->next = own;
        return own;
    }
    size_t cap = head == NULL ? BLOCK_MIN_BYTES : head->cap * 2;
    cap = cap > BLOCK_MAX_BYTES ? BLOCK_MAX_BYTES : cap;
    struct sl_arena_block *block = new_block(cap < bytes ? bytes : cap);
    block->next = head;
    arena->head = block;
    return block;
}

static void *take(struct sl_arena *arena, size_t bytes)
{
    size_t rounded = plus(bytes > 0 ? bytes : 1, ALIGN - 1) / ALIGN * ALIGN;
    struct sl_arena_block *block = block_for(arena, rounded);
    unsigned char *at = block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    unpoison(at, bytes > 0 ? bytes : 1);
    return at;
}

void *sl_arena_alloc(struct sl_arena *arena, size_t bytes)
{
    return memset(take(arena, bytes), 0, bytes > 0 ? bytes : 1);
}

void *sl_arena_array(struct sl_arena *arena, size_t n, size_t bytes)
{
    return sl_arena_alloc(arena, times(n, bytes));
}

char *sl_arena_strdup(struct sl_arena *arena, const char *text)
{
    return text == NULL ? NULL : sl_arena_strndup(arena, text, strlen(text));
}

char *sl_arena_strndup(struct sl_arena *arena, const char *text, size_t len)
{
    if (text == NULL)
        return NULL;
    char *copy = take(arena, plus(len, 1));
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *sl_arena_printf(struct sl_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    char first[PRINTF_BYTES];
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(first, sizeof(first), fmt, args);
    va_end(args);
    char *text = sl_arena_alloc(arena, (len < 0 ? 0 : (size_t)len) + 1);
    if (len > 0 && (size_t)len < sizeof(first))
        memcpy(text, first, (size_t)len);
    else if (len > 0)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

/* The capacity follows from the count: it is full at 8, 16, 32, ... */
void *sl_arena_push(struct sl_arena *arena, void *items, size_t *n, size_t bytes)
{
    unsigned char *array = items;
    if (array == NULL) {
        array = sl_arena_array(arena, PUSH_FIRST, bytes);
    } else if (*n >= PUSH_FIRST && (*n & (*n - 1)) == 0) {
        array = sl_arena_array(arena, times(*n, 2), bytes);
        memcpy(array, items, *n * bytes);
    }
    memset(array + *n * bytes, 0, bytes);
    (*n)++;
    return array;
}
