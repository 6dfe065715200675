// SPDX-License-Identifier: MIT
#include "models/stream/recognizer.h"

#include "frontend/features/logmel.h"
#include "models/network/listener.h"
#include "models/network/speller.h"
#include "models/network/step_scheduler.h"
#include "models/search/confidence_filter.h"
#include "models/search/decoder_prompt.h"
#include "models/search/repetition_guard.h"
#include "models/search/token_scores.h"
#include "models/stream/encoder_pipeline.h"
#include "models/stream/encoder_pool.h"
#include "models/text/transcript_merge.h"
#include "models/vad/level_segmenter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rounding error of a sum of temperature steps. */
#define TEMPERATURE_ROUNDING 1e-3f

/* Most temperatures tried after 0; OpenAI's code tries five. */
#define MAX_FALLBACKS 20

/* Pads any segment to the end of its window. */
#define WINDOW_SECONDS 30.0

/* A language detected with more than this probability is kept for the rest of the stream. */
#define LANGUAGE_THRESHOLD 0.5f

/* A text sampled above this temperature is no prompt for the next one. */
#define PROMPT_RESET_TEMPERATURE 0.5f

/*
 * A segment of at most so many seconds holds a few words. A wider beam finds their variants in
 * capitals and punctuation, which count together.
 */
#define SHORT_SECONDS 2.0
#define SHORT_WIDTH   8u

/* A final text of at most so many tokens is judged by its words alone. */
#define FEW_TOKENS 4u

/*
 * A custom word or phrase may be the whole text of a segment of at most so many seconds. It then
 * earns as much as if it had so many characters more: little text surrounds it that would make it
 * likely. Chosen on single words (docs/accuracy.md).
 */
#define LISTED_SECONDS    4.0
#define LISTED_CHARACTERS 4

/*
 * A text that leaves out so many seconds of speech in a row is incomplete, unless the network
 * thinks that nobody speaks.
 */
#define LOST_SECONDS   0.5
#define LOST_NO_SPEECH 0.5f

/* FIRST_PARTIAL: the segment has no text yet. */
enum text_kind { FINAL, PARTIAL, FIRST_PARTIAL };

struct recognizer {
    struct hearken_model *model;
    const struct network *network;
    struct hearken_stream_options options;
    const struct custom_words *words; /* NULL: none */
    struct pass pass;
    bool is_urgent;
    struct encoder_pipeline *encoder; /* of a stream with partial texts; NULL: the model's do */
    double padding;                   /* seconds of silence behind a segment */
    struct speller *speller;
    struct step_scheduler *scheduler;
    uint32_t partial_steps; /* steps of the memory at the last partial text */
    struct decoder_prompt *prompt;
    struct token_masks masks;
    struct timestamp_rules *timestamps; /* NULL: no timestamps */
    float language_probability;
    bool knows_language;
    struct storage ctc; /* [steps, vocabulary] */
    float *ctc_scores;  /* [steps, vocabulary], on the host */
    size_t ctc_room;    /* elements that ctc_scores has room for */
};

/* The prompt, token masks and timestamp rules that the options ask for. */
static int create_decoding_rules(struct recognizer *r, struct hearken_error *error)
{
    const struct hearken_stream_options *o = &r->options;
    int result = decoder_prompt_create(r->network, o, &r->prompt, error);
    if (result == 0)
        result = token_masks_create(r->network, o->suppress_tokens, !o->suppress_blank, &r->masks,
                                    error);
    if (result == 0 && o->timestamps && o->partial_seconds <= 0)
        result = timestamp_rules_create(r->network, o->suppress_tokens, &r->timestamps, error);
    return result;
}

static void join_scheduler(struct recognizer *r)
{
    r->scheduler = r->is_urgent ? r->network->live_steps : r->network->steps;
    speller_join(r->speller, r->scheduler);
}

