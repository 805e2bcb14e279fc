/* SPDX-License-Identifier: Apache-2.0 */

/* The web configuration file (--web.config.file), as Prometheus' exporters have it: TLS, users and
 * headers. Like the configuration it is read in one process and parsed in another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "web/security_options.h"

#define WEB_FILE_MOST_BYTES     ((size_t)256 * 1024)
#define WEB_FILE_MOST_PEM_BYTES ((size_t)256 * 1024)
#define WEB_FILE_MOST_PACKED    (WEB_FILE_MOST_BYTES + 4 * WEB_FILE_MOST_PEM_BYTES)

/* Text of the file and of those that it names. */
struct web_file;

/* May block; reads, parses and so knows what is wrong, as web_file_parse() does. Return: 0 or
 * negative errno with *err, whose text begins with the place. */
int web_file_read(const char *path, struct web_file **ret, struct error *err);
struct web_file *web_file_free(struct web_file *file); /* wipes secrets */
DEFINE_CLEANUP(struct web_file, web_file_free);

/* In at most WEB_FILE_MOST_PACKED bytes. The caller wipes what was packed. */
void web_file_pack(const struct web_file *file, struct strbuf *out);
int web_file_unpack(struct str packed, struct web_file **ret, struct error *err);

/* What a reader of the log should know about values that mean less here than elsewhere. */
struct web_file_notes {
    bool http2, rate_limit;
};

/* Touches no disk. ret and notes are written only on success; notes may be NULL. That the
 * certificate can be used is seen by web_check_security(). Return: as web_file_read(). */
int web_file_parse(const struct web_file *file, struct web_security_options *ret,
                   struct web_file_notes *notes, struct error *err);
