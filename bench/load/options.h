/* The command line of both tools: `--name value` for each row of the table in options.c, `--name` alone for a flag. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct options {
    /* where to */
    double port, publisher_port, server_pid;    /* publisher_port 0: the same port */
    const char *ca;                             /* trusted for the server's certificate: needed where TLS is spoken */
    const char *identities;                     /* directory of VIN.pem and VIN.key: publishers speak mutual TLS */
    bool reader_tls, publisher_tls;
    const char *reader_path, *token, *reader_greeting, *publisher_path, *publisher_greeting;
    /* who */
    double readers, stalled, publishers, first; /* first: index of the first publisher */
    bool own_only, several_to_a_frame, event_stream;     /* event_stream: readers of server-sent events */
    bool returns;                               /* vehicles come back if they are turned away or cut before they are open */
    double at_once, to_an_address;              /* vehicles that first connect at a time, and that share an address */
    double round_trip_ms;                       /* how far the server is from vehicles; 0: over loopback as it is */
    /* what and how fast */
    const char *message, *ack;
    bool text, window_by_ack, reconnect, cold;  /* cold: back without resuming TLS sessions */
    double window, rate;                        /* messages in flight (closed loop), or messages a second in all (open loop) */
    double warmup, seconds, settle;
};

/* Fills in the defaults, then what the command line says. Exits with 2 and a line on stderr if it cannot. */
void options_read(struct options *options, int argc, char **argv);
