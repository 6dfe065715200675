// SPDX-License-Identifier: MIT
/* Spellers that step together, and encoders that streams share. */
#include "models/network/step_scheduler.h"
#include "models/search/beam_search.h"
#include "models/stream/encoder_pool.h"
#include "models/stream/model.h"
#include "tests/unit/common/event_record.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void add_step_scheduler_tests(void);

#define HOUR   INT64_C(3600000000000)
#define MILLI  INT64_C(1000000)
#define MOST   20u
#define ROUNDS 200

/* ---- The scheduler alone ---- */

/* Stands for a speller: `results` is its memory, where a batch writes what its members asked. */
struct stepper {
    struct step_scheduler *scheduler;
    struct step_member member;
    uint32_t asked, got, rows, rounds;
    const uint32_t *result;
    uint32_t results[STEP_MAX_ROWS];
    atomic_uint *batches, *members;
    uint32_t room; /* most rows of a batch that there is memory for */
    bool is_right;
};

static bool compute_batch(void *const *contexts, uint32_t count)
{
    struct stepper *first = contexts[0];
    uint32_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += ((struct stepper *)contexts[i])->rows;
    if (rows > first->room)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct stepper *stepper = contexts[i];
        first->results[i] = 3 * stepper->asked + 1;
        stepper->result = &first->results[i];
    }
    first->is_right &= rows <= STEP_MAX_ROWS;
    atomic_fetch_add(first->batches, 1);
    atomic_fetch_add(first->members, count);
    return true;
}

static void *run_stepper(void *context)
{
    struct stepper *s = context;
    for (uint32_t i = 0; i < s->rounds; i++) {
        s->asked = i;
        step_scheduler_step(s->scheduler, &s->member, s->rows, compute_batch);
        /* Whoever computed may go on, but not in the memory that is read here. */
        for (int look = 0; look < 3; look++) {
            s->is_right &= *s->result == 3 * i + 1;
            sched_yield();
        }
        if (i % 50 == 49)
            step_scheduler_rest(s->scheduler, &s->member);
    }
    step_scheduler_rest(s->scheduler, &s->member);
    return NULL;
}