static int allocate(struct recognizer *r)
{
    const struct hearken_stream_options *o = &r->options;
    double padding =
        o->padding < 0 ? (double)r->network->parameters.listener.padding : (double)o->padding;
    r->padding = o->exact ? WINDOW_SECONDS : padding;
    int result = 0;
    if (o->partial_seconds > 0)
        result = encoder_pipeline_create(r->network, r->model->logmel, &r->encoder);
    if (result < 0)
        return result;
    uint32_t width = o->beam_width > SHORT_WIDTH ? o->beam_width : SHORT_WIDTH;
    result = speller_create(r->network, width + (r->words ? BIASED_BEAM_WIDTH : 0), &r->speller);
    if (result == 0)
        join_scheduler(r);
    return result;
}

int recognizer_create(struct hearken_model *model, const struct hearken_stream_options *options,
                      const struct custom_words *words, bool is_urgent,
                      const atomic_bool *cancelled, struct recognizer **recognizer,
                      struct hearken_error *error)
{
    const struct compute *compute = model->network->compute;
    struct recognizer *r = calloc(1, sizeof(*r));
    if (!r)
        return hearken_fail(error, -ENOMEM, "out of memory");
    r->model = model;
    r->network = model->network;
    r->options = *options;
    r->words = words;
    r->is_urgent = is_urgent;
    r->pass = (struct pass){.kernels = compute->kernels, .cancelled = cancelled};
    int result = compute_queue_create(compute, &r->pass.queue);
    if (result < 0) {
        free(r);
        return hearken_fail(error, result, "cannot create a stream: %s", strerror(-result));
    }
    result = create_decoding_rules(r, error);
    if (result == 0 && (result = allocate(r)) < 0)
        hearken_fail(error, result, "cannot create a stream: %s", strerror(-result));
    if (result < 0)
        recognizer_destroy(r);
    else
        *recognizer = r;
    return result;
}

void recognizer_destroy(struct recognizer *recognizer)
{
    if (!recognizer)
        return;
    struct pass *pass = &recognizer->pass;
    pass_release(pass, &recognizer->ctc);
    encoder_pipeline_destroy(recognizer->encoder, pass);
    speller_destroy(recognizer->speller, pass);
    compute_queue_destroy(recognizer->network->compute, pass->queue);
    timestamp_rules_destroy(recognizer->timestamps);
    token_masks_finish(&recognizer->masks, recognizer->network);
    decoder_prompt_destroy(recognizer->prompt);
    free(recognizer->ctc_scores);
    free(recognizer);
}

void recognizer_set_urgent(struct recognizer *recognizer, bool is_urgent)
{
    struct recognizer *r = recognizer;
    r->is_urgent = is_urgent;
    join_scheduler(r);
}

size_t recognizer_max_samples(const struct recognizer *recognizer)
{
    size_t wanted = (size_t)((double)recognizer->options.segment_seconds * HEARKEN_RATE);
    size_t most = encoder_pipeline_max_samples(recognizer->network);
    return wanted < most ? wanted : most;
}

double recognizer_step_seconds(const struct recognizer *recognizer)
{
    const struct listener_parameters *p = &recognizer->network->parameters.listener;
    return 2.0 * p->pyramid * LOGMEL_HOP / HEARKEN_RATE;
}

/* ---- From memory to tokens ---- */

/*
 * Computes the CTC head's log-probabilities on the host. False without a CTC head, with a CTC
 * weight of 0, and on an error.
 */
static bool score_ctc(struct recognizer *r, struct hearken_matrix memory, struct ctc_scores *scores)
{
    const struct parameters *p = &r->network->parameters;
    size_t size = (size_t)memory.rows * p->speller.vocabulary;
    if (!p->has_ctc || r->options.ctc_weight <= 0)
        return false;
    if (size > r->ctc_room) {
        free(r->ctc_scores);
        r->ctc_scores = malloc(size * sizeof(*r->ctc_scores));
        r->ctc_room = r->ctc_scores ? size : 0;
        if (!r->ctc_scores) {
            r->pass.error = -ENOMEM;
            return false;
        }
    }
    pass_reserve(&r->pass, &r->ctc, size);
    struct hearken_matrix out = matrix_of(&r->ctc, memory.rows, p->speller.vocabulary);
    pass_linear(&r->pass, out, memory, &r->network->ctc);
    pass_log_softmax(&r->pass, out, NULL);
    pass_read(&r->pass, out, r->ctc_scores);
    *scores =
        (struct ctc_scores){r->ctc_scores, memory.rows, p->speller.vocabulary, p->speller.blank};
    return r->pass.error == 0;
}

