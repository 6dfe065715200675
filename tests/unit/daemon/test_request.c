// SPDX-License-Identifier: MIT
/* The daemon's requests with a recogniser, workers and models that the tests move by hand. */
#define hearken_stream_create     fake_stream_create
#define hearken_stream_write      fake_stream_write
#define hearken_stream_set_urgent fake_stream_set_urgent
#define hearken_stream_finish     fake_stream_finish
#define hearken_stream_cancel     fake_stream_cancel
#define hearken_stream_destroy    fake_stream_destroy
#define workers_submit            fake_workers_submit
#define workers_set_urgent        fake_workers_set_urgent
#define workers_withdraw          fake_workers_withdraw
#define workers_deliver           fake_workers_deliver
#define served_model_wait         fake_model_wait
#define served_model_stop_waiting fake_model_stop_waiting
#define served_model_release      fake_model_release
#define served_model_mark_lost    fake_model_mark_lost
#define request_create            tested_create
#define request_write             tested_write
#define request_is_full           tested_is_full
#define request_end               tested_end
#define request_abandon           tested_abandon

#include "daemon/recognition/request.c"
#include "tests/unit/common/call_log.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <stdio.h>

void add_request_tests(void);

#define RATE 1000u /* frames a second, and bytes */

/* ---- The recogniser: a stream is named by the language that is asked for ---- */

struct hearken_stream {
    char name;
    hearken_event_callback *callback;
    void *context;
    unsigned first; /* the first sample that it heard */
    bool cancelled;
};

static int create_status, write_status, finish_status;
static struct request *abandoned_in_write; /* by the loop, while the worker is in there */
static unsigned open_streams;
static bool stream_is_urgent; /* as was said last, of any stream */

int fake_stream_create(struct hearken_model *model, const struct hearken_stream_options *options,
                       hearken_event_callback *callback, void *context,
                       struct hearken_stream **stream, struct hearken_error *error)
{
    (void)model;
    if (create_status < 0)
        return hearken_fail(error, create_status, "cannot create");
    *stream = calloc(1, sizeof **stream);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*stream);
    **stream = (struct hearken_stream){options->language[0], callback, context, 0, false};
    open_streams++;
    return 0;
}

static void tell(const struct hearken_stream *stream, enum hearken_event_type type,
                 const char *text)
{
    const struct hearken_event event = {.type = type, .text = text, .language = ""};
    stream->callback(stream->context, &event);
}

int fake_stream_write(struct hearken_stream *stream, const void *samples, size_t frames,
                      struct hearken_error *error)
{
    const uint8_t *bytes = samples;
    if (abandoned_in_write)
        request_abandon(abandoned_in_write);
    abandoned_in_write = NULL;
    if (write_status < 0)
        return hearken_fail(error, write_status, "cannot write");
    if (stream->cancelled)
        return -ECANCELED;
    note("%c%zu:%u ", stream->name, frames, bytes[0]);
    tell(stream, HEARKEN_EVENT_PARTIAL, "part");
    return 0;
}

void fake_stream_set_urgent(struct hearken_stream *stream, bool is_urgent)
{
    (void)stream;
    stream_is_urgent = is_urgent;
}

int fake_stream_finish(struct hearken_stream *stream, struct hearken_error *error)
{
    char text[2] = {stream->name, '\0'};
    if (finish_status < 0)
        return hearken_fail(error, finish_status, "cannot finish");
    tell(stream, HEARKEN_EVENT_FINAL, text);
    tell(stream, HEARKEN_EVENT_END, "");
    return 0;
}

void fake_stream_cancel(struct hearken_stream *stream)
{
    stream->cancelled = true;
}

void fake_stream_destroy(struct hearken_stream *stream)
{
    open_streams -= stream != NULL;
    free(stream);
}

/* ---- Workers: one, which takes a turn when told to ---- */

static struct work *waiting[8], *delivered[8];
static size_t waiting_count, delivered_count;

static void remove_first(struct work **works, size_t *count)
{
    memmove(works, works + 1, --*count * sizeof(*works));
}

