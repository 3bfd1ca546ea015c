/*
 * Frames out of a byte stream, at the price of one read for many of them.
 *
 * All clients read into one big shared buffer. What is left of it, an incomplete frame, is kept by its client (`carry`) and put
 * in front of the next read; so an idle client owns no buffer, and frames are looked at where the kernel put them.
 */
#pragma once

#include "client.h"
#include "ws.h"

struct inbox {
    uint8_t *carry;
    uint32_t carried, room;
};

extern uint64_t read_ns; /* when the bytes that are being looked at had been read */

/* Called for each complete data frame. */
typedef void (*on_frame)(struct client *client, const uint8_t *payload, size_t length);

/* Reads once (a TLS record at most) and hands out the frames. Answers pings; the stream's end or a close frame ends it. */
void inbox_read(struct inbox *inbox, struct client *client, on_frame frame);
