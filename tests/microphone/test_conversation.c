// SPDX-License-Identifier: MIT
/* Listening to the microphone over a connection. */
#include "daemon/session/conversation.h"
#include "tests/microphone/stage.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

void add_conversation_tests(void);

/* A connection, which handles a deferred event again at `resume`. */
struct line {
    struct conversation conversation;
    char journal[2000];
    const char *held_type, *held_data; /* NULL: nothing is held */
    unsigned resumed;
    bool within; /* conversation_handle */
};

static void on_send(void *context, const char *type, json_t *data, const void *payload,
                    size_t payload_length)
{
    struct line *line = context;
    size_t length = strlen(line->journal);
    const char *text = json_string_value(json_object_get(data, "text"));
    const char *code = json_string_value(json_object_get(data, "code"));
    (void)payload;
    (void)payload_length;
    if (code)
        snprintf(line->journal + length, sizeof(line->journal) - length, "%s: %s\n", code, text);
    else
        snprintf(line->journal + length, sizeof(line->journal) - length, "%s\n", type);
    json_decref(data);
}

static enum conversation_verdict say(struct line *line, const char *type, const char *data)
{
    json_error_t error;
    struct wyoming_event event = {.type = type, .data = json_loads(data, 0, &error)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(event.data);
    CU_ASSERT_FALSE(line->within);
    line->within = true;
    enum conversation_verdict verdict = conversation_handle(&line->conversation, &event);
    line->within = false;
    json_decref(event.data);
    line->held_type = verdict == CONVERSATION_WAIT ? type : NULL;
    line->held_data = data;
    return verdict;
}

static void on_resume(void *context)
{
    struct line *line = context;
    CU_ASSERT_FALSE(line->within);
    line->resumed++;
    if (line->held_type)
        say(line, line->held_type, line->held_data);
}

static const struct conversation_peer peer = {
    .send = on_send,
    .resume = on_resume,
};

static void line_init(struct line *line, struct stage *stage)
{
    *line = (struct line){0};
    conversation_init(&line->conversation, &stage->service, &peer, line, 1, true);
}

static void line_was_told(struct line *line, const char *lines)
{
    if (strcmp(line->journal, lines) != 0)
        fprintf(stderr, "\ntold:\n%sexpected:\n%s", line->journal, lines);
    EXPECT_EQUAL_STRING(line->journal, lines);
    line->journal[0] = '\0';
}

#define HOLD        "{\"hearken\": {\"hold\": true}}"
#define HOLD_SECOND "{\"name\": \"second\", \"hearken\": {\"hold\": true}}"

static void test_model_is_gone(void)
{
    struct stage *stage = stage_create();
    struct line line;
    line_init(&line, stage);
    say(&line, "hearken-listen", HOLD_SECOND);
    line_was_told(&line, "hearken-listening\n");
    stage_turn(stage);
    stage_remove_second_model(stage);
    say(&line, "hearken-start", "{}");
    line_was_told(&line, "hearken-switched\n");
    EXPECT_EQUAL(line.conversation.state, CONVERSATION_SUBSCRIBED);
    stage_turn(stage);
    line_was_told(&line, "unknown-model: model second is no longer configured\n");
    EXPECT_EQUAL(line.resumed, 1);
    say(&line, "hearken-listen", HOLD);
    line_was_told(&line, "hearken-listening\n");
    say(&line, "hearken-start", "{}");
    stage_turn(stage);
    line_was_told(&line, "hearken-hearing\nhearken-switched\n");
    conversation_finish(&line.conversation);
    stage_turn(stage);
    stage_destroy(stage);
}

/* The client's next event may come between the end and its notification. */
static void test_next_event_before_it_is_told(void)
{
    struct stage *stage = stage_create();
    struct line line;
    line_init(&line, stage);
    say(&line, "hearken-listen", "{}");
    stage_turn(stage);
    request_fails(only_request(), "no");
    EXPECT_EQUAL(say(&line, "hearken-listen-stop", "{}"), CONVERSATION_CONTINUE);
    EXPECT_EQUAL(say(&line, "hearken-listen", HOLD), CONVERSATION_WAIT);
    line_was_told(&line, "hearken-listening\n");
    stage_turn(stage);
    line_was_told(&line, "recognition-failed: no\nhearken-listening\n");
    EXPECT_EQUAL(line.conversation.state, CONVERSATION_SUBSCRIBED);
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 1);
    conversation_finish(&line.conversation);
    stage_turn(stage);
    stage_destroy(stage);
}

static void test_stop_and_listen_again(void)
{
    struct stage *stage = stage_create();
    struct line line;
    line_init(&line, stage);
    say(&line, "hearken-listen", HOLD);
    EXPECT_EQUAL(say(&line, "hearken-listen-stop", "{}"), CONVERSATION_CONTINUE);
    EXPECT_EQUAL(say(&line, "hearken-listen", HOLD), CONVERSATION_WAIT);
    stage_turn(stage);
    line_was_told(&line, "hearken-listening\nhearken-listen-stopped\nhearken-listening\n");
    EXPECT_EQUAL(say(&line, "audio-stop", "{}"), CONVERSATION_CLOSE);
    line_was_told(&line, "wrong-state: audio-stop: unexpected: listening to the microphone\n");
    EXPECT_EQUAL(microphone_hub_subscribers(stage->service.hub), 0);
    conversation_finish(&line.conversation);
    stage_turn(stage);
    line_was_told(&line, "");
    stage_destroy(stage);
}

static void test_no_memory(void)
{
    struct stage *stage = stage_create();
    struct line line;
    line_init(&line, stage);
    fake_requests()->no_memory = true;
    EXPECT_EQUAL(say(&line, "hearken-listen", "{}"), CONVERSATION_CONTINUE);
    line_was_told(&line, "out-of-memory: out of memory for a request\n");
    EXPECT_EQUAL(line.conversation.state, CONVERSATION_IDLE);
    conversation_finish(&line.conversation);
    stage_turn(stage);
    stage_destroy(stage);
}

static void test_not_allowed(void)
{
    struct stage *stage = stage_create();
    struct line line;
    line_init(&line, stage);
    stage->service.settings.capture_clients = CAPTURE_LOCAL;
    line.conversation.local = false;
    for (unsigned i = 0; i < 2; i++) {
        say(&line, i == 0 ? "hearken-listen" : "hearken-toggle", "{}");
        line_was_told(&line, "not-allowed: only clients on the Unix socket may use the microphone "
                             "(capture.clients is local)\n");
    }
    EXPECT_EQUAL(line.conversation.state, CONVERSATION_IDLE);
    conversation_finish(&line.conversation);
    stage_destroy(stage);
}

void add_conversation_tests(void)
{
    CU_pSuite suite = CU_add_suite("conversation", NULL, NULL);
    CU_ADD_TEST(suite, test_model_is_gone);
    CU_ADD_TEST(suite, test_next_event_before_it_is_told);
    CU_ADD_TEST(suite, test_stop_and_listen_again);
    CU_ADD_TEST(suite, test_no_memory);
    CU_ADD_TEST(suite, test_not_allowed);
}
