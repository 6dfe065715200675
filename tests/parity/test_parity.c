// SPDX-License-Identifier: MIT
/*
 * The network against PyTorch: every stage of a few recordings, on the same rounded weights.
 *
 * usage: parity-test [--cpu-mask LIST] [--tolerance NUMBER] BACKEND MODEL.gguf PARITY.gguf ...
 *
 * PyTorch's tensors are in PARITY.gguf (docs/model-format.md; tests/parity/make_models.py). Each
 * stage gets what PyTorch's stage before it gave, so an error shows where it arises.
 */
#include "frontend/features/logmel.h"
#include "models/network/listener.h"
#include "models/network/speller.h"
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_TOLERANCE 1e-5 /* absolute */
#define TOLERANCE         1e-3 /* ‖ours - PyTorch's‖ / ‖PyTorch's‖, unless --tolerance says other */

/* The pair that the tests look at: CUnit's tests take no argument. */
static struct {
    const char *backend, *cpu_mask;
    double tolerance;
    const char *model_path, *parity_path;
    struct network *network;
    struct gguf *parity;
    struct hearken_queue *queue;
    struct pass pass;
    uint32_t utterances, chunk;
} pair;

/* ---- The parity file ---- */

static uint32_t parity_number(const char *key, uint32_t fallback)
{
    const struct gguf_entry *entry = gguf_find_entry(pair.parity, key);
    return entry ? (uint32_t)gguf_number(entry, 0) : fallback;
}

/* NULL if the file has no such tensor. */
static const struct gguf_tensor *stage(uint32_t utterance, const char *name)
{
    char full[64];
    snprintf(full, sizeof(full), "%u.%s", utterance, name);
    return gguf_find_tensor(pair.parity, full);
}

static uint64_t elements(const struct gguf_tensor *tensor)
{
    return tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
}

/* ---- Comparing ---- */

/* ‖ours - theirs‖ / ‖theirs‖ */
static double relative_error(const float *ours, const float *theirs, uint64_t count)
{
    double difference = 0, norm = 0;
    for (uint64_t i = 0; i < count; i++) {
        difference += ((double)ours[i] - theirs[i]) * ((double)ours[i] - theirs[i]);
        norm += (double)theirs[i] * theirs[i];
    }
    return sqrt(difference / (norm > 0 ? norm : 1));
}

static void compare(const char *name, uint32_t utterance, const float *ours, const float *theirs,
                    uint64_t count)
{
    double error = relative_error(ours, theirs, count);
    printf("    %u.%s: relative error %.1e\n", utterance, name, error);
    CU_ASSERT(error < pair.tolerance);
}

