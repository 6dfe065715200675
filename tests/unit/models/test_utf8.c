// SPDX-License-Identifier: MIT
/* UTF-8: every character there is, and what is none. */
#include "include/internal/utf8.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_utf8_tests(void);

#define REPLACEMENT "\xef\xbf\xbd"
#define CHARACTERS  0x110000u

static bool is_surrogate(uint32_t character)
{
    return character >= 0xd800 && character < 0xe000;
}

/* RFC 3629, section 3. */
static size_t encode(uint32_t character, char *text)
{
    if (character < 0x80) {
        text[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        text[0] = (char)(0xc0 | character >> 6);
        text[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        text[0] = (char)(0xe0 | character >> 12);
        text[1] = (char)(0x80 | (character >> 6 & 0x3f));
        text[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    text[0] = (char)(0xf0 | character >> 18);
    text[1] = (char)(0x80 | (character >> 12 & 0x3f));
    text[2] = (char)(0x80 | (character >> 6 & 0x3f));
    text[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

static void test_every_character(void)
{
    uint32_t wrong = 0;
    for (uint32_t character = 0; character < CHARACTERS; character++) {
        char text[5] = "";
        uint32_t decoded = UINT32_MAX;
        size_t size = encode(character, text);
        text[size] = 'x';
        size_t taken = utf8_decode(text, size + 1, &decoded);
        if (is_surrogate(character))
            wrong += taken != 0;
        else
            wrong += taken != size || decoded != character;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Without its last bytes a character is none; the copies let the sanitizers see a look behind. */
static void test_truncated(void)
{
    static const char *const characters[] = {"\xc2\x80", "\xdf\xbf", "\xe2\x96\x81", "\xef\xbf\xbf",
                                             "\xf0\x9f\x8e\xa4"};
    for (size_t i = 0; i < sizeof(characters) / sizeof(*characters); i++)
        for (size_t length = 0; length < strlen(characters[i]); length++) {
            uint32_t character;
            char *copy = exact_copy(characters[i], length);
            CU_ASSERT_EQUAL(utf8_decode(copy, length, &character), 0);
            free(copy);
        }
}

/* Whether these bytes begin with a character, told by encoding what they would stand for. */
static bool agrees(const char *bytes)
{
    uint32_t character = 0;
    char again[4];
    size_t size = utf8_decode(bytes, 4, &character);
    if (size > 0)
        return character < CHARACTERS && !is_surrogate(character) &&
               encode(character, again) == size && memcmp(bytes, again, size) == 0;
    /* Each valid first character is the only one whose code begins so. */
    for (size_t length = 1; length <= 4; length++) {
        uint8_t first = (uint8_t)bytes[0];
        uint32_t value = length == 1 ? first : first & (0x7f >> length);
        for (size_t i = 1; i < length; i++)
            value = value << 6 | ((uint8_t)bytes[i] & 0x3f);
        if (value < CHARACTERS && !is_surrogate(value) && encode(value, again) == length &&
            memcmp(bytes, again, length) == 0)
            return false;
    }
    return true;
}

/* All first two bytes with all ends that matter: overlong forms, surrogates, beyond U+10FFFF. */
static void test_every_beginning(void)
{
    static const uint8_t ends[] = {0x00, 0x2f, 0x7f, 0x80, 0x81, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    size_t wrong = 0, count = sizeof(ends);
    for (uint32_t start = 0; start < 65536; start++)
        for (size_t i = 0; i < count * count; i++) {
            const char bytes[4] = {(char)(start >> 8), (char)start, (char)ends[i / count],
                                   (char)ends[i % count]};
            wrong += !agrees(bytes);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void repairs(const char *bytes, size_t length, const char *expected)
{
    char *copy = exact_copy(bytes, length);
    char *text = utf8_repair(copy, length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
    free(copy);
}

static void test_repair(void)
{
    repairs("", 0, "");
    repairs("plain", 5, "plain");
    repairs("caf\xc3\xa9 \xf0\x9f\x8e\xa4", 10, "caf\xc3\xa9 \xf0\x9f\x8e\xa4");
    repairs("a\0b", 3, "a" REPLACEMENT "b");
    repairs("\0", 1, REPLACEMENT);
    repairs("a\xff\xfe", 3, "a" REPLACEMENT REPLACEMENT);
    repairs("\xc3", 1, REPLACEMENT);
    repairs("\xc3t", 2, REPLACEMENT "t");
    repairs("\xe2\x96", 2, REPLACEMENT REPLACEMENT);
    repairs("\xe2\x96\x81\x81", 4, "\xe2\x96\x81" REPLACEMENT);
    repairs("\xc0\xaf", 2, REPLACEMENT REPLACEMENT);
    repairs("\xed\xa0\x80", 3, REPLACEMENT REPLACEMENT REPLACEMENT);
    repairs("\xf4\x90\x80\x80", 4, REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT);
    repairs(REPLACEMENT, 3, REPLACEMENT);
}

/* What has been repaired is all characters. */
static void test_repaired_is_valid(void)
{
    unsigned seed = 20250717;
    printf("(seed %u) ", seed);
    srand(seed);
    size_t wrong = 0;
    for (size_t round = 0; round < 2000; round++) {
        char bytes[64];
        size_t length = (size_t)rand() % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)(rand() % 3 ? 0x80 + rand() % 128 : rand() % 256);
        char *text = utf8_repair(bytes, length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        size_t at = 0, left = strlen(text);
        while (left > 0) {
            uint32_t character;
            size_t size = utf8_decode(text + at, left, &character);
            if (size == 0)
                break;
            at += size;
            left -= size;
        }
        wrong += left > 0 || strlen(text) < length;
        free(text);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

void add_utf8_tests(void)
{
    CU_pSuite suite = CU_add_suite("utf8", NULL, NULL);
    CU_ADD_TEST(suite, test_every_character);
    CU_ADD_TEST(suite, test_truncated);
    CU_ADD_TEST(suite, test_every_beginning);
    CU_ADD_TEST(suite, test_repair);
    CU_ADD_TEST(suite, test_repaired_is_valid);
}
