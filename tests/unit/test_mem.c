/* Memory: what aborts, how arrays and arenas grow. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

Test(mem, nothing_is_still_something)
{
    void *a = sl_alloc(0), *b = sl_calloc(0, 8), *c = sl_realloc_array(NULL, 0, 8);
    cr_assert(a != NULL && b != NULL && c != NULL);
    free(a);
    free(b);
    free(c);
}

Test(mem, calloc_aborts_on_overflow, .signal = SIGABRT)
{
    free(sl_calloc(SIZE_MAX / 2, 3));
}

Test(mem, realloc_array_aborts_on_overflow, .signal = SIGABRT)
{
    free(sl_realloc_array(NULL, SIZE_MAX / 4, 8));
}

Test(mem, arena_array_aborts_on_overflow, .signal = SIGABRT)
{
    struct sl_arena arena = {0};
    sl_arena_array(&arena, SIZE_MAX / 8, 16);
}

Test(mem, strings)
{
    cr_assert_null(sl_strdup(NULL));
    cr_assert_null(sl_strndup(NULL, 4));
    char *whole = sl_strdup("gate"), *part = sl_strndup("gates", 2), *none = sl_strndup("x", 0);
    cr_assert_str_eq(whole, "gate");
    cr_assert_str_eq(part, "ga");
    cr_assert_str_eq(none, "");
    free(whole);
    free(part);
    free(none);
}

Test(mem, grow_doubles_and_keeps)
{
    int *items = NULL;
    size_t cap = 0, moves = 0;
    for (size_t n = 0; n < 1000; n++) {
        size_t before = cap;
        sl_grow((void **)&items, &cap, n + 1, sizeof(*items));
        moves += cap != before;
        items[n] = (int)n;
    }
    cr_assert_leq(moves, 8);
    for (size_t n = 0; n < 1000; n++)
        cr_assert_eq(items[n], (int)n);
    sl_grow((void **)&items, &cap, 5000, sizeof(*items));
    cr_assert_geq(cap, 5000);
    free(items);
}

Test(mem, arena_is_zeroed_aligned_and_apart)
{
    struct sl_arena arena = {0};
    unsigned char *last = NULL;
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        unsigned char *at = sl_arena_alloc(&arena, bytes);
        cr_assert_eq((uintptr_t)at % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            cr_assert_eq(at[i], 0);
        memset(at, 0xAB, bytes);
        cr_assert_neq(at, last);
        last = at;
    }
    cr_assert_gt(arena.used_bytes, 3000U * 3000 / 14);
    sl_arena_fini(&arena);
    cr_assert_null(arena.head);
}

Test(mem, arena_reset_gives_clean_memory_again)
{
    struct sl_arena arena;
    sl_arena_init(&arena);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 300; i++) {
            size_t bytes = i % 10 == 0 ? 100000 : 100;
            char *at = sl_arena_alloc(&arena, bytes);
            cr_assert(at[0] == 0 && at[bytes - 1] == 0);
            memset(at, 'x', bytes);
        }
        sl_arena_reset(&arena);
        cr_assert_eq(arena.used_bytes, 0);
    }
    sl_arena_fini(&arena);
}

Test(mem, arena_texts)
{
    struct sl_arena arena = {0};
    cr_assert_null(sl_arena_strdup(&arena, NULL));
    cr_assert_null(sl_arena_strndup(&arena, NULL, 3));
    cr_assert_str_eq(sl_arena_strdup(&arena, "abc"), "abc");
    cr_assert_str_eq(sl_arena_strndup(&arena, "abc", 1), "a");
    cr_assert_str_eq(sl_arena_printf(&arena, "%s-%d", "p", 7), "p-7");
    cr_assert_str_eq(sl_arena_printf(&arena, "%s", ""), "");
    cr_assert_eq(strlen(sl_arena_printf(&arena, "%20000d", 1)), 20000);
    sl_arena_fini(&arena);
}

struct item {
    int64_t a;
    char b;
};

Test(mem, arena_push_keeps_what_was_there)
{
    struct sl_arena arena = {0};
    struct item *items = NULL;
    size_t n = 0;
    for (int i = 0; i < 1000; i++) {
        items = sl_arena_push(&arena, items, &n, sizeof(*items));
        cr_assert_eq(n, (size_t)i + 1);
        cr_assert(items[i].a == 0 && items[i].b == 0, "element %d is not zeroed", i);
        items[i] = (struct item){i, 'x'};
    }
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(items[i].a, i);
    n = 3;
    items = sl_arena_push(&arena, items, &n, sizeof(*items));
    cr_assert_eq(items[3].a, 0, "a slot that was used before is not zeroed");
    sl_arena_fini(&arena);
}
