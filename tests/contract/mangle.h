/* mangle.h - a proxy that forwards HTTP/2 and spoils the first connections after so many frames of the server: for tests of what a client survives. */
#ifndef TESTS_CONTRACT_MANGLE_H
#define TESTS_CONTRACT_MANGLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum mangle_how {
    MANGLE_GRACEFUL, /* a GOAWAY that lets open streams go on */
    MANGLE_ABRUPT,   /* a GOAWAY that says that nothing was processed, then the end */
    MANGLE_RST,      /* the connection is reset */
    MANGLE_CUT,      /* it is closed in the middle of a frame's header */
    MANGLE_GARBAGE,  /* bytes that are no frame */
    MANGLE_STALL,    /* nothing comes any more */
    MANGLE_SLOW,     /* one byte a second */
};

struct mangle {
    int listener, port, upstream_port;
    enum mangle_how how;
    size_t frames, n_bad;
    pthread_t acceptor, connections[64];
    size_t n_connections; /* atomic */
    int wake[2];          /* readable: it is over */
};

/* The first n_bad connections to it are spoilt, the later ones pass. */
void mangle_start(struct mangle *mangle, int upstream_port, enum mangle_how how, size_t frames, size_t n_bad);
void mangle_stop(struct mangle *mangle);

#endif
