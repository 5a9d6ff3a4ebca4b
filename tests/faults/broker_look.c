/* broker_look.c - everything is received and asked for once: what was answered must be so, what was not answered is settled. */
#include "broker_clients_internal.h"

enum { PULL_ALL = 1000 };

void clients_restarted(struct clients *clients)
{
    for (size_t i = 0; i < clients->published.n; i++)
        for (int sub = 0; sub < CLIENTS_SUBS; sub++)
            clients->published.items[i]->of[sub].leased = false;
    for (size_t i = 0; i < clients->dead.n; i++)
        clients->dead.items[i]->of[CLIENTS_DEAD].leased = false;
}

static void unsee(struct messages *list)
{
    for (size_t i = 0; i < list->n; i++)
        for (int sub = 0; sub < CLIENTS_SUBS; sub++)
            list->items[i]->of[sub].seen = false;
}

/* A message that must be here and was not delivered. */
static void missing(struct clients *clients, struct message *message, enum clients_sub sub)
{
    struct copy *copy = &message->of[sub];
    if (copy->acked == KNOWN_YES)
        return;
    if (copy->acked == KNOWN_MAYBE || (sub == CLIENTS_MAIN && copy->most >= CLIENTS_ATTEMPTS_MAX && message->dead_lettered))
        copy->acked = KNOWN_YES; /* it is done with, and stays so */
    else
        clients_violation(clients, "message %u is lost on subscription %d (attempts %d to %d%s)", message->number, (int)sub, copy->least,
                          copy->most, message->dead_lettered ? ", dead-lettered" : "");
}

/* The messages of one request: all or none. */
static size_t settle_request(struct clients *clients, size_t first)
{
    struct message **items = clients->published.items;
    size_t end = first, n_there = 0;
    while (end < clients->published.n && items[end]->request == items[first]->request) {
        if (items[end]->there == KNOWN_MAYBE)
            items[end]->there = KNOWN_NO;
        n_there += items[end++]->there == KNOWN_YES;
    }
    if (n_there > 0 && n_there < end - first)
        clients_violation(clients, "of a publish of %zu messages, from %u on, %zu are there", end - first, items[first]->number, n_there);
    return end;
}

static void settle(struct clients *clients)
{
    for (size_t i = 0; i < clients->published.n;)
        i = settle_request(clients, i);
    for (size_t i = 0; i < clients->published.n; i++)
        for (int sub = 0; sub < CLIENTS_DEAD; sub++) {
            struct message *message = clients->published.items[i];
            if (message->there == KNOWN_YES && !message->of[sub].seen)
                missing(clients, message, (enum clients_sub)sub);
        }
    for (size_t i = 0; i < clients->dead.n; i++)
        if (!clients->dead.items[i]->of[CLIENTS_DEAD].seen)
            missing(clients, clients->dead.items[i], CLIENTS_DEAD);
}

bool clients_look(struct clients *clients)
{
    unsee(&clients->published);
    unsee(&clients->dead);
    for (int i = 0; i < CLIENTS_OBJECTS; i++)
        clients_ask_for(clients, i);
    clients_run(clients, 5); /* dead letters go on, too */
    do {
        for (int sub = 0; sub < CLIENTS_SUBS; sub++)
            if (clients->objects[CLIENTS_FIRST_SUB + sub].there)
                clients_pull(clients, (enum clients_sub)sub, PULL_ALL);
        clients_run(clients, 5);
    } while (clients->received > 0 && !drive_failed(clients->drive, NULL));
    if (drive_failed(clients->drive, NULL))
        return false;
    settle(clients);
    return true;
}
