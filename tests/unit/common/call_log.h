// SPDX-License-Identifier: MIT
/* What fakes were called for, as a text that a test compares with what it expects. */
#ifndef HEARKEN_TESTS_UNIT_COMMON_CALL_LOG_H
#define HEARKEN_TESTS_UNIT_COMMON_CALL_LOG_H

#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char call_log[2000];

/* Appends to the log. */
static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
    size_t length = strlen(call_log);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call_log + length, sizeof(call_log) - length, format, arguments);
    va_end(arguments);
}

/* Compares the log with a text, and empties it. */
static void expect_calls(const char *expected)
{
    EXPECT_EQUAL_STRING(call_log, expected);
    *call_log = '\0';
}

#endif