/*
 * Steps of the memory along which attention must move forward; 0 if the model file lists no
 * alignment heads. Also 0 for translation, which reorders words.
 */
static uint32_t audio_steps(const struct recognizer *r, size_t samples)
{
    if (!r->network->parameters.speller.follows_sound || r->options.task == HEARKEN_TRANSLATE)
        return 0;
    return listener_memory_steps(r->network, (uint32_t)(samples / LOGMEL_HOP));
}

/*
 * Sets the tokens that start a text. Partial texts do not settle the language: they cover too
 * little speech.
 */
static void start_decoding(struct recognizer *r, bool times, bool final)
{
    if (decoder_prompt_needs_language(r->prompt) && !r->knows_language) {
        uint32_t found =
            language_detect(r->network, r->speller, &r->pass, &r->language_probability);
        if (found != NO_TOKEN)
            decoder_prompt_set_language(r->prompt, found);
        r->knows_language = final && r->language_probability > LANGUAGE_THRESHOLD;
    }
    speller_set_start(r->speller, decoder_prompt_tokens(r->prompt, times));
}

/*
 * With `exact` only the positions of the speller limit a text. A recurrent speller has no
 * positions.
 */
static uint32_t max_tokens(const struct recognizer *r, size_t samples)
{
    uint32_t most = speller_max_tokens(r->speller);
    uint32_t likely = repetition_guard_max_tokens((double)samples / HEARKEN_RATE);
    bool is_limit = !r->options.exact || most == UINT32_MAX;
    return is_limit && likely < most ? likely : most;
}

static struct beam_options search_options(const struct recognizer *r, size_t samples)
{
    return (struct beam_options){
        .width = 1,
        .length_penalty = r->options.length_penalty,
        .ctc_weight = r->options.ctc_weight,
        .max_tokens = max_tokens(r, samples),
        .audio_steps = audio_steps(r, samples),
        .step_seconds = recognizer_step_seconds(r),
        .attention_rests = listener_needs_window(r->network),
        .words = r->words,
        .word_boost = r->options.custom_words_boost,
        .exact = r->options.exact,
        .masks = &r->masks,
    };
}

/* Whether a final text counts its variants together. */
static bool is_short(const struct recognizer *r, size_t samples)
{
    return samples <= (size_t)(SHORT_SECONDS * HEARKEN_RATE) && r->options.beam_width > 1 &&
           !r->options.exact && !r->timestamps;
}

/* Whether a final text may be a custom word or phrase as a whole. */
static bool is_listed_length(const struct recognizer *r, size_t samples)
{
    return samples <= (size_t)(LISTED_SECONDS * HEARKEN_RATE) && r->options.beam_width > 1 &&
           !r->options.exact;
}

/* Raises max_tokens where the forced tokens alone are more. */
static void search(struct recognizer *r, const struct beam_options *options,
                   const struct beam_draft *draft, const struct ctc_scores *ctc,
                   struct beam_result *result)
{
    struct beam_options with_draft = *options;
    with_draft.draft = *draft;
    if (with_draft.max_tokens < draft->forced)
        with_draft.max_tokens = draft->forced;
    beam_search(&with_draft, r->speller, &r->pass, r->network, ctc, result);
}

/* ---- Final texts that begin with committed words ---- */

static bool begins_with(const struct beam_result *result, const struct beam_draft *committed)
{
    size_t size = committed->forced * sizeof(*result->tokens);
    return result->count >= committed->forced &&
           (size == 0 || memcmp(result->tokens, committed->tokens, size) == 0);
}

/*
 * Joins the committed words and the continuation of `found`. False if `found` does not spell the
 * committed words, or on an error.
 */
