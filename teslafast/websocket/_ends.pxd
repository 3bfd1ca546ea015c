cdef unsigned long without_data     # TLS messages of this process that carried none, such as KeyUpdates


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
        bint again                  # it will read in the next turn

    cdef int read_once(self) except -1
