/* TCP over loopback: calls that never block. */
#pragma once

#include <stdint.h>

/* Starts to connect to 127.0.0.1:port, from 127.0.0.2 and `address` further. A descriptor, or -1: see errno. */
int socket_connect(uint16_t port, uint32_t address);

/* Of a call that is over: why it failed, 0 if it did not. */
int socket_error(int fd);
