#include "options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, TEXT, FLAG };

static const struct row {
    const char *name;
    enum kind kind;
    size_t at;
} rows[] = {
#define ROW(kind, field) {#field, kind, offsetof(struct options, field)}
    ROW(NUMBER, port), ROW(NUMBER, publisher_port), ROW(NUMBER, server_pid),
    ROW(TEXT, ca), ROW(TEXT, identities), ROW(FLAG, reader_tls), ROW(FLAG, publisher_tls),
    ROW(TEXT, reader_path), ROW(TEXT, token), ROW(TEXT, reader_greeting),
    ROW(TEXT, publisher_path), ROW(TEXT, publisher_greeting),
    ROW(NUMBER, readers), ROW(NUMBER, stalled), ROW(NUMBER, publishers), ROW(NUMBER, first),
    ROW(FLAG, own_only), ROW(FLAG, several_to_a_frame), ROW(FLAG, event_stream),
    ROW(TEXT, message), ROW(TEXT, ack), ROW(FLAG, text), ROW(FLAG, window_by_ack), ROW(FLAG, reconnect), ROW(FLAG, cold),
    ROW(FLAG, returns), ROW(NUMBER, at_once), ROW(NUMBER, to_an_address), ROW(NUMBER, round_trip_ms),
    ROW(NUMBER, window), ROW(NUMBER, rate), ROW(NUMBER, warmup), ROW(NUMBER, seconds), ROW(NUMBER, settle),
#undef ROW
};

static void refuse(const char *why, const char *what)
{
    fprintf(stderr, "%s: %s\n", why, what);
    exit(2);
}

static const struct row *row_named(const char *argument)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, rows[i].name) == 0)
            return &rows[i];
    refuse("unknown option", argument);
    return NULL;
}

void options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){.publishers = 1, .warmup = 1, .seconds = 3, .settle = 0.5};
    options->publisher_path = "/";
    options->reader_path = "/stream";
    for (int i = 1; i < argc; i++) {
        const struct row *row = row_named(argv[i]);
        void *field = (char *)options + row->at;
        char *end = NULL;
        if (row->kind == FLAG) {
            *(bool *)field = true;
            continue;
        }
        if (++i == argc)
            refuse("no value", argv[i - 1]);
        if (row->kind == TEXT)
            *(const char **)field = argv[i];
        else if ((*(double *)field = strtod(argv[i], &end)) < 0 || *end)
            refuse("not a number", argv[i]);
    }
    if (!options->port || !options->message)
        refuse("needed", "--port, --message");
}
