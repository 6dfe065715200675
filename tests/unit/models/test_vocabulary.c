// SPDX-License-Identifier: MIT
/* Text and tokens: UTF-8, vocabularies, and byte pairs. */
#include "include/internal/utf8.h"
#include "models/text/bpe.h"
#include "models/text/vocabulary.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_gguf.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_vocabulary_tests(void);

/* ---- UTF-8 ---- */

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
    EXPECT_EQUAL(wrong, 0);
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
            EXPECT_EQUAL(utf8_decode(copy, length, &character), 0);
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
    EXPECT_EQUAL(wrong, 0);
}

static void repairs(const char *bytes, size_t length, const char *expected)
{
    char *copy = exact_copy(bytes, length);
    char *text = utf8_repair(copy, length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    EXPECT_EQUAL_STRING(text, expected);
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
    EXPECT_EQUAL(wrong, 0);
}

/* ---- Vocabularies ---- */

#define WORD "\xe2\x96\x81"

/* ---- Helpers ---- */

static int read_made(const struct made_file *file, struct vocabulary *vocabulary,
                     struct hearken_error *error)
{
    struct bytes bytes = made_bytes(file);
    void *copy = exact_copy(bytes.data, bytes.length);
    struct gguf *gguf = NULL;
    EXPECT_EQUAL_FATAL(gguf_open_memory(copy, bytes.length, &gguf, error), 0);
    int result = vocabulary_read(vocabulary, gguf, error);
    gguf_destroy(gguf); /* a vocabulary has copies of all */
    free(copy);
    bytes_finish(&bytes);
    return result;
}

static struct made_file made_vocabulary(const char *model, const char *const *tokens, size_t count)
{
    struct made_file file = {0};
    made_string(&file, "tokenizer.ggml.model", model);
    made_strings(&file, "tokenizer.ggml.tokens", tokens, count);
    return file;
}

static struct vocabulary accepts(struct made_file *file)
{
    struct vocabulary vocabulary;
    struct hearken_error error = {""};
    EXPECT_EQUAL_FATAL(read_made(file, &vocabulary, &error), 0);
    made_finish(file);
    return vocabulary;
}

static void refuses(struct made_file *file, const char *part)
{
    struct vocabulary vocabulary;
    struct hearken_error error = {""};
    EXPECT_EQUAL(read_made(file, &vocabulary, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, part);
    if (!strstr(error.message, part))
        printf("\n    '%s' does not say '%s' ", error.message, part);
    CU_ASSERT(!vocabulary.tokens && vocabulary.count == 0);
    made_finish(file);
}

static void says(const struct vocabulary *vocabulary, const uint32_t *tokens, size_t count,
                 const char *expected)
{
    char *text = vocabulary_text(vocabulary, tokens, count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    EXPECT_EQUAL_STRING(text, expected);
    if (strcmp(text, expected) != 0)
        printf("\n    '%s', expected '%s' ", text, expected);
    free(text);
}

/* A literal list of tokens and what it says. */
#define SAYS(expected, ...)                                                                        \
    says(&vocabulary, (const uint32_t[]){__VA_ARGS__},                                             \
         sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), expected)

/* ---- Pieces ---- */

static struct vocabulary pieces(void)
{
    static const char *const tokens[] = {
        "<blank>", "<s>",        "</s>",    "<unk>", WORD "the", WORD,       "cat",
        "s",       "a" WORD "b", WORD WORD, "\xc3",  "\xa9",     "\xe2\x96", "\xf0\x9f\x8e\xa4",
        "",        ("end" WORD),
    };
    struct made_file file = made_vocabulary("hearken-bpe", tokens, 16);
    made_number(&file, "tokenizer.ggml.blank_token_id", GGUF_U32, 0);
    made_number(&file, "tokenizer.ggml.bos_token_id", GGUF_U32, 1);
    made_number(&file, "tokenizer.ggml.eos_token_id", GGUF_U32, 2);
    made_number(&file, "tokenizer.ggml.unknown_token_id", GGUF_U32, 3);
    return accepts(&file);
}

static void test_pieces(void)
{
    struct vocabulary vocabulary = pieces();
    EXPECT_EQUAL(vocabulary.count, 16);
    SAYS("the cats the", 4, 5, 6, 7, 4);
    SAYS("thecat", 5, 4, 6);
    SAYS("a b", 8);
    SAYS("s  s", 7, 9, 7);
    SAYS("s   the", 7, 9, 4);
    SAYS("s\xc3\xa9s", 7, 10, 11, 7); /* a character of two tokens */
    SAYS("s" REPLACEMENT "s", 7, 10, 7);
    SAYS("s" REPLACEMENT "s", 7, 11, 7);
    SAYS(REPLACEMENT REPLACEMENT "s", 12, 7); /* two thirds of the mark are no space */
    SAYS("\xf0\x9f\x8e\xa4", 13);
    SAYS("ss", 7, 14, 7);
    says(&vocabulary, NULL, 0, "");
    vocabulary_finish(&vocabulary);
}

static void test_spaces_at_the_ends(void)
{
    struct vocabulary vocabulary = pieces();
    SAYS("cat", 5, 6, 5);
    SAYS("cat", 9, 5, 9, 6, 5, 9, 9);
    SAYS("end", 15);
    SAYS("", 5);
    SAYS("", 9, 5, 9);
    SAYS("end  the", 15, 14, 4);
    vocabulary_finish(&vocabulary);
}

static void test_control_tokens_are_no_text(void)
{
    struct vocabulary vocabulary = pieces();
    for (uint32_t i = 0; i < vocabulary.count; i++)
        EXPECT_EQUAL(vocabulary.tokens[i].control, i < 4);
    SAYS("the cat", 1, 4, 0, 5, 3, 6, 2);
    SAYS("", 0, 1, 2, 3);
    SAYS("s\xc3\xa9", 7, 10, 0, 11); /* nor do they part what belongs together */
    vocabulary_finish(&vocabulary);
}

static void test_starts_word(void)
{
    struct vocabulary vocabulary = pieces();
    static const bool starts[16] = {[4] = true, [5] = true, [9] = true};
    for (uint32_t i = 0; i < vocabulary.count; i++)
        EXPECT_EQUAL(vocabulary_starts_word(&vocabulary, i), starts[i]);
    vocabulary_finish(&vocabulary);
}

/* ---- Bytes ---- */

/* What stands for each byte, as GPT-2's encoder.py builds its table. */
static void byte_tokens(char tokens[256][3])
{
    uint32_t stand_in = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) ||
                         (byte >= 0xae && byte <= 0xff);
        uint32_t character = printable ? byte : stand_in++;
        if (character < 0x80) {
            tokens[byte][0] = (char)character;
            tokens[byte][1] = 0;
        } else {
            tokens[byte][0] = (char)(0xc0 | character >> 6);
            tokens[byte][1] = (char)(0x80 | (character & 0x3f));
            tokens[byte][2] = 0;
        }
    }
}

