// SPDX-License-Identifier: MIT
/* Structs of options that programs fill in, and that later versions of the library may extend. */
#ifndef HEARKEN_INTERNAL_SIZED_OPTIONS_H
#define HEARKEN_INTERNAL_SIZED_OPTIONS_H

#include <errno.h>
#include <hearken/hearken.h>
#include <string.h>

/*
 * Copies a caller's options over the defaults in `to`, whose size is `known` bytes. Both begin with
 * their size. A caller built for an older library has the first `oldest` bytes or more. Errors:
 * -EINVAL for a size out of that range, and for `from` NULL.
 */
static inline int options_copy(const char *name, void *to, size_t known, size_t oldest,
                               const void *from, struct hearken_error *error)
{
    size_t size;
    if (!from)
        return hearken_fail(error, -EINVAL, "%s is NULL", name);
    memcpy(&size, from, sizeof(size));
    if (size < oldest || size > known)
        return hearken_fail(error, -EINVAL,
                            "%s.struct_size is %zu, expected %zu to %zu: was its init function "
                            "called, and is this the library that the program was built for?",
                            name, size, oldest, known);
    memcpy(to, from, size);
    memcpy(to, &known, sizeof(known));
    return 0;
}

#endif
