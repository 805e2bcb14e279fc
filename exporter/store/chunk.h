/* SPDX-License-Identifier: Apache-2.0 */

/* The code in which the past of a series is kept: bits, of which a writer of fixed size holds the
 * newest and a block's payload the rest.
 *
 * A sample is a tick (the number of its time), an offset in milliseconds for the rare one whose
 * time has no number of its own, and 64 bits of value. Ticks and offsets increase strictly. What
 * goes on as before costs a counter: the next tick by the same step, with the same value or, for
 * numbers, by the same difference. Else a number costs the difference of its differences, anything
 * else the XOR with its predecessor. Numbers are whole ones and decimal ones up to nine places, as
 * far as the value comes back bit by bit.
 *
 * Each payload can be decoded alone. Functions here know neither times nor memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_PAYLOAD_SIZE 106
#define CHUNK_TAIL_SIZE    26

struct chunk_sample {
    uint32_t tick;
    uint32_t offset; /* milliseconds behind the tick's time; mostly 0 */
    uint64_t bits;   /* of the value */
};

struct chunk_writer {
    int64_t delta; /* between the newest two numbers */
    uint32_t tick; /* of the newest sample */
    uint32_t step; /* expected between ticks */
    uint32_t run;  /* samples at the end that went on as before and are not in the bits yet */
    uint32_t first_tick;
    uint16_t tail_bits;
    uint8_t flushed;        /* bytes that are in the payload already */
    uint8_t scale : 2;      /* decimal places, in threes */
    uint8_t is_number : 1;  /* the newest value is one, at that scale */
    uint8_t is_fresh : 1;   /* there is no sample yet */
    uint8_t leading, width; /* bits of the last XOR; width 0: there was none */
    uint8_t tail[CHUNK_TAIL_SIZE];
};

/* Before the first sample of each payload; tick is that sample's. */
void chunk_begin(struct chunk_writer *writer, uint32_t tick);

enum chunk_result {
    CHUNK_DONE,
    CHUNK_NEEDS_PAYLOAD, /* nothing happened: again, with a payload */
    CHUNK_FULL,          /* nothing happened: chunk_end(), then begin with this sample */
};

/* newest: bits of the newest value. payload: CHUNK_PAYLOAD_SIZE bytes that were given before, or
 * NULL while none was needed. */
enum chunk_result chunk_append(struct chunk_writer *writer, const struct chunk_sample *sample,
                               uint64_t newest, uint8_t *payload);

/* Completes the payload. Return: how many bits it has. */
size_t chunk_end(const struct chunk_writer *writer, uint8_t *payload);

/* Samples in a row: count of them, step ticks apart. offset is of the only one when not 0. */
struct chunk_run {
    uint32_t tick, step, count, offset;
    uint64_t bits;  /* of the first value; of all when delta is 0 */
    int64_t delta;  /* of numbers, at the scale */
    int64_t number; /* the first one */
    uint8_t scale;
};

static inline double chunk_run_first(const struct chunk_run *run) {
    double value;
    memcpy(&value, &run->bits, sizeof(value));
    return value;
}

/* The value of the run's sample at index. */
double chunk_run_value(const struct chunk_run *run, uint32_t index);

struct chunk_reader {
    uint8_t data[CHUNK_PAYLOAD_SIZE + 10]; /* with room to read whole words */
    size_t n_bits, at;
    uint32_t tick, step;
    uint32_t run; /* to be told behind the bits */
    uint64_t bits;
    int64_t number, delta;
    uint8_t scale, leading, width;
    bool is_number;
};

void chunk_reader_init(struct chunk_reader *reader, uint32_t first_tick, const uint8_t *payload,
                       size_t n_bits);

/* What a writer holds, with its payload or NULL. */
void chunk_reader_init_open(struct chunk_reader *reader, const struct chunk_writer *writer,
                            const uint8_t *payload);

/* Of numbers that stand there one by one, a step apart, as many as come next. Return: how
 * many; 0: the next one is none of these, chunk_next() tells. */
#define CHUNK_MOST_NUMBERS 128
struct chunk_numbers {
    uint32_t tick, step, count;
    double values[CHUNK_MOST_NUMBERS];
};
uint32_t chunk_next_numbers(struct chunk_reader *reader, struct chunk_numbers *ret);

/* Return: false at the end. */
bool chunk_next(struct chunk_reader *reader, struct chunk_run *ret);
