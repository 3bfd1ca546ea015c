#include "publisher.h"

#include <stdlib.h>
#include <string.h>

struct dialect dialect;
uint64_t ack_errors;

static uint32_t next_mask(void)
{
    static uint32_t state = 0x9e3779b9; /* xorshift32: never twice the same in a run, and never 0 */
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static void keep_unsent(struct publisher *p, const uint8_t *bytes, size_t length)
{
    if (p->unsent_length + length > p->unsent_room) {
        p->unsent_room = (p->unsent_length + length) * 2;
        p->unsent = realloc(p->unsent, p->unsent_room);
        if (!p->unsent)
            abort();
    }
    memcpy(p->unsent + p->unsent_length, bytes, length);
    if (!p->unsent_length)
        client_await_room(&p->client, true);
    p->unsent_length += length;
}

static void deliver(struct publisher *p, const uint8_t *bytes, size_t length)
{
    ssize_t n = p->unsent_length ? LINK_AGAIN : link_write(&p->client.link, bytes, length);
    if (n == LINK_AGAIN)
        n = 0;
    if (n < 0)
        client_close(&p->client);
    else if ((size_t)n < length)
        keep_unsent(p, bytes + n, length - (size_t)n);
}

static void writable(struct client *client)
{
    struct publisher *p = (struct publisher *)client;
    ssize_t n = link_write(&client->link, p->unsent, p->unsent_length);
    if (n == LINK_AGAIN)
        return;
    if (n < 0) {
        client_close(client);
        return;
    }
    p->unsent_length -= (size_t)n;
    memmove(p->unsent, p->unsent + n, p->unsent_length);
    if (!p->unsent_length)
        client_await_room(client, false);
}

static void frame(struct client *client, const uint8_t *payload, size_t length)
{
    struct publisher *p = (struct publisher *)client;
    if (!dialect.acks)
        return;
    pattern_fill(&dialect.ack, &(struct mark){.publisher = client->index, .number = p->acked});
    if (p->acked == p->sent || length != dialect.ack.length || memcmp(payload, dialect.ack.bytes, length) != 0) {
        ack_errors++;
        return;
    }
    dialect.acked(p->sent_ns[p->acked++ % IN_FLIGHT_MAX]);
}

static void readable(struct client *client)
{
    struct publisher *p = (struct publisher *)client;
    uint64_t before = p->acked;
    inbox_read(&p->inbox, client, frame);
    if (dialect.refill && p->acked > before && client->stage == OPEN)
        dialect.refill(p, (uint32_t)(p->acked - before));
}

static void opened(struct client *client)
{
    greet(client, dialect.greeting);
}

void publisher_init(struct publisher *p, const struct endpoint *endpoint, uint32_t index)
{
    memset(p, 0, sizeof *p);
    p->client = (struct client){.link.fd = -1, .index = index, .endpoint = endpoint};
    p->client.readable = readable;
    p->client.writable = writable;
    p->client.opened = opened;
    if (dialect.acks && !(p->sent_ns = calloc(IN_FLIGHT_MAX, sizeof *p->sent_ns)))
        abort();
}

void publish(struct publisher *p, uint32_t count, uint64_t sent_ns)
{
    static uint8_t *batch;
    static size_t room;
    size_t needed = count * (dialect.message.length + WS_HEAD_MAX), length = 0;
    if (needed > room && !(batch = realloc(batch, room = needed)))
        abort();
    for (uint32_t i = 0; i < count; i++) {
        struct mark mark = {.publisher = p->client.index, .number = p->sent, .sent_ns = sent_ns};
        pattern_fill(&dialect.message, &mark);
        length += ws_write(batch + length, dialect.opcode, dialect.message.bytes, dialect.message.length, next_mask());
        if (p->sent_ns)
            p->sent_ns[p->sent % IN_FLIGHT_MAX] = sent_ns;
        p->sent++;
    }
    deliver(p, batch, length);
}

void greet(struct client *client, const char *greeting)
{
    uint8_t bytes[1024 + WS_HEAD_MAX];
    if (greeting && strlen(greeting) <= 1024)
        link_write(&client->link, bytes, ws_write(bytes, WS_TEXT, (const uint8_t *)greeting, strlen(greeting), next_mask()));
}
