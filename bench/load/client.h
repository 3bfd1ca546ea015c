/*
 * A WebSocket client among many: how one comes to be open.
 *
 *     CONNECTING ─ connected ─▶ SHAKING ─ TLS done ─▶ UPGRADING ─ 101 ─▶ OPEN ─ end, error ─▶ GONE
 *         ▲                                                                                    │
 *         └──────────────── one that returns, and was not open: after a pause ─────────────────┘
 *
 * The loop hands bytes of open clients to their role (reader or publisher); it knows nothing of either.
 */
#pragma once

#include "link.h"
#include "loop.h"
#include "meter.h"

enum stage { IDLE, CONNECTING, SHAKING, UPGRADING, OPEN, GONE };
enum { HANDSHAKES_AT_ONCE = 64, VIN_LENGTH = 17, CLIENTS_OF_AN_ADDRESS = 8000 };

struct endpoint {
    uint16_t port;
    SSL_CTX *tls;               /* NULL: plain TCP */
    const char *path;           /* "{vin}" in it stands for the client's VIN */
    const char *bearer;         /* token for the Authorization header, or NULL */
    bool event_stream;          /* server-sent events: after the answer's head there are no frames */
    const char *identities;     /* directory of VIN.pem and VIN.key, or NULL */
    uint64_t round_trip_ns;     /* 0: near, over loopback as it is; else over a long line (line.h) */
    uint32_t to_an_address;     /* so many call from one address; 0: CLIENTS_OF_AN_ADDRESS, so that ports do not run short */
};

struct client {
    struct watched watched;
    struct link link;
    enum stage stage;
    bool returns;               /* ended before it was open, it comes back: after 0.5 to 1 s, 1 to 2, 2 to 4, … 15 to 30 */
    uint32_t refusals;          /* in a row */
    uint64_t opening_ns;        /* when it last began to connect */
    uint32_t index;                                     /* names its VIN */
    const struct endpoint *endpoint;
    SSL_SESSION *session;                               /* the newest ticket, kept over a reconnect */
    void (*readable)(struct client *client);            /* bytes wait on an open client */
    void (*writable)(struct client *client);            /* it takes bytes again after client_await_room */
    void (*opened)(struct client *client);              /* may be NULL */
};

/* The VIN of the client `index` (below 1,000,000), as teslafast/vin.py makes it; SAMPLE_VIN is that of 0. */
#define SAMPLE_VIN "5YJ3TEST3PF000000"
void vin_of(uint32_t index, char vin[VIN_LENGTH + 1]);

/* Starts to connect. Exits if the system refuses a socket. */
void client_open(struct client *client);

/* Reads its certificate now instead of when it first connects. */
void client_prepare(struct client *client);

/* It will not resume its TLS session when it comes back. */
void client_forget_session(struct client *client);

/* Ends it at once; counts it as lost, or as one that returns. */
void client_close(struct client *client);

/* A TLS context whose clients keep their newest session in `session`. */
SSL_CTX *client_tls(const char *ca);

/* `writable` will be called once it takes bytes again; afterwards only reads count. */
void client_await_room(struct client *client, bool awaited);

/* Takes it out of the loop, still connected: a reader that never reads. */
void client_ignore(struct client *client);

/* Opens clients in order, `at_once` handshakes in the air. False if one was lost, or not all are open after `timeout_s`. */
bool open_all(struct client *(*nth)(uint32_t), uint32_t count, uint32_t at_once, double timeout_s);

/* How many ever reached OPEN, how many ended for good, how often one ended that returns; how long those took that reached OPEN. */
extern uint32_t clients_opened, clients_lost, clients_returned, sessions_resumed;
extern struct histogram opening_times;
