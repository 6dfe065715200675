// SPDX-License-Identifier: MIT
#include "plugins/cpu/vector_avx2.h"

#include "plugins/cpu/template_set.h"

const struct instruction_set instruction_set_avx2 = INSTRUCTION_SET("AVX2");
