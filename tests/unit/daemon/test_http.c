// SPDX-License-Identifier: MIT
/* The parts of HTTP that need no client: keys, paths, uploads, totals. */
#include "daemon/api/http_routes.h"
#include "daemon/api/language_names.h"
#include "daemon/api/upload.h"
#include "daemon/http/access_tokens.h"
#include "daemon/recognition/request_totals.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_http_tests(void);

/* ---- Keys ---- */

static char tokens_path[] = "/tmp/hearken-tokens-XXXXXX";

static int read_tokens(const char *text, struct access_tokens *tokens, struct hearken_error *error)
{
    FILE *file = fopen(tokens_path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
    return access_tokens_read(tokens, tokens_path, error);
}

static int make_tokens_file(void)
{
    int descriptor = mkstemp(tokens_path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_tokens_file(void)
{
    return unlink(tokens_path);
}

static void test_keys(void)
{
    struct access_tokens tokens;
    struct hearken_error error;
    EXPECT_EQUAL(access_tokens_read(&tokens, "", &error), 0);
    CU_ASSERT(access_tokens_match(&tokens, NULL) && access_tokens_match(&tokens, "any"));
    /* SHA-256 of "abc", FIPS 180-2. */
    EXPECT_EQUAL(read_tokens("# comment\n\n  plain \r\nsha256:"
                             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
                             &tokens, &error),
                 0);
    EXPECT_EQUAL(tokens.count, 2);
    CU_ASSERT(access_tokens_match(&tokens, "plain") && access_tokens_match(&tokens, "abc"));
    CU_ASSERT(!access_tokens_match(&tokens, NULL) && !access_tokens_match(&tokens, ""));
    CU_ASSERT(!access_tokens_match(&tokens, "plai") && !access_tokens_match(&tokens, "# comment"));
    access_tokens_finish(&tokens);
}

static void test_files_without_keys(void)
{
    struct access_tokens tokens;
    struct hearken_error error;
    EXPECT_EQUAL(read_tokens("# nothing\n", &tokens, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "holds no key");
    EXPECT_EQUAL(read_tokens("a\nsha256:1234\n", &tokens, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, ":2: expected a key");
    EXPECT_EQUAL(access_tokens_read(&tokens, "/nonexistent/tokens", &error), -ENOENT);
    EXPECT_CONTAINS(error.message, "/nonexistent/tokens");
    CU_ASSERT(!tokens.required && !tokens.hashes);
}

/* ---- Paths and names ---- */

static void test_paths(void)
{
    static const struct {
        const char *url, *path;
    } cases[] = {
        {"/v1/audio/transcriptions", "audio/transcriptions"},
        {"/audio/transcriptions/", "audio/transcriptions"},
        {"/openai/v1/audio/translations", "audio/translations"},
        {"/api/v1/models", "models"},
        {"//v1//models", "models"},
        {"/v1/models/a/b", "models/a/b"},
        {"/v1/audio/transcriptions/audio/transcriptions", "audio/transcriptions"},
        {"/v1/audio/models", "audio/models"},
        {"/v1", ""},
        {"/", ""},
        {"/v1x/models", "v1x/models"},
        {"/inference", "inference"},
    };
    char path[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        http_routes.normalise(cases[i].url, path, sizeof(path));
        EXPECT_EQUAL_STRING(path, cases[i].path);
    }
    char small[8];
    http_routes.normalise("/v1/audio/transcriptions", small, sizeof(small));
    EXPECT_EQUAL_STRING(small, "audio/t");
}

static void test_language_names(void)
{
    EXPECT_EQUAL_STRING(language_name("en"), "english");
    EXPECT_EQUAL_STRING(language_name("xx"), "xx");
    EXPECT_EQUAL_STRING(language_code("English"), "en");
    EXPECT_EQUAL_STRING(language_code("de-AT"), "de-AT");
}

/* ---- Totals ---- */

static void test_totals(void)
{
    struct request_totals totals = {.running = 3};
    struct request_record record = {
        .model = "",
        .protocol = REQUEST_HTTP,
        .result = REQUEST_FINISHED,
        .audio_seconds = 30,
        .busy_seconds = 0.5,
        .duration = 0.025,
        .queue = 0.0251,
        .first_text = -1,
        .final_latency = 100,
    };
    request_totals_add(&totals, &record);
    record.model = "other";
    record.result = REQUEST_ABANDONED;
    request_totals_add(&totals, &record);
    EXPECT_EQUAL(totals.running, 1);
    EXPECT_EQUAL(totals.finished, 1);
    EXPECT_EQUAL(totals.abandoned, 1);
    EXPECT_EQUAL(totals.model_count, 2);
    EXPECT_EQUAL(totals.models[0].requests[REQUEST_HTTP][REQUEST_FINISHED], 1);
    EXPECT_EQUAL(totals.models[1].requests[REQUEST_HTTP][REQUEST_ABANDONED], 1);
    EXPECT_EQUAL(totals.audio_seconds, 60);
    EXPECT_EQUAL(totals.duration.counts[1], 1); /* a bound belongs to its bucket */
    EXPECT_EQUAL(totals.queue.counts[2], 2);
    EXPECT_EQUAL(totals.first_text.sum, 0);
    EXPECT_EQUAL(totals.final_latency.counts[HISTOGRAM_BUCKETS], 1);
    EXPECT_EQUAL(totals.audio.counts[5], 1);
    request_totals_finish(&totals);
}

/* ---- Uploads ---- */

#define UPLOAD_SECONDS 3

struct receiver {
    struct upload *upload;
    float samples[4 * UPLOAD_SECONDS * HEARKEN_RATE];
    size_t count, blocks;
    bool holds; /* it takes no more samples */
    bool ended;
    int result;
    char problem[256];
};

static void on_samples(void *context, const float *samples, size_t frames, uint32_t channels)
{
    size_t count = frames * channels;
    struct receiver *receiver = context;
    CU_ASSERT_FATAL(receiver->count + count <= sizeof(receiver->samples) / sizeof(float));
    memcpy(receiver->samples + receiver->count, samples, count * sizeof(*samples));
    receiver->count += count;
    receiver->blocks++;
    if (!receiver->holds)
        upload_continue(receiver->upload);
}

static void on_ended(void *context, int result, const char *problem)
{
    struct receiver *receiver = context;
    CU_ASSERT(!receiver->ended);
    receiver->ended = true;
    receiver->result = result;
    snprintf(receiver->problem, sizeof(receiver->problem), "%s", problem);
}

static const struct upload_options upload_options = {.limit = 1 << 20};
static const struct upload_options small_options = {.limit = 100, .mode = HEARKEN_CHANNELS_EACH};

static const struct upload_listener test_listener = {on_samples, on_ended};

/* A second for each of a tone, 16 bits at 16 kHz; returns its bytes. */
static uint8_t *make_wav(size_t *size)
{
    static const uint8_t head[44] =
        "RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d"
        "\0\0\2\0\x10\0data\xff\xff\xff\xff";
    *size = sizeof(head) + UPLOAD_SECONDS * HEARKEN_RATE * 2;
    uint8_t *bytes = malloc(*size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    memcpy(bytes, head, sizeof(head));
    for (size_t i = 0; i < UPLOAD_SECONDS * HEARKEN_RATE; i++) {
        int16_t sample = (int16_t)(8000 * sin(0.1 * (double)i));
        memcpy(bytes + sizeof(head) + 2 * i, &sample, 2);
    }
    return bytes;
}

static void run_until(uv_loop_t *loop, const bool *flag)
{
    while (!*flag)
        uv_run(loop, UV_RUN_ONCE);
}

static void close_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    EXPECT_EQUAL(uv_loop_close(loop), 0);
}

static void test_upload(void)
{
    static struct receiver receiver;
    struct hearken_error error;
    uv_loop_t loop;
    size_t size, sent = 0;
    uint8_t *wav = make_wav(&size);
    memset(&receiver, 0, sizeof(receiver));
    uv_loop_init(&loop);
    EXPECT_EQUAL_FATAL(
        upload_create(&loop, &upload_options, &test_listener, &receiver, &receiver.upload, &error),
        0);
    /* Samples come before the file is complete. */
    for (; receiver.blocks == 0; uv_run(&loop, UV_RUN_NOWAIT))
        if (sent < size - 1000) {
            EXPECT_EQUAL(upload_write(receiver.upload, (const char *)wav + sent, 500), 0);
            sent += 500;
        }
    EXPECT_EQUAL(upload_write(receiver.upload, (const char *)wav + sent, size - sent), 0);
    upload_end(receiver.upload);
    run_until(&loop, &receiver.ended);
    EXPECT_EQUAL(receiver.result, 0);
    EXPECT_EQUAL(receiver.count, UPLOAD_SECONDS * HEARKEN_RATE);
    CU_ASSERT_PTR_NULL(upload_warning(receiver.upload, 0));
    /* Once more, from the start. */
    receiver.ended = false;
    upload_restart(receiver.upload, HEARKEN_CHANNELS_AUTO);
    run_until(&loop, &receiver.ended);
    EXPECT_EQUAL(receiver.count, 2 * UPLOAD_SECONDS * HEARKEN_RATE);
    EXPECT_EQUAL(memcmp(receiver.samples, receiver.samples + UPLOAD_SECONDS * HEARKEN_RATE,
                        UPLOAD_SECONDS * HEARKEN_RATE * sizeof(float)),
                 0);
    upload_abandon(receiver.upload);
    close_loop(&loop);
    free(wav);
}

static void test_uploads_that_fail(void)
{
    static struct receiver receiver;
    struct hearken_error error;
    uv_loop_t loop;
    uv_loop_init(&loop);
    memset(&receiver, 0, sizeof(receiver));
    EXPECT_EQUAL_FATAL(
        upload_create(&loop, &small_options, &test_listener, &receiver, &receiver.upload, &error),
        0);
    EXPECT_EQUAL(upload_write(receiver.upload, "this is no sound at all", 23), 0);
    char much[100] = "";
    EXPECT_EQUAL(upload_write(receiver.upload, much, sizeof(much)), -EFBIG);
    upload_end(receiver.upload);
    run_until(&loop, &receiver.ended);
    EXPECT_EQUAL(receiver.result, -EINVAL);
    EXPECT_CONTAINS(receiver.problem, "file: is text");
    upload_abandon(receiver.upload);
    close_loop(&loop);
}

/* Whatever its thread does at that time. */
static void test_abandoned_uploads(void)
{
    static struct receiver receiver;
    struct hearken_error error;
    uv_loop_t loop;
    size_t size;
    uint8_t *wav = make_wav(&size);
    for (unsigned written = 0; written <= 2; written++) {
        uv_loop_init(&loop);
        memset(&receiver, 0, sizeof(receiver));
        receiver.holds = true;
        EXPECT_EQUAL_FATAL(upload_create(&loop, &upload_options, &test_listener, &receiver,
                                         &receiver.upload, &error),
                           0);
        if (written > 0)
            EXPECT_EQUAL(upload_write(receiver.upload, (const char *)wav, size), 0);
        while (written == 2 && receiver.blocks == 0)
            uv_run(&loop, UV_RUN_ONCE);
        upload_abandon(receiver.upload);
        close_loop(&loop);
        CU_ASSERT(!receiver.ended && receiver.blocks <= 1);
    }
    upload_abandon(NULL);
    free(wav);
}

void add_http_tests(void)
{
    CU_pSuite suite = CU_add_suite("http", make_tokens_file, remove_tokens_file);
    CU_add_test(suite, "keys", test_keys);
    CU_add_test(suite, "files without keys", test_files_without_keys);
    CU_add_test(suite, "paths", test_paths);
    CU_add_test(suite, "language names", test_language_names);
    CU_add_test(suite, "totals", test_totals);
    CU_add_test(suite, "an upload", test_upload);
    CU_add_test(suite, "uploads that fail", test_uploads_that_fail);
    CU_add_test(suite, "abandoned uploads", test_abandoned_uploads);
}
