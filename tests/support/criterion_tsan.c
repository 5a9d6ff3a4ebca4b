/* criterion_tsan.c - lets Criterion's sandbox live beside ThreadSanitizer (tests of the tsan build only).
 * The sandbox maps an arena at 0x200000000000 + (rand_r() & 0x3fffff) * 16 MiB and passes it to its child by address.
 * ThreadSanitizer lets a program map only certain ranges; of them 0x566000000000..0x567000000000 is in reach of that
 * formula and above any position-independent executable. So rand_r() counts through it; each arena takes one slot. */
#include <stdlib.h>

enum {
    FIRST_SLOT = 0x366000,
    N_SLOTS = 0x1000, /* 16 MiB each: 64 GiB; an arena starts with 128 KiB */
};

int rand_r(unsigned int *seed)
{
    *seed = (*seed + 1) % N_SLOTS;
    return FIRST_SLOT + (int)*seed;
}
