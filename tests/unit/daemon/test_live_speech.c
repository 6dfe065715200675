// SPDX-License-Identifier: MIT
/* What live speech over WebSockets is made of and needs no client: encodings, hashes, lists. */
#include "daemon/http/header_list.h"
#include "daemon/http/sha1.h"
#include "daemon/http/websocket.h"
#include "daemon/recognition/g711.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_live_speech_tests(void);

static void expect_sha1(const char *text, size_t repeated, const char *expected)
{
    size_t length = strlen(text);
    char *whole = malloc(length * repeated + 1), hex[2 * SHA1_BYTES + 1];
    uint8_t hash[SHA1_BYTES];
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    for (size_t i = 0; i < repeated; i++)
        memcpy(whole + i * length, text, length);
    sha1(whole, length * repeated, hash);
    for (size_t i = 0; i < SHA1_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    CU_ASSERT_STRING_EQUAL(hex, expected);
    free(whole);
}

/* Of FIPS 180-2 and RFC 3174; the lengths around the padding were computed with sha1sum. */
static void test_sha1(void)
{
    expect_sha1("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect_sha1("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    expect_sha1("a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    expect_sha1("a", 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    expect_sha1("a", 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    expect_sha1("a", 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

/* Some of the tables of G.711, as Python's audioop has them. */
static void test_g711(void)
{
    static const struct {
        uint8_t code;
        int16_t mulaw, alaw;
    } samples[] = {
        {0x00, -32124, -5504}, {0x80, 32124, 5504},   {0xff, 0, 848},      {0x7f, 0, -848},
        {0xfe, 8, 880},        {0x8f, 16764, 6784},   {0x90, 15996, 2752}, {0xd5, 716, 8},
        {0x55, -716, -8},      {0x2a, -5372, -32256}, {0xaa, 5372, 32256},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        EXPECT_EQUAL(g711_from_mulaw(samples[i].code), samples[i].mulaw);
        EXPECT_EQUAL(g711_from_alaw(samples[i].code), samples[i].alaw);
    }
}

static void test_header_lists(void)
{
    CU_ASSERT(header_list_has("keep-alive, Upgrade", "upgrade"));
    CU_ASSERT(header_list_has(" ,\tUPGRADE\t,", "upgrade"));
    CU_ASSERT(!header_list_has("upgrades, up grade", "upgrade"));
    CU_ASSERT(!header_list_has("", "upgrade") && !header_list_has(NULL, "upgrade"));
    const char *list = "realtime, openai-insecure-api-key.a b ,c";
    size_t length;
    const char *entry = header_list_next(&list, &length);
    CU_ASSERT(length == 8 && strncmp(entry, "realtime", length) == 0);
    entry = header_list_next(&list, &length);
    CU_ASSERT(length == 27 && strncmp(entry, "openai-insecure-api-key.a b", length) == 0);
    entry = header_list_next(&list, &length);
    CU_ASSERT(length == 1 && *entry == 'c');
    CU_ASSERT_PTR_NULL(header_list_next(&list, &length));
}

static void test_simple_texts(void)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'A', SIZE);
    CU_ASSERT(websocket_text_is_simple(text, SIZE));
    memset(text, '[', SIZE);
    CU_ASSERT(!websocket_text_is_simple(text, SIZE));
    CU_ASSERT(websocket_text_is_simple(text, 1000));
    memset(text, ',', 10000);
    memset(text + 10000, 'A', SIZE - 10000);
    CU_ASSERT(!websocket_text_is_simple(text, SIZE));
    free(text);
}

void add_live_speech_tests(void)
{
    CU_pSuite suite = CU_add_suite("live_speech", NULL, NULL);
    CU_add_test(suite, "sha1", test_sha1);
    CU_add_test(suite, "g711", test_g711);
    CU_add_test(suite, "header_lists", test_header_lists);
    CU_add_test(suite, "simple_texts", test_simple_texts);
}
