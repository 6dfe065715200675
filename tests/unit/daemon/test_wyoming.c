// SPDX-License-Identifier: MIT
#include "daemon/common/wyoming.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_wyoming_tests(void);

/* What a parser says of some bytes: how it ended, and its events as text. */
struct reading {
    int status; /* of the last call: 0 wants more, or an error */
    bool idle;
    char message[512];
    char *events; /* "type {data} payload-length:payload-sum\n" each */
    size_t events_length;
};

static void note_event(FILE *stream, const struct wyoming_event *event)
{
    char *data = json_dumps(event->data, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned sum = 0;
    for (size_t i = 0; i < event->payload_length; i++)
        sum = sum * 31 + event->payload[i];
    fprintf(stream, "%s %s %zu:%u\n", event->type, data, event->payload_length, sum);
    free(data);
}

static int take_events(struct wyoming_parser *parser, FILE *stream, struct hearken_error *error)
{
    struct wyoming_event event;
    int status;
    while ((status = wyoming_parser_next(parser, &event, error)) == 1)
        note_event(stream, &event);
    return status;
}

/* Feeds in pieces of `piece` bytes, or of random sizes up to `piece` if `random` is true. */
static struct reading read_pieces(const void *bytes, size_t length, size_t piece, bool random,
                                  const struct wyoming_limits *limits)
{
    struct reading reading = {0};
    struct hearken_error error = {""};
    struct wyoming_parser parser;
    FILE *stream = open_memstream(&reading.events, &reading.events_length);
    wyoming_parser_init(&parser, limits);
    for (size_t offset = 0; offset < length && reading.status == 0;) {
        size_t size = random ? 1 + (size_t)rand() % piece : piece;
        if (size > length - offset)
            size = length - offset;
        EXPECT_EQUAL(wyoming_parser_feed(&parser, (const char *)bytes + offset, size, NULL), 0);
        reading.status = take_events(&parser, stream, &error);
        offset += size;
    }
    reading.idle = wyoming_parser_idle(&parser);
    memcpy(reading.message, error.message, sizeof(reading.message));
    wyoming_parser_finish(&parser);
    fclose(stream);
    return reading;
}

static struct reading read_text(const char *text)
{
    return read_pieces(text, strlen(text), SIZE_MAX, false, NULL);
}

static void expect_events(const char *text, const char *events)
{
    struct reading reading = read_text(text);
    EXPECT_EQUAL(reading.status, 0);
    CU_ASSERT_TRUE(reading.idle);
    EXPECT_EQUAL_STRING(reading.events, events);
    free(reading.events);
}

static void expect_failure(const char *text, int status, const char *message)
{
    struct reading reading = read_text(text);
    EXPECT_EQUAL(reading.status, status);
    CU_ASSERT_FALSE(reading.idle);
    EXPECT_CONTAINS(reading.message, message);
    if (!strstr(reading.message, message))
        printf("\n    got: %s\n    for: %s\n", reading.message, text);
    free(reading.events);
}

static void test_forms_of_data(void)
{
    expect_events("{\"type\":\"describe\"}\n", "describe {} 0:0\n");
    expect_events("{\"type\":\"a\",\"data\":{\"x\":1}}\n", "a {\"x\":1} 0:0\n");
    expect_events("{\"type\":\"a\",\"data_length\":7}\n{\"x\":1}", "a {\"x\":1} 0:0\n");
    expect_events("{\"type\":\"a\",\"data\":null,\"data_length\":null,\"payload_length\":0}\r\n",
                  "a {} 0:0\n");
    /* What follows the line wins. */
    expect_events("{\"type\":\"a\",\"data\":{\"x\":1,\"y\":2},\"data_length\":7}\n{\"x\":3}",
                  "a {\"x\":3,\"y\":2} 0:0\n");
}

static void test_payload(void)
{
    expect_events("{\"type\":\"a\",\"payload_length\":2}\nAB{\"type\":\"b\"}\n",
                  "a {} 2:2081\nb {} 0:0\n");
    expect_events("{\"type\":\"a\",\"data_length\":2,\"payload_length\":1}\n{}\n", "a {} 1:10\n");
}

static void test_incomplete(void)
{
    static const char *const texts[] = {
        "{\"type\"",
        "{\"type\":\"a\"}",
        "{\"type\":\"a\",\"data_length\":3}\n{}",
        "{\"type\":\"a\",\"payload_length\":3}\nxx",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct reading reading = read_text(texts[i]);
        EXPECT_EQUAL(reading.status, 0);
        CU_ASSERT_FALSE(reading.idle);
        EXPECT_EQUAL_STRING(reading.events, "");
        free(reading.events);
    }
}

static void test_bad_messages(void)
{
    expect_failure("garbage\n", -EBADMSG, "header: expected a JSON object");
    expect_failure("\n", -EBADMSG, "header: expected a JSON object");
    expect_failure("[1]\n", -EBADMSG, "header: expected a JSON object, got an array");
    expect_failure("{} {}\n", -EBADMSG, "header: expected a JSON object");
    expect_failure("{\"type\":\"\xff\"}\n", -EBADMSG, "header: expected a JSON object");
    expect_failure("{\"type\":\"a\\u0000b\"}\n", -EBADMSG, "header: expected a JSON object");
    expect_failure("{}\n", -EBADMSG, "header: type: got nothing, expected the name of an event");
    expect_failure("{\"type\":\"\"}\n", -EBADMSG,
                   "header: type: got an empty string, expected the name of an event");
    expect_failure("{\"type\":7}\n", -EBADMSG,
                   "header: type: got a number, expected the name of an event");
    expect_failure("{\"type\":\"a\",\"data\":[]}\n", -EBADMSG,
                   "header: data: got an array, expected an object");
    expect_failure("{\"type\":\"a\",\"data_length\":-1}\n", -EBADMSG,
                   "data_length: got a negative number, expected a num");
    expect_failure("{\"type\":\"a\",\"data_length\":1.0}\n", -EBADMSG,
                   "data_length: got a fraction, expected");
    expect_failure("{\"type\":\"a\",\"payload_length\":true}\n", -EBADMSG,
                   "payload_length: got true, exp");
    expect_failure("{\"type\":\"a\",\"payload_length\":99999999999999999999}\n", -EBADMSG,
                   "header: expected a JSON object");
    expect_failure("{\"type\":\"a\",\"data_length\":1}\n7", -EBADMSG, "data: expected a JSON obj");
    expect_failure("{\"type\":\"a\",\"data_length\":2}\n[]", -EBADMSG, "data: expected a JSON obj");
}

static void test_failure_lasts(void)
{
    struct wyoming_parser parser;
    struct wyoming_event event;
    struct hearken_error error = {""};
    static const char good[] = "{\"type\":\"a\"}\n";
    wyoming_parser_init(&parser, NULL);
    wyoming_parser_feed(&parser, "x\n", 2, NULL);
    EXPECT_EQUAL(wyoming_parser_next(&parser, &event, NULL), -EBADMSG);
    EXPECT_EQUAL(wyoming_parser_feed(&parser, good, strlen(good), NULL), 0);
    EXPECT_EQUAL(wyoming_parser_next(&parser, &event, &error), -EBADMSG);
    EXPECT_CONTAINS(error.message, "header");
    wyoming_parser_finish(&parser);
}

/* A message for the log and for the client: plain text, whatever the peer sent. */
static void test_message_is_printable(void)
{
    struct reading reading = read_text("{\"type\":\"a\" \x01\x1b[2J\xc3\n");
    EXPECT_EQUAL(reading.status, -EBADMSG);
    for (const char *c = reading.message; *c != '\0'; c++)
        CU_ASSERT_TRUE(*c >= ' ' && *c <= '~');
    free(reading.events);
}

static struct reading read_limited(const char *text)
{
    static const struct wyoming_limits limits = {
        .header = 64, .data = 16, .payload = 8, .depth = 3};
    return read_pieces(text, strlen(text), 5, false, &limits);
}

static void expect_limited(const char *text, int status, const char *message)
{
    struct reading reading = read_limited(text);
    EXPECT_EQUAL(reading.status, status);
    EXPECT_CONTAINS(reading.message, message);
    free(reading.events);
}

static void test_limits(void)
{
    char line[80];
    /* With its newline, 64 bytes are allowed and 65 are not; without one, no more are waited for.
     */
    snprintf(line, sizeof(line), "{\"type\":\"%053d\"}\n", 0);
    EXPECT_EQUAL(strlen(line), 65);
    expect_limited(line, -EMSGSIZE, "header: longer than 64 bytes");
    snprintf(line, sizeof(line), "{\"type\":\"%052d\"}\n", 0);
    expect_limited(line, 0, "");
    snprintf(line, sizeof(line), "%070d", 0);
    expect_limited(line, -EMSGSIZE, "header: longer than 64 bytes");

    expect_limited("{\"type\":\"a\",\"data_length\":16}\n{\"x\":\"12345678\"}", 0, "");
    expect_limited("{\"type\":\"a\",\"data_length\":17}\n", -EMSGSIZE, "the limit is 16");
    expect_limited("{\"type\":\"a\",\"payload_length\":8}\n12345678", 0, "");
    expect_limited("{\"type\":\"a\",\"payload_length\":9}\n", -EMSGSIZE, "the limit is 8");
}

static void test_depth(void)
{
    expect_limited("{\"type\":\"a\",\"data\":{\"x\":[]}}\n", 0, "");
    expect_limited("{\"type\":\"a\",\"data\":{\"x\":[{}]}}\n", -EMSGSIZE, "deeper than 3 levels");
    expect_limited("{\"type\":\"a\",\"data_length\":13}\n{\"x\":[[{}]]}  ", -EMSGSIZE,
                   "deeper than 3 levels");
    /* Brackets in text do not count, nor does a quote that is escaped. */
    expect_limited("{\"type\":\"[[[[\\\"[[[[\\\\\",\"data\":{\"x\":[]}}\n", 0, "");
    /* Sisters are no deeper than one of them. */
    expect_limited("{\"type\":\"a\",\"data\":{\"x\":[],\"y\":[],\"z\":[]}}\n", 0, "");
}

/* A conversation with all forms of events in it, 200 of them. */
static struct wyoming_buffer make_conversation(void)
{
    struct wyoming_buffer buffer = {0};
    uint8_t payload[3000];
    for (unsigned i = 0; i < 200; i++) {
        size_t length = i % 3 == 0 ? 0 : (size_t)rand() % sizeof(payload);
        for (size_t j = 0; j < length; j++)
            payload[j] = (uint8_t)rand();
        json_t *data = json_pack("{s:i, s:s}", "number", (int)i, "text", "h\xc3\xa9\n\"x\"");
        EXPECT_EQUAL(
            wyoming_serialise("audio-chunk", i % 5 == 0 ? NULL : data, payload, length, &buffer),
            0);
        json_decref(data);
    }
    return buffer;
}

static void test_pieces_are_as_whole(void)
{
    unsigned seed = (unsigned)time(NULL);
    srand(seed);
    struct wyoming_buffer buffer = make_conversation();
    struct reading whole = read_pieces(buffer.bytes, buffer.length, SIZE_MAX, false, NULL);
    CU_ASSERT_TRUE(whole.idle);
    static const size_t pieces[] = {1, 2, 13, 1000, 20000};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct reading cut = read_pieces(buffer.bytes, buffer.length, pieces[i], i % 2 == 1, NULL);
        bool same = cut.idle && strcmp(cut.events, whole.events) == 0;
        CU_ASSERT_TRUE(same);
        if (!same)
            printf("\n    seed %u, pieces of %zu\n", seed, pieces[i]);
        free(cut.events);
    }
    free(whole.events);
    wyoming_buffer_finish(&buffer);
}