static bool merge_committed(struct recognizer *r, const struct beam_options *options,
                            const struct beam_draft *committed, const struct beam_result *found,
                            struct beam_result *result)
{
    uint32_t forced = committed->forced;
    size_t point = transcript_merge_point(&r->network->vocabulary, committed->tokens, forced,
                                          found->tokens, found->count);
    if (point > found->count)
        return false;
    uint32_t count = forced + found->count - (uint32_t)point;
    if (count > speller_max_tokens(r->speller))
        return false;
    uint32_t *tokens = calloc(count + 1, sizeof(*tokens));
    if (!tokens) {
        r->pass.error = -ENOMEM;
        return false;
    }
    memcpy(tokens, committed->tokens, forced * sizeof(*tokens));
    memcpy(tokens + forced, found->tokens + point, (count - forced) * sizeof(*tokens));
    /* Scores the joined text: every token is forced, none may follow. */
    struct beam_options exact = *options;
    exact.width = 1;
    exact.max_tokens = count;
    search(r, &exact, &(struct beam_draft){tokens, count, count}, NULL, result);
    free(tokens);
    return true;
}

/*
 * Takes the custom word or phrase that the whole segment may be, if its bonus outweighs what the
 * text found is likelier.
 */
static void prefer_listed(struct recognizer *r, const struct beam_options *options,
                          const struct beam_draft *committed, struct beam_result *result)
{
    const struct beam_draft none = {0};
    struct beam_result listed;
    struct beam_options only = *options;
    only.width = LISTED_BEAM_WIDTH;
    only.joins_variants = true;
    only.prunes = false; /* variants count together, the unlikely ones too */
    only.listed_only = true;
    search(r, &only, &none, NULL, &listed);
    /* A text that is written twice has twice the bonus. */
    float bonus = options->word_boost * LISTED_CHARACTERS + fmaxf(0, listed.bonus - result->bonus);
    if (listed.count > 0 && begins_with(&listed, committed) &&
        !confidence_filter_rejects_words(&r->options, &listed) &&
        listed.words_log_probability - listed.bonus + bonus >=
            result->words_log_probability - result->bonus) {
        struct beam_result swap = *result;
        *result = listed;
        listed = swap;
    }
    beam_result_finish(&listed);
}

/*
 * Searches without constraint first. If the result differs from the committed words only in
 * punctuation or capitals, its continuation is kept after them. If it has other words, a second
 * search starts with the committed words forced.
 */
static void search_final(struct recognizer *r, const struct ctc_scores *scores, size_t samples,
                         const struct beam_draft *committed, struct beam_result *result)
{
    const struct beam_draft none = {0};
    start_decoding(r, r->timestamps, true);
    struct beam_options options = search_options(r, samples);
    options.width = r->options.beam_width;
    options.timestamps = r->timestamps;
    options.prunes = !r->options.exact && !is_short(r, samples);
    if (is_short(r, samples)) {
        options.joins_variants = true;
        options.width = options.width > SHORT_WIDTH ? options.width : SHORT_WIDTH;
    }
    if (r->timestamps)
        options.words = NULL;
    search(r, &options, &none, scores, result);
    if (options.words && is_listed_length(r, samples))
        prefer_listed(r, &options, committed, result);
    if (r->pass.error < 0 || committed->forced == 0 || begins_with(result, committed))
        return;
    struct beam_result found = *result;
    *result = (struct beam_result){0};
    if (!merge_committed(r, &options, committed, &found, result) && r->pass.error == 0)
        search(r, &options, committed, scores, result);
    beam_result_finish(&found);
}

/* ---- Temperature fallback ---- */

/*
 * Whisper's criteria for another temperature: a repetition loop, or a low mean log-probability that
 * is not explained by silence.
 */
static bool needs_fallback(const struct recognizer *r, const struct beam_result *result,
                           bool *looped)
{
    char *text = vocabulary_text(&r->network->vocabulary, result->tokens, result->count);
    bool unlikely =
        confidence_filter_mean_log_probability(result) < r->options.log_probability_threshold;
    *looped = text && confidence_filter_compression_ratio(text) > r->options.compression_threshold;
    free(text);
    return *looped || (unlikely && result->no_speech <= r->options.no_speech_threshold);
}

