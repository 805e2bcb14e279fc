/* SPDX-License-Identifier: Apache-2.0 */

/* Appending to one series. */
#include "store/series.h"

#include <string.h>

#include "store/private.h"

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

int series_append(struct series *series, int64_t t_ms, double value) {
    struct series_hot *hot = series->hot;
    uint64_t bits = bits_of(value);
    if (bits == SERIES_STALE_BITS && !series_is_live(series)) {
        return 0;
    }
    if (t_ms <= hot->t_ms) {
        return SERIES_E_OUT_OF_ORDER;
    }
    const uint64_t newest = bits_of(hot->value);
    if (series->source->store->history.retention_ms > 0) {
        history_append(series, t_ms, newest, bits);
    }
    if (bits != newest) {
        hot->text_len = 0;
    }
    hot->t_ms = t_ms;
    hot->value = value;
    return 0;
}
