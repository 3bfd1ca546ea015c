/*
 * A message by example. The tools know no protocol: bench/events.py writes a whole message once, with placeholders of fixed
 * width, and each message sent is that example with its numbers put in. So one tool speaks Tesla's envelope, JSON and plain text.
 *
 *     #TF:pppp:cccccccccc:tttttttttttttttt   the mark, for the readers: who sent it, its number from 0, when (hex; monotonic ns)
 *     0000000000000000000000-000000000       the txid: 22 hex digits of the vehicle, 9 decimal digits of the number
 *     5YJ3TEST3PF000000                      the VIN
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MARK_LENGTH = 36, TXID_LENGTH = 32, PLACES_MAX = 4 };

struct places {
    size_t at[PLACES_MAX];
    unsigned count;
};

struct pattern {
    uint8_t *bytes;
    size_t length;
    struct places marks, txids, vins;
};

struct mark {
    uint32_t publisher;
    uint64_t number;
    uint64_t sent_ns;
};

/* Reads the file and finds its placeholders. Exits if it cannot. */
void pattern_load(struct pattern *pattern, const char *path);

/* Puts the numbers in, in place. */
void pattern_fill(struct pattern *pattern, const struct mark *mark);

/* Reads the mark at `p`, which must start with "#TF:"; false if it does not. `room` bytes may be read. */
bool mark_read(const uint8_t *p, size_t room, struct mark *mark);
