/* inbox.c - the way from the rpc loop to the broker thread: a list that never blocks whoever pushes. Its bound is bytes: a request that comes
 * when more is waiting is refused by the caller; ends of streams and the like are always taken, there is at most one per stream. */
#include "broker_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/clock.h>
#include <sluice/mem.h>

#define INBOX_MAX_BYTES ((size_t)64 * 1000 * 1000) /* three requests of the greatest size, or 150,000 small messages */

void sl_inbox_init(struct sl_inbox *inbox)
{
    *inbox = (struct sl_inbox){0};
    pthread_mutex_init(&inbox->mutex, NULL);
    sl_cond_init(&inbox->wake);
}

void sl_inbox_fini(struct sl_inbox *inbox)
{
    while (inbox->first) {
        struct sl_event *event = inbox->first;
        inbox->first = event->next;
        sl_event_free(event);
    }
    pthread_cond_destroy(&inbox->wake);
    pthread_mutex_destroy(&inbox->mutex);
}

struct sl_event *sl_event_create(enum sl_event_kind kind, const void *data, size_t len)
{
    struct sl_event *event = sl_alloc(sizeof(*event) + len);
    memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->len = len;
    if (len)
        memcpy(event->data, data, len);
    return event;
}

void sl_event_free(struct sl_event *event)
{
    sl_buf_fini(&event->response);
    sl_buf_fini(&event->details);
    free(event);
}

bool sl_inbox_push(struct sl_inbox *inbox, struct sl_event *event, bool limited)
{
    pthread_mutex_lock(&inbox->mutex);
    bool taken = !inbox->closed && (!limited || inbox->bytes < INBOX_MAX_BYTES);
    if (taken) {
        event->next = NULL;
        if (inbox->last)
            inbox->last->next = event;
        else
            inbox->first = event;
        inbox->last = event;
        inbox->bytes += sizeof(*event) + event->len;
        pthread_cond_signal(&inbox->wake);
    }
    pthread_mutex_unlock(&inbox->mutex);
    return taken;
}

struct sl_event *sl_inbox_take(struct sl_inbox *inbox, int64_t until_ms)
{
    pthread_mutex_lock(&inbox->mutex);
    while (!inbox->first && sl_cond_wait(&inbox->wake, &inbox->mutex, until_ms))
        ;
    struct sl_event *events = inbox->first;
    inbox->first = inbox->last = NULL;
    inbox->bytes = 0;
    pthread_mutex_unlock(&inbox->mutex);
    return events;
}

struct sl_event *sl_inbox_close(struct sl_inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    struct sl_event *events = inbox->first;
    inbox->first = inbox->last = NULL;
    inbox->closed = true;
    pthread_mutex_unlock(&inbox->mutex);
    return events;
}
