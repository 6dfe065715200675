// SPDX-License-Identifier: MIT
/* Which tests of a program run: those that its arguments name. */
#ifndef TESTS_UNIT_COMMON_CHOOSE_TESTS_H
#define TESTS_UNIT_COMMON_CHOOSE_TESTS_H

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Without arguments all run; else those with one of them in the name of the test or of its suite.
 * Returns false if there is none.
 */
static inline bool choose_tests(int count, char **arguments)
{
    bool found = false;
    if (count < 2)
        return true;
    CU_set_fail_on_inactive(CU_FALSE);
    for (CU_pSuite suite = CU_get_registry()->pSuite; suite; suite = suite->pNext)
        for (CU_pTest test = suite->pTest; test; test = test->pNext) {
            bool chosen = false;
            for (int i = 1; i < count; i++)
                chosen |= strstr(test->pName, arguments[i]) || strstr(suite->pName, arguments[i]);
            CU_set_test_active(test, chosen);
            found |= chosen;
        }
    if (!found)
        fputs("no test has such a name\n", stderr);
    return found;
}

#endif