void fake_workers_submit(struct workers *workers, struct work *work)
{
    (void)workers;
    if (work->state == WORK_RUNNING)
        work->state = WORK_RUNNING_AGAIN;
    if (work->state != WORK_IDLE)
        return;
    work->state = WORK_WAITING;
    waiting[waiting_count++] = work;
}

void fake_workers_set_urgent(struct workers *workers, struct work *work, bool is_urgent)
{
    (void)workers;
    work->is_urgent = is_urgent;
}

bool fake_workers_withdraw(struct workers *workers, struct work *work)
{
    (void)workers;
    if (work->begun)
        return false;
    for (size_t i = 0; i < waiting_count; i++)
        if (waiting[i] == work) {
            memmove(&waiting[i], &waiting[i + 1], (--waiting_count - i) * sizeof(*waiting));
            break;
        }
    work->state = WORK_ENDED;
    return true;
}

void fake_workers_deliver(struct workers *workers, struct work *work)
{
    (void)workers;
    if (!work->delivering)
        delivered[delivered_count++] = work;
    work->delivering = true;
}

/* One turn of the first that waits. False: none does. */
static bool turn(void)
{
    if (waiting_count == 0)
        return false;
    struct work *work = waiting[0];
    remove_first(waiting, &waiting_count);
    work->state = WORK_RUNNING;
    work->begun = true;
    enum work_outcome outcome = work->run(work);
    bool again = outcome == WORK_AGAIN || work->state == WORK_RUNNING_AGAIN;
    work->state = outcome == WORK_END ? WORK_ENDED : WORK_IDLE;
    if (outcome == WORK_END)
        fake_workers_deliver(NULL, work);
    else if (again)
        fake_workers_submit(NULL, work);
    return true;
}

/* What the loop does. */
static void loop(void)
{
    while (delivered_count > 0) {
        struct work *work = delivered[0];
        remove_first(delivered, &delivered_count);
        work->delivering = false;
        bool ended = work->state == WORK_ENDED;
        work->deliver(work);
        if (ended)
            work->ended(work);
    }
}

static void run_all(void)
{
    while (turn())
        loop();
    loop();
}

/* ---- Models ---- */

static struct model_waiter *model_waiter;
static unsigned releases, losses;

void fake_model_wait(struct served_model *model, struct model_waiter *waiter)
{
    (void)model;
    model_waiter = waiter;
}

void fake_model_stop_waiting(struct served_model *model, const struct model_waiter *waiter)
{
    (void)model;
    EXPECT_EQUAL(waiter, model_waiter);
    model_waiter = NULL;
}

void fake_model_release(struct served_model *model)
{
    (void)model;
    releases++;
}

void fake_model_mark_lost(struct served_model *model)
{
    (void)model;
    losses++;
}

/* ---- Who listens: its context is its name ---- */

static void on_segment(void *context, const struct segment_message *segment)
{
    note("%s<%s ", (char *)context, json_string_value(json_object_get(segment->data, "text")));
}

static void on_room(void *context)
{
    note("%s:room ", (char *)context);
}

static void on_heard(void *context, double seconds)
{
    note("%s:heard(%g) ", (char *)context, seconds);
}

static void on_finished(void *context, const struct request_summary *summary)
{
    note("%s:done(%g) ", (char *)context, summary->audio_seconds);
}

static void on_failed(void *context, int code, const char *problem)
{
    CU_ASSERT(code < 0);
    note("%s:failed(%s) ", (char *)context, problem);
}

static const struct request_listener test_listener = {
    .segment = on_segment,
    .heard = on_heard,
    .room = on_room,
    .finished = on_finished,
    .failed = on_failed,
};
static struct request_totals totals;
static struct served_model model;

static void begin(void)
{
    create_status = write_status = finish_status = 0;
    releases = losses = 0;
    request_totals_finish(&totals);
    model = (struct served_model){.state = SERVED_READY};
    *call_log = '\0';
}

