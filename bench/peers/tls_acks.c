/*
 * The lower bound of a vehicle's message over mutual TLS: what the kernel, OpenSSL and one reply cost, with nothing decoded and
 * nothing kept. Not a server to use.
 *
 *     tls_acks PORT CERTIFICATES MESSAGE ACK
 *
 * CERTIFICATES is a folder as `teslafast certs init` makes it. MESSAGE and ACK are the load tools' examples (bench/load/pattern.h):
 * a binary message of MESSAGE's length is answered by ACK with the message's txid.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 15, TXID_LENGTH = 32, FRAME_HEAD = 8, EXAMPLE_AT_MOST = 60000 };

struct example {
    uint8_t bytes[EXAMPLE_AT_MOST];
    size_t length, txid;
};

struct connection {
    SSL *ssl;
    bool open;
    uint8_t *kept;          /* an incomplete frame or request */
    size_t held;
};

static struct example message, ack;
static int ep;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void load(struct example *example, const char *path)
{
    static const char txid[] = "0000000000000000000000-000000000";
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    example->length = fread(example->bytes, 1, sizeof example->bytes, file);
    fclose(file);
    uint8_t *found = memmem(example->bytes, example->length, txid, TXID_LENGTH);
    if (!found)
        die("no txid in the example");
    example->txid = (size_t)(found - example->bytes);
}

static SSL_CTX *context_of(const char *folder)
{
    char path[3][512];
    const char *names[] = {"server.pem", "server.key", "vehicle_ca.pem"};
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, path[0]) != 1 || SSL_CTX_use_PrivateKey_file(ctx, path[1], SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_locations(ctx, path[2], NULL) != 1)
        die("certificates");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"b", 1);
    return ctx;
}

static void drop(struct connection *c)
{
    int fd = SSL_get_fd(c->ssl);
    SSL_free(c->ssl);
    close(fd);
    c->ssl = NULL;          /* its memory stays: events of this turn may still name it */
}

static void accept_key(const char *request, char out[29])
{
    static const char name[] = "\r\nSec-WebSocket-Key: ", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = strcasestr(request, name);
    unsigned char text[24 + sizeof guid] = {0}, digest[SHA_DIGEST_LENGTH];
    if (key)
        memcpy(text, key + sizeof name - 1, strnlen(key + sizeof name - 1, 24));
    memcpy(text + 24, guid, sizeof guid);
    SHA1(text, 24 + sizeof guid - 1, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

static size_t upgrade(struct connection *c, char *request)
{
    char key[29], answer[256];
    const char *end = strstr(request, "\r\n\r\n");
    if (!end)
        return 0;
    accept_key(request, key);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n", key);
    c->open = SSL_write(c->ssl, answer, n) == n;
    return (size_t)(end + 4 - request);
}

/* Answers the complete frames, in one write; returns how many bytes they were. */
static size_t answer(struct connection *c, const uint8_t *p, size_t have)
{
    static uint8_t out[ROOM];
    size_t used = 0, written = 0;
    while (have - used >= FRAME_HEAD) {
        const uint8_t *f = p + used;
        size_t start = (f[1] & 127) == 126 ? 4 : 2;
        size_t length = start == 4 ? (size_t)f[2] << 8 | f[3] : f[1] & 127u;
        if (have - used < start + 4 + length)
            break;
        if ((f[0] & 15) == 2 && length == message.length && written + 4 + ack.length <= sizeof out) {
            uint8_t *reply = out + written + (ack.length < 126 ? 2 : 4);
            out[written] = 0x82;
            out[written + 1] = ack.length < 126 ? (uint8_t)ack.length : 126;
            if (ack.length >= 126) {
                out[written + 2] = (uint8_t)(ack.length >> 8);
                out[written + 3] = (uint8_t)ack.length;
            }
            memcpy(reply, ack.bytes, ack.length);
            for (size_t i = 0; i < TXID_LENGTH; i++)
                reply[ack.txid + i] = f[start + 4 + message.txid + i] ^ f[start + ((message.txid + i) & 3)];
            written = (size_t)(reply - out) + ack.length;
        }
        used += start + 4 + length;
    }
    if (written && SSL_write(c->ssl, out, (int)written) != (int)written)
        drop(c);            /* a vehicle that does not take its acks */
    return used;
}

static void readable(struct connection *c)
{
    static uint8_t room[2 * ROOM + 1];
    for (;;) {
        memcpy(room, c->kept, c->held);
        int n = SSL_read(c->ssl, room + c->held, ROOM);
        if (n <= 0) {
            if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
                drop(c);
            return;
        }
        size_t have = c->held + (size_t)n, used = 0;
        room[have] = 0;
        if (!c->open)
            used = upgrade(c, (char *)room);
        if (c->open)
            used += answer(c, room + used, have - used);
        if (!c->ssl)
            return;
        c->held = have - used;
        if (c->held > ROOM || (c->held && !(c->kept = realloc(c->kept, ROOM))))
            die("a frame too large");
        memcpy(c->kept, room + used, c->held);
    }
}

static void welcome(int listener, SSL_CTX *ctx)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c || !(c->ssl = SSL_new(ctx)) || SSL_set_fd(c->ssl, fd) != 1)
            die("connection");
        SSL_set_accept_state(c->ssl);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
            die("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event ready[1024];
    if (argc != 5) {
        fprintf(stderr, "tls_acks PORT CERTIFICATES MESSAGE ACK\n");
        return 2;
    }
    SSL_CTX *ctx = context_of(argv[2]);
    load(&message, argv[3]);
    load(&ack, argv[4]);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0)
        die("listen");
    ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e) < 0)
        die("epoll");
    for (;;) {
        int n = epoll_wait(ep, ready, 1024, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if (!c)
                welcome(listener, ctx);
            else if (c->ssl)
                readable(c);
        }
    }
}
