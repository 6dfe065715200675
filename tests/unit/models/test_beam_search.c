// SPDX-License-Identifier: MIT
/* The beam search against plain searches that score every hypothesis from its start. */
#include "models/search/repetition_guard.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_beam_search_tests(void);

#define PARITY HEARKEN_SOURCE_ROOT "/tests/parity/"

/* ---- Scoring one hypothesis from its start ---- */

struct scored {
    uint32_t tokens[MAX_TOKENS + 1], count;
    struct attention_progress attention;
    double speller, ctc;
};

/*
 * Masked log-probabilities of the token after `tokens`, to `next` [vocabulary]; its attention
 * weights, to `alignment_row` [steps].
 */
static void score_next(struct session *s, const uint32_t *tokens, uint32_t count, double *next,
                       float *alignment_row)
{
    const struct network *n = s->network;
    const struct gguf_entry *first = gguf_find_entry(n->gguf, "hearken.speller.suppress_at_begin");
    const struct gguf_entry *always = gguf_find_entry(n->gguf, "hearken.speller.suppress");
    struct hearken_matrix logits = speller_start(s->speller, &s->pass);
    for (uint32_t i = 0; i < count; i++)
        logits = speller_step(s->speller, &s->pass, &(uint32_t){0}, &tokens[i], 1);
    float *row = malloc(s->vocabulary * sizeof(*row));
    pass_read(&s->pass, logits, row);
    speller_read_alignment(s->speller, &s->pass, alignment_row);
    EXPECT_EQUAL(s->pass.error, 0);
    double sum = 0;
    for (uint32_t v = 0; v < s->vocabulary; v++) {
        bool barred = n->vocabulary.tokens[v].control && v != n->parameters.speller.end;
        for (uint64_t i = 0; always && i < always->count; i++)
            barred |= gguf_number(always, i) == v;
        for (uint64_t i = 0; count == 0 && first && i < first->count; i++)
            barred |= gguf_number(first, i) == v;
        next[v] = barred ? -INFINITY : (double)row[v];
        sum += exp(next[v]);
    }
    for (uint32_t v = 0; v < s->vocabulary; v++)
        next[v] -= log(sum);
    free(row);
}

/* CTC's score of `tokens`, as a prefix or as the whole text. */
static double score_ctc(const struct session *s, const uint32_t *tokens, uint32_t count, bool ends)
{
    float *numbers = calloc(4 * (size_t)s->steps, sizeof(*numbers));
    struct ctc_state state = {numbers, numbers + s->steps};
    struct ctc_state next = {numbers + 2 * s->steps, numbers + 3 * s->steps};
    float score = 0;
    ctc_prefix_start(&s->ctc, &state);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t last = i > 0 ? tokens[i - 1] : NO_LAST_TOKEN;
        score = ctc_prefix_score(&s->ctc, &state, last, tokens[i]);
        ctc_prefix_extend(&s->ctc, &state, last, tokens[i], &next);
        struct ctc_state swap = state;
        state = next;
        next = swap;
    }
    if (ends)
        score = ctc_prefix_end(&s->ctc, &state);
    free(numbers);
    return (double)score;
}

static double weigh(const struct beam_options *o, bool with_ctc, double speller, double ctc)
{
    double weight = with_ctc ? (double)o->ctc_weight : 0;
    return (1 - weight) * speller + (weight > 0 ? weight * ctc : 0);
}

static double normalised(const struct beam_options *o, bool with_ctc, const struct scored *h)
{
    return weigh(o, with_ctc, h->speller, h->ctc) / pow(h->count + 1, (double)o->length_penalty);
}

/* A recurrent speller may end only where that is not much less likely than all else. */
static bool may_end(const struct session *s, const double *next)
{
    uint32_t end = s->network->parameters.speller.end;
    double other = -INFINITY;
    if (s->network->parameters.speller.kind == SPELLER_TRANSFORMER)
        return true;
    for (uint32_t v = 0; v < s->vocabulary; v++)
        if (v != end && next[v] > other)
            other = next[v];
    return next[end] >= 1.5 * other;
}

