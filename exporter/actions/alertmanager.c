/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/alertmanager.h"

#include <stdlib.h>
#include <string.h>

#include "actions/delivery.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"

#define TIMEOUT_USEC         (10 * USEC_PER_SEC)
#define FIRST_WAIT_USEC      (250 * USEC_PER_MSEC)
#define LONGEST_WAIT_USEC    (30 * USEC_PER_SEC)
#define WAIT_JITTER          0.2
#define BREAKER_FAILURES     5
#define BREAKER_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define BREAKER_LONGEST_USEC (60 * USEC_PER_SEC)
#define SHOWN_BYTES          120 /* of a refusal, in the log */

struct entry {
    struct entry *next, *previous;
    struct alert_note note;
    size_t max_batch; /* smaller after a batch with it was refused */
};

struct alertmanager {
    struct loop *loop;
    struct transfers *transfers;
    const struct http_options *http;
    char *url;   /* of the API */
    char *base;  /* as the options have it */
    char *shown; /* as in labels and the log */
    char *shown_api;
    size_t max_queued, max_batch;
    struct entry *oldest, *newest; /* what waits */
    struct hash_map by_id;         /* the same */
    struct entry **sending;        /* what is under way, oldest first */
    size_t n_sending;
    struct transfer *transfer;
    uint64_t sent_at_usec, not_before_usec;
    struct backoff backoff;
    struct breaker breaker;
    struct loop_deferred *deferred;
    struct loop_timer *timer;
    bool failing; /* as the log has it */
    struct alertmanager_stats stats;
};

/* ---- the queue ---- */

static bool has_id(const void *entry, const void *key) {
    return ((const struct entry *)entry)->note.id == *(const uint64_t *)key;
}

static uint64_t hash_of(uint64_t id) {
    return hash_bytes(&id, sizeof(id));
}

static struct entry *entry_free(struct entry *entry) {
    alert_note_deinit(&entry->note);
    free(entry);
    return NULL;
}

static struct entry *find(const struct alertmanager *am, uint64_t id) {
    return hash_map_get(&am->by_id, hash_of(id), has_id, &id);
}

/* Behind `after`; NULL: as the oldest. */
static void insert(struct alertmanager *am, struct entry *entry, struct entry *after) {
    entry->previous = after;
    entry->next = after != NULL ? after->next : am->oldest;
    *(entry->previous != NULL ? &entry->previous->next : &am->oldest) = entry;
    *(entry->next != NULL ? &entry->next->previous : &am->newest) = entry;
    hash_map_add(&am->by_id, hash_of(entry->note.id), entry);
}

static void take_out(struct alertmanager *am, struct entry *entry) {
    *(entry->previous != NULL ? &entry->previous->next : &am->oldest) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &am->newest) = entry->previous;
    (void)hash_map_remove(&am->by_id, hash_of(entry->note.id), entry);
}

static void drop_surplus(struct alertmanager *am) {
    while (am->by_id.n_entries > am->max_queued) {
        struct entry *entry = am->oldest;
        take_out(am, entry);
        entry_free(entry);
        am->stats.dropped_full++;
    }
}

/* What was under way waits again, before all others; newer news of an alert is in its place. */
static void put_back(struct alertmanager *am) {
    for (size_t i = am->n_sending; i-- > 0;) {
        struct entry *entry = am->sending[i];
        if (find(am, entry->note.id) != NULL) {
            entry_free(entry);
        } else {
            insert(am, entry, NULL);
        }
    }
    am->n_sending = 0;
    drop_surplus(am);
}

static void forget_sent(struct alertmanager *am) {
    for (size_t i = 0; i < am->n_sending; i++) {
        entry_free(am->sending[i]);
    }
    am->n_sending = 0;
}

/* ---- answers ---- */

static void tell_failure(struct alertmanager *am, const char *why) {
    am->stats.errors++;
    if (!am->failing) {
        am->failing = true;
        log_warn("alertmanager '%s' does not take alerts: %s", am->shown, why);
    }
}

static void tell_success(struct alertmanager *am) {
    if (am->failing) {
        am->failing = false;
        log_info("alertmanager '%s' takes alerts again", am->shown);
    }
}

static void on_accepted(struct alertmanager *am) {
    am->stats.sent += am->n_sending;
    forget_sent(am);
    tell_success(am);
}

