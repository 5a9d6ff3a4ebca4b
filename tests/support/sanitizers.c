/* sanitizers.c - default options of the sanitizers, linked into every executable of a sanitized build.
 * They abort: Criterion does not look at the exit status of a test that has already reported, only at a signal; an exit
 * status would let a leak or a race pass as green. ASAN_OPTIONS and its like in the environment still override. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

/* The libraries are not instrumented: what they do to memory among themselves is not judged. */
const char *__tsan_default_options(void)
{
    return "abort_on_error=1:halt_on_error=1:ignore_noninstrumented_modules=1";
}

/* gRPC takes locks and passes memory between its threads where ThreadSanitizer doesn't look; what it does with ours is said by src/rpc/loop.c. */
const char *__tsan_default_suppressions(void)
{
    return "race:libgrpc.so\n"
           "race:libgpr.so\n"
           "race:libabsl_\n"
           "race:libstdc++.so\n";
}

/* c-ares leaks a few bytes for a name that it finds in /etc/hosts, as gRPC asks it to for "localhost". OpenSSL keeps a generator of random numbers per thread; those of gRPC's threads
 * that are there at the end are lost with them (libcrypto has no frame pointers: to see by whom it was called needs fast_unwind_on_malloc=0). */
const char *__lsan_default_suppressions(void)
{
    return "leak:libcares.so\n"
           "leak:RAND_get0_private\n"
           "leak:RAND_get0_public\n";
}
