/* SPDX-License-Identifier: Apache-2.0 */

/* Configuration files: any bytes give an error with a text, or a configuration whose printed form
 * is YAML. Secret files are not read: each holds the same. */

#include "config/private.h"
#include "fuzz.h"

static int find_secret(void *userdata, const char *path, const char **ret, struct error *err) {
    if (*path == '\0') {
        return error_say(err, -1, "does not exist");
    }
    *ret = "secret";
    return 0;
}

static void check_printed(const struct config *config, struct arena *arena) {
    const struct yaml_node *root;
    struct strbuf text = {0};
    config_print(config, &text);
    must(yaml_parse(strbuf_view(&text), NULL, &yaml_limits_default, arena, &root, NULL) == 0);
    must(root->type == YAML_MAP);
    strbuf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct secret_source secrets = {.find = find_secret};
    struct arena arena = {0};
    struct error err = {0};
    struct config config;
    struct reader reader = {.arena = &arena, .secrets = &secrets, .err = &err};
    config_init(&config);
    if (config_read_text(&reader, (struct str){(const char *)data, size}, "x.yml", &config) == 0) {
        must(!error_is_set(&err));
        check_printed(&config, &arena);
    } else {
        must(error_is_set(&err) && err.text[0] != '\0');
    }
    config_deinit(&config);
    arena_deinit(&arena);
    return 0;
}
