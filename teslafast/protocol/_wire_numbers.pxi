# Numbers and times as JSON shows them.

cdef enum:
    LOWEST_POWER = -31          # float32 spans 1.4e-45 .. 3.4e38: these powers of ten scale all of it to 9 digits
    HIGHEST_POWER = 45

# 10**k as a 64-bit mantissa with the top bit set, rounded up: g(k) = floor(10**k * 2**s) + 1.
cdef uint64_t[HIGHEST_POWER - LOWEST_POWER + 1] POWERS
# The powers of ten that a double holds exactly.
cdef double[23] EXACT_POWERS


cdef fill_powers():
    for k in range(LOWEST_POWER, HIGHEST_POWER + 1):
        shift = 63 - floor_log2_pow10(k)
        scaled = 10**max(k, 0) * 2**max(shift, 0)
        POWERS[k - LOWEST_POWER] = scaled // (10**max(-k, 0) * 2**max(-shift, 0)) + 1
    for k in range(23):
        EXACT_POWERS[k] = float(10**k)


cdef inline int floor_log2_pow10(int k) noexcept:
    return (k * 1741647) >> 19      # log2(10) in fixed point, exact for |k| < 1233


fill_powers()


cdef inline uint32_t scaled(uint64_t power, uint32_t value) noexcept:
    """value * power / 2**64, rounded to odd: the last bit says whether anything was cut off."""
    cdef uint64_t high = (power >> 32) * value
    cdef uint64_t low = <uint64_t><uint32_t>power * value
    cdef uint64_t middle = high + (low >> 32)
    return <uint32_t>(middle >> 32) | (1 if <uint32_t>middle > 1 else 0)


cdef double shortest(uint32_t bits) except? -1.0:
    """
    The double whose shortest decimal is the shortest decimal that reads back as this finite float32 (0.1, not 0.10000000149).

    After Giulietti's Schubfach: of the decimals with the same exponent as the float's rounding interval, at most two matter, and
    one with a digit less, if it fits, is better. Held against C++'s to_chars for all 2**32 values.
    """
    cdef uint32_t fraction = bits & 0x7fffff
    cdef int exponent = (bits >> 23) & 0xff
    cdef double sign = -1.0 if bits >> 31 else 1.0
    cdef bint lopsided = fraction == 0 and exponent > 1     # the float below is only half as far away
    cdef int q, k, h
    cdef uint32_t c, low, middle, high, odd, digits, tens
    if exponent == 0:
        if fraction == 0:
            return sign * 0.0
        c, q = fraction, -149
    else:
        c, q = fraction | 0x800000, exponent - 150
        if -24 < q <= 0 and c & ((<uint32_t>1 << -q) - 1) == 0:
            return sign * (c >> -q)                         # a small whole number is its own shortest form
    odd = c & 1                                             # an odd float's bounds do not read back as it
    k = (q * 1262611 - (524031 if lopsided else 0)) >> 22   # floor(log10(2**q)), or of 3/4 of it
    h = q + floor_log2_pow10(-k) + 1
    low = scaled(POWERS[-k - LOWEST_POWER], (4 * c - 2 + lopsided) << h) + odd
    middle = scaled(POWERS[-k - LOWEST_POWER], (4 * c) << h)
    high = scaled(POWERS[-k - LOWEST_POWER], (4 * c + 2) << h) - odd
    digits = middle // 4
    tens = digits // 10
    if digits >= 10 and (low <= 40 * tens) != (40 * tens + 40 <= high):
        return sign * decimal(tens + (40 * tens + 40 <= high), k + 1)
    if (low <= 4 * digits) != (4 * digits + 4 <= high):
        return sign * decimal(digits + (4 * digits + 4 <= high), k)
    return sign * decimal(digits + (middle > 4 * digits + 2 or (middle == 4 * digits + 2 and digits & 1)), k)


cdef inline double decimal(uint32_t digits, int k) except? -1.0:
    """digits * 10**k, correctly rounded: one exact operation for |k| <= 22, a parse for the rest."""
    if 0 <= k <= 22:
        return digits * EXACT_POWERS[k]
    if -22 <= k < 0:
        return digits / EXACT_POWERS[-k]
    return float(f"{digits}e{k}")


cdef object number(double value, int shape):
    """A JSON number; what JSON has no number for is null in flat, a word in fleet."""
    if isfinite(value):
        return value
    if shape == FLAT:
        return None
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


cdef inline bint representable(int64_t seconds, int32_t nanos) noexcept:
    """RFC 3339 has four digits for the year, and protojson refuses the rest: the years 1 to 9999."""
    return -62135596800LL <= seconds <= 253402300799LL and 0 <= nanos <= 999999999


cdef void write_digits(char *end, uint32_t value, int count) noexcept:
    """`count` decimal digits that end before `end`."""
    cdef int i
    for i in range(1, count + 1):
        end[-i] = c'0' + value % 10
        value //= 10


# The last day that was written: a vehicle's timestamps share theirs, and the calendar is the dear part.
cdef int64_t cached_day = -(1LL << 40)
cdef char[11] cached_date


cdef void write_date(char *text, int64_t day) noexcept:
    """`YYYY-MM-DDT` of the day-th day since 1970-01-01, in the Gregorian calendar extended backwards."""
    global cached_day
    cdef int64_t era, day_of_era, year_of_era, day_of_year, month
    if day != cached_day:
        # Years begin in March here, so that the leap day is the last: 400-year eras of 146097 days, the first from 0000-03-01.
        era = (day + 719468) // 146097
        day_of_era = day + 719468 - era * 146097
        year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
        day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        month = (5 * day_of_year + 2) // 153                # 0 = March
        memcpy(cached_date, b"0000-00-00T", 11)
        write_digits(cached_date + 4, <uint32_t>(year_of_era + era * 400 + (month >= 10)), 4)
        write_digits(cached_date + 7, <uint32_t>(month + 3 if month < 10 else month - 9), 2)
        write_digits(cached_date + 10, <uint32_t>(day_of_year - (153 * month + 2) // 5 + 1), 2)
        cached_day = day
    memcpy(text, cached_date, 11)


cdef object timestamp(int64_t seconds, int32_t nanos, int shape):
    """RFC 3339 in UTC: flat has milliseconds (the rest cut off), fleet 0, 3, 6 or 9 digits; None if it cannot be written."""
    cdef char[30] text
    cdef int64_t day
    cdef uint32_t second
    cdef int digits
    if not representable(seconds, nanos):
        return None
    day = seconds // 86400 - (seconds % 86400 < 0)          # C rounds towards 1970, the calendar does not
    second = <uint32_t>(seconds - day * 86400)
    write_date(text, day)
    memcpy(text + 11, b"00:00:00.000000000", 18)
    write_digits(text + 13, second // 3600, 2)
    write_digits(text + 16, second // 60 % 60, 2)
    write_digits(text + 19, second % 60, 2)
    write_digits(text + 29, nanos, 9)
    if shape == FLAT or (nanos % 1000000 == 0 and nanos != 0):
        digits = 4
    elif nanos == 0:
        digits = 0
    else:
        digits = 7 if nanos % 1000 == 0 else 10
    text[19 + digits] = c'Z'
    return PyUnicode_DecodeASCII(text, 20 + digits, NULL)
