/* fake_pubsub.h - a Pub/Sub server that does what it is told, wrong things too: for the tests of the client.
 * Its handlers run on its loop's thread; everything else takes its mutex. Waiting is on its condition, with a limit that fails the test. */
#ifndef TESTS_CONTRACT_FAKE_PUBSUB_H
#define TESTS_CONTRACT_FAKE_PUBSUB_H

#include <pthread.h>

#include <sluice/pubsub.h>
#include <sluice/rpc.h>

enum { FAKE_MAX = 4096, FAKE_NEVER = -1 };

struct fake_call {                               /* a unary call as it came */
    char method[40], subscription[80], ids[256]; /* the first ids, joined by ","; of a Publish "KEY:BODY " of the first messages */
    size_t n_ids;
    int deadline_s;
    size_t len; /* of the request */
    int64_t at_ms;
};

struct fake {
    struct sl_rpc_loop *loop;
    struct sl_rpc_server *server;
    char address[64];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* orders, under the mutex */
    bool answer_pings;
    struct sl_buf on_open[8]; /* responses sent on every stream as it opens */
    size_t n_on_open;
    int end_on_open; /* then the stream ends with this code; FAKE_NEVER: it stays */
    int answers[64]; /* codes of the next unary calls of `answering`; FAKE_NEVER: none at all */
    size_t n_answers;
    const char *answering;
    const char *bad_id;   /* an ack that names it is INVALID_ARGUMENT */
    const char *bad_data; /* so is a Publish of it */
    struct
        fake_verdict { /* an Acknowledge or ModifyAckDeadline that names `id` fails, with an ErrorInfo that maps it to `reason`; so often */
        const char *method, *id, *reason;
        int times;
    } verdicts[8];
    int missing_ids;     /* that many ids too few (or, negative, too many) in Publish's answers */
    struct sl_buf reply; /* of every other unary call */
    /* what came */
    struct sl_rpc_peer_call *streams[64];
    size_t n_streams;
    size_t opened, firsts, closed, pings; /* firsts: streams whose first request has come */
    char client_ids[8][64];
    char every_client_id[512];         /* of the streams, in the order of their first messages, joined by "," */
    struct sl_streaming_request first; /* its numbers only */
    struct fake_call calls[FAKE_MAX];
    size_t n_calls;
    size_t published, largest_publish;
    struct sl_rpc_peer_call *unanswered[64];
    size_t n_unanswered;
};

void fake_start(struct fake *fake, const char *listen); /* "127.0.0.1:0" */
void fake_stop(struct fake *fake);                      /* the server only: its clients see a GOAWAY and a closed port */
void fake_restart(struct fake *fake);                   /* at the same address */
void fake_fini(struct fake *fake);

/* The response of these messages, "id" for each: data "data-ID", ack id "ack-ID". */
void fake_response(struct sl_buf *out, const char *const *ids, size_t n);
void fake_on_open(struct fake *fake, const struct sl_buf *response); /* copied */
void fake_send(struct fake *fake, const struct sl_buf *response);    /* on every open stream */
void fake_answer(struct fake *fake, const char *method, const int *codes, size_t n);
void fake_answer_held(struct fake *fake); /* answers OK to what was left unanswered */

size_t fake_count(struct fake *fake, const size_t *count); /* read under the mutex */
size_t fake_calls(struct fake *fake, const char *method);  /* how many came */
bool fake_acked(struct fake *fake, const char *ack_id);    /* in an Acknowledge */
/* Until `*count` (under the mutex) is at least n; false after limit_ms. */
bool fake_wait(struct fake *fake, const size_t *count, size_t n, int64_t limit_ms);
bool fake_wait_calls(struct fake *fake, const char *method, size_t n, int64_t limit_ms);

#endif