static struct made_file made_bytes_vocabulary(void)
{
    static char texts[256][3];
    const char *tokens[256];
    byte_tokens(texts);
    for (size_t i = 0; i < 256; i++)
        tokens[i] = texts[i];
    return made_vocabulary("gpt2", tokens, 256);
}

static void test_all_bytes(void)
{
    struct made_file file = made_bytes_vocabulary();
    struct vocabulary vocabulary = accepts(&file);
    for (uint32_t byte = 0; byte < 256; byte++) {
        EXPECT_EQUAL(vocabulary.tokens[byte].length, 1);
        EXPECT_EQUAL((uint8_t)vocabulary.tokens[byte].text[0], byte);
        EXPECT_EQUAL(vocabulary_starts_word(&vocabulary, byte), byte == ' ');
        CU_ASSERT_FALSE(vocabulary.tokens[byte].control);
    }
    SAYS("caf\xc3\xa9", 'c', 'a', 'f', 0xc3, 0xa9);
    SAYS("\xf0\x9f\x8e\xa4 !", 0xf0, 0x9f, 0x8e, 0xa4, ' ', '!');
    SAYS("a" REPLACEMENT "b", 'a', 0, 'b');
    SAYS(REPLACEMENT "a", 0xad, 'a');
    SAYS("a\nb", 'a', '\n', 'b');
    SAYS("a", ' ', 'a', ' ', ' ');
    vocabulary_finish(&vocabulary);
}

