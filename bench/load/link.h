/* A byte stream to the server: TCP, near or over a long line, with TLS 1.3 over it where a context is given. Never blocks. */
#pragma once

#include "line.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINK_END = 0, LINK_AGAIN = -1, LINK_FAILED = -2 };
enum shaken { SHAKEN, SHAKE_READS, SHAKE_WRITES, SHAKE_FAILED };

struct link {
    int fd;             /* -1: closed, or a line's */
    struct line *line;  /* NULL: none, the server is near */
    SSL *ssl;           /* NULL: plain TCP */
};

/* Makes its TLS client, once. `identity`.pem and .key are its certificate and key, NULL: none. Exits if they are unusable. */
void link_identify(struct link *link, SSL_CTX *tls, const char *identity);

/*
 * Puts the TLS client on a connection that has been made. `resume` may be NULL. A link that has been closed keeps its client, so
 * that coming back costs no more than the handshake.
 */
void link_secure(struct link *link, SSL_SESSION *resume);

/* One step of the TLS handshake; SHAKEN at once for plain TCP. */
enum shaken link_shake(struct link *link);

/* Bytes moved, LINK_END, LINK_AGAIN or LINK_FAILED. `peek` leaves the bytes where they are. */
ssize_t link_read(struct link *link, void *to, size_t room);
ssize_t link_peek(struct link *link, void *to, size_t room);
ssize_t link_write(struct link *link, const void *from, size_t length);

/* Decrypted bytes that wait inside the TLS layer, where epoll does not see them. */
bool link_holds_bytes(const struct link *link);

/* Ends it as a vehicle in a tunnel does: no close frame, no TLS alert. */
void link_close(struct link *link);

/* A client context that trusts `ca`. Exits if that cannot be read. */
SSL_CTX *tls_client(const char *ca);
