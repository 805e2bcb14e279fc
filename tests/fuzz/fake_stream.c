/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/fuzz/fake_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

struct stream {
    struct stream_events events;
};

static struct stream *last;

struct stream *stream_new(struct loop *loop, struct resolver *resolver,
                          const struct stream_address *address,
                          const struct stream_events *events) {
    last = mem_alloc(sizeof(*last));
    last->events = *events;
    return last;
}

void stream_open(struct stream *stream) {
}

void stream_write(struct stream *stream, const void *data, size_t len) {
}

size_t stream_queued(const struct stream *stream) {
    return 0;
}

struct stream *stream_free(struct stream *stream) {
    if (stream == last) {
        last = NULL;
    }
    free(stream);
    return NULL;
}

struct stream *fake_stream_last(void) {
    return last;
}

void fake_stream_connect(struct stream *stream) {
    stream->events.connected(stream->events.userdata);
}

/* A copy of the exact size: the sanitizers see the first byte that is read behind it. */
void fake_stream_receive(struct stream *stream, struct str data) {
    char *copy = mem_dup(data.data, data.len);
    stream->events.received(stream->events.userdata, copy, data.len);
    free(copy);
}

void fake_stream_close(struct stream *stream) {
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_CLOSED};
    error_say(&failure.error, -ECONNRESET, "the server closed the connection");
    stream->events.ended(stream->events.userdata, &failure);
}
