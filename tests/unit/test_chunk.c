/* SPDX-License-Identifier: Apache-2.0 */

/* The code of the past against a plain array: series of many kinds with fixed seeds, and what each
 * kind costs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "store/chunk.h"

#define N_SAMPLES 3000
#define STALE     UINT64_C(0x7ff0000000000002)

struct past {
    struct chunk_sample samples[N_SAMPLES];
    size_t n;
    struct {
        uint8_t payload[CHUNK_PAYLOAD_SIZE];
        uint32_t first_tick;
        size_t n_bits;
    } closed[N_SAMPLES];
    size_t n_closed;
    struct chunk_writer writer;
    uint8_t *open;
    uint64_t random;
    size_t n_numbers; /* that came at once */
};

static uint64_t next_random(struct past *past) {
    past->random = past->random * 6364136223846793005u + 1442695040888963407u;
    return past->random >> 20;
}

static uint64_t pick(struct past *past, uint64_t below) {
    return next_random(past) % below;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void close_payload(struct past *past) {
    size_t n_bits = chunk_end(&past->writer, past->open);
    assert_true(n_bits > 0 && n_bits <= (size_t)CHUNK_PAYLOAD_SIZE * 8);
    memcpy(past->closed[past->n_closed].payload, past->open, CHUNK_PAYLOAD_SIZE);
    past->closed[past->n_closed].first_tick = past->writer.first_tick;
    past->closed[past->n_closed++].n_bits = n_bits;
    free(past->open);
    past->open = NULL;
}

static void append(struct past *past, struct chunk_sample sample) {
    uint64_t newest = past->n > 0 ? past->samples[past->n - 1].bits : 42;
    if (past->n == 0) {
        chunk_begin(&past->writer, sample.tick);
    }
    past->samples[past->n++] = sample;
    for (;;) {
        const struct chunk_writer before = past->writer;
        enum chunk_result r = chunk_append(&past->writer, &sample, newest, past->open);
        if (r == CHUNK_DONE) {
            return;
        }
        assert_memory_equal(&before, &past->writer, sizeof(before));
        if (r == CHUNK_NEEDS_PAYLOAD) {
            assert_null(past->open);
            past->open = mem_alloc(CHUNK_PAYLOAD_SIZE);
        } else {
            close_payload(past);
            chunk_begin(&past->writer, sample.tick);
        }
    }
}

static size_t check_numbers(struct past *past, struct chunk_reader *reader, size_t at) {
    struct chunk_numbers numbers;
    if (chunk_next_numbers(reader, &numbers) == 0) {
        return at;
    }
    assert_true(numbers.count > 0 && numbers.count <= CHUNK_MOST_NUMBERS);
    for (uint32_t i = 0; i < numbers.count; i++, at++) {
        const struct chunk_sample *expected = &past->samples[at];
        assert_true(at < past->n);
        assert_int_equal(numbers.tick + i * numbers.step, expected->tick);
        assert_int_equal(expected->offset, 0);
        assert_memory_equal(&numbers.values[i], &expected->bits, sizeof(expected->bits));
    }
    past->n_numbers += numbers.count;
    return at;
}

/* The same by both ways of reading: all by chunk_next(), or numbers in a row at once. */
static size_t check_runs(struct past *past, struct chunk_reader *reader, bool at_once, size_t at) {
    struct chunk_run run;
    for (;;) {
        at = at_once ? check_numbers(past, reader, at) : at;
        if (!chunk_next(reader, &run)) {
            return at;
        }
        assert_true(run.count > 0 && (run.offset == 0 || run.count == 1));
        for (uint32_t i = 0; i < run.count; i++, at++) {
            const struct chunk_sample *expected = &past->samples[at];
            assert_true(at < past->n);
            assert_int_equal(run.tick + i * run.step, expected->tick);
            assert_int_equal(run.offset, expected->offset);
            double value = chunk_run_value(&run, i);
            assert_memory_equal(&value, &expected->bits, sizeof(value));
        }
    }
}

static void check_way(struct past *past, bool at_once) {
    struct chunk_reader reader;
    size_t at = 0;
    for (size_t i = 0; i < past->n_closed; i++) {
        chunk_reader_init(&reader, past->closed[i].first_tick, past->closed[i].payload,
                          past->closed[i].n_bits);
        at = check_runs(past, &reader, at_once, at);
    }
    chunk_reader_init_open(&reader, &past->writer, past->open);
    assert_int_equal(check_runs(past, &reader, at_once, at), past->n);
}

static void check(struct past *past) {
    check_way(past, false);
    check_way(past, true);
}

/* --- Kinds of series --- */

static double constant(struct past *past, size_t i, double before) {
    return 17;
}
static double zero(struct past *past, size_t i, double before) {
    return 0;
}
static double clock_like(struct past *past, size_t i, double before) {
    return 1700000000 + 5.0 * (double)i;
}
static double counter(struct past *past, size_t i, double before) {
    return before + (double)pick(past, 40);
}
static double large_counter(struct past *past, size_t i, double before) {
    return i % 500 == 499 ? 0 : before + (double)pick(past, 1000000000);
}
static double gauge(struct past *past, size_t i, double before) {
    return pick(past, 5) == 0 ? (double)pick(past, 100) - 50 : before;
}
static double seconds(struct past *past, size_t i, double before) {
    return round((before + (double)pick(past, 1000) / 1000) * 1000) / 1000;
}
static double microseconds(struct past *past, size_t i, double before) {
    return (double)pick(past, 5000) / 1e6;
}
static double percent(struct past *past, size_t i, double before) {
    return (double)pick(past, 100) / 3;
}
static double any_bits(struct past *past, size_t i, double before) {
    uint64_t bits = next_random(past) << 32 ^ next_random(past);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}
static double special(struct past *past, size_t i, double before) {
    static const uint64_t all[] = {0,
                                   UINT64_C(0x8000000000000000),
                                   STALE,
                                   UINT64_C(0x7ff8000000000001),
                                   UINT64_C(0xfff8dead00000000),
                                   UINT64_C(0x7ff0000000000000),
                                   UINT64_C(0xfff0000000000000),
                                   1,
                                   UINT64_C(0x4340000000000000), /* 2^53 */
                                   UINT64_C(0x433fffffffffffff), /* 2^53 - 1 */
                                   UINT64_C(0xc33fffffffffffff),
                                   UINT64_C(0x7fefffffffffffff),
                                   UINT64_C(0x3ff0000000000000)};
    double value;
    memcpy(&value, &all[pick(past, ARRAY_LEN(all))], sizeof(value));
    return pick(past, 3) == 0 ? before : value;
}
/* Goes on by the same difference beyond what doubles count exactly. */
static double to_the_limit(struct past *past, size_t i, double before) {
    return i == 0 ? 9007199254740000.0 : before + 2;
}
static double negative(struct past *past, size_t i, double before) {
    return before - (double)pick(past, 3);
}

static double mixed(struct past *past, size_t i, double before);

static const struct kind {
    const char *name;
    double (*next)(struct past *past, size_t i, double before);
    double most_bits; /* a sample, in order and without gaps */
} kinds[] = {
    {"constant", constant, 0.1},
    {"zero", zero, 0.1},
    {"clock", clock_like, 0.1},
    {"counter", counter, 11},
    {"large counter", large_counter, 48},
    {"gauge", gauge, 7},
    {"seconds", seconds, 17},
    {"microseconds", microseconds, 22},
    {"percent", percent, 75},
    {"any bits", any_bits, 90},
    {"special", special, 60},
    {"to the limit", to_the_limit, 36},
    {"negative", negative, 7},
    {"mixed", mixed, 90},
};

static double mixed(struct past *past, size_t i, double before) {
    return kinds[i / 37 % (ARRAY_LEN(kinds) - 1)].next(past, i, before);
}

static void run_kind(const struct kind *kind, uint64_t seed, bool regular) {
    struct past *past = mem_alloc(sizeof(*past));
    double value = 0;
    uint32_t tick = (uint32_t)(seed % 1000);
    past->random = seed;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct chunk_sample sample = {0};
        value = kind->next(past, i, value);
        sample.bits = bits_of(value);
        const uint64_t what = regular ? 10 : pick(past, 12);
        if (what == 0) {
            sample.offset = 1 + (uint32_t)pick(past, 100000);
            tick += (uint32_t)pick(past, 3);
            if (past->n > 0 && past->samples[past->n - 1].tick == tick) {
                sample.offset += past->samples[past->n - 1].offset;
            }
        } else if (what == 1) {
            tick += 1 + (uint32_t)(next_random(past) >> (pick(past, 3) * 8 + 24)) % 100000;
        } else {
            tick += 1 + (uint32_t)(i / 100 % 3) * !regular;
        }
        sample.tick = tick;
        append(past, sample);
        if (i % 701 == 0) {
            check(past);
        }
    }
    check(past);
    if (kind->next == counter) {
        assert_true(past->n_numbers > N_SAMPLES); /* in all checks together */
    }
    if (regular) {
        double bits = (double)(past->n_closed * CHUNK_PAYLOAD_SIZE * 8 + past->writer.flushed * 8u +
                               past->writer.tail_bits) /
                      N_SAMPLES;
        if (bits > kind->most_bits) {
            fail_msg("%s: %.2f bits", kind->name, bits);
        }
    }
    free(past->open);
    free(past);
}

static void every_kind_comes_back_bit_by_bit(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (uint64_t seed = 1; seed <= 10; seed++) {
            run_kind(&kinds[i], seed * 7919, false);
        }
    }
}

static void no_kind_costs_more_than_it_should(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        run_kind(&kinds[i], 4242 + i, true);
    }
}

static void what_never_changes_needs_no_payload(void **state) {
    struct chunk_writer writer;
    uint64_t newest = 7;
    chunk_begin(&writer, 1);
    for (uint32_t tick = 1; tick < 20000; tick++) {
        struct chunk_sample sample = {tick, 0, bits_of(3.25)};
        assert_int_equal(chunk_append(&writer, &sample, newest, NULL), CHUNK_DONE);
        newest = sample.bits;
    }
}

/* The writer of a series, its blocks' numbers and its newest sample fill two cache lines. */
static void a_writer_has_its_size(void **state) {
    assert_int_equal(sizeof(struct chunk_writer), 56);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_bit_by_bit),
        cmocka_unit_test(no_kind_costs_more_than_it_should),
        cmocka_unit_test(what_never_changes_needs_no_payload),
        cmocka_unit_test(a_writer_has_its_size),
    };
    return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