static bool same_tokens(const struct beam_result *result, const uint32_t *tokens, uint32_t count)
{
    bool same = result->count == count &&
                (count == 0 || memcmp(result->tokens, tokens, count * sizeof(*tokens)) == 0);
    if (!same) {
        printf("\n    found");
        for (uint32_t i = 0; i < result->count; i++)
            printf(" %u", result->tokens[i]);
        printf(", expected");
        for (uint32_t i = 0; i < count; i++)
            printf(" %u", tokens[i]);
        printf(" ");
    }
    return same;
}

/* What a result says of itself must be what its tokens score. */
static void check_result(struct session *s, const struct beam_result *result, bool ended)
{
    double *next = malloc(s->vocabulary * sizeof(*next)), sum = 0;
    float *alignment_row = malloc(s->steps * sizeof(*alignment_row));
    EXPECT_EQUAL_FATAL(result->steps, s->steps);
    for (uint32_t i = 0; i <= result->count; i++) {
        const float *row = result->alignment + (size_t)i * s->steps;
        double difference = 0, weight = 0;
        score_next(s, result->tokens, i, next, alignment_row);
        for (uint32_t t = 0; t < s->steps; t++) {
            difference = fmax(difference, fabs((double)row[t] - (double)alignment_row[t]));
            weight += (double)row[t];
        }
        CU_ASSERT(difference < 1e-4);
        CU_ASSERT(fabs(weight - 1) < 1e-4);
        if (i < result->count) {
            CU_ASSERT(fabs(next[result->tokens[i]] - (double)result->log_probabilities[i]) < 1e-3);
            sum += next[result->tokens[i]];
        } else if (ended) {
            sum += next[s->network->parameters.speller.end];
        }
    }
    CU_ASSERT(fabs(sum - (double)result->log_probability) < 1e-2);
    free(next);
    free(alignment_row);
}

/* ---- Greedy ---- */

/* The likeliest token each time; true if that ends. */
static bool search_greedily(struct session *s, struct scored *best)
{
    double *next = malloc(s->vocabulary * sizeof(*next));
    float *alignment_row = malloc(s->steps * sizeof(*alignment_row));
    bool ended = false;
    for (best->count = 0; best->count < MAX_TOKENS && !ended;) {
        score_next(s, best->tokens, best->count, next, alignment_row);
        uint32_t likeliest = 0;
        for (uint32_t v = 1; v < s->vocabulary; v++)
            if (next[v] > next[likeliest])
                likeliest = v;
        ended = likeliest == s->network->parameters.speller.end;
        if (!ended)
            best->tokens[best->count++] = likeliest;
    }
    free(next);
    free(alignment_row);
    return ended;
}

static struct network *network_of(struct model_shape shape)
{
    struct made_file file = make_model(&shape);
    struct network *network = open_network(&file);
    made_finish(&file);
    return network;
}

static void test_width_one_is_greedy(void)
{
    uint32_t compared = 0, ends = 0, different = 0;
    srand(1);
    for (uint32_t seed = 1; seed <= 4; seed++) {
        struct session s;
        open_session(&s, network_of(seed % 2 ? recurrent_shape(seed) : transformer_shape(seed)));
        for (uint32_t round = 0; round < 6; round++) {
            struct beam_options options = options_of(1);
            struct scored greedy;
            listen_to_noise(&s, 5 + 13 * round);
            bool ended = search_greedily(&s, &greedy);
            bool loops = false;
            for (uint32_t i = 1; i <= greedy.count; i++)
                loops |= repetition_guard_is_loop(greedy.tokens, i);
            if (loops)
                continue;
            struct beam_result result = search(&s, &options, false);
            CU_ASSERT(same_tokens(&result, greedy.tokens, greedy.count));
            check_result(&s, &result, ended);
            compared++;
            ends += ended;
            different += greedy.count > 1;
            beam_result_finish(&result);
        }
        close_session(&s);
    }
    printf("(%u compared, %u end) ", compared, ends);
    CU_ASSERT(compared >= 12 && ends >= 3 && different >= 8);
}

/* ---- What PyTorch found ---- */

static const struct gguf_tensor *stage(const struct gguf *gguf, uint32_t utterance,
                                       const char *name)
{
    char full[64];
    snprintf(full, sizeof(full), "%u.%s", utterance, name);
    return gguf_find_tensor(gguf, full);
}

