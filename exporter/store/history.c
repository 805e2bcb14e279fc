/* SPDX-License-Identifier: Apache-2.0 */

/* Keeping the past: writers, blocks and what becomes of the oldest.
 *
 * A block is open while its writer adds to it, then sealed. Sealed blocks of all series stand in a
 * queue by the time of sealing, so that expiry and the limit on bytes take from its beginning;
 * within a series that is its first block. There are two queues: of metrics whose past is kept as
 * long as that of most, and of those that are kept longer. When a series is freed its sealed blocks
 * lose their owner and leave the queue when it is their turn.
 *
 * A series' blocks are walked from both ends: expiry comes from the oldest, and most questions are
 * about the newest. Each holds the numbers of its neighbours as one, by XOR; who comes from the one
 * gets the other. */
#include "store/history.h"

#include <stdlib.h>

#include "base/macros.h"
#include "base/mem.h"
#include "store/private.h"

#define NO_BLOCK     0 /* numbers of blocks begin with 1 */
#define BLOCK_SIZE   128
#define SLAB_BLOCKS  128
#define LOG_OVERHEAD 32 /* of its allocation */
/* Beyond the first 8 MiB slabs come from large pages: forking copies an entry for each page, which
 * takes milliseconds with 256 MiB in small ones. */
#define REGION_SLABS (MEM_LARGE_BYTES / (SLAB_BLOCKS * BLOCK_SIZE))
#define SMALL_SLABS  (4 * REGION_SLABS)

struct history_block {
    struct series *owner; /* NULL: of a series that was freed */
    union {
        uint32_t link; /* of the series: the numbers of both neighbours, by XOR */
        uint32_t next; /* of free ones of the slab */
    };
    uint32_t next_sealed;
    uint32_t first_tick;
    uint16_t n_bits; /* when sealed */
    uint8_t payload[CHUNK_PAYLOAD_SIZE];
};
_Static_assert(sizeof(struct history_block) == BLOCK_SIZE, "a block fills two cache lines");

struct history_slab {
    struct history_block *blocks; /* SLAB_BLOCKS; NULL while none is used */
    uint32_t first_free, n_used;
};

/* Slabs that share a large page: a slab's place in it follows from its number. */
struct history_region {
    struct history_block *blocks; /* NULL while none is used */
    uint32_t n_used;              /* slabs */
};

/* --- Blocks --- */

static struct history_block *get_block(const struct history *history, uint32_t number) {
    return &history->slabs[(number - 1) / SLAB_BLOCKS].blocks[(number - 1) % SLAB_BLOCKS];
}

static size_t bytes_of(const struct history *history) {
    return history->n_slabs_used * SLAB_BLOCKS * BLOCK_SIZE + history->log_bytes +
           history->writer_bytes;
}

static struct history_block *take_memory(struct history *history, size_t at) {
    if (at < SMALL_SLABS) {
        return mem_aligned(64, SLAB_BLOCKS * BLOCK_SIZE);
    }
    const size_t number = (at - SMALL_SLABS) / REGION_SLABS;
    while (number >= history->n_regions) {
        history->regions = mem_grow(history->regions, history->n_regions,
                                    &history->regions_capacity, sizeof(*history->regions));
        history->regions[history->n_regions++] = (struct history_region){0};
    }
    struct history_region *region = &history->regions[number];
    if (region->blocks == NULL) {
        region->blocks = mem_large();
    }
    region->n_used++;
    return region->blocks + at % REGION_SLABS * SLAB_BLOCKS;
}

static void give_memory(struct history *history, size_t at) {
    if (at < SMALL_SLABS) {
        free(history->slabs[at].blocks);
        return;
    }
    struct history_region *region = &history->regions[(at - SMALL_SLABS) / REGION_SLABS];
    if (--region->n_used == 0) {
        mem_large_free(region->blocks);
        region->blocks = NULL;
    }
}

