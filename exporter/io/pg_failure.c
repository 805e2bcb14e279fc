/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_failure.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The first row whose state is a beginning of the SQLSTATE counts. */
static const struct state_meaning {
    const char *state;
    enum client_reason reason;
} state_meanings[] = {
    {"08P01", REASON_PROTOCOL},
    {"08", REASON_CLOSED},
    {"0A000", REASON_UNSUPPORTED},
    {"25P03", REASON_TIMEOUT}, /* idle_in_transaction_session_timeout */
    {"25P04", REASON_TIMEOUT}, /* transaction_timeout */
    {"26000", REASON_UNSUPPORTED},
    {"28", REASON_AUTH},
    {"3D000", REASON_UNSUPPORTED}, /* no such database */
    {"3F000", REASON_UNSUPPORTED},
    {"40001", REASON_CONFLICT}, /* we write nothing: only recovery can be in conflict with us */
    {"40P01", REASON_CONFLICT},
    {"42501", REASON_PERMISSION},
    {"42703", REASON_UNSUPPORTED},
    {"42704", REASON_UNSUPPORTED},
    {"42883", REASON_UNSUPPORTED},
    {"42P01", REASON_UNSUPPORTED},
    {"53300", REASON_CONNECTIONS},
    {"55P03", REASON_LOCK},
    {"57014", REASON_TIMEOUT},
    {"57P01", REASON_SHUTDOWN},
    {"57P02", REASON_SHUTDOWN},
    {"57P03", REASON_STARTING},
    {"57P04", REASON_UNSUPPORTED}, /* the database was dropped */
    {"57P05", REASON_CLOSED},      /* idle_session_timeout */
};

enum client_reason pg_reason_of_sqlstate(const char *sqlstate) {
    for (size_t i = 0; i < ARRAY_LEN(state_meanings); i++) {
        if (str_starts_with(str_of(sqlstate), state_meanings[i].state)) {
            return state_meanings[i].reason;
        }
    }
    return REASON_QUERY;
}

bool pg_sqlstate_is_encoding(const char *sqlstate) {
    return strcmp(sqlstate, "22021") == 0 || strcmp(sqlstate, "22P05") == 0;
}

/* PgBouncer says 08P01 to all that it refuses; its texts are never translated. */
static const struct pooler_meaning {
    const char *part;
    enum client_reason reason;
} pooler_meanings[] = {
    {"no more connections allowed", REASON_CONNECTIONS},
    {"authentication failed", REASON_AUTH},
    {"no such user", REASON_AUTH},
    {"not allowed", REASON_AUTH}, /* on the console: only admin and stats users */
    {"no such database", REASON_UNSUPPORTED},
    {"does not exist", REASON_UNSUPPORTED},
    {"is disabled", REASON_UNSUPPORTED},
    {"unsupported", REASON_UNSUPPORTED},
    {"shutting down", REASON_SHUTDOWN},
    {"query_timeout", REASON_TIMEOUT},
    {"query_wait_timeout", REASON_TIMEOUT},
    {"server login has been failing", REASON_REFUSED},
};

static enum client_reason reason_of(const char *sqlstate, const char *text) {
    if (strcmp(sqlstate, "08P01") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(pooler_meanings); i++) {
            if (strcasestr(text, pooler_meanings[i].part) != NULL) {
                return pooler_meanings[i].reason;
            }
        }
    }
    return pg_reason_of_sqlstate(sqlstate);
}

/* The first line: further ones hold details, hints and pieces of statements. */
static void say(struct client_failure *failure, const char *text) {
    int length = (int)strcspn(text, "\r\n");
    if (failure->sqlstate[0] != '\0') {
        error_say(&failure->error, -EIO, "%.*s (%s)", length < 200 ? length : 200, text,
                  failure->sqlstate);
    } else {
        error_say(&failure->error, -EIO, "%.*s", length, text);
    }
}

static const char *field(const PGresult *result, int code) {
    const char *text = PQresultErrorField(result, code);
    return text != NULL ? text : "";
}

void pg_failure_from_result(const PGresult *result, struct client_failure *ret) {
    *ret = (struct client_failure){.end = CLIENT_ALIVE};
    snprintf(ret->sqlstate, sizeof(ret->sqlstate), "%s", field(result, PG_DIAG_SQLSTATE));
    snprintf(ret->source, sizeof(ret->source), "%s", field(result, PG_DIAG_SOURCE_FUNCTION));
    const char *text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (*text == '\0') {
        text = PQresultErrorMessage(result); /* libpq's own */
    }
    ret->reason = reason_of(ret->sqlstate, text);
    say(ret, *text != '\0' ? text : "the query failed without a reason");
}