/* Members of different rows come and go. → members of a batch on average. */
static double step_in_room(uint32_t count, unsigned threads, int64_t patience, uint32_t room)
{
    static struct stepper steppers[MOST];
    pthread_t running[MOST];
    atomic_uint batches = 0, members = 0;
    struct step_scheduler *scheduler;
    uint32_t steps = 0;
    EXPECT_EQUAL_FATAL(step_scheduler_create(threads, patience, &scheduler), 0);
    for (uint32_t i = 0; i < count; i++) {
        steppers[i] = (struct stepper){.scheduler = scheduler,
                                       .rows = 1 + i % 5,
                                       .rounds = ROUNDS + 10 * i,
                                       .batches = &batches,
                                       .members = &members,
                                       .room = room,
                                       .is_right = true};
        step_member_init(&steppers[i].member, &steppers[i]);
        steps += steppers[i].rounds;
        EXPECT_EQUAL_FATAL(pthread_create(&running[i], NULL, run_stepper, &steppers[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(running[i], NULL);
        CU_ASSERT(steppers[i].is_right);
        step_member_finish(scheduler, &steppers[i].member);
    }
    EXPECT_EQUAL(atomic_load(&members), steps);
    step_scheduler_destroy(scheduler);
    return (double)members / (double)batches;
}

static double step_at_once(uint32_t count, unsigned threads, int64_t patience)
{
    return step_in_room(count, threads, patience, STEP_MAX_ROWS);
}

static void test_steps(void)
{
    for (unsigned threads = 1; threads <= 3; threads++)
        for (uint32_t count = 1; count <= MOST; count += 3)
            step_at_once(count, threads, MILLI);
}

/* Nobody waits for what will not come; so with any patience all comes to an end. */
static void test_patience(void)
{
    for (unsigned threads = 1; threads <= 3; threads++)
        step_at_once(7, threads, HOUR);
}

static void test_together(void)
{
    /* With one thread each batch has all members that have not rested. */
    CU_ASSERT(step_at_once(6, 1, HOUR) > 2);
    /* One each has a thread of its own, if there are enough. */
    CU_ASSERT(step_at_once(2, 2, HOUR) < 1.01);
}

/* Where there is no memory for a batch, each of its members is computed alone. */
static void test_too_large(void)
{
    for (unsigned threads = 1; threads <= 3; threads++)
        for (uint32_t room = 5; room < STEP_MAX_ROWS; room += 7)
            step_in_room(MOST, threads, MILLI, room);
    CU_ASSERT(step_in_room(MOST, 1, HOUR, 5) < 2);
}

/* A member that is expected and stays away delays the others, no more. */
static void test_stalled(void)
{
    struct step_scheduler *scheduler;
    struct stepper steppers[2];
    atomic_uint batches = 0, members = 0;
    EXPECT_EQUAL_FATAL(step_scheduler_create(1, MILLI, &scheduler), 0);
    for (int i = 0; i < 2; i++) {
        steppers[i] = (struct stepper){.scheduler = scheduler,
                                       .rows = 4,
                                       .batches = &batches,
                                       .members = &members,
                                       .room = STEP_MAX_ROWS,
                                       .is_right = true};
        step_member_init(&steppers[i].member, &steppers[i]);
    }
    step_scheduler_step(scheduler, &steppers[0].member, 4, compute_batch);
    for (int i = 0; i < 3; i++)
        step_scheduler_step(scheduler, &steppers[1].member, 4, compute_batch);
    EXPECT_EQUAL(atomic_load(&batches), 4);
    EXPECT_EQUAL(atomic_load(&members), 4);
    for (int i = 0; i < 2; i++) {
        step_scheduler_rest(scheduler, &steppers[i].member);
        step_member_finish(scheduler, &steppers[i].member);
    }
    step_scheduler_destroy(scheduler);
}

/* ---- Spellers ---- */

/* A text of one speller of a network. */
struct spelling {
    const struct network *network;
    struct pass pass;
    struct speller *speller;
    struct storage memory;
    struct beam_options options;
    struct beam_result result;
    atomic_bool cancelled;
};

static void open_spelling(struct spelling *s, const struct network *network, uint32_t width)
{
    uint32_t steps = 5 + (uint32_t)rand() % SPOKEN_STEPS;
    uint32_t columns = network->parameters.listener.memory_width;
    float *memory = malloc((size_t)steps * columns * sizeof(*memory));
    *s = (struct spelling){.network = network, .options = options_of(width)};
    s->options.ctc_weight = 0;
    s->pass.kernels = network->compute->kernels;
    s->pass.cancelled = &s->cancelled;
    EXPECT_EQUAL_FATAL(compute_queue_create(network->compute, &s->pass.queue), 0);
    EXPECT_EQUAL_FATAL(speller_create(network, BEAM_MAX_WIDTH, &s->speller), 0);
    for (size_t i = 0; i < (size_t)steps * columns; i++)
        memory[i] = random_number(2);
    pass_reserve(&s->pass, &s->memory, (size_t)steps * columns);
    pass_write(&s->pass, matrix_of(&s->memory, steps, columns), memory);
    speller_set_memory(s->speller, &s->pass, matrix_of(&s->memory, steps, columns),
                       (struct hearken_stand_ins){0});
    EXPECT_EQUAL_FATAL(s->pass.error, 0);
    free(memory);
}

static void close_spelling(struct spelling *s)
{
    beam_result_finish(&s->result);
    speller_destroy(s->speller, &s->pass);
    pass_release(&s->pass, &s->memory);
    compute_queue_destroy(s->network->compute, s->pass.queue);
}

static void *spell(void *context)
{
    struct spelling *s = context;
    beam_search(&s->options, s->speller, &s->pass, s->network, NULL, &s->result);
    return NULL;
}

static void expect_same_text(const struct beam_result *a, const struct beam_result *b)
{
    EXPECT_EQUAL_FATAL(a->count, b->count);
    CU_ASSERT(memcmp(a->tokens, b->tokens, a->count * sizeof(*a->tokens)) == 0);
    CU_ASSERT(memcmp(a->log_probabilities, b->log_probabilities,
                     a->count * sizeof(*a->log_probabilities)) == 0);
    CU_ASSERT(memcmp(a->alignment, b->alignment,
                     (size_t)(a->count + 1) * a->steps * sizeof(*a->alignment)) == 0);
}

/* A transformer with random weights, and a scheduler whose steps wait for each other. */
static struct network *open_transformer(struct step_scheduler **scheduler)
{
    const struct model_shape shape = transformer_shape(3);
    struct made_file file = make_model(&shape);
    srand(7);
    struct network *network = open_network(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network);
    made_finish(&file);
    EXPECT_EQUAL_FATAL(step_scheduler_create(1, HOUR, scheduler), 0);
    return network;
}

/* The same texts, probabilities and alignments, to the bit, as alone; whoever is cancelled. */
static void test_same_bits(void)
{
    enum { SPELLINGS = 9, CANCELLED = 4 };
    struct step_scheduler *scheduler;
    struct network *network = open_transformer(&scheduler);
    static struct spelling spellings[SPELLINGS];
    pthread_t threads[SPELLINGS];
    for (uint32_t i = 0; i < SPELLINGS; i++)
        open_spelling(&spellings[i], network, 1 + i % 5);
    for (int round = 0; round < 5; round++) {
        struct beam_result alone[SPELLINGS];
        for (uint32_t i = 0; i < SPELLINGS; i++) {
            spell(&spellings[i]);
            EXPECT_EQUAL(spellings[i].pass.error, 0);
            alone[i] = spellings[i].result;
            CU_ASSERT(alone[i].count > 0);
        }
        for (uint32_t i = 0; i < SPELLINGS && round == 0; i++)
            speller_join(spellings[i].speller, scheduler);
        for (uint32_t i = 0; i < SPELLINGS; i++)
            pthread_create(&threads[i], NULL, spell, &spellings[i]);
        atomic_store(&spellings[CANCELLED].cancelled, true);
        for (uint32_t i = 0; i < SPELLINGS; i++)
            pthread_join(threads[i], NULL);
        for (uint32_t i = 0; i < SPELLINGS; i++) {
            if (i != CANCELLED) {
                EXPECT_EQUAL(spellings[i].pass.error, 0);
                expect_same_text(&alone[i], &spellings[i].result);
            }
            beam_result_finish(&alone[i]);
            beam_result_finish(&spellings[i].result);
        }
        atomic_store(&spellings[CANCELLED].cancelled, false);
        spellings[CANCELLED].pass.error = 0;
    }
    for (uint32_t i = 0; i < SPELLINGS; i++)
        close_spelling(&spellings[i]);
    step_scheduler_destroy(scheduler);
    network_destroy(network);
}

/* ---- Too little memory ---- */

enum {
    SCARCE = 9,
    FAILING = 3,     /* of them fails in the end, even alone */
    SINGLE_ROWS = 8, /* more than one of them has */
};

/* How the kernels of a backend run out of memory. */
static const struct hearken_kernels *ample;
static atomic_uint large_products, own_products, reorders;

/* Some products of more rows than one speller has: so batches fail here and there. */
static int scarce_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    bool is_large = arguments->in.rows > SINGLE_ROWS;
    if (is_large && atomic_fetch_add(&large_products, 1) % 16 == 0)
        return -ENOMEM;
    return ample->linear(queue, arguments);
}

static int failing_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    return atomic_fetch_add(&own_products, 1) < 50 ? ample->linear(queue, arguments) : -ENOMEM;
}

static int scarce_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                          const uint32_t *parents, uint32_t count)
{
    return atomic_fetch_add(&reorders, 1) % 256 == 255
               ? -ENOMEM
               : ample->reorder(queue, state, parents, count);
}

