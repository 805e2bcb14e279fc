/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers as text, as expositions and JSON want them. */
#pragma once

#include <stddef.h>

#define NUMBER_TEXT_SIZE 32

/* Whole numbers below 2^53 as digits, anything else as the shortest of %.15g to %.17g that reads
 * back as the same double; "NaN", "+Inf", "-Inf". Terminated.
 * Return: the length. */
size_t number_format(double value, char out[NUMBER_TEXT_SIZE]);
