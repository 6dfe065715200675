// SPDX-License-Identifier: MIT
/* Files that are installed beside the library. Safe from any thread. */
#ifndef HEARKEN_MODELS_FILE_INSTALLED_MODELS_H
#define HEARKEN_MODELS_FILE_INSTALLED_MODELS_H

#include <hearken/hearken.h>

/*
 * The path of NAME in the folder of installed models: the one that lies to the library as
 * $(DATADIR)/hearken lies to $(LIBDIR), so that an installed tree can be moved; else the build
 * tree's, else $(DATADIR)/hearken. Returns `path`; NULL: there is no such folder, or it does not
 * fit. The file need not exist.
 */
char *installed_file(const char *name, char *path, size_t size);

/*
 * For a model file that is not there: the name of a file here that may have been meant, where the
 * path was made of a NAME (hearken_find_model). NULL if there is none. It lies in `path`, of which
 * it is the part before ".gguf", `length` bytes of it.
 */
const char *installed_namesake(const char *path, size_t *length);

#endif
