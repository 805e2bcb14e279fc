/* SPDX-License-Identifier: Apache-2.0 */

/* Files of PromQL cases: run to their end, or refused at a line. */

#include "fuzz.h"
#include "promql/case_file.h"

static void case_failed(void *userdata, const char *file, unsigned line, const char *why) {
    must(line >= 1 && why[0] != '\0');
    ++*(size_t *)userdata;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failed = 0;
    struct case_options options = {.failed = case_failed, .userdata = &failed};
    struct case_counts counts = {0};
    struct error err = {0};
    if (case_file_run("fuzz", fuzz_input(data, size), &options, &counts, &err) < 0) {
        must(err.text[0] != '\0' && err.at.line >= 1);
    }
    must(counts.failed == failed);
    return 0;
}
