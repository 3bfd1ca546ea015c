# Values as TeslaMate reads them: whole numbers without a fraction, decimals without an exponent, nothing for what is none.


cdef bint read_number(object value, double *number) except -1:
    """Whether it is one of JSON's own numbers, finite, and no larger than what a cell may hold. A bool is none."""
    cdef int overflow = 0
    if type(value) is float:
        number[0] = PyFloat_AS_DOUBLE(value)
    elif type(value) is int:
        number[0] = <double>PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return False
    else:
        return False
    return -LARGEST < number[0] < LARGEST


cdef int64_t nearest(double value) noexcept:
    """Halves away from zero, as TeslaMate itself rounds. `value`: below LARGEST."""
    return <int64_t>floor(value + 0.5) if value >= 0 else -<int64_t>floor(0.5 - value)


cdef bytes digits(int64_t number):
    cdef char[DIGITS] text
    return PyBytes_FromStringAndSize(text, snprintf(text, DIGITS, "%lld", <long long>number))


cdef bytes whole(object value):
    cdef double number = 0
    return digits(nearest(number)) if read_number(value, &number) else b""


cdef bytes decimal(object value):
    """All digits, and never an exponent."""
    cdef double number = 0
    cdef char *text
    if not read_number(value, &number):
        return b""
    if type(value) is int:
        return digits(<int64_t>number)
    text = PyOS_double_to_string(number, b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        if strchr(text, b"e") == NULL:
            return <bytes>text
    finally:
        PyMem_Free(text)
    return f"{number:.12f}".rstrip("0").rstrip(".").encode()
