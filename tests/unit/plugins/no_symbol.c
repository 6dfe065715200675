// SPDX-License-Identifier: MIT
/* A library that is no plugin. */
#include "bad.h"

extern const int something_else;

EXPORT const int something_else = 1;
