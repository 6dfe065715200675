// SPDX-License-Identifier: MIT
/* A library that is no plugin. */
#include "tests/unit/bad_plugins/bad.h"

extern const int something_else;

EXPORT const int something_else = 1;
