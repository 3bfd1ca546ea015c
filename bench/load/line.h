/*
 * A long line to the server: what goes into it at one end comes out at the other half a round trip later.
 *
 *     ours                        here                         the server's end
 *     open ─────────────── 1.5 round trips ───────────────▶ connect: the call, its answer, and the first bytes with our answer
 *     `out` ── line_flush ─────── half of one ────────────▶ send
 *     `in`  ◀─ news ───────────── half of one ───────────── recv, the end, a reset
 *     line_hang_up ────────────── half of one ────────────▶ close
 *
 * Each line is in order, and none waits for another. Not simulated: a slow start (a flight of a handshake has less than the 14 KB
 * that TCP sends at once), losses, and the calls in the kernel's SYN queue, which it keeps by cookies if they are too many.
 */
#pragma once

#include <openssl/bio.h>
#include <stdbool.h>
#include <stdint.h>

enum news { LINE_CONNECTED, LINE_BYTES, LINE_END };

struct line;

/* Calls the server; `hear(whom, news)` is called until line_hang_up, which may be in such a call. Addresses: as for link_open. */
struct line *line_open(uint16_t port, uint32_t address, uint64_t round_trip_ns, void (*hear)(void *whom, enum news news),
                       void *whom);

/* Memory BIOs: bytes that have come, and those that are to go with the next line_flush. They live until line_hang_up. */
BIO *line_in(struct line *line);
BIO *line_out(struct line *line);
size_t line_pending(const struct line *line);   /* bytes that have come and were not read */
void line_flush(struct line *line);

/* We have left: what is on its way arrives, then the server sees the end. The line is not ours any more. */
void line_hang_up(struct line *line);
