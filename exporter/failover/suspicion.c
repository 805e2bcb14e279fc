/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/suspicion.h"

void suspicion_init(struct suspicion *suspicion, const struct suspicion_options *options) {
    *suspicion = (struct suspicion){.options = *options, .kind = CLIENT_ALIVE};
}

static void clear(struct suspicion *suspicion) {
    suspicion->kind = CLIENT_ALIVE;
    suspicion->count = 0;
    suspicion->first_usec = 0;
}

static void count(struct suspicion *suspicion, enum client_end kind, uint64_t now_usec) {
    bool anew = suspicion->count == 0 || (kind == CLIENT_GONE && suspicion->kind == CLIENT_SILENT);
    if (suspicion->first_usec == 0) {
        suspicion->first_usec = now_usec;
    }
    if (anew) {
        suspicion->count = 0;
        suspicion->counted_since_usec = now_usec;
    }
    suspicion->kind = kind;
    suspicion->count++;
}

void suspicion_add(struct suspicion *suspicion, enum client_end end, bool kept_open,
                   uint64_t now_usec) {
    suspicion->void_ = end == CLIENT_OURS;
    switch (end) {
    case CLIENT_ALIVE:
        clear(suspicion);
        suspicion->answered_usec = now_usec;
        break;
    case CLIENT_OURS:
        clear(suspicion);
        break;
    case CLIENT_GONE:
        count(suspicion, kept_open ? CLIENT_SILENT : CLIENT_GONE, now_usec);
        break;
    case CLIENT_SILENT:
        count(suspicion, CLIENT_SILENT, now_usec);
        break;
    }
}

enum suspicion_state suspicion_state(const struct suspicion *suspicion, uint64_t now_usec) {
    const struct suspicion_options *options = &suspicion->options;
    if (suspicion->void_) {
        return SUSPICION_VOID;
    }
    if (suspicion->count == 0) {
        return SUSPICION_NONE;
    }
    uint64_t least_usec = options->failures * options->interval_usec;
    if (suspicion->count < options->failures ||
        now_usec - suspicion->counted_since_usec < least_usec) {
        return SUSPICION_RISING;
    }
    return suspicion->kind == CLIENT_GONE ? SUSPICION_GONE : SUSPICION_SILENT;
}
