/* SPDX-License-Identifier: Apache-2.0 */

/* The states of breakers as bytes: what a restart must not forget. */
#include <errno.h>

#include "base/mem.h"
#include "base/pack.h"
#include "base/random.h"
#include "circuits/circuits.h"

#define MAGIC             "dbvitals breakers 1\n"
#define LEAST_STATE_BYTES 32 /* a length and three numbers */

void circuits_save(const struct circuits *circuits, struct strbuf *out) {
    struct strbuf body = {0}, all = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < circuits_count(circuits); i++) {
        const struct kept_circuit *kept = circuits_at(circuits, i);
        if (kept->circuit.breaker.state != BREAKER_CLOSED) {
            pack_str(&body, str_of(kept->options.name));
            pack_u64(&body, kept->circuit.breaker.state);
            pack_u64(&body, kept->circuit.reason);
            pack_i64(&body, kept->changed_ms);
            count++;
        }
    }
    pack_u64(&all, count);
    strbuf_add_str(&all, strbuf_view(&body));
    strbuf_add_text(out, MAGIC);
    pack_u64(out, crc32c(all.data, all.len));
    strbuf_add_str(out, strbuf_view(&all));
    strbuf_deinit(&all);
    strbuf_deinit(&body);
}

struct saved_state {
    struct str name;
    uint64_t state, reason;
    int64_t changed_ms;
};

static bool read_state(struct unpacker *in, struct saved_state *ret) {
    ret->name = unpack_str(in);
    ret->state = unpack_u64(in);
    ret->reason = unpack_u64(in);
    ret->changed_ms = unpack_i64(in);
    return !in->bad && ret->state < BREAKER_STATE_COUNT && ret->reason < CIRCUIT_REASON_COUNT;
}

static void restore(struct kept_circuit *kept, const struct saved_state *saved,
                    struct circuit_time now) {
    static const enum breaker_event orders[BREAKER_STATE_COUNT] = {
        [BREAKER_FORCED_OPEN] = BREAKER_FORCE_OPEN,
        [BREAKER_FORCED_CLOSED] = BREAKER_FORCE_CLOSED,
        [BREAKER_DISABLED] = BREAKER_DISABLE,
    };
    if (circuit_is_forced((enum breaker_state)saved->state)) {
        (void)circuit_order(&kept->circuit, orders[saved->state], now.usec);
    } else if (saved->state != BREAKER_CLOSED) {
        (void)circuit_reopen(&kept->circuit, now.usec, (enum circuit_reason)saved->reason,
                             random_unit());
    }
    kept->changed_ms = saved->changed_ms;
}

int circuits_load(struct circuits *circuits, struct str state, struct circuit_time now,
                  struct error *err) {
    const size_t magic = sizeof(MAGIC) - 1;
    if (state.len < magic || memcmp(state.data, MAGIC, magic) != 0) {
        return error_say(err, -EINVAL, "it does not begin as breakers of this version");
    }
    struct unpacker in = {{state.data + magic, state.len - magic}, false};
    uint64_t sum = unpack_u64(&in);
    if (in.bad || sum != crc32c(in.rest.data, in.rest.len)) {
        return error_say(err, -EINVAL, "its checksum is wrong: it is cut short or damaged");
    }
    size_t count = unpack_count(&in, LEAST_STATE_BYTES);
    struct saved_state *saved = mem_array(count + 1, sizeof(*saved));
    bool good = !in.bad;
    for (size_t i = 0; good && i < count; i++) {
        good = read_state(&in, &saved[i]);
    }
    good &= in.rest.len == 0;
    for (size_t i = 0; good && i < count; i++) {
        struct kept_circuit *kept = circuits_find(circuits, saved[i].name);
        if (kept != NULL) {
            restore(kept, &saved[i], now);
        }
    }
    free(saved);
    return good ? 0 : error_say(err, -EINVAL, "its contents are not what its length says");
}
