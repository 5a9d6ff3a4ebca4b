/* completion_event.h - CloudEvents around completions. Pure. Private to src/core. */
#ifndef SLUICE_CORE_COMPLETION_EVENT_H
#define SLUICE_CORE_COMPLETION_EVENT_H

#include "completion_internal.h"

#define SL_EVENT_VERSION "1.0"

enum sl_media { SL_MEDIA_JSON, SL_MEDIA_PROTOBUF, SL_MEDIA_EVENT, SL_MEDIA_OTHER_EVENT };

/* By its media type, parameters apart; what is nothing of the other three is JSON. */
enum sl_media sl_media_of(const char *content_type, size_t len);

/* The body is an event in JSON: its data becomes decode->json. false: refused. */
bool sl_open_event(struct sl_decode *decode);
/* The data of an event, or a whole body. false: refused. */
bool sl_open_data(struct sl_decode *decode, enum sl_media media, const char *data, size_t len);
/* Keep the event's own attributes, a JSON object (copied), for `extra`. */
void sl_event_keep(struct sl_decode *decode, const char *object, size_t len);

#endif