/* theirs [tokens, layers, heads, steps], averaged over the heads that align */
static double alignment_error(const struct session *s, const struct beam_result *result,
                              const float *theirs, uint32_t rows)
{
    const struct speller_parameters *p = &s->network->parameters.speller;
    double worst = 0;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t t = 0; t < s->steps; t++) {
            double sum = 0;
            uint32_t heads = 0;
            for (uint32_t i = 0; i < p->layers * p->heads; i++)
                if (p->alignment_heads[i / p->heads] >> i % p->heads & 1) {
                    sum += (double)theirs[((size_t)row * p->layers * p->heads + i) * s->steps + t];
                    heads++;
                }
            double ours = (double)result->alignment[(size_t)row * s->steps + t];
            worst = fmax(worst, fabs(ours - sum / heads));
        }
    return worst;
}

/* PyTorch suppresses nothing: compared as far as it says nothing that is. Returns how many tokens
 * those are. */
static uint32_t compare_utterance(struct session *s, const struct gguf *parity, uint32_t utterance)
{
    const struct gguf_tensor *memory = stage(parity, utterance, "memory");
    const struct gguf_tensor *theirs = stage(parity, utterance, "tokens");
    const struct gguf_tensor *alignment = stage(parity, utterance, "alignment");
    CU_ASSERT_FATAL(memory && theirs && alignment);
    const uint32_t *tokens = theirs->data;
    uint32_t count = (uint32_t)theirs->shape[0];
    bool ended = tokens[count - 1] == s->network->parameters.speller.end;
    struct beam_options options = options_of(1);
    options.max_tokens = ended ? count + 3 : count;
    listen_to_memory(s, memory->data, (uint32_t)memory->shape[1]);
    struct beam_result result = search(s, &options, false);
    CU_ASSERT(same_tokens(&result, tokens, count - ended));
    CU_ASSERT_FATAL(result.count == count - ended);
    CU_ASSERT(alignment_error(s, &result, alignment->data, count) < 1e-3);
    beam_result_finish(&result);
    return count;
}

static void test_parity(void)
{
    static const char *const kinds[] = {"recurrent", "transformer"};
    for (size_t k = 0; k < 2; k++) {
        struct hearken_error error = {""};
        struct network *network = NULL;
        struct gguf *parity = NULL;
        char path[512];
        snprintf(path, sizeof(path), PARITY "%s.gguf", kinds[k]);
        int opened = network_open(path, &reference_backend, &network, &error);
        EXPECT_EQUAL_FATAL(opened, 0);
        snprintf(path, sizeof(path), PARITY "%s-parity.gguf", kinds[k]);
        opened = gguf_open(path, GGUF_WHOLE, &parity, &error);
        EXPECT_EQUAL_FATAL(opened, 0);
        const struct gguf_entry *utterances = gguf_find_entry(parity, "parity.utterances");
        CU_ASSERT_PTR_NOT_NULL_FATAL(utterances);
        struct session s;
        uint32_t count = 0;
        open_session(&s, network);
        for (uint32_t u = 0; u < gguf_number(utterances, 0); u++)
            count += compare_utterance(&s, parity, u);
        CU_ASSERT(count > 10);
        close_session(&s);
        gguf_destroy(parity);
    }
}

/* ---- All there is ---- */

/* Two tokens that are text: of up to two of them there are seven texts. */
static struct model_shape two_tokens(enum speller_kind kind, uint32_t seed)
{
    struct model_shape shape =
        kind == SPELLER_RECURRENT ? recurrent_shape(seed) : transformer_shape(seed);
    shape.token_count = SPECIAL_TOKENS + 2;
    return shape;
}

/* Tries every text; false if none may end. */
static bool search_all(struct session *s, const struct beam_options *options, bool with_ctc,
                       struct scored *best)
{
    static const uint32_t texts[7][3] = {{0},       {1, 4},    {1, 5},   {2, 4, 4},
                                         {2, 4, 5}, {2, 5, 4}, {2, 5, 5}};
    double next[SPECIAL_TOKENS + 2];
    float *alignment_row = malloc(s->steps * sizeof(*alignment_row));
    bool found = false;
    for (size_t i = 0; i < 7; i++) {
        struct scored h = {.count = texts[i][0]};
        bool possible = true;
        for (uint32_t k = 0; k < h.count; k++) {
            score_next(s, h.tokens, k, next, alignment_row);
            h.tokens[k] = texts[i][k + 1];
            h.speller += next[h.tokens[k]];
            possible &= next[h.tokens[k]] > -INFINITY;
        }
        score_next(s, h.tokens, h.count, next, alignment_row);
        uint32_t end = s->network->parameters.speller.end;
        h.speller += next[end];
        h.ctc = score_ctc(s, h.tokens, h.count, true);
        if (!possible || !may_end(s, next) || !(next[end] > -INFINITY))
            continue;
        if (!found || normalised(options, with_ctc, &h) > normalised(options, with_ctc, best))
            *best = h;
        found = true;
    }
    free(alignment_row);
    return found;
}

