/* SPDX-License-Identifier: Apache-2.0 */

/* What breakers read of others: the value of a key in Redis, and their own states as a restart
 * finds them. The input is a value; and what follows a state's checksum, and all of the file. */

#include "base/pack.h"
#include "circuits/circuit_json.h"
#include "fuzz.h"

#define MAGIC "dbvitals breakers 1\n"

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
    must(0); /* nothing of this is told as a change */
}

static struct circuits *make(void) {
    const struct circuit_options list[] = {
        {.name = (char *)(uintptr_t) "a", .policy = circuit_policy_default},
        {.name = (char *)(uintptr_t) "b", .policy = circuit_policy_default},
    };
    struct circuits *circuits = circuits_new(&(struct circuits_events){.changed = changed});
    circuits_configure(circuits, list, 2, 1000, 1);
    return circuits;
}

static void try_value(struct str value) {
    struct circuit_foreign found = {.state = BREAKER_DISABLED};
    if (circuit_json_parse(value, &found)) {
        must(found.state == BREAKER_OPEN || found.state == BREAKER_HALF_OPEN);
        must(found.owner[0] != '\0');
    } else {
        must(found.state == BREAKER_DISABLED);
    }
}

static void try_state(struct str state) {
    const struct circuit_time now = {1000000, 1700000000000};
    struct circuits *circuits = make();
    struct error err = {0};
    if (circuits_load(circuits, state, now, &err) == 0) {
        struct strbuf saved = {0};
        struct circuits *again = make();
        circuits_save(circuits, &saved);
        must(circuits_load(again, strbuf_view(&saved), now, NULL) == 0);
        for (size_t i = 0; i < circuits_count(circuits); i++) {
            must(circuits_at(circuits, i)->circuit.breaker.state ==
                 circuits_at(again, i)->circuit.breaker.state);
        }
        circuits_free(again);
        strbuf_deinit(&saved);
    } else {
        must(err.text[0] != '\0' && circuits_at(circuits, 0)->circuit.breaker.state == 0);
    }
    circuits_free(circuits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = fuzz_input(data, size);
    struct strbuf state = {0};
    try_value(input);
    try_state(input);
    strbuf_add_text(&state, MAGIC);
    pack_u64(&state, crc32c(input.data, input.len));
    strbuf_add_str(&state, input);
    try_state(strbuf_view(&state));
    strbuf_deinit(&state);
    return 0;
}
