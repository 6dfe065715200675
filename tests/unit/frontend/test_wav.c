// SPDX-License-Identifier: MIT
#include "frontend/sound/wav.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

void add_wav_tests(void);

/* A file that is put together chunk by chunk. */
struct file {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct file *file, const void *bytes, size_t size)
{
    CU_ASSERT_FATAL(size <= sizeof(file->bytes) - file->size);
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void put_number(struct file *file, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(file, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_chunk(struct file *file, const char *id, uint32_t size)
{
    put(file, id, 4);
    put_number(file, size, 4);
}

static void begin(struct file *file, const char *id)
{
    file->size = 0;
    put_chunk(file, id, 0);
    put(file, "WAVE", 4);
}

static void put_format(struct file *file, uint32_t tag, uint32_t channels, uint32_t rate,
                       uint32_t align, uint32_t bits)
{
    put_chunk(file, "fmt ", 16);
    put_number(file, tag, 2);
    put_number(file, channels, 2);
    put_number(file, rate, 4);
    put_number(file, 0, 4);
    put_number(file, align, 2);
    put_number(file, bits, 2);
}

static void put_extensible(struct file *file, uint32_t tag, uint32_t bits, uint32_t valid)
{
    put_format(file, 0xFFFE, 1, 16000, bits / 8, bits);
    file->bytes[file->size - 20] = 40;
    put_number(file, 22, 2);
    put_number(file, valid, 2);
    put_number(file, 4, 4);
    put_number(file, tag, 4);
    put(file, "\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71", 12);
}

/* Every beginning of the file asks for more, until what is looked for is there; the header's last
 * byte is the one before the samples. */
static enum wav_result parse(const struct file *file, struct wav_layout *layout)
{
    enum wav_result whole = wav_parse(file->bytes, file->size, layout);
    for (size_t size = 0; size < file->size; size++) {
        uint8_t *beginning = malloc(size + 1);
        memcpy(beginning, file->bytes, size);
        struct wav_layout ignored;
        enum wav_result result = wav_parse(beginning, size, &ignored);
        free(beginning);
        if (whole == WAV_PCM)
            EXPECT_EQUAL(result, size < layout->data_at ? WAV_MORE : WAV_PCM);
        if (whole == WAV_OTHER)
            CU_ASSERT(result == WAV_MORE || result == WAV_OTHER);
    }
    return whole;
}

static void test_formats(void)
{
    static const struct {
        uint32_t tag, channels, align, bits;
        enum wav_result result;
        enum hearken_sample_type type;
    } cases[] = {
        {1, 1, 1, 8, WAV_PCM, HEARKEN_SAMPLE_U8},
        {1, 2, 4, 16, WAV_PCM, HEARKEN_SAMPLE_S16},
        {1, 6, 18, 24, WAV_PCM, HEARKEN_SAMPLE_S24},
        {1, 1, 4, 32, WAV_PCM, HEARKEN_SAMPLE_S32},
        {3, 2, 8, 32, WAV_PCM, HEARKEN_SAMPLE_F32},
        {1, 1, 2, 12, WAV_PCM, HEARKEN_SAMPLE_S16},   /* left-justified */
        {1, 3, 0, 16, WAV_PCM, HEARKEN_SAMPLE_S16},   /* the writer left align empty */
        {1, 1, 4, 24, WAV_OTHER, HEARKEN_SAMPLE_U8},  /* justified who knows where */
        {3, 1, 8, 64, WAV_OTHER, HEARKEN_SAMPLE_U8},  /* double */
        {6, 1, 1, 8, WAV_OTHER, HEARKEN_SAMPLE_U8},   /* A-law */
        {7, 1, 1, 8, WAV_OTHER, HEARKEN_SAMPLE_U8},   /* mu-law */
        {2, 1, 256, 4, WAV_OTHER, HEARKEN_SAMPLE_U8}, /* ADPCM */
        {1, 0, 2, 16, WAV_OTHER, HEARKEN_SAMPLE_U8},
        {1, 1, 2, 0, WAV_OTHER, HEARKEN_SAMPLE_U8},
        {1, 1, 5, 40, WAV_OTHER, HEARKEN_SAMPLE_U8},
        {1, 1, 2, 65535, WAV_OTHER, HEARKEN_SAMPLE_U8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file file;
        struct wav_layout layout = {.data_at = 0};
        begin(&file, "RIFF");
        put_format(&file, cases[i].tag, cases[i].channels, 44100, cases[i].align, cases[i].bits);
        put_chunk(&file, "data", 100);
        EXPECT_EQUAL(parse(&file, &layout), cases[i].result);
        if (cases[i].result != WAV_PCM)
            continue;
        EXPECT_EQUAL(layout.format.rate, 44100);
        EXPECT_EQUAL(layout.format.channels, cases[i].channels);
        EXPECT_EQUAL(layout.format.type, cases[i].type);
        EXPECT_EQUAL(layout.data_at, 44);
        EXPECT_EQUAL(layout.data_size, 100);
        CU_ASSERT_TRUE(layout.data_size_credible);
    }
}

static void test_extensible(void)
{
    struct file file;
    struct wav_layout layout;
    begin(&file, "RIFF");
    put_extensible(&file, 1, 24, 20);
    put_chunk(&file, "data", 3);
    EXPECT_EQUAL_FATAL(parse(&file, &layout), WAV_PCM);
    EXPECT_EQUAL(layout.format.type, HEARKEN_SAMPLE_S24);
    EXPECT_EQUAL(layout.data_at, 68);

    begin(&file, "RIFF");
    put_extensible(&file, 3, 32, 32);
    put_chunk(&file, "data", 4);
    EXPECT_EQUAL_FATAL(parse(&file, &layout), WAV_PCM);
    EXPECT_EQUAL(layout.format.type, HEARKEN_SAMPLE_F32);

    file.bytes[50] ^= 1; /* another GUID */
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
    begin(&file, "RIFF");
    put_format(&file, 0xFFFE, 1, 16000, 2, 16); /* extensible, but no extension */
    put_chunk(&file, "data", 4);
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
}

static void test_other_chunks(void)
{
    static const uint8_t body[34] = {0};
    for (size_t padded = 0; padded < 2; padded++) {
        struct file file;
        struct wav_layout layout;
        begin(&file, "RIFF");
        put_chunk(&file, "bext", 31);
        put(&file, body, 31 + padded);
        put_chunk(&file, "LIST", 33);
        put(&file, body, 33 + padded);
        put_format(&file, 1, 1, 8000, 2, 16);
        put_chunk(&file, "junk", 7);
        put(&file, body, 7 + padded);
        put_chunk(&file, "data", 10);
        size_t data_at = file.size;
        put(&file, body, 10);
        EXPECT_EQUAL_FATAL(parse(&file, &layout), WAV_PCM);
        EXPECT_EQUAL(layout.data_at, data_at);
        EXPECT_EQUAL(layout.format.rate, 8000);
    }
}

static void test_sizes_that_stand_for_unknown(void)
{
    static const struct {
        uint32_t size;
        bool credible;
    } cases[] = {
        {0, false},          {1, true},           {0x7fffefff, true},  {0x7ffff000, false},
        {0x7fffffff, false}, {0x80000000, false}, {0xffffffff, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file file;
        struct wav_layout layout;
        begin(&file, "RIFF");
        put_format(&file, 1, 1, 16000, 2, 16);
        put_chunk(&file, "data", cases[i].size);
        EXPECT_EQUAL_FATAL(parse(&file, &layout), WAV_PCM);
        EXPECT_EQUAL(layout.data_size, cases[i].size);
        EXPECT_EQUAL(layout.data_size_credible, cases[i].credible);
    }
}

static void test_rf64(void)
{
    static const struct {
        uint64_t size;
        bool credible;
    } cases[] = {{0, false}, {UINT64_MAX, false}, {(uint64_t)5 << 32, true}, {12, true}};
    static const char *const ids[] = {"RF64", "BW64"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file file;
        struct wav_layout layout;
        begin(&file, ids[i % 2]);
        put_chunk(&file, "ds64", 28);
        put_number(&file, 0, 8);
        put_number(&file, cases[i].size, 8);
        put_number(&file, 0, 8);
        put_number(&file, 0, 4);
        put_format(&file, 1, 2, 48000, 4, 16);
        put_chunk(&file, "data", UINT32_MAX);
        EXPECT_EQUAL_FATAL(parse(&file, &layout), WAV_PCM);
        EXPECT_EQUAL(layout.data_size, cases[i].size);
        EXPECT_EQUAL(layout.data_size_credible, cases[i].credible);
    }
}

static void test_not_for_this_parser(void)
{
    struct file file;
    struct wav_layout layout;
    begin(&file, "RIFX");
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
    begin(&file, "RIFF");
    memcpy(file.bytes + 8, "AVI ", 4);
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
    EXPECT_EQUAL(wav_parse((const uint8_t *)"fLaC", 4, &layout), WAV_OTHER);
    EXPECT_EQUAL(wav_parse((const uint8_t *)"", 0, &layout), WAV_MORE);
    begin(&file, "RIFF"); /* samples before their format */
    put_chunk(&file, "data", 10);
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
    begin(&file, "RIFF"); /* a format chunk that is too short */
    put_chunk(&file, "fmt ", 14);
    put(&file, "\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0", 14);
    EXPECT_EQUAL(parse(&file, &layout), WAV_OTHER);
}

/* Nobody reads a gigabyte to find out that there are no samples behind it. */
static void test_endless_headers(void)
{
    static const uint32_t sizes[] = {UINT32_MAX, 0x7fffffff, WAV_HEADER_LIMIT + 1,
                                     WAV_HEADER_LIMIT - 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct file file;
        struct wav_layout layout;
        begin(&file, "RIFF");
        put_chunk(&file, "LIST", sizes[i]);
        EXPECT_EQUAL(wav_parse(file.bytes, file.size, &layout), i == 3 ? WAV_MORE : WAV_OTHER);
    }
    uint8_t *bytes = calloc(1, WAV_HEADER_LIMIT + 64); /* chunks of no size, without end */
    memcpy(bytes, "RIFF....WAVE", 12);
    struct wav_layout layout;
    EXPECT_EQUAL(wav_parse(bytes, WAV_HEADER_LIMIT + 64, &layout), WAV_OTHER);
    free(bytes);
}

void add_wav_tests(void)
{
    CU_pSuite suite = CU_add_suite("wav", NULL, NULL);
    CU_add_test(suite, "formats", test_formats);
    CU_add_test(suite, "extensible", test_extensible);
    CU_add_test(suite, "other chunks, with and without padding", test_other_chunks);
    CU_add_test(suite, "sizes that stand for unknown", test_sizes_that_stand_for_unknown);
    CU_add_test(suite, "RF64", test_rf64);
    CU_add_test(suite, "not for this parser", test_not_for_this_parser);
    CU_add_test(suite, "endless headers", test_endless_headers);
}
