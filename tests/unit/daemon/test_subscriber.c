// SPDX-License-Identifier: MIT
/* The form in which a client gets segments and events. */
#include "daemon/microphone/subscriber.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_subscriber_tests(void);

struct client {
    struct subscriber subscriber;
    struct transcribe_event transcribe;
    char journal[4000]; /* "type {data} payload-length", a line each */
};

static void on_send(void *context, const char *type, json_t *data, const void *payload,
                    size_t payload_length)
{
    struct client *client = context;
    size_t length = strlen(client->journal);
    char *text = json_dumps(data, JSON_COMPACT | JSON_SORT_KEYS);
    (void)payload;
    snprintf(client->journal + length, sizeof(client->journal) - length, "%s %s %zu\n", type, text,
             payload_length);
    free(text);
    json_decref(data);
}

static const struct subscriber_peer peer = {.send = on_send};

static void init(struct client *client, bool segments, bool transcripts)
{
    *client = (struct client){
        .subscriber = {.peer = &peer, .context = client, .transcribe = &client->transcribe},
        .transcribe = {.options = {.segments = segments}, .transcripts = transcripts},
    };
}

static void was_told(struct client *client, const char *lines)
{
    if (strcmp(client->journal, lines) != 0)
        fprintf(stderr, "\ntold:\n%sexpected:\n%s", client->journal, lines);
    EXPECT_EQUAL_STRING(client->journal, lines);
    client->journal[0] = '\0';
}

static void report(struct client *client, const char *text, size_t committed, bool final)
{
    struct segment_message segment = {
        .event = "hearken-segment",
        .final = final,
        .data = json_pack("{s:s, s:s, s:i, s:[], s:i}", "type", final ? "final" : "partial", "text",
                          text, "committed", (int)committed, "words", "committed_words", 0),
    };
    subscriber_send_segment(&client->subscriber, &segment);
    segment_message_finish(&segment);
}

/* ---- Segments ---- */

static void test_words_where_wanted(void)
{
    struct client client;
    init(&client, true, false);
    report(&client, "one", 0, false);
    was_told(&client,
             "hearken-segment {\"committed\":0,\"text\":\"one\",\"type\":\"partial\"} 0\n");
    client.transcribe.options.words = true;
    report(&client, "one", 3, true);
    was_told(&client, "hearken-segment {\"committed\":3,\"committed_words\":0,\"text\":\"one\","
                      "\"type\":\"final\",\"words\":[]} 0\n");
    subscriber_finish(&client.subscriber);
}

static void test_voice_where_wanted(void)
{
    struct client client;
    init(&client, true, false);
    struct segment_message voice = {
        .event = "voice-started", .voice = true, .data = json_pack("{s:i}", "timestamp", 5)};
    subscriber_send_segment(&client.subscriber, &voice);
    was_told(&client, "");
    client.transcribe.options.stream.voice_events = true;
    subscriber_send_segment(&client.subscriber, &voice);
    was_told(&client, "voice-started {\"timestamp\":5} 0\n");
    EXPECT_EQUAL(voice.data->refcount, 1);
    segment_message_finish(&voice);
}

static void test_what_came_before(void)
{
    struct client client;
    init(&client, true, false);
    client.subscriber.joined = 10;
    client.transcribe.options.stream.pre_roll = 0.5f;
    struct segment_message segment = {
        .event = "hearken-segment", .final = true, .start = 9.25, .data = json_object()};
    subscriber_send_segment(&client.subscriber, &segment);
    was_told(&client, "");
    segment.start = 9.5;
    subscriber_send_segment(&client.subscriber, &segment);
    was_told(&client, "hearken-segment {} 0\n");
    /* What was doubtful before the speech belongs to its segment. */
    struct segment_message voice = {
        .event = "voice-started", .voice = true, .start = 9.25, .data = json_object()};
    segment.start = 8;
    subscriber_send_segment(&client.subscriber, &voice);
    subscriber_send_segment(&client.subscriber, &segment);
    was_told(&client, "");
    voice.start = 10.25;
    subscriber_send_segment(&client.subscriber, &voice);
    subscriber_send_segment(&client.subscriber, &segment);
    was_told(&client, "hearken-segment {} 0\n");
    segment_message_finish(&voice);
    segment_message_finish(&segment);
}

/* ---- Wyoming's transcripts ---- */

