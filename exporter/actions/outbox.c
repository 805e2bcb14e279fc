/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/outbox.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"

#define FIRST_WAIT_USEC      (1 * USEC_PER_SEC)
#define LONGEST_WAIT_USEC    (60 * USEC_PER_SEC)
#define LONGEST_ASKED_USEC   ((uint64_t)3600 * USEC_PER_SEC) /* of Retry-After */
#define WAIT_JITTER          0.2
#define BREAKER_FAILURES     5
#define BREAKER_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define BREAKER_LONGEST_USEC (120 * USEC_PER_SEC)
#define LONGEST_UNSAVED_USEC (5 * USEC_PER_SEC)
#define FAILURES_IN_FRONT    3 /* then others go first */
#define LEAST_ENTRY_BYTES    80

struct entry {
    struct entry *next, *previous;
    struct notification *notification;
    uint64_t mark;
    uint64_t since_usec;
    unsigned failures;
};

struct outbox {
    struct outbox_options options;
    char *receiver, *channel;
    struct outbox_way way;
    struct entry *oldest, *newest; /* what waits */
    struct hash_map by_key;        /* the same */
    size_t bytes;                  /* the same */
    struct entry *sending;
    uint64_t marks, saved;
    uint64_t sent_at_usec, not_before_usec;
    struct backoff backoff;
    struct breaker breaker;
    struct loop_deferred *deferred;
    struct loop_timer *timer;
    bool failing, full; /* as the log has it */
    struct delivery_stats stats;
};

/* ---- the queue ---- */

static bool has_key(const void *entry, const void *key) {
    return str_equal(((const struct entry *)entry)->notification->group_key,
                     *(const struct str *)key);
}

static uint64_t hash_of(struct str key) {
    return hash_bytes(key.data, key.len);
}

static struct entry *find(const struct outbox *outbox, struct str key) {
    return hash_map_get(&outbox->by_key, hash_of(key), has_key, &key);
}

/* Behind `after`; NULL: as the oldest. */
static void insert(struct outbox *outbox, struct entry *entry, struct entry *after) {
    entry->previous = after;
    entry->next = after != NULL ? after->next : outbox->oldest;
    *(entry->previous != NULL ? &entry->previous->next : &outbox->oldest) = entry;
    *(entry->next != NULL ? &entry->next->previous : &outbox->newest) = entry;
    hash_map_add(&outbox->by_key, hash_of(entry->notification->group_key), entry);
    outbox->bytes += entry->notification->arena.used_bytes;
}

static void take_out(struct outbox *outbox, struct entry *entry) {
    *(entry->previous != NULL ? &entry->previous->next : &outbox->oldest) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &outbox->newest) = entry->previous;
    (void)hash_map_remove(&outbox->by_key, hash_of(entry->notification->group_key), entry);
    outbox->bytes -= entry->notification->arena.used_bytes;
}

static void entry_free(struct entry *entry) {
    (void)notification_free(entry->notification);
    free(entry);
}

static void tell(struct outbox *outbox, enum outbox_news news, struct str group_key) {
    if (outbox->options.news != NULL) {
        outbox->options.news(outbox->options.userdata, news, group_key);
    }
}

static void drop(struct outbox *outbox, struct entry *entry, enum delivery_drop why) {
    take_out(outbox, entry);
    outbox->stats.dropped[why]++;
    tell(outbox, why == DELIVERY_FULL ? OUTBOX_DROPPED : OUTBOX_REFUSED,
         entry->notification->group_key);
    entry_free(entry);
}

static bool is_full(const struct outbox *outbox) {
    return outbox->by_key.n_entries > outbox->options.most_queued ||
           (outbox->bytes > outbox->options.most_bytes && outbox->oldest != outbox->newest);
}

static void drop_surplus(struct outbox *outbox) {
    /* What the owner puts in answer is dropped at the next turn. */
    for (size_t most = outbox->by_key.n_entries; most > 0 && is_full(outbox); most--) {
        if (!outbox->full) {
            log_error("receiver '%s' (%s): too many notifications wait; the oldest are dropped",
                      outbox->receiver, outbox->channel);
        }
        outbox->full = true;
        drop(outbox, outbox->oldest, DELIVERY_FULL);
    }
    if (outbox->oldest == NULL) {
        outbox->full = false;
    }
}