static void refuses_token(const char *token, const char *part)
{
    const char *const tokens[] = {"fine", token};
    struct made_file file = made_vocabulary("gpt2", tokens, 2);
    refuses(&file, part);
}

static void test_what_is_no_byte(void)
{
    refuses_token("a b", "token 1");                 /* a space is written U+0120 */
    refuses_token("\n", "token 1");                  /* a control character likewise */
    refuses_token("\x7f", "token 1");                /* delete */
    refuses_token("\xc2\xa0", "token 1");            /* U+00A0 */
    refuses_token("\xc2\xad", "token 1");            /* U+00AD, the soft hyphen */
    refuses_token("\xc5\x84", "token 1");            /* U+0144, one beyond the stand-ins */
    refuses_token("a\xe2\x96\x81", "token 1");       /* of another vocabulary */
    refuses_token("a\xf0\x9f\x8e\xa4", "token 1");   /* a character as itself */
    refuses_token("a\xff", "token 1");               /* no UTF-8 */
    refuses_token("a\xc4", "tokenizer.ggml.tokens"); /* half a character */
}

static void test_control_tokens_may_be_anything(void)
{
    static const char *const tokens[] = {"<|a b|>", "a", "\xff", "\xe2\x96\x81"};
    struct made_file file = made_vocabulary("gpt2", tokens, 4);
    made_numbers(&file, "tokenizer.ggml.token_type", GGUF_I32, (const double[]){3, 1, 3, 3}, 4);
    struct vocabulary vocabulary = accepts(&file);
    CU_ASSERT(vocabulary.tokens[0].control && !vocabulary.tokens[1].control);
    CU_ASSERT(vocabulary.tokens[2].control && vocabulary.tokens[3].control);
    SAYS("aa", 0, 1, 2, 1, 3);
    vocabulary_finish(&vocabulary);
}

/* ---- What is wrong, and what does not matter ---- */

static void test_wrong_vocabularies(void)
{
    static const char *const tokens[] = {"a", "b"};
    struct made_file file = {0};
    made_string(&file, "tokenizer.ggml.model", "gpt2");
    refuses(&file, "tokenizer.ggml.tokens");
    file = made_vocabulary("gpt2", tokens, 2);
    made_string(&file, "tokenizer.ggml.tokens", "a");
    refuses(&file, "tokenizer.ggml.tokens");
    file = made_vocabulary("gpt2", tokens, 2);
    made_numbers(&file, "tokenizer.ggml.tokens", GGUF_U8, (const double[]){1, 2}, 2);
    refuses(&file, "tokenizer.ggml.tokens");
    file = made_vocabulary("gpt2", tokens, 2);
    CU_ASSERT(made_remove(&file, "tokenizer.ggml.model"));
    refuses(&file, "tokenizer.ggml.model");
    file = made_vocabulary("gpt2", tokens, 2);
    made_strings(&file, "tokenizer.ggml.model", NULL, 0);
    refuses(&file, "tokenizer.ggml.model");
    static const char *const models[] = {"", "gpt", "gpt2x", "llama", "hearken-bp", "hearken-bpes"};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        char part[64];
        snprintf(part, sizeof(part), "tokenizer.ggml.model is %s, expected", models[i]);
        file = made_vocabulary(models[i], tokens, 2);
        refuses(&file, part);
    }
}

