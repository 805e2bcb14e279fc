/* SPDX-License-Identifier: Apache-2.0 */

/* Runs a fuzzer over the files of its corpus, so that what it found once is tested always and
 * without a fuzzing engine. Each file is a test in TAP; a finding ends the process.
 *
 * usage: replay FOLDER */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"

static int is_file(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int read_file(const char *path, struct strbuf *out) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    size_t got;
    while ((got = fread(strbuf_reserve(out, 65536), 1, 65536, file)) > 0) {
        out->len += got;
    }
    int r = ferror(file) ? -1 : 0;
    fclose(file);
    return r;
}

static int replay(const char *folder, const char *name, int number) {
    struct strbuf text = {0};
    char *path = mem_printf("%s/%s", folder, name);
    int r = read_file(path, &text);
    /* A copy of the exact size: the sanitizers see the first byte that is read behind it. */
    uint8_t *data = malloc(text.len != 0 ? text.len : 1);
    if (r == 0 && data != NULL) {
        memcpy(data, strbuf_view(&text).data, text.len);
        LLVMFuzzerTestOneInput(data, text.len);
    }
    printf("%s %d - %s\n", r == 0 ? "ok" : "not ok", number, name);
    fflush(stdout);
    free(data);
    free(path);
    strbuf_deinit(&text);
    return r;
}

int main(int argc, char **argv) {
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, is_file, alphasort) : -1;
    if (count <= 0) {
        printf("Bail out! usage: %s FOLDER (with at least one file)\n", argv[0]);
        return 1;
    }
    printf("1..%d\n", count);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        failed |= replay(argv[1], entries[i]->d_name, i + 1) != 0;
        free(entries[i]);
    }
    free(entries);
    return failed;
}
