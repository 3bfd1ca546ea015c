/*
 * What a run measures: time, latencies, and what the server's process spent.
 *
 * Latencies go into logarithmic buckets, 32 to each power of two: a percentile is right to 3 %, and recording costs an increment.
 * CPU is the sum of /proc/PID/task/<tid>/schedstat, field 1: nanoseconds on a core, which no other load on the machine falsifies.
 */
#pragma once

#include <stdint.h>
#include <time.h>

enum { SUB_BITS = 5, BUCKETS = (64 - SUB_BITS + 1) << SUB_BITS };

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t total;
};

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline unsigned bucket_of(uint64_t value)
{
    if (value < (1u << SUB_BITS))
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((shift + 1) << SUB_BITS) + (unsigned)((value >> shift) & ((1u << SUB_BITS) - 1));
}

static inline void record(struct histogram *h, uint64_t value)
{
    h->counts[bucket_of(value)]++;
    h->total++;
}

/* The value below which `share` (0..1) of the recorded ones lie; 0 where nothing was recorded. */
uint64_t percentile(const struct histogram *h, double share);

/* Nanoseconds of CPU that all threads of the process have used so far; the calling process' own for pid 0. */
uint64_t cpu_ns(int pid);

/* The JSON line of a run, figure by figure: report_begin, any number of `figure`, report_end. */
void report_begin(void);
void figure(const char *name, double value);
void report_end(void);

/* A mean, 0 of nothing. */
static inline double per(double sum, double count)
{
    return count ? sum / count : 0;
}

/* Bytes of the process that are resident. */
uint64_t resident_bytes(int pid);
