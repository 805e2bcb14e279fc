/* SPDX-License-Identifier: Apache-2.0 */

#include "base/log_journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_OF_LENGTH 8

static socklen_t address_length(const struct log_journal *journal) {
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(journal->address.sun_path) +
                       1);
}

int log_journal_open(struct log_journal *journal, const char *path) {
    struct log_journal opened = {.address.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(opened.address.sun_path)) {
        return -ENAMETOOLONG;
    }
    strcpy(opened.address.sun_path, path);
    opened.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (opened.fd < 0) {
        return -errno;
    }
    /* Only to see whether somebody is there: a journal that is restarted has another socket, so
     * each entry is addressed anew. */
    int r = connect(opened.fd, (const struct sockaddr *)&opened.address, address_length(&opened));
    if (r < 0) {
        r = -errno;
        close(opened.fd);
        return r;
    }
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(opened.fd, &nowhere, sizeof(nowhere));
    *journal = opened;
    return 0;
}

void log_journal_close(struct log_journal *journal) {
    if (journal->fd >= 0) {
        close(journal->fd);
    }
    journal->fd = -1;
}

/* NAME=value, or with its length in front when the value has more than one line. */
static void add_field(struct strbuf *entry, const struct log_field *field) {
    strbuf_add_text(entry, field->name);
    if (field->value.len > 0 && memchr(field->value.data, '\n', field->value.len) != NULL) {
        strbuf_add_char(entry, '\n');
        for (unsigned i = 0; i < BYTES_OF_LENGTH; i++) {
            strbuf_add_char(entry, (char)((uint64_t)field->value.len >> (8 * i) & 0xff));
        }
    } else {
        strbuf_add_char(entry, '=');
    }
    strbuf_add_str(entry, field->value);
    strbuf_add_char(entry, '\n');
}

int log_journal_send(const struct log_journal *journal, const struct log_field *fields,
                     size_t count) {
    struct strbuf entry = {0};
    for (size_t i = 0; i < count; i++) {
        add_field(&entry, &fields[i]);
    }
    ssize_t n = sendto(journal->fd, entry.data, entry.len, MSG_NOSIGNAL,
                       (const struct sockaddr *)&journal->address, address_length(journal));
    int r = n < 0 ? -errno : 0;
    strbuf_deinit(&entry);
    return r;
}
