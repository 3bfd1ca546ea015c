/* The one loop of a load tool: descriptors that are ready, and what is to happen at its time. */
#pragma once

#include <stdint.h>

struct watched {        /* the first member of whatever owns a descriptor */
    void (*ready)(struct watched *watched, uint32_t events);    /* epoll's events; it may have ended in this very turn */
};

/* Makes the loop; call once, first. As many descriptors as the system allows; a broken pipe is an error and no signal. */
void loop_init(void);

/* epoll_ctl; exits if the system refuses. */
void loop_watch(int fd, int operation, uint32_t events, struct watched *watched);

/* Calls `then(whom)` at that time (now_ns); of one time in the order of asking. It cannot be taken back. */
void loop_at(uint64_t due_ns, void (*then)(void *whom), void *whom);

/* One turn: waits until `deadline_ns` at most, serves everything that is ready, then does what is due. */
void loop_turn(uint64_t deadline_ns);
