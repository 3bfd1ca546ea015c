/*
 * Vehicles-in load: V vehicles of one server, each with its own identity, VIN and txids; nobody reads. Prints one JSON line.
 *
 * --window W    each keeps W messages un-acknowledged (closed loop)
 * --rate R      R messages a second by all of them, in turn (open loop); with neither they connect and stay idle
 * --reconnect   first all are cut off without a close, and come back at once; --cold: without resuming their TLS sessions
 * --at_once N   so many handshakes are in the air while they first connect; all of them: as after a restart of the server
 * --returns     whoever is turned away or cut before it is open comes back after a pause, as vehicles do; else that ends the run
 * --round_trip_ms M   the server is that far away (line.h); --to_an_address N: so many vehicles share one
 *
 * Every reply is compared with the ack that is due, byte for byte. Phases: connect; settle; reconnect; warm up; measure; wait for
 * the last acks.
 */
#include "meter.h"
#include "options.h"
#include "publisher.h"

#include <stdio.h>
#include <stdlib.h>

static struct options o;
static struct publisher *vehicles;
static uint32_t count;

static bool sending, measuring;
static uint64_t sent, acked, first_due_ns;
static struct histogram latency;

struct opening {            /* how long it took until all were open, and what the server spent on it */
    double seconds;
    uint64_t server_cpu_ns;
    uint32_t resumed, returned;
    double p50_s, slowest_s;    /* of one vehicle, from its last call on */
};

struct moment {
    uint64_t at_ns, server_cpu_ns, load_cpu_ns, acked;
};

static struct client *nth(uint32_t i) { return &vehicles[i].client; }

static uint64_t server_cpu(void) { return o.server_pid ? cpu_ns((int)o.server_pid) : 0; }
static uint64_t server_resident(void) { return o.server_pid ? resident_bytes((int)o.server_pid) : 0; }

static void on_ack(uint64_t sent_ns)
{
    acked++;
    if (measuring) {
        uint64_t now = read_ns;
        record(&latency, now > sent_ns ? now - sent_ns : 0);
    }
}

static void refill(struct publisher *vehicle, uint32_t n)
{
    if (!sending || !o.window)
        return;
    publish(vehicle, n, now_ns());
    sent += n;
}

static uint64_t due_ns(uint64_t message) { return first_due_ns + (uint64_t)((double)message * 1e9 / o.rate); }

static void run_for(double seconds)
{
    uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now; (now = now_ns()) < end_ns;) {
        if (sending && o.rate)
            for (; due_ns(sent) <= now; sent++)
                publish(&vehicles[sent % count], 1, due_ns(sent));
        uint64_t wake = sending && o.rate ? due_ns(sent) : end_ns;
        loop_turn(wake < end_ns ? wake : end_ns);
    }
}

static struct opening open_vehicles(uint32_t at_once)
{
    uint64_t from_ns = now_ns(), cpu = server_cpu();
    uint32_t resumed = sessions_resumed, returned = clients_returned;
    opening_times = (struct histogram){0};
    if (!open_all(nth, count, at_once, 180)) {
        fprintf(stderr, "only %u of %u vehicles connected\n", clients_opened, count);
        exit(1);
    }
    return (struct opening){
        .seconds = (double)(now_ns() - from_ns) / 1e9,
        .server_cpu_ns = server_cpu() - cpu,
        .resumed = sessions_resumed - resumed,
        .returned = clients_returned - returned,
        .p50_s = (double)percentile(&opening_times, .5) / 1e9,
        .slowest_s = (double)percentile(&opening_times, .9999) / 1e9,
    };
}

static struct opening reconnect(void)
{
    for (uint32_t i = 0; i < count; i++) {
        client_close(nth(i));
        vehicles[i].inbox.carried = 0;
        if (o.cold)
            client_forget_session(nth(i));
    }
    clients_lost = 0;
    return open_vehicles(count);
}

static struct moment moment(void)
{
    return (struct moment){now_ns(), server_cpu(), cpu_ns(0), acked};
}