static void fill_slab(struct history *history, size_t at) {
    struct history_slab *slab = &history->slabs[at];
    slab->blocks = take_memory(history, at);
    slab->first_free = (uint32_t)(at * SLAB_BLOCKS) + 1;
    slab->n_used = 0;
    for (uint32_t i = 0; i < SLAB_BLOCKS; i++) {
        slab->blocks[i].next = i + 1 < SLAB_BLOCKS ? slab->first_free + i + 1 : NO_BLOCK;
    }
    history->n_slabs_used++;
}

/* Return: whether history->free_slab has a free block; else it is one behind the last slab. */
static bool find_free(struct history *history) {
    while (history->free_slab < history->n_slabs) {
        const struct history_slab *slab = &history->slabs[history->free_slab];
        if (slab->blocks != NULL && slab->first_free != NO_BLOCK) {
            return true;
        }
        history->free_slab++;
    }
    return false;
}

/* Return: false when it would be above the limit. */
static bool add_slab(struct history *history) {
    size_t at = 0;
    if (bytes_of(history) + SLAB_BLOCKS * BLOCK_SIZE > history->most_bytes) {
        return false;
    }
    while (at < history->n_slabs && history->slabs[at].blocks != NULL) {
        at++;
    }
    if (at == history->n_slabs) {
        history->slabs =
            mem_grow(history->slabs, at, &history->slabs_capacity, sizeof(*history->slabs));
        history->slabs[history->n_slabs++] = (struct history_slab){0};
    }
    fill_slab(history, at);
    history->free_slab = at;
    return true;
}

static void release_block(struct history *history, uint32_t number) {
    const size_t at = (number - 1) / SLAB_BLOCKS;
    struct history_slab *slab = &history->slabs[at];
    get_block(history, number)->next = slab->first_free;
    slab->first_free = number;
    history->n_blocks--;
    if (--slab->n_used == 0) {
        give_memory(history, at);
        slab->blocks = NULL;
        history->n_slabs_used--;
    }
    if (at < history->free_slab) {
        history->free_slab = at;
    }
}

/* A metric whose past is no longer kept as long has older blocks in the other queue: these are too
 * old, too. */
static void make_first(struct history *history, struct series_writer *writer, uint32_t number) {
    while (writer->first_block != number) {
        struct history_block *older = get_block(history, writer->first_block);
        get_block(history, older->link)->link ^= writer->first_block;
        writer->first_block = older->link;
        older->owner = NULL;
    }
}

/* Takes the oldest sealed block of a queue away from its series. */
static void pop_sealed(struct history *history, struct block_queue *queue) {
    const uint32_t number = queue->oldest;
    struct history_block *block = get_block(history, number);
    queue->oldest = block->next_sealed;
    if (block->owner != NULL) {
        struct series_writer *writer = series_writer(block->owner);
        make_first(history, writer, number);
        writer->first_block = block->link; /* it has one neighbour at most */
        if (writer->last_block == number) {
            writer->last_block = NO_BLOCK;
        } else {
            get_block(history, writer->first_block)->link ^= number;
        }
    }
    release_block(history, number);
}

/* When the oldest block of a queue begins, as far as that is still known. */
static int64_t oldest_ms(const struct history *history, const struct block_queue *queue) {
    if (queue->oldest == NO_BLOCK) {
        return INT64_MAX;
    }
    const struct history_block *block = get_block(history, queue->oldest);
    if (block->owner == NULL) {
        return INT64_MIN;
    }
    const struct time_log *log = &block->owner->source->log;
    const bool is_known = (int32_t)(block->first_tick - log->first) >= 0;
    return time_log_time(log, is_known ? block->first_tick : log->first);
}

/* Return: false when there is no sealed block. */
static bool evict(struct history *history) {
    struct block_queue *usual = &history->queues[PAST_USUAL], *kept = &history->queues[PAST_LONG];
    struct block_queue *queue =
        oldest_ms(history, usual) <= oldest_ms(history, kept) ? usual : kept;
    if (queue->oldest == NO_BLOCK) {
        return false;
    }
    history->evicted_blocks += get_block(history, queue->oldest)->owner != NULL;
    pop_sealed(history, queue);
    return true;
}

