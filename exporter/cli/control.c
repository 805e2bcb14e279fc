/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/control.h"

#include <errno.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "web/web.h"

#define TIMEOUT_USEC (70 * USEC_PER_SEC) /* beyond what a disk may take */
#define MOST_BYTES   ((size_t)64 * 1024 * 1024)

/* What to do when nobody answers. Return: 1. */
static int explain(int r, const char *folder, const char *sentence) {
    char text[512];
    if (r == -ENOENT || r == -ENOTDIR) {
        snprintf(text, sizeof(text),
                 "no daemon uses the storage folder '%.150s': there is no %s (--storage.path "
                 "names another folder)",
                 folder, WEB_CONTROL_SOCKET);
    } else if (r == -ECONNREFUSED) {
        snprintf(text, sizeof(text),
                 "the daemon with the storage folder '%.150s' does not run: nobody listens on its "
                 "%s",
                 folder, WEB_CONTROL_SOCKET);
    } else if (r == -EACCES || r == -EPERM) {
        snprintf(text, sizeof(text),
                 "only root and the daemon's own user may use the %s in '%.150s'",
                 WEB_CONTROL_SOCKET, folder);
    } else {
        snprintf(text, sizeof(text), "the daemon cannot be asked over the %s in '%.150s': %s",
                 WEB_CONTROL_SOCKET, folder, sentence);
    }
    return cli_fail(text);
}

int cli_control_ask(const char *folder, const struct fetch_options *wanted, struct arena *arena,
                    const struct json_value **ret) {
    struct fetch_options options = *wanted;
    struct fetch_reply reply = {0};
    struct error err = {0};
    const struct json_value *answer = NULL;
    CLEANUP(mem_freep)
    char *socket_path = mem_printf("%s/%s", folder, WEB_CONTROL_SOCKET);
    options.socket_path = socket_path;
    options.timeout_usec = TIMEOUT_USEC;
    options.most_bytes = MOST_BYTES;
    int r = fetch_url(&options, &reply, &err);
    if (r < 0) {
        return explain(r, folder, err.text);
    }
    int status = 0;
    if (json_read(strbuf_view(&reply.body), arena, &answer, &err) < 0) {
        status = cli_fail("the daemon's answer is no JSON");
    } else if (reply.status != 200) {
        struct str text = json_text_of(json_member(answer, "error"));
        fprintf(stderr, "dbvitals: %.*s (HTTP status %u)\n", (int)text.len, text.data,
                reply.status);
        status = 1;
    }
    *ret = json_member(answer, "data");
    fetch_reply_deinit(&reply);
    return status;
}