/* A text without a loop beats any text with one; otherwise the higher mean log-probability wins. */
static bool is_better(const struct beam_result *a, bool a_loops, const struct beam_result *b,
                      bool b_loops)
{
    if (a_loops != b_loops)
        return b_loops;
    return confidence_filter_mean_log_probability(a) > confidence_filter_mean_log_probability(b);
}

/*
 * Samples at rising temperatures and takes the first text that passes, else the best one.
 * `temperature`: that of the text taken.
 */
static void search_with_fallback(struct recognizer *r, size_t samples, struct beam_result *result,
                                 float *temperature)
{
    const struct beam_draft none = {0};
    uint64_t random = r->options.seed;
    bool looped;
    *temperature = 0;
    if (r->options.temperature_step <= 0 || r->pass.error < 0)
        return;
    bool retry = needs_fallback(r, result, &looped);
    for (int i = 1; retry && i <= MAX_FALLBACKS && r->pass.error == 0; i++) {
        struct beam_options options = search_options(r, samples);
        struct beam_result found;
        bool found_loops;
        options.words = NULL;
        options.timestamps = r->timestamps;
        options.temperature = (float)i * r->options.temperature_step;
        options.random = &random;
        if (options.temperature > 1 + TEMPERATURE_ROUNDING)
            break;
        search(r, &options, &none, NULL, &found);
        retry = needs_fallback(r, &found, &found_loops);
        if (!retry || is_better(&found, found_loops, result, looped)) {
            beam_result_finish(result);
            *result = found;
            looped = found_loops;
            *temperature = options.temperature;
        } else {
            beam_result_finish(&found);
        }
    }
}

/* ---- From tokens to a transcript ---- */

/* Keeps only the forced tokens: earlier texts have confirmed them. */
static int drop_text(const struct recognizer *r, uint32_t forced, struct transcript *t)
{
    free(t->text);
    t->search.count = forced < t->search.count ? forced : t->search.count;
    t->text = vocabulary_text(&r->network->vocabulary, t->search.tokens, t->search.count);
    return t->text ? 0 : -ENOMEM;
}

static bool is_unlikely(const struct recognizer *r, const struct segment_sound *sound,
                        uint32_t forced, enum text_kind text_kind, const struct transcript *t)
{
    if (text_kind != FINAL)
        return confidence_filter_rejects_partial(&r->options, t->log_probability, t->no_speech,
                                                 text_kind == FIRST_PARTIAL);
    bool few_words =
        forced == 0 && t->temperature <= 0 &&
        (t->search.is_listed || (is_short(r, sound->count) && t->search.count <= FEW_TOKENS));
    return few_words ? confidence_filter_rejects_words(&r->options, &t->search)
                     : confidence_filter_rejects(&r->options, t->log_probability, t->no_speech);
}

static int fill_transcript(const struct recognizer *r, const struct segment_sound *sound,
                           uint32_t forced, enum text_kind text_kind, struct transcript *t)
{
    const struct vocabulary *vocabulary = &r->network->vocabulary;
    double seconds = (double)sound->count / HEARKEN_RATE;
    t->log_probability = confidence_filter_mean_log_probability(&t->search);
    t->language = decoder_prompt_language(r->prompt);
    t->language_probability = r->language_probability;
    if (text_kind == FINAL && r->timestamps &&
        timestamp_rules_extract(r->timestamps, seconds, &t->search, &t->spans) < 0)
        return -ENOMEM;
    t->text = vocabulary_text(vocabulary, t->search.tokens, t->search.count);
    if (!t->text)
        return -ENOMEM;
    t->no_speech = t->search.no_speech;
    t->confidence = expf(t->log_probability);
    t->compression = confidence_filter_compression_ratio(t->text);
    t->looped = t->compression > r->options.compression_threshold;
    /* A partial text that was stopped is dropped: the next one covers more sound. */
    t->dropped = is_unlikely(r, sound, forced, text_kind, t) || t->looped ||
                 (t->search.stopped && text_kind != FINAL);
    if (t->dropped && drop_text(r, forced, t) < 0)
        return -ENOMEM;
    const struct word_times_sound times = {
        .start = sound->start,
        .seconds = seconds,
        .step_seconds = recognizer_step_seconds(r),
        .voice = sound->voice,
    };
    return word_times_make(&t->words, &t->search, vocabulary, &times);
}