static void test_wide_beam_finds_the_best(void)
{
    uint32_t lengths[3] = {0}, compared = 0;
    srand(2);
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct session s;
        open_session(&s, network_of(two_tokens(seed % 2, seed)));
        for (uint32_t round = 0; round < 8; round++) {
            struct beam_options options = options_of(BEAM_MAX_WIDTH);
            bool with_ctc = round % 2;
            options.max_tokens = 3;
            options.length_penalty = (float)(round % 3) / 2;
            options.ctc_weight = round % 4 == 1 ? 0.5f : 1;
            struct scored best = {0};
            listen_to_noise(&s, 3 + round);
            if (!search_all(&s, &options, with_ctc, &best))
                continue;
            struct beam_result result = search(&s, &options, with_ctc);
            CU_ASSERT(same_tokens(&result, best.tokens, best.count));
            CU_ASSERT(fabs((double)result.log_probability - best.speller) < 1e-2);
            compared++;
            lengths[best.count]++;
            beam_result_finish(&result);
        }
        close_session(&s);
    }
    printf("(%u compared, %u, %u, %u of each length) ", compared, lengths[0], lengths[1],
           lengths[2]);
    CU_ASSERT(compared > 40 && lengths[0] > 0 && lengths[1] > 0 && lengths[2] > 0);
}

/* ---- A plain beam ---- */

struct extension {
    uint32_t parent, token;
    double log_probability, ctc, score;
    struct attention_progress attention;
    bool wanders; /* its attention has gone back for too long */
};

