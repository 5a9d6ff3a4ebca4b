/* mangle.c - see the header. A thread per connection. */
#include "mangle.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 9, SECOND_MS = 1000, BUFFER = 16384 };

struct connection {
    struct mangle *mangle;
    int client, server;
    bool bad, slow;
    size_t seen; /* whole frames of the server */
    unsigned char header[HEADER];
    size_t n_header, left; /* of the frame under way */
};

static bool send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* true: it is over */
static bool wait_over(const struct mangle *mangle, int ms)
{
    struct pollfd over = {.fd = mangle->wake[0], .events = POLLIN};
    return poll(&over, 1, ms) != 0;
}

static bool send_goaway(int fd, unsigned char last)
{
    const unsigned char frame[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, last ? 0x7f : 0, last, last, last, 0, 0, 0, 0};
    return send_all(fd, frame, sizeof frame);
}

/* false: the connection ends. */
static bool spoil(struct connection *c)
{
    static const struct linger RESET = {1, 0};
    char garbage[256];
    switch (c->mangle->how) {
    case MANGLE_GRACEFUL: c->bad = false; return send_goaway(c->client, 0xff);
    case MANGLE_ABRUPT: send_goaway(c->client, 0); return false;
    case MANGLE_RST: setsockopt(c->client, SOL_SOCKET, SO_LINGER, &RESET, sizeof RESET); return false;
    case MANGLE_CUT: send_all(c->client, c->header, 4); return false;
    case MANGLE_GARBAGE:
        memset(garbage, 0xff, sizeof garbage);
        send_all(c->client, garbage, sizeof garbage);
        wait_over(c->mangle, 100); /* long enough to be read */
        return false;
    case MANGLE_STALL: wait_over(c->mangle, -1); return false;
    case MANGLE_SLOW: c->slow = true; return true;
    }
    return false;
}

static bool forward_byte(struct connection *c, unsigned char byte)
{
    if (c->slow && wait_over(c->mangle, SECOND_MS))
        return false;
    if (c->left > 0) {
        c->left--;
        return send_all(c->client, &byte, 1);
    }
    c->header[c->n_header++] = byte;
    if (c->n_header < HEADER)
        return true;
    if (c->bad && !c->slow && c->seen++ == c->mangle->frames && !spoil(c))
        return false;
    c->n_header = 0;
    c->left = (size_t)c->header[0] << 16 | (size_t)c->header[1] << 8 | c->header[2];
    return send_all(c->client, c->header, HEADER);
}

static bool to_client(struct connection *c)
{
    unsigned char bytes[BUFFER];
    const ssize_t n = read(c->server, bytes, sizeof bytes);
    bool ok = n > 0;
    if (ok && !c->bad && c->left == 0 && c->n_header == 0)
        return send_all(c->client, bytes, (size_t)n); /* nothing is awaited any more */
    for (ssize_t i = 0; ok && i < n; i++)
        ok = forward_byte(c, bytes[i]);
    return ok;
}

static bool to_server(const struct connection *c)
{
    char bytes[BUFFER];
    const ssize_t n = read(c->client, bytes, sizeof bytes);
    return n > 0 && send_all(c->server, bytes, (size_t)n);
}

static void *forward(void *arg)
{
    struct connection *c = arg;
    bool ok = true;
    while (ok) {
        struct pollfd ready[] = {
            {.fd = c->mangle->wake[0], .events = POLLIN}, {.fd = c->server, .events = POLLIN}, {.fd = c->client, .events = POLLIN}};
        poll(ready, 3, -1);
        ok = !ready[0].revents && (!ready[2].revents || to_server(c)) && (!ready[1].revents || to_client(c));
    }
    close(c->client);
    close(c->server);
    free(c);
    return NULL;
}

static int dial(int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void *accept_all(void *arg)
{
    struct mangle *mangle = arg;
    const int one = 1;
    for (;;) {
        const int fd = accept(mangle->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        const size_t n = __atomic_load_n(&mangle->n_connections, __ATOMIC_RELAXED);
        cr_assert_lt(n, 64, "connections without end");
        struct connection *c = calloc(1, sizeof *c);
        *c = (struct connection){.mangle = mangle, .client = fd, .server = dial(mangle->upstream_port), .bad = n < mangle->n_bad};
        cr_assert_eq(pthread_create(&mangle->connections[n], NULL, forward, c), 0);
        __atomic_store_n(&mangle->n_connections, n + 1, __ATOMIC_RELEASE);
    }
}

void mangle_start(struct mangle *mangle, int upstream_port, enum mangle_how how, size_t frames, size_t n_bad)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    *mangle = (struct mangle){.upstream_port = upstream_port, .how = how, .frames = frames, .n_bad = n_bad};
    mangle->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(mangle->listener, (struct sockaddr *)&to, sizeof to) == 0 && listen(mangle->listener, 16) == 0);
    cr_assert_eq(getsockname(mangle->listener, (struct sockaddr *)&to, &len), 0);
    mangle->port = ntohs(to.sin_port);
    cr_assert_eq(pipe(mangle->wake), 0);
    cr_assert_eq(pthread_create(&mangle->acceptor, NULL, accept_all, mangle), 0);
}

void mangle_stop(struct mangle *mangle)
{
    shutdown(mangle->listener, SHUT_RDWR);
    pthread_join(mangle->acceptor, NULL);
    close(mangle->wake[1]);
    for (size_t i = 0; i < mangle->n_connections; i++)
        pthread_join(mangle->connections[i], NULL);
    close(mangle->wake[0]);
    close(mangle->listener);
}
