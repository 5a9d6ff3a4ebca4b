/* fake_http.c - see the header. One connection at a time, one request each. */
#include "fake_http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sluice/str.h>

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length:");
    return end && (!length || length > end || strlen(end + 4) >= (size_t)atoi(length + strlen("Content-Length:")));
}

static void read_request(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;
    out[0] = '\0';
    while (n > 0 && len + 1 < size && !is_whole(out)) {
        n = read(fd, out + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
    }
}

/* Who doesn't want all of it may leave. */
static void write_all(int fd, const struct sl_buf *out)
{
    ssize_t n = 1;
    for (size_t at = 0; at < out->len && n > 0; at += (size_t)n)
        n = send(fd, out->data + at, out->len - at, MSG_NOSIGNAL);
}

static void answer(struct fake_http *http, int fd)
{
    char request[sizeof http->last];
    struct sl_buf out = {0};
    read_request(fd, request, sizeof request);
    pthread_mutex_lock(&http->mutex);
    memcpy(http->last, request, sizeof request);
    http->requests++;
    pthread_cond_broadcast(&http->changed);
    while (http->silent && !http->closing)
        pthread_cond_wait(&http->changed, &http->mutex);
    if (http->status && !http->silent) {
        sl_buf_printf(&out, "HTTP/1.1 %d Told\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", http->status, http->headers,
                      strlen(http->body));
        sl_buf_str(&out, http->body);
    }
    http->body = http->then ? http->then : http->body;
    pthread_mutex_unlock(&http->mutex);
    write_all(fd, &out);
    sl_buf_fini(&out);
}

static void *serve(void *arg)
{
    struct fake_http *http = arg;
    for (;;) {
        const int fd = accept(http->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        answer(http, fd);
        close(fd);
    }
}

void fake_http_start(struct fake_http *http)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    pthread_condattr_t monotonic;
    *http = (struct fake_http){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .status = 200, .headers = "", .body = ""};
    cr_assert(bind(http->listener, (struct sockaddr *)&to, sizeof to) == 0 && listen(http->listener, 16) == 0);
    cr_assert_eq(getsockname(http->listener, (struct sockaddr *)&to, &len), 0);
    http->port = ntohs(to.sin_port);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&http->mutex, NULL);
    pthread_cond_init(&http->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    cr_assert_eq(pthread_create(&http->thread, NULL, serve, http), 0);
}

void fake_http_tell(struct fake_http *http, int status, const char *headers, const char *body)
{
    pthread_mutex_lock(&http->mutex);
    http->status = status;
    http->headers = headers;
    http->body = body;
    pthread_mutex_unlock(&http->mutex);
}

size_t fake_http_requests(struct fake_http *http)
{
    pthread_mutex_lock(&http->mutex);
    const size_t n = http->requests;
    pthread_mutex_unlock(&http->mutex);
    return n;
}

bool fake_http_wait(struct fake_http *http, size_t n, int64_t limit_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit_ms / 1000;
    pthread_mutex_lock(&http->mutex);
    while (http->requests < n && pthread_cond_timedwait(&http->changed, &http->mutex, &until) != ETIMEDOUT)
        ;
    const bool reached = http->requests >= n;
    pthread_mutex_unlock(&http->mutex);
    return reached;
}

void fake_http_stop(struct fake_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->closing = true;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->mutex);
    shutdown(http->listener, SHUT_RDWR);
    pthread_join(http->thread, NULL);
    close(http->listener);
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->mutex);
}