/* No request is left, and none has kept anything. */
static void expect_totals(uint64_t finished, uint64_t failed, uint64_t abandoned)
{
    EXPECT_EQUAL(totals.finished, finished);
    EXPECT_EQUAL(totals.failed, failed);
    EXPECT_EQUAL(totals.abandoned, abandoned);
    EXPECT_EQUAL(totals.running, 0);
    EXPECT_EQUAL(releases, finished + failed + abandoned);
    EXPECT_EQUAL(open_streams, 0);
    EXPECT_EQUAL(waiting_count + delivered_count, 0);
    CU_ASSERT_PTR_NULL(model_waiter);
}

static struct request *ask_for(const char *name, struct request_options options)
{
    options.stream.audio = (struct hearken_audio_format){RATE, 1, HEARKEN_SAMPLE_U8};
    options.stream.language[0] = *name;
    struct request *request = request_create(NULL, &model, &options, 2 * RATE, &test_listener,
                                             (void *)(uintptr_t)name, &totals);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    return request;
}

static struct request *ask(const char *name, bool segments)
{
    return ask_for(name, (struct request_options){.segments = segments});
}

/* So many milliseconds of the sample. */
static void say(struct request *request, size_t milliseconds, uint8_t sample)
{
    uint8_t *bytes = malloc(milliseconds);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    memset(bytes, sample, milliseconds);
    EXPECT_EQUAL(request_write(request, bytes, milliseconds), 0);
    free(bytes);
}

/* ---- Tests ---- */

/* A second each, one after the other; the shorter one is done first, though it came last. */
static void test_turns(void)
{
    begin();
    struct request *a = ask("a", false), *b = ask("b", false);
    say(a, 2500, 1);
    say(b, 700, 2);
    say(b, 700, 3);
    request_end(a);
    request_end(b);
    run_all();
    expect_calls("a1000:1 b700:2 b300:3 a1000:1 b400:3 b<b b:done(1.4) a500:1 a<a a:done(2.5) ");
    expect_totals(2, 0, 0);
    EXPECT_CLOSE(totals.audio_seconds, 3.9, 1e-9);
}

/* Sound that comes later is heard later, and the request rests meanwhile. */
static void test_sound_in_pieces(void)
{
    begin();
    struct request *a = ask("a", true);
    CU_ASSERT_FALSE(turn());
    say(a, 100, 1);
    run_all();
    expect_calls("a100:1 a<part ");
    CU_ASSERT_FALSE(turn());
    say(a, 100, 2);
    request_end(a);
    run_all();
    expect_calls("a100:2 a<part a<a a:done(0.2) ");
    expect_totals(1, 0, 0);
}

static void test_no_sound(void)
{
    begin();
    request_end(ask("a", false));
    run_all();
    expect_calls("a<a a:done(0) ");
    expect_totals(1, 0, 0);
}

/* Full at the limit; told once, when less than half of it waits. */
/* Behind the texts of the sound; where there are none, one mark stands for all. */
static void test_marks(void)
{
    begin();
    struct request *a =
        ask_for("a", (struct request_options){.heard = true, .segments = true, .origin = 10});
    say(a, 100, 1);
    say(a, 200, 2);
    turn();
    expect_calls("a100:1 a200:2 ");
    loop();
    expect_calls("a<part a:heard(10.1) a<part a:heard(10.3) ");
    request_end(a);
    run_all();
    expect_calls("a<a a:done(0.3) ");
    struct request *b = ask_for("b", (struct request_options){.heard = true});
    say(b, 1500, 1);
    say(b, 700, 2);
    while (turn())
        continue;
    loop();
    expect_calls("b1000:1 b500:1 b500:2 b200:2 b:heard(2.2) ");
    request_end(b);
    run_all();
    expect_calls("b<b b:done(2.2) ");
    expect_totals(2, 0, 0);
}

static void test_room(void)
{
    begin();
    struct request *a = ask("a", false);
    say(a, 1999, 1);
    CU_ASSERT_FALSE(request_is_full(a));
    say(a, 1501, 2);
    CU_ASSERT_TRUE(request_is_full(a));
    turn();
    turn();
    loop();
    expect_calls("a1000:1 a999:1 a1:2 ");
    turn();
    loop();
    expect_calls("a1000:2 a:room ");
    CU_ASSERT_FALSE(request_is_full(a));
    request_end(a);
    run_all();
    expect_calls("a500:2 a<a a:done(3.5) ");
    expect_totals(1, 0, 0);
}

