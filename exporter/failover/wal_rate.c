/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/wal_rate.h"

#include <string.h>

#include "base/duration.h"
#include "base/macros.h"

#define WINDOW_USEC (60 * USEC_PER_SEC)
#define PAIR_USEC   (2 * USEC_PER_SEC)
#define LEAST_USEC  USEC_PER_SEC

static void forget(struct wal_rate *rate, size_t count) {
    rate->n_seen -= count;
    memmove(rate->seen, rate->seen + count, rate->n_seen * sizeof(rate->seen[0]));
}

static void forget_old(struct wal_rate *rate, uint64_t now_usec) {
    size_t n = 0;
    while (n < rate->n_seen && now_usec - rate->seen[n].usec > WINDOW_USEC) {
        n++;
    }
    forget(rate, n);
}

void wal_rate_add(struct wal_rate *rate, uint64_t position, uint64_t now_usec) {
    size_t n = rate->n_seen;
    if (n > 0 && (position < rate->seen[n - 1].position || now_usec < rate->seen[n - 1].usec)) {
        rate->n_seen = 0;
    }
    forget_old(rate, now_usec);
    n = rate->n_seen;
    if (n >= 2 && now_usec - rate->seen[n - 2].usec < PAIR_USEC) {
        rate->n_seen--; /* the newest one moves on */
    } else if (n == WAL_RATE_MOST) {
        forget(rate, 1);
    }
    rate->seen[rate->n_seen++] = (struct wal_seen){now_usec, position};
}

bool wal_rate_get(const struct wal_rate *rate, uint64_t *ret_bytes_per_second) {
    if (rate->n_seen < 2) {
        return false;
    }
    const struct wal_seen *first = &rate->seen[0], *last = &rate->seen[rate->n_seen - 1];
    uint64_t usec = last->usec - first->usec;
    if (usec < LEAST_USEC) {
        return false;
    }
    double bytes = (double)(last->position - first->position);
    *ret_bytes_per_second = (uint64_t)(bytes * (double)USEC_PER_SEC / (double)usec);
    return true;
}

/* ---- in words ---- */

static void add_bytes(struct strbuf *out, double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < ARRAY_LEN(units); unit++) {
        bytes /= 1000;
    }
    strbuf_printf(out, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes, units[unit]);
}

void wal_loss_words(const struct wal_loss *loss, struct strbuf *out) {
    if (loss->has_age) {
        strbuf_printf(out, "the last position is %.1f s old", (double)loss->age_ms / 1000);
    }
    if (loss->has_rate) {
        strbuf_add_text(out, loss->has_age ? "; " : "");
        add_bytes(out, (double)loss->bytes_per_second);
        strbuf_add_text(out, "/s were written");
    } else if (loss->has_age) {
        strbuf_add_text(out, "; how much was written is not known");
    }
    if (loss->has_rate && loss->has_age) {
        strbuf_add_text(out, ", so about ");
        add_bytes(out, (double)loss->bytes_per_second * (double)loss->age_ms / 1000);
        strbuf_add_text(out, " more may be lost");
    }
}
