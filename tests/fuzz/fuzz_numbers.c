/* SPDX-License-Identifier: Apache-2.0 */

/* Durations, numbers and text from foreign hands: what is read can be written and read again. */

#include <math.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/number.h"
#include "fuzz.h"

static void fuzz_duration(struct str text) {
    uint64_t usec, again;
    char out[32];
    if (duration_parse(text, &usec, NULL) == 0) {
        must(duration_parse(str_of(duration_format(usec, out)), &again, NULL) == 0);
        must(again == usec);
    }
}

static void fuzz_number(struct str text) {
    double value, again;
    int64_t whole;
    char out[NUMBER_TEXT_SIZE];
    if (str_to_double(text, &value)) {
        must(str_to_double((struct str){out, number_format(value, out)}, &again));
        must(value == again || (isnan(value) && isnan(again)));
    }
    if (str_to_int64(text, &whole)) {
        must(str_to_double(text, &value) && value == (double)whole);
    }
}

static void fuzz_text(struct str text) {
    static const char *const names[] = {"interval", "timeout", "labels"};
    struct strbuf out = {0};
    strbuf_add_utf8(&out, text);
    for (size_t i = 0, step; i < out.len; i += step) {
        step = utf8_length(out.data + i, out.len - i);
        must(step != 0);
    }
    strbuf_clear(&out);
    json_escape(&out, text);
    for (size_t i = 0; i < out.len; i++) {
        must((unsigned char)out.data[i] >= 0x20);
    }
    str_suggest(text, names, ARRAY_LEN(names), sizeof(names[0]));
    strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    fuzz_duration(text);
    fuzz_number(text);
    fuzz_text(text);
    return 0;
}
