#include "pattern.h"

#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HEX[] = "0123456789abcdef";

static void find(struct places *places, const struct pattern *in, const char *needle)
{
    size_t length = strlen(needle);
    const uint8_t *from = in->bytes, *end = in->bytes + in->length;
    while (places->count < PLACES_MAX && (from = memmem(from, (size_t)(end - from), needle, length))) {
        places->at[places->count++] = (size_t)(from - in->bytes);
        from += length;
    }
}

static void load(struct pattern *pattern, const char *path)
{
    FILE *f = fopen(path, "rb");
    long length = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        length = ftell(f);
    if (length > 0 && (pattern->bytes = malloc((size_t)length))) {
        rewind(f);
        pattern->length = fread(pattern->bytes, 1, (size_t)length, f);
    }
    if (length <= 0 || pattern->length != (size_t)length) {
        perror(path);
        exit(2);
    }
    fclose(f);
}

void pattern_load(struct pattern *pattern, const char *path)
{
    memset(pattern, 0, sizeof *pattern);
    load(pattern, path);
    find(&pattern->marks, pattern, "#TF:");
    find(&pattern->txids, pattern, "0000000000000000000000-000000000");
    find(&pattern->vins, pattern, SAMPLE_VIN);
}

static void put_hex(uint8_t *to, unsigned digits, uint64_t value)
{
    for (; digits--; value >>= 4)
        to[digits] = (uint8_t)HEX[value & 15];
}

static void put_decimal(uint8_t *to, unsigned digits, uint64_t value)
{
    for (; digits--; value /= 10)
        to[digits] = (uint8_t)('0' + value % 10);
}

void pattern_fill(struct pattern *pattern, const struct mark *mark)
{
    for (unsigned i = 0; i < pattern->marks.count; i++) {
        uint8_t *at = pattern->bytes + pattern->marks.at[i];
        put_hex(at + 4, 4, mark->publisher);
        put_hex(at + 9, 10, mark->number);
        put_hex(at + 20, 16, mark->sent_ns);
    }
    for (unsigned i = 0; i < pattern->txids.count; i++) {
        uint8_t *at = pattern->bytes + pattern->txids.at[i];
        put_hex(at, 22, mark->publisher + 0x78ae54a5880000u);
        put_decimal(at + 23, 9, mark->number);
    }
    char vin[VIN_LENGTH + 1];
    vin_of(mark->publisher, vin);
    for (unsigned i = 0; i < pattern->vins.count; i++)
        memcpy(pattern->bytes + pattern->vins.at[i], vin, VIN_LENGTH);
}

static uint64_t read_hex(const uint8_t *from, unsigned digits)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < digits; i++) /* '0'..'9' have bit 6 clear, 'a'..'f' have it set and are 9 too low */
        value = value << 4 | (uint64_t)((from[i] & 15) + (from[i] >> 6) * 9);
    return value;
}

bool mark_read(const uint8_t *p, size_t room, struct mark *mark)
{
    if (room < MARK_LENGTH || memcmp(p, "#TF:", 4) != 0)
        return false;
    mark->publisher = (uint32_t)read_hex(p + 4, 4);
    mark->number = read_hex(p + 9, 10);
    mark->sent_ns = read_hex(p + 20, 16);
    return true;
}
