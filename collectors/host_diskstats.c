/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/diskstats: what disks have done. Partitions and memory are left out, as node_exporter does.
 */
#include "collectors/collector.h"
#include "collectors/support.h"

#define DEVICE 2 /* its column */
#define SECTOR 512
#define PER_MS 0.001

static const struct query queries[] = {
    {0, 0, "/proc/diskstats", SHAPE_WORDS,
     "major minor device reads reads_merged sectors_read ms_reading writes writes_merged "
     "sectors_written ms_writing ios ms_io ms_weighted discards discards_merged sectors_discarded "
     "ms_discarding flushes ms_flushing"},
    {0},
};

static const struct column columns[] = {
    {"device", LABEL, "device"},
    {"discards", COUNTER, "node_disk_discards_completed_total", "Discards that ended well."},
    {"discards_merged", COUNTER, "node_disk_discards_merged_total", "Discards that were merged."},
    {"flushes", COUNTER, "node_disk_flush_requests_total", "Flushes that ended well."},
    {"ios", GAUGE, "node_disk_io_now", "Requests that the disk works on."},
    {"ms_discarding", COUNTER, "node_disk_discard_time_seconds_total",
     "Time that all discards took.", .scale = PER_MS},
    {"ms_flushing", COUNTER, "node_disk_flush_requests_time_seconds_total",
     "Time that all flushes took.", .scale = PER_MS},
    {"ms_io", COUNTER, "node_disk_io_time_seconds_total",
     "Time in which the disk had something to do.", .scale = PER_MS},
    {"ms_reading", COUNTER, "node_disk_read_time_seconds_total", "Time that all reads took.",
     .scale = PER_MS},
    {"ms_weighted", COUNTER, "node_disk_io_time_weighted_seconds_total",
     "Time that requests waited and were worked on, of all of them together.", .scale = PER_MS},
    {"ms_writing", COUNTER, "node_disk_write_time_seconds_total", "Time that all writes took.",
     .scale = PER_MS},
    {"reads", COUNTER, "node_disk_reads_completed_total", "Reads that ended well."},
    {"reads_merged", COUNTER, "node_disk_reads_merged_total", "Reads that were merged."},
    {"sectors_discarded", COUNTER, "node_disk_discarded_sectors_total", "Sectors discarded."},
    {"sectors_read", COUNTER, "node_disk_read_bytes_total", "Bytes read.", .scale = SECTOR},
    {"sectors_written", COUNTER, "node_disk_written_bytes_total", "Bytes written.",
     .scale = SECTOR},
    {"writes", COUNTER, "node_disk_writes_completed_total", "Writes that ended well."},
    {"writes_merged", COUNTER, "node_disk_writes_merged_total", "Writes that were merged."},
    {0},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void cut_digits(struct str *text) {
    while (text->len > 0 && is_digit(text->data[text->len - 1])) {
        text->len--;
    }
}

/* Whether the text ends in what was cut off, and did so by at least one byte. */
static bool cut_end(struct str *text, const char *end) {
    size_t len = strlen(end);
    bool there = text->len > len && memcmp(text->data + text->len - len, end, len) == 0;
    text->len -= there ? len : 0;
    return there;
}

/* nvme0n1p2, without the last number: digits, p, digits, n, digits. */
static bool is_nvme_partition(struct str stem) {
    if (!cut_end(&stem, "p")) {
        return false;
    }
    size_t before = stem.len;
    cut_digits(&stem);
    if (stem.len == before || !cut_end(&stem, "n")) {
        return false;
    }
    before = stem.len;
    cut_digits(&stem);
    return stem.len < before && str_is(stem, "nvme");
}

/* hda1, sda1, vda1, xvda1, without the number. */
static bool is_disk_partition(struct str stem) {
    static const char *const disks[] = {"hd", "sd", "vd", "xvd"};
    if (stem.len == 0 || stem.data[stem.len - 1] < 'a' || stem.data[stem.len - 1] > 'z') {
        return false;
    }
    stem.len--;
    for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
        if (str_is(stem, disks[i])) {
            return true;
        }
    }
    return false;
}

static bool is_hidden(struct str device) {
    static const char *const numbered[] = {"ram", "zram", "loop", "fd"};
    struct str stem = device;
    cut_digits(&stem);
    if (stem.len == device.len) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbered); i++) {
        if (str_is(stem, numbered[i])) {
            return true;
        }
    }
    return is_disk_partition(stem) || is_nvme_partition(stem);
}

static bool edit(const struct sample_context *context, const struct table *table,
                 struct str *cells) {
    return table->n_columns > DEVICE && cells[DEVICE].len > 0 && !is_hidden(cells[DEVICE]);
}

extern const struct collector collector_host_diskstats;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_edited_rows(&collector_host_diskstats, context, answer, NULL, edit, batch, err);
}

const struct collector collector_host_diskstats = {
    .name = "diskstats",
    .help = "What the disks do.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
