// SPDX-License-Identifier: MIT
/*
 * Assertions that show both sides where they fail:
 *
 *     tests/unit/models/test_stream.c:24  - EXPECT_EQUAL(record.finals, 3): got 2, expected 3
 *
 * CUnit counts them as its own. Each argument is evaluated once. Those that end in _FATAL end the
 * test.
 */
#ifndef HEARKEN_TESTS_UNIT_COMMON_EXPECT_H
#define HEARKEN_TESTS_UNIT_COMMON_EXPECT_H

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers and pointers: integers by their value whatever their types, pointers to objects. */
#define EXPECT_EQUAL(actual, expected)                                                             \
    expect_equal(EXPECT_VALUE(actual), EXPECT_VALUE(expected),                                     \
                 EXPECT_PLACE("EXPECT_EQUAL(" #actual ", " #expected ")", CU_FALSE))
#define EXPECT_EQUAL_FATAL(actual, expected)                                                       \
    expect_equal(EXPECT_VALUE(actual), EXPECT_VALUE(expected),                                     \
                 EXPECT_PLACE("EXPECT_EQUAL_FATAL(" #actual ", " #expected ")", CU_TRUE))
#define EXPECT_NOT_EQUAL(actual, other)                                                            \
    expect_not_equal(EXPECT_VALUE(actual), EXPECT_VALUE(other),                                    \
                     EXPECT_PLACE("EXPECT_NOT_EQUAL(" #actual ", " #other ")", CU_FALSE))

/* Numbers that differ by no more than `most`. */
#define EXPECT_CLOSE(actual, expected, most)                                                       \
    expect_near(actual, expected, most,                                                            \
                EXPECT_PLACE("EXPECT_CLOSE(" #actual ", " #expected ", " #most ")", CU_FALSE))

/* Texts; NULL is none. */
#define EXPECT_EQUAL_STRING(actual, expected)                                                      \
    expect_string(actual, expected,                                                                \
                  EXPECT_PLACE("EXPECT_EQUAL_STRING(" #actual ", " #expected ")", CU_FALSE))
#define EXPECT_CONTAINS(text, part)                                                                \
    expect_part(text, part, EXPECT_PLACE("EXPECT_CONTAINS(" #text ", " #part ")", CU_FALSE))

/* ---- What is behind them ---- */

struct expect_place {
    const char *file, *condition;
    unsigned line;
    CU_BOOL fatal;
};

struct expect_value {
    enum { EXPECT_SIGNED, EXPECT_UNSIGNED, EXPECT_REAL, EXPECT_POINTER } kind;
    int64_t integer;
    uint64_t natural;
    double real;
    const void *pointer;
};

#define EXPECT_PLACE(text, is_fatal) ((struct expect_place){__FILE__, text, __LINE__, is_fatal})

/* clang-format off */
#define EXPECT_VALUE(x)                                                                            \
    _Generic((x),                                                                                  \
            char: expect_signed, signed char: expect_signed, short: expect_signed,                 \
            int: expect_signed, long: expect_signed, long long: expect_signed,                     \
            _Bool: expect_unsigned, unsigned char: expect_unsigned,                                \
            unsigned short: expect_unsigned, unsigned: expect_unsigned,                            \
            unsigned long: expect_unsigned, unsigned long long: expect_unsigned,                   \
            float: expect_real, double: expect_real, default: expect_pointer)(x)
/* clang-format on */

static inline struct expect_value expect_signed(int64_t value)
{
    return (struct expect_value){.kind = EXPECT_SIGNED, .integer = value, .real = (double)value};
}

static inline struct expect_value expect_unsigned(uint64_t value)
{
    return (struct expect_value){.kind = EXPECT_UNSIGNED, .natural = value, .real = (double)value};
}

static inline struct expect_value expect_real(double value)
{
    return (struct expect_value){.kind = EXPECT_REAL, .real = value};
}

static inline struct expect_value expect_pointer(const void *value)
{
    return (struct expect_value){.kind = EXPECT_POINTER, .pointer = value};
}

static inline bool expect_same(const struct expect_value *a, const struct expect_value *b)
{
    if (a->kind == EXPECT_POINTER || b->kind == EXPECT_POINTER)
        return a->kind == b->kind && a->pointer == b->pointer;
    if (a->kind == EXPECT_REAL || b->kind == EXPECT_REAL)
        return a->real == b->real;
    if (a->kind == b->kind)
        return a->integer == b->integer && a->natural == b->natural;
    const struct expect_value *with_sign = a->kind == EXPECT_SIGNED ? a : b;
    return with_sign->integer >= 0 && (uint64_t)with_sign->integer == (a->natural | b->natural);
}

/* In `text` of 32 bytes. */
static inline const char *expect_print(const struct expect_value *value, char *text)
{
    switch (value->kind) {
    case EXPECT_SIGNED:
        snprintf(text, 32, "%lld", (long long)value->integer);
        break;
    case EXPECT_UNSIGNED:
        snprintf(text, 32, "%llu", (unsigned long long)value->natural);
        break;
    case EXPECT_REAL:
        snprintf(text, 32, "%.17g", value->real);
        break;
    case EXPECT_POINTER:
        snprintf(text, 32, "%p", value->pointer);
        break;
    }
    return text;
}

/* Frees `text`, which says what failed; NULL: nothing has. */
static inline void expect_tell(bool good, char *text, struct expect_place place)
{
    /* CUnit copies it, but does not come back from what is fatal. */
    char shown[4096];
    snprintf(shown, sizeof(shown), "%s%s", place.condition, text ? text : "");
    free(text);
    CU_assertImplementation(good, place.line, shown, place.file, "", place.fatal);
}

static inline void expect_equal(struct expect_value actual, struct expect_value expected,
                                struct expect_place place)
{
    char one[32], other[32], *text = NULL;
    bool good = expect_same(&actual, &expected);
    if (!good && asprintf(&text, ": got %s, expected %s", expect_print(&actual, one),
                          expect_print(&expected, other)) < 0)
        text = NULL;
    expect_tell(good, text, place);
}

static inline void expect_not_equal(struct expect_value actual, struct expect_value other,
                                    struct expect_place place)
{
    char one[32], *text = NULL;
    bool good = !expect_same(&actual, &other);
    if (!good && asprintf(&text, ": both are %s", expect_print(&actual, one)) < 0)
        text = NULL;
    expect_tell(good, text, place);
}

static inline void expect_near(double actual, double expected, double most,
                               struct expect_place place)
{
    char *text = NULL;
    bool good = fabs(actual - expected) <= fabs(most);
    if (!good && asprintf(&text, ": got %.17g, expected %.17g, off by %.3g", actual, expected,
                          actual - expected) < 0)
        text = NULL;
    expect_tell(good, text, place);
}

/* In quotes, with what is not seen as C writes it. */
static inline void expect_quote(FILE *stream, const char *text)
{
    if (!text) {
        fputs("NULL", stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", stream);
        else if ((unsigned char)*text < ' ' || *text == 0x7f)
            fprintf(stream, "\\x%02x", (unsigned char)*text);
        else
            fputc(*text, stream);
    fputc('"', stream);
}

static inline void expect_strings(bool good, const char *actual, const char *expected,
                                  const char *between, struct expect_place place)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = good ? NULL : open_memstream(&text, &length);
    if (stream) {
        fputs(":\n      got ", stream);
        expect_quote(stream, actual);
        fprintf(stream, ",\n      expected %s", between);
        expect_quote(stream, expected);
        fclose(stream);
    }
    expect_tell(good, text, place);
}

static inline void expect_string(const char *actual, const char *expected,
                                 struct expect_place place)
{
    bool good = actual && expected ? strcmp(actual, expected) == 0 : actual == expected;
    expect_strings(good, actual, expected, "", place);
}

static inline void expect_part(const char *text, const char *part, struct expect_place place)
{
    expect_strings(text && strstr(text, part), text, part, "it to contain ", place);
}

#endif
