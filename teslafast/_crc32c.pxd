"""The checksum as C sees it: `crc` is that of what came before, 0 at the beginning."""

from libc.stdint cimport uint32_t, uint64_t


cdef uint32_t crc32c(uint32_t crc, const void *data, uint64_t size) noexcept
