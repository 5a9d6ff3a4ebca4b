/* filter_internal.h - a subscription's filter: the service's documented language over a message's attributes. Pure. Any thread may match.
 *
 *   filter  = terms joined by AND, or by OR; both in one need parentheses
 *   term    = [NOT | -] (filter) | attributes:KEY | attributes.KEY = "TEXT" | attributes.KEY != "TEXT" | hasPrefix(attributes.KEY, "TEXT")
 *   KEY     = letters, digits, _ and -; anything else as "TEXT"
 *
 * != is also true of a message that has no such attribute. Case counts everywhere. */
#ifndef SLUICE_BROKER_FILTER_INTERNAL_H
#define SLUICE_BROKER_FILTER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/error.h>

#define SL_FILTER_MAX_BYTES 256

struct sl_filter;
/* SL_INVALID: where and why. "" gives NULL, which everything matches. */
enum sl_code sl_filter_parse(struct sl_filter **out, const char *text, struct sl_err *err);
void sl_filter_free(struct sl_filter **filter);
/* `body`: the bytes of a PubsubMessage. */
bool sl_filter_matches(const struct sl_filter *filter, const char *body, size_t len);

#endif
