#include "client.h"

#include "meter.h"
#include "ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

uint32_t clients_opened, clients_lost, sessions_resumed;

static int ep;

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

void loop_init(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0)
        die("epoll_create1");
}

static void watch(struct client *c, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(ep, operation, c->link.fd, &e) < 0)
        die("epoll_ctl");
}

void client_open(struct client *c)
{
    if (!link_open(&c->link, c->endpoint->port, c->index))
        die("connect");
    c->stage = CONNECTING;
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

void client_close(struct client *c)
{
    if (c->stage == GONE)
        return;
    link_close(&c->link);
    c->stage = GONE;
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

static void secure(struct client *c)
{
    char identity[4096], vin[VIN_LENGTH + 1];
    const struct endpoint *to = c->endpoint;
    vin_of(c->index, vin);
    if (to->identities)
        snprintf(identity, sizeof identity, "%s/%s", to->identities, vin);
    link_secure(&c->link, to->tls, to->identities ? identity : NULL, c->session);
    SSL_set_app_data(c->link.ssl, c); /* for keep_session */
}

static void connected(struct client *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->link.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        client_close(c);
        return;
    }
    if (c->endpoint->tls)
        secure(c);
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
        if (!clients_lost)
            fprintf(stderr, "upgrade refused: %.*s\n", n > 0 ? (int)strcspn(head, "\r\n") : 0, head);
        client_close(c);
        return;
    }
    c->stage = OPEN;
    clients_opened++;
    if (c->opened)
        c->opened(c);
    if (link_holds_bytes(&c->link))
        c->readable(c);
}

static void serve(struct client *c, uint32_t events)
{
    if (c->stage == CONNECTING)
        connected(c);
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

void loop_turn(uint64_t deadline_ns)
{
    static struct epoll_event ready[1024];
    uint64_t now = now_ns(), wait = deadline_ns > now ? deadline_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    int n = epoll_pwait2(ep, ready, sizeof ready / sizeof *ready, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll_pwait2");
    for (int i = 0; i < n; i++) /* a client closed in this very turn is GONE by now, and serve passes it over */
        serve(ready[i].data.ptr, ready[i].events);
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
