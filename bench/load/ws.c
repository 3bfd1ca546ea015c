#include "ws.h"

#include <stdio.h>
#include <string.h>

size_t ws_request(char *out, size_t room, const char *path, const char *bearer)
{
    /* The key is RFC 6455's own sample: a load tool has no cache to be protected from. */
    int n = snprintf(out, room,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                     path, bearer ? "Authorization: Bearer " : "", bearer ? bearer : "", bearer ? "\r\n" : "");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

long ws_response(const char *bytes, size_t length, const char *status)
{
    static const char protocol[] = "HTTP/1.1 ";
    const size_t skip = sizeof protocol - 1;
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (length >= skip + 3 && (memcmp(bytes, protocol, skip) != 0 || memcmp(bytes + skip, status, 3) != 0))
        return -1;
    return end ? end - bytes + 4 : 0;
}

static size_t write_head(uint8_t *out, unsigned opcode, size_t length)
{
    out[0] = (uint8_t)(0x80 | opcode);
    if (length < 126) {
        out[1] = (uint8_t)(0x80 | length);
        return 2;
    }
    if (length < 65536) {
        out[1] = 0x80 | 126;
        out[2] = (uint8_t)(length >> 8);
        out[3] = (uint8_t)length;
        return 4;
    }
    uint64_t big = __builtin_bswap64(length);
    out[1] = 0x80 | 127;
    memcpy(out + 2, &big, 8);
    return 10;
}

size_t ws_write(uint8_t *out, unsigned opcode, const uint8_t *payload, size_t length, uint32_t mask)
{
    size_t n = write_head(out, opcode, length);
    memcpy(out + n, &mask, 4);
    n += 4;
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, payload + i, 8);
        word ^= wide;
        memcpy(out + n + i, &word, 8);
    }
    for (; i < length; i++)
        out[n + i] = payload[i] ^ (uint8_t)(mask >> (8 * (i & 3)));
    return n + length;
}
