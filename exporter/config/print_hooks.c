/* SPDX-License-Identifier: Apache-2.0 */

/* Commands and the map `hooks:` of a failover cluster as YAML. */
#include "config/print_yaml.h"

void yaml_print_commands(struct strbuf *out, const char *key,
                         const struct hook_commands *commands) {
    strbuf_printf(out, "%s: [", key);
    for (size_t i = 0; i < commands->count; i++) {
        strbuf_add_text(out, i > 0 ? ", [" : "[");
        for (size_t k = 0; commands->list[i].words[k] != NULL; k++) {
            strbuf_add_text(out, k > 0 ? ", " : "");
            yaml_print_text(out, str_of(commands->list[i].words[k]));
        }
        strbuf_add_char(out, ']');
    }
    strbuf_add_char(out, ']');
}

void print_hooks(struct strbuf *out, const struct hook_options *hooks) {
    strbuf_add_text(out, "    hooks:\n");
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        strbuf_add_text(out, "      ");
        yaml_print_commands(out, hook_event_names[i], &hooks->commands[i]);
        strbuf_add_char(out, '\n');
    }
    yaml_print_duration(out, "      timeout", hooks->timeout_usec);
    yaml_print_duration(out, "\n      fence_timeout", hooks->fence_timeout_usec);
    strbuf_add_char(out, '\n');
    if (hooks->user != NULL) {
        strbuf_add_text(out, "      user: ");
        yaml_print_text(out, str_of(hooks->user));
        strbuf_add_char(out, '\n');
    }
}
