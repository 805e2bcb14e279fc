/* SPDX-License-Identifier: Apache-2.0 */

/* What members and witnesses of a cluster say: synchronous_standby_names, which is written again
 * and read as the same, and reports of other daemons. */
#include "failover/sync_names.h"
#include "failover/witness_report.h"
#include "fuzz.h"

static void write_names(const struct sync_names *names, struct strbuf *out) {
    strbuf_printf(out, "%s %zu (", names->rule == SYNC_ANY ? "ANY" : "FIRST", names->quorum);
    for (size_t i = 0; i < names->n_names; i++) {
        strbuf_add_text(out, i > 0 ? ", \"" : "\"");
        for (const char *c = names->names[i]; *c != '\0'; c++) {
            strbuf_add_text(out, *c == '"' ? "\"" : "");
            strbuf_add_char(out, *c);
        }
        strbuf_add_char(out, '"');
    }
    strbuf_add_char(out, ')');
}

static void fuzz_names(struct str text) {
    struct sync_names names, again;
    struct strbuf out = {0};
    if (sync_names_read(text, &names, NULL) < 0 || names.rule == SYNC_OFF) {
        return;
    }
    must(names.n_names >= 1 && names.n_names <= SYNC_MOST_NAMES && names.quorum >= 1);
    write_names(&names, &out);
    must(sync_names_read(strbuf_view(&out), &again, NULL) == 0);
    must(again.rule == names.rule && again.quorum == names.quorum);
    must(again.n_names == names.n_names);
    for (size_t i = 0; i < names.n_names; i++) {
        must(strcmp(again.names[i], names.names[i]) == 0);
        must(sync_names_place(&names, names.names[i]) <= i + 1);
    }
    strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    struct witness_report report;
    fuzz_names(text);
    if (size <= 4096 && witness_report_read(text, "orders", &report, NULL) == 0) {
        must(report.answered || report.age_usec == 0);
    }
    return 0;
}
