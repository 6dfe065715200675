// SPDX-License-Identifier: MIT
#include "tests/microphone/stage.h"

#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The service ---- */

static void make_model(struct stage *stage, unsigned index, const char *name)
{
    struct model_entry *entry = &stage->service.models.list.entries[index];
    stage->models[index] = (struct served_model){.state = SERVED_READY, .references = 1};
    *entry = (struct model_entry){.name = strdup(name), .model = &stage->models[index]};
}

struct stage *stage_create(void)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct service *service = &stage->service;
    fakes_reset();
    uv_loop_init(&stage->loop);
    log_init(&stage->log, HEARKEN_LOG_ERROR);
    service->log = &stage->log;
    EXPECT_EQUAL_FATAL(settings_init(&service->settings), 0);
    catalogue_init(&service->models, &stage->loop, &service->settings, &stage->log);
    service->models.list.entries = calloc(MODELS, sizeof(struct model_entry));
    service->models.list.count = MODELS;
    make_model(stage, 0, "");
    make_model(stage, 1, "second");
    service->hub = microphone_hub_create(service, &stage->loop);
    return stage;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    uv_close(handle, NULL);
}

void stage_destroy(struct stage *stage)
{
    uv_walk(&stage->loop, close_handle, NULL);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    EXPECT_EQUAL(uv_loop_close(&stage->loop), 0);
    microphone_hub_destroy(stage->service.hub);
    for (unsigned i = 0; i < MODELS; i++) {
        struct model_list *list = &stage->service.models.list;
        EXPECT_EQUAL(stage->models[i].references, 1); /* the catalogue's own */
        if (i < list->count)
            list->entries[i].model = NULL;
    }
    for (unsigned i = 0; i < FAKE_REQUESTS; i++)
        CU_ASSERT_PTR_NULL(fake_requests()->all[i]);
    catalogue_finish(&stage->service.models);
    settings_finish(&stage->service.settings);
    free(stage);
}

/* Running requests keep their model. */
void stage_replace_model(struct stage *stage, unsigned index)
{
    stage->service.models.list.entries[index].model = &stage->models[MODELS - 1 - index];
    microphone_hub_reload(stage->service.hub);
}

void stage_remove_second_model(struct stage *stage)
{
    struct model_list *list = &stage->service.models.list;
    free(list->entries[1].name);
    list->count = 1;
    microphone_hub_reload(stage->service.hub);
}

/* The hub's idle handle keeps the loop from blocking. */
void stage_turn(struct stage *stage)
{
    for (int i = 0; i < 4; i++)
        uv_run(&stage->loop, UV_RUN_NOWAIT);
}

static void find_timer(uv_handle_t *handle, void *context)
{
    if (handle->type == UV_TIMER && uv_is_active(handle))
        *(uv_timer_t **)context = (uv_timer_t *)handle;
}

static uv_timer_t *active_timer(struct stage *stage)
{
    uv_timer_t *timer = NULL;
    uv_walk(&stage->loop, find_timer, (void *)&timer);
    return timer;
}

uint64_t stage_retry(struct stage *stage)
{
    const uv_timer_t *timer = active_timer(stage);
    uv_update_time(&stage->loop);
    return timer ? uv_timer_get_due_in(timer) : 0;
}

void stage_retry_now(struct stage *stage)
{
    uv_timer_t *timer = active_timer(stage);
    CU_ASSERT_PTR_NOT_NULL_FATAL(timer);
    uv_timer_set_repeat(timer, 1);
    uv_timer_again(timer);
    uv_run(&stage->loop, UV_RUN_ONCE);
    stage_turn(stage);
}

/* ---- Clients ---- */

static void note(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct client *client, const char *format, ...)
{
    size_t length = strlen(client->journal);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->journal + length, sizeof(client->journal) - length, format, arguments);
    va_end(arguments);
}

static const char *text_of(const json_t *data, const char *key)
{
    const char *text = json_string_value(json_object_get(data, key));
    return text ? text : "";
}

static void on_send(void *context, const char *type, json_t *data, const void *payload,
                    size_t payload_length)
{
    struct client *client = context;
    (void)payload;
    (void)payload_length;
    CU_ASSERT_PTR_NOT_NULL(data);
    if (strcmp(type, "hearken-hearing") == 0 || strcmp(type, "hearken-listening") == 0)
        note(client, "%s %s\n", type + strlen("hearken-"),
             json_is_true(json_object_get(data, "hearing")) ? "heard" : "held");
    else if (strcmp(type, "hearken-capture") == 0)
        note(client, "%s %s %s\n", text_of(data, "type"), text_of(data, "device"),
             text_of(data, "reason"));
    else if (strcmp(type, "hearken-segment") == 0)
        note(client, "%s %s\n", text_of(data, "type"), text_of(data, "text"));
    else
        note(client, "%s\n", type);
    json_decref(data);
}

static void on_subscription_ended(void *context, const char *code, const char *problem)
{
    struct client *client = context;
    client->ended_calls++;
    if (problem)
        note(client, "over %s: %s\n", code, problem);
    else
        note(client, "over\n");
    if (client->at_end)
        client->at_end(client);
}

static const struct subscriber_peer peer = {
    .send = on_send,
    .ended = on_subscription_ended,
};

void client_init(struct client *client, struct stage *stage)
{
    *client = (struct client){
        .subscriber = {.peer = &peer, .context = client, .transcribe = &client->transcribe},
        .hub = stage->service.hub,
    };
    hearken_stream_options_init(&client->transcribe.options.stream);
    client->transcribe.options.segments = true;
    client->transcribe.options.words = true;
}

void client_join(struct client *client, struct stage *stage, bool hold)
{
    const char *first = hold ? "listening held\n" : "listening heard\n";
    struct hearken_error error;
    if (!client->hub)
        client_init(client, stage);
    client->transcribe.hold = hold;
    EXPECT_EQUAL_STRING(client->journal, "");
    EXPECT_EQUAL(microphone_hub_join(stage->service.hub, &client->subscriber, &error), 0);
    EXPECT_EQUAL_FATAL(strncmp(client->journal, first, strlen(first)), 0);
    memmove(client->journal, client->journal + strlen(first),
            strlen(client->journal + strlen(first)) + 1);
    stage_turn(stage);
}

void client_was_told(struct client *client, const char *lines)
{
    if (strcmp(client->journal, lines) != 0)
        fprintf(stderr, "\ntold:\n%sexpected:\n%s", client->journal, lines);
    EXPECT_EQUAL_STRING(client->journal, lines);
    client->journal[0] = '\0';
}
