/* Digests and UUIDs, by published values and the two that RULES fix. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <string.h>

#include <sluice/hash.h>

Test(hash, sha256)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[SL_SHA256_HEX + 1];
        cr_expect_str_eq(sl_sha256_hex(cases[i].text, strlen(cases[i].text), out), cases[i].hex);
    }
}

static struct sl_uuid named(struct sl_uuid ns, const char *name)
{
    return sl_uuid5(ns, name, strlen(name));
}

Test(hash, uuid5)
{
    char out[SL_UUID_LEN + 1];
    cr_assert_str_eq(sl_uuid_format(SL_UUID_DNS, out), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    cr_assert_str_eq(sl_uuid_format(named(SL_UUID_DNS, "python.org"), out), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    struct sl_uuid ns = named(SL_UUID_DNS, "sluice.trigger");
    cr_assert_str_eq(sl_uuid_format(ns, out), "75b36ae0-bd56-547e-8706-ff1fc7d76510");
    struct sl_uuid trigger = named(ns, "nba/phase_2_raw>phase_3_analytics/2025-04-15/past/1");
    cr_assert_str_eq(sl_uuid_format(trigger, out), "1c7050bc-b40a-553b-96eb-2b37087c942a");
}

Test(hash, uuid4)
{
    struct sl_uuid a = sl_uuid4(), b = sl_uuid4();
    cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
    for (int i = 0; i < 100; i++) {
        char out[SL_UUID_LEN + 1];
        sl_uuid_format(sl_uuid4(), out);
        cr_assert_eq(strlen(out), SL_UUID_LEN);
        cr_assert_eq(out[14], '4');
        cr_assert_not_null(strchr("89ab", out[19]));
    }
}

static void *many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char out[SL_UUID_LEN + 1];
        sl_uuid_format(named(SL_UUID_DNS, "python.org"), out);
        if (strcmp(out, "886313e1-3b8a-5372-9b90-0c9aee199e5d") != 0)
            *(int *)arg = 1;
    }
    return NULL;
}

Test(hash, from_several_threads)
{
    pthread_t threads[4];
    int wrong[4] = {0};
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, many, &wrong[i]);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(wrong[i], 0);
    }
}
