/* cut_proxy.h - a TCP proxy between a gRPC client and its server that knows HTTP/2's frames and breaks the connection, or one stream of it, at a frame it is told.
 * A thread of its own moves the bytes; everything else takes its mutex. One order at a time; it is carried out once. */
#ifndef TESTS_CONTRACT_CUT_PROXY_H
#define TESTS_CONTRACT_CUT_PROXY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sluice/str.h>

enum cut_kind {
    CUT_NONE,
    CUT_RST,             /* TCP: both ends see their connection reset */
    CUT_STREAM,          /* RST_STREAM of the frame's stream, to both */
    CUT_GOAWAY,          /* to the client; what is open goes on */
    CUT_GOAWAY_REFUSING, /* and the frame's stream and later ones were never seen */
    CUT_GOAWAY_GONE,     /* and the connection is closed at once */
};
enum cut_way { CUT_UP, CUT_DOWN }; /* to the server, to the client */
enum { CUT_DATA = 0, CUT_HEADERS = 1, CUT_ANY = -1, CUT_SIDES = 16 };

struct cut {
    enum cut_kind kind;
    uint32_t code; /* of RST_STREAM, as HTTP/2 has it */
    enum cut_way way;
    int type;   /* of the frame; those of no stream don't count where a stream is needed */
    size_t nth; /* from 1, counted from the order; 0: now, the first stream of the newest connection */
    bool half;  /* CUT_RST: after half of the frame, else before it */
};

struct cut_side {
    int fd;
    struct sl_buf buf; /* the beginning of a frame */
    bool greeted;      /* the client's preface has gone by */
};
struct cut_connection {
    bool open;
    struct cut_side sides[2]; /* by the way that is read from them: client, server */
    uint32_t first_stream, dead[CUT_SIDES];
    size_t n_dead;
};

struct cut_proxy {
    int listener, wake[2];
    uint16_t target;
    char address[64];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct cut cut;
    bool refusing, stopping;
    size_t n_accepted, n_cut;
    struct cut_connection connections[CUT_SIDES];
};

void cut_proxy_start(struct cut_proxy *proxy, const char *target); /* "127.0.0.1:PORT"; `address` is what a client dials */
void cut_proxy_order(struct cut_proxy *proxy, const struct cut *cut);
bool cut_proxy_wait(struct cut_proxy *proxy, int64_t limit_ms); /* until the order is carried out */
void cut_proxy_refuse(struct cut_proxy *proxy, bool refuse);    /* resets whatever comes, from now on */
size_t cut_proxy_connections(struct cut_proxy *proxy);          /* how many have come */
bool cut_proxy_wait_connections(struct cut_proxy *proxy, size_t n, int64_t limit_ms);
void cut_proxy_stop(struct cut_proxy *proxy);

#endif