/* Reads a matrix of the network and compares it with the parity file's tensor. */
static void compare_matrix(const char *name, uint32_t utterance, struct hearken_matrix matrix)
{
    const struct gguf_tensor *theirs = stage(utterance, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(theirs);
    EXPECT_EQUAL_FATAL(elements(theirs), (uint64_t)matrix.rows * matrix.columns);
    float *ours = calloc(elements(theirs), sizeof(*ours));
    CU_ASSERT_PTR_NOT_NULL_FATAL(ours);
    pass_read(&pair.pass, matrix, ours);
    EXPECT_EQUAL(pair.pass.error, 0);
    compare(name, utterance, ours, theirs->data, elements(theirs));
    free(ours);
}

/* ---- Features ---- */

static void scale_features(float *features, size_t count)
{
    const struct feature_parameters *f = &pair.network->parameters.features;
    if (f->below_maximum > 0)
        logmel_scale_below_maximum(features, count, f->below_maximum, f->shift, f->scale);
    else
        logmel_scale_fixed(features, count, f->floor, f->shift, f->scale);
}

static double largest_difference(const float *a, const float *b, uint64_t count)
{
    double largest = 0;
    for (uint64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

static void test_features(void)
{
    struct logmel *logmel;
    EXPECT_EQUAL_FATAL(logmel_create(pair.network->parameters.features.mels, pair.network->window,
                                     pair.network->mel_filters, &logmel),
                       0);
    size_t padding = parity_number("parity.padding", 0);
    for (uint32_t u = 0; u < pair.utterances; u++) {
        const struct gguf_tensor *pcm = stage(u, "pcm"), *theirs = stage(u, "features");
        CU_ASSERT_FATAL(pcm && theirs);
        float *ours = calloc(elements(theirs), sizeof(*ours));
        EXPECT_EQUAL_FATAL(logmel_frames(elements(pcm) + padding), theirs->shape[1]);
        logmel_compute(logmel, pcm->data, elements(pcm), padding, ours);
        scale_features(ours, elements(theirs));
        double difference = largest_difference(ours, theirs->data, elements(theirs));
        printf("    %u.features: largest difference %.1e\n", u, difference);
        CU_ASSERT(difference < FEATURE_TOLERANCE);
        free(ours);
    }
    logmel_destroy(logmel);
}

/* ---- Listener ---- */

static void tap(void *context, const char *name, struct hearken_matrix x)
{
    const uint32_t *utterance = context;
    if (stage(*utterance, name))
        compare_matrix(name, *utterance, x);
}

static void test_listener(void)
{
    struct listener *listener;
    EXPECT_EQUAL_FATAL(listener_create(pair.network, &listener), 0);
    for (uint32_t u = 0; u < pair.utterances; u++) {
        const struct gguf_tensor *features = stage(u, "features");
        listener_set_tap(listener, tap, &u);
        struct hearken_matrix memory =
            listener_encode(listener, &pair.pass, features->data, (uint32_t)features->shape[1]);
        compare_matrix("memory", u, memory);
    }
    listener_destroy(listener, &pair.pass);
}

/* Feeds the features in pieces of `piece` frames; the memory is read into `memory`. */
static void hear_in_pieces(struct listener *listener, const struct gguf_tensor *features,
                           uint32_t piece, float *memory)
{
    uint32_t frames = (uint32_t)features->shape[1];
    listener_begin_chunks(listener, pair.chunk);
    struct hearken_matrix heard = {0};
    for (uint32_t there = piece; heard.rows == 0 || there < frames + piece; there += piece) {
        bool last = there >= frames;
        heard = listener_encode_chunks(listener, &pair.pass, features->data, last ? frames : there,
                                       last);
        if (last)
            break;
    }
    pass_read(&pair.pass, heard, memory);
}

static void test_listener_chunks(void)
{
    struct listener *listener;
    EXPECT_EQUAL_FATAL(listener_create(pair.network, &listener), 0);
    for (uint32_t u = 0; u < pair.utterances; u++) {
        const struct gguf_tensor *features = stage(u, "features");
        const struct gguf_tensor *theirs = stage(u, "memory_chunked");
        CU_ASSERT_FATAL(features && theirs);
        uint32_t frames = (uint32_t)features->shape[1];
        float *whole = calloc(elements(theirs), sizeof(*whole));
        float *pieces = calloc(elements(theirs), sizeof(*pieces));
        CU_ASSERT_FATAL(whole && pieces);
        hear_in_pieces(listener, features, frames, whole);
        compare("memory_chunked", u, whole, theirs->data, elements(theirs));
        static const uint32_t sizes[] = {1, 7, 64, 65};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            memset(pieces, 0, elements(theirs) * sizeof(*pieces));
            hear_in_pieces(listener, features, sizes[i], pieces);
            EXPECT_EQUAL(memcmp(whole, pieces, elements(theirs) * sizeof(*whole)), 0);
        }
        free(whole);
        free(pieces);
    }
    EXPECT_EQUAL(pair.pass.error, 0);
    listener_destroy(listener, &pair.pass);
}

/* ---- On PyTorch's memory: CTC and the speller ---- */

static struct hearken_matrix write_memory(uint32_t utterance, struct storage *storage)
{
    const struct gguf_tensor *memory = stage(utterance, "memory");
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
    uint32_t rows = (uint32_t)memory->shape[1], columns = (uint32_t)memory->shape[0];
    pass_reserve(&pair.pass, storage, (size_t)rows * columns);
    pass_write(&pair.pass, matrix_of(storage, rows, columns), memory->data);
    return matrix_of(storage, rows, columns);
}

static void test_ctc(void)
{
    if (!pair.network->parameters.has_ctc)
        return;
    struct storage storage = {0}, scores = {0};
    for (uint32_t u = 0; u < pair.utterances; u++) {
        struct hearken_matrix memory = write_memory(u, &storage);
        uint32_t vocabulary = pair.network->parameters.speller.vocabulary;
        pass_reserve(&pair.pass, &scores, (size_t)memory.rows * vocabulary);
        struct hearken_matrix out = matrix_of(&scores, memory.rows, vocabulary);
        pass_linear(&pair.pass, out, memory, &pair.network->ctc);
        pass_log_softmax(&pair.pass, out, NULL);
        compare_matrix("ctc_log_probabilities", u, out);
    }
    pass_release(&pair.pass, &storage);
    pass_release(&pair.pass, &scores);
}

static uint32_t largest(const float *values, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/*
 * Whether a token is PyTorch's choice, or so close behind it that an error within the tolerance can
 * turn the two around: each is off by at most that part of the largest logit.
 */
static bool is_best(uint32_t token, uint32_t best, const float *logits, uint32_t count)
{
    double largest = 0;
    for (uint32_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)logits[i]));
    return (double)logits[best] - (double)logits[token] <= 2 * pair.tolerance * largest;
}

/* PyTorch's greedy search, token by token; logits and alignment are compared when it is over. */
static void spell_greedily(struct speller *speller, uint32_t u, struct hearken_matrix logits)
{
    const struct speller_parameters *p = &pair.network->parameters.speller;
    const struct gguf_tensor *their_tokens = stage(u, "tokens");
    const struct gguf_tensor *their_logits = stage(u, "logits");
    const struct gguf_tensor *their_alignment = stage(u, "alignment");
    CU_ASSERT_FATAL(their_tokens && their_logits && their_alignment);
    uint32_t count = (uint32_t)elements(their_tokens), steps = speller_memory_steps(speller);
    const uint32_t *tokens = their_tokens->data;
    size_t layer_size = (size_t)p->heads * steps;
    float *all_logits = calloc((size_t)count * p->vocabulary, sizeof(*all_logits));
    float *alignment = calloc(count * p->layers * layer_size, sizeof(*alignment));
    CU_ASSERT_FATAL(all_logits && alignment);
    EXPECT_EQUAL_FATAL(elements(their_alignment), count * p->layers * layer_size);
    for (uint32_t i = 0; i < count; i++) {
        float *row = all_logits + (size_t)i * p->vocabulary;
        pass_read(&pair.pass, logits, row);
        for (uint32_t layer = 0; layer < p->layers; layer++)
            speller_read_layer_alignment(speller, &pair.pass, layer,
                                         alignment + (i * p->layers + layer) * layer_size);
        uint32_t parent = 0;
        CU_ASSERT(is_best(largest(row, p->vocabulary), tokens[i],
                          (const float *)their_logits->data + (size_t)i * p->vocabulary,
                          p->vocabulary));
        if (i + 1 < count)
            logits = speller_step(speller, &pair.pass, &parent, &tokens[i], 1);
    }
    compare("logits", u, all_logits, their_logits->data, elements(their_logits));
    compare("alignment", u, alignment, their_alignment->data, elements(their_alignment));
    free(all_logits);
    free(alignment);
}

/* A recogniser reads only the layers whose heads follow the sound. */
static void align_all_layers(void)
{
    struct speller_parameters *p = &pair.network->parameters.speller;
    for (uint32_t layer = 0; layer < p->layers; layer++)
        p->alignment_heads[layer] = 1;
}

static void test_speller(void)
{
    struct speller *speller;
    struct storage storage = {0};
    align_all_layers();
    EXPECT_EQUAL_FATAL(speller_create(pair.network, 1, &speller), 0);
    for (uint32_t u = 0; u < pair.utterances; u++) {
        speller_reset(speller);
        speller_set_memory(speller, &pair.pass, write_memory(u, &storage),
                           (struct hearken_stand_ins){0});
        spell_greedily(speller, u, speller_start(speller, &pair.pass));
        EXPECT_EQUAL(pair.pass.error, 0);
    }
    speller_destroy(speller, &pair.pass);
    pass_release(&pair.pass, &storage);
}

/* ---- Running ---- */

static int open_pair(void)
{
    struct hearken_error error;
    struct hearken_backend_options options = {
        .struct_size = sizeof(options),
        .backend = pair.backend,
        .cpu_mask = pair.cpu_mask,
    };
    if (network_open(pair.model_path, &options, &pair.network, &error) < 0 ||
        gguf_open(pair.parity_path, GGUF_WHOLE, &pair.parity, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const struct compute *compute = pair.network->compute;
    if (compute->plugin->queue_create(compute->backend, &pair.queue) < 0)
        return 1;
    pair.pass = (struct pass){.kernels = compute->kernels, .queue = pair.queue};
    pair.utterances = parity_number("parity.utterances", 0);
    pair.chunk = parity_number("parity.chunk", 0);
    return pair.utterances == 0 || pair.chunk == 0;
}

static int close_pair(void)
{
    if (pair.queue)
        pair.network->compute->plugin->queue_destroy(pair.queue);
    network_destroy(pair.network);
    gguf_destroy(pair.parity);
    pair.queue = NULL;
    pair.network = NULL;
    pair.parity = NULL;
    return 0;
}

static bool run_pair(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return false;
    CU_pSuite suite = CU_add_suite(pair.model_path, open_pair, close_pair);
    bool added = suite && CU_add_test(suite, "features", test_features) &&
                 CU_add_test(suite, "listener", test_listener) &&
                 CU_add_test(suite, "listener in chunks", test_listener_chunks) &&
                 CU_add_test(suite, "ctc", test_ctc) && CU_add_test(suite, "speller", test_speller);
    if (added)
        CU_basic_run_tests();
    bool passed =
        added && CU_get_number_of_tests_failed() == 0 && CU_get_number_of_suites_failed() == 0;
    CU_cleanup_registry();
    return passed;
}

static bool read_options(int count, char **arguments)
{
    static const struct option options[] = {
        {"cpu-mask", required_argument, NULL, 'c'},
        {"tolerance", required_argument, NULL, 't'},
        {0},
    };
    int option;
    while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
        if (option == 'c')
            pair.cpu_mask = optarg;
        else if (option == 't')
            pair.tolerance = strtod(optarg, NULL);
        else
            return false;
    }
    return count - optind >= 3 && (count - optind) % 2 == 1;
}

int main(int count, char **arguments)
{
    pair.tolerance = TOLERANCE;
    if (!read_options(count, arguments)) {
        fprintf(stderr,
                "usage: %s [--cpu-mask LIST] [--tolerance NUMBER] BACKEND MODEL.gguf PARITY.gguf "
                "...\n",
                arguments[0]);
        return 2;
    }
    bool passed = true;
    pair.backend = arguments[optind];
    CU_basic_set_mode(CU_BRM_VERBOSE);
    for (int i = optind + 1; i < count; i += 2) {
        pair.model_path = arguments[i];
        pair.parity_path = arguments[i + 1];
        passed = run_pair() && passed;
    }
    return passed ? 0 : 1;
}