bool pg_result_is_last_word(const PGresult *result) {
    const char *severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (*severity == '\0') {
        severity = field(result, PG_DIAG_SEVERITY); /* PgBouncer has only this one */
    }
    return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0 ||
           (strcmp(severity, "WARNING") == 0 &&
            str_starts_with(str_of(field(result, PG_DIAG_SQLSTATE)), "57P0"));
}

void pg_failure_from_last_word(const PGresult *result, struct client_failure *ret) {
    pg_failure_from_result(result, ret);
    ret->end = CLIENT_GONE;
    ret->connection = true;
}

/* Errnos that connect(), send(), recv() and socket() can leave in libpq's texts. */
static const int socket_errnos[] = {
    ECONNREFUSED, ENOENT,    ECONNRESET, ECONNABORTED, EPIPE,         EHOSTUNREACH, EHOSTDOWN,
    ENETDOWN,     ETIMEDOUT, EAGAIN,     ENETUNREACH,  EADDRNOTAVAIL, EMFILE,       ENFILE,
    ENOMEM,       ENOBUFS,   EACCES,     EPERM,        EAFNOSUPPORT,  ENOTCONN,
};

/* Return: the errno whose text is in the message, or 0. */
static int errno_in(const char *message) {
    for (size_t i = 0; i < ARRAY_LEN(socket_errnos); i++) {
        if (strstr(message, strerror(socket_errnos[i])) != NULL) {
            return socket_errnos[i];
        }
    }
    return 0;
}