/* Spells all at once with `kernels`. → how many fail; all others have the text that they have
 * `alone`. */
static uint32_t spell_scarcely(struct spelling *spellings, const struct hearken_kernels *kernels,
                               const struct beam_result *alone)
{
    pthread_t threads[SCARCE];
    uint32_t failed = 0;
    for (uint32_t i = 0; i < SCARCE; i++) {
        spellings[i].pass.kernels = &kernels[i];
        pthread_create(&threads[i], NULL, spell, &spellings[i]);
    }
    for (uint32_t i = 0; i < SCARCE; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < SCARCE; i++) {
        int error = spellings[i].pass.error;
        failed += error < 0;
        if (error == 0)
            expect_same_text(&alone[i], &spellings[i].result);
        else
            EXPECT_EQUAL(error, -ENOMEM);
        spellings[i].pass.error = 0;
        beam_result_finish(&spellings[i].result);
    }
    return failed;
}

/* What has no memory for a batch has it for each of its members, but for one. */
static void test_scarce_memory(void)
{
    struct step_scheduler *scheduler;
    struct network *network = open_transformer(&scheduler);
    static struct spelling spellings[SCARCE];
    struct beam_result alone[SCARCE];
    struct hearken_kernels kernels[SCARCE];
    ample = network->compute->kernels;
    for (uint32_t i = 0; i < SCARCE; i++) {
        open_spelling(&spellings[i], network, 3 + i % 3);
        spell(&spellings[i]);
        alone[i] = spellings[i].result;
        speller_join(spellings[i].speller, scheduler);
        kernels[i] = *ample;
        kernels[i].linear = scarce_linear;
    }
    /* Who steps with whom, and in whose queue, is chance. */
    for (int i = 0; i < ROUNDS && atomic_load(&large_products) < 100; i++)
        EXPECT_EQUAL(spell_scarcely(spellings, kernels, alone), 0);
    CU_ASSERT(atomic_load(&large_products) >= 100);
    kernels[FAILING].linear = failing_linear;
    uint32_t failed = 0;
    for (int i = 0; i < ROUNDS && failed == 0; i++)
        failed = spell_scarcely(spellings, kernels, alone);
    EXPECT_EQUAL(failed, 1);
    /* States that are half in order are of no use. */
    for (uint32_t i = 0; i < SCARCE; i++)
        kernels[i].reorder = scarce_reorder;
    failed = spell_scarcely(spellings, kernels, alone);
    CU_ASSERT(failed > 0 && failed < SCARCE);
    for (uint32_t i = 0; i < SCARCE; i++) {
        spellings[i].pass.kernels = ample;
        beam_result_finish(&alone[i]);
        close_spelling(&spellings[i]);
    }
    step_scheduler_destroy(scheduler);
    network_destroy(network);
}