static int compare_extensions(const void *a, const void *b)
{
    const struct extension *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

struct plain {
    struct scored live[BEAM_MAX_WIDTH], ended[256];
    uint32_t live_count, ended_count;
    uint32_t dropped; /* for their attention */
};

/* Ways on for hypothesis `parent`: the likeliest 2 · width tokens. Returns how many. */
static uint32_t extensions_of(struct session *s, const struct beam_options *o, bool with_ctc,
                              const struct scored *h, uint32_t parent, struct extension *out)
{
    double *next = malloc(s->vocabulary * sizeof(*next));
    float *alignment_row = malloc(s->steps * sizeof(*alignment_row));
    uint32_t count = 0, end = s->network->parameters.speller.end;
    score_next(s, h->tokens, h->count, next, alignment_row);
    bool ends = may_end(s, next);
    struct attention_progress attention = h->attention;
    bool wanders =
        !repetition_guard_advance(&attention, alignment_row, o->audio_steps, o->step_seconds);
    for (uint32_t i = 0; i < 2 * o->width && i < s->vocabulary; i++) {
        uint32_t best = 0;
        for (uint32_t v = 1; v < s->vocabulary; v++)
            if (next[v] > next[best])
                best = v;
        if (!(next[best] > -INFINITY))
            break;
        if (best != end || ends) {
            uint32_t tokens[MAX_TOKENS + 1];
            memcpy(tokens, h->tokens, h->count * sizeof(*tokens));
            tokens[h->count] = best;
            double ctc = with_ctc ? score_ctc(s, tokens, h->count + (best != end), best == end) : 0;
            double score = weigh(o, with_ctc, h->speller + next[best], ctc);
            out[count++] =
                (struct extension){parent, best, next[best], ctc, score, attention, wanders};
        }
        next[best] = -INFINITY;
    }
    free(next);
    free(alignment_row);
    return count;
}

static struct scored extended(const struct scored *from, const struct extension *by, bool ends)
{
    struct scored h = *from;
    h.speller += by->log_probability;
    h.ctc = by->ctc;
    h.attention = by->attention;
    if (!ends)
        h.tokens[h.count++] = by->token;
    return h;
}

/* One step of all hypotheses; false if the search is over. */
static bool plain_step(struct session *s, const struct beam_options *o, bool with_ctc,
                       struct plain *p)
{
    struct extension all[BEAM_MAX_WIDTH * 2 * BEAM_MAX_WIDTH];
    struct scored next[BEAM_MAX_WIDTH];
    uint32_t count = 0, chosen = 0, end = s->network->parameters.speller.end;
    for (uint32_t i = 0; i < p->live_count; i++)
        count += extensions_of(s, o, with_ctc, &p->live[i], i, all + count);
    qsort(all, count, sizeof(*all), compare_extensions);
    for (uint32_t i = 0; i < count && chosen < o->width; i++) {
        struct scored h = extended(&p->live[all[i].parent], &all[i], all[i].token == end);
        if (all[i].token == end && i < o->width)
            p->ended[p->ended_count++] = h;
        else if (all[i].token != end && all[i].wanders)
            p->dropped++;
        else if (all[i].token != end && !repetition_guard_is_loop(h.tokens, h.count))
            next[chosen++] = h;
    }
    memcpy(p->live, next, chosen * sizeof(*next));
    p->live_count = chosen;
    return chosen > 0 && p->ended_count < o->width && p->live[0].count < o->max_tokens;
}

/* False if nothing has ended. Adds to `dropped` how often a hypothesis' attention went back. */
static bool search_plainly(struct session *s, const struct beam_options *o, bool with_ctc,
                           struct scored *best, uint32_t *dropped)
{
    struct plain *p = calloc(1, sizeof(*p));
    p->live_count = 1;
    while (plain_step(s, o, with_ctc, p))
        continue;
    for (uint32_t i = 0; i < p->ended_count; i++)
        if (i == 0 || normalised(o, with_ctc, &p->ended[i]) > normalised(o, with_ctc, best))
            *best = p->ended[i];
    bool found = p->ended_count > 0;
    *dropped += p->dropped;
    free(p);
    return found;
}

static void test_against_plain_search(void)
{
    static const uint32_t widths[] = {2, 3, 5, 8, 16};
    uint32_t compared = 0, long_ones = 0, dropped = 0;
    srand(3);
    for (uint32_t seed = 1; seed <= 10; seed++) {
        struct session s;
        open_session(&s, network_of(seed % 2 ? recurrent_shape(seed) : transformer_shape(seed)));
        for (uint32_t round = 0; round < 5; round++) {
            struct beam_options options = options_of(widths[round]);
            bool with_ctc = (round + seed / 2) % 2;
            struct scored best = {0};
            options.max_tokens = 12;
            options.length_penalty = (float)(round % 3) / 2;
            listen_to_noise(&s, 6 + 12 * round);
            options.audio_steps = s.steps - round; /* the last ones are padding */
            if (!search_plainly(&s, &options, with_ctc, &best, &dropped))
                continue;
            struct beam_result result = search(&s, &options, with_ctc);
            CU_ASSERT(same_tokens(&result, best.tokens, best.count));
            check_result(&s, &result, true);
            compared++;
            long_ones += best.count > 1;
            beam_result_finish(&result);
        }
        close_session(&s);
    }
    printf("(%u compared, %u of more than a token, %u dropped) ", compared, long_ones, dropped);
    CU_ASSERT(compared >= 12 && long_ones >= 6 && dropped > 0);
}

/* ---- Again and again ---- */

/* The same search twice, with others between, gives the same to the bit. */
static void test_same_again(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct session s;
        srand(4);
        open_session(&s, network_of(kind ? transformer_shape(3) : recurrent_shape(3)));
        listen_to_noise(&s, 40);
        struct beam_options options = options_of(4), narrow = options_of(1);
        struct beam_result first = search(&s, &options, true);
        struct beam_result other = search(&s, &narrow, false);
        struct beam_result second = search(&s, &options, true);
        EXPECT_EQUAL_FATAL(first.count, second.count);
        EXPECT_EQUAL(memcmp(first.tokens, second.tokens, 4 * first.count), 0);
        EXPECT_EQUAL(memcmp(first.log_probabilities, second.log_probabilities, 4 * first.count), 0);
        EXPECT_EQUAL(memcmp(first.alignment, second.alignment,
                            sizeof(float) * (first.count + 1) * first.steps),
                     0);
        EXPECT_EQUAL(first.log_probability, second.log_probability);
        beam_result_finish(&first);
        beam_result_finish(&other);
        beam_result_finish(&second);
        close_session(&s);
    }
}

