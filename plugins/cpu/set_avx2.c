// SPDX-License-Identifier: MIT
#include "vector_avx2.h"

#include "template_set.h"

const struct instruction_set instruction_set_avx2 = INSTRUCTION_SET("AVX2");