static void drop_expired(struct outbox *outbox, uint64_t now) {
    struct entry *next;
    for (struct entry *entry = outbox->oldest; entry != NULL; entry = next) {
        next = entry->next;
        if (now - entry->since_usec >= outbox->options.oldest_usec) {
            log_error("receiver '%s' (%s): a notification is given up, nobody took it in time",
                      outbox->receiver, outbox->channel);
            drop(outbox, entry, DELIVERY_EXPIRED);
            next = outbox->oldest; /* the owner may have cancelled any */
        }
    }
}

/* ---- answers ---- */

static void tell_failure(struct outbox *outbox, const char *what, const char *why) {
    outbox->stats.errors++;
    if (!outbox->failing) {
        outbox->failing = true;
        log_warn("receiver '%s' (%s) %s: %s", outbox->receiver, outbox->channel, what, why);
    }
}

static void tell_success(struct outbox *outbox) {
    if (outbox->failing) {
        outbox->failing = false;
        log_info("receiver '%s' (%s) takes notifications again", outbox->receiver, outbox->channel);
    }
}

/* It waits again: in front, or at the end after several failures, so that one notification that
 * cannot be delivered does not hold up the others. */
static void put_back(struct outbox *outbox, struct entry *entry) {
    if (find(outbox, entry->notification->group_key) != NULL) {
        entry_free(entry);
        return;
    }
    bool behind = entry->failures > 0 && entry->failures % FAILURES_IN_FRONT == 0;
    insert(outbox, entry, behind ? outbox->newest : NULL);
}

static void on_unanswered(struct outbox *outbox, struct entry *entry, uint64_t now,
                          uint64_t retry_after_usec) {
    uint64_t asked = retry_after_usec < LONGEST_ASKED_USEC ? retry_after_usec : LONGEST_ASKED_USEC;
    uint64_t wait = backoff_next(&outbox->backoff, random_unit());
    (void)breaker_failure(&outbox->breaker, now, random_unit());
    outbox->not_before_usec = now + (wait > asked ? wait : asked);
    struct strbuf key = {0};
    strbuf_add_str(&key, entry->notification->group_key);
    entry->failures++;
    put_back(outbox, entry);
    tell(outbox, OUTBOX_UNANSWERED, strbuf_view(&key));
    strbuf_deinit(&key);
}

static void on_answered(struct outbox *outbox, struct entry *entry, uint64_t now,
                        enum outbox_news news) {
    /* It works, whatever it thinks of the notification. */
    (void)breaker_success(&outbox->breaker, now);
    backoff_reset(&outbox->backoff);
    tell(outbox, news, entry->notification->group_key);
    entry_free(entry);
}

static void done(void *userdata, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec) {
    struct outbox *outbox = userdata;
    struct entry *entry = take_ptr(outbox->sending);
    uint64_t now = loop_now_usec(outbox->options.loop);
    outbox->stats.seconds += (double)(now - outbox->sent_at_usec) / (double)USEC_PER_SEC;
    switch (outcome) {
    case CHANNEL_DELIVERED:
        tell_success(outbox);
        outbox->stats.sent++;
        on_answered(outbox, entry, now, OUTBOX_DELIVERED);
        break;
    case CHANNEL_REFUSED:
        tell_failure(outbox, "refuses a notification, which is dropped", why);
        outbox->stats.dropped[DELIVERY_REFUSED]++;
        on_answered(outbox, entry, now, OUTBOX_REFUSED);
        break;
    case CHANNEL_RETRY:
    case CHANNEL_OUTCOMES:
        tell_failure(outbox, "does not take notifications, it is tried again", why);
        on_unanswered(outbox, entry, now, retry_after_usec);
        break;
    }
    loop_deferred_arm(outbox->deferred);
}

/* ---- attempts ---- */

static uint64_t attempted_from(const struct outbox *outbox, const struct entry *entry) {
    return entry->mark <= outbox->saved ? 0
                                        : entry->since_usec + outbox->options.longest_unsaved_usec;
}

/* The oldest that may be attempted now; NULL and when there is one otherwise. */
static struct entry *choose(const struct outbox *outbox, uint64_t now, uint64_t *ret_when_usec) {
    uint64_t when = UINT64_MAX;
    for (struct entry *entry = outbox->oldest; entry != NULL; entry = entry->next) {
        uint64_t from = attempted_from(outbox, entry);
        if (from <= now) {
            return entry;
        }
        when = from < when ? from : when;
    }
    *ret_when_usec = when;
    return NULL;
}

