/* SPDX-License-Identifier: Apache-2.0 */

/* What does not depend on the library: a body compressed at once. */
#include "store/gzip.h"

#include "base/mem.h"

/* Pages shrink to a seventh; what this room does not hold grows as it goes. */
#define EXPECTED_FRACTION 6
#define LEAST_ROOM        1024

struct buffer *gzip_whole(const struct buffer *plain) {
    CLEANUP(gzip_stream_freep)
    struct gzip_stream *stream = gzip_stream_new();
    struct str rest = {plain->data, plain->len};
    struct strbuf out = {0};
    bool ended = false;
    if (stream == NULL) {
        return NULL;
    }
    strbuf_reserve(&out, plain->len / EXPECTED_FRACTION + LEAST_ROOM);
    while (!ended) {
        char *to = strbuf_reserve(&out, LEAST_ROOM);
        out.len += gzip_stream_step(stream, &rest, true, to, out.capacity - out.len - 1, &ended);
    }
    out.capacity = out.len + 1;
    out.data = mem_resize(out.data, out.capacity, 1);
    return buffer_new(&out);
}