/* ---- Limits ---- */

/* A recurrent speller without attention that repeats token 4, or whatever `bias` favours. */
static struct network *stubborn(float likes, float dislikes)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct made_tensor *embedding = made_find(&file, "speller.embedding.weight");
    memset(embedding->data.data, 0, embedding->data.length);
    for (uint32_t v = 0; v < shape.token_count; v++)
        set_weight(&file, "speller.bias", v, v == 4 ? likes : dislikes);
    struct network *network = open_network(&file);
    made_finish(&file);
    return network;
}

static void test_no_more_than_asked_for(void)
{
    struct session s;
    srand(5);
    open_session(&s, network_of(transformer_shape(2)));
    listen_to_noise(&s, 30);
    for (uint32_t width = 1; width <= 16; width += 5)
        for (uint32_t most = 1; most <= 8; most++) {
            struct beam_options options = options_of(width);
            options.max_tokens = most;
            struct beam_result result = search(&s, &options, false);
            CU_ASSERT(result.count <= most);
            beam_result_finish(&result);
        }
    close_session(&s);
    /* One that never ends says as much as it may. */
    open_session(&s, stubborn(1, 0));
    listen_to_noise(&s, 30);
    for (uint32_t most = 1; most <= 8; most++) {
        struct beam_options options = options_of(1);
        options.max_tokens = most;
        struct beam_result result = search(&s, &options, false);
        EXPECT_EQUAL(result.count, most);
        check_result(&s, &result, false);
        beam_result_finish(&result);
    }
    close_session(&s);
}

/* As many tokens as a transformer has positions for, and not one more. */
static void test_all_positions(void)
{
    struct model_shape shape = transformer_shape(2);
    shape.speller_positions = 20;
    struct made_file file = make_model(&shape);
    /* The end is suppressed: no text ends. */
    made_numbers(&file, "hearken.speller.suppress", GGUF_U32, (const double[]){0}, 1);
    struct session s;
    srand(6);
    open_session(&s, open_network(&file));
    listen_to_noise(&s, 30);
    EXPECT_EQUAL(speller_max_tokens(s.speller), 18);
    for (uint32_t width = 1; width <= 16; width += 3) {
        struct beam_options options = options_of(width);
        options.max_tokens = speller_max_tokens(s.speller);
        struct beam_result result = search(&s, &options, false);
        EXPECT_EQUAL(result.count, 18);
        CU_ASSERT_FALSE(repetition_guard_is_loop(result.tokens, result.count));
        beam_result_finish(&result);
    }
    close_session(&s);
    made_finish(&file);
}

/* Eleven times a token is no loop yet; where there is no other way on, the text ends there. */
static void test_loops_end(void)
{
    for (uint32_t width = 1; width <= 4; width += 3) {
        struct session s;
        open_session(&s, stubborn(0, -INFINITY));
        listen_to_noise(&s, 10);
        struct beam_options options = options_of(width);
        struct beam_result result = search(&s, &options, false);
        EXPECT_EQUAL(result.count, 11);
        for (uint32_t i = 0; i < result.count; i++)
            EXPECT_EQUAL(result.tokens[i], 4);
        beam_result_finish(&result);
        close_session(&s);
    }
}

/* Where there is another way on, it is taken, and what comes of it is no loop either. */
static void test_loops_are_left(void)
{
    struct session s;
    open_session(&s, stubborn(9, 0));
    listen_to_noise(&s, 10);
    for (uint32_t width = 1; width <= 16; width += 5) {
        struct beam_options options = options_of(width);
        struct beam_result result = search(&s, &options, false);
        CU_ASSERT(result.count >= 11);
        for (uint32_t i = 1; i <= result.count; i++)
            CU_ASSERT_FALSE(repetition_guard_is_loop(result.tokens, i));
        beam_result_finish(&result);
    }
    close_session(&s);
}

/* A token's text, which only comparisons of texts read. */
static void set_text(struct session *s, uint32_t token, const char *text)
{
    struct vocabulary_token *t = &s->network->vocabulary.tokens[token];
    free(t->text);
    t->text = strdup(text);
    t->length = strlen(text);
}