/* Return: NO_BLOCK when the limit leaves none. */
static uint32_t take_block(struct history *history) {
    while (!find_free(history) && !add_slab(history)) {
        if (!evict(history)) {
            return NO_BLOCK;
        }
    }
    struct history_slab *slab = &history->slabs[history->free_slab];
    const uint32_t number = slab->first_free;
    struct history_block *block = get_block(history, number);
    slab->first_free = block->next;
    slab->n_used++;
    history->n_blocks++;
    *block = (struct history_block){.link = NO_BLOCK, .next_sealed = NO_BLOCK};
    return number;
}

/* --- Writing --- */

static bool has_open_block(const struct series_writer *writer) {
    return writer->chunk.flushed > 0;
}

/* Return: its payload, or NULL when the limit leaves none. */
static uint8_t *open_block(struct history *history, struct series *series) {
    struct series_writer *writer = series_writer(series);
    const uint32_t number = take_block(history); /* may take one away from this series */
    if (number == NO_BLOCK) {
        return NULL;
    }
    struct history_block *block = get_block(history, number);
    block->owner = series;
    block->first_tick = writer->chunk.first_tick;
    if (writer->last_block != NO_BLOCK) {
        get_block(history, writer->last_block)->link ^= number;
        block->link = writer->last_block;
    } else {
        writer->first_block = number;
    }
    writer->last_block = number;
    return block->payload;
}

static void seal_block(struct history *history, const struct series *series) {
    struct series_writer *writer = series_writer(series);
    struct block_queue *queue = &history->queues[series->family->past];
    const uint32_t number = writer->last_block;
    struct history_block *block = get_block(history, number);
    block->n_bits = (uint16_t)chunk_end(&writer->chunk, block->payload);
    if (queue->oldest == NO_BLOCK) {
        queue->oldest = number;
    } else {
        get_block(history, queue->newest)->next_sealed = number;
    }
    queue->newest = number;
}

static void write_sample(struct history *history, struct series *series,
                         const struct chunk_sample *sample, uint64_t newest) {
    struct series_writer *writer = series_writer(series);
    uint8_t *payload =
        has_open_block(writer) ? get_block(history, writer->last_block)->payload : NULL;
    if (writer->chunk.step == 0) { /* its first sample */
        chunk_begin(&writer->chunk, sample->tick);
    }
    for (;;) {
        switch (chunk_append(&writer->chunk, sample, newest, payload)) {
        case CHUNK_DONE:
            return;
        case CHUNK_NEEDS_PAYLOAD:
            payload = open_block(history, series);
            if (payload != NULL) {
                break;
            }
            /* No room even for the newest: what the writer holds goes. */
            chunk_begin(&writer->chunk, sample->tick);
            break;
        case CHUNK_FULL:
            seal_block(history, series);
            chunk_begin(&writer->chunk, sample->tick);
            payload = NULL;
            break;
        }
    }
}

static int64_t before(int64_t t_ms, int64_t distance_ms) {
    return t_ms < INT64_MIN + distance_ms ? INT64_MIN : t_ms - distance_ms;
}

static size_t log_bytes(const struct time_log *log) {
    return log->capacity != 0 ? log->capacity * sizeof(*log->times) + LOG_OVERHEAD : 0;
}

static bool find_tick(struct store_source *source, int64_t t_ms, struct chunk_sample *sample) {
    struct history *history = &source->store->history;
    struct time_log *log = &source->log;
    const uint32_t next = log->next;
    if (next != log->first && time_log_time(log, next - 1) == t_ms) { /* all but a round's first */
        sample->tick = next - 1;
        return true;
    }
    const size_t bytes = log_bytes(log);
    if (!time_log_find(log, t_ms, &sample->tick, &sample->offset)) {
        return false;
    }
    history->log_bytes += log_bytes(log) - bytes;
    if (log->next != next) {
        time_log_trim(log, before(t_ms, past_of_source_ms(source)));
    }
    return true;
}

