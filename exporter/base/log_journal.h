/* SPDX-License-Identifier: Apache-2.0 */

/* Entries for systemd's journal with fields of their own, by its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one datagram each. libsystemd's sd_journal_send()
 * would wait when the journal's socket is full; nothing here waits. */
#pragma once

#include <stdbool.h>
#include <sys/un.h>

#include "base/str.h"

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

struct log_journal {
    int fd; /* -1: not open */
    struct sockaddr_un address;
};

/* A field's name has capitals, digits and '_'; its value may be anything. */
struct log_field {
    const char *name;
    struct str value;
};

/* Return: 0, or negative errno when nobody listens there. */
int log_journal_open(struct log_journal *journal, const char *path);
void log_journal_close(struct log_journal *journal);

/* Return: 0, -EAGAIN when the journal is too busy, another negative errno when it is not there. */
int log_journal_send(const struct log_journal *journal, const struct log_field *fields,
                     size_t count);
