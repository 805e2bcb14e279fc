/* SPDX-License-Identifier: Apache-2.0 */

/* The few macros that functions cannot replace: cleanup at end of scope, array length, the struct
 * around a member. */
#pragma once

#include <stddef.h>

/* Runs FREE_FUNCTION_P(&variable) when the variable leaves its scope. */
#define CLEANUP(function_p) __attribute__((cleanup(function_p)))

/* Defines NAMEp for CLEANUP from NAME(type *), which must accept NULL. */
#define DEFINE_CLEANUP(type, function)                                                             \
    static inline void function##p(type **pointer) {                                               \
        if (*pointer != NULL) {                                                                    \
            function(*pointer);                                                                    \
        }                                                                                          \
    }                                                                                              \
    struct cleanup_needs_a_semicolon

/* Hands over a CLEANUP variable: yields its value and leaves NULL behind. */
#define take_ptr(pointer)                                                                          \
    __extension__({                                                                                \
        __auto_type taken_ = (pointer);                                                            \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))