/* Two variants of a word, 0.25 and 0.30, are likelier together than another word, 0.40. */
static void test_variants_count_together(void)
{
    static const float likes[] = {0.25f, 0.30f, 0.40f}; /* of tokens 4, 5, 6 */
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct made_tensor *embedding = made_find(&file, "speller.embedding.weight");
    memset(embedding->data.data, 0, embedding->data.length);
    for (uint32_t v = 0; v < shape.token_count; v++)
        set_weight(&file, "speller.bias", v, v >= 4 && v <= 6 ? logf(likes[v - 4]) : -30);
    struct session s;
    open_session(&s, open_network(&file));
    made_finish(&file);
    set_text(&s, 4, " bed");
    set_text(&s, 5, " Bed!");
    set_text(&s, 6, " cat");
    listen_to_noise(&s, 10);
    struct beam_options options = options_of(4);
    options.max_tokens = 1;
    struct beam_result apart = search(&s, &options, false);
    options.joins_variants = true;
    struct beam_result together = search(&s, &options, false);
    EXPECT_EQUAL_FATAL(apart.count, 1);
    EXPECT_EQUAL(apart.tokens[0], 6);
    EXPECT_EQUAL_FATAL(together.count, 1);
    EXPECT_EQUAL(together.tokens[0], 5); /* the likelier variant */
    float likes_all = likes[0] + likes[1] + likes[2];
    CU_ASSERT(fabsf(apart.words_log_probability - logf(likes[2] / likes_all)) < 1e-3f);
    CU_ASSERT(fabsf(together.log_probability - logf(likes[1] / likes_all)) < 1e-3f);
    CU_ASSERT(fabsf(together.words_log_probability - logf((likes[0] + likes[1]) / likes_all)) <
              1e-3f);
    beam_result_finish(&apart);
    beam_result_finish(&together);
    close_session(&s);
}

/* Nothing may be said at all, not even the end. */
static void test_nothing_may_be_said(void)
{
    double all[20];
    for (uint32_t i = 0; i < 20; i++)
        all[i] = i;
    struct model_shape shape = transformer_shape(2);
    struct made_file file = make_model(&shape);
    made_numbers(&file, "hearken.speller.suppress", GGUF_U32, all, 20);
    struct session s;
    open_session(&s, open_network(&file));
    listen_to_noise(&s, 10);
    struct beam_options options = options_of(4);
    struct beam_result result = search(&s, &options, false);
    EXPECT_EQUAL(result.count, 0);
    beam_result_finish(&result);
    close_session(&s);
    made_finish(&file);
}

/* What a model says to some noise, with what its file suppresses: copied to `tokens`. */
static uint32_t say(const struct made_file *file, uint32_t tokens[MAX_TOKENS])
{
    struct session s;
    struct beam_options options = options_of(2);
    srand(8);
    open_session(&s, open_network(file));
    listen_to_noise(&s, 30);
    struct beam_result result = search(&s, &options, false);
    uint32_t count = result.count;
    for (uint32_t i = 0; i < count; i++) {
        tokens[i] = result.tokens[i];
        CU_ASSERT_FALSE(s.network->vocabulary.tokens[tokens[i]].control);
    }
    beam_result_finish(&result);
    close_session(&s);
    return count;
}

/* Of what was said freely, the first token is barred at the beginning, the second everywhere. */
static void test_suppressed_tokens(void)
{
    uint32_t said[MAX_TOKENS], tokens[MAX_TOKENS], tried = 0;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct model_shape shape = transformer_shape(seed);
        struct made_file file = make_model(&shape);
        if (say(&file, said) > 1 && said[0] != said[1]) {
            const double first = said[0], second = said[1];
            made_numbers(&file, "hearken.speller.suppress_at_begin", GGUF_U32, &first, 1);
            made_numbers(&file, "hearken.speller.suppress", GGUF_U32, &second, 1);
            uint32_t count = say(&file, tokens);
            CU_ASSERT(count == 0 || tokens[0] != said[0]);
            for (uint32_t i = 0; i < count; i++)
                EXPECT_NOT_EQUAL(tokens[i], said[1]);
            tried++;
        }
        made_finish(&file);
    }
    CU_ASSERT(tried >= 4);
}

