# cython: language_level=3
"""
A message's values over the last known ones, all with one time.

What `values.update(data)` and `times.update(dict.fromkeys(data, time))` do, without the dict in between and in a third of the
instructions: that was a tenth of what a message costs.
"""

from cpython.dict cimport PyDict_Next, PyDict_SetItem
from cpython.object cimport PyObject


def overlay(dict values not None, dict times not None, dict data not None, time_ns):
    """Sets each of `data`'s members in `values`, and `time_ns` for its name in `times`; three different dicts."""
    cdef PyObject *name
    cdef PyObject *value
    cdef Py_ssize_t at = 0
    while PyDict_Next(data, &at, &name, &value):
        PyDict_SetItem(values, <object>name, <object>value)
        PyDict_SetItem(times, <object>name, time_ns)
