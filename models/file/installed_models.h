// SPDX-License-Identifier: MIT
/* Files that are installed beside the library. Safe from any thread. */
#ifndef HEARKEN_MODELS_FILE_INSTALLED_MODELS_H
#define HEARKEN_MODELS_FILE_INSTALLED_MODELS_H

#include <hearken/hearken.h>

/*
 * The path of NAME in the folder of installed models: relative to the library as $(DATADIR)/hearken
 * is to $(LIBDIR), so that an installed tree can be moved; else that of the build tree, else
 * $(DATADIR)/hearken. Returns `path`; NULL if it does not fit. The file need not exist.
 */
char *installed_file(const char *name, char *path, size_t size);

/*
 * For a missing model whose path was made from a NAME (hearken_find_model): the name of a file in
 * the current directory that the user may have meant, or NULL. It points into `path`, to the
 * `length` bytes before ".gguf".
 */
const char *installed_namesake(const char *path, size_t *length);

#endif