static void start(struct outbox *outbox, struct entry *entry, uint64_t now) {
    take_out(outbox, entry);
    outbox->sending = entry;
    outbox->sent_at_usec = now;
    outbox->stats.requests++;
    tell(outbox, OUTBOX_STARTED, entry->notification->group_key);
    outbox->way.send(outbox->way.channel, entry->notification, done, outbox);
}

static void go_on(void *userdata) {
    struct outbox *outbox = userdata;
    uint64_t now = loop_now_usec(outbox->options.loop), when = 0;
    drop_surplus(outbox);
    drop_expired(outbox, now);
    if (outbox->sending != NULL || outbox->oldest == NULL || outbox->way.send == NULL) {
        return;
    }
    if (now < outbox->not_before_usec) {
        loop_timer_set(outbox->timer, outbox->not_before_usec);
        return;
    }
    struct entry *entry = choose(outbox, now, &when);
    if (entry == NULL) {
        loop_timer_set(outbox->timer, when);
    } else if (breaker_allow(&outbox->breaker, now) == BREAKER_REJECT) {
        loop_timer_set(outbox->timer, outbox->breaker.next_attempt_usec);
    } else {
        start(outbox, entry, now);
    }
}

/* ---- from the owner ---- */

static void put(struct outbox *outbox, struct notification *notification, bool saved,
                uint64_t since_usec) {
    struct entry *entry = find(outbox, notification->group_key);
    struct entry *after = entry != NULL ? entry->previous : outbox->newest;
    if (entry != NULL) {
        take_out(outbox, entry);
        (void)notification_free(entry->notification);
    } else {
        entry = mem_alloc(sizeof(*entry));
    }
    entry->notification = notification;
    entry->mark = saved ? 0 : ++outbox->marks;
    entry->since_usec = since_usec;
    insert(outbox, entry, after);
    loop_deferred_arm(outbox->deferred);
}

void outbox_put(struct outbox *outbox, struct notification *notification, bool saved) {
    put(outbox, notification, saved, loop_now_usec(outbox->options.loop));
}

void outbox_cancel(struct outbox *outbox, struct str group_key) {
    struct entry *entry = find(outbox, group_key);
    if (entry != NULL) {
        take_out(outbox, entry);
        entry_free(entry);
    }
}

size_t outbox_clear(struct outbox *outbox) {
    size_t n = outbox->by_key.n_entries;
    while (outbox->oldest != NULL) {
        struct entry *entry = outbox->oldest;
        take_out(outbox, entry);
        entry_free(entry);
    }
    return n;
}

bool outbox_has(const struct outbox *outbox, struct str group_key) {
    return find(outbox, group_key) != NULL ||
           (outbox->sending != NULL &&
            str_equal(outbox->sending->notification->group_key, group_key));
}

uint64_t outbox_mark(const struct outbox *outbox) {
    return outbox->marks;
}

void outbox_saved(struct outbox *outbox, uint64_t mark) {
    if (mark > outbox->saved) {
        outbox->saved = mark;
        loop_deferred_arm(outbox->deferred);
    }
}

/* ---- state file ---- */

static void pack_entry(const struct outbox *outbox, const struct entry *entry, int64_t wall_ms,
                       struct strbuf *out) {
    uint64_t age_usec = loop_now_usec(outbox->options.loop) - entry->since_usec;
    pack_i64(out, wall_ms - (int64_t)(age_usec / USEC_PER_MSEC));
    notification_pack(entry->notification, out);
}

void outbox_pack(const struct outbox *outbox, int64_t wall_ms, struct strbuf *out) {
    pack_u64(out, outbox->by_key.n_entries + (outbox->sending != NULL));
    if (outbox->sending != NULL) {
        pack_entry(outbox, outbox->sending, wall_ms, out);
    }
    for (const struct entry *entry = outbox->oldest; entry != NULL; entry = entry->next) {
        pack_entry(outbox, entry, wall_ms, out);
    }
}

static uint64_t since_of(const struct outbox *outbox, int64_t then_wall_ms, int64_t wall_ms) {
    uint64_t now = loop_now_usec(outbox->options.loop);
    uint64_t age_usec = then_wall_ms >= 0 && then_wall_ms < wall_ms
                            ? (uint64_t)(wall_ms - then_wall_ms) * USEC_PER_MSEC
                            : 0;
    return now > age_usec ? now - age_usec : 0;
}

