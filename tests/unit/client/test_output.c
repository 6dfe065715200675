// SPDX-License-Identifier: MIT
/* What the client writes: text, JSON and subtitles to the byte, and the files it goes to. */
#include "daemon/client/output/output.h"
#include "daemon/transcript/subtitle.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_output_tests(void);

#define REPLACEMENT "\xef\xbf\xbd"

/* ---- Making transcripts ---- */

struct said {
    const char *text;
    double start, end;
};

/* A segment of words, at a confidence of one half; an entry without a text ends it. */
static void add_segment(struct transcript *transcript, const struct said *words)
{
    char text[4096] = "";
    size_t count = 0;
    for (; words[count].text; count++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", count ? " " : "",
                 words[count].text);
    struct transcript_segment *segment = transcript_add(transcript, text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(segment);
    if (count > 0)
        transcript_segment_time(segment, words[0].start, words[count - 1].end, 0.5);
    for (size_t i = 0; i < count; i++)
        EXPECT_EQUAL_FATAL(
            transcript_segment_add_word(segment, words[i].text, words[i].start, words[i].end, 0.5),
            0);
}

#define SEGMENT(transcript, ...) add_segment(transcript, (const struct said[]){__VA_ARGS__, {0}})

static const struct output_style plain = {.format = OUTPUT_TEXT};
static const struct output_style words_only = {.format = OUTPUT_TEXT, .with_words = true};

/* ---- Reading what was written ---- */

struct written {
    char *bytes;
    size_t length;
    FILE *stream;
};

static FILE *start(struct written *written)
{
    *written = (struct written){0};
    written->stream = open_memstream(&written->bytes, &written->length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(written->stream);
    return written->stream;
}

static void expect(struct written *written, int result, const char *expected)
{
    EXPECT_EQUAL(result, 0);
    fclose(written->stream);
    EXPECT_EQUAL_STRING(written->bytes, expected);
    free(written->bytes);
}

static void expect_text(const struct transcript *transcript, const struct output_style *style,
                        const char *expected)
{
    struct written written;
    int result = 0;
    start(&written);
    for (size_t i = 0; i < transcript->segment_count && result == 0; i++)
        result = text_render_segment(written.stream, style, "talk.wav", &transcript->segments[i]);
    expect(&written, result, expected);
}

/* ---- Channels ---- */

/* Two who talk at once: as they come from a recogniser, in the order in which they end. */
static struct transcript two_channels(void)
{
    static const struct {
        unsigned channel;
        struct said words[4];
    } segments[] = {
        {2, {{"Yes.", 1.5, 2}, {0}}},
        {1, {{"Are", 0, 0.5}, {"you", 0.5, 1}, {"there?", 2.5, 3}, {0}}},
        {2, {{"Well.", 4, 4.5}, {0}}},
    };
    struct transcript t;
    transcript_init(&t);
    for (size_t i = 0; i < 3; i++) {
        add_segment(&t, segments[i].words);
        t.segments[t.segment_count - 1].channel = segments[i].channel;
        transcript_sort_last(&t);
    }
    return t;
}

static void test_channels_as_text(void)
{
    struct transcript t = two_channels();
    expect_text(&t, &plain, "[1] Are you there?\n[2] Yes.\n[2] Well.\n");
    expect_text(&t, &words_only,
                "0.00\t0.50\t0.500\tAre\t1\n0.50\t1.00\t0.500\tyou\t1\n"
                "2.50\t3.00\t0.500\tthere?\t1\n1.50\t2.00\t0.500\tYes.\t2\n"
                "4.00\t4.50\t0.500\tWell.\t2\n");
    transcript_finish(&t);
}

static void test_channels_as_json(void)
{
    struct transcript t = two_channels();
    struct written written;
    start(&written);
    int result = json_print_line(written.stream, json_segment(&t.segments[1]));
    expect(&written, result,
           "{\"start\": 1.5, \"end\": 2.0, \"text\": \"Yes.\", \"confidence\": 0.5, \"words\": "
           "[{\"text\": \"Yes.\", \"start\": 1.5, \"end\": 2.0, \"confidence\": 0.5, "
           "\"channel\": 2}], \"channel\": 2}\n");
    transcript_finish(&t);
}

/* Cues by time, each of one channel. */
static void test_channels_as_subtitles(void)
{
    struct transcript t = two_channels();
    struct written written;
    start(&written);
    int result = subtitle_render(written.stream, SUBTITLE_SRT, &t);
    expect(&written, result,
           "1\n00:00:00,000 --> 00:00:01,000\n[1] Are you\n\n"
           "2\n00:00:01,500 --> 00:00:02,500\n[2] Yes.\n\n"
           "3\n00:00:02,500 --> 00:00:03,500\n[1] there?\n\n"
           "4\n00:00:04,000 --> 00:00:05,000\n[2] Well.\n\n");
    start(&written);
    result = subtitle_render(written.stream, SUBTITLE_VTT, &t);
    expect(&written, result,
           "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v Channel 1>Are you\n\n"
           "00:00:01.500 --> 00:00:02.500\n<v Channel 2>Yes.\n\n"
           "00:00:02.500 --> 00:00:03.500\n<v Channel 1>there?\n\n"
           "00:00:04.000 --> 00:00:05.000\n<v Channel 2>Well.\n\n");
    transcript_finish(&t);
}

/* What a server tells is clamped; its times are those of a clock that has begun earlier. */
static void test_segment_of_a_server(void)
{
    struct transcript t;
    json_t *data =
        json_pack("{s:f, s:f, s:f, s:s, s:f, s:[{s:s, s:f, s:f, s:f}, {}]}", "start", 11.0, "end",
                  12.5, "confidence", 7.0, "language", "de", "language_probability", 0.5, "words",
                  "text", "a\nb", "start", 11.0, "end", 12.0, "confidence", 0.5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    transcript_init(&t);
    struct transcript_segment *segment = transcript_add(&t, "a b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(segment);
    EXPECT_EQUAL(transcript_segment_read_json(segment, data, 10), 0);
    EXPECT_EQUAL(segment->start, 1);
    EXPECT_EQUAL(segment->end, 2.5);
    EXPECT_EQUAL(segment->confidence, 1);
    EXPECT_EQUAL_STRING(segment->language, "de");
    EXPECT_EQUAL_FATAL(segment->word_count, 2);
    EXPECT_EQUAL_STRING(segment->words[0].text, "a b");
    EXPECT_EQUAL(segment->words[0].start, 1);
    EXPECT_EQUAL(segment->words[0].end, 2);
    EXPECT_EQUAL_STRING(segment->words[1].text, "");
    EXPECT_EQUAL(segment->words[1].start, 0);
    transcript_finish(&t);
    json_decref(data);
}

/* A terminal would obey the characters of the name. */
static void test_name_on_a_terminal(void)
{
    struct written written;
    char text[] = "Hello.";
    const struct transcript_segment segment = {.text = text};
    struct output_style style = {.with_file_name = true};
    start(&written);
    int result = text_render_segment(written.stream, &style, "a\033[2J\xff\n.wav", &segment);
    expect(&written, result, "a\033[2J\xff\n.wav: Hello.\n");
    style.on_terminal = true;
    start(&written);
    result = text_render_segment(written.stream, &style, "\xc3\xa4\033[2J\xff\n.wav", &segment);
    expect(&written, result, "\xc3\xa4?[2J??.wav: Hello.\n");
}

static void expect_subtitles(const struct transcript *transcript, enum subtitle_format format,
                             const char *expected)
{
    struct written written;
    start(&written);
    expect(&written, subtitle_render(written.stream, format, transcript), expected);
}

static void expect_json(const struct transcript *transcript, const char *file, const char *problem,
                        const char *expected)
{
    struct written written;
    start(&written);
    expect(&written, json_render(written.stream, file, transcript, problem), expected);
}

/* ---- Text ---- */

static void test_text(void)
{
    struct transcript t;
    transcript_init(&t);
    expect_text(&t, &plain, "");
    SEGMENT(&t, {"Good", 0, 0.25}, {"morning.", 0.25, 1});
    SEGMENT(&t, {"Yes?", 61.005, 3600.5});
    expect_text(&t, &plain, "Good morning.\nYes?\n");
    expect_text(&t, &(struct output_style){.with_file_name = true},
                "talk.wav: Good morning.\ntalk.wav: Yes?\n");
    expect_text(&t, &words_only,
                "0.00\t0.25\t0.500\tGood\n0.25\t1.00\t0.500\tmorning.\n"
                "61.01\t3600.50\t0.500\tYes?\n");
    expect_text(&t, &(struct output_style){.with_file_name = true, .with_words = true},
                "talk.wav: 0.00\t0.25\t0.500\tGood\ntalk.wav: 0.25\t1.00\t0.500\tmorning.\n"
                "talk.wav: 61.01\t3600.50\t0.500\tYes?\n");
    transcript_finish(&t);
}

/* C0, DEL and C1, of which each character becomes one space; the same bytes within others stay. */
static void test_controls_become_spaces(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t,
            {"a\x1b[31mb\tc\nd\r\x7f"
             "e",
             0, 1},
            {"\xc2\x9b"
             "31m \xc2\xa0 \xc3\x9b",
             1, 2});
    expect_text(&t, &plain, "a [31mb c d  e  31m \xc2\xa0 \xc3\x9b\n");
    expect_text(&t, &words_only,
                "0.00\t1.00\t0.500\ta [31mb c d  e\n"
                "1.00\t2.00\t0.500\t 31m \xc2\xa0 \xc3\x9b\n");
    transcript_finish(&t);
}

/* A segment of which nothing is left, and one that a server gave without words. */
static void test_empty_segments(void)
{
    struct transcript t;
    struct written written;
    transcript_init(&t);
    SEGMENT(&t, {0});
    expect_text(&t, &plain, "\n");
    expect_text(&t, &words_only, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(transcript_add(&t, "no times"));
    expect_text(&t, &plain, "\nno times\n");
    EXPECT_EQUAL(text_render_segment(start(&written), &words_only, "", &t.segments[1]), -ENODATA);
    fclose(written.stream);
    free(written.bytes);
    for (int format = SUBTITLE_SRT; format <= SUBTITLE_VTT; format++) {
        EXPECT_EQUAL(subtitle_render(start(&written), (enum subtitle_format)format, &t), -ENODATA);
        fclose(written.stream);
        EXPECT_EQUAL(written.length, 0);
        free(written.bytes);
    }
    transcript_finish(&t);
}

/* ---- Transcripts ---- */

static void test_numbers_are_sane(void)
{
    static const struct {
        double start, end, confidence, expected_start, expected_end, expected_confidence;
    } cases[] = {
        {1, 2, 0.5, 1, 2, 0.5},
        {2, 1, 0.5, 2, 2, 0.5},
        {-1, -2, -3, 0, 0, 0},
        {(double)NAN, 1, (double)NAN, 0, 1, 0},
        {(double)INFINITY, (double)INFINITY, (double)INFINITY, 0, 0, 0},
        {3, (double)NAN, 2, 3, 3, 1},
        {1e300, 1e301, 1e300, 1e7, 1e7, 1},
        {0, 1e300, 1, 0, 1e7, 1},
    };
    struct transcript t;
    transcript_init(&t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct transcript_segment *s = transcript_add(&t, "x");
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        transcript_segment_time(s, cases[i].start, cases[i].end, cases[i].confidence);
        EXPECT_EQUAL(
            transcript_segment_add_word(s, "x", cases[i].start, cases[i].end, cases[i].confidence),
            0);
        EXPECT_EQUAL(s->start, cases[i].expected_start);
        EXPECT_EQUAL(s->end, cases[i].expected_end);
        EXPECT_EQUAL(s->confidence, cases[i].expected_confidence);
        EXPECT_EQUAL(s->words[0].start, cases[i].expected_start);
        EXPECT_EQUAL(s->words[0].end, cases[i].expected_end);
        EXPECT_EQUAL(s->words[0].confidence, cases[i].expected_confidence);
    }
    transcript_finish(&t);
}

static void test_taking_segments(void)
{
    struct transcript from, to;
    transcript_init(&from);
    transcript_init(&to);
    char *text = transcript_text(&to);
    EXPECT_EQUAL_STRING(text, "");
    free(text);
    SEGMENT(&from, {"one", 0, 1});
    SEGMENT(&from, {"two", 1, 2});
    EXPECT_EQUAL(transcript_move_segment(&to, &from.segments[1]), 0);
    EXPECT_EQUAL(transcript_move_segment(&to, &from.segments[0]), 0);
    CU_ASSERT(!from.segments[0].text && from.segments[0].word_count == 0);
    text = transcript_text(&to);
    EXPECT_EQUAL_STRING(text, "two one");
    free(text);
    transcript_finish(&from);
    transcript_finish(&to);
}

/* ---- JSON ---- */

#define WORD(text, start, end)                                                                     \
    "{\"text\": \"" text "\", \"start\": " start ", \"end\": " end ", \"confidence\": 0.5}"

static void test_json(void)
{
    struct transcript t;
    transcript_init(&t);
    expect_json(&t, "talk.wav", NULL,
                "{\"file\": \"talk.wav\", \"seconds\": 0.0, \"text\": \"\", \"segments\": []}\n");
    t.seconds = 1.23456;
    SEGMENT(&t, {"Good", 0, 0.25}, {"day.", 0.2504, 1.0006});
    CU_ASSERT_PTR_NOT_NULL(transcript_add(&t, "no times"));
    expect_json(&t, "talk.wav", "cut short",
                "{\"file\": \"talk.wav\", \"seconds\": 1.235, \"text\": \"Good day. no times\", "
                "\"segments\": [{\"start\": 0.0, \"end\": 1.001, \"text\": \"Good day.\", "
                "\"confidence\": 0.5, \"words\": [" WORD("Good", "0.0", "0.25") ", " WORD(
                    "day.", "0.25", "1.001") "]}, {\"text\": \"no times\"}], "
                                             "\"error\": \"cut short\"}\n");
    transcript_finish(&t);
}

/* Also where it is not sure of anything, for then it says nothing of it. */
static void test_json_language(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {0});
    EXPECT_EQUAL(transcript_segment_language(&t.segments[0], "de", 0), 0);
    EXPECT_EQUAL(transcript_segment_language(&t.segments[0], "de", (double)NAN), 0);
    EXPECT_EQUAL(transcript_segment_language(&t.segments[0], "", 1), 0);
    CU_ASSERT_PTR_NULL(t.segments[0].language);
    transcript_segment_time(&t.segments[0], 0, 0, 0);
    EXPECT_EQUAL(transcript_segment_language(&t.segments[0], "d\ne", 2), 0);
    expect_json(&t, "a", NULL,
                "{\"file\": \"a\", \"seconds\": 0.0, \"text\": \"\", \"segments\": [{\"start\": "
                "0.0, \"end\": 0.0, \"text\": \"\", \"confidence\": 0.0, \"words\": [], "
                "\"language\": \"d e\", \"language_probability\": 1.0}]}\n");
    transcript_finish(&t);
}

/* JSON has to be UTF-8 whatever a file is called, and its name can be had back. */
static void test_json_of_any_bytes(void)
{
    struct transcript t;
    struct written written;
    transcript_init(&t);
    SEGMENT(&t, {"\xff\"\\\xe2\x82", 9999999.9996, 1e7});
    expect_json(&t, "\xe4 b%\n.wav", NULL,
                "{\"file\": \"" REPLACEMENT " b%\\n.wav\", \"file_bytes\": \"%E4%20b%25%0A.wav\", "
                "\"seconds\": 0.0, \"text\": \"" REPLACEMENT "\\\"\\\\" REPLACEMENT REPLACEMENT
                "\", \"segments\": [{\"start\": 10000000.0, \"end\": 10000000.0, \"text\": "
                "\"" REPLACEMENT "\\\"\\\\" REPLACEMENT REPLACEMENT "\", \"confidence\": 0.5, "
                "\"words\": [" WORD(REPLACEMENT "\\\"\\\\" REPLACEMENT REPLACEMENT, "10000000.0",
                                    "10000000.0") "]}]}\n");
    start(&written);
    expect(&written, json_render_failure(written.stream, "\xff", "no \xff"),
           "{\"file\": \"" REPLACEMENT "\", \"file_bytes\": \"%FF\", \"error\": \"no " REPLACEMENT
           "\"}\n");
    start(&written);
    expect(&written, json_render_failure(written.stream, "-", ""),
           "{\"file\": \"-\", \"error\": \"\"}\n");
    transcript_finish(&t);
}

static void test_no_object(void)
{
    struct written written;
    EXPECT_EQUAL(json_print_line(start(&written), NULL), -ENOMEM);
    fclose(written.stream);
    EXPECT_EQUAL(written.length, 0);
    free(written.bytes);
}

/* ---- Subtitles ---- */

static void test_subtitles(void)
{
    struct transcript t;
    transcript_init(&t);
    expect_subtitles(&t, SUBTITLE_SRT, "");
    expect_subtitles(&t, SUBTITLE_VTT, "WEBVTT\n\n");
    SEGMENT(&t, {"Good", 0, 0.25}, {"morning.", 0.25, 1.0004});
    SEGMENT(&t, {"Yes?", 3661.0015, 3663.5});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n\n"
                     "2\n01:01:01,002 --> 01:01:03,500\nYes?\n\n");
    expect_subtitles(&t, SUBTITLE_VTT,
                     "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGood morning.\n\n"
                     "01:01:01.002 --> 01:01:03.500\nYes?\n\n");
    transcript_finish(&t);
}

/* An arrow would begin a cue in WebVTT, which has a way to write it; SubRip has none. */
static void test_markup_in_the_text(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"a", 0, 1}, {"-->", 1, 2}, {"<i>b&c", 2, 3});
    expect_subtitles(&t, SUBTITLE_SRT, "1\n00:00:00,000 --> 00:00:03,000\na --> <i>b&c\n\n");
    expect_subtitles(&t, SUBTITLE_VTT,
                     "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\na --&gt; &lt;i&gt;b&amp;c\n\n");
    transcript_finish(&t);
}