/* A sample that cannot be kept is not known to the writer: what follows begins anew. */
static void interrupt(struct history *history, struct series *series) {
    struct series_writer *writer = series_writer(series);
    if (writer->chunk.step == 0) {
        return;
    }
    if (has_open_block(writer) || open_block(history, series) != NULL) {
        seal_block(history, series);
    }
    chunk_begin(&writer->chunk, series->source->log.next - 1);
}

void history_append(struct series *series, int64_t t_ms, uint64_t newest, uint64_t bits) {
    struct store_source *source = series->source;
    struct history *history = &source->store->history;
    struct chunk_sample sample = {.bits = bits};
    if (find_tick(source, t_ms, &sample)) {
        history->samples++;
        write_sample(history, series, &sample, newest);
    } else {
        interrupt(history, series);
    }
}

/* --- Forgetting --- */

void history_forget(struct series *series) {
    struct history *history = &series->source->store->history;
    if (history->retention_ms == 0) {
        return;
    }
    struct series_writer *writer = series_writer(series);
    const uint32_t open = has_open_block(writer) ? writer->last_block : NO_BLOCK;
    for (uint32_t number = writer->first_block, before = NO_BLOCK; number != NO_BLOCK;) {
        struct history_block *block = get_block(history, number);
        const uint32_t next = block->link ^ before;
        if (number == open) {
            release_block(history, number);
        } else {
            block->owner = NULL;
        }
        before = number;
        number = next;
    }
    *writer = (struct series_writer){0};
}

void history_forget_log(struct store_source *source) {
    source->store->history.log_bytes -= log_bytes(&source->log);
    time_log_deinit(&source->log);
}

/* Whether all of the oldest block is before its source's oldest time, or at it: that one is too old
 * already, or the source is silent. A block that stayed would keep all others. */
static bool is_expired(struct history *history, enum past past) {
    const uint32_t number = history->queues[past].oldest;
    const struct history_block *block = get_block(history, number);
    if (block->owner == NULL) {
        return true;
    }
    const struct store_source *source = block->owner->source;
    struct series_writer *writer = series_writer(block->owner);
    if (past == PAST_USUAL) {
        make_first(history, writer, number);
    } else if (writer->first_block != number) {
        return false; /* it has others still from when it was not kept as long */
    }
    const uint32_t behind = block->link != NO_BLOCK ? get_block(history, block->link)->first_tick
                                                    : writer->chunk.first_tick;
    const uint32_t first = past == PAST_USUAL ? source->usual_tick : source->log.first;
    return (int32_t)(behind - first) <= 0;
}

/* Time logs and new series may have gone above it since. Blocks that are free in slabs of others
 * are no reason to take more. */
static void keep_limit(struct history *history) {
    while (history->n_blocks * BLOCK_SIZE + history->log_bytes + history->writer_bytes >
               history->most_bytes &&
           evict(history)) {}
}

/* One time before the oldest that is wanted stays, too: a late sample may stand behind it. */
static void expire_times(struct store_source *source, int64_t now_ms) {
    const int64_t usual_ms = before(now_ms, source->store->history.retention_ms);
    time_log_trim(&source->log, before(now_ms, past_of_source_ms(source)));
    source->usual_tick = time_log_after(&source->log, usual_ms);
    source->usual_tick -= source->usual_tick != source->log.first;
}

void history_expire(struct store *store, int64_t now_ms) {
    struct history *history = &store->history;
    if (history->retention_ms == 0) {
        return;
    }
    struct store_source *source;
    for (size_t i = 0; (source = store_nth_source(store, i)) != NULL; i++) {
        expire_times(source, now_ms);
    }
    for (int past = 0; past < N_PASTS; past++) {
        struct block_queue *queue = &history->queues[past];
        while (queue->oldest != NO_BLOCK && is_expired(history, (enum past)past)) {
            pop_sealed(history, queue);
        }
    }
    keep_limit(history);
}

