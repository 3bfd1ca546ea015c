/* The client's half of RFC 6455, as far as a load tool needs it: the upgrade, masked frames out, frame heads in. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10, WS_HEAD_MAX = 14 };

struct ws_head {
    unsigned opcode;
    size_t length;      /* of the head itself */
    uint64_t payload;   /* bytes that follow it */
};

/* The upgrade request; `bearer` may be NULL. Returns its length, 0 if it does not fit. */
size_t ws_request(char *out, size_t room, const char *path, const char *bearer);

/* Length of the response's head if it has this status (101, 200); 0 if it is not complete yet; -1 if the client was refused. */
long ws_response(const char *bytes, size_t length, const char *status);

/* Reads a frame's head. Returns 0 if `have` bytes do not hold it yet. */
static inline int ws_read_head(const uint8_t *p, size_t have, struct ws_head *head)
{
    if (have < 2)
        return 0;
    head->opcode = p[0] & 15;
    uint8_t small = p[1] & 127; /* servers do not mask */
    if (small < 126) {
        head->length = 2;
        head->payload = small;
    } else if (small == 126) {
        if (have < 4)
            return 0;
        head->length = 4;
        head->payload = (uint64_t)p[2] << 8 | p[3];
    } else {
        if (have < 10)
            return 0;
        uint64_t big;
        __builtin_memcpy(&big, p + 2, 8);
        head->length = 10;
        head->payload = __builtin_bswap64(big);
    }
    return 1;
}

/* A whole masked frame. `out` needs length + WS_HEAD_MAX bytes. Returns the frame's length. */
size_t ws_write(uint8_t *out, unsigned opcode, const uint8_t *payload, size_t length, uint32_t mask);
