/*
 * Those who read: each checks, for every publisher that it sees, that the numbers come one by one.
 *
 * A number beyond the next one is a loss of those between, one before it is disorder (or a repeat). A delivery's latency is the
 * time from the mark that the publisher put into the event until the read that brought it. Frames without a mark (hello, gap …)
 * are counted apart; a snapshot repeats an old event's values, mark included, and is none.
 */
#pragma once

#include "inbox.h"
#include "meter.h"
#include "pattern.h"

struct reader {
    struct client client;       /* first: a client of this role is its reader */
    struct inbox inbox;
    uint64_t *next;             /* the number that is due, per publisher seen; `seen` of them */
    size_t mark_at;             /* where the last event's mark stood: the next one's stands there nearly always */
    bool stalled;
};

struct tally {
    uint64_t deliveries, bytes, lost, disordered, others;
    struct histogram latency;   /* only while `measuring` */
    bool measuring;
};

struct audience {
    uint32_t publishers_seen;   /* by each reader */
    bool own_only;              /* reader i sees publisher i and nobody else; else all see all */
    bool several_to_a_frame;    /* NATS puts as many messages into a frame as fit, and cuts them at its end */
    const char *greeting;
    void (*delivered)(uint64_t first, uint64_t last);   /* a reader is done with these of the only publisher; may be NULL */
    void (*read_done)(void);                            /* after each read, where `delivered` is set */
};

extern struct tally tally;
extern struct audience audience;

void reader_init(struct reader *reader, const struct endpoint *endpoint, uint32_t index);

/* Adds what never came: `sent[publisher]` is how many each has sent. */
void reader_settle(const struct reader *reader, uint64_t (*sent)(uint32_t publisher));
