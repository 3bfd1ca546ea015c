#include "reader.h"

#include "publisher.h"

#include <stdlib.h>
#include <string.h>

struct tally tally;
struct audience audience;

static void account(struct reader *r, const struct mark *mark)
{
    uint32_t slot = audience.own_only ? mark->publisher - r->client.index : mark->publisher;
    uint64_t due = slot < audience.publishers_seen ? r->next[slot] : UINT64_MAX; /* somebody else's event is disorder */
    if (mark->number < due) {
        tally.disordered++;
        return;
    }
    tally.lost += mark->number - due;
    r->next[slot] = mark->number + 1;
    tally.deliveries++;
    if (tally.measuring)
        record(&tally.latency, read_ns > mark->sent_ns ? read_ns - mark->sent_ns : 0);
    if (audience.delivered)
        audience.delivered(due, mark->number);
}

static bool is_snapshot(const uint8_t *payload, size_t length)
{
    static const char head[] = "{\"type\":\"snapshot\"";
    return length >= sizeof head - 1 && payload[9] == 's' && memcmp(payload, head, sizeof head - 1) == 0;
}

/* The event's mark: where it stood last time, else wherever it is. */
static bool find_mark(struct reader *r, const uint8_t *payload, size_t length, struct mark *mark)
{
    if (is_snapshot(payload, length))
        return false;
    if (r->mark_at < length && mark_read(payload + r->mark_at, length - r->mark_at, mark))
        return true;
    const uint8_t *found = memmem(payload, length, "#TF:", 4);
    if (!found || !mark_read(found, length - (size_t)(found - payload), mark))
        return false;
    r->mark_at = (size_t)(found - payload);
    return true;
}

static void one_event(struct client *client, const uint8_t *payload, size_t length)
{
    struct mark mark;
    tally.bytes += length;
    if (find_mark((struct reader *)client, payload, length, &mark))
        account((struct reader *)client, &mark);
    else
        tally.others++;
}

/* A frame that holds several messages, the last one cut: the text without frame heads is put together again in `joined`. */
static void many_events(struct client *client, const uint8_t *payload, size_t length)
{
    static uint8_t joined[MARK_LENGTH + (1 << 20)];
    struct reader *r = (struct reader *)client;
    uint8_t *cut = (uint8_t *)(r->next + audience.publishers_seen); /* MARK_LENGTH bytes of the last frame, see reader_init */
    memcpy(joined, cut, MARK_LENGTH);
    memcpy(joined + MARK_LENGTH, payload, length);
    const uint8_t *p = joined, *end = joined + MARK_LENGTH + length;
    struct mark mark;
    tally.bytes += length;
    while ((p = memmem(p, (size_t)(end - p), "#TF:", 4)) && mark_read(p, (size_t)(end - p), &mark)) {
        account(r, &mark);
        p += MARK_LENGTH;
    }
    if (!p) /* no mark was cut after its first bytes: the tail may hold the beginning of one, but never a whole one */
        p = end - (MARK_LENGTH - 1);
    memset(cut, 0, MARK_LENGTH);
    memcpy(cut + MARK_LENGTH - (end - p), p, (size_t)(end - p));
}

static void readable(struct client *client)
{
    inbox_read(&((struct reader *)client)->inbox, client, audience.several_to_a_frame ? many_events : one_event);
    if (audience.delivered)
        audience.read_done();
}

static void opened(struct client *client)
{
    greet(client, audience.greeting);
    if (((struct reader *)client)->stalled)
        client_ignore(client);
}

void reader_init(struct reader *r, const struct endpoint *endpoint, uint32_t index)
{
    memset(r, 0, sizeof *r);
    r->client = (struct client){.link.fd = -1, .index = index, .endpoint = endpoint, .readable = readable, .opened = opened};
    r->next = calloc(1, audience.publishers_seen * sizeof *r->next + MARK_LENGTH);
    if (!r->next)
        abort();
}

void reader_settle(const struct reader *r, uint64_t (*sent)(uint32_t publisher))
{
    for (uint32_t slot = 0; slot < audience.publishers_seen; slot++)
        tally.lost += sent(audience.own_only ? r->client.index : slot) - r->next[slot];
}
