// SPDX-License-Identifier: MIT
#include "plugins/cpu/vector_avx512.h"

#include "plugins/cpu/template_set.h"

const struct instruction_set instruction_set_avx512 = INSTRUCTION_SET("AVX-512");
