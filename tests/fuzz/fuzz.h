/* SPDX-License-Identifier: Apache-2.0 */

/* What every fuzzer defines and may use. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The engine's name for it: reads one input, returns 0; a finding is an abort or a sanitizer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert(), stays in every build. */
static inline void must(int condition) {
    if (!condition) {
        abort();
    }
}
