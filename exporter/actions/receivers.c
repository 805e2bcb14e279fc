/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/receivers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actions/private_receivers.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/durable.h"

#define STATE_FILE       "notifications.state"
#define MOST_STATE_BYTES ((size_t)256 * 1024 * 1024)
#define SOON_USEC        USEC_PER_SEC
#define RETRY_USEC       (10 * USEC_PER_SEC) /* of a write that failed */
#define MOST_LABELS      (NOTIFICATION_MOST_LABELS * 2)

struct receivers {
    struct receivers_parts parts;
    struct router *router; /* NULL before the first configuration */
    struct groups *groups;
    struct receiver_channel **channels;
    size_t n_channels;
    struct loop_deferred *soon; /* looks at the groups, and at what is to be written */
    struct loop_timer *due, *save;
    char *state_path; /* NULL: in memory only */
    struct worker_pool *disk;
    struct durable_file *file;
    bool urgent;  /* a notification waits for being on the disk, or was delivered */
    bool changed; /* something else is not there yet */
    bool failing; /* writing, as the log has it */
    bool full;    /* groups, as the log has it */
};

static struct groups_time time_of(const struct receivers *receivers) {
    return (struct groups_time){
        .now_ms = (int64_t)(loop_now_usec(receivers->parts.loop) / USEC_PER_MSEC),
        .wall_ms = loop_now_ms(receivers->parts.loop),
    };
}

static struct receiver_channel *find_channel(const struct receivers *receivers, const char *name) {
    for (size_t i = 0; i < receivers->n_channels; i++) {
        if (receivers->channels[i] != NULL && strcmp(receivers->channels[i]->name, name) == 0) {
            return receivers->channels[i];
        }
    }
    return NULL;
}

/* ---- the file ---- */

static void pack_state(const struct receivers *receivers, struct strbuf *out) {
    receivers_pack(receivers->groups, receivers->channels, receivers->n_channels,
                   time_of(receivers), out);
}

static void write_state(struct receivers *receivers) {
    struct strbuf state = {0};
    pack_state(receivers, &state);
    for (size_t i = 0; i < receivers->n_channels; i++) {
        receivers->channels[i]->writing_mark = outbox_mark(receivers->channels[i]->outbox);
    }
    receivers->urgent = false;
    receivers->changed = false;
    loop_timer_stop(receivers->save);
    durable_file_write(receivers->file, &state);
}

static void tell_written(struct receivers *receivers, const struct error *err) {
    bool failed = error_is_set(err);
    if (failed && !receivers->failing) {
        log_error("notifications: %s; they are delivered all the same, but after a crash some "
                  "may be told twice or not at all",
                  err->text);
    } else if (!failed && receivers->failing) {
        log_info("notifications are on the disk again");
    }
    receivers->failing = failed;
}

static void written(void *userdata, const struct error *err) {
    struct receivers *receivers = userdata;
    tell_written(receivers, err);
    /* One write at a time: this was the one that the marks are of. */
    for (size_t i = 0; i < receivers->n_channels; i++) {
        outbox_saved(receivers->channels[i]->outbox, receivers->channels[i]->writing_mark);
    }
    if (error_is_set(err)) {
        receivers->changed = true;
        loop_timer_set(receivers->save, loop_now_usec(receivers->parts.loop) + RETRY_USEC);
    }
    loop_deferred_arm(receivers->soon);
}

static void write_when_needed(struct receivers *receivers) {
    if (receivers->file == NULL || durable_file_busy(receivers->file)) {
        return; /* written() comes back here */
    }
    if (receivers->urgent) {
        write_state(receivers);
    } else if (receivers->changed && !loop_timer_is_set(receivers->save)) {
        uint64_t wait = receivers->parts.saved_soon_usec;
        loop_timer_set(receivers->save,
                       loop_now_usec(receivers->parts.loop) + (wait != 0 ? wait : SOON_USEC));
    }
}

static void save_due(void *userdata) {
    struct receivers *receivers = userdata;
    if (!durable_file_busy(receivers->file)) {
        write_state(receivers);
    }
}

static void note_change(struct receivers *receivers) {
    receivers->changed = true;
    loop_deferred_arm(receivers->soon);
}

static bool waits(void *userdata, const char *channel, struct str group_key) {
    const struct receiver_channel *found = find_channel(userdata, channel);
    return found != NULL && outbox_has(found->outbox, group_key);
}

