/* SPDX-License-Identifier: Apache-2.0 */

/* Rule files: a set, or errors that each name a place. */

#include "fuzz.h"
#include "rules/rule_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct str name = str_of("fuzz.yml"), text = fuzz_input(data, size);
    struct error_list errors = {0};
    struct rule_set *set =
        rule_set_new(&name, &text, 1, &(struct rule_options){.interval_ms = 60000}, &errors);
    must((set == NULL) == (errors.n > 0));
    for (size_t i = 0; i < errors.n; i++) {
        must(errors.errors[i].text[0] != '\0');
    }
    for (size_t i = 0; set != NULL && i < set->n_groups; i++) {
        must(set->groups[i].interval_ms > 0);
    }
    rule_set_free(set);
    error_list_deinit(&errors);
    return 0;
}
