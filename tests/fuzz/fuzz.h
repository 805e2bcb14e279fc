/* SPDX-License-Identifier: Apache-2.0 */

/* What every fuzzer defines and may use. Inputs are text where that can be: a head line of words
 * that says what is done, then the foreign bytes themselves, so that a corpus can be read. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"

/* The engine's name for it: reads one input, returns 0; a finding is an abort or a sanitizer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert(), stays in every build. */
static inline void must(int condition) {
    if (!condition) {
        abort();
    }
}

static inline struct str fuzz_input(const uint8_t *data, size_t size) {
    return (struct str){size > 0 ? (const char *)data : "", size};
}

/* The next byte of an input that is a script; 0 behind its end. */
static inline uint8_t fuzz_take_byte(struct str *input) {
    if (input->len == 0) {
        return 0;
    }
    uint8_t byte = (uint8_t)input->data[0];
    *input = (struct str){input->data + 1, input->len - 1};
    return byte;
}

/* A text whose first byte is its length. */
static inline struct str fuzz_take_piece(struct str *input) {
    size_t len = fuzz_take_byte(input);
    if (len > input->len) {
        len = input->len;
    }
    struct str piece = {input->data, len};
    *input = (struct str){input->data + len, input->len - len};
    return piece;
}

/* The number that a word is; 0 when it is none. */
static inline uint64_t fuzz_word(struct str word) {
    uint64_t number = 0;
    (void)str_to_uint64(word, &number);
    return number;
}