/* Weights that are no numbers give no text, and nothing worse. */
static void test_weights_that_are_no_numbers(void)
{
    static const char *const names[] = {"speller.norm.weight", "speller.layer.0.attention_key.bias",
                                        "speller.layer.1.attention_value.bias"};
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 9; i++)
        for (uint32_t kind = 0; kind < 2; kind++) {
            struct model_shape shape = kind ? transformer_shape(1) : recurrent_shape(1);
            struct made_file file = make_model(&shape);
            for (size_t k = 0; k < 8; k++)
                set_weight(&file, names[i / 3], k, values[i % 3]);
            struct session s;
            open_session(&s, open_network(&file));
            listen_to_noise(&s, 20);
            struct beam_options options = options_of(4);
            struct beam_result result = search(&s, &options, true);
            CU_ASSERT(result.count <= options.max_tokens);
            for (uint32_t t = 0; t < result.count; t++)
                CU_ASSERT(result.tokens[t] < s.vocabulary);
            beam_result_finish(&result);
            close_session(&s);
            made_finish(&file);
        }
}

/* ---- Errors ---- */

static void test_cancelled(void)
{
    struct session s;
    open_session(&s, network_of(recurrent_shape(1)));
    listen_to_noise(&s, 20);
    struct beam_options options = options_of(4);
    struct beam_result result;
    atomic_store(&s.cancelled, true);
    beam_search(&options, s.speller, &s.pass, s.network, &s.ctc, &result);
    EXPECT_EQUAL(s.pass.error, -ECANCELED);
    CU_ASSERT(result.count == 0 && !result.tokens && !result.alignment);
    beam_result_finish(&result);
    close_session(&s);
}

static void test_probability_of_no_speech(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct session s;
        srand(9);
        open_session(&s, network_of(kind ? transformer_shape(4) : recurrent_shape(4)));
        listen_to_noise(&s, 20);
        struct beam_options options = options_of(2);
        struct beam_result result = search(&s, &options, false);
        CU_ASSERT(kind ? result.no_speech > 0 && result.no_speech < 1 : result.no_speech == 0);
        beam_result_finish(&result);
        close_session(&s);
    }
}

/* Of four hypotheses only the last one goes on: as it would have alone. */
static void test_fewer_hypotheses(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct session s;
        srand(7);
        open_session(&s, network_of(kind ? transformer_shape(3) : recurrent_shape(3)));
        listen_to_noise(&s, 30);
        uint32_t texts[4] = {4, 5, 6, 7}, first[4] = {0};
        float *expected = malloc(s.vocabulary * sizeof(*expected));
        float *found = malloc(s.vocabulary * sizeof(*found));
        speller_start(s.speller, &s.pass);
        speller_step(s.speller, &s.pass, first, &texts[3], 1);
        pass_read(&s.pass, speller_step(s.speller, &s.pass, first, texts, 1), expected);
        speller_start(s.speller, &s.pass);
        speller_step(s.speller, &s.pass, first, texts, 4);
        pass_read(&s.pass, speller_step(s.speller, &s.pass, &(uint32_t){3}, texts, 1), found);
        EXPECT_EQUAL(s.pass.error, 0);
        for (uint32_t i = 0; i < s.vocabulary; i++)
            CU_ASSERT(fabsf(expected[i] - found[i]) < 1e-4f);
        free(expected);
        free(found);
        close_session(&s);
    }
}

void add_beam_search_tests(void)
{
    CU_pSuite suite = CU_add_suite("beam", NULL, NULL);
    CU_ADD_TEST(suite, test_width_one_is_greedy);
    CU_ADD_TEST(suite, test_parity);
    CU_ADD_TEST(suite, test_wide_beam_finds_the_best);
    CU_ADD_TEST(suite, test_against_plain_search);
    CU_ADD_TEST(suite, test_same_again);
    CU_ADD_TEST(suite, test_no_more_than_asked_for);
    CU_ADD_TEST(suite, test_fewer_hypotheses);
    CU_ADD_TEST(suite, test_all_positions);
    CU_ADD_TEST(suite, test_loops_end);
    CU_ADD_TEST(suite, test_loops_are_left);
    CU_ADD_TEST(suite, test_variants_count_together);
    CU_ADD_TEST(suite, test_nothing_may_be_said);
    CU_ADD_TEST(suite, test_suppressed_tokens);
    CU_ADD_TEST(suite, test_weights_that_are_no_numbers);
    CU_ADD_TEST(suite, test_cancelled);
    CU_ADD_TEST(suite, test_probability_of_no_speech);
}