static bool has_any(const char *message, const char *const *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcasestr(message, parts[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Trouble with files and libraries on our side, which libpq meets only in the middle of a TLS
 * start. */
static const char *const local_tls_parts[] = {
    "root certificate file",
    "root.crt",
    "could not read certificate file",
    "could not load private key",
    "private key file",
    "certificate present, but not",
    "could not read root cert",
    "certificate revocation list",
    "could not create SSL context",
    "could not load SSL",
    "could not set m",
    "could not get home directory",
};
static const char *const tls_parts[] = {
    "SSL",
    "TLS",
    "certificate",
    "channel binding",
};
static const char *const closed_parts[] = {
    "server closed the connection",
    "EOF detected",
    "has been closed unexpectedly",
    "no connection to the server",
};
/* No server of the list is what target_session_attrs asks for. */
static const char *const attribute_parts[] = {
    "session is read-only",
    "session is not read-only",
    "server is in hot standby mode",
    "server is not in hot standby mode",
};
static const char *const protocol_parts[] = {
    "expected authentication request",
    "received invalid",
    "invalid response",
    "unexpected response",
    "protocol version",
    "lost synchronization",
    "unexpected message",
    "insufficient data",
    "message contents do not agree",
};
static const char *const auth_parts[] = {
    "no password supplied", "authentication", "SASL", "SCRAM", "password",
};

/* The SQLSTATE in "...: FATAL:  28P01: text". The word before it may be translated; two spaces
 * stand only behind it. Return: where the text begins, or NULL. */
static const char *sqlstate_in(const char *line, char state[6]) {
    for (const char *p = strstr(line, ":  "); p != NULL; p = strstr(p + 1, ":  ")) {
        const char *code = p + 3;
        size_t length = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length == 5 && code[5] == ':' && code[6] == ' ') {
            memcpy(state, code, 5);
            state[5] = '\0';
            return code + 7;
        }
    }
    return NULL;
}

/* libpq's part of the message about one address: "connection to server at ... failed: ...". */
struct attempt {
    char text[512];
};

static bool starts_attempt(const char *text) {
    return str_starts_with(str_of(text), "connection to server ");
}

/* Takes the next attempt off *message, its continuation lines included. */
static bool next_attempt(const char **message, struct attempt *ret) {
    const char *from = *message, *end = from;
    if (*from == '\0') {
        return false;
    }
    do {
        const char *line = strchr(end, '\n');
        end = line != NULL ? line + 1 : end + strlen(end);
    } while (*end != '\0' && !starts_attempt(end));
    snprintf(ret->text, sizeof(ret->text), "%.*s", (int)(end - from), from);
    *message = end;
    return true;
}

/* PG_DIAG_SOURCE_FUNCTION of a verbose text: "LOCATION:  auth_failed, auth.c:334". */
static void take_source(const char *text, struct client_failure *ret) {
    static const char label[] = "LOCATION:  ";
    const char *location = strstr(text, label);
    if (location != NULL) {
        location += sizeof(label) - 1;
        size_t length = strcspn(location, ",\n");
        snprintf(ret->source, sizeof(ret->source), "%.*s", (int)length, location);
    }
}

/* "connection to server at ..., port 5432 failed: text (SQLSTATE)" */
static void say_refused_by_server(const char *text, const char *words, struct client_failure *ret) {
    const char *failed = strstr(text, " failed: ");
    size_t head = failed != NULL ? (size_t)(failed - text) + strlen(" failed: ") : 0;
    char whole[512];
    snprintf(whole, sizeof(whole), "%.*s%s", (int)head, text, words);
    say(ret, whole);
}

/* What libpq says itself is plain ASCII, for we set no locale; anything else came over the wire. */
static bool is_plain(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < ' ' && c != '\n' && c != '\t') || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

static void classify_without_state(const char *text, struct client_failure *ret) {
    const char *failed = strstr(text, " failed: ");
    const char *cause = failed != NULL ? failed + strlen(" failed: ") : text;
    int number;
    if (has_any(cause, local_tls_parts, ARRAY_LEN(local_tls_parts))) {
        ret->end = CLIENT_OURS;
        ret->reason = REASON_TLS;
    } else if (has_any(cause, closed_parts, ARRAY_LEN(closed_parts))) {
        ret->end = CLIENT_GONE;
        ret->reason = REASON_CLOSED;
    } else if ((number = errno_in(cause)) != 0) {
        struct client_failure meaning = {0};
        client_failure_from_errno(&meaning, number);
        ret->end = meaning.end;
        ret->reason = meaning.reason;
    } else if (has_any(cause, tls_parts, ARRAY_LEN(tls_parts))) {
        ret->end = CLIENT_ALIVE;
        ret->reason = REASON_TLS;
    } else if (has_any(cause, attribute_parts, ARRAY_LEN(attribute_parts))) {
        ret->end = CLIENT_ALIVE;
        ret->reason = REASON_UNSUPPORTED;
    } else if (has_any(cause, protocol_parts, ARRAY_LEN(protocol_parts))) {
        ret->end = CLIENT_ALIVE;
        ret->reason = REASON_PROTOCOL;
    } else if (has_any(cause, auth_parts, ARRAY_LEN(auth_parts))) {
        ret->end = CLIENT_ALIVE;
        ret->reason = REASON_AUTH;
    } else if (!is_plain(cause)) {
        ret->end = CLIENT_ALIVE;
        ret->reason = REASON_PROTOCOL;
    } else {
        ret->end = CLIENT_OURS;
        ret->reason = REASON_LOCAL;
    }
    say(ret, text);
}

static void classify_attempt(const char *text, struct client_failure *ret) {
    *ret = (struct client_failure){.connection = true};
    const char *words = sqlstate_in(text, ret->sqlstate);
    if (words == NULL) {
        classify_without_state(text, ret);
        return;
    }
    ret->end = CLIENT_ALIVE;
    ret->reason = reason_of(ret->sqlstate, words);
    take_source(text, ret);
    say_refused_by_server(text, words, ret);
}

/* By target_session_attrs: that a replica is one says nothing of the primary that is looked for. */
static bool is_misfit(const struct client_failure *failure) {
    return failure->reason == REASON_UNSUPPORTED && failure->sqlstate[0] == '\0';
}

/* The last address counts, but who heard any server knows that it lives. */
static bool tells_more(const struct client_failure *next, const struct client_failure *so_far) {
    if (!error_is_set(&so_far->error) || is_misfit(so_far)) {
        return true;
    }
    return !is_misfit(next) && (so_far->end != CLIENT_ALIVE || next->end == CLIENT_ALIVE);
}

void pg_failure_from_connect(const char *message, bool answered, struct client_failure *ret) {
    struct attempt attempt;
    *ret = (struct client_failure){.end = CLIENT_OURS, .reason = REASON_LOCAL, .connection = true};
    while (next_attempt(&message, &attempt)) {
        struct client_failure failure;
        classify_attempt(attempt.text, &failure);
        if (tells_more(&failure, ret)) {
            *ret = failure;
        }
    }
    if (answered && ret->end != CLIENT_OURS) {
        ret->end = CLIENT_ALIVE;
    } else if (!answered && ret->end == CLIENT_ALIVE && ret->sqlstate[0] == '\0') {
        ret->end = CLIENT_OURS; /* libpq complains about us, not about a server */
    }
    if (!error_is_set(&ret->error)) {
        error_say(&ret->error, -EIO, "the connection failed without a reason");
    }
}

void pg_failure_from_broken(const char *message, struct client_failure *ret) {
    *ret = (struct client_failure){.connection = true};
    classify_without_state(message, ret);
}
