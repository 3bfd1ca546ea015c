#include "link.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", what, which);
    ERR_print_errors_fp(stderr);
    exit(2);
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

void link_identify(struct link *link, SSL_CTX *tls, const char *identity)
{
    if (!link->ssl)
        link->ssl = new_tls(tls, identity);
}

static bool put_on_line(struct link *link)
{
    BIO *in = line_in(link->line), *out = line_out(link->line);
    if (!BIO_up_ref(in) || !BIO_up_ref(out))
        return false;
    SSL_set_bio(link->ssl, in, out);
    return true;
}

void link_secure(struct link *link, SSL_SESSION *resume)
{
    bool put = link->line ? put_on_line(link) : SSL_set_fd(link->ssl, link->fd) == 1;
    if (!put || !SSL_set_session(link->ssl, resume))
        die("no TLS client", "SSL_set_fd");
    SSL_set_connect_state(link->ssl);
}

/* What OpenSSL has to say by itself goes as well: its part of the handshake, an alert, a KeyUpdate. */
static void flush(struct link *link)
{
    if (link->line)
        line_flush(link->line);
}

enum shaken link_shake(struct link *link)
{
    if (!link->ssl)
        return SHAKEN;
    int done = SSL_do_handshake(link->ssl), why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, done);
    flush(link);
    switch (why) {
    case SSL_ERROR_NONE: return SHAKEN;
    case SSL_ERROR_WANT_READ: return SHAKE_READS;
    case SSL_ERROR_WANT_WRITE: return SHAKE_WRITES;
    default: ERR_clear_error(); return SHAKE_FAILED;
    }
}

static ssize_t plain_result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? LINK_AGAIN : LINK_FAILED;
}

static ssize_t line_result(struct link *link, int n)
{
    if (n > 0)
        return n;
    return BIO_should_retry(line_in(link->line)) ? LINK_AGAIN : LINK_END;
}

static ssize_t tls_result(struct link *link, int n)
{
    int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, n);
    flush(link);
    if (why == SSL_ERROR_NONE)
        return n;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return LINK_AGAIN;
    ERR_clear_error(); /* the queue is per thread: what it holds would be taken for the next connection's */
    return why == SSL_ERROR_ZERO_RETURN ? LINK_END : LINK_FAILED;
}

ssize_t link_read(struct link *link, void *to, size_t room)
{
    if (link->ssl)
        return tls_result(link, SSL_read(link->ssl, to, (int)room));
    if (link->line)
        return line_result(link, BIO_read(line_in(link->line), to, (int)room));
    return plain_result(recv(link->fd, to, room, 0));
}

static ssize_t peek_line(struct link *link, void *to, size_t room)
{
    char *bytes;
    size_t there = (size_t)BIO_get_mem_data(line_in(link->line), &bytes);
    if (!there)
        return line_result(link, BIO_read(line_in(link->line), to, (int)room));
    memcpy(to, bytes, there < room ? there : room);
    return (ssize_t)(there < room ? there : room);
}

ssize_t link_peek(struct link *link, void *to, size_t room)
{
    if (link->ssl)
        return tls_result(link, SSL_peek(link->ssl, to, (int)room));
    if (link->line)
        return peek_line(link, to, room);
    return plain_result(recv(link->fd, to, room, MSG_PEEK));
}

ssize_t link_write(struct link *link, const void *from, size_t length)
{
    if (link->ssl)
        return tls_result(link, SSL_write(link->ssl, from, (int)length));
    if (!link->line)
        return plain_result(send(link->fd, from, length, MSG_NOSIGNAL));
    int n = BIO_write(line_out(link->line), from, (int)length);
    flush(link);
    return n;
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
    if (link->line)
        line_hang_up(link->line);
    else if (link->fd >= 0)
        close(link->fd);
    link->line = NULL;
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
