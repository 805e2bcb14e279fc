/* SPDX-License-Identifier: Apache-2.0 */

/* Commands that change a running daemon, over the socket in its storage folder. */
#pragma once

#include "base/arena.h"
#include "base/json_reader.h"
#include "io/fetch.h"

#define CLI_DEFAULT_STORAGE "/var/lib/dbvitals"

/* Asks, and reads the answer. Return: 0 and its `data`, in the arena; or the exit status after one
 * line on stderr. */
int cli_control_ask(const char *folder, const struct fetch_options *wanted, struct arena *arena,
                    const struct json_value **ret);
