#include "line.h"

#include "loop.h"
#include "meter.h"
#include "socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct line {
    struct watched watched;     /* first: see loop.h */
    int fd;                     /* -1: not called yet, or closed */
    uint16_t port;
    uint32_t address;
    uint64_t half_ns;
    void (*hear)(void *whom, enum news news);   /* NULL: hung up */
    void *whom;
    BIO *in, *out;
    bool connected, answered, left, closed;     /* answered: our first bytes went with the call; left: the server has ended it */
    uint32_t flights;           /* on their way; the line lives as long */
    uint8_t *unsent;            /* bytes that the socket did not take */
    size_t unsent_length;
};

struct flight {
    struct line *line;
    void (*arrive)(struct line *line, const uint8_t *bytes, size_t length);
    size_t length;
    uint8_t bytes[];
};

static void land(void *whom)
{
    struct flight *flight = whom;
    struct line *line = flight->line;
    flight->arrive(line, flight->bytes, flight->length);
    free(flight);
    if (--line->flights || !line->closed)
        return;
    free(line->unsent);
    free(line);
}

static void depart(struct line *line, uint64_t takes_ns, void (*arrive)(struct line *, const uint8_t *, size_t),
                   const void *bytes, size_t length)
{
    struct flight *flight = malloc(sizeof *flight + length);
    if (!flight)
        abort();
    *flight = (struct flight){.line = line, .arrive = arrive, .length = length};
    if (length)
        memcpy(flight->bytes, bytes, length);
    line->flights++;
    loop_at(now_ns() + takes_ns, land, flight);
}

/* ---- from the server */

static void tell(struct line *line, enum news news)
{
    if (line->hear)
        line->hear(line->whom, news);
}

static void bytes_come(struct line *line, const uint8_t *bytes, size_t length)
{
    if (line->hear && BIO_write(line->in, bytes, (int)length) != (int)length)
        abort();
    tell(line, LINE_BYTES);
}

static void end_comes(struct line *line, const uint8_t *bytes, size_t length)
{
    (void)bytes, (void)length;
    if (line->hear)
        BIO_set_mem_eof_return(line->in, 0);
    tell(line, LINE_END);
}

static void receive(struct line *line)
{
    static uint8_t bytes[1 << 16];
    ssize_t n;
    while ((n = recv(line->fd, bytes, sizeof bytes, 0)) > 0)
        depart(line, line->half_ns, bytes_come, bytes, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    line->left = true;
    loop_watch(line->fd, EPOLL_CTL_DEL, 0, &line->watched);
    depart(line, line->half_ns, end_comes, NULL, 0);
}

/* ---- to the server */

static void await_room(struct line *line, bool awaited)
{
    loop_watch(line->fd, EPOLL_CTL_MOD, awaited ? EPOLLIN | EPOLLOUT : EPOLLIN, &line->watched);
}

static void keep_unsent(struct line *line, const uint8_t *bytes, size_t length)
{
    line->unsent = realloc(line->unsent, line->unsent_length + length);
    if (!line->unsent)
        abort();
    memcpy(line->unsent + line->unsent_length, bytes, length);
    if (!line->unsent_length)
        await_room(line, true);
    line->unsent_length += length;
}

/* That the server has left is seen where bytes are received; what is sent to it is for nobody. */
static void put(struct line *line, const uint8_t *bytes, size_t length)
{
    if (line->left)
        return;
    ssize_t n = line->unsent_length ? 0 : send(line->fd, bytes, length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return;
    size_t done = n < 0 ? 0 : (size_t)n;
    if (done < length)
        keep_unsent(line, bytes + done, length - done);
}

static void put_rest(struct line *line)
{
    ssize_t n = send(line->fd, line->unsent, line->unsent_length, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    line->unsent_length -= n < 0 ? line->unsent_length : (size_t)n;
    if (line->unsent_length)
        memmove(line->unsent, line->unsent + n, line->unsent_length);
    else
        await_room(line, false);
}

static void close_it(struct line *line, const uint8_t *bytes, size_t length)
{
    (void)bytes, (void)length;
    line->closed = true;
    if (line->fd >= 0)
        close(line->fd);
    line->fd = -1;
}

/* ---- its beginning */

static void ready(struct watched *watched, uint32_t events)
{
    struct line *line = (struct line *)watched;
    if (!line->connected) {
        if (socket_error(line->fd)) {
            loop_watch(line->fd, EPOLL_CTL_DEL, 0, watched);
            tell(line, LINE_END);
            return;
        }
        line->connected = true;
        await_room(line, false);
        tell(line, LINE_CONNECTED);
        return;
    }
    if (events & EPOLLOUT && line->unsent_length)
        put_rest(line);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(line);
}

static void call(struct line *line, const uint8_t *bytes, size_t length)
{
    (void)bytes, (void)length;
    if (line->closed)
        return;
    line->fd = socket_connect(line->port, line->address);
    if (line->fd >= 0)
        loop_watch(line->fd, EPOLL_CTL_ADD, EPOLLOUT, &line->watched);
    else
        tell(line, LINE_END);
}

struct line *line_open(uint16_t port, uint32_t address, uint64_t round_trip_ns, void (*hear)(void *, enum news), void *whom)
{
    struct line *line = calloc(1, sizeof *line);
    if (!line)
        abort();
    *line = (struct line){.watched.ready = ready, .fd = -1, .port = port, .address = address, .half_ns = round_trip_ns / 2};
    line->hear = hear;
    line->whom = whom;
    line->in = BIO_new(BIO_s_mem());
    line->out = BIO_new(BIO_s_mem());
    if (!line->in || !line->out)
        abort();
    depart(line, 3 * line->half_ns, call, NULL, 0);
    return line;
}

BIO *line_in(struct line *line) { return line->in; }
BIO *line_out(struct line *line) { return line->out; }

size_t line_pending(const struct line *line) { return BIO_ctrl_pending(line->in); }

void line_flush(struct line *line)
{
    char *bytes;
    long length = BIO_get_mem_data(line->out, &bytes);
    if (length <= 0)
        return;
    if (line->answered)
        depart(line, line->half_ns, put, bytes, (size_t)length);
    else
        put(line, (uint8_t *)bytes, (size_t)length); /* the call has taken their half round trip with it */
    line->answered = true;
    (void)BIO_reset(line->out);
}

void line_hang_up(struct line *line)
{
    line->hear = NULL;
    BIO_free(line->in);
    BIO_free(line->out);
    depart(line, line->half_ns, close_it, NULL, 0);
}