/* The transcript of a segment without speech. */
static int fill_empty_transcript(const struct recognizer *r, struct transcript *t)
{
    t->language = decoder_prompt_language(r->prompt);
    t->language_probability = r->language_probability;
    t->text = strdup("");
    return t->text ? 0 : -ENOMEM;
}

static int complete_transcript(struct recognizer *r, const struct segment_sound *sound,
                               uint32_t forced, enum text_kind text_kind,
                               struct transcript *transcript)
{
    int result = r->pass.error;
    /*
     * Out of memory and bad arguments need not recur with the next segment, so the pass may go on.
     */
    if (result == -ENOMEM || result == -EINVAL)
        r->pass.error = 0;
    if (result == 0)
        result = fill_transcript(r, sound, forced, text_kind, transcript);
    if (result < 0)
        recognizer_transcript_finish(transcript);
    return result;
}

/*
 * Encodes a segment for the speller. → CTC scores in `ctc`; NULL without a CTC head.
 */
static const struct ctc_scores *encode(struct recognizer *r, struct encoder_pipeline *encoder,
                                       struct pass *pass, const struct segment_sound *sound,
                                       double padding, struct ctc_scores *ctc)
{
    step_scheduler_begin_encoding(r->scheduler);
    struct encoder_output encoded =
        encoder_pipeline_encode(encoder, pass, sound->samples, sound->count, padding);
    if (pass != &r->pass)
        pass_wait(pass, encoded.memory);
    if (r->pass.error == 0)
        r->pass.error = pass->error;
    speller_reset(r->speller);
    speller_set_memory(r->speller, &r->pass, encoded.memory, encoded.stand_ins);
    bool has_ctc = score_ctc(r, encoded.memory, ctc);
    if (pass != &r->pass)
        pass_wait(&r->pass, encoded.memory);
    step_scheduler_end_encoding(r->scheduler);
    return has_ctc ? ctc : NULL;
}

/* The same with an encoder of the model's where the text may wait, or the stream has none. */
static const struct ctc_scores *encode_segment(struct recognizer *r,
                                               const struct segment_sound *sound, double padding,
                                               struct ctc_scores *ctc)
{
    struct pooled_encoder *shared;
    if (r->encoder && r->is_urgent)
        return encode(r, r->encoder, &r->pass, sound, padding, ctc);
    int result = encoder_pool_take(r->model->encoders, r->is_urgent, r->pass.cancelled, &shared);
    if (result < 0) {
        r->pass.error = result;
        return NULL;
    }
    const struct ctc_scores *scores =
        encode(r, shared->pipeline, &shared->pass, sound, padding, ctc);
    encoder_pool_give(r->model->encoders, shared);
    return scores;
}

static int recognise_padded(struct recognizer *r, const struct segment_sound *sound, double padding,
                            const struct beam_draft *draft, struct transcript *transcript)
{
    *transcript = (struct transcript){0};
    struct ctc_scores ctc;
    const struct ctc_scores *scores = encode_segment(r, sound, padding, &ctc);
    search_final(r, scores, sound->count, draft, &transcript->search);
    if (draft->forced == 0)
        search_with_fallback(r, sound->count, &transcript->search, &transcript->temperature);
    return complete_transcript(r, sound, draft->forced, FINAL, transcript);
}

bool transcript_is_incomplete(const struct transcript *transcript)
{
    return transcript->words.lost_seconds >= LOST_SECONDS &&
           transcript->no_speech <= LOST_NO_SPEECH;
}

/* Whether more padding may find the words that a text lacks. Where there is a pause beside them,
 * the caller divides the segment there. */
static bool needs_padding(const struct recognizer *r, const struct transcript *t)
{
    return listener_needs_window(r->network) && transcript_is_incomplete(t) &&
           (t->words.count == 0 || t->words.lost_pause <= 0);
}

static bool covers_more(const struct transcript *a, const struct transcript *b)
{
    return !a->dropped && a->words.lost_seconds < b->words.lost_seconds;
}

