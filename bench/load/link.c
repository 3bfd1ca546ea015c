#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS_PER_ADDRESS = 8000 };

static void die(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", what, which);
    ERR_print_errors_fp(stderr);
    exit(2);
}

bool link_open(struct link *link, uint16_t port, uint32_t index)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / PORTS_PER_ADDRESS)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return false;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(link->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(link->fd, (struct sockaddr *)&from, sizeof from) < 0)
        return false;
    return connect(link->fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS;
}

static SSL *new_tls(SSL_CTX *tls, const char *identity)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    SSL *ssl = SSL_new(tls);
    if (!ssl)
        die("no TLS client", "SSL_new");
    snprintf(certificate, sizeof certificate, "%s.pem", identity ? identity : "");
    snprintf(key, sizeof key, "%s.key", identity ? identity : "");
    if (identity && SSL_use_certificate_chain_file(ssl, certificate) != 1)
        die("not a certificate", certificate);
    if (identity && SSL_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        die("not its key", key);
    SSL_set_tlsext_host_name(ssl, "localhost");
    return ssl;
}

void link_secure(struct link *link, SSL_CTX *tls, const char *identity, SSL_SESSION *resume)
{
    if (!link->ssl)
        link->ssl = new_tls(tls, identity);
    if (!SSL_set_fd(link->ssl, link->fd) || !SSL_set_session(link->ssl, resume))
        die("no TLS client", "SSL_set_fd");
    SSL_set_connect_state(link->ssl);
}

enum shaken link_shake(struct link *link)
{
    if (!link->ssl)
        return SHAKEN;
    int done = SSL_do_handshake(link->ssl);
    if (done == 1)
        return SHAKEN;
    switch (SSL_get_error(link->ssl, done)) {
    case SSL_ERROR_WANT_READ: return SHAKE_READS;
    case SSL_ERROR_WANT_WRITE: return SHAKE_WRITES;
    default: return SHAKE_FAILED;
    }
}

static ssize_t plain_result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? LINK_AGAIN : LINK_FAILED;
}

static ssize_t tls_result(struct link *link, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(link->ssl, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return LINK_AGAIN;
    ERR_clear_error(); /* the queue is per thread: what it holds would be taken for the next connection's */
    return why == SSL_ERROR_ZERO_RETURN ? LINK_END : LINK_FAILED;
}

ssize_t link_read(struct link *link, void *to, size_t room)
{
    if (link->ssl)
        return tls_result(link, SSL_read(link->ssl, to, (int)room));
    return plain_result(recv(link->fd, to, room, 0));
}

ssize_t link_peek(struct link *link, void *to, size_t room)
{
    if (link->ssl)
        return tls_result(link, SSL_peek(link->ssl, to, (int)room));
    return plain_result(recv(link->fd, to, room, MSG_PEEK));
}

ssize_t link_write(struct link *link, const void *from, size_t length)
{
    if (link->ssl)
        return tls_result(link, SSL_write(link->ssl, from, (int)length));
    return plain_result(send(link->fd, from, length, MSG_NOSIGNAL));
}

bool link_holds_bytes(const struct link *link)
{
    return link->ssl && SSL_pending(link->ssl) > 0;
}

void link_close(struct link *link)
{
    if (link->ssl) {
        SSL_set_quiet_shutdown(link->ssl, 1);
        SSL_shutdown(link->ssl); /* marks it as ended well, so that its session may be resumed */
        SSL_clear(link->ssl);
    }
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

SSL_CTX *tls_client(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1)
        die("not a CA file", ca);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return tls;
}
