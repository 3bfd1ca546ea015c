/*
 * The lower bound: what the kernel charges for a fan-out, with next to nothing on top. Not a server to use: it checks little, and
 * has no roles or tokens.
 *
 *     raw PORT batched|naive [COALESCE_MS]
 *
 * One ring of finished WebSocket frames, one cursor per reader, as in teslafast. `batched` sends each reader everything between
 * its cursor and the head once per turn of the loop (or per COALESCE_MS); `naive` does it after every event, one send for each.
 * The ring is mapped twice in a row, so what lies between a cursor and the head is always contiguous.
 * /stream is a reader; any other path publishes: its text messages go to the readers as they are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RING_BYTES = 4 << 20, READERS_MAX = 20000, READ_BYTES = 1 << 17 };
enum kind { FRESH, READER, PUBLISHER };

struct connection {
    int fd;
    enum kind kind;
    bool blocked;           /* the socket took less than all: EPOLLOUT will come */
    uint64_t cursor;        /* a reader's next byte; cursor <= head, and lapped when head - cursor > RING_BYTES */
    uint8_t *inbox;         /* until its role is known, and a publisher's incomplete frame */
    size_t held;
};

static uint8_t *ring;
static uint64_t head, newest_frame;   /* bytes ever written; where the last frame began: a lapped reader goes on there */
static struct connection *readers[READERS_MAX];
static size_t reader_count;
static int ep;
static bool naive;
static uint64_t coalesce_ns, flushed_ns;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void map_ring(void)
{
    int fd = memfd_create("ring", MFD_CLOEXEC);
    ring = mmap(NULL, 2 * RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fd < 0 || ftruncate(fd, RING_BYTES) < 0 || ring == MAP_FAILED)
        die("ring");
    for (int half = 0; half < 2; half++)
        if (mmap(ring + half * RING_BYTES, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
            die("mmap");
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(ep, operation, c->fd, &e) < 0)
        die("epoll_ctl");
}

static void drop(struct connection *c)
{
    close(c->fd);
    c->fd = -1; /* its memory stays until the process ends: events of this turn may still name it */
    for (size_t i = 0; i < reader_count; i++)
        if (readers[i] == c)
            readers[i] = readers[--reader_count];
}

static void block(struct connection *c, bool blocked)
{
    if (c->blocked != blocked)
        watch(c, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    c->blocked = blocked;
}

static void send_pending(struct connection *c)
{
    if (head - c->cursor > RING_BYTES)
        c->cursor = newest_frame; /* in the middle of what it was sent last: its stream is broken, which a bound may leave so */
    size_t behind = (size_t)(head - c->cursor);
    ssize_t n = send(c->fd, ring + c->cursor % RING_BYTES, behind, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    c->cursor += n > 0 ? (uint64_t)n : 0;
    block(c, n < (ssize_t)behind);
}

static void flush(void)
{
    for (size_t i = reader_count; i-- > 0;) /* downwards: a reader that is dropped is replaced by one that had its turn */
        if (!readers[i]->blocked && readers[i]->cursor != head)
            send_pending(readers[i]);
    flushed_ns = now_ns();
}

static size_t write_head(uint8_t *out, size_t length)
{
    out[0] = 0x81;
    if (length < 126) {
        out[1] = (uint8_t)length;
        return 2;
    }
    out[1] = 126;
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
    return 4;
}

static void publish(const uint8_t *masked, size_t length, const uint8_t *mask)
{
    uint8_t *out = ring + head % RING_BYTES; /* up to RING_BYTES beyond it are mapped */
    size_t n = write_head(out, length);
    for (size_t i = 0; i < length; i++)
        out[n + i] = masked[i] ^ mask[i & 3];
    newest_frame = head;
    head += n + length;
    if (naive)
        flush();
}

/* Takes the complete frames off a publisher's bytes (messages below 64 KiB); returns how many bytes they were. */
static size_t take_frames(const uint8_t *p, size_t have)
{
    size_t used = 0;
    for (;;) {
        const uint8_t *f = p + used;
        size_t left = have - used, start = left > 1 && (f[1] & 127) == 126 ? 4 : 2;
        if (left < start + 4)
            return used;
        size_t length = start == 4 ? (size_t)f[2] << 8 | f[3] : f[1] & 127u;
        if (left < start + 4 + length)
            return used;
        if ((f[0] & 15) == 1)
            publish(f + start + 4, length, f + start);
        used += start + 4 + length;
    }
}

static void accept_key(const char *request, char out[29])
{
    static const char name[] = "\r\nSec-WebSocket-Key: ", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = strcasestr(request, name);
    unsigned char text[24 + sizeof guid], digest[SHA_DIGEST_LENGTH];
    memset(text, 0, sizeof text);
    if (key)
        memcpy(text, key + sizeof name - 1, strnlen(key + sizeof name - 1, 24));
    memcpy(text + 24, guid, sizeof guid);
    SHA1(text, 24 + sizeof guid - 1, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

/* Answers an upgrade request that is complete; returns its length, or 0 if more has to come. */
static size_t upgrade(struct connection *c)
{
    char key[29], answer[256];
    c->inbox[c->held] = 0;
    const char *end = strstr((const char *)c->inbox, "\r\n\r\n");
    if (!end)
        return 0;
    accept_key((const char *)c->inbox, key);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n", key);
    if (send(c->fd, answer, (size_t)n, MSG_NOSIGNAL) != n)
        return 0;
    c->kind = strncmp((const char *)c->inbox, "GET /stream", 11) == 0 ? READER : PUBLISHER;
    if (c->kind == READER && reader_count < READERS_MAX) {
        c->cursor = head;
        readers[reader_count++] = c;
    }
    return (size_t)(end + 4 - (const char *)c->inbox);
}

static void readable(struct connection *c)
{
    static uint8_t ignored[4096];
    if (c->kind == READER) {
        if (recv(c->fd, ignored, sizeof ignored, 0) <= 0)
            drop(c);
        return;
    }
    if (!c->inbox && !(c->inbox = malloc(READ_BYTES + 1)))
        die("malloc");
    ssize_t n = recv(c->fd, c->inbox + c->held, READ_BYTES - c->held, 0);
    if (n <= 0) {
        drop(c);
        return;
    }
    c->held += (size_t)n;
    size_t used = c->kind == FRESH ? upgrade(c) : 0;
    if (c->kind == PUBLISHER)
        used += take_frames(c->inbox + used, c->held - used);
    c->held -= used;
    memmove(c->inbox, c->inbox + used, c->held);
    if (c->kind == READER) {
        free(c->inbox);
        c->inbox = NULL;
    }
}

static void welcome(int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            die("calloc");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4096) < 0)
        die("listen");
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
        die("epoll_ctl");
    return fd;
}

static void serve(struct connection *c, uint32_t events)
{
    if (c->fd >= 0 && events & EPOLLOUT && c->kind == READER)
        send_pending(c);
    if (c->fd >= 0 && events & ~(uint32_t)EPOLLOUT)
        readable(c);
}

static bool may_flush(void)
{
    return !coalesce_ns || now_ns() - flushed_ns >= coalesce_ns;
}

static bool behind(void)
{
    return reader_count && readers[0]->cursor != head && !readers[0]->blocked;
}

int main(int argc, char **argv)
{
    static struct epoll_event ready[1024];
    struct rlimit files;
    if (argc < 3) {
        fprintf(stderr, "raw PORT batched|naive [COALESCE_MS]\n");
        return 2;
    }
    naive = strcmp(argv[2], "naive") == 0;
    coalesce_ns = argc > 3 ? (uint64_t)atoi(argv[3]) * 1000000 : 0;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    map_ring();
    ep = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on((uint16_t)atoi(argv[1]));
    for (;;) {
        int n = epoll_wait(ep, ready, 1024, coalesce_ns && behind() ? (int)(coalesce_ns / 1000000) : -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr)
                serve(ready[i].data.ptr, ready[i].events);
            else
                welcome(listener);
        }
        if (may_flush())
            flush();
    }
}