static void load_state(struct receivers *receivers) {
    struct strbuf state = {0};
    struct error err = {0};
    size_t dropped = 0;
    int r = durable_read_now(receivers->state_path, MOST_STATE_BYTES, &state, &err);
    if (r == 0) {
        r = receivers_unpack(strbuf_view(&state), time_of(receivers), receivers->groups,
                             receivers->channels, receivers->n_channels, receivers->parts.loop,
                             &dropped, &err);
    }
    if (r < 0 && r != -ENOENT) {
        durable_distrust(receivers->state_path, "notifications", "are", &err,
                         "what fires is told anew");
    }
    if (dropped > 0) {
        log_warn("notifications: %zu that waited for receivers that are no more are dropped",
                 dropped);
    }
    groups_reconcile(receivers->groups, waits, receivers);
    strbuf_deinit(&state);
}

/* ---- groups and queues ---- */

static void put(void *userdata, const char *channel, struct notification *notification) {
    struct receivers *receivers = userdata;
    struct receiver_channel *found = find_channel(receivers, channel);
    if (found == NULL) {
        (void)notification_free(notification);
        return;
    }
    outbox_put(found->outbox, notification, receivers->file == NULL);
    receivers->urgent = true;
    loop_deferred_arm(receivers->soon);
}

static void cancel(void *userdata, const char *channel, struct str group_key) {
    struct receivers *receivers = userdata;
    struct receiver_channel *found = find_channel(receivers, channel);
    if (found != NULL) {
        outbox_cancel(found->outbox, group_key);
    }
    note_change(receivers);
}

static void news(void *userdata, enum outbox_news what, struct str group_key) {
    static const enum told_end ends[] = {
        [OUTBOX_DELIVERED] = TOLD_ACCEPTED,
        [OUTBOX_UNANSWERED] = TOLD_UNANSWERED,
        [OUTBOX_REFUSED] = TOLD_REFUSED,
        [OUTBOX_DROPPED] = TOLD_DROPPED,
    };
    struct receiver_channel *channel = userdata;
    struct receivers *receivers = channel->receivers;
    if (what == OUTBOX_STARTED) {
        groups_started(receivers->groups, channel->name, group_key);
        return; /* the file says already that there may have been an attempt */
    }
    groups_ended(receivers->groups, channel->name, group_key, ends[what], time_of(receivers));
    receivers->urgent |= what == OUTBOX_DELIVERED; /* what a crash before the write tells twice */
    note_change(receivers);
}

static void set_due(struct receivers *receivers) {
    int64_t next_ms = groups_next_ms(receivers->groups);
    if (next_ms == INT64_MAX) {
        loop_timer_stop(receivers->due);
    } else {
        loop_timer_set(receivers->due, next_ms > 0 ? (uint64_t)next_ms * USEC_PER_MSEC : 0);
    }
}

static void look(void *userdata) {
    struct receivers *receivers = userdata;
    struct groups_time time = time_of(receivers);
    if (groups_next_ms(receivers->groups) <= time.now_ms) {
        groups_run(receivers->groups, time);
    }
    set_due(receivers);
    write_when_needed(receivers);
}

/* Labels of the alert and the external ones, sorted. Return: how many. */
static size_t merge_labels(const struct alert_view *alert, const struct label *more, size_t n_more,
                           struct label *ret) {
    size_t n = 0, i = 0, k = 0;
    while (n < MOST_LABELS && (i < alert->n_labels || k < n_more)) {
        int order = i == alert->n_labels ? 1
                    : k == n_more        ? -1
                                         : str_compare(alert->labels[i].name, more[k].name);
        ret[n++] = order <= 0 ? alert->labels[i] : more[k];
        i += order <= 0;
        k += order >= 0;
    }
    return n;
}

