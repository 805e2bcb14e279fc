/* SPDX-License-Identifier: Apache-2.0 */

/* The section `failover:` as YAML. */
#include "config/print_yaml.h"

static void add_names(struct strbuf *out, const char *key, const struct failover_names *names) {
    strbuf_printf(out, "      %s: [", key);
    for (size_t i = 0; i < names->count; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        yaml_print_text(out, str_of(names->list[i]));
    }
    strbuf_add_text(out, "]\n");
}

static void add_windows(struct strbuf *out, const struct failover_options *one) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    strbuf_add_text(out, "    maintenance: [");
    for (size_t i = 0; i < one->n_windows; i++) {
        const struct maintenance_window *window = &one->windows[i];
        strbuf_add_text(out, i > 0 ? ", '" : "'");
        size_t before = out->len;
        for (unsigned day = 0; window->days != 0x7f && day < 7; day++) {
            if ((window->days & 1u << day) != 0) {
                strbuf_printf(out, "%s%s", out->len > before ? "," : "", days[day]);
            }
        }
        strbuf_printf(out, "%s%02u:%02u-%02u:%02u'", out->len > before ? " " : "",
                      window->from_minute / 60, window->from_minute % 60, window->until_minute / 60,
                      window->until_minute % 60);
    }
    strbuf_add_text(out, "]\n");
}

static void add_one(struct strbuf *out, const struct failover_options *one) {
    strbuf_add_text(out, "  - cluster: ");
    yaml_print_text(out, str_of(one->cluster));
    strbuf_printf(out, "\n    mode: %s\n", failover_mode_names[one->mode]);
    yaml_print_duration(out, "    interval", one->interval_usec);
    strbuf_printf(out, "\n    failures: %llu\n", (unsigned long long)one->failures);
    if (one->quorum != 0) {
        strbuf_printf(out, "    quorum: %llu\n", (unsigned long long)one->quorum);
    } else {
        strbuf_add_text(out, "    quorum: majority\n");
    }
    strbuf_printf(out, "    max_lag_bytes: %llu\n    max_replay_bytes: %llu\n",
                  (unsigned long long)one->max_lag_bytes,
                  (unsigned long long)one->max_replay_bytes);
    yaml_print_duration(out, "    view_max_age", one->view_max_age_usec);
    yaml_print_duration(out, "\n    restart_grace", one->restart_grace_usec);
    yaml_print_duration(out, "\n    startup_grace", one->startup_grace_usec);
    yaml_print_duration(out, "\n    primary_start_timeout", one->start_timeout_usec);
    strbuf_printf(out, "\n    failover_on_clean_stop: %s\n", one->on_clean_stop ? "true" : "false");
    if (one->unfenced) {
        strbuf_add_text(out, "    unfenced: accept_split_brain\n");
    }
    if (one->n_windows > 0) {
        add_windows(out, one);
    }
    print_hooks(out, &one->hooks);
    if (one->pools.count > 0) {
        strbuf_add_text(out, "    pgbouncer:\n");
        add_names(out, "targets", &one->pools);
        add_names(out, "databases", &one->pool_databases);
    }
    print_lock(out, &one->lock);
    for (size_t i = 0; i < one->witnesses.count; i++) {
        strbuf_add_text(out, i == 0 ? "    witness:\n      - " : "      - ");
        yaml_print_text(out, str_of(one->witnesses.list[i]));
        strbuf_add_char(out, '\n');
    }
}

void print_failover(struct strbuf *out, const struct failover_options *list, size_t count) {
    if (count > 0) {
        strbuf_add_text(out, "failover:\n");
    }
    for (size_t i = 0; i < count; i++) {
        add_one(out, &list[i]);
    }
}