/* ---- Encoders ---- */

struct borrower {
    struct encoder_pool *pool;
    atomic_int *in_use, *most;
    atomic_bool cancelled;
    struct borrower *next; /* which this one cancels now and then */
    unsigned cancellations;
    int result;
};

static void use_encoder(struct borrower *b, struct pooled_encoder *encoder, int round)
{
    int used = atomic_fetch_add(b->in_use, 1) + 1, most = atomic_load(b->most);
    while (used > most && !atomic_compare_exchange_weak(b->most, &most, used))
        ;
    sched_yield();
    /* A queue that has failed is not used again. */
    encoder->pass.error = round % 7 == 0 ? -EIO : round % 5 == 0 ? -ECANCELED : 0;
    atomic_fetch_sub(b->in_use, 1);
    encoder_pool_give(b->pool, encoder);
}

static void *borrow(void *context)
{
    struct borrower *b = context;
    for (int i = 0; i < ROUNDS && b->result == 0; i++) {
        struct pooled_encoder *encoder;
        int result = encoder_pool_take(b->pool, false, &b->cancelled, &encoder);
        if (result == 0)
            use_encoder(b, encoder, i);
        else if (result == -ECANCELED)
            b->cancellations += atomic_exchange(&b->cancelled, false);
        else
            b->result = result;
        if (b->next && i % 9 == 4) {
            atomic_store(&b->next->cancelled, true);
            encoder_pool_notice(b->pool);
        }
    }
    return NULL;
}

static unsigned count_encoders(const struct hearken_model *model)
{
    unsigned processors = compute_parallel_queues(model->network->compute);
    return processors > 2 ? processors : 2;
}