bool outbox_unpack(struct outbox *outbox, int64_t wall_ms, struct unpacker *in) {
    size_t n = unpack_count(in, LEAST_ENTRY_BYTES);
    in->bad |= n > outbox->options.most_queued + 1;
    for (size_t i = 0; !in->bad && i < n; i++) {
        int64_t then_ms = unpack_i64(in);
        struct notification *notification = notification_unpack(in);
        if (notification != NULL) {
            put(outbox, notification, true, since_of(outbox, then_ms, wall_ms));
        }
    }
    if (in->bad) {
        (void)outbox_clear(outbox);
    }
    return !in->bad;
}

/* ---- life ---- */

static void reset(struct outbox *outbox) {
    static const struct breaker_options breaker = {
        .consecutive_failures = BREAKER_FAILURES,
        .timeout_usec = BREAKER_TIMEOUT_USEC,
        .max_timeout_usec = BREAKER_LONGEST_USEC,
    };
    breaker_init(&outbox->breaker, &breaker, loop_now_usec(outbox->options.loop));
    backoff_reset(&outbox->backoff);
    outbox->not_before_usec = 0;
    outbox->failing = false;
}

void outbox_set_way(struct outbox *outbox, const struct outbox_way *way) {
    if (outbox->way.free != NULL) {
        outbox->way.free(outbox->way.channel);
    }
    outbox->way = *way;
    if (outbox->sending != NULL) {
        on_unanswered(outbox, take_ptr(outbox->sending), loop_now_usec(outbox->options.loop), 0);
    }
    reset(outbox);
    loop_deferred_arm(outbox->deferred);
}

static uint64_t or_else(uint64_t value, uint64_t fallback) {
    return value != 0 ? value : fallback;
}

struct outbox *outbox_new(const struct outbox_options *options) {
    struct outbox *outbox = mem_alloc(sizeof(*outbox));
    struct outbox_options *own = &outbox->options;
    *own = *options;
    own->most_queued = or_else(own->most_queued, OUTBOX_MOST_QUEUED);
    own->most_bytes = or_else(own->most_bytes, OUTBOX_MOST_BYTES);
    own->oldest_usec = or_else(own->oldest_usec, OUTBOX_OLDEST_USEC);
    own->longest_unsaved_usec = or_else(own->longest_unsaved_usec, LONGEST_UNSAVED_USEC);
    outbox->receiver = mem_strdup(options->receiver);
    outbox->channel = mem_strdup(options->channel);
    outbox->backoff = (struct backoff){
        .first_usec = or_else(own->first_wait_usec, FIRST_WAIT_USEC),
        .max_usec = LONGEST_WAIT_USEC,
        .jitter = WAIT_JITTER,
    };
    outbox->deferred = loop_deferred_new(own->loop, go_on, outbox);
    outbox->timer = loop_timer_new(own->loop, go_on, outbox);
    reset(outbox);
    return outbox;
}

struct outbox *outbox_free(struct outbox *outbox) {
    if (outbox == NULL) {
        return NULL;
    }
    if (outbox->way.free != NULL) {
        outbox->way.free(outbox->way.channel);
    }
    if (outbox->sending != NULL) {
        entry_free(outbox->sending);
    }
    (void)outbox_clear(outbox);
    (void)loop_deferred_free(outbox->deferred);
    (void)loop_timer_free(outbox->timer);
    hash_map_deinit(&outbox->by_key);
    free(outbox->receiver);
    free(outbox->channel);
    free(outbox);
    return NULL;
}

/* ---- metrics ---- */

struct delivery_stats outbox_stats(const struct outbox *outbox) {
    struct delivery_stats stats = outbox->stats;
    stats.queued = outbox->by_key.n_entries + (outbox->sending != NULL);
    stats.breaker = &outbox->breaker;
    return stats;
}

void outbox_collect(const struct outbox *outbox, struct batch *batch) {
    const struct label labels[] = {{str_of("channel"), str_of(outbox->channel)},
                                   {str_of("receiver"), str_of(outbox->receiver)}};
    struct delivery_stats stats = outbox_stats(outbox);
    delivery_collect(&stats, labels, 2, DELIVERY_DROPS, batch);
}