/* No cue ends before it starts or starts before the last one ended. */
static void test_times_that_overlap(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"one", 0, 0});
    SEGMENT(&t, {"two", 0, 0});
    SEGMENT(&t, {"three", 5, 9}, {"four", 4, 4.5});
    SEGMENT(&t, {"five", 1, 2});
    SEGMENT(&t, {"last", 1e7, 1e7});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:00,000 --> 00:00:00,001\none\n\n"
                     "2\n00:00:00,001 --> 00:00:01,001\ntwo\n\n"
                     "3\n00:00:05,000 --> 00:00:05,001\nthree four\n\n"
                     "4\n00:00:05,001 --> 00:00:06,001\nfive\n\n"
                     "5\n2777:46:40,000 --> 2777:46:41,000\nlast\n\n");
    transcript_finish(&t);
}

/* A cue stays for a second, but not into the next one. */
static void test_short_cues_stay(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"one", 0, 0.1});
    SEGMENT(&t, {"two", 0.6, 0.7});
    SEGMENT(&t, {"three", 9, 9.1});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:00,000 --> 00:00:00,600\none\n\n"
                     "2\n00:00:00,600 --> 00:00:01,600\ntwo\n\n"
                     "3\n00:00:09,000 --> 00:00:10,000\nthree\n\n");
    transcript_finish(&t);
}

