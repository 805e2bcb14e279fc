/* SPDX-License-Identifier: Apache-2.0 */

#include "base/random.h"

#include <sys/random.h>
#include <unistd.h>

/* splitmix64 (Steele, Lea, Flood 2014), seeded by the kernel. */
uint64_t random_u64(void) {
    static uint64_t state;
    static pid_t owner;
    if (owner != getpid()) {
        owner = getpid();
        uint64_t seed = 0;
        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
            seed = (uint64_t)owner;
        }
        state ^= seed;
    }
    uint64_t value = state += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

double random_unit(void) {
    return (double)(random_u64() >> 11) * 0x1p-53;
}