static int compare_labels(const void *a, const void *b) {
    return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void receivers_event(struct receivers *receivers, const struct alert_event *event,
                     const struct label *labels, size_t n_labels) {
    struct label sorted[NOTIFICATION_MOST_LABELS], merged[MOST_LABELS];
    if (receivers->router == NULL || receivers->router->n_routes == 0) {
        return;
    }
    n_labels = n_labels < ARRAY_LEN(sorted) ? n_labels : ARRAY_LEN(sorted);
    if (n_labels > 0) {
        memcpy(sorted, labels, n_labels * sizeof(sorted[0]));
        qsort(sorted, n_labels, sizeof(sorted[0]), compare_labels);
    }
    struct alert_view view = *event->alert;
    view.labels = merged;
    view.n_labels = merge_labels(event->alert, sorted, n_labels, merged);
    uint64_t dropped = groups_stats(receivers->groups).dropped;
    (void)groups_event(receivers->groups,
                       &(struct alert_event){event->kind, event->generation, &view},
                       time_of(receivers));
    if (groups_stats(receivers->groups).dropped != dropped && !receivers->full) {
        receivers->full = true;
        log_error("notifications: too many alerts or groups; receivers are not told about more");
    }
    loop_deferred_arm(receivers->soon);
}

/* ---- configuration ---- */

static char *channel_name(const struct receiver_options *receiver, size_t index) {
    const char *kind = channel_kind_names[receiver->channels[index].kind];
    unsigned place = 1;
    for (size_t i = 0; i < index; i++) {
        place += receiver->channels[i].kind == receiver->channels[index].kind;
    }
    return place == 1 ? mem_printf("%s/%s", receiver->name, kind)
                      : mem_printf("%s/%s#%u", receiver->name, kind, place);
}

static void options_free(struct channel_options *options) {
    if (options != NULL) {
        channel_options_deinit(options);
        free(options);
    }
}

/* The options that the old way borrows are freed after it. */
static void connect_channel(struct receivers *receivers, struct receiver_channel *channel,
                            const char *receiver, const struct channel_options *options) {
    struct channel_options *old = channel->options;
    channel->options = mem_alloc(sizeof(*channel->options));
    channel_options_copy(options, channel->options);
    struct outbox_way way =
        receivers->parts.connect(receivers->parts.userdata, receiver, channel->options);
    outbox_set_way(channel->outbox, &way);
    options_free(old);
}

static struct receiver_channel *channel_begin(struct receivers *receivers, const char *receiver,
                                              char *name) {
    struct receiver_channel *channel = mem_alloc(sizeof(*channel));
    channel->name = name;
    channel->receivers = receivers;
    channel->outbox = outbox_new(&(struct outbox_options){
        .loop = receivers->parts.loop,
        .receiver = receiver,
        .channel = strrchr(name, '/') + 1,
        .news = news,
        .userdata = channel,
    });
    return channel;
}

static void channel_end(struct receiver_channel *channel) {
    (void)outbox_free(channel->outbox);
    options_free(channel->options);
    free(channel->name);
    free(channel);
}

/* Takes it out of the present list, or makes it. */
static struct receiver_channel *keep_or_make(struct receivers *receivers,
                                             const struct receiver_options *receiver,
                                             size_t index) {
    char *name = channel_name(receiver, index);
    const struct channel_options *options = &receiver->channels[index];
    struct receiver_channel *channel = find_channel(receivers, name);
    if (channel == NULL) {
        channel = channel_begin(receivers, receiver->name, name);
        connect_channel(receivers, channel, receiver->name, options);
        return channel;
    }
    free(name);
    if (!channel_options_equal(options, channel->options)) {
        connect_channel(receivers, channel, receiver->name, options);
    }
    for (size_t i = 0; i < receivers->n_channels; i++) {
        if (receivers->channels[i] == channel) {
            receivers->channels[i] = NULL;
        }
    }
    return channel;
}

static void drop_old_channels(struct receivers *receivers) {
    for (size_t i = 0; i < receivers->n_channels; i++) {
        struct receiver_channel *channel = receivers->channels[i];
        if (channel == NULL) {
            continue;
        }
        size_t queued = outbox_stats(channel->outbox).queued;
        if (queued > 0) {
            log_warn("receiver '%s' is no more: %zu notifications that waited are dropped",
                     channel->name, queued);
        }
        channel_end(channel);
    }
    free(receivers->channels);
}

static void take_channels(struct receivers *receivers, const struct notify_options *options) {
    struct receiver_channel **channels = NULL;
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < options->n_receivers; i++) {
        const struct receiver_options *receiver = &options->receivers[i];
        for (size_t k = 0; k < receiver->n_channels; k++) {
            channels = mem_grow(channels, n, &capacity, sizeof(*channels));
            channels[n] = keep_or_make(receivers, receiver, k);
            channels[n++]->receiver_index = i;
        }
    }
    drop_old_channels(receivers);
    receivers->channels = channels;
    receivers->n_channels = n;
}