/* At most two lines of 42 characters, cut after a mark rather than elsewhere; at most seven
 * seconds; and a pause of more than a second ends a cue. */
static void test_cues_are_cut(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"A sentence that fills the upper line,", 0, 2}, {"and", 2, 3},
            {"another that fills the lower.", 3, 4}, {"More", 4, 5}, {"later", 6.5, 7});
    SEGMENT(&t, {"slow", 10, 13}, {"speech", 13, 16}, {"goes", 16, 17.5}, {"on", 17.5, 18});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:00,000 --> 00:00:04,000\nA sentence that fills the upper line,\n"
                     "and another that fills the lower.\n\n"
                     "2\n00:00:04,000 --> 00:00:05,000\nMore\n\n"
                     "3\n00:00:06,500 --> 00:00:07,500\nlater\n\n"
                     "4\n00:00:10,000 --> 00:00:16,000\nslow speech\n\n"
                     "5\n00:00:16,000 --> 00:00:18,000\ngoes on\n\n");
    transcript_finish(&t);
}

/* Words wider than a line: cut between characters, the time shared. */
static void test_words_wider_than_a_line(void)
{
    char word[2 * 100 + 1] = "", expected[512];
    struct transcript t;
    transcript_init(&t);
    for (int i = 0; i < 100; i++)
        strcat(word, "\xc3\xa4");
    SEGMENT(&t, {word, 0, 10});
    snprintf(expected, sizeof(expected),
             "1\n00:00:00,000 --> 00:00:04,200\n%.84s\n\n2\n00:00:04,200 --> 00:00:10,000\n"
             "%.84s\n%.32s\n\n",
             word, word, word);
    expect_subtitles(&t, SUBTITLE_SRT, expected);
    transcript_finish(&t);
}

