/* SPDX-License-Identifier: Apache-2.0 */

/* What a program's process does between fork() and exec, and what stands by it. Only io/process.c
 * runs them. */
#pragma once

struct process_user;

struct process_child {
    char *const *words, *const *environment;
    const struct process_user *user; /* NULL: whoever we are */
    int input, output, report;
};

/* With all signals blocked, in the child. input becomes 0, output 1 and 2. If the program cannot be
 * started its errno, an int, is written to report. */
_Noreturn void process_child_run(const struct process_child *child);

/* With all signals blocked, in another child: does nothing until nobody has the other end of report
 * open, for its owner is gone or has killed this; then reads the output to its end. */
_Noreturn void process_child_stand_by(int output, int report);
