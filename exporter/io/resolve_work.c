/* SPDX-License-Identifier: Apache-2.0 */

#include "io/resolve_work.h"

#include <arpa/inet.h>
#include <limits.h>
#include <malloc.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"

#define STACK_BYTES ((size_t)512 * 1024)

_Static_assert(sizeof(struct resolve_record) <= PIPE_BUF, "records are written whole");
_Static_assert(sizeof(struct sockaddr_in) <= sizeof(struct sockaddr_in6), "both fit a record");

struct question {
    const char *host;
    uint32_t index;
    int fd;
    pthread_t thread;
    bool has_thread;
};

static void *ask(void *userdata) {
    const struct question *question = userdata;
    struct resolve_record record = {.index = question->index};
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    record.gai_error = getaddrinfo(question->host, NULL, &hints, &list);
    for (struct addrinfo *at = record.gai_error == 0 ? list : NULL;
         at != NULL && record.n_addresses < RESOLVE_MOST_ADDRESSES; at = at->ai_next) {
        if (at->ai_addrlen <= sizeof(record.addresses[0])) {
            memcpy(&record.addresses[record.n_addresses++], at->ai_addr, at->ai_addrlen);
        }
    }
    if (list != NULL) {
        freeaddrinfo(list);
    }
    (void)worker_write(question->fd, &record, sizeof(record));
    return NULL;
}

int resolve_work_run(const void *input, int fd) {
    const struct resolve_work *work = input;
    struct question questions[RESOLVE_WORK_NAMES];
    pthread_attr_t attributes;
    /* An arena of malloc for each thread would use up the worker's address space. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (uint32_t i = 0; i < work->n_hosts; i++) {
        struct question *question = &questions[i];
        *question = (struct question){.host = work->hosts[i], .index = i, .fd = fd};
        question->has_thread =
            work->n_hosts > 1 && pthread_create(&question->thread, &attributes, ask, question) == 0;
    }
    for (size_t i = 0; i < work->n_hosts; i++) {
        if (!questions[i].has_thread) {
            (void)ask(&questions[i]);
        }
    }
    for (size_t i = 0; i < work->n_hosts; i++) {
        if (questions[i].has_thread) {
            (void)pthread_join(questions[i].thread, NULL);
        }
    }
    (void)pthread_attr_destroy(&attributes);
    return 0;
}

static bool take_address(const struct sockaddr_in6 *from, struct resolve_address *ret) {
    *ret = (struct resolve_address){0};
    if (from->sin6_family == AF_INET) {
        memcpy(&ret->addr.v4, from, sizeof(ret->addr.v4));
        ret->len = sizeof(ret->addr.v4);
        ret->addr.v4.sin_port = 0;
    } else if (from->sin6_family == AF_INET6) {
        ret->addr.v6 = *from;
        ret->len = sizeof(ret->addr.v6);
        ret->addr.v6.sin6_port = 0;
    } else {
        return false;
    }
    return getnameinfo(&ret->addr.any, ret->len, ret->text, sizeof(ret->text), NULL, 0,
                       NI_NUMERICHOST) == 0;
}

size_t resolve_record_read(const struct resolve_record *record, struct resolve_answer *ret) {
    struct resolve_answer answer = {0};
    if (record->n_addresses > RESOLVE_MOST_ADDRESSES) {
        return 0;
    }
    for (size_t i = 0; i < record->n_addresses; i++) {
        answer.n_addresses +=
            take_address(&record->addresses[i], &answer.addresses[answer.n_addresses]);
    }
    if (answer.n_addresses > 0) {
        *ret = answer;
    }
    return answer.n_addresses;
}

/* Splits "fe80::1%eth0". Return: false when the part behind the sign is no interface. */
static bool cut_scope(const char *host, char *address, size_t size, uint32_t *ret_scope) {
    const char *percent = strchr(host, '%');
    size_t len = percent != NULL ? (size_t)(percent - host) : strlen(host);
    if (len >= size) {
        return false;
    }
    memcpy(address, host, len);
    address[len] = '\0';
    *ret_scope = 0;
    if (percent == NULL) {
        return true;
    }
    uint64_t number;
    if (str_to_uint64(str_of(percent + 1), &number) && number <= UINT32_MAX) {
        *ret_scope = (uint32_t)number;
    } else {
        *ret_scope = if_nametoindex(percent + 1);
    }
    return *ret_scope != 0;
}

bool resolve_literal(const char *host, uint16_t port, struct resolve_address *ret) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char address[INET6_ADDRSTRLEN];
    struct resolve_address result = {0};
    if (strlen(host) >= sizeof(result.text)) {
        return false;
    }
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        result.addr.v4 = v4;
        result.len = sizeof(v4);
    } else if (cut_scope(host, address, sizeof(address), &v6.sin6_scope_id) &&
               inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
        result.addr.v6 = v6;
        result.len = sizeof(v6);
    } else {
        return false;
    }
    memcpy(result.text, host, strlen(host) + 1);
    *ret = result;
    return true;
}