static void on_failed(struct alertmanager *am, uint64_t now, const char *why) {
    tell_failure(am, why);
    put_back(am);
    (void)breaker_failure(&am->breaker, now, random_unit());
    am->not_before_usec = now + backoff_next(&am->backoff, random_unit());
}

/* Whether a status can be about one alert of several, or about their number. */
static bool may_be_one_of_them(int status) {
    return status == 400 || status == 413 || status == 422;
}

static void on_refused(struct alertmanager *am, int status, const char *why) {
    tell_failure(am, why);
    if (am->n_sending > 1 && may_be_one_of_them(status)) {
        for (size_t i = 0; i < am->n_sending; i++) {
            am->sending[i]->max_batch = (am->n_sending + 1) / 2;
        }
        put_back(am);
    } else {
        am->stats.dropped_refused += am->n_sending;
        forget_sent(am);
    }
}

static void on_answer(struct alertmanager *am, uint64_t now, const struct transfer_answer *answer) {
    if (answer->status / 100 == 2) {
        on_accepted(am);
    } else {
        struct str body = answer->body;
        body.len = body.len > SHOWN_BYTES ? SHOWN_BYTES : body.len;
        char *why = mem_printf("status %d%s%.*s", answer->status, body.len > 0 ? ": " : "",
                               (int)body.len, body.data);
        if (answer->status / 100 != 4 || answer->status == 429) {
            on_failed(am, now, why);
            free(why);
            return;
        }
        on_refused(am, answer->status, why);
        free(why);
    }
    /* It works, whatever it thinks of the alerts. */
    (void)breaker_success(&am->breaker, now);
    backoff_reset(&am->backoff);
}

static void done(void *userdata, const struct transfer_answer *answer,
                 const struct client_failure *failure) {
    struct alertmanager *am = userdata;
    uint64_t now = loop_now_usec(am->loop);
    am->transfer = NULL; /* it has ended with this */
    am->stats.seconds += (double)(now - am->sent_at_usec) / (double)USEC_PER_SEC;
    if (answer != NULL) {
        on_answer(am, now, answer);
    } else {
        on_failed(am, now, failure->error.text);
    }
    loop_deferred_arm(am->deferred);
}

/* ---- requests ---- */

/* Moves the oldest notes from what waits to what is under way. */
static void fill_batch(struct alertmanager *am) {
    size_t most = am->max_batch;
    while (am->oldest != NULL) {
        struct entry *entry = am->oldest;
        most = entry->max_batch < most ? entry->max_batch : most;
        if (am->n_sending >= most) {
            return;
        }
        take_out(am, entry);
        am->sending[am->n_sending++] = entry;
    }
}

static void send_batch(struct alertmanager *am) {
    static const struct transfer_header type = {"Content-Type", "application/json"};
    struct strbuf body = {0};
    int64_t now_ms = loop_now_ms(am->loop);
    uint64_t timeout_usec = am->http->timeout_usec != 0 ? am->http->timeout_usec : TIMEOUT_USEC;
    fill_batch(am);
    for (size_t i = 0; i < am->n_sending; i++) {
        strbuf_add_char(&body, i == 0 ? '[' : ',');
        alert_note_write(&am->sending[i]->note, now_ms, &body);
    }
    strbuf_add_char(&body, ']');
    am->sent_at_usec = loop_now_usec(am->loop);
    am->stats.requests++;
    am->transfer =
        transfer_submit(am->transfers, &(struct transfer_request){
                                           .url = am->url,
                                           .headers = &type,
                                           .n_headers = 1,
                                           .body = strbuf_view(&body),
                                           .user = am->http->user,
                                           .password = am->http->password,
                                           .scheme = am->http->scheme,
                                           .credentials = am->http->credentials,
                                           .tls = &am->http->tls,
                                           .deadline_usec = am->sent_at_usec + timeout_usec,
                                           .done = done,
                                           .userdata = am,
                                       });
    strbuf_deinit(&body);
}

static void go_on(void *userdata) {
    struct alertmanager *am = userdata;
    uint64_t now = loop_now_usec(am->loop);
    if (am->transfer != NULL || am->oldest == NULL) {
        return;
    }
    if (now < am->not_before_usec) {
        loop_timer_set(am->timer, am->not_before_usec);
    } else if (breaker_allow(&am->breaker, now) == BREAKER_REJECT) {
        loop_timer_set(am->timer, am->breaker.next_attempt_usec);
    } else {
        send_batch(am);
    }
}

