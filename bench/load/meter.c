#include "meter.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t percentile(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += h->counts[b];
        if (seen > wanted) {
            unsigned shift = b >> SUB_BITS ? (b >> SUB_BITS) - 1 : 0;
            uint64_t low = b >> SUB_BITS ? (uint64_t)((1u << SUB_BITS) + (b & ((1u << SUB_BITS) - 1))) << shift : b;
            return low + ((1ull << shift) >> 1);
        }
    }
    return 0;
}

static uint64_t first_number(const char *path, int skip)
{
    FILE *f = fopen(path, "r");
    unsigned long long value = 0;
    if (!f)
        return 0; /* a thread that has just ended */
    for (int i = 0; i <= skip; i++)
        if (fscanf(f, "%llu", &value) != 1)
            value = 0;
    fclose(f);
    return value;
}

uint64_t cpu_ns(int pid)
{
    char path[300];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid ? pid : (int)getpid());
    DIR *tasks = opendir(path);
    if (!tasks)
        return 0;
    for (struct dirent *d; (d = readdir(tasks));) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid ? pid : (int)getpid(), d->d_name);
        sum += first_number(path, 0);
    }
    closedir(tasks);
    return sum;
}

static const char *before_next;

void report_begin(void)
{
    before_next = "{";
}

void figure(const char *name, double value)
{
    printf("%s\"%s\":%.10g", before_next, name, value);
    before_next = ",";
}

void report_end(void)
{
    puts("}");
}

uint64_t resident_bytes(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    return first_number(path, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}