/* As many encoders as processors, however many want one and whoever is cancelled; none is lost. */
static void test_encoders(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    struct borrower borrowers[MOST];
    pthread_t threads[MOST];
    atomic_int in_use = 0, most = 0;
    unsigned cancellations = 0;
    for (uint32_t i = 0; i < MOST; i++)
        borrowers[i] = (struct borrower){.pool = model->encoders,
                                         .in_use = &in_use,
                                         .most = &most,
                                         .next = i % 2 == 0 ? &borrowers[i + 1] : NULL};
    for (uint32_t i = 0; i < MOST; i++)
        pthread_create(&threads[i], NULL, borrow, &borrowers[i]);
    for (uint32_t i = 0; i < MOST; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQUAL(borrowers[i].result, 0);
        cancellations += borrowers[i].cancellations;
    }
    CU_ASSERT(most >= 1 && (unsigned)most <= count_encoders(model));
    CU_ASSERT(cancellations > 0);
    hearken_model_destroy(model);
}

/* ---- Streams that somebody waits for, and others ---- */

/* A stream that a thread of its own writes, on a model all of whose encoders are in use. */
struct crowded {
    struct hearken_model *model;
    struct pooled_encoder **encoders;
    unsigned count;
    struct hearken_stream *stream;
    struct record record;
    float *samples;
    size_t sample_count;
    pthread_t thread;
    int result;
};

static void *write_all_samples(void *context)
{
    struct crowded *c = context;
    c->result = hearken_stream_write(c->stream, c->samples, c->sample_count, NULL);
    return NULL;
}

static void open_crowded(struct crowded *c, struct hearken_stream_options options)
{
    *c = (struct crowded){.model = model_of(transformer_shape(2))};
    c->count = count_encoders(c->model);
    c->encoders = calloc(c->count, sizeof(*c->encoders));
    CU_ASSERT_PTR_NOT_NULL_FATAL(c->encoders);
    for (unsigned i = 0; i < c->count; i++)
        EXPECT_EQUAL_FATAL(encoder_pool_take(c->model->encoders, false, NULL, &c->encoders[i]), 0);
    options.segment_seconds = 2;
    c->stream = create(c->model, &options, &c->record);
    c->samples = make_sound(18, 6, &c->sample_count);
}

/* Whether the thread ends within a time. */
static bool ends_within(struct crowded *c, int64_t nanoseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    nanoseconds += until.tv_nsec;
    until.tv_sec += nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    return pthread_timedjoin_np(c->thread, NULL, &until) == 0;
}

static void start_writing(struct crowded *c)
{
    EXPECT_EQUAL_FATAL(pthread_create(&c->thread, NULL, write_all_samples, c), 0);
}

static void give_encoders(struct crowded *c)
{
    for (unsigned i = 0; i < c->count; i++)
        encoder_pool_give(c->model->encoders, c->encoders[i]);
    c->count = 0;
}

static void close_crowded(struct crowded *c)
{
    give_encoders(c);
    hearken_stream_destroy(c->stream);
    finish_record(&c->record);
    hearken_model_destroy(c->model);
    free(c->samples);
    free(c->encoders);
}

static void test_cancelled_wait(void)
{
    struct crowded c;
    open_crowded(&c, stream_options_of());
    start_writing(&c);
    CU_ASSERT_FALSE(ends_within(&c, 200 * MILLI)); /* it waits */
    hearken_stream_cancel(c.stream);
    bool has_left = ends_within(&c, 30000 * MILLI);
    CU_ASSERT_TRUE(has_left);
    give_encoders(&c);
    if (!has_left)
        pthread_join(c.thread, NULL);
    EXPECT_EQUAL(c.result, -ECANCELED);
    EXPECT_EQUAL(c.record.finals, 0);
    close_crowded(&c);
}

/* What is urgent does not wait for encoders in use; what is not does, whatever its options. */
static void test_urgent_encoding(void)
{
    struct crowded c;
    struct hearken_stream_options options = stream_options_of();
    open_crowded(&c, options);
    hearken_stream_set_urgent(c.stream, true);
    start_writing(&c);
    bool has_ended = ends_within(&c, 30000 * MILLI);
    CU_ASSERT_TRUE(has_ended);
    give_encoders(&c);
    if (!has_ended)
        pthread_join(c.thread, NULL);
    EXPECT_EQUAL(c.result, 0);
    CU_ASSERT(c.record.finals > 0);
    close_crowded(&c);

    options.partial_seconds = 0.5f;
    open_crowded(&c, options);
    hearken_stream_set_urgent(c.stream, false);
    start_writing(&c);
    CU_ASSERT_FALSE(ends_within(&c, 200 * MILLI));
    give_encoders(&c);
    pthread_join(c.thread, NULL);
    EXPECT_EQUAL(c.result, 0);
    CU_ASSERT(c.record.finals > 0 && c.record.partials > 0);
    close_crowded(&c);
}