static void test_transcripts(void)
{
    struct client client;
    init(&client, false, true);
    strcpy(client.transcribe.language, "en");
    report(&client, "one tw", 0, false);
    was_told(&client, "");
    report(&client, "one two thr", 3, false);
    was_told(&client, "transcript-start {\"language\":\"en\"} 0\n"
                      "transcript-chunk {\"text\":\"one\"} 0\n");
    report(&client, "one two three", 3, false);
    was_told(&client, "");
    report(&client, "one two", 99, false); /* more than there is */
    was_told(&client, "");
    report(&client, "one two.", 8, true);
    was_told(&client, "transcript-chunk {\"text\":\" two.\"} 0\n"
                      "transcript {\"language\":\"en\",\"text\":\"one two.\"} 0\n"
                      "transcript-stop {} 0\n");
    report(&client, "Next", 4, true);
    was_told(&client, "transcript-start {\"language\":\"en\"} 0\n"
                      "transcript-chunk {\"text\":\"Next\"} 0\n"
                      "transcript {\"language\":\"en\",\"text\":\"Next\"} 0\n"
                      "transcript-stop {} 0\n");
    subscriber_finish(&client.subscriber);
}

/* Chunks are never taken back, even if what was committed should have changed. */
static void test_committed_text_that_changed(void)
{
    struct client client;
    init(&client, false, true);
    report(&client, "one two", 3, false);
    client.journal[0] = '\0';
    report(&client, "won two", 7, true);
    was_told(&client, "transcript {\"text\":\"won two\"} 0\ntranscript-stop {} 0\n");
    CU_ASSERT_PTR_NULL(client.subscriber.chunks_sent);
}

/* ---- The end ---- */

static void test_what_is_shown_becomes_final(void)
{
    struct client client;
    init(&client, true, true);
    report(&client, "one two", 0, false);
    client.journal[0] = '\0';
    subscriber_finalise(&client.subscriber);
    was_told(&client,
             "hearken-segment {\"committed\":7,\"text\":\"one two\",\"type\":\"final\"} 0\n"
             "transcript-start {} 0\n"
             "transcript-chunk {\"text\":\"one two\"} 0\n"
             "transcript {\"text\":\"one two\"} 0\n"
             "transcript-stop {} 0\n");
    subscriber_finalise(&client.subscriber);
    was_told(&client, ""); /* nothing is shown any more */
    report(&client, "three", 0, false);
    report(&client, "", 0, true); /* it was nothing */
    client.journal[0] = '\0';
    subscriber_finalise(&client.subscriber);
    was_told(&client, "");
}

/* ---- The microphone ---- */

static void test_events(void)
{
    struct client client;
    struct microphone_event event = {.type = HEARKEN_CAPTURE_LOST, .device = "mic"};
    init(&client, true, false);
    strcpy(event.reason, "gone \xff");
    subscriber_send_capture_event(&client.subscriber, &event);
    was_told(&client, "hearken-capture {\"channels\":0,\"device\":\"mic\",\"lost_seconds\":0.0,"
                      "\"overruns\":0,\"rate\":0,\"reason\":\"gone \xef\xbf\xbd\","
                      "\"type\":\"lost\"} 0\n");
    event = (struct microphone_event){.type = HEARKEN_CAPTURE_OVERRUN,
                                      .device = "mic",
                                      .rate = 48000,
                                      .channels = 2,
                                      .overruns = 5000000000,
                                      .lost_seconds = 0.5};
    subscriber_send_capture_event(&client.subscriber, &event);
    was_told(&client, "hearken-capture {\"channels\":2,\"device\":\"mic\",\"lost_seconds\":0.5,"
                      "\"overruns\":5000000000,\"rate\":48000,\"type\":\"overrun\"} 0\n");
}

static void test_hearing_when_it_is_news(void)
{
    struct client client;
    struct shared_recognition hearing = {0};
    init(&client, true, false);
    subscriber_notify_listening(&client.subscriber, 1);
    was_told(&client, "");
    client.subscriber.recognition = &hearing;
    subscriber_notify_listening(&client.subscriber, 1);
    subscriber_notify_listening(&client.subscriber, 2);
    was_told(&client, "hearken-hearing {\"hearing\":true,\"time\":1.0} 0\n");
    client.subscriber.stopping = true;
    subscriber_notify_listening(&client.subscriber, 3);
    was_told(&client, "hearken-hearing {\"hearing\":false,\"time\":3.0} 0\n");
}

void add_subscriber_tests(void)
{
    CU_pSuite suite = CU_add_suite("subscribers", NULL, NULL);
    CU_ADD_TEST(suite, test_words_where_wanted);
    CU_ADD_TEST(suite, test_voice_where_wanted);
    CU_ADD_TEST(suite, test_what_came_before);
    CU_ADD_TEST(suite, test_transcripts);
    CU_ADD_TEST(suite, test_committed_text_that_changed);
    CU_ADD_TEST(suite, test_what_is_shown_becomes_final);
    CU_ADD_TEST(suite, test_events);
    CU_ADD_TEST(suite, test_hearing_when_it_is_news);
}