/* Words of which nothing is to be seen make no cue, which a blank line would end at once; a segment
 * that ends in one ends its cue all the same. */
static void test_blank_words(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"", 0, 1});
    SEGMENT(&t, {"\n", 1, 2});
    SEGMENT(&t, {"one", 2, 3}, {"", 3, 4});
    SEGMENT(&t, {"two", 4, 5}, {" ", 5, 6});
    SEGMENT(&t, {"three", 6, 7});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:02,000 --> 00:00:03,000\none\n\n"
                     "2\n00:00:04,000 --> 00:00:05,000\ntwo\n\n"
                     "3\n00:00:06,000 --> 00:00:07,000\nthree\n\n");
    transcript_finish(&t);
}

/* Bytes that are no UTF-8 go out as they are, each of them. */
static void test_subtitles_of_any_bytes(void)
{
    struct transcript t;
    transcript_init(&t);
    SEGMENT(&t, {"\x80\xff\xe2\x82z\xc3", 0, 2}, {"\xf0\x9f", 2, 3});
    expect_subtitles(&t, SUBTITLE_SRT,
                     "1\n00:00:00,000 --> 00:00:03,000\n\x80\xff\xe2\x82z\xc3 \xf0\x9f\n\n");
    transcript_finish(&t);
}

/* ---- Where it goes ---- */

