"""Named tuples filled in one pass: what a constructor in Python would cost is most of what a batch costs to read."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

cdef extern from "Python.h":
    object PyType_GenericAlloc(type made, Py_ssize_t items)
    void PyTuple_SET_ITEM(PyObject *made, Py_ssize_t place, PyObject *item)


cdef inline void put(object made, Py_ssize_t place, object item) noexcept:
    """Into a tuple that nobody has seen yet; the reference goes over to it."""
    Py_INCREF(item)
    PyTuple_SET_ITEM(<PyObject *>made, place, <PyObject *>item)
