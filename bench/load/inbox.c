#include "inbox.h"

#include "meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED_BYTES = 1 << 20, LARGEST_FRAME = 1 << 19 };

uint64_t read_ns;

static uint8_t shared[SHARED_BYTES];

static void keep(struct inbox *inbox, const uint8_t *rest, size_t length)
{
    if (length > LARGEST_FRAME) {
        fprintf(stderr, "a frame of more than %d bytes\n", LARGEST_FRAME);
        exit(2);
    }
    if (length > inbox->room) {
        free(inbox->carry);
        inbox->room = (uint32_t)length * 2;
        inbox->carry = malloc(inbox->room);
        if (!inbox->carry)
            abort();
    }
    if (length)
        memcpy(inbox->carry, rest, length);
    inbox->carried = (uint32_t)length;
}

static void control(struct client *client, const struct ws_head *head, const uint8_t *payload)
{
    uint8_t pong[125 + WS_HEAD_MAX];
    if (head->opcode == WS_CLOSE)
        client_close(client);
    else if (head->opcode == WS_PING && head->payload <= 125)
        link_write(&client->link, pong, ws_write(pong, WS_PONG, payload, head->payload, 0x5bd1e995));
}

static size_t frames(struct client *client, size_t length, on_frame frame)
{
    struct ws_head head;
    size_t at = 0;
    while (client->stage == OPEN && ws_read_head(shared + at, length - at, &head) && head.payload <= length - at - head.length) {
        const uint8_t *payload = shared + at + head.length;
        if (head.opcode < WS_CLOSE)
            frame(client, payload, head.payload);
        else
            control(client, &head, payload);
        at += head.length + head.payload;
    }
    return at;
}

void inbox_read(struct inbox *inbox, struct client *client, on_frame frame)
{
    size_t carried = inbox->carried;
    if (carried)
        memcpy(shared, inbox->carry, carried);
    ssize_t n = link_read(&client->link, shared + carried, SHARED_BYTES - carried);
    if (n == LINK_AGAIN)
        return;
    if (n <= 0) {
        client_close(client);
        return;
    }
    read_ns = now_ns();
    size_t length = carried + (size_t)n, used = length;
    if (client->endpoint->event_stream)
        frame(client, shared, length);
    else
        used = frames(client, length, frame);
    keep(inbox, shared + used, length - used);
}
