// SPDX-License-Identifier: MIT
#include "plugins/cpu/vector_neon.h"

#include "plugins/cpu/template_set.h"

const struct instruction_set instruction_set_neon = INSTRUCTION_SET("NEON");
