/* SPDX-License-Identifier: Apache-2.0 */

/* The alerts as bytes: what a restart must not forget. */
#include <errno.h>

#include "rules/private.h"

#define MAGIC             "dbvitals alerts 1\n"
#define LEAST_RULE_BYTES  32 /* three lengths and a count */
#define LEAST_ALERT_BYTES 80

static void pack_rule(const struct rule_group *group, const struct rule_state *state,
                      struct strbuf *out) {
    pack_str(out, group->file);
    pack_str(out, group->name);
    pack_str(out, state->rule->name);
    pack_u64(out, state->alerts.n);
    for (size_t i = 0; i < state->alerts.n; i++) {
        alert_pack(state->alerts.alerts[i], out);
    }
}

void rules_save(const struct rules *rules, int64_t now_ms, struct strbuf *out) {
    struct strbuf body = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < rules->n_groups; i++) {
        const struct rule_group *group = rules->groups[i]->group;
        for (size_t k = 0; k < group->n_rules; k++) {
            if (rules->groups[i]->states[k].alerts.n > 0) {
                pack_rule(group, &rules->groups[i]->states[k], &body);
                count++;
            }
        }
    }
    struct strbuf all = {0};
    pack_i64(&all, now_ms);
    pack_u64(&all, count);
    strbuf_add_str(&all, strbuf_view(&body));
    strbuf_add_text(out, MAGIC);
    pack_u64(out, crc32c(all.data, all.len));
    strbuf_add_str(out, strbuf_view(&all));
    strbuf_deinit(&all);
    strbuf_deinit(&body);
}

/* The rule that this state is of; of several with one name the first that has no alerts yet. */
static struct rule_state *find_rule(const struct rules *rules, struct str file, struct str group,
                                    struct str name) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        const struct rule_group *candidate = rules->groups[i]->group;
        if (!str_equal(candidate->file, file) || !str_equal(candidate->name, group)) {
            continue;
        }
        for (size_t k = 0; k < candidate->n_rules; k++) {
            struct rule_state *state = &rules->groups[i]->states[k];
            if (state->rule->kind == RULE_ALERT && str_equal(state->rule->name, name) &&
                state->alerts.n == 0) {
                return state;
            }
        }
    }
    return NULL;
}

static void load_rule(struct rules *rules, struct unpacker *in, int64_t away_ms) {
    struct str file = unpack_str(in), group = unpack_str(in), name = unpack_str(in);
    size_t count = unpack_count(in, LEAST_ALERT_BYTES);
    struct rule_state *state = in->bad ? NULL : find_rule(rules, file, group, name);
    for (size_t i = 0; !in->bad && i < count; i++) {
        struct alert *alert = alert_unpack(state != NULL ? &state->alerts : NULL,
                                           state != NULL ? state->salt : 0, in);
        if (alert == NULL) {
            continue;
        }
        alert->view.query = state->rule->query;
        if (alert->view.state == ALERT_PENDING) {
            alert->view.active_ms += away_ms; /* nobody saw it hold in the meantime */
        }
    }
}

static void drop_alerts(struct rules *rules) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        for (size_t k = 0; k < rules->groups[i]->group->n_rules; k++) {
            alert_list_deinit(&rules->groups[i]->states[k].alerts);
        }
    }
}

int rules_load(struct rules *rules, struct str state, int64_t now_ms, struct error *err) {
    const size_t magic = sizeof(MAGIC) - 1;
    if (state.len < magic || memcmp(state.data, MAGIC, magic) != 0) {
        return error_say(err, -EINVAL, "it does not begin as a state of alerts of this version");
    }
    struct unpacker in = {{state.data + magic, state.len - magic}, false};
    uint64_t sum = unpack_u64(&in);
    if (in.bad || sum != crc32c(in.rest.data, in.rest.len)) {
        return error_say(err, -EINVAL, "its checksum is wrong: it is cut short or damaged");
    }
    int64_t alive_ms = unpack_i64(&in);
    int64_t away_ms = now_ms > alive_ms ? now_ms - alive_ms : 0;
    size_t count = unpack_count(&in, LEAST_RULE_BYTES);
    for (size_t i = 0; !in.bad && i < count; i++) {
        load_rule(rules, &in, away_ms);
    }
    if (in.bad || in.rest.len > 0) {
        drop_alerts(rules);
        return error_say(err, -EINVAL, "its contents are not what its length says");
    }
    return 0;
}
