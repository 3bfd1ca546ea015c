/*
 * Fan-out load: N readers of one server, and the publishers that feed it. Prints one JSON line.
 *
 * Closed loop (--window W): an event is in flight from when it is sent until every reader has it (a stalled one apart); the next
 * one is sent when fewer than W are. With --window_by_ack it is in flight until it is acknowledged, wherever the readers are.
 * Open loop (--rate R): event k is due at k / R seconds and carries that time, sent late or not, so that a stall shows.
 *
 * Phases: open everything; settle; warm up; measure; stop sending and wait until all is delivered, or nothing moves for 2 s.
 * Rates, CPU and latencies are of the measured window; losses and disorder are of the whole run.
 */
#include "meter.h"
#include "options.h"
#include "publisher.h"
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t QUIET_NS = 2000000000;

static struct options o;
static struct publisher *publishers;
static struct reader *readers;
static uint32_t publisher_count, reader_count;

static uint64_t sent;                       /* events by all publishers */
static uint64_t completed;                  /* events of the closed loop that every reader has */
static uint32_t waiting_for[IN_FLIGHT_MAX]; /* readers that still lack event n, at n % IN_FLIGHT_MAX */
static bool publishing;
static uint64_t first_due_ns;               /* when the open loop's event 0 is due */

static struct snapshot {
    uint64_t at_ns, server_cpu_ns, load_cpu_ns, resident, deliveries, bytes, sent;
} began, ended;

static struct client *nth_publisher(uint32_t i) { return &publishers[i].client; }
static struct client *nth_reader(uint32_t i) { return &readers[i].client; }
static struct client *reader_after_first(uint32_t i) { return &readers[i + 1].client; }
static uint64_t sent_by(uint32_t i) { return publishers[i].sent; }
static void no_latency(uint64_t sent_ns) { (void)sent_ns; }

static uint32_t listening(void) { return reader_count - (uint32_t)o.stalled; }

static void send_events(struct publisher *p, uint32_t count, uint64_t as_of_ns)
{
    for (uint32_t i = 0; i < count; i++)
        waiting_for[(p->sent + i) % IN_FLIGHT_MAX] = listening();
    publish(p, count, as_of_ns);
    sent += count;
}

static void delivered(uint64_t first, uint64_t last)
{
    for (uint64_t n = first; n <= last; n++)
        completed += --waiting_for[n % IN_FLIGHT_MAX] == 0;
}

static void refill(void)
{
    uint64_t in_flight = sent - completed;
    if (publishing && in_flight < (uint64_t)o.window)
        send_events(&publishers[0], (uint32_t)((uint64_t)o.window - in_flight), now_ns());
}

static void refill_acked(struct publisher *p, uint32_t count)
{
    if (publishing)
        send_events(p, count, now_ns());
}

static uint64_t due_ns(uint64_t event) { return first_due_ns + (uint64_t)((double)event * 1e9 / o.rate); }

static void run_until(uint64_t end_ns)
{
    for (uint64_t now; (now = now_ns()) < end_ns;) {
        if (publishing && o.rate)
            for (; due_ns(sent) <= now; )
                send_events(&publishers[sent % publisher_count], 1, due_ns(sent));
        uint64_t wake = publishing && o.rate ? due_ns(sent) : end_ns;
        loop_turn(wake < end_ns ? wake : end_ns);
    }
}

static uint64_t expected(void)
{
    uint64_t sum = 0;
    if (!o.own_only)
        return sent * listening();
    for (uint32_t i = 0; i < listening(); i++)
        sum += publishers[i].sent;
    return sum;
}

static void drain(void)
{
    publishing = false;
    uint64_t last = 0, quiet_since = now_ns();
    while (tally.deliveries + tally.lost < expected() && now_ns() - quiet_since < QUIET_NS) {
        run_until(now_ns() + 10000000);
        if (tally.deliveries != last)
            quiet_since = now_ns();
        last = tally.deliveries;
    }
}

static struct snapshot snapshot(void)
{
    int pid = (int)o.server_pid;
    struct snapshot s = {.at_ns = now_ns(), .load_cpu_ns = cpu_ns(0), .sent = sent};
    s.deliveries = tally.deliveries;
    s.bytes = tally.bytes;
    if (pid) {
        s.server_cpu_ns = cpu_ns(pid);
        s.resident = resident_bytes(pid);
    }
    return s;
}

static void open_everything(struct snapshot *bare, struct snapshot *connected)
{
    uint32_t first = reader_count ? 1 : 0; /* what a server does once, for whoever comes first, is not counted as each one's */
    bool opened = open_all(nth_publisher, publisher_count, HANDSHAKES_AT_ONCE, 120);
    opened = opened && open_all(nth_reader, first, 1, 120);
    run_until(now_ns() + (uint64_t)(o.settle * 1e9));
    *bare = snapshot();
    opened = opened && open_all(reader_after_first, reader_count - first, HANDSHAKES_AT_ONCE, 120);
    run_until(now_ns() + (uint64_t)(o.settle * 1e9));
    *connected = snapshot();
    if (!opened) {
        fprintf(stderr, "only %u of %u connections opened\n", clients_opened, publisher_count + reader_count);
        exit(1);
    }
}

