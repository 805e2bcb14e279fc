/* SPDX-License-Identifier: Apache-2.0 */

/* What anybody sends to the agent's port: any lines are answered with one line that HAProxy knows,
 * or with nothing. A line "later" lets a minute pass, one that is "leave" ends the daemon. */
#include "base/log.h"
#include "fuzz.h"
#include "tests/support/fake_sampler.h"
#include "web/agent.h"
#include "web/agent_answer.h"

#define MINUTE ((uint64_t)60 * 1000 * 1000)

static void add_targets(struct sampler *sampler) {
    struct fake_target *primary =
        fake_sampler_add(sampler, "orders-1", KIND_POSTGRES, "10.0.0.1:5432");
    struct fake_target *replica =
        fake_sampler_add(sampler, "orders-2", KIND_POSTGRES, "10.0.0.2:5432");
    struct fake_target *pool = fake_sampler_add(sampler, "pool", KIND_PGBOUNCER, "10.0.0.2:6432");
    struct fake_target *all[] = {primary, replica, pool};
    static char cluster[] = "orders";
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i]->options.cluster = cluster;
        all[i]->view.last_round_usec = MINUTE;
    }
    primary->view.standing.role = ROLE_PRIMARY;
    replica->view.standing.role = ROLE_REPLICA;
    replica->view.lag_seconds = 1;
    replica->view.lag_bytes = 1000;
    facts_set(&pool->view.facts, FACT_PAUSED, 1);
    fake_sampler_add(sampler, "host-1", KIND_HOST, "db1");
}

static void check(struct str answer) {
    static const char *const words[] = {"up ", "ready up ", "down #", "drain #", "maint #"};
    bool known = answer.len == 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        known = known || str_starts_with(answer, words[i]);
    }
    must(known && answer.len < AGENT_MOST_LINE);
    for (size_t i = 0; i < answer.len; i++) {
        must(i + 1 == answer.len ? answer.data[i] == '\n'
                                 : answer.data[i] >= ' ' && answer.data[i] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct sampler sampler;
    struct str rest = fuzz_input(data, size);
    struct agent_memory memory = {0};
    struct strbuf out = {0};
    uint64_t now = MINUTE;
    if (sampler.n_targets == 0) {
        add_targets(&sampler);
        log_set_level(LOG_LEVEL_ERROR);
    }
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        line.len = line.len < AGENT_MOST_LINE ? line.len : AGENT_MOST_LINE;
        now += str_is(line, "later") ? MINUTE : 0;
        if (str_is(line, "leave")) {
            (void)agent_leave(&memory, now);
        }
        strbuf_clear(&out);
        agent_answer(&memory, &sampler, line, rest.len & 3, now, &out);
        check(strbuf_view(&out));
    }
    strbuf_deinit(&out);
    return 0;
}