static void wait_seconds(struct request *request, unsigned seconds)
{
    request->pace.last -= seconds * UINT64_C(1000000000);
    request->pace.calm -= seconds * UINT64_C(1000000000);
}

/* What comes no faster than somebody speaks is urgent, whatever its protocol; and the microphone.
 */
static void test_pace(void)
{
    begin();
    struct request *plain = ask("a", false),
                   *live = ask_for("l", (struct request_options){.is_live = true}),
                   *microphone = ask_for(
                       "m", (struct request_options){.is_live = true, .from_microphone = true});
    struct request *const both[] = {plain, live};
    for (size_t i = 0; i < 2; i++) {
        struct request *a = both[i];
        say(a, 900, 1);
        CU_ASSERT_TRUE(a->work.is_urgent);
        wait_seconds(a, 2);
        say(a, 1900, 1);
        CU_ASSERT_TRUE(a->work.is_urgent);
        say(a, 1900, 1);
        CU_ASSERT_FALSE(a->work.is_urgent);
        wait_seconds(a, 3);
        say(a, 900, 1);
        CU_ASSERT_FALSE(a->work.is_urgent);
        wait_seconds(a, 3);
        say(a, 900, 1);
        CU_ASSERT_TRUE(a->work.is_urgent);
        request_abandon(a);
    }
    say(microphone, 5000, 1);
    CU_ASSERT_TRUE(microphone->work.is_urgent);
    request_abandon(microphone);
    expect_totals(0, 0, 3);
}

/* A client that can send no faster than its sound is recognised is not taken for a speaker. */
static void test_pace_of_a_full_queue(void)
{
    begin();
    struct request *a = ask("a", false);
    for (int i = 0; i < 3; i++) {
        say(a, 2500, 1);
        CU_ASSERT_TRUE(request_is_full(a));
        CU_ASSERT_FALSE(a->work.is_urgent);
        wait_seconds(a, 4);
        run_all();
        wait_seconds(a, 4);
    }
    say(a, 100, 1);
    CU_ASSERT_FALSE(a->work.is_urgent);
    request_abandon(a);
    run_all();
    loop();
    expect_totals(0, 0, 1);
}

/* The recogniser knows what the workers know, at the next turn. */
static void test_urgent_stream(void)
{
    begin();
    struct request *a = ask("a", false);
    say(a, 900, 1);
    stream_is_urgent = false;
    CU_ASSERT_TRUE(turn());
    CU_ASSERT_TRUE(stream_is_urgent);
    say(a, 900, 1);
    CU_ASSERT_TRUE(turn());
    CU_ASSERT_FALSE(stream_is_urgent);
    request_end(a);
    run_all();
    expect_totals(1, 0, 0);
}

/* Before a worker had it: gone at once, and the next one is first. */
static void test_abandoned_in_the_queue(void)
{
    begin();
    struct request *a = ask("a", false), *b = ask("b", false), *c = ask("c", false);
    say(a, 100, 1);
    say(b, 100, 2);
    request_end(b);
    request_abandon(a);
    request_abandon(c); /* nothing to hear yet */
    EXPECT_EQUAL(totals.abandoned, 2);
    EXPECT_EQUAL(totals.running, 1);
    EXPECT_EQUAL(releases, 2);
    run_all();
    expect_calls("b100:2 b<b b:done(0.1) ");
    expect_totals(1, 0, 2);
    request_abandon(NULL);
}

/* While a worker has it, and between two turns. Its listener hears no more. */
static void test_abandoned_at_work(void)
{
    begin();
    struct request *a = ask("a", true), *b = ask("b", true);
    say(a, 1500, 1);
    abandoned_in_write = a;
    turn();
    EXPECT_EQUAL(totals.running, 2);
    loop();
    expect_calls("");
    EXPECT_EQUAL(totals.running, 1);
    say(b, 1500, 2);
    turn();
    request_abandon(b);
    run_all();
    expect_calls("b1000:2 ");
    expect_totals(0, 0, 2);
}

