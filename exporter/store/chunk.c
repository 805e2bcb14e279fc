/* SPDX-License-Identifier: Apache-2.0 */

/* Writing and reading the tokens of which a payload consists, highest bit first:
 *
 *     00 nn              1 to 4 samples that went on as before
 *     010 nnnn           5 to 20
 *     011 nnn nnnn nnnn  21 to 2068
 *     10 CLASS           a number: zigzag of the difference of differences; the first one of a
 *                        payload, behind an XOR and behind a scale: the number itself
 *     110                the same value, where something else was to be expected
 *     1110 0 BITS        XOR within the bits of the last XOR
 *     1110 1 LLLLL WWWWWW BITS  leading zeros, width - 1
 *     111100 O TICKS [OFFSET]   in front of a value: how many ticks later it is
 *     111101 SS          in front of a number: decimal places, in threes
 *
 * CLASS is 0, 10, 110, ... 111110 or 111111 and 4, 8, 12, 16, 24, 36 or 64 bits. TICKS and OFFSET
 * are two bits for the number of bytes - 1 and the bytes. */
#include "store/chunk.h"

#include <math.h>
#include <string.h>

#include "base/macros.h"

#define RUN_BITS      14 /* the longest token of a run: there is always room for it at the end */
#define RUN_MOST      2068
#define MOST_BITS     (CHUNK_PAYLOAD_SIZE * 8 - RUN_BITS)
#define MOST_NEW_SIZE 32 /* more than one sample with all that may stand in front of it */
#define N_SCALES      4
#define LOOK_BITS     57                 /* of a word from any bit on */
#define NARROW_PREFIX 8                  /* what tells the class of a number, and a bit more */
#define WHOLE_BELOW   9007199254740992.0 /* 2^53 */

static const double powers[N_SCALES] = {1, 1e3, 1e6, 1e9};
static const uint8_t class_widths[] = {4, 8, 12, 16, 24, 36, 64};

/* --- Numbers --- */

static double value_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* Most numbers are whole: a division for each would cost more than all the rest of reading. */
static uint64_t from_number(int64_t number, unsigned scale) {
    return bits_of(scale == 0 ? (double)number : (double)number / powers[scale]);
}