void history_deinit(struct history *history) {
    for (size_t i = 0; i < history->n_slabs; i++) {
        if (history->slabs[i].blocks != NULL) {
            give_memory(history, i);
        }
    }
    free(history->slabs);
    free(history->regions);
    *history = (struct history){0};
}

void store_set_history(struct store *store, int64_t retention_ms, size_t history_bytes) {
    struct history *history = &store->history;
    struct store_source *source;
    const bool had = history->retention_ms > 0, wanted = retention_ms > 0;
    if (had && !wanted) {
        const struct history kept = {
            .samples = history->samples,
            .evicted_blocks = history->evicted_blocks,
            .long_ms = history->long_ms,
            .long_names = history->long_names,
            .n_long_names = history->n_long_names,
        };
        history_deinit(history);
        *history = kept;
    }
    history->retention_ms = wanted ? retention_ms : 0;
    history->most_bytes = history_bytes;
    for (size_t i = 0; had != wanted && (source = store_nth_source(store, i)) != NULL; i++) {
        source_change_writers(source);
        time_log_deinit(&source->log);
    }
    keep_limit(history);
}

struct history_numbers store_history_numbers(const struct store *store) {
    const struct history *history = &store->history;
    return (struct history_numbers){
        .bytes = bytes_of(history),
        .blocks = history->n_blocks,
        .samples = history->samples,
        .evicted_blocks = history->evicted_blocks,
    };
}

/* --- Reading --- */

/* What is asked for, as times and ticks. */
struct window {
    const struct time_log *log;
    int64_t from_ms, to_ms;
    uint32_t from, to; /* ticks whose times are wanted: from <= tick < to */
    struct sample_buffer *out;
};

void sample_buffer_deinit(struct sample_buffer *buffer) {
    free(buffer->t_ms);
    free(buffer->values);
    *buffer = (struct sample_buffer){0};
}

static void reserve(struct sample_buffer *out, size_t more) {
    if (out->n + more > out->capacity) {
        const size_t wanted = out->n + more;
        out->capacity = out->capacity * 2 > wanted ? out->capacity * 2 : wanted;
        out->t_ms = mem_resize(out->t_ms, out->capacity, sizeof(*out->t_ms));
        out->values = mem_resize(out->values, out->capacity, sizeof(*out->values));
    }
}

static void add_sample(struct sample_buffer *out, int64_t t_ms, double value) {
    reserve(out, 1);
    out->t_ms[out->n] = t_ms;
    out->values[out->n++] = value;
}

/* A sample behind its tick; that tick may be before the window. */
static void add_late(const struct window *window, const struct chunk_run *run) {
    if ((int32_t)(run->tick - window->log->first) < 0) {
        return;
    }
    const int64_t t_ms = time_log_time(window->log, run->tick) + run->offset;
    if (t_ms > window->from_ms && t_ms <= window->to_ms) {
        add_sample(window->out, t_ms, chunk_run_value(run, 0));
    }
}

/* Samples first to end - 1 of those in a row are wanted. */
struct part {
    uint32_t first, end;
};

static struct part wanted_part(const struct window *window, uint32_t tick, uint32_t step,
                               uint32_t count) {
    struct part part = {0, count};
    const int32_t early = (int32_t)(window->from - tick);
    if (early > 0) {
        part.first = ((uint32_t)early + step - 1) / step;
    }
    const int32_t room = (int32_t)(window->to - (tick + part.first * step));
    if (part.first >= count || room <= 0) {
        return (struct part){0};
    }
    const uint32_t fitting = ((uint32_t)room + step - 1) / step;
    part.end = count - part.first < fitting ? count : part.first + fitting;
    return part;
}

static void add_run(const struct window *window, const struct chunk_run *run) {
    const struct part part = wanted_part(window, run->tick, run->step, run->count);
    struct sample_buffer *out = window->out;
    reserve(out, part.end - part.first);
    for (uint32_t i = part.first; i < part.end; i++) {
        out->t_ms[out->n] = time_log_time(window->log, run->tick + i * run->step);
        out->values[out->n++] = chunk_run_value(run, i);
    }
}

