# cython: language_level=3
"""
What only C can say to the system about a mapped file: how a failing disk is survived, and what the file system is.

A write to a mapped file that needs a block which the disk has not got is a SIGBUS, in the middle of a `memcpy`, where Python can
neither be asked nor told. The handler puts a private view of the same file over the map: what was written is still there, the
same instruction runs again, and from then on what is written stays in memory (`Guard.left`). A map whose content may be lost gets
empty memory instead, so that it survives a file that is cut short, too. If none of that can help, because the
file was cut short or its disk cannot be read, the handler writes the line that it was given before, and the process ends.

In the handler nothing but mmap, mremap, fstat, write, sigaction and raise is called: each is one system call.
"""

import mmap

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE             /* mremap */
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <linux/falloc.h>
    #include <linux/fs.h>
    #include <sys/ioctl.h>
    #include <sys/vfs.h>
    #endif

    #define MAPS_LIMIT 8            /* guarded at one time: a process has one journal, tests have a few */
    #define LAST_WORDS_LIMIT 1024

    typedef struct {
        char *start;
        size_t size;
        int descriptor;                 /* -1: its content may be lost */
        volatile sig_atomic_t used;
        volatile sig_atomic_t left;
    } guarded_map;

    static guarded_map guarded_maps[MAPS_LIMIT];
    static char last_words[2][LAST_WORDS_LIMIT];    /* one is written while the other may be read by the handler */
    static volatile sig_atomic_t last_words_size[2];
    static volatile sig_atomic_t last_words_at;
    static struct sigaction before_us;
    static int installed;

    static int make_private(char *start, size_t size, int descriptor)
    {
        int flags = MAP_PRIVATE | MAP_NORESERVE;
    #ifdef __linux__
        /* beside the old map first: where a file system maps nothing any more, MAP_FIXED would leave a hole */
        void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, descriptor, 0);
        if (made == MAP_FAILED)
            return -1;
        return mremap(made, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, start) == MAP_FAILED ? -1 : 0;
    #else
        return mmap(start, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, descriptor, 0) == MAP_FAILED ? -1 : 0;
    #endif
    }

    static int make_empty(char *start, size_t size)
    {
        int flags = MAP_PRIVATE | MAP_FIXED | MAP_ANON | MAP_NORESERVE;
        return size == 0 || mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED ? 0 : -1;
    }

    static int survived(const char *at)
    {
        for (int i = 0; i < MAPS_LIMIT; i++) {
            guarded_map *map = &guarded_maps[i];
            struct stat now;
            if (!map->used || at < map->start || at >= map->start + map->size)
                continue;
            if (!map->left && map->descriptor < 0) {
                if (make_empty(map->start, map->size) != 0)
                    return 0;
                map->left = 1;
                return 1;
            }
            if (map->left || fstat(map->descriptor, &now) != 0 || now.st_size <= at - map->start)
                return 0;
            if (make_private(map->start, map->size, map->descriptor) != 0)
                return 0;
            map->left = 1;
            return 1;
        }
        return 0;
    }

    static void on_sigbus(int number, siginfo_t *info, void *context)
    {
        int saved = errno;
        int ours = info->si_code > 0;       /* a memory access, not a `kill` */
        (void)context;
        if (!ours || !survived((const char *)info->si_addr)) {
            int at = last_words_at;
            ssize_t written = write(2, last_words[at], (size_t)last_words_size[at]);
            (void)written;
            sigaction(SIGBUS, &before_us, NULL);
            if (!ours)
                raise(number);              /* it comes when the handler has returned; an access comes again by itself */
        }
        errno = saved;
    }

    static int guard_map(char *start, size_t size, int descriptor)
    {
        if (!installed) {
            struct sigaction action;
            memset(&action, 0, sizeof(action));
            action.sa_sigaction = on_sigbus;
            action.sa_flags = SA_SIGINFO;
            sigemptyset(&action.sa_mask);
            if (sigaction(SIGBUS, &action, &before_us) != 0)
                return -1;
            installed = 1;
        }
        for (int i = 0; i < MAPS_LIMIT; i++)
            if (!guarded_maps[i].used) {
                guarded_maps[i].start = start;
                guarded_maps[i].size = size;
                guarded_maps[i].descriptor = descriptor;
                guarded_maps[i].left = 0;
                guarded_maps[i].used = 1;
                return i;
            }
        return -1;
    }

    static void set_last_words(const char *words, size_t size)
    {
        int next = !last_words_at;
        if (size > LAST_WORDS_LIMIT)
            size = LAST_WORDS_LIMIT;
        memcpy(last_words[next], words, size);
        last_words_size[next] = (sig_atomic_t)size;
        last_words_at = next;
    }

    static long file_system_of(int descriptor)
    {
    #ifdef __linux__
        struct statfs found;
        return fstatfs(descriptor, &found) == 0 ? (long)((unsigned long)found.f_type & 0xFFFFFFFFUL) : 0;
    #else
        (void)descriptor;
        return 0;
    #endif
    }

    static int overwrite_in_place(int descriptor, int ask)
    {
    #if defined(__linux__) && defined(FS_NOCOW_FL)
        int flags = 0;
        if (ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0)
            return 0;
        if (flags & FS_NOCOW_FL)
            return 1;
        flags |= FS_NOCOW_FL;
        return ask && ioctl(descriptor, FS_IOC_SETFLAGS, &flags) == 0;
    #else
        (void)descriptor;
        (void)ask;
        return 0;
    #endif
    }

    static int unshare_blocks(int descriptor, off_t size)
    {
    #if defined(__linux__) && defined(FALLOC_FL_UNSHARE_RANGE)
        if (fallocate(descriptor, FALLOC_FL_UNSHARE_RANGE, 0, size) != 0)
            return errno == ENOSPC || errno == EDQUOT ? -1 : 0;
    #else
        (void)descriptor;
        (void)size;
    #endif
        return 0;
    }
    """
    ctypedef struct guarded_map:
        char* start
        size_t size
        int descriptor
        int used
        int left
    guarded_map* guarded_maps
    int guard_map(char* start, size_t size, int descriptor) noexcept
    int make_private(char* start, size_t size, int descriptor) noexcept
    int make_empty(char* start, size_t size) noexcept
    void set_last_words(const char* words, size_t size) noexcept
    long file_system_of(int descriptor) noexcept
    int overwrite_in_place(int descriptor, int ask) noexcept
    int unshare_blocks(int descriptor, long size) noexcept


cdef class Guard:
    """
    Keeps a SIGBUS in this map of a whole file from ending the process, if it can. `release` it before the file is closed.

    descriptor    of the file; -1 if its content may be lost: then the map is empty memory once a SIGBUS has come
    """

    cdef Py_buffer view
    cdef bint held
    cdef int place              # in `guarded_maps`, -1 if there was none left or the system has no such handlers

    def __cinit__(self, memory, int descriptor):
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        self.held = True
        self.place = guard_map(<char*>self.view.buf, <size_t>self.view.len, descriptor)

    def __dealloc__(self):
        self.release()

    @property
    def left(self):
        """Whether what is written stays in memory, because a write to the file failed."""
        return self.place >= 0 and guarded_maps[self.place].left != 0

    def leave(self, int descriptor, uint64_t file_bytes):
        """Lets what is written stay in memory from now on. What lies beyond `file_bytes` is lost and reads as zeros. OSError."""
        cdef size_t size = <size_t>self.view.len
        cdef size_t page = mmap.PAGESIZE
        cdef size_t whole = size if file_bytes >= size else <size_t>file_bytes // page * page   # a page that is cut is lost
        cdef char* start = <char*>self.view.buf
        if make_empty(start + whole, size - whole) != 0 or (whole and make_private(start, whole, descriptor) != 0):
            PyErr_SetFromErrno(OSError)
        if self.place >= 0:
            guarded_maps[self.place].left = 1

    def release(self):
        """Does nothing the second time."""
        if self.place >= 0:
            guarded_maps[self.place].used = 0
            self.place = -1
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)


def say_at_death(bytes line not None):
    """What is written to stderr if a SIGBUS ends the process."""
    set_last_words(PyBytes_AS_STRING(line), <size_t>PyBytes_GET_SIZE(line))


def file_system(int descriptor):
    """The number by which Linux's statfs(2) names the file's file system; 0 if that is not known."""
    return file_system_of(descriptor)


def set_nocow(int descriptor, bint ask=True):
    """Asks btrfs to write over the blocks of an empty file in place; returns whether that is so now."""
    return bool(overwrite_in_place(descriptor, ask))


def unshare(int descriptor, long size):
    """Gives a file blocks of its own where it shares some (reflinks, on XFS). Raises OSError if there is no room for that."""
    if unshare_blocks(descriptor, size) != 0:
        PyErr_SetFromErrno(OSError)
