// SPDX-License-Identifier: MIT
#ifndef HEARKEN_DAEMON_CLIENT_MODULES_MODULE_LOAD_H
#define HEARKEN_DAEMON_CLIENT_MODULES_MODULE_LOAD_H

#include <hearken/hearken.h>

/* The table of module `name` (modules.h), which needs `library`; it stays loaded. NULL with `error`
 * if it cannot be: -ENOSYS. */
const void *module_load(const char *name, const char *library, struct hearken_error *error);

#endif
