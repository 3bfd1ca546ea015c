#include "client.h"

#include "meter.h"
#include "socket.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 30000 };

uint32_t clients_opened, clients_lost, clients_returned, sessions_resumed;
struct histogram opening_times;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

void vin_of(uint32_t index, char vin[VIN_LENGTH + 1])
{
    static const unsigned weights[] = {7, 6, 5, 4, 3, 2}; /* of the last six characters; the others weigh 289 in all */
    unsigned sum = 289;
    memcpy(vin, SAMPLE_VIN, VIN_LENGTH + 1);
    for (unsigned i = 6; i-- > 0; index /= 10) {
        vin[VIN_LENGTH - 6 + i] = (char)('0' + index % 10);
        sum += index % 10 * weights[i];
    }
    vin[8] = "0123456789X"[sum % 11];
}

static void watch(struct client *c, int operation, uint32_t events)
{
    if (!c->link.line) /* a line tells by itself, and takes whatever it is given */
        loop_watch(c->link.fd, operation, events, &c->watched);
}

static void ready(struct watched *watched, uint32_t events);
static void hear(void *whom, enum news news);

void client_open(struct client *c)
{
    const struct endpoint *to = c->endpoint;
    uint32_t address = c->index / (to->to_an_address ? to->to_an_address : CLIENTS_OF_AN_ADDRESS);
    c->watched.ready = ready;
    c->stage = CONNECTING;
    c->opening_ns = now_ns();
    if (to->round_trip_ns) {
        c->link.line = line_open(to->port, address, to->round_trip_ns, hear, c);
        return;
    }
    c->link.fd = socket_connect(to->port, address);
    if (c->link.fd < 0)
        die("connect");
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void open_again(void *whom)
{
    client_open(whom);
}

/* Twice as long each time, and a random part of it less: between them those who were turned away together come apart. */
static uint64_t pause_ns(struct client *c)
{
    static uint32_t state = 0x2545f491; /* xorshift32 */
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    uint32_t longest = c->refusals < 5 ? (uint32_t)FIRST_PAUSE_MS << c->refusals : LONGEST_PAUSE_MS;
    c->refusals++;
    return (uint64_t)(longest / 2 + state % (longest / 2)) * 1000000;
}

void client_close(struct client *c)
{
    if (c->stage == GONE)
        return;
    bool again = c->returns && c->stage != OPEN;
    link_close(&c->link);
    c->stage = GONE;
    if (again) {
        clients_returned++;
        loop_at(now_ns() + pause_ns(c), open_again, c);
    } else
        clients_lost++;
}

void client_forget_session(struct client *c)
{
    if (c->session)
        SSL_SESSION_free(c->session);
    c->session = NULL;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_get_app_data(ssl);
    client_forget_session(c);
    c->session = session;
    return 1; /* ours now */
}

SSL_CTX *client_tls(const char *ca)
{
    SSL_CTX *tls = tls_client(ca);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    return tls;
}

void client_await_room(struct client *c, bool awaited)
{
    watch(c, EPOLL_CTL_MOD, awaited ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void client_ignore(struct client *c)
{
    watch(c, EPOLL_CTL_DEL, 0);
}

static void fill_in_vin(char *out, size_t room, const char *path, uint32_t index)
{
    char vin[VIN_LENGTH + 1];
    const char *gap = strstr(path, "{vin}");
    vin_of(index, vin);
    if (gap)
        snprintf(out, room, "%.*s%s%s", (int)(gap - path), path, vin, gap + strlen("{vin}"));
    else
        snprintf(out, room, "%s", path);
}

void client_prepare(struct client *c)
{
    char identity[4096], vin[VIN_LENGTH + 1];
    const struct endpoint *to = c->endpoint;
    if (!to->tls || c->link.ssl)
        return;
    vin_of(c->index, vin);
    if (to->identities)
        snprintf(identity, sizeof identity, "%s/%s", to->identities, vin);
    link_identify(&c->link, to->tls, to->identities ? identity : NULL);
    SSL_set_app_data(c->link.ssl, c); /* for keep_session */
}

static void connected(struct client *c)
{
    client_prepare(c);
    if (c->link.ssl)
        link_secure(&c->link, c->session);
    c->stage = SHAKING;
}

static void ask_upgrade(struct client *c)
{
    char path[4096], request[6144];
    fill_in_vin(path, sizeof path, c->endpoint->path, c->index);
    size_t length = ws_request(request, sizeof request, path, c->endpoint->bearer);
    if (!length || link_write(&c->link, request, length) != (ssize_t)length) {
        client_close(c);
        return;
    }
    if (c->link.ssl)
        sessions_resumed += (uint32_t)SSL_session_reused(c->link.ssl);
    c->stage = UPGRADING;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void shake(struct client *c)
{
    switch (link_shake(&c->link)) {
    case SHAKEN: ask_upgrade(c); break;
    case SHAKE_READS: watch(c, EPOLL_CTL_MOD, EPOLLIN); break;
    case SHAKE_WRITES: watch(c, EPOLL_CTL_MOD, EPOLLOUT); break;
    case SHAKE_FAILED: client_close(c); break;
    }
}

static void take_response(struct client *c)
{
    char head[4096];
    ssize_t n = link_peek(&c->link, head, sizeof head);
    if (n == LINK_AGAIN)
        return;
    long length = n > 0 ? ws_response(head, (size_t)n, c->endpoint->event_stream ? "200" : "101") : -1;
    if (length == 0)
        return;
    if (length < 0 || link_read(&c->link, head, (size_t)length) != length) {
        if (!clients_lost && !clients_returned)
            fprintf(stderr, "upgrade refused: %.*s\n", n > 0 ? (int)strcspn(head, "\r\n") : 0, head);
        client_close(c);
        return;
    }
    c->stage = OPEN;
    c->refusals = 0;
    clients_opened++;
    record(&opening_times, now_ns() - c->opening_ns);
    if (c->opened)
        c->opened(c);
    if (link_holds_bytes(&c->link))
        c->readable(c);
}

static void serve(struct client *c, uint32_t events)
{
    if (c->stage == SHAKING)
        shake(c);
    else if (c->stage == UPGRADING)
        take_response(c);
    else if (c->stage == OPEN) {
        if (events & EPOLLOUT)
            c->writable(c);
        if (c->stage == OPEN && events & ~(uint32_t)EPOLLOUT)
            c->readable(c);
    }
}

/* A client that was closed in this very turn is GONE by now, and serve passes it over. */
static void ready(struct watched *watched, uint32_t events)
{
    struct client *c = (struct client *)watched;
    if (c->stage == CONNECTING) {
        if (socket_error(c->link.fd)) {
            client_close(c);
            return;
        }
        connected(c);
    }
    serve(c, events);
}

static void hear(void *whom, enum news news)
{
    struct client *c = whom;
    struct line *line = c->link.line;
    if (news == LINE_CONNECTED)
        connected(c);
    else if (c->stage == CONNECTING) { /* nobody answered the call */
        client_close(c);
        return;
    }
    size_t before, left = line_pending(line);
    do {
        before = left;
        serve(c, EPOLLIN);
    } while (c->link.line == line && (left = line_pending(line)) && left < before);
}

bool open_all(struct client *(*nth)(uint32_t), uint32_t count, uint32_t at_once, double timeout_s)
{
    uint64_t deadline = now_ns() + (uint64_t)(timeout_s * 1e9);
    uint32_t before = clients_opened, lost = clients_lost, started = 0;
    while (clients_opened - before < count) {
        while (started < count && started - (clients_opened - before) < at_once)
            client_open(nth(started++));
        if (now_ns() > deadline || clients_lost != lost)
            return false;
        loop_turn(now_ns() + 100000000);
    }
    return true;
}
