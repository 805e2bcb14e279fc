/* SPDX-License-Identifier: Apache-2.0 */

/* What a program's process does between fork() and exec. Only io/process.c runs it. */
#pragma once

/* With all signals blocked, in the child. input becomes 0, output 1 and 2. If the program cannot be
 * started its errno, an int, is written to report. */
_Noreturn void process_child_run(char *const *words, char *const *environment, int input,
                                 int output, int report);
