/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_watch.h"

#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

/* More than our own work in one turn takes; libpq's buffer doubles. */
#define MOST_GROWTH_BYTES ((uint64_t)48 * 1024 * 1024)
#define MOST_CALL_USEC    ((uint64_t)10 * 1000)

/* AuthenticationSASLContinue: 'R', length, 11, then "r=...,s=...,i=4096". */
#define SASL_HEAD_BYTES 9
#define SASL_CONTINUE   "\0\0\0\x0b"

void pg_watch_begin(struct pg_watch *watch, const struct loop *loop) {
    *watch = (struct pg_watch){
        .loop = loop, .mapped_bytes = loop_mapped_bytes(loop), .cpu_usec = loop_cpu_usec()};
}

void pg_watch_call(struct pg_watch *watch, uint64_t usec) {
    watch->slow |= usec > MOST_CALL_USEC;
}

void pg_watch_go_on(struct pg_watch *watch) {
    watch->mapped_bytes = watch->seen_bytes;
    watch->cpu_usec = loop_cpu_usec();
    watch->slow = false;
}

const char *pg_watch_end(struct pg_watch *watch) {
    watch->seen_bytes = loop_mapped_bytes(watch->loop);
    if (watch->mapped_bytes != 0 && watch->seen_bytes > watch->mapped_bytes + MOST_GROWTH_BYTES) {
        return "a single message is too large: the connection was closed by us";
    }
    if (watch->slow && loop_cpu_usec() - watch->cpu_usec > MOST_CALL_USEC) {
        return "its messages take too long to read: the connection was closed by us";
    }
    return NULL;
}

uint64_t pg_watch_scram_iterations(int fd) {
    char data[1024];
    ssize_t n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
    if (n <= SASL_HEAD_BYTES || data[0] != 'R' || memcmp(data + 5, SASL_CONTINUE, 4) != 0) {
        return 0;
    }
    struct str rest = {data + SASL_HEAD_BYTES, (size_t)n - SASL_HEAD_BYTES};
    while (rest.len > 0) {
        struct str field = str_cut(&rest, ',');
        uint64_t iterations = 0;
        if (!str_starts_with(field, "i=")) {
            continue;
        }
        for (size_t i = 2; i < field.len && field.data[i] >= '0' && field.data[i] <= '9' && i < 20;
             i++) {
            iterations = iterations * 10 + (uint64_t)(field.data[i] - '0');
        }
        return iterations;
    }
    return 0;
}
