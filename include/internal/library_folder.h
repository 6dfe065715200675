// SPDX-License-Identifier: MIT
#ifndef HEARKEN_INTERNAL_LIBRARY_FOLDER_H
#define HEARKEN_INTERNAL_LIBRARY_FOLDER_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* The folder of the library with something at `address`, or of the program that it is linked into,
 * without symbolic links and never relative; the caller frees it. NULL with errno set on failure.
 */
static inline char *library_folder_of(const void *address)
{
    Dl_info info;
    char *library = NULL;
    if (dladdr(address, &info) && info.dli_fname)
        library = realpath(info.dli_fname, NULL);
    if (!library) /* the library is linked statically, and the program's path was relative */
        library = realpath("/proc/self/exe", NULL);
    char *slash = library ? strrchr(library, '/') : NULL;
    if (slash)
        *slash = '\0';
    return library;
}

/* The folder of the library that calls. */
static inline char *library_folder(void)
{
    static const char anchor;
    return library_folder_of(&anchor);
}

#endif
