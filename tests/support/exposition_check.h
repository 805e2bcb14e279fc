/* SPDX-License-Identifier: Apache-2.0 */

/* Whether a page is valid text format 0.0.4, read as strictly as its description allows and with
 * nothing of the code that writes pages: everything in it has HELP and TYPE, each family and each
 * series is there once, all of a family stands together, and nothing carries a time. */
#pragma once

#include "base/error.h"
#include "base/str.h"

/* Return: 0, or -EINVAL with the line and what is wrong there. */
int exposition_check(struct str page, struct error *err);