/* Only of values that came from a number of this scale, or might; rounding is checked by others. */
static int64_t nearest_number(uint64_t bits, unsigned scale) {
    const double scaled = value_of(bits) * powers[scale];
    return (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
}

static bool to_number(uint64_t bits, unsigned scale, int64_t *ret) {
    if (!(fabs(value_of(bits) * powers[scale]) < WHOLE_BELOW)) {
        return false;
    }
    *ret = nearest_number(bits, scale);
    return from_number(*ret, scale) == bits;
}

/* *scale is tried first. Return: false when it is no number at any scale. */
static bool find_scale(uint64_t bits, unsigned *scale, int64_t *ret) {
    if (to_number(bits, *scale, ret)) {
        return true;
    }
    for (unsigned other = 0; other < N_SCALES; other++) {
        if (other != *scale && to_number(bits, other, ret)) {
            *scale = other;
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(int64_t number) {
    return ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t code) {
    return (int64_t)(code >> 1 ^ ((code & 1) != 0 ? UINT64_MAX : 0));
}

/* --- Writing --- */

struct bits {
    uint8_t data[CHUNK_TAIL_SIZE + MOST_NEW_SIZE];
    unsigned n;
};

static void put(struct bits *out, uint64_t value, unsigned width) {
    while (width > 0) {
        const unsigned used = out->n % 8, room = 8 - used;
        const unsigned now = width < room ? width : room;
        const unsigned part = (unsigned)(value >> (width - now)) & ((1u << now) - 1);
        uint8_t *byte = &out->data[out->n / 8];
        *byte = (uint8_t)((used == 0 ? 0 : *byte) | part << (room - now));
        out->n += now;
        width -= now;
    }
}

static void put_run(struct bits *out, uint32_t run) {
    if (run == 0) {
        return;
    }
    if (run <= 4) {
        put(out, run - 1, 4);
    } else if (run <= 20) {
        put(out, 2u << 4 | (run - 5), 7);
    } else {
        put(out, 3u << 11 | (run - 21), 14);
    }
}

static void put_bytes(struct bits *out, uint32_t value) {
    unsigned bytes = value < 1u << 8 ? 1 : value < 1u << 16 ? 2 : value < 1u << 24 ? 3 : 4;
    put(out, bytes - 1, 2);
    put(out, value, bytes * 8);
}

static void put_time(struct bits *out, struct chunk_writer *next,
                     const struct chunk_sample *sample) {
    const uint32_t ticks = sample->tick - next->tick;
    put(out, 0x3c, 6);
    put(out, sample->offset != 0, 1);
    put_bytes(out, ticks);
    if (sample->offset != 0) {
        put_bytes(out, sample->offset);
    } else {
        next->step = ticks;
    }
}

static void put_number(struct bits *out, int64_t number) {
    const uint64_t code = zigzag(number);
    unsigned class = 0;
    while (class + 1 < ARRAY_LEN(class_widths) && code >> class_widths[class] != 0) {
        class ++;
    }
    put(out, 2, 2);
    if (class + 1 < ARRAY_LEN(class_widths)) {
        put(out, (1u << (class + 1)) - 2, class + 1);
    } else {
        put(out, (1u << class) - 1, class);
    }
    put(out, code, class_widths[class]);
}

static void put_xor(struct bits *out, struct chunk_writer *next, uint64_t difference) {
    unsigned leading = (unsigned)__builtin_clzll(difference);
    const unsigned trailing = (unsigned)__builtin_ctzll(difference);
    put(out, 0xe, 4);
    leading = leading < 31 ? leading : 31;
    if (next->width != 0 && leading >= next->leading &&
        trailing >= 64u - next->leading - next->width) {
        put(out, 0, 1);
    } else {
        next->leading = (uint8_t)leading;
        next->width = (uint8_t)(64 - leading - trailing);
        put(out, 1, 1);
        put(out, leading, 5);
        put(out, next->width - 1u, 6);
    }
    put(out, difference >> (64 - next->leading - next->width), next->width);
}

static void put_value(struct bits *out, struct chunk_writer *next, uint64_t newest, uint64_t bits) {
    unsigned scale = next->scale;
    int64_t number;
    if (bits == newest) {
        put(out, 6, 3);
        next->delta = 0;
        return;
    }
    if (!find_scale(bits, &scale, &number)) {
        put_xor(out, next, newest ^ bits);
        next->is_number = false;
        next->delta = 0;
        return;
    }
    if (scale != next->scale) {
        put(out, 0x3d, 6);
        put(out, scale, 2);
        next->scale = scale & 3;
        next->is_number = false;
    }
    if (!next->is_number) {
        put_number(out, number);
        next->is_number = true;
        next->delta = 0;
        return;
    }
    const int64_t delta = number - nearest_number(newest, scale);
    put_number(out, delta - next->delta);
    next->delta = delta;
}

void chunk_begin(struct chunk_writer *writer, uint32_t tick) {
    *writer = (struct chunk_writer){
        .tick = tick - 1,
        .step = 1,
        .first_tick = tick,
        .is_fresh = true,
    };
}

static bool goes_on(const struct chunk_writer *writer, uint64_t newest, uint64_t bits) {
    if (writer->delta == 0) {
        return bits == newest;
    }
    int64_t number;
    return to_number(bits, writer->scale, &number) &&
           number == nearest_number(newest, writer->scale) + writer->delta;
}

enum chunk_result chunk_append(struct chunk_writer *writer, const struct chunk_sample *sample,
                               uint64_t newest, uint8_t *payload) {
    const bool on_time = sample->offset == 0 && sample->tick == writer->tick + writer->step;
    if (writer->is_fresh) {
        newest = 0;
    }
    if (on_time && writer->run < RUN_MOST && goes_on(writer, newest, sample->bits)) {
        writer->run++;
        writer->tick = sample->tick;
        writer->is_fresh = false;
        return CHUNK_DONE;
    }
    struct chunk_writer next = *writer;
    struct bits all = {.n = writer->tail_bits};
    memcpy(all.data, writer->tail, CHUNK_TAIL_SIZE);
    put_run(&all, writer->run);
    if (!on_time) {
        put_time(&all, &next, sample);
    }
    put_value(&all, &next, newest, sample->bits);
    if (writer->flushed * 8u + all.n > MOST_BITS) {
        return CHUNK_FULL;
    }
    if (all.n > CHUNK_TAIL_SIZE * 8) {
        if (payload == NULL) {
            return CHUNK_NEEDS_PAYLOAD;
        }
        const unsigned whole = all.n / 8;
        memcpy(payload + writer->flushed, all.data, whole);
        next.flushed = (uint8_t)(writer->flushed + whole);
        all.data[0] = all.n % 8 != 0 ? all.data[whole] : 0;
        all.n %= 8;
    }
    memcpy(next.tail, all.data, CHUNK_TAIL_SIZE);
    next.tail_bits = (uint16_t)all.n;
    next.tick = sample->tick;
    next.run = 0;
    next.is_fresh = false;
    *writer = next;
    return CHUNK_DONE;
}

size_t chunk_end(const struct chunk_writer *writer, uint8_t *payload) {
    struct bits all = {.n = writer->tail_bits};
    memcpy(all.data, writer->tail, CHUNK_TAIL_SIZE);
    put_run(&all, writer->run);
    memcpy(payload + writer->flushed, all.data, (all.n + 7) / 8);
    return writer->flushed * 8u + all.n;
}

/* --- Reading --- */

double chunk_run_value(const struct chunk_run *run, uint32_t index) {
    if (run->delta == 0) {
        return value_of(run->bits);
    }
    return value_of(from_number(run->number + run->delta * (int64_t)index, run->scale));
}

static void begin_reading(struct chunk_reader *reader, uint32_t first_tick, size_t n_bits) {
    *reader = (struct chunk_reader){.n_bits = n_bits, .tick = first_tick - 1, .step = 1};
}

void chunk_reader_init(struct chunk_reader *reader, uint32_t first_tick, const uint8_t *payload,
                       size_t n_bits) {
    begin_reading(reader, first_tick, n_bits);
    memcpy(reader->data, payload, (n_bits + 7) / 8);
}

void chunk_reader_init_open(struct chunk_reader *reader, const struct chunk_writer *writer,
                            const uint8_t *payload) {
    begin_reading(reader, writer->first_tick, writer->flushed * 8u + writer->tail_bits);
    if (writer->flushed > 0) {
        memcpy(reader->data, payload, writer->flushed);
    }
    memcpy(reader->data + writer->flushed, writer->tail, (writer->tail_bits + 7u) / 8);
    reader->run = writer->run;
}

/* The bits from a place on, highest first; LOOK_BITS of them count. */
static uint64_t word_at(const struct chunk_reader *reader, size_t at) {
    uint64_t word;
    memcpy(&word, reader->data + at / 8, sizeof(word));
    return __builtin_bswap64(word) << at % 8;
}

/* Up to LOOK_BITS from the place, without moving on. */
static uint64_t peek(const struct chunk_reader *reader, unsigned width) {
    return word_at(reader, reader->at) >> (64 - width);
}

static uint64_t get(struct chunk_reader *reader, unsigned width) {
    uint64_t high = 0;
    if (width > 32) {
        high = peek(reader, width - 32) << 32;
        reader->at += width - 32;
        width = 32;
    }
    const uint64_t value = high | peek(reader, width);
    reader->at += width;
    return value;
}

static uint32_t get_bytes(struct chunk_reader *reader) {
    const unsigned bytes = (unsigned)get(reader, 2) + 1;
    return (uint32_t)get(reader, bytes * 8);
}

static void give_run(struct chunk_reader *reader, uint32_t count, struct chunk_run *ret) {
    *ret = (struct chunk_run){
        .tick = reader->tick + reader->step,
        .step = reader->step,
        .count = count,
        .bits = reader->bits,
        .delta = reader->delta,
        .scale = reader->scale,
    };
    reader->tick += reader->step * count;
    if (reader->delta != 0) {
        ret->number = reader->number + reader->delta;
        ret->bits = from_number(ret->number, reader->scale);
        reader->number += reader->delta * (int64_t)count;
        reader->bits = from_number(reader->number, reader->scale);
    }
}

static void get_number(struct chunk_reader *reader) {
    unsigned class = 0;
    while (class + 1 < ARRAY_LEN(class_widths) && get(reader, 1) != 0) {
        class ++;
    }
    const int64_t number = unzigzag(get(reader, class_widths[class]));
    if (reader->is_number) {
        reader->delta += number;
        reader->number += reader->delta;
    } else {
        reader->delta = 0;
        reader->number = number;
        reader->is_number = true;
    }
    reader->bits = from_number(reader->number, reader->scale);
}

static void get_xor(struct chunk_reader *reader) {
    reader->at++; /* the fourth bit of its token */
    if (get(reader, 1) != 0) {
        reader->leading = (uint8_t)get(reader, 5);
        reader->width = (uint8_t)(get(reader, 6) + 1);
    }
    reader->bits ^= get(reader, reader->width) << (64 - reader->leading - reader->width);
    reader->is_number = false;
    reader->delta = 0;
}

/* The value behind what may stand in front of it. */
static void get_value(struct chunk_reader *reader) {
    if (get(reader, 1) == 0) {
        get_number(reader);
    } else if (get(reader, 1) == 0) {
        reader->delta = 0;
    } else {
        get_xor(reader);
    }
}

static uint32_t get_run(struct chunk_reader *reader) {
    if (get(reader, 1) == 0) {
        return (uint32_t)get(reader, 2) + 1;
    }
    return get(reader, 1) == 0 ? (uint32_t)get(reader, 4) + 5 : (uint32_t)get(reader, 11) + 21;
}

static void get_sample(struct chunk_reader *reader, struct chunk_run *ret) {
    uint32_t ticks = reader->step, offset = 0;
    while (peek(reader, 5) == 0x1e) { /* hardly ever */
        const bool is_time = peek(reader, 6) == 0x3c;
        reader->at += 6;
        if (!is_time) {
            reader->scale = (uint8_t)get(reader, 2);
            reader->is_number = false;
            continue;
        }
        const bool has_offset = get(reader, 1) != 0;
        ticks = get_bytes(reader);
        if (has_offset) {
            offset = get_bytes(reader);
        } else {
            reader->step = ticks;
        }
    }
    reader->at++;
    get_value(reader);
    reader->tick += ticks;
    *ret = (struct chunk_run){
        .tick = reader->tick, .step = 1, .count = 1, .offset = offset, .bits = reader->bits};
}

/* Most of the time of reading passes here, in waiting for the length of one token to know where the
 * next one begins; so bits are taken from a register while it has some. The widest class, for which
 * it may have no room, is left to chunk_next(). */
uint32_t chunk_next_numbers(struct chunk_reader *reader, struct chunk_numbers *ret) {
    const double divisor = powers[reader->scale];
    int64_t number = reader->number, delta = reader->delta;
    uint64_t word = 0;
    unsigned left = 0; /* bits of word */
    size_t at = reader->at;
    uint32_t n = 0;
    while (reader->is_number && at < reader->n_bits && n < CHUNK_MOST_NUMBERS) {
        if (left < NARROW_PREFIX) {
            word = word_at(reader, at);
            left = LOOK_BITS;
        }
        const unsigned class = (unsigned)__builtin_clzll(~(word << 2));
        if (word >> 62 != 2 || class > ARRAY_LEN(class_widths) - 2) {
            break;
        }
        const unsigned prefix = class + 3, width = class_widths[class];
        if (prefix + width > left) {
            word = word_at(reader, at);
            left = LOOK_BITS;
        }
        delta += unzigzag(word << prefix >> (64 - width));
        number += delta;
        ret->values[n++] = reader->scale == 0 ? (double)number : (double)number / divisor;
        word <<= prefix + width;
        left -= prefix + width;
        at += prefix + width;
    }
    if (n > 0) {
        ret->tick = reader->tick + reader->step;
        ret->step = reader->step;
        ret->count = n;
        reader->tick += reader->step * n;
        reader->number = number;
        reader->delta = delta;
        reader->bits = bits_of(ret->values[n - 1]);
        reader->at = at;
    }
    return n;
}

bool chunk_next(struct chunk_reader *reader, struct chunk_run *ret) {
    if (reader->at < reader->n_bits) {
        if (peek(reader, 1) == 0) {
            reader->at++;
            give_run(reader, get_run(reader), ret);
        } else {
            get_sample(reader, ret);
        }
        return true;
    }
    if (reader->run > 0) {
        give_run(reader, reader->run, ret);
        reader->run = 0;
        return true;
    }
    return false;
}
