/* SPDX-License-Identifier: Apache-2.0 */

/* What etcd answers, and what other monitors have left there. The first line says what it is taken
 * for: "lease", "txn N" (N values), "refusal", "plan", "maintenance"; the rest are the bytes. */

#include <errno.h>

#include "failover/etcd_json.h"
#include "failover/lock_json.h"
#include "fuzz.h"

static void try_lease(struct str body, struct arena *arena) {
    struct error err = {0};
    int64_t id = 0;
    uint64_t ttl_usec = UINT64_MAX;
    if (etcd_lease_read(body, arena, &id, &ttl_usec, &err) == 0) {
        must(id > 0 && ttl_usec <= (uint64_t)24 * 3600 * 1000 * 1000);
    } else {
        must(id == 0 && err.code == -EBADMSG && err.text[0] != '\0');
    }
}

static void try_txn(struct str body, size_t n, struct arena *arena) {
    const size_t n_gets[] = {n, n};
    struct etcd_txn_answer answer = {0};
    struct error err = {0};
    if (etcd_txn_read(body, arena, n_gets, &answer, &err) < 0) {
        must(err.text[0] != '\0' && answer.revision == 0);
        return;
    }
    must(answer.revision > 0);
    for (size_t i = 0; i < ETCD_MOST_GETS; i++) {
        must(!answer.values[i].found || (i < n && answer.values[i].mod_revision > 0));
        must(!answer.values[i].found || answer.values[i].lease >= 0);
    }
}

/* What was read is written as it was. */
static void try_plan(struct str value) {
    struct failover_lock_plan plan, again;
    struct strbuf out = {0};
    lock_plan_read(value, &plan);
    if (plan.readable) {
        lock_plan_write(&out, &plan);
        lock_plan_read(strbuf_view(&out), &again);
        must(memcmp(&plan, &again, sizeof(plan)) == 0);
    }
    must(plan.readable == (plan.id[0] != '\0'));
    strbuf_deinit(&out);
}

static void try_maintenance(struct str value) {
    struct failover_lock_maintenance found, again;
    struct strbuf out = {0};
    lock_maintenance_read(value, &found);
    must(found.until_ms > 0 && found.who[0] != '\0');
    if (found.until_ms != INT64_MAX) {
        lock_maintenance_write(&out, &found, 1);
        lock_maintenance_read(strbuf_view(&out), &again);
        must(memcmp(&found, &again, sizeof(found)) == 0);
    }
    strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str rest = fuzz_input(data, size), head = str_cut(&rest, '\n');
    struct str word = str_cut(&head, ' ');
    struct arena arena = {0};
    if (str_is(word, "lease")) {
        try_lease(rest, &arena);
    } else if (str_is(word, "txn")) {
        try_txn(rest, fuzz_word(head) % (ETCD_MOST_GETS + 1), &arena);
    } else if (str_is(word, "refusal")) {
        struct error err = {0};
        must(etcd_refusal(500, rest, &err) < 0 && err.text[0] != '\0');
    } else if (str_is(word, "plan")) {
        try_plan(rest);
    } else {
        try_maintenance(rest);
    }
    arena_deinit(&arena);
    return 0;
}
