/* fake_http.h - an HTTP server on a loopback port that answers every request as it is told: for tests of what asks for tokens. */
#ifndef TESTS_CONTRACT_FAKE_HTTP_H
#define TESTS_CONTRACT_FAKE_HTTP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_http {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* orders, under the mutex */
    int status;          /* of the answers; 0: none, the connection is closed */
    const char *headers; /* lines with \r\n, "" for none */
    const char *body;
    const char *then; /* the body of all answers but the first; NULL: `body` too */
    bool silent;      /* takes the request and says nothing until it ends */
    /* what came */
    size_t requests;
    char last[4096];
    bool closing;
};

void fake_http_start(struct fake_http *http);
void fake_http_tell(struct fake_http *http, int status, const char *headers, const char *body);
size_t fake_http_requests(struct fake_http *http);
bool fake_http_wait(struct fake_http *http, size_t n, int64_t limit_ms); /* for n requests */
void fake_http_stop(struct fake_http *http);

#endif
