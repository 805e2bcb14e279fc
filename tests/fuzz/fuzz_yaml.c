/* SPDX-License-Identifier: Apache-2.0 */

/* YAML: any bytes give an error with a text, or a tree that keeps the limits. */

#include "base/yaml.h"
#include "fuzz.h"

static size_t visit(const struct yaml_node *node, size_t depth) {
    size_t visited = 1;
    must(depth <= node->height + depth && node->height + depth <= 8);
    for (size_t i = 0; i < node->n_items; i++) {
        visited += visit(node->items[i], depth + 1);
    }
    for (size_t i = 0; i < node->n_pairs; i++) {
        must(node->pairs[i].key->type == YAML_SCALAR);
        visited += 1 + visit(node->pairs[i].value, depth + 1);
    }
    return visited;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct yaml_limits limits = {.bytes = 65536, .depth = 8, .nodes = 2000};
    struct arena arena = {0};
    struct error err = {0};
    const struct yaml_node *root = NULL;
    if (yaml_parse((struct str){(const char *)data, size}, "x.yml", &limits, &arena, &root, &err) ==
        0) {
        must(!error_is_set(&err));
        must(visit(root, 0) <= root->n_nodes && root->n_nodes <= limits.nodes);
    } else {
        must(error_is_set(&err) && err.text[0] != '\0' && root == NULL);
    }
    arena_deinit(&arena);
    return 0;
}
