/* broker_clients.h - clients of the broker who write down what they were answered, and hold the broker to it.
 *
 * A topic with two subscriptions, one of which has a dead letter topic; that topic with its subscription; and topics and a subscription that come
 * and go. What was asked for and not answered may have happened or not, until a look at everything settles it. One thread. */
#ifndef SLUICE_TESTS_BROKER_CLIENTS_H
#define SLUICE_TESTS_BROKER_CLIENTS_H

#include "broker_drive.h"

enum clients_sub { CLIENTS_MAIN, CLIENTS_OTHER, CLIENTS_DEAD, CLIENTS_SUBS };
enum clients_object {
    CLIENTS_TOPIC,
    CLIENTS_DEAD_TOPIC,
    CLIENTS_FIRST_SUB, /* of each enum clients_sub */
    CLIENTS_CHURN_TOPIC = CLIENTS_FIRST_SUB + CLIENTS_SUBS,
    CLIENTS_CHURN_SUB,
    CLIENTS_OBJECTS
};

enum known { KNOWN_NO, KNOWN_YES, KNOWN_MAYBE };

struct copy { /* what a subscription has done with a message, as far as its client knows */
    enum known acked;
    bool leased, seen; /* seen: in this look */
    int64_t until_ms;
    int least, most; /* failed attempts: stored for certain; at most */
    char ack_id[SL_ACK_ID_LEN + 1];
};

struct message {
    uint32_t number;  /* it is in the data */
    uint64_t request; /* who published it */
    enum known there;
    bool dead_lettered; /* a copy has been seen */
    char id[SL_MESSAGE_ID_SIZE];
    struct copy of[CLIENTS_SUBS];
};

struct messages {
    struct message **items;
    size_t n, cap;
};

struct object {
    bool there, busy;         /* busy: changed in this round */
    int version;              /* a label */
    bool unsure, maybe_there; /* or so */
    int maybe_version;
};

struct clients {
    struct drive *drive;
    struct messages published, dead; /* dead: the copies on the dead letter topic */
    struct object objects[CLIENTS_OBJECTS];
    struct request *requests;        /* of this round */
    char (*ids)[SL_MESSAGE_ID_SIZE]; /* of messages that nobody receives */
    size_t n_ids, cap_ids;
    uint64_t random, n_requests;
    int version;
    bool lost_answers;                       /* the power can fail while answers leave: only those that left are known */
    bool full;                               /* the disk may be full: what is refused is told so, and attempts may be in memory only */
    size_t received;                         /* in this round */
    size_t answered, refused, acked, nacked; /* counters */
    char violation[512];                     /* the first promise that was broken */
};

void clients_begin(struct clients *clients, struct drive *drive, uint64_t seed);
void clients_end(struct clients *clients);
/* A round of calls, whichever chance likes. */
void clients_round(struct clients *clients);
/* One call of each kind, as when nothing is known of what has happened to the broker. */
void clients_try_all(struct clients *clients);
/* The broker has started again: leases are gone. */
void clients_restarted(struct clients *clients);
/* Receives everything, asks for everything; false: the broker failed meanwhile, nothing was settled. */
bool clients_look(struct clients *clients);

#endif