static void measure(void)
{
    publishing = o.rate || o.window;
    first_due_ns = now_ns();
    if (o.window)
        send_events(&publishers[0], (uint32_t)o.window, now_ns());
    run_until(now_ns() + (uint64_t)(o.warmup * 1e9));
    tally.measuring = true;
    began = snapshot();
    run_until(now_ns() + (uint64_t)(o.seconds * 1e9));
    tally.measuring = false;
    ended = snapshot();
    drain();
    for (uint32_t i = 0; i < listening(); i++)
        reader_settle(&readers[i], sent_by);
}

static uint64_t acked_in_all(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < publisher_count; i++)
        sum += publishers[i].acked;
    return sum;
}

static void report_window(void)
{
    double wall = (double)(ended.at_ns - began.at_ns), events = (double)(ended.sent - began.sent);
    double deliveries = (double)(ended.deliveries - began.deliveries);
    double server = (double)(ended.server_cpu_ns - began.server_cpu_ns), load = (double)(ended.load_cpu_ns - began.load_cpu_ns);
    figure("events_per_s", events * 1e9 / wall);
    figure("deliveries_per_s", deliveries * 1e9 / wall);
    figure("bytes_per_event", per((double)(ended.bytes - began.bytes), deliveries));
    figure("p50_us", (double)percentile(&tally.latency, .5) / 1e3);
    figure("p99_us", (double)percentile(&tally.latency, .99) / 1e3);
    figure("p999_us", (double)percentile(&tally.latency, .999) / 1e3);
    figure("server_cpu_ns", per(server, deliveries));
    figure("server_cpu_ns_per_event", per(server, events));
    figure("server_busy", server / wall);
    figure("load_cpu_ns", per(load, deliveries));
    figure("load_busy", load / wall);
    figure("growth_mb", ((double)ended.resident - (double)began.resident) / 1e6);
}

static void report(const struct snapshot *bare, const struct snapshot *connected)
{
    report_begin();
    figure("readers", reader_count);
    figure("publishers", publisher_count);
    figure("events", (double)sent);
    figure("acked", (double)acked_in_all());
    figure("ack_errors", (double)ack_errors);
    figure("deliveries", (double)tally.deliveries);
    figure("lost", (double)tally.lost);
    figure("disordered", (double)tally.disordered);
    figure("other_frames", (double)tally.others);
    figure("closed", clients_lost);
    report_window();
    figure("resident_mb", (double)bare->resident / 1e6);
    figure("kb_per_idle_reader", per((double)connected->resident - (double)bare->resident, reader_count > 1 ? reader_count - 1 : 1) / 1024);
    report_end();
}

static void prepare(void)
{
    static struct endpoint to_publish, to_read;
    SSL_CTX *tls = o.ca ? client_tls(o.ca) : NULL;
    uint16_t port = (uint16_t)o.port;
    to_publish = (struct endpoint){.port = o.publisher_port ? (uint16_t)o.publisher_port : port, .path = o.publisher_path,
                                   .tls = o.publisher_tls || o.identities ? tls : NULL, .identities = o.identities};
    to_read = (struct endpoint){.port = port, .path = o.reader_path, .bearer = o.token, .tls = o.reader_tls ? tls : NULL,
                                .event_stream = o.event_stream};
    publisher_count = (uint32_t)o.publishers;
    reader_count = (uint32_t)o.readers;
    publishers = calloc(publisher_count, sizeof *publishers);
    readers = calloc(reader_count + 1, sizeof *readers);
    pattern_load(&dialect.message, o.message);
    if ((dialect.acks = o.ack))
        pattern_load(&dialect.ack, o.ack);
    dialect.opcode = o.text ? WS_TEXT : WS_BINARY;
    dialect.greeting = o.publisher_greeting;
    dialect.acked = no_latency;
    dialect.refill = o.window && o.window_by_ack ? refill_acked : NULL;
    audience.publishers_seen = o.own_only ? 1 : publisher_count;
    audience.own_only = o.own_only;
    audience.several_to_a_frame = o.several_to_a_frame || o.event_stream;
    audience.greeting = o.reader_greeting;
    if (o.window && !o.window_by_ack) {
        audience.delivered = delivered;
        audience.read_done = refill;
    }
    for (uint32_t i = 0; i < publisher_count; i++)
        publisher_init(&publishers[i], &to_publish, i);
    for (uint32_t i = 0; i < reader_count; i++) {
        reader_init(&readers[i], &to_read, i);
        readers[i].stalled = i >= listening();
    }
}

int main(int argc, char **argv)
{
    struct snapshot bare, connected;
    options_read(&o, argc, argv);
    if (o.window > IN_FLIGHT_MAX || o.stalled > o.readers || (o.own_only && o.readers > o.publishers)) {
        fprintf(stderr,
                "a window of %d at most, no more stalled readers than readers, a publisher for each of own_only\n",
                IN_FLIGHT_MAX);
        return 2;
    }
    loop_init();
    prepare();
    open_everything(&bare, &connected);
    measure();
    report(&bare, &connected);
    return 0;
}
