/* SPDX-License-Identifier: Apache-2.0 */

/* A listening socket in the test itself: what the other side says and when is written down in the
 * test. All waiting turns the loop, because the client under test lives in it. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "turn.h"

/* On a free port of 127.0.0.1. Return: the descriptor. */
static inline int fake_listen(uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* On a unix socket. Return: the descriptor. */
static inline int fake_listen_at(const char *path, int backlog) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, backlog) < 0) {
        return -1;
    }
    return fd;
}

/* Return: the accepted connection, non-blocking, or -1 after ten seconds. */
static inline int fake_accept(struct loop *loop, int listen_fd) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    int fd = -1;
    while (fd < 0 && loop_clock_usec() < deadline) {
        fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            (void)loop_run_once(loop, USEC_PER_MSEC);
        }
    }
    return fd;
}

/* Reads until exactly this text has arrived. Return: false when other bytes come, or none. */
static inline bool fake_expect(struct loop *loop, int fd, const char *text) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    size_t len = strlen(text), at = 0;
    while (at < len && loop_clock_usec() < deadline) {
        char byte;
        ssize_t n = recv(fd, &byte, 1, 0);
        if (n == 1 && byte == text[at]) {
            at++;
        } else if (n >= 0 || errno != EAGAIN) {
            return false;
        } else {
            (void)loop_run_once(loop, USEC_PER_MSEC);
        }
    }
    return at == len;
}

/* Sends all of it, turning the loop while the client does not read. Return: false when it is gone.
 */
static inline bool fake_send(struct loop *loop, int fd, const void *data, size_t len) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    const char *rest = data;
    while (len > 0 && loop_clock_usec() < deadline) {
        ssize_t n = send(fd, rest, len, MSG_NOSIGNAL);
        if (n > 0) {
            rest += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN) {
            return false;
        }
        (void)loop_run_once(loop, n > 0 ? 0 : USEC_PER_MSEC);
    }
    return len == 0;
}

static inline bool fake_say(struct loop *loop, int fd, const char *text) {
    return fake_send(loop, fd, text, strlen(text));
}

/* Closes with a reset instead of an end. */
static inline void fake_reset(int fd) {
    const struct linger linger = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    (void)close(fd);
}