static void test_special_ids_that_are_none(void)
{
    static const struct {
        enum gguf_type type;
        double value;
    } ids[] = {{GGUF_U32, 2},        {GGUF_I32, -1},   {GGUF_U32, 4294967295.0}, {GGUF_F64, NAN},
               {GGUF_F64, INFINITY}, {GGUF_F64, -0.5}, {GGUF_F64, 1e300}};
    static const char *const tokens[] = {"a", "b"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        struct made_file file = made_vocabulary("gpt2", tokens, 2);
        made_number(&file, "tokenizer.ggml.eos_token_id", ids[i].type, ids[i].value);
        made_string(&file, "tokenizer.ggml.bos_token_id", "0");
        made_numbers(&file, "tokenizer.ggml.unknown_token_id", GGUF_U32, NULL, 0);
        struct vocabulary vocabulary = accepts(&file);
        CU_ASSERT_FALSE(vocabulary.tokens[0].control || vocabulary.tokens[1].control);
        vocabulary_finish(&vocabulary);
    }
}

static void test_types_that_do_not_fit(void)
{
    static const char *const tokens[] = {"a", "b"};
    struct made_file file = made_vocabulary("gpt2", tokens, 2);
    made_numbers(&file, "tokenizer.ggml.token_type", GGUF_I32, (const double[]){3, 3, 3}, 3);
    struct vocabulary vocabulary = accepts(&file);
    CU_ASSERT_FALSE(vocabulary.tokens[0].control);
    vocabulary_finish(&vocabulary);
    file = made_vocabulary("gpt2", tokens, 2);
    made_strings(&file, "tokenizer.ggml.token_type", tokens, 2);
    vocabulary = accepts(&file);
    CU_ASSERT_FALSE(vocabulary.tokens[0].control);
    vocabulary_finish(&vocabulary);
    file = made_vocabulary("gpt2", tokens, 2);
    made_number(&file, "tokenizer.ggml.token_type", GGUF_I32, 3);
    vocabulary = accepts(&file);
    CU_ASSERT_FALSE(vocabulary.tokens[0].control);
    vocabulary_finish(&vocabulary);
}

/* ---- Byte pairs ---- */

#define MODEL HEARKEN_SOURCE_ROOT "/models/data/hearken-en.gguf"

static struct vocabulary vocabulary_of(const char *const *texts, uint32_t count)
{
    struct vocabulary v = {calloc(count, sizeof(*v.tokens)), count};
    for (uint32_t i = 0; i < count; i++)
        v.tokens[i] = (struct vocabulary_token){strdup(texts[i]), strlen(texts[i]), false};
    return v;
}

static void check(const struct vocabulary *v, const char *text, const uint32_t *expected,
                  uint32_t count)
{
    uint32_t *tokens, found;
    EXPECT_EQUAL_FATAL(bpe_encode(v, text, 100, &tokens, &found), 0);
    EXPECT_EQUAL(found, count);
    if (found == count)
        CU_ASSERT(count == 0 || memcmp(tokens, expected, count * sizeof(*tokens)) == 0);
    free(tokens);
}

