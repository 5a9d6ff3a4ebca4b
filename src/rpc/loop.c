/* loop.c - the completion queue and its one thread.
 * gRPC does I/O only while somebody waits in next(); that is this thread. Destroying shuts the queue down; the thread then takes what is still to come and ends by itself.
 * Whatever gRPC logs goes to our log. */
#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/log.h>

#include <sluice/log.h>
#include <sluice/mem.h>

#include "rpc_internal.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SL_RPC_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define SL_RPC_TSAN 1
#endif

#ifdef SL_RPC_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#else
#define __tsan_acquire(addr) ((void)(addr))
#define __tsan_release(addr) ((void)(addr))
#endif

/* ---- gRPC's log ---- */

static enum sl_level level_of(gpr_log_severity severity)
{
    switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG: return SL_DEBUG;
    case GPR_LOG_SEVERITY_INFO: return SL_DEBUG;
    case GPR_LOG_SEVERITY_ERROR: return SL_WARNING; /* what matters of it comes back as a status too */
    }
    return SL_WARNING;
}

static void log_line(gpr_log_func_args *args)
{
    const char *file = strrchr(args->file, '/');
    char place[128];
    snprintf(place, sizeof place, "%s:%d", file ? file + 1 : args->file, args->line);
    sl_log(level_of(args->severity), "gRPC says something", {"text", args->message}, {"place", place});
}

/* Once per process. Messages come and go in pieces of hundreds of KB: the allocator is not to give each back to the kernel and to fault it in again. What it keeps of free memory
 * at the top of a heap is bounded by this. */
static void prepare(void)
{
    enum { KEEP_FREE_BYTES = 8 * 1024 * 1024, MAP_FROM_BYTES = 2 * 1024 * 1024 };
    gpr_set_log_function(log_line);
    mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
    mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
}

/* ---- tags ---- */

void sl_rpc_arm(struct sl_rpc_tag *tag)
{
    __tsan_release(tag);
}

void sl_rpc_batch(grpc_call *call, const grpc_op *ops, size_t n, struct sl_rpc_tag *tag)
{
    sl_rpc_arm(tag);
    grpc_call_error error = grpc_call_start_batch(call, ops, n, tag, NULL);
    if (error == GRPC_CALL_OK)
        return;
    sl_log(SL_ERROR, "gRPC refused a batch", {"error", grpc_call_error_to_string(error)});
    abort();
}

static void *run(void *arg)
{
    struct sl_rpc_loop *loop = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(loop->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        assert(event.type == GRPC_OP_COMPLETE);
        struct sl_rpc_tag *tag = event.tag;
        __tsan_acquire(tag);
        tag->run(tag, event.success != 0);
    }
}

/* ---- life ---- */

static void undo(struct sl_rpc_loop *loop)
{
    grpc_completion_queue_destroy(loop->cq);
    grpc_shutdown();
    free(loop);
}

/* Signals are for the program's own threads: ours and gRPC's, which inherit the mask, take none. */
static int start(struct sl_rpc_loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    grpc_init();
    loop->cq = grpc_completion_queue_create_for_next(NULL);
    int failure = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

enum sl_code sl_rpc_loop_create(struct sl_rpc_loop **out, struct sl_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    struct sl_rpc_loop *loop = sl_calloc(1, sizeof *loop);
    *out = NULL;
    int failure = start(loop);
    if (failure) {
        grpc_completion_queue_shutdown(loop->cq);
        undo(loop);
        return sl_fail(err, SL_UNAVAILABLE, "can't start the thread of gRPC: %s", strerror(failure));
    }
    *out = loop;
    return SL_OK;
}

void sl_rpc_loop_destroy(struct sl_rpc_loop **loop)
{
    if (!*loop)
        return;
    assert(!sl_rpc_loop_is_mine(*loop));
    grpc_completion_queue_shutdown((*loop)->cq);
    pthread_join((*loop)->thread, NULL);
    undo(*loop);
    *loop = NULL;
}

bool sl_rpc_loop_is_mine(const struct sl_rpc_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self());
}