static void apply_to_groups(struct receivers *receivers, const struct notify_options *options) {
    struct groups_channel *channels = mem_array(receivers->n_channels + 1, sizeof(*channels));
    for (size_t i = 0; i < receivers->n_channels; i++) {
        const struct receiver_channel *channel = receivers->channels[i];
        channels[i] = (struct groups_channel){
            .name = channel->name,
            .receiver = options->receivers[channel->receiver_index].name,
            .receiver_index = channel->receiver_index,
            .send_resolved = channel->options->send_resolved,
        };
    }
    struct router *old = receivers->router;
    receivers->router = router_new(options);
    groups_apply(receivers->groups, receivers->router, channels, receivers->n_channels);
    (void)router_free(old);
    free(channels);
}

/* The file is there as soon as there is somebody to tell, or something of the last time. */
static void begin(struct receivers *receivers, const struct notify_options *options) {
    if (receivers->state_path == NULL) {
        if (options->n_receivers > 0) {
            log_warn("notifications are kept in memory only: after a restart some may be told "
                     "twice or not at all");
        }
        return;
    }
    load_state(receivers);
    receivers->disk =
        worker_pool_new(receivers->parts.loop, &(struct worker_options){.max_running = 1});
    receivers->file = durable_file_new(&(struct durable_options){
        .loop = receivers->parts.loop,
        .pool = receivers->disk,
        .path = receivers->state_path,
        .written = written,
        .userdata = receivers,
    });
}

void receivers_apply(struct receivers *receivers, const struct notify_options *options) {
    bool first = receivers->router == NULL;
    if (first && options->n_receivers == 0) {
        return; /* nothing to be told; what the file holds stays there */
    }
    take_channels(receivers, options);
    if (first) {
        begin(receivers, options);
    }
    apply_to_groups(receivers, options);
    note_change(receivers);
}

/* ---- life ---- */

struct receivers *receivers_new(const struct receivers_parts *parts) {
    struct receivers *receivers = mem_alloc(sizeof(*receivers));
    receivers->parts = *parts;
    if (parts->storage_path != NULL) {
        receivers->state_path = mem_printf("%s/%s", parts->storage_path, STATE_FILE);
    }
    receivers->groups =
        groups_new(&(struct groups_options){.put = put, .cancel = cancel, .userdata = receivers});
    receivers->soon = loop_deferred_new(parts->loop, look, receivers);
    receivers->due = loop_timer_new(parts->loop, look, receivers);
    receivers->save = loop_timer_new(parts->loop, save_due, receivers);
    return receivers;
}

static void write_last_state(struct receivers *receivers) {
    struct strbuf state = {0};
    struct error err = {0};
    pack_state(receivers, &state);
    if (durable_write_now(receivers->state_path, strbuf_view(&state), &err) < 0) {
        log_error("notifications: %s", err.text);
    }
    strbuf_deinit(&state);
}

struct receivers *receivers_free(struct receivers *receivers) {
    if (receivers == NULL) {
        return NULL;
    }
    if (receivers->file != NULL) {
        /* What is being written now must not come after the last state. */
        (void)durable_file_free(receivers->file);
        (void)worker_pool_free(receivers->disk);
        write_last_state(receivers);
    }
    (void)loop_deferred_free(receivers->soon);
    (void)loop_timer_free(receivers->due);
    (void)loop_timer_free(receivers->save);
    for (size_t i = 0; i < receivers->n_channels; i++) {
        channel_end(receivers->channels[i]);
    }
    free(receivers->channels);
    (void)groups_free(receivers->groups);
    (void)router_free(receivers->router);
    free(receivers->state_path);
    free(receivers);
    return NULL;
}

/* ---- metrics ---- */

size_t receivers_queued(const struct receivers *receivers) {
    size_t queued = 0;
    for (size_t i = 0; i < receivers->n_channels; i++) {
        queued += outbox_stats(receivers->channels[i]->outbox).queued;
    }
    return queued;
}

void receivers_collect(const struct receivers *receivers, struct batch *batch) {
    if (receivers->router == NULL) {
        return;
    }
    for (size_t i = 0; i < receivers->n_channels; i++) {
        outbox_collect(receivers->channels[i]->outbox, batch);
    }
    const struct batch_labels none = {0, 0};
    struct groups_stats stats = groups_stats(receivers->groups);
    delivery_add(batch, DELIVERY_ROW_GROUPS, none, (double)stats.groups);
    delivery_add(batch, DELIVERY_ROW_GROUP_ALERTS, none, (double)stats.alerts);
    delivery_add(batch, DELIVERY_ROW_UNROUTED, none, (double)stats.unrouted);
    delivery_add(batch, DELIVERY_ROW_OVERFLOWS, none, (double)stats.dropped);
}
