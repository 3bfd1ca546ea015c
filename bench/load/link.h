/* A byte stream to the server: TCP, with TLS 1.3 over it where a context is given. Never blocks. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINK_END = 0, LINK_AGAIN = -1, LINK_FAILED = -2 };
enum shaken { SHAKEN, SHAKE_READS, SHAKE_WRITES, SHAKE_FAILED };

struct link {
    int fd;     /* -1: closed */
    SSL *ssl;   /* NULL: plain TCP */
};

/*
 * Starts to connect to 127.0.0.1:port, from an address of 127/8 that `index` chooses, so that ports do not run short.
 * False: see errno. A link that is not open has fd = -1.
 */
bool link_open(struct link *link, uint16_t port, uint32_t index);

/*
 * Puts a TLS client on an open link; `identity`.pem and .key are its certificate and key, NULL: none. Exits if they are unusable.
 * `resume` may be NULL. A link that has been closed keeps its identity, so that coming back costs no more than the handshake.
 */
void link_secure(struct link *link, SSL_CTX *tls, const char *identity, SSL_SESSION *resume);

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
