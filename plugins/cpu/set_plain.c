// SPDX-License-Identifier: MIT
#include "plugins/cpu/vector_plain.h"

#include "plugins/cpu/template_set.h"

const struct instruction_set instruction_set_plain = INSTRUCTION_SET("plain C");