static void measure(struct moment *began, struct moment *ended)
{
    sending = true;
    first_due_ns = now_ns();
    for (uint32_t i = 0; o.window && i < count; i++) {
        publish(&vehicles[i], (uint32_t)o.window, now_ns());
        sent += (uint32_t)o.window;
    }
    run_for(o.warmup);
    measuring = true;
    *began = moment();
    run_for(o.seconds);
    *ended = moment();
    measuring = sending = false;
    for (int i = 0; i < 500 && acked + ack_errors < sent; i++)
        run_for(0.01);
}

static void report_window(const struct moment *began, const struct moment *ended)
{
    double wall = (double)(ended->at_ns - began->at_ns), messages = (double)(ended->acked - began->acked);
    double server = (double)(ended->server_cpu_ns - began->server_cpu_ns);
    figure("messages_per_s", per(messages * 1e9, wall));
    figure("p50_us", (double)percentile(&latency, .5) / 1e3);
    figure("p99_us", (double)percentile(&latency, .99) / 1e3);
    figure("p999_us", (double)percentile(&latency, .999) / 1e3);
    figure("server_cpu_us", per(server, messages) / 1e3);
    figure("server_busy", per(server, wall));
    figure("load_busy", per((double)(ended->load_cpu_ns - began->load_cpu_ns), wall));
}

static void report_opening(const struct opening *first, const struct opening *again)
{
    figure("connect_s", first->seconds);
    figure("server_cpu_ms_per_connect", (double)first->server_cpu_ns / 1e6 / count);
    figure("connect_returned", first->returned);
    figure("connect_p50_s", first->p50_s);
    figure("connect_slowest_s", first->slowest_s);
    figure("reconnect_s", again->seconds);
    figure("reconnect_returned", again->returned);
    figure("reconnect_p50_s", again->p50_s);
    figure("reconnect_slowest_s", again->slowest_s);
    figure("server_cpu_ms_per_reconnect", (double)again->server_cpu_ns / 1e6 / count);
    figure("resumed", again->resumed);
}

static void report_totals(uint64_t idle_bytes)
{
    figure("vehicles", count);
    figure("message_bytes", (double)dialect.message.length);
    figure("kb_per_idle_vehicle", (double)idle_bytes / 1024 / count);
    figure("sent", (double)sent);
    figure("acked", (double)acked);
    figure("ack_errors", (double)ack_errors);
    figure("closed", clients_lost);
}

static void prepare(void)
{
    static struct endpoint to;
    to = (struct endpoint){.port = (uint16_t)o.port, .path = o.publisher_path, .identities = o.identities};
    to.round_trip_ns = (uint64_t)(o.round_trip_ms * 1e6);
    to.to_an_address = (uint32_t)o.to_an_address;
    to.tls = o.ca ? client_tls(o.ca) : NULL;
    count = (uint32_t)o.publishers;
    vehicles = calloc(count, sizeof *vehicles);
    pattern_load(&dialect.message, o.message);
    if ((dialect.acks = o.ack))
        pattern_load(&dialect.ack, o.ack);
    dialect.opcode = o.text ? WS_TEXT : WS_BINARY;
    dialect.acked = on_ack;
    dialect.refill = refill;
    for (uint32_t i = 0; i < count; i++)
        publisher_init(&vehicles[i], &to, (uint32_t)o.first + i);
    for (uint32_t i = 0; i < count; i++) {
        nth(i)->returns = o.returns;
        client_prepare(nth(i));
    }
}

int main(int argc, char **argv)
{
    struct moment began = {0}, ended = {0};
    struct opening first, again = {0};
    options_read(&o, argc, argv);
    if (!o.publishers || o.window > IN_FLIGHT_MAX) {
        fprintf(stderr, "at least one vehicle, and a window of %d at most\n", IN_FLIGHT_MAX);
        return 2;
    }
    loop_init();
    prepare();
    uint64_t bare = server_resident();
    first = open_vehicles(o.at_once ? (uint32_t)o.at_once : HANDSHAKES_AT_ONCE);
    fprintf(stderr, "connected\n"); /* bench/vehicles/reconnect.py waits for it */
    run_for(o.settle);
    uint64_t idle = server_resident();
    if (o.reconnect)
        again = reconnect();
    if (o.window || o.rate)
        measure(&began, &ended);
    else
        run_for(o.seconds);
    report_begin();
    report_totals(idle > bare ? idle - bare : 0);
    report_opening(&first, &again);
    report_window(&began, &ended);
    report_end();
    return 0;
}
