// SPDX-License-Identifier: MIT
#include "vector_neon.h"

#include "template_set.h"

const struct instruction_set instruction_set_neon = INSTRUCTION_SET("NEON");
