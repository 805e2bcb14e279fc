/* SPDX-License-Identifier: Apache-2.0 */

/* The alerts as bytes: what a restart must not forget. */
#include <errno.h>

#include "rules/private.h"

#define MAGIC             "dbvitals alerts 1\n"
#define LEAST_RULE_BYTES  48 /* four lengths, a place and a count */
#define LEAST_ALERT_BYTES 80

static void pack_rule(const struct rule_group *group, const struct rule_state *state,
                      struct strbuf *out) {
    struct strbuf labels = {0};
    rule_pack_labels(state->rule, &labels);
    pack_str(out, group->file);
    pack_str(out, group->name);
    pack_str(out, state->rule->name);
    pack_str(out, strbuf_view(&labels));
    pack_u64(out, state->place);
    strbuf_deinit(&labels);
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

/* Who the state of a rule belongs to, as it stands in the bytes. */
struct saved_rule {
    struct str file, group, name, labels;
    uint64_t place;
};

/* Return: NULL when there is no such rule any more. *group: where the last one was found, which is
 * where the next one is, unless files have changed. */
static struct rule_state *find_rule(const struct rules *rules, const struct saved_rule *saved,
                                    size_t *group) {
    uint64_t identity = rule_identity(RULE_ALERT, saved->name, saved->labels);
    for (size_t i = 0; i < rules->n_groups; i++) {
        size_t at = (*group + i) % rules->n_groups;
        const struct rule_group *one = rules->groups[at]->group;
        if (str_equal(one->file, saved->file) && str_equal(one->name, saved->group)) {
            *group = at;
            return group_find_rule(rules->groups[at], identity, saved->place, saved->name);
        }
    }
    return NULL;
}

static void load_rule(struct rules *rules, struct unpacker *in, int64_t away_ms, size_t *group) {
    struct saved_rule saved;
    saved.file = unpack_str(in);
    saved.group = unpack_str(in);
    saved.name = unpack_str(in);
    saved.labels = unpack_str(in);
    saved.place = unpack_u64(in);
    size_t count = unpack_count(in, LEAST_ALERT_BYTES);
    struct rule_state *state = in->bad ? NULL : find_rule(rules, &saved, group);
    for (size_t i = 0; !in->bad && i < count; i++) {
        struct alert *alert = alert_unpack(state != NULL ? &state->alerts : NULL,
                                           state != NULL ? state->salt : 0, in);
        if (alert == NULL) {
            continue;
        }
        alert->view.query = state->rule->query;
        alert->sent_ms = 0; /* what was sent last may not have arrived */
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
    int64_t alive_ms = alert_unpack_time(&in);
    int64_t away_ms = now_ms > alive_ms ? now_ms - alive_ms : 0;
    size_t count = unpack_count(&in, LEAST_RULE_BYTES), group = 0;
    for (size_t i = 0; !in.bad && i < count; i++) {
        load_rule(rules, &in, away_ms, &group);
    }
    if (in.bad || in.rest.len > 0) {
        drop_alerts(rules);
        return error_say(err, -EINVAL, "its contents are not what its length says");
    }
    return 0;
}