/* Whoever waits in one scheduler does not hold up those in the other. */
static void test_urgent_steps(void)
{
    for (int is_urgent = 0; is_urgent < 2; is_urgent++) {
        struct hearken_stream_options options = stream_options_of();
        struct hearken_model *model = model_of(transformer_shape(2));
        struct network *network = model->network;
        struct step_scheduler **others = is_urgent ? &network->steps : &network->live_steps;
        atomic_uint batches = 0, members = 0;
        struct record record;
        size_t count;
        float *samples = make_sound(18, 6, &count);
        struct stepper absent = {
            .rows = 1, .batches = &batches, .members = &members, .room = STEP_MAX_ROWS};
        /* The others would wait for this one for an hour. */
        step_scheduler_destroy(*others);
        EXPECT_EQUAL_FATAL(step_scheduler_create(1, HOUR, others), 0);
        step_member_init(&absent.member, &absent);
        step_scheduler_step(*others, &absent.member, 1, compute_batch);
        options.partial_seconds = is_urgent ? 0 : 0.5f;
        struct hearken_stream *stream = create(model, &options, &record);
        hearken_stream_set_urgent(stream, is_urgent);
        EXPECT_EQUAL(hearken_stream_write(stream, samples, count, NULL), 0);
        EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
        CU_ASSERT(record.finals > 0);
        hearken_stream_destroy(stream);
        finish_record(&record);
        step_scheduler_rest(*others, &absent.member);
        step_member_finish(*others, &absent.member);
        hearken_model_destroy(model);
        free(samples);
    }
}

/* From text to text, with the same texts. */
static void test_change_of_urgency(void)
{
    struct hearken_model *model = model_of(transformer_shape(2));
    struct hearken_stream_options options = stream_options_of();
    struct record expected, record;
    size_t count;
    float *samples = make_sound(21, 20, &count);
    options.segment_seconds = 2;
    options.partial_seconds = 0.5f;
    transcribe(model, &options, samples, count, 0, &expected);
    struct hearken_stream *stream = create(model, &options, &record);
    for (size_t i = 0, size = count / 20; i < count; i += size) {
        hearken_stream_set_urgent(stream, i / size % 3 == 1);
        size_t length = count - i < size ? count - i : size;
        EXPECT_EQUAL(hearken_stream_write(stream, samples + i, length, NULL), 0);
    }
    EXPECT_EQUAL(hearken_stream_finish(stream, NULL), 0);
    CU_ASSERT(expected.finals > 3 && same_bytes(&expected.spoken, &record.spoken));
    hearken_stream_destroy(stream);
    finish_record(&record);
    finish_record(&expected);
    hearken_model_destroy(model);
    free(samples);
}

void add_step_scheduler_tests(void)
{
    CU_pSuite suite = CU_add_suite("steps together", NULL, NULL);
    CU_add_test(suite, "members that come and go", test_steps);
    CU_add_test(suite, "any patience", test_patience);
    CU_add_test(suite, "batches", test_together);
    CU_add_test(suite, "batches that are too large", test_too_large);
    CU_add_test(suite, "a member that stays away", test_stalled);
    CU_add_test(suite, "the same bits", test_same_bits);
    CU_add_test(suite, "too little memory", test_scarce_memory);
    CU_add_test(suite, "shared encoders", test_encoders);
    CU_add_test(suite, "cancelled while it waits for an encoder", test_cancelled_wait);
    CU_add_test(suite, "encoders for urgent texts", test_urgent_encoding);
    CU_add_test(suite, "steps of urgent texts", test_urgent_steps);
    CU_add_test(suite, "change of urgency", test_change_of_urgency);
}
