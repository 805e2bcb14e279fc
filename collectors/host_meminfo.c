/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/meminfo: every line is a metric, "Active(anon): 12 kB" is node_memory_Active_anon_bytes. */
#include "collectors/collector.h"
#include "collectors/support.h"

enum { NAME_OF, BYTES, COUNT, COLUMNS };

/* The second word belongs to one column or the other, by the third. */
static const struct query queries[] = {
    {0, 0, "/proc/meminfo", SHAPE_WORDS, "name bytes count"},
    {0},
};

static const struct column columns[] = {
    {"bytes", GAUGE, "node_memory_*_bytes",
     "Memory by what it is used for, under the kernel's names: MemTotal, MemAvailable (what can be "
     "had without swapping), Cached, SwapFree, Dirty and others.",
     .scale = 1024},
    {"count", GAUGE, "node_memory_*", "Huge pages, by what they are used for."},
    {"name", NAME},
    {0},
};

/* "Active(anon):" is Active_anon. */
static struct str plain_name(struct arena *arena, struct str name) {
    char *out = arena_alloc(arena, name.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c != ')' && c != ':') {
            out[len++] = c == '(' ? '_' : c;
        }
    }
    return (struct str){out, len};
}

static bool edit(const struct sample_context *context, const struct table *table,
                 struct str *cells) {
    if (table->n_columns != COLUMNS || cells[NAME_OF].len == 0) {
        return false;
    }
    bool is_bytes = str_is(cells[COUNT], "kB");
    cells[NAME_OF] = plain_name(context->arena, cells[NAME_OF]);
    cells[COUNT] = is_bytes ? (struct str){0} : cells[BYTES];
    cells[BYTES] = is_bytes ? cells[BYTES] : (struct str){0};
    return true;
}

extern const struct collector collector_host_meminfo;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_edited_rows(&collector_host_meminfo, context, answer, NULL, edit, batch, err);
}

const struct collector collector_host_meminfo = {
    .name = "meminfo",
    .help = "What memory is used for.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