/* The reason reaches the listener; only a device that has failed costs the model. */
static void test_errors(void)
{
    static const struct {
        int *status;
        int value;
        const char *expected;
        unsigned losses;
    } cases[] = {
        {&create_status, -EINVAL, "a:failed(cannot create) ", 0},
        {&create_status, -EIO, "a:failed(cannot create) ", 1},
        {&write_status, -ENOMEM, "a:failed(cannot write) ", 0},
        {&write_status, -EIO, "a:failed(cannot write) ", 1},
        {&finish_status, -EIO, "a100:1 a:failed(cannot finish) ", 1},
        {&finish_status, -EINVAL, "a100:1 a:failed(cannot finish) ", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        *cases[i].status = cases[i].value;
        struct request *a = ask("a", false);
        say(a, 100, 1);
        request_end(a);
        run_all();
        expect_calls(cases[i].expected);
        EXPECT_EQUAL(losses, cases[i].losses);
        expect_totals(0, 1, 0);
    }
}

/* A device that failed under a request that nobody wants any more has failed all the same. */
static void test_loss_of_an_abandoned(void)
{
    begin();
    struct request *a = ask("a", false);
    say(a, 1500, 1);
    abandoned_in_write = a;
    write_status = -EIO;
    run_all();
    EXPECT_EQUAL(losses, 1);
    expect_calls("");
    expect_totals(0, 0, 1);
}

static void settle(enum served_state state)
{
    struct model_waiter *waiter = model_waiter;
    CU_ASSERT_PTR_NOT_NULL_FATAL(waiter);
    model_waiter = NULL;
    model.state = state;
    waiter->settled(waiter->context);
}

/* Sound is kept until the model is there. */
static void test_model_that_is_loaded(void)
{
    begin();
    model.state = SERVED_LOADING;
    struct request *a = ask("a", false);
    say(a, 100, 1);
    say(a, 100, 2);
    request_end(a);
    CU_ASSERT_FALSE(turn());
    settle(SERVED_READY);
    run_all();
    expect_calls("a100:1 a100:2 a<a a:done(0.2) ");
    expect_totals(1, 0, 0);
}

static void test_model_that_cannot_be_loaded(void)
{
    begin();
    model.state = SERVED_LOADING;
    struct request *a = ask("a", false);
    say(a, 100, 1);
    hearken_fail(&model.problem, -ENOENT, "no such file");
    settle(SERVED_FAILED);
    expect_calls("a:failed(no such file) ");
    EXPECT_EQUAL(losses, 0);
    expect_totals(0, 1, 0);
}

static void test_abandoned_before_the_model(void)
{
    begin();
    model.state = SERVED_LOADING;
    struct request *a = ask("a", false);
    say(a, 100, 1);
    request_abandon(a);
    expect_calls("");
    expect_totals(0, 0, 1);
}

static int finish_totals(void)
{
    request_totals_finish(&totals);
    return 0;
}

void add_request_tests(void)
{
    CU_pSuite suite = CU_add_suite("request", NULL, finish_totals);
    CU_add_test(suite, "turns", test_turns);
    CU_add_test(suite, "sound in pieces", test_sound_in_pieces);
    CU_add_test(suite, "no sound", test_no_sound);
    CU_add_test(suite, "marks", test_marks);
    CU_add_test(suite, "room", test_room);
    CU_add_test(suite, "pace", test_pace);
    CU_add_test(suite, "pace of a full queue", test_pace_of_a_full_queue);
    CU_add_test(suite, "urgency of the stream", test_urgent_stream);
    CU_add_test(suite, "abandoned in the queue", test_abandoned_in_the_queue);
    CU_add_test(suite, "abandoned at work", test_abandoned_at_work);
    CU_add_test(suite, "errors", test_errors);
    CU_add_test(suite, "loss of an abandoned one", test_loss_of_an_abandoned);
    CU_add_test(suite, "model that is loaded", test_model_that_is_loaded);
    CU_add_test(suite, "model that cannot be loaded", test_model_that_cannot_be_loaded);
    CU_add_test(suite, "abandoned before the model", test_abandoned_before_the_model);
}
