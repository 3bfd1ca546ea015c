/*
 * Those who send: each a vehicle (or a peer's publisher) with its own VIN, txids and numbers from 0.
 *
 * Acks come in order and are known in advance byte for byte, so each is compared with the example that bears the number due.
 * Where the server under test does not acknowledge, no ack example is given and what comes back is read and dropped.
 */
#pragma once

#include "inbox.h"
#include "meter.h"
#include "pattern.h"

enum { IN_FLIGHT_MAX = 4096 };

struct publisher {
    struct client client;       /* first: a client of this role is its publisher */
    struct inbox inbox;
    uint64_t sent, acked;       /* messages; `acked` is also the number of the next ack */
    uint64_t *sent_ns;          /* of the messages in flight, by number modulo IN_FLIGHT_MAX; NULL without acks */
    uint8_t *unsent;            /* bytes that the socket did not take */
    size_t unsent_length, unsent_room;
};

struct dialect {                /* how the server under test wants to be told */
    struct pattern message, ack;
    bool acks;
    unsigned opcode;
    const char *greeting;       /* sent as one frame after the upgrade; NULL: none */
    void (*acked)(uint64_t sent_ns);                                /* for each ack */
    void (*refill)(struct publisher *publisher, uint32_t count);    /* after a read that brought so many acks; may be NULL */
};

extern struct dialect dialect;
extern uint64_t ack_errors;     /* replies that were not the ack that was due */

void publisher_init(struct publisher *publisher, const struct endpoint *endpoint, uint32_t index);

/* Sends `count` messages in one write, all as of `sent_ns`. */
void publish(struct publisher *publisher, uint32_t count, uint64_t sent_ns);

/* Sends the dialect's greeting, if any: for `opened` of clients that owe one. */
void greet(struct client *client, const char *greeting);