void alertmanager_notify(struct alertmanager *am, const struct alert_note *note) {
    struct entry *entry = find(am, note->id);
    if (entry != NULL) {
        alert_note_deinit(&entry->note);
    } else {
        entry = mem_alloc(sizeof(*entry));
        entry->note.id = note->id;
        insert(am, entry, am->newest);
    }
    entry->note = alert_note_ref(note);
    entry->max_batch = am->max_batch;
    drop_surplus(am);
    loop_deferred_arm(am->deferred);
}

/* ---- life ---- */

static size_t or_else(size_t value, size_t fallback) {
    return value != 0 ? value : fallback;
}

/* Without "user:password@". */
static char *shown_url(const char *url) {
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    return mem_printf("%.*s%s", (int)(host - url), url, at != NULL ? at + 1 : host);
}

struct alertmanager *alertmanager_new(const struct alertmanager_options *options) {
    static const struct breaker_options breaker = {
        .consecutive_failures = BREAKER_FAILURES,
        .timeout_usec = BREAKER_TIMEOUT_USEC,
        .max_timeout_usec = BREAKER_LONGEST_USEC,
    };
    struct alertmanager *am = mem_alloc(sizeof(*am));
    const char *url = options->http->url;
    size_t url_len = strlen(url);
    while (url_len > 0 && url[url_len - 1] == '/') {
        url_len--;
    }
    *am = (struct alertmanager){
        .loop = options->loop,
        .transfers = options->transfers,
        .http = options->http,
        .url = mem_printf("%.*s/api/v2/alerts", (int)url_len, url),
        .base = mem_strdup(url),
        .shown = shown_url(url),
        .max_queued = or_else(options->max_queued, ALERTMANAGER_MOST_QUEUED),
        .max_batch = or_else(options->max_batch, ALERTMANAGER_MOST_BATCH),
        .backoff = {.first_usec = FIRST_WAIT_USEC,
                    .max_usec = LONGEST_WAIT_USEC,
                    .jitter = WAIT_JITTER},
    };
    am->shown_api = shown_url(am->url);
    am->sending = mem_array(am->max_batch, sizeof(*am->sending));
    am->deferred = loop_deferred_new(am->loop, go_on, am);
    am->timer = loop_timer_new(am->loop, go_on, am);
    breaker_init(&am->breaker, &breaker, loop_now_usec(am->loop));
    return am;
}

struct alertmanager *alertmanager_free(struct alertmanager *am) {
    if (am == NULL) {
        return NULL;
    }
    (void)transfer_free(am->transfer);
    (void)loop_deferred_free(am->deferred);
    (void)loop_timer_free(am->timer);
    forget_sent(am);
    while (am->oldest != NULL) {
        struct entry *entry = am->oldest;
        take_out(am, entry);
        entry_free(entry);
    }
    hash_map_deinit(&am->by_id);
    free(am->sending);
    mem_free_secret(am->url);
    free(am->shown);
    free(am->shown_api);
    mem_free_secret(am->base);
    free(am);
    return NULL;
}

void alertmanager_configure(struct alertmanager *am, const struct http_options *http) {
    am->http = http;
}

const char *alertmanager_shown(const struct alertmanager *am) {
    return am->shown_api;
}

const char *alertmanager_url(const struct alertmanager *am) {
    return am->base;
}

/* ---- metrics ---- */

struct alertmanager_stats alertmanager_stats(const struct alertmanager *am) {
    struct alertmanager_stats stats = am->stats;
    stats.queued = am->by_id.n_entries + am->n_sending;
    stats.breaker = &am->breaker;
    return stats;
}

void alertmanager_collect(const struct alertmanager *am, struct batch *batch) {
    const struct label label = {str_of("alertmanager"), str_of(am->shown)};
    struct alertmanager_stats stats = alertmanager_stats(am);
    delivery_collect(
        &(struct delivery_stats){
            .sent = stats.sent,
            .dropped =
                {[DELIVERY_FULL] = stats.dropped_full, [DELIVERY_REFUSED] = stats.dropped_refused},
            .requests = stats.requests,
            .errors = stats.errors,
            .seconds = stats.seconds,
            .queued = stats.queued,
            .breaker = stats.breaker,
        },
        &label, 1, DELIVERY_REFUSED + 1, batch);
}
