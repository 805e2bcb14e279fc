/* SPDX-License-Identifier: Apache-2.0 */

#include "io/redis_failure.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define SECRET_PREFIX ((size_t)6) /* so many first bytes of a password betray it */

/* By the error's first word, or its beginning; the first that fits counts. */
static const struct meaning {
    const char *prefix;
    enum client_reason reason;
} meanings[] = {
    {"NOAUTH", REASON_AUTH},
    {"WRONGPASS", REASON_AUTH},
    {"DENIED", REASON_AUTH}, /* protected mode: only from loopback without a password */
    {"NOPERM", REASON_PERMISSION},
    {"LOADING", REASON_STARTING},
    {"ERR max number of clients", REASON_CONNECTIONS},
    {"ERR max number of connections", REASON_CONNECTIONS}, /* of the cluster bus, and forks */
    {"ERR unknown command", REASON_UNSUPPORTED},
    {"ERR unknown subcommand", REASON_UNSUPPORTED},
    {"ERR Unknown subcommand", REASON_UNSUPPORTED},
    {"ERR invalid password", REASON_AUTH},
    {"ERR operation not permitted", REASON_AUTH}, /* before 2.6 */
};

static bool begins_with(struct str text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.data, prefix, len) == 0;
}

static bool repeats(struct str text, const char *password) {
    size_t len = password != NULL ? strlen(password) : 0;
    if (len == 0) {
        return false;
    }
    return memmem(text.data, text.len, password, len < SECRET_PREFIX ? len : SECRET_PREFIX) != NULL;
}

/* Servers quote the arguments of a command that they do not know: ours, but not for a log. */
static struct str cut_arguments(struct str text) {
    static const char quoted[] = ", with args beginning with:";
    const char *at = memmem(text.data, text.len, quoted, sizeof(quoted) - 1);
    return at != NULL ? (struct str){text.data, (size_t)(at - text.data)} : text;
}

static void set_state(struct str word, struct client_failure *ret) {
    size_t most = sizeof(ret->sqlstate) - 1;
    size_t len = 0;
    while (len < most && len < word.len && word.data[len] > ' ' && word.data[len] < 0x7f) {
        ret->sqlstate[len] = word.data[len];
        len++;
    }
}

void redis_failure_from_text(struct str text, const char *password, struct client_failure *ret) {
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_QUERY};
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (begins_with(text, meanings[i].prefix)) {
            failure.reason = meanings[i].reason;
            break;
        }
    }
    text = cut_arguments(text);
    if (repeats(text, password)) {
        error_say(&failure.error, -EIO,
                  "the server's error is not shown, because it repeats the password");
    } else {
        struct str rest = text;
        char sentence[sizeof(failure.error.text)];
        size_t len = text.len < sizeof(sentence) - 1 ? text.len : sizeof(sentence) - 1;
        set_state(str_cut(&rest, ' '), &failure);
        for (size_t i = 0; i < len; i++) {
            char character = text.data[i];
            sentence[i] = (unsigned char)character < ' ' || character == 0x7f ? ' ' : character;
        }
        sentence[len] = '\0';
        error_say(&failure.error, -EIO, "%s", len > 0 ? sentence : "an error without a word");
    }
    *ret = failure;
}

bool redis_failure_is_usable(const struct client_failure *failure) {
    return failure->reason != REASON_AUTH && failure->reason != REASON_CONNECTIONS;
}
