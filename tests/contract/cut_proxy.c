/* cut_proxy.c - see the header.
 * Whole frames are passed on, so that what is sent in between lands between two of them. Headers always are, also those of a stream that is dead here: they carry
 * the state of the connection's header compression. */
#include "cut_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

enum {
    PREFACE_BYTES = 24,
    HEAD_BYTES = 9,
    RST_STREAM = 3,
    GOAWAY = 7,
    CONTINUATION = 9,
    ENHANCE_YOUR_CALM = 11,
    LAST_STREAM = 0x7fffffff,
};

struct frame {
    const unsigned char *bytes;
    size_t len;
    int type;
    uint32_t stream;
};

/* ---- sockets ---- */

static void send_all(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* it has gone; its end is read next */
        at += n;
        len -= (size_t)n;
    }
}

static void close_with(int fd, bool reset)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* -1: nobody there */
static int dial(uint16_t port)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void close_connection(struct cut_connection *connection, bool reset)
{
    for (size_t i = 0; i < 2; i++) {
        close_with(connection->sides[i].fd, reset);
        sl_buf_fini(&connection->sides[i].buf);
    }
    *connection = (struct cut_connection){0};
}

/* ---- frames ---- */

static void put_u32(unsigned char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void send_reset(int fd, uint32_t stream, uint32_t code)
{
    unsigned char frame[HEAD_BYTES + 4] = {0, 0, 4, RST_STREAM};
    put_u32(frame + 5, stream);
    put_u32(frame + 9, code);
    send_all(fd, frame, sizeof frame);
}

static void send_goaway(int fd, uint32_t last_stream, uint32_t code)
{
    unsigned char frame[HEAD_BYTES + 8] = {0, 0, 8, GOAWAY};
    put_u32(frame + 9, last_stream);
    put_u32(frame + 13, code);
    send_all(fd, frame, sizeof frame);
}

static bool is_dead(const struct cut_connection *connection, uint32_t stream)
{
    for (size_t i = 0; i < connection->n_dead; i++)
        if (connection->dead[i] == stream)
            return true;
    return false;
}

static void kill_stream(struct cut_connection *connection, uint32_t stream)
{
    if (connection->n_dead < CUT_SIDES)
        connection->dead[connection->n_dead++] = stream;
}

/* ---- the cut; under the mutex ---- */

static void cut_at(struct cut_connection *connection, const struct cut *cut, uint32_t stream, const struct frame *frame)
{
    const int client = connection->sides[CUT_UP].fd, server = connection->sides[CUT_DOWN].fd;
    switch (cut->kind) {
    case CUT_NONE: break;
    case CUT_RST:
        if (cut->half && frame)
            send_all(cut->way == CUT_UP ? server : client, frame->bytes, frame->len / 2);
        close_connection(connection, true);
        break;
    case CUT_STREAM:
        send_reset(client, stream, cut->code);
        send_reset(server, stream, cut->code);
        kill_stream(connection, stream);
        break;
    case CUT_GOAWAY: send_goaway(client, LAST_STREAM, 0); break;
    case CUT_GOAWAY_REFUSING:
        send_goaway(client, stream > 2 ? stream - 2 : 0, 0);
        send_reset(server, stream, 0);
        kill_stream(connection, stream);
        break;
    case CUT_GOAWAY_GONE:
        send_goaway(client, 0, ENHANCE_YOUR_CALM);
        close_connection(connection, false);
        break;
    }
}

static void done(struct cut_proxy *proxy)
{
    proxy->cut = (struct cut){0};
    proxy->n_cut++;
    pthread_cond_broadcast(&proxy->changed);
}

static bool needs_stream(enum cut_kind kind)
{
    return kind == CUT_STREAM || kind == CUT_GOAWAY_REFUSING;
}

static bool is_meant(struct cut *cut, enum cut_way way, const struct frame *frame)
{
    if (cut->kind == CUT_NONE || cut->nth == 0 || cut->way != way || (cut->type != CUT_ANY && cut->type != frame->type))
        return false;
    if (needs_stream(cut->kind) && frame->stream == 0)
        return false;
    return --cut->nth == 0;
}

static bool is_header(const struct frame *frame)
{
    return frame->type == CUT_HEADERS || frame->type == CONTINUATION;
}

static void pass_on(struct cut_connection *connection, enum cut_way way, const struct frame *frame)
{
    if (connection->open && (is_header(frame) || !is_dead(connection, frame->stream)))
        send_all(connection->sides[!way].fd, frame->bytes, frame->len);
}

static void on_frame(struct cut_proxy *proxy, struct cut_connection *connection, enum cut_way way, const struct frame *frame)
{
    if (way == CUT_UP && frame->type == CUT_HEADERS && !connection->first_stream)
        connection->first_stream = frame->stream;
    const bool meant = is_meant(&proxy->cut, way, frame);
    const bool after = needs_stream(proxy->cut.kind) && is_header(frame); /* a stream is only there once its headers are */
    if (!meant || after)
        pass_on(connection, way, frame);
    if (!meant)
        return;
    cut_at(connection, &proxy->cut, frame->stream, frame);
    done(proxy);
    if (!after)
        pass_on(connection, way, frame);
}

static bool next_frame(struct cut_side *side, enum cut_way way, struct frame *out)
{
    const unsigned char *bytes = (const unsigned char *)side->buf.data;
    if (way == CUT_UP && !side->greeted) {
        *out = (struct frame){.bytes = bytes, .len = PREFACE_BYTES, .type = CUT_ANY};
        return side->buf.len >= PREFACE_BYTES;
    }
    if (side->buf.len < HEAD_BYTES)
        return false;
    *out = (struct frame){.bytes = bytes, .type = bytes[3]};
    out->len = HEAD_BYTES + ((size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2]);
    out->stream = ((uint32_t)bytes[5] << 24 | (uint32_t)bytes[6] << 16 | (uint32_t)bytes[7] << 8 | bytes[8]) & LAST_STREAM;
    return side->buf.len >= out->len;
}

static void move_frames(struct cut_proxy *proxy, struct cut_connection *connection, enum cut_way way)
{
    struct cut_side *side = &connection->sides[way];
    struct frame frame;
    while (connection->open && next_frame(side, way, &frame)) {
        const size_t len = frame.len;
        if (way == CUT_UP && !side->greeted)
            send_all(connection->sides[CUT_DOWN].fd, frame.bytes, frame.len);
        else
            on_frame(proxy, connection, way, &frame);
        if (!connection->open)
            return;
        side->greeted = true;
        memmove(side->buf.data, side->buf.data + len, side->buf.len - len);
        side->buf.len -= len;
    }
}

/* ---- the thread ---- */

static void accept_one(struct cut_proxy *proxy)
{
    const int client = accept(proxy->listener, NULL, NULL), on = 1;
    if (client < 0)
        return;
    proxy->n_accepted++;
    pthread_cond_broadcast(&proxy->changed);
    const int server = proxy->refusing ? -1 : dial(proxy->target);
    for (size_t i = 0; server >= 0 && i < CUT_SIDES; i++) {
        if (proxy->connections[i].open)
            continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        proxy->connections[i] = (struct cut_connection){.open = true, .sides = {{.fd = client}, {.fd = server}}};
        return;
    }
    close_with(client, true);
    if (server >= 0)
        close(server);
}

static void read_side(struct cut_proxy *proxy, struct cut_connection *connection, enum cut_way way)
{
    char bytes[65536];
    const ssize_t n = recv(connection->sides[way].fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_connection(connection, n < 0);
        return;
    }
    sl_buf_add(&connection->sides[way].buf, bytes, (size_t)n);
    move_frames(proxy, connection, way);
}

/* An order for now: the oldest stream of a living connection, which is the streaming pull of a bus. */
static void cut_now(struct cut_proxy *proxy)
{
    for (size_t i = CUT_SIDES; proxy->cut.kind != CUT_NONE && proxy->cut.nth == 0 && i-- > 0;) {
        struct cut_connection *connection = &proxy->connections[i];
        if (!connection->open || !connection->first_stream)
            continue;
        cut_at(connection, &proxy->cut, connection->first_stream, NULL);
        done(proxy);
    }
}

static nfds_t fill(const struct cut_proxy *proxy, struct pollfd *out)
{
    nfds_t n = 0;
    out[n++] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    out[n++] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
    for (size_t i = 0; i < CUT_SIDES; i++)
        for (size_t k = 0; k < 2; k++)
            out[n++] = (struct pollfd){.fd = proxy->connections[i].open ? proxy->connections[i].sides[k].fd : -1, .events = POLLIN};
    return n;
}

static void act(struct cut_proxy *proxy, const struct pollfd *polled)
{
    char byte;
    if (polled[1].revents && read(proxy->wake[0], &byte, 1) == 1)
        cut_now(proxy);
    for (size_t i = 0; i < CUT_SIDES; i++)
        for (size_t k = 0; k < 2; k++)
            if (polled[2 + 2 * i + k].revents && proxy->connections[i].open)
                read_side(proxy, &proxy->connections[i], (enum cut_way)k);
    if (polled[0].revents)
        accept_one(proxy);
}

static void *proxy_main(void *arg)
{
    struct cut_proxy *proxy = arg;
    struct pollfd polled[2 + 2 * CUT_SIDES];
    pthread_mutex_lock(&proxy->mutex);
    while (!proxy->stopping) {
        const nfds_t n = fill(proxy, polled);
        pthread_mutex_unlock(&proxy->mutex);
        const int ready = poll(polled, n, -1);
        pthread_mutex_lock(&proxy->mutex);
        if (ready > 0)
            act(proxy, polled);
    }
    for (size_t i = 0; i < CUT_SIDES; i++)
        if (proxy->connections[i].open)
            close_connection(&proxy->connections[i], false);
    pthread_mutex_unlock(&proxy->mutex);
    return NULL;
}

/* ---- from outside ---- */

static void wake(struct cut_proxy *proxy)
{
    cr_assert_eq(write(proxy->wake[1], "", 1), 1);
}

void cut_proxy_start(struct cut_proxy *proxy, const char *target)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    *proxy = (struct cut_proxy){.target = (uint16_t)atoi(strrchr(target, ':') + 1)};
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(proxy->listener, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(proxy->listener, 64), 0);
    cr_assert_eq(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    cr_assert_eq(pipe(proxy->wake), 0);
    snprintf(proxy->address, sizeof proxy->address, "127.0.0.1:%d", ntohs(address.sin_port));
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&proxy->mutex, NULL);
    pthread_cond_init(&proxy->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    cr_assert_eq(pthread_create(&proxy->thread, NULL, proxy_main, proxy), 0);
}

void cut_proxy_order(struct cut_proxy *proxy, const struct cut *cut)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->cut = *cut;
    proxy->n_cut = 0;
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
}

