/* SPDX-License-Identifier: Apache-2.0 */

/* The state of receivers as bytes: version, checksum, what was told and what waits. */
#include <errno.h>
#include <stdlib.h>

#include "actions/private_receivers.h"
#include "base/mem.h"

#define MAGIC               "dbvitals notifications 1\n"
#define LEAST_CHANNEL_BYTES 16 /* a length and a count */

void receivers_pack(const struct groups *groups, struct receiver_channel *const *channels, size_t n,
                    struct groups_time time, struct strbuf *out) {
    struct strbuf body = {0};
    pack_i64(&body, time.wall_ms);
    groups_pack(groups, time, &body);
    pack_u64(&body, n);
    for (size_t i = 0; i < n; i++) {
        pack_str(&body, str_of(channels[i]->name));
        outbox_pack(channels[i]->outbox, time.wall_ms, &body);
    }
    strbuf_add_text(out, MAGIC);
    pack_u64(out, crc32c(body.data, body.len));
    strbuf_add_str(out, strbuf_view(&body));
    strbuf_deinit(&body);
}

static struct outbox *find_outbox(struct receiver_channel *const *channels, size_t n,
                                  struct str name) {
    for (size_t i = 0; i < n; i++) {
        if (str_is(name, channels[i]->name)) {
            return channels[i]->outbox;
        }
    }
    return NULL;
}

/* Reads the queue of a channel that is no more. Return: how many waited there. */
static size_t skip_queue(struct loop *loop, int64_t wall_ms, struct unpacker *in) {
    struct outbox *outbox =
        outbox_new(&(struct outbox_options){.loop = loop, .receiver = "", .channel = ""});
    (void)outbox_unpack(outbox, wall_ms, in);
    size_t n = outbox_clear(outbox);
    (void)outbox_free(outbox);
    return n;
}

int receivers_unpack(struct str bytes, struct groups_time time, struct groups *groups,
                     struct receiver_channel *const *channels, size_t n, struct loop *loop,
                     size_t *ret_dropped, struct error *err) {
    const size_t magic = sizeof(MAGIC) - 1;
    size_t dropped = 0;
    if (bytes.len < magic || memcmp(bytes.data, MAGIC, magic) != 0) {
        return error_say(err, -EINVAL, "it does not begin as notifications of this version");
    }
    struct unpacker in = {{bytes.data + magic, bytes.len - magic}, false};
    uint64_t sum = unpack_u64(&in);
    if (in.bad || sum != crc32c(in.rest.data, in.rest.len)) {
        return error_say(err, -EINVAL, "its checksum is wrong: it is cut short or damaged");
    }
    (void)unpack_i64(&in); /* when it was written: for people who look into it */
    (void)groups_unpack(groups, time, &in);
    size_t count = unpack_count(&in, LEAST_CHANNEL_BYTES);
    for (size_t i = 0; !in.bad && i < count; i++) {
        struct outbox *outbox = find_outbox(channels, n, unpack_str(&in));
        if (outbox != NULL) {
            (void)outbox_unpack(outbox, time.wall_ms, &in);
        } else {
            dropped += skip_queue(loop, time.wall_ms, &in);
        }
    }
    if (!in.bad && in.rest.len == 0) {
        *ret_dropped = dropped;
        return 0;
    }
    in.bad = true;
    (void)groups_unpack(groups, time, &in); /* which empties them */
    for (size_t i = 0; i < n; i++) {
        (void)outbox_clear(channels[i]->outbox);
    }
    return error_say(err, -EINVAL, "its contents are not what its length says");
}
