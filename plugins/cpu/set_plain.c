// SPDX-License-Identifier: MIT
#include "vector_plain.h"

#include "template_set.h"

const struct instruction_set instruction_set_plain = INSTRUCTION_SET("plain C");
