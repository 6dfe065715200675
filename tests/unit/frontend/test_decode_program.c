// SPDX-License-Identifier: MIT
/* The reader of hearken-decode's records, which does not trust them. */
#include "frontend/sound/decode_stream.h"
#include "frontend/sound/decoder.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

void add_decode_program_tests(void);

struct records {
    uint8_t bytes[16384];
    size_t size;
};

static struct input input = {.fd = -1, .name = "talk.m4a"};
static struct hearken_error error;

static void put(struct records *records, uint32_t type, const void *bytes, uint32_t size)
{
    const struct decode_head head = {.type = type, .size = size};
    CU_ASSERT_FATAL(records->size + sizeof(head) + size <= sizeof(records->bytes));
    memcpy(records->bytes + records->size, &head, sizeof(head));
    if (size > 0)
        memcpy(records->bytes + records->size + sizeof(head), bytes, size);
    records->size += sizeof(head) + size;
}

static void put_track(struct records *records, double seconds)
{
    const struct sound_track track = {
        .seconds = seconds, .rate = 8000, .channels = 2, .chosen = 1, .codec = "amrnb"};
    put(records, DECODE_TRACKS, &track, sizeof(track));
}

static void put_format(struct records *records, uint32_t rate, uint32_t channels)
{
    const struct decode_format format = {.rate = rate, .channels = channels};
    put(records, DECODE_FORMAT, &format, sizeof(format));
}

static void put_damage(struct records *records, uint64_t lost, const char *reason, bool short_end)
{
    struct decode_damage damage = {.lost = lost, .short_end = short_end};
    strcpy(damage.reason, reason);
    put(records, DECODE_DAMAGE, &damage, sizeof(damage));
}

static int open_records(const struct records *records, struct decoder **decoder)
{
    int ends[2];
    CU_ASSERT_FATAL(pipe2(ends, O_CLOEXEC) == 0);
    CU_ASSERT_FATAL(write(ends[1], records->bytes, records->size) == (ssize_t)records->size);
    close(ends[1]);
    error.message[0] = '\0';
    *decoder = NULL;
    return decoder_open_records(&input, ends[0], decoder, &error);
}

static struct decoder_block next(struct decoder *decoder)
{
    struct decoder_block block;
    EXPECT_EQUAL_FATAL(decoder->class->read(decoder, &block, &error), 0);
    return block;
}

static void test_good_records(void)
{
    static const float samples[] = {0.25f, -0.5f, 1, 0};
    struct records records = {0};
    struct decoder *decoder;
    put_track(&records, 12.5);
    put_format(&records, 8000, 2);
    put(&records, DECODE_SAMPLES, samples, sizeof(samples));
    put_damage(&records, 800, "", false);
    put_format(&records, 16000, 1);
    put(&records, DECODE_SAMPLES, samples, sizeof(samples));
    put_damage(&records, 0, "partial file", true);
    put(&records, DECODE_END, NULL, 0);
    EXPECT_EQUAL_FATAL(open_records(&records, &decoder), 0);
    CU_ASSERT(decoder->duration == 12.5);
    EXPECT_EQUAL(decoder->track_count, 1);
    CU_ASSERT_STRING_EQUAL(decoder->tracks[0].codec, "amrnb");
    for (int round = 0; round < 2; round++) { /* again after going back */
        struct decoder_block block = next(decoder);
        CU_ASSERT(block.frames == 2 && block.format.rate == 8000 && block.format.channels == 2);
        EXPECT_EQUAL(memcmp(block.samples, samples, sizeof(samples)), 0);
        CU_ASSERT(block.lost == 0 && !block.damage);
        block = next(decoder);
        CU_ASSERT(block.frames == 4 && block.format.rate == 16000 && block.lost == 800);
        CU_ASSERT(!block.damage);
        block = next(decoder);
        CU_ASSERT(block.frames == 0 && block.short_end);
        CU_ASSERT_STRING_EQUAL(block.damage, "partial file");
        if (round == 0)
            CU_ASSERT_FATAL(decoder->class->rewind(decoder));
    }
    CU_ASSERT_FALSE(decoder->class->rewind(decoder)); /* only once */
    decoder_destroy(decoder);
}

