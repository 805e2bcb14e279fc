/* SPDX-License-Identifier: Apache-2.0 */

#include "io/client.h"

#include <errno.h>
#include <string.h>

const char *const client_end_names[] = {
    [CLIENT_GONE] = "gone",
    [CLIENT_SILENT] = "silent",
    [CLIENT_ALIVE] = "alive",
    [CLIENT_OURS] = "ours",
};

const char *const client_reason_names[] = {
    [REASON_REFUSED] = "refused",
    [REASON_UNREACHABLE] = "unreachable",
    [REASON_DNS] = "dns",
    [REASON_TIMEOUT] = "timeout",
    [REASON_CLOSED] = "closed",
    [REASON_AUTH] = "auth",
    [REASON_TLS] = "tls",
    [REASON_CONNECTIONS] = "connections",
    [REASON_STARTING] = "starting",
    [REASON_SHUTDOWN] = "shutdown",
    [REASON_PERMISSION] = "permission",
    [REASON_LOCK] = "lock",
    [REASON_CONFLICT] = "conflict",
    [REASON_UNSUPPORTED] = "unsupported",
    [REASON_QUERY] = "query",
    [REASON_TOO_LARGE] = "too_large",
    [REASON_PROTOCOL] = "protocol",
    [REASON_LOCAL] = "local",
    [REASON_CANCELED] = "canceled",
};
_Static_assert(ARRAY_LEN(client_reason_names) == REASON_COUNT, "each reason has a name");

static const struct errno_meaning {
    int value;
    enum client_end end;
    enum client_reason reason;
} errno_meanings[] = {
    {ECONNREFUSED, CLIENT_GONE, REASON_REFUSED},
    {ENOENT, CLIENT_GONE, REASON_REFUSED}, /* a unix socket that is not there */
    {ECONNRESET, CLIENT_GONE, REASON_CLOSED},
    {ECONNABORTED, CLIENT_GONE, REASON_CLOSED},
    {EPIPE, CLIENT_GONE, REASON_CLOSED},
    {EHOSTUNREACH, CLIENT_SILENT, REASON_UNREACHABLE},
    {EHOSTDOWN, CLIENT_SILENT, REASON_UNREACHABLE},
    {ENETDOWN, CLIENT_SILENT, REASON_UNREACHABLE},
    {ETIMEDOUT, CLIENT_SILENT, REASON_UNREACHABLE},
    /* A unix socket whose queue of connections is full, that is a server that does not accept;
     * libpq goes on with it and finds it not connected. */
    {EAGAIN, CLIENT_SILENT, REASON_TIMEOUT},
    {ENOTCONN, CLIENT_SILENT, REASON_TIMEOUT},
};

void client_failure_from_errno(struct client_failure *failure, int errno_value) {
    /* What is not in the table (EMFILE, ENOMEM, ENETUNREACH, EADDRNOTAVAIL, EACCES...) says nothing
     * about the server. */
    failure->end = CLIENT_OURS;
    failure->reason = REASON_LOCAL;
    for (size_t i = 0; i < ARRAY_LEN(errno_meanings); i++) {
        if (errno_meanings[i].value == errno_value) {
            failure->end = errno_meanings[i].end;
            failure->reason = errno_meanings[i].reason;
        }
    }
    error_say(&failure->error, -errno_value, "%s", strerror(errno_value));
}
