/* SPDX-License-Identifier: Apache-2.0 */

/* The storage folder, where the daemon keeps what must outlive it. One daemon has it at a time. */
#pragma once

#include "base/error.h"

struct storage {
    char *path;         /* NULL: nothing is kept, state lives in memory only */
    char *control_path; /* of the administration socket in it; NULL likewise */
    int lock;           /* held until storage_close(); 0: none */
};

/* Makes the folder if need be and locks it. given: the path that was asked for, or ":memory:" for
 * none; NULL: the usual folder, and none (with a warning) if that cannot be used.
 * Return: 0, or negative errno with a sentence: the folder that was asked for cannot be used. */
int storage_open(struct storage *storage, const char *given, struct error *err);
void storage_close(struct storage *storage);
