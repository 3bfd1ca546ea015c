cdef class Ends:
    cdef:
        readonly object loop
        object waiting              # deque of calls
        double until                # when this turn has had enough: monotonic seconds
        Py_ssize_t done             # in this turn
        readonly bint busy          # ends have been carried out in this turn, or wait

    cdef void begin(self) noexcept


cdef class Gate:
    cdef:
        Ends ends
        int descriptor
        object read