int recognizer_recognise(struct recognizer *recognizer, const struct segment_sound *sound,
                         const struct beam_draft *draft, struct transcript *transcript)
{
    static const double paddings[] = {3, WINDOW_SECONDS};
    struct recognizer *r = recognizer;
    *transcript = (struct transcript){0};
    if (sound->count == 0 ||
        (draft->forced == 0 && level_segmenter_is_silent(sound->samples, sound->count)))
        return fill_empty_transcript(r, transcript);
    int result = recognise_padded(r, sound, r->padding, draft, transcript);
    for (size_t i = 0; i < sizeof(paddings) / sizeof(*paddings) && result == 0; i++) {
        struct transcript again;
        if (draft->forced > 0 || paddings[i] <= r->padding || !needs_padding(r, transcript))
            continue;
        result = recognise_padded(r, sound, paddings[i], draft, &again);
        if (result == 0 && covers_more(&again, transcript)) {
            struct transcript swap = *transcript;
            *transcript = again;
            again = swap;
        }
        recognizer_transcript_finish(&again);
    }
    if (result < 0) {
        recognizer_transcript_finish(transcript);
        return result;
    }
    transcript->committed = strlen(transcript->text);
    transcript->committed_words = transcript->words.count;
    transcript->encoded_seconds = (double)sound->count / HEARKEN_RATE;
    return 0;
}

bool recognizer_is_independent(const struct recognizer *recognizer)
{
    return !recognizer->options.previous_text && !decoder_prompt_needs_language(recognizer->prompt);
}

void recognizer_set_previous(struct recognizer *recognizer, const struct transcript *transcript)
{
    const struct beam_result *previous = &transcript->search;
    bool reliable = transcript->temperature <= PROMPT_RESET_TEMPERATURE && !transcript->dropped;
    if (previous->count > 0 || !reliable)
        decoder_prompt_set_previous(recognizer->prompt, previous->tokens,
                                    reliable ? previous->count : 0);
}

/* ---- Partial texts ---- */

bool recognizer_is_incremental(const struct recognizer *recognizer)
{
    return encoder_pipeline_is_incremental(recognizer->network);
}

bool recognizer_has_alignment_heads(const struct recognizer *recognizer)
{
    return recognizer->network->parameters.speller.follows_sound;
}

void recognizer_begin_partial(struct recognizer *recognizer)
{
    if (recognizer->encoder)
        encoder_pipeline_begin_partial(recognizer->encoder);
    speller_reset(recognizer->speller);
    recognizer->partial_steps = 0;
}

int recognizer_recognise_partial(struct recognizer *recognizer, const struct segment_sound *sound,
                                 const struct beam_draft *draft, struct transcript *transcript)
{
    struct recognizer *r = recognizer;
    *transcript = (struct transcript){0};
    struct encoder_output encoded;
    int result = encoder_pipeline_encode_partial(r->encoder, &r->pass, sound->samples, sound->count,
                                                 &encoded);
    if (result < 0)
        return result;
    bool incremental = recognizer_is_incremental(r);
    if (!incremental)
        speller_reset(r->speller);
    double seconds = (double)sound->count / HEARKEN_RATE;
    enum text_kind text_kind = draft->count > 0 ? PARTIAL : FIRST_PARTIAL;
    uint32_t steps = encoded.memory.rows;
    if (r->pass.error < 0)
        return r->pass.error;
    if (incremental && steps == r->partial_steps)
        return 1;
    r->partial_steps = steps;
    speller_set_memory(r->speller, &r->pass, encoded.memory, encoded.stand_ins);
    start_decoding(r, false, false);
    const struct beam_options options = search_options(r, sound->count);
    search(r, &options, draft, NULL, &transcript->search);
    result = complete_transcript(r, sound, draft->forced, text_kind, transcript);
    transcript->encoded_seconds = incremental ? steps * recognizer_step_seconds(r) : seconds;
    return result;
}

void recognizer_transcript_finish(struct transcript *transcript)
{
    free(transcript->text);
    free(transcript->spans.spans);
    word_times_finish(&transcript->words);
    beam_result_finish(&transcript->search);
    *transcript = (struct transcript){0};
}