static void test_serialise(void)
{
    struct wyoming_buffer buffer = {0};
    json_t *data = json_pack("{s:f}", "x", 0.12);
    EXPECT_EQUAL(wyoming_serialise("ping", NULL, NULL, 0, &buffer), 0);
    EXPECT_EQUAL(wyoming_serialise("a", data, "xyz", 3, &buffer), 0);
    static const char expected[] = "{\"type\":\"ping\"}\n"
                                   "{\"type\":\"a\",\"data_length\":10,\"payload_length\":3}\n"
                                   "{\"x\":0.12}xyz";
    EXPECT_EQUAL(buffer.length, strlen(expected));
    EXPECT_EQUAL(memcmp(buffer.bytes, expected, strlen(expected)), 0);
    /* A failure leaves the buffer as it was. */
    EXPECT_EQUAL(wyoming_serialise("\xff", data, NULL, 0, &buffer), -EINVAL);
    EXPECT_EQUAL(buffer.length, strlen(expected));
    json_decref(data);
    wyoming_buffer_finish(&buffer);
}

/* A large event must not cost memory for as long as its connection lives. */
static void test_memory_is_given_back(void)
{
    struct wyoming_parser parser;
    struct wyoming_event event;
    static const char header[] = "{\"type\":\"a\",\"payload_length\":4000000}\n";
    char *payload = calloc(1, 4000000);
    wyoming_parser_init(&parser, NULL);
    wyoming_parser_feed(&parser, header, strlen(header), NULL);
    wyoming_parser_feed(&parser, payload, 4000000, NULL);
    EXPECT_EQUAL(wyoming_parser_next(&parser, &event, NULL), 1);
    EXPECT_EQUAL(event.payload_length, 4000000);
    EXPECT_EQUAL(wyoming_parser_next(&parser, &event, NULL), 0);
    wyoming_parser_feed(&parser, "{", 1, NULL);
    CU_ASSERT_TRUE(parser.capacity < 1000000);
    wyoming_parser_finish(&parser);
    free(payload);
}

void add_wyoming_tests(void)
{
    CU_pSuite suite = CU_add_suite("wyoming", NULL, NULL);
    CU_add_test(suite, "data comes in the line, behind it, or both", test_forms_of_data);
    CU_add_test(suite, "payload", test_payload);
    CU_add_test(suite, "incomplete events are waited for", test_incomplete);
    CU_add_test(suite, "what is no Wyoming is named", test_bad_messages);
    CU_add_test(suite, "a broken parser stays broken", test_failure_lasts);
    CU_add_test(suite, "messages are printable", test_message_is_printable);
    CU_add_test(suite, "limits of lengths", test_limits);
    CU_add_test(suite, "limit of depth", test_depth);
    CU_add_test(suite, "pieces are read as the whole", test_pieces_are_as_whole);
    CU_add_test(suite, "events to bytes", test_serialise);
    CU_add_test(suite, "a large event's memory is given back", test_memory_is_given_back);
}