static void add_numbers(const struct window *window, const struct chunk_numbers *numbers) {
    const struct part part = wanted_part(window, numbers->tick, numbers->step, numbers->count);
    struct sample_buffer *out = window->out;
    reserve(out, part.end - part.first);
    for (uint32_t i = part.first; i < part.end; i++) {
        out->t_ms[out->n] = time_log_time(window->log, numbers->tick + i * numbers->step);
        out->values[out->n++] = numbers->values[i];
    }
}

static void add_all(const struct window *window, struct chunk_reader *reader) {
    struct chunk_numbers numbers;
    struct chunk_run run;
    for (;;) {
        if (chunk_next_numbers(reader, &numbers) > 0) {
            add_numbers(window, &numbers);
        }
        if (!chunk_next(reader, &run)) {
            return;
        }
        if (run.offset != 0) {
            add_late(window, &run);
        } else if (run.count > 1) {
            add_run(window, &run);
        } else if ((int32_t)(run.tick - window->from) >= 0 &&
                   (int32_t)(run.tick - window->to) < 0) {
            add_sample(window->out, time_log_time(window->log, run.tick), chunk_run_first(&run));
        }
    }
}

/* A place among the blocks of a series. */
struct block_place {
    uint32_t number, before; /* this one and the one before it; NO_BLOCK behind the last */
};

/* Whether all that is older is before the window. A block's last samples may stand behind the tick
 * before the next block, so that tick decides. */
static bool begins_before(uint32_t first_tick, const struct window *window) {
    return (int32_t)(first_tick - window->from) < -1;
}

/* The oldest block that may hold samples of the window, looked for from the newest on. */
static struct block_place find_first(const struct history *history,
                                     const struct series_writer *writer,
                                     const struct window *window) {
    struct block_place place = {NO_BLOCK, writer->last_block};
    uint32_t first_tick = writer->chunk.first_tick;
    while (place.before != NO_BLOCK && !begins_before(first_tick, window)) {
        const struct history_block *block = get_block(history, place.before);
        const uint32_t older = block->link ^ place.number;
        first_tick = block->first_tick;
        place = (struct block_place){place.before, older};
    }
    return place;
}

static void read_blocks(const struct history *history, const struct series_writer *writer,
                        const struct window *window) {
    struct chunk_reader reader;
    struct block_place place = find_first(history, writer, window);
    const uint32_t open = has_open_block(writer) ? writer->last_block : NO_BLOCK;
    while (place.number != NO_BLOCK && place.number != open) {
        const struct history_block *block = get_block(history, place.number);
        if ((int32_t)(block->first_tick - window->to) >= 0) {
            return;
        }
        chunk_reader_init(&reader, block->first_tick, block->payload, block->n_bits);
        add_all(window, &reader);
        place = (struct block_place){block->link ^ place.before, place.number};
    }
    chunk_reader_init_open(&reader, &writer->chunk,
                           open != NO_BLOCK ? get_block(history, open)->payload : NULL);
    add_all(window, &reader);
}

size_t series_read(const struct series *series, int64_t from_ms, int64_t to_ms,
                   struct sample_buffer *out) {
    const struct store_source *source = series->source;
    const struct history *history = &source->store->history;
    const struct series_hot *hot = series->hot;
    out->n = 0;
    if (history->retention_ms > 0 && series_writer(series)->chunk.step != 0) {
        const struct window window = {
            .log = &source->log,
            .from_ms = from_ms,
            .to_ms = to_ms,
            .from = time_log_after(&source->log, from_ms),
            .to = time_log_after(&source->log, to_ms),
            .out = out,
        };
        read_blocks(history, series_writer(series), &window);
    }
    /* Without a past, or when it could not be kept. */
    if (hot->t_ms != INT64_MIN && hot->t_ms > from_ms && hot->t_ms <= to_ms &&
        (out->n == 0 || out->t_ms[out->n - 1] < hot->t_ms)) {
        add_sample(out, hot->t_ms, hot->value);
    }
    return out->n;
}
