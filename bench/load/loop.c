#include "loop.h"

#include "meter.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>

static int ep;

static struct due {
    uint64_t at_ns, number;     /* `number` in the order of asking */
    void (*then)(void *whom);
    void *whom;
} *heap;                        /* heap[i] is before heap[2i + 1] and heap[2i + 2] */
static size_t heaped, room;
static uint64_t asked;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

void loop_init(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0)
        die("epoll_create1");
}

void loop_watch(int fd, int operation, uint32_t events, struct watched *watched)
{
    struct epoll_event e = {.events = events, .data.ptr = watched};
    if (epoll_ctl(ep, operation, fd, &e) < 0)
        die("epoll_ctl");
}

static bool before(const struct due *a, const struct due *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->number < b->number);
}

void loop_at(uint64_t due_ns, void (*then)(void *whom), void *whom)
{
    struct due due = {.at_ns = due_ns, .number = asked++, .then = then, .whom = whom};
    size_t i = heaped++;
    if (heaped > room && !(heap = realloc(heap, (room = heaped * 2) * sizeof *heap)))
        abort();
    for (; i && before(&due, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = due;
}

static struct due take_first(void)
{
    struct due first = heap[0], last = heap[--heaped];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < heaped; i = child) {
        if (child + 1 < heaped && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return first;
}

void loop_turn(uint64_t deadline_ns)
{
    static struct epoll_event ready[1024];
    if (heaped && heap[0].at_ns < deadline_ns)
        deadline_ns = heap[0].at_ns;
    uint64_t now = now_ns(), wait = deadline_ns > now ? deadline_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    int n = epoll_pwait2(ep, ready, sizeof ready / sizeof *ready, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll_pwait2");
    for (int i = 0; i < n; i++) {
        struct watched *watched = ready[i].data.ptr;
        watched->ready(watched, ready[i].events);
    }
    for (now = now_ns(); heaped && heap[0].at_ns <= now;) {
        struct due due = take_first();
        due.then(due.whom);
    }
}
