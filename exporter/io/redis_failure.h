/* SPDX-License-Identifier: Apache-2.0 */

/* What an error reply of Redis means. Pure; the text may be hostile. */
#pragma once

#include "base/str.h"
#include "io/client.h"

/* The failure of a request (the server is alive), with the server's sentence. The sentence is left
 * out when it repeats the password or its beginning (servers quote commands that they do not know);
 * password may be NULL. */
void redis_failure_from_text(struct str text, const char *password, struct client_failure *ret);

/* Whether an error as the answer to our PING shows that the connection is usable: the server is
 * alive and has accepted us, it is only busy, loading, or does not let us PING. */
bool redis_failure_is_usable(const struct client_failure *failure);