#define CHECK(v, text, ...)                                                                        \
    check(v, text, (const uint32_t[]){__VA_ARGS__},                                                \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* The pair that stands first in the vocabulary is joined first, wherever it is in the word. */
static void test_order_of_pairs(void)
{
    static const char *const texts[] = {"a", "b", "c", "bc", "ab", "abc", " ", " a"};
    struct vocabulary v = vocabulary_of(texts, 8);
    CHECK(&v, "abc", 5);
    CHECK(&v, "abab", 4, 4);
    CHECK(&v, "ab", 4);
    CHECK(&v, " abc", 6, 5); /* bc before ab before abc before " a" */
    CHECK(&v, " a", 7);
    check(&v, "", NULL, 0);
    vocabulary_finish(&v);
}

/* Pairs do not reach over the ends of words; bytes that are no token are left out. */
static void test_words(void)
{
    static const char *const texts[] = {"a",  "1",  ".", " ", "a1", "1.",
                                        " .", "  ", "'", "s", "'s", "as"};
    struct vocabulary v = vocabulary_of(texts, 12);
    CHECK(&v, "a1.", 0, 1, 2);
    CHECK(&v, "a .", 0, 6);
    CHECK(&v, "a  .", 0, 3, 6); /* the last of the spaces goes with what follows */
    CHECK(&v, "a's", 0, 10);
    CHECK(&v, "as", 11);
    CHECK(&v, "a?a", 0, 0);
    CHECK(&v,
          "a\xff"
          "a",
          0, 0);
    vocabulary_finish(&v);
}

/* Of more than there is room for, the end. */
static void test_most(void)
{
    static const char *const texts[] = {"a", "b"};
    struct vocabulary v = vocabulary_of(texts, 2);
    uint32_t *tokens, count;
    EXPECT_EQUAL_FATAL(bpe_encode(&v, "aab", 2, &tokens, &count), 0);
    CU_ASSERT(count == 2 && tokens[0] == 0 && tokens[1] == 1);
    free(tokens);
    EXPECT_EQUAL_FATAL(bpe_encode(&v, "aab", 0, &tokens, &count), 0);
    EXPECT_EQUAL(count, 0);
    free(tokens);
    vocabulary_finish(&v);
}

/* With the real vocabulary, text comes back as it was. */
static void test_there_and_back(void)
{
    static const char *const texts[] = {
        "It's delightful to hear it in a London theatre.",
        ("Na\xc3\xafve caf\xc3\xa9s \xe2\x80\x94 \xd0\x9c\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0, "
         "\xe6\x97\xa5\xe6\x9c\xac 1,234.5!"),
        "don't  leave\n\nany   space",
    };
    struct gguf *gguf;
    struct vocabulary v;
    struct hearken_error error;
    EXPECT_EQUAL_FATAL(gguf_open(MODEL, GGUF_WHOLE, &gguf, &error), 0);
    EXPECT_EQUAL_FATAL(vocabulary_read(&v, gguf, &error), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        uint32_t *tokens, count;
        EXPECT_EQUAL_FATAL(bpe_encode(&v, texts[i], 200, &tokens, &count), 0);
        char *text = vocabulary_text(&v, tokens, count);
        EXPECT_EQUAL_STRING(text, texts[i]);
        CU_ASSERT(count < strlen(texts[i]));
        free(text);
        free(tokens);
    }
    vocabulary_finish(&v);
    gguf_destroy(gguf);
}

void add_vocabulary_tests(void)
{
    CU_pSuite suite = CU_add_suite("utf8", NULL, NULL);
    CU_ADD_TEST(suite, test_every_character);
    CU_ADD_TEST(suite, test_truncated);
    CU_ADD_TEST(suite, test_every_beginning);
    CU_ADD_TEST(suite, test_repair);
    CU_ADD_TEST(suite, test_repaired_is_valid);
    suite = CU_add_suite("vocabulary", NULL, NULL);
    CU_ADD_TEST(suite, test_pieces);
    CU_ADD_TEST(suite, test_spaces_at_the_ends);
    CU_ADD_TEST(suite, test_control_tokens_are_no_text);
    CU_ADD_TEST(suite, test_starts_word);
    CU_ADD_TEST(suite, test_all_bytes);
    CU_ADD_TEST(suite, test_what_is_no_byte);
    CU_ADD_TEST(suite, test_control_tokens_may_be_anything);
    CU_ADD_TEST(suite, test_wrong_vocabularies);
    CU_ADD_TEST(suite, test_special_ids_that_are_none);
    CU_ADD_TEST(suite, test_types_that_do_not_fit);
    suite = CU_add_suite("encode", NULL, NULL);
    CU_add_test(suite, "order of pairs", test_order_of_pairs);
    CU_add_test(suite, "words", test_words);
    CU_add_test(suite, "no more than there is room for", test_most);
    CU_add_test(suite, "there and back", test_there_and_back);
}