static bool wait_for(struct cut_proxy *proxy, const size_t *count, size_t n, int64_t limit_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit_ms / 1000;
    until.tv_nsec += limit_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&proxy->mutex);
    while (*count < n && pthread_cond_timedwait(&proxy->changed, &proxy->mutex, &until) != ETIMEDOUT)
        ;
    const bool came = *count >= n;
    pthread_mutex_unlock(&proxy->mutex);
    return came;
}

bool cut_proxy_wait(struct cut_proxy *proxy, int64_t limit_ms)
{
    return wait_for(proxy, &proxy->n_cut, 1, limit_ms);
}

bool cut_proxy_wait_connections(struct cut_proxy *proxy, size_t n, int64_t limit_ms)
{
    return wait_for(proxy, &proxy->n_accepted, n, limit_ms);
}

void cut_proxy_refuse(struct cut_proxy *proxy, bool refuse)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->refusing = refuse;
    pthread_mutex_unlock(&proxy->mutex);
}

size_t cut_proxy_connections(struct cut_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    const size_t n = proxy->n_accepted;
    pthread_mutex_unlock(&proxy->mutex);
    return n;
}

void cut_proxy_stop(struct cut_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->stopping = true;
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_cond_destroy(&proxy->changed);
    pthread_mutex_destroy(&proxy->mutex);
}