static void test_failure(void)
{
    struct records records = {0};
    struct decoder *decoder;
    put(&records, DECODE_FAILURE, "it has no \x1b[31maudio", 21);
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    CU_ASSERT(strstr(error.message, "it has no ") && !strchr(error.message, '\x1b'));
    records.size = 0; /* a text without its end, of the largest size */
    static char text[DECODE_SIZE_MAX / 8];
    memset(text, 'x', sizeof(text));
    put(&records, DECODE_FAILURE, text, sizeof(text));
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    records.size = 0;
    put(&records, DECODE_FAILURE, NULL, 0);
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    CU_ASSERT_STRING_EQUAL(error.message, "the decoder says nothing");
}

/* What comes before the first samples makes no sense, or ends. */
static void test_bad_starts(void)
{
    struct records records = {0};
    struct decoder *decoder;
    const struct decode_head huge = {.type = DECODE_TRACKS, .size = UINT32_MAX};
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    CU_ASSERT_STRING_EQUAL(error.message, "the decoder died");
    put_track(&records, 1);
    for (size_t size = 1; size < records.size; size += 13) {
        struct records cut = records;
        cut.size = size;
        EXPECT_EQUAL(open_records(&cut, &decoder), -EINVAL);
        CU_ASSERT_STRING_EQUAL(error.message, "the decoder died");
    }
    records.size = 0;
    put_format(&records, 8000, 1);
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    CU_ASSERT_STRING_EQUAL(error.message, "the decoder makes no sense");
    memcpy(records.bytes, &huge, sizeof(huge));
    records.size = sizeof(huge);
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
    CU_ASSERT_STRING_EQUAL(error.message, "the decoder makes no sense");
    records.size = 0;
    put(&records, DECODE_TRACKS, "short", 5);
    EXPECT_EQUAL(open_records(&records, &decoder), -EINVAL);
}

/* Makes records after the track, of which the first block must be the end with this damage. */
static void expect_end(struct records *records, const char *damage)
{
    struct decoder *decoder;
    EXPECT_EQUAL_FATAL(open_records(records, &decoder), 0);
    struct decoder_block block = next(decoder);
    CU_ASSERT(block.frames == 0 && block.damage && block.short_end);
    if (block.damage)
        CU_ASSERT_STRING_EQUAL(block.damage, damage);
    block = next(decoder); /* stays so */
    CU_ASSERT(block.frames == 0);
    CU_ASSERT_FALSE(decoder->class->rewind(decoder));
    decoder_destroy(decoder);
    records->size = 0;
    put_track(records, 1);
}

static void test_bad_records(void)
{
    static const float samples[3] = {0};
    static const char nonsense[] = "the decoder makes no sense";
    struct records records = {0};
    put_track(&records, 1);
    expect_end(&records, "the decoder died");
    put(&records, DECODE_SAMPLES, samples, sizeof(samples)); /* of no format */
    expect_end(&records, nonsense);
    put_format(&records, 8000, 2);
    put(&records, DECODE_SAMPLES, samples, sizeof(samples)); /* half a frame */
    expect_end(&records, nonsense);
    put_format(&records, 8000, 0);
    expect_end(&records, nonsense);
    put_format(&records, 4000000, 1);
    expect_end(&records, nonsense);
    put(&records, DECODE_FORMAT, samples, 4);
    expect_end(&records, nonsense);
    put(&records, DECODE_DAMAGE, samples, 4);
    expect_end(&records, nonsense);
}

/* A gap of an age is not filled, nor does it end the recording. */
static void test_endless_gaps(void)
{
    static const float samples[4] = {0};
    struct records records = {0};
    struct decoder *decoder;
    put_track(&records, NAN);
    put_format(&records, 8000, 1);
    put_damage(&records, UINT64_MAX, "", false);
    put(&records, DECODE_SAMPLES, samples, sizeof(samples));
    put(&records, DECODE_END, NULL, 0);
    EXPECT_EQUAL_FATAL(open_records(&records, &decoder), 0);
    CU_ASSERT(decoder->duration == -1);
    struct decoder_block block = next(decoder);
    CU_ASSERT(block.frames == 4 && block.lost <= UINT64_C(86400) * 8000);
    decoder_destroy(decoder);
}

void add_decode_program_tests(void)
{
    CU_pSuite suite = CU_add_suite("decode_program", NULL, NULL);
    CU_add_test(suite, "good records", test_good_records);
    CU_add_test(suite, "a failure", test_failure);
    CU_add_test(suite, "bad starts", test_bad_starts);
    CU_add_test(suite, "bad records", test_bad_records);
    CU_add_test(suite, "endless gaps", test_endless_gaps);
}
