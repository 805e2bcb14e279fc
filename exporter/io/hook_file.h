/* SPDX-License-Identifier: Apache-2.0 */

/* Whether a program may be run as a hook: what fences servers and promotes them must not be in the
 * hands of others. */
#pragma once

#include "base/error.h"

/* The file, and every folder above it, belongs to root or to us, and nobody else may write to it
 * (a folder with the sticky bit may be open: what is ours there cannot be replaced). Symbolic links
 * are followed, and the folders that they lie in count as well. The file is a program that we may
 * run. path is absolute. Blocks, shortly: only local file systems are sensible here.
 * Return: 0, or negative errno with *err, which names what is wrong with which file. */
int hook_file_check(const char *path, struct error *err);