struct folder {
    char path[64];
};

static struct folder make_folder(void)
{
    struct folder folder = {"/tmp/hearken-output-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder.path));
    return folder;
}

static char *inside(const struct folder *folder, const char *name)
{
    char *path;
    CU_ASSERT_FATAL(asprintf(&path, "%s/%s", folder->path, name) > 0);
    return path;
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(content, file);
    fclose(file);
}

static void expect_file(const char *path, const char *expected)
{
    char content[1024] = "";
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    content[fread(content, 1, sizeof(content) - 1, file)] = 0;
    fclose(file);
    EXPECT_EQUAL_STRING(content, expected);
}

static void test_files(void)
{
    struct folder folder = make_folder();
    char *path = inside(&folder, "out");
    struct hearken_error error = {""};
    struct output output;
    struct transcript t;
    write_file(path, "before");
    transcript_init(&t);
    SEGMENT(&t, {"one", 0, 1});
    EXPECT_EQUAL_FATAL(output_open(&output, path, &error), 0);
    EXPECT_EQUAL(output_transcript(&output, &plain, "a", &t, NULL, &error), 0);
    output_discard(&output);
    expect_file(path, "before");
    EXPECT_EQUAL_FATAL(output_open(&output, path, &error), 0);
    EXPECT_EQUAL(output_segment(&output, &plain, "a", &t.segments[0], &error), 0);
    EXPECT_EQUAL(output_failure(&output, &plain, "a", "nothing of it", &error), 0);
    EXPECT_EQUAL(output_failure(&output, &(struct output_style){.format = OUTPUT_JSON}, "a",
                                "all of it", &error),
                 0);
    EXPECT_EQUAL(output_bytes(&output, "x\0y", 3, &error), 0);
    EXPECT_EQUAL(output_commit(&output, &error), 0);
    expect_file(path, "one\n{\"file\": \"a\", \"error\": \"all of it\"}\nx");
    unlink(path);
    rmdir(folder.path);
    free(path);
    transcript_finish(&t);
}

static void test_errors_name_the_file(void)
{
    struct hearken_error error = {""};
    struct output output;
    struct transcript t;
    transcript_init(&t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(transcript_add(&t, "no times"));
    EXPECT_EQUAL(output_open(&output, "/nonexistent/out", &error), -ENOENT);
    EXPECT_EQUAL_STRING(error.message, "/nonexistent/out: No such file or directory");
    EXPECT_EQUAL_FATAL(output_open(&output, "/dev/full", &error), 0);
    EXPECT_EQUAL(output_transcript(&output, &plain, "a", &t, NULL, &error), -ENOSPC);
    EXPECT_EQUAL_STRING(error.message, "/dev/full: No space left on device");
    EXPECT_EQUAL(output_transcript(&output, &(struct output_style){.format = OUTPUT_SRT}, "a", &t,
                                   NULL, &error),
                 -ENODATA);
    EXPECT_EQUAL_STRING(error.message,
                        "the server sends no times, which word times and subtitles need");
    output_discard(&output);
    transcript_finish(&t);
}

static void test_names_of_files(void)
{
    static const struct {
        const char *recording;
        enum output_format format;
        const char *expected;
    } cases[] = {
        {"talk.wav", OUTPUT_TEXT, "d/talk.txt"},
        {"/a.b/talk", OUTPUT_JSON, "d/talk.json"},
        {"a/talk.tar.gz", OUTPUT_SRT, "d/talk.tar.srt"},
        {"a/.hidden", OUTPUT_VTT, "d/.hidden.vtt"},
        {"a/.hidden.wav", OUTPUT_VTT, "d/.hidden.vtt"},
        {"talk.", OUTPUT_TEXT, "d/talk.txt"},
        {"-", OUTPUT_JSON, "d/stdin.json"},
        {"./-", OUTPUT_JSON, "d/-.json"},
        {"\xff %s.ogg", OUTPUT_TEXT, "d/\xff %s.txt"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *name = output_name("d", cases[i].format, cases[i].recording);
        EXPECT_EQUAL_STRING(name, cases[i].expected);
        free(name);
    }
}

static void test_nothing_is_overwritten(void)
{
    struct folder folder = make_folder();
    char *path = inside(&folder, "talk.txt"), *other = inside(&folder, "link.txt");
    char expected[512];
    struct hearken_error error = {""};
    write_file(path, "a recording");
    EXPECT_EQUAL_FATAL(link(path, other), 0);
    char *const two[] = {(char *)"a/talk.wav", (char *)"b/other.wav", (char *)"b/talk.flac"};
    EXPECT_EQUAL(output_names_check("d", OUTPUT_TEXT, two, 2, &error), 0);
    EXPECT_EQUAL(output_names_check("d", OUTPUT_TEXT, two, 3, &error), -EEXIST);
    CU_ASSERT(strcmp(error.message,
                     "a/talk.wav and b/talk.flac would both be written to d/talk.txt") == 0 ||
              strcmp(error.message,
                     "b/talk.flac and a/talk.wav would both be written to d/talk.txt") == 0);
    EXPECT_EQUAL(output_names_check(folder.path, OUTPUT_JSON, &path, 1, &error), 0);
    EXPECT_EQUAL(output_names_check(folder.path, OUTPUT_TEXT, &path, 1, &error), -EEXIST);
    snprintf(expected, sizeof(expected), "the output would overwrite the recording %s", path);
    EXPECT_EQUAL_STRING(error.message, expected);
    EXPECT_EQUAL(output_file_check(other, two, 3, &error), 0);
    EXPECT_EQUAL(output_file_check(other, &path, 1, &error), -EEXIST);
    EXPECT_EQUAL_STRING(error.message, expected);
    char *const input = (char *)"-";
    EXPECT_EQUAL(output_file_check(other, &input, 1, &error), 0);
    EXPECT_EQUAL(output_file_check("/dev/null", &(char *){(char *)"/dev/null"}, 1, &error), 0);
    unlink(path);
    unlink(other);
    rmdir(folder.path);
    free(path);
    free(other);
}

/* By links, one recording's output may be another recording. */
static void test_nothing_is_overwritten_by_links(void)
{
    struct folder folder = make_folder();
    char *talk = inside(&folder, "talk.wav"), *other = inside(&folder, "other.wav");
    char *link = inside(&folder, "other.txt"), expected[512];
    struct hearken_error error = {""};
    write_file(talk, "a recording");
    write_file(other, "another one");
    EXPECT_EQUAL_FATAL(symlink("talk.wav", link), 0);
    char *const both[] = {other, talk};
    EXPECT_EQUAL(output_names_check(folder.path, OUTPUT_JSON, both, 2, &error), 0);
    EXPECT_EQUAL(output_names_check(folder.path, OUTPUT_TEXT, both, 1, &error), 0);
    EXPECT_EQUAL(output_names_check(folder.path, OUTPUT_TEXT, both, 2, &error), -EEXIST);
    snprintf(expected, sizeof(expected), "the output would overwrite the recording %s", talk);
    EXPECT_EQUAL_STRING(error.message, expected);
    unlink(talk);
    unlink(other);
    unlink(link);
    rmdir(folder.path);
    free(talk);
    free(other);
    free(link);
}

static void test_folders(void)
{
    struct folder folder = make_folder();
    struct hearken_error error = {""};
    EXPECT_EQUAL(output_directory_check(folder.path, &error), 0);
    EXPECT_EQUAL(output_directory_check("/dev/null", &error), -ENOTDIR);
    EXPECT_EQUAL_STRING(error.message, "/dev/null: Not a directory");
    rmdir(folder.path);
    EXPECT_EQUAL(output_directory_check(folder.path, &error), -ENOENT);
}

void add_output_tests(void)
{
    CU_pSuite suite = CU_add_suite("output", NULL, NULL);
    CU_add_test(suite, "text", test_text);
    CU_add_test(suite, "a name on a terminal", test_name_on_a_terminal);
    CU_add_test(suite, "a segment of a server", test_segment_of_a_server);
    CU_add_test(suite, "control characters", test_controls_become_spaces);
    CU_add_test(suite, "empty segments", test_empty_segments);
    CU_add_test(suite, "numbers of any size", test_numbers_are_sane);
    CU_add_test(suite, "segments that are taken", test_taking_segments);
    CU_add_test(suite, "JSON", test_json);
    CU_add_test(suite, "JSON: languages", test_json_language);
    CU_add_test(suite, "JSON: any bytes", test_json_of_any_bytes);
    CU_add_test(suite, "JSON: no object", test_no_object);
    CU_add_test(suite, "channels as text", test_channels_as_text);
    CU_add_test(suite, "channels as JSON", test_channels_as_json);
    CU_add_test(suite, "channels as subtitles", test_channels_as_subtitles);
    CU_add_test(suite, "subtitles", test_subtitles);
    CU_add_test(suite, "subtitles: markup", test_markup_in_the_text);
    CU_add_test(suite, "subtitles: times that overlap", test_times_that_overlap);
    CU_add_test(suite, "subtitles: short cues", test_short_cues_stay);
    CU_add_test(suite, "subtitles: lines and pauses", test_cues_are_cut);
    CU_add_test(suite, "subtitles: long words", test_words_wider_than_a_line);
    CU_add_test(suite, "subtitles: blank words", test_blank_words);
    CU_add_test(suite, "subtitles: any bytes", test_subtitles_of_any_bytes);
    CU_add_test(suite, "files", test_files);
    CU_add_test(suite, "errors", test_errors_name_the_file);
    CU_add_test(suite, "names of files", test_names_of_files);
    CU_add_test(suite, "nothing is overwritten", test_nothing_is_overwritten);
    CU_add_test(suite, "nothing is overwritten: links", test_nothing_is_overwritten_by_links);
    CU_add_test(suite, "folders", test_folders);
}
