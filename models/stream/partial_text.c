// SPDX-License-Identifier: MIT
#include "models/stream/partial_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * A word is committed once it ends `margin` before the end of the encoded sound, has been unchanged
 * for `unchanged` seconds of sound, and has had this confidence in the current text and the one
 * before. The second rule lets a word of lower confidence through after a longer time, so that it
 * does not block those after it (docs/streaming.md has the figures).
 */
static const struct {
    double margin, unchanged; /* seconds */
    float confidence;
} rules[] = {
    {1.5, 1.5, 0.8f},
    {6, 6, 0.65f},
};

/*
 * Without known alignment heads word times are unreliable: this many words must follow, with at
 * least this confidence.
 */
#define MARGIN_WORDS      4u
#define MARGIN_CONFIDENCE 0.8f
/*
 * The end of a segment of maximum length: the segmenter may still cut there, so nothing is
 * committed.
 */
#define CUTTABLE_SECONDS 4.0

/* Shown text is taken back after rejections for this much sound. */
#define RETRACT_SECONDS 1.5

struct partial_text {
    struct recognizer *recognizer;
    const struct vocabulary *vocabulary;
    uint32_t *tokens;     /* [count], of the last text */
    double *stable_since; /* [count]: encoded seconds since which each token, and all before it, is
                             unchanged */
    float *confidence;    /* [count]: of each token's word, in the last text */
    uint32_t count, room;
    uint32_t committed;  /* of the tokens */
    double accepted_at;  /* encoded seconds at the last accepted text */
    double commit_limit; /* no word that ends later in the segment is committed, seconds */
    double committed_seconds;
};

int partial_text_create(struct recognizer *recognizer, const struct vocabulary *vocabulary,
                        struct partial_text **partial)
{
    struct partial_text *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->recognizer = recognizer;
    p->vocabulary = vocabulary;
    p->commit_limit = (double)recognizer_max_samples(recognizer) / HEARKEN_RATE;
    p->commit_limit -=
        p->commit_limit / 2 < CUTTABLE_SECONDS ? p->commit_limit / 2 : CUTTABLE_SECONDS;
    *partial = p;
    return 0;
}

void partial_text_destroy(struct partial_text *partial)
{
    if (!partial)
        return;
    free(partial->tokens);
    free(partial->stable_since);
    free(partial->confidence);
    free(partial);
}

void partial_text_begin(struct partial_text *partial)
{
    recognizer_begin_partial(partial->recognizer);
    partial->count = partial->committed = 0;
    partial->accepted_at = 0;
    partial->committed_seconds = 0;
}

struct beam_draft partial_text_committed(const struct partial_text *partial)
{
    return (struct beam_draft){partial->tokens, partial->committed, partial->committed};
}

double partial_text_committed_seconds(const struct partial_text *partial)
{
    return partial->committed_seconds;
}

/* ---- Committing ---- */

/* Length of the common prefix with the last text, tokens. */
static uint32_t count_common_tokens(const struct partial_text *p, const struct beam_result *now)
{
    uint32_t most = now->count < p->count ? now->count : p->count, count = 0;
    while (count < most && p->tokens[count] == now->tokens[count])
        count++;
    return count;
}

/* Whether the last text also ended a word there. */
static bool ended_word_before(const struct partial_text *p, uint32_t end)
{
    return end == p->count || vocabulary_starts_word(p->vocabulary, p->tokens[end]);
}

static bool is_stable(const struct partial_text *p, const struct transcript *t, size_t word,
                      double start)
{
    double end = t->words.words[word].end - start, encoded = t->encoded_seconds;
    double stable_since = p->stable_since[t->words.ends[word] - 1];
    if (end > p->commit_limit)
        return false;
    float confidence =
        fminf(t->words.words[word].confidence, p->confidence[t->words.ends[word] - 1]);
    if (!recognizer_has_alignment_heads(p->recognizer) &&
        (word + MARGIN_WORDS >= t->words.count || confidence < MARGIN_CONFIDENCE))
        return false;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (end + rules[i].margin <= encoded && stable_since + rules[i].unchanged <= encoded &&
            confidence >= rules[i].confidence)
            return true;
    return false;
}

/* Commits words in order, up to the first that is not stable. */
static void commit(struct partial_text *p, const struct transcript *t, double start)
{
    uint32_t common = count_common_tokens(p, &t->search);
    for (size_t i = 0; i < t->words.count; i++) {
        uint32_t end = t->words.ends[i];
        if (end <= p->committed)
            continue;
        if (end > common || !ended_word_before(p, end) || !is_stable(p, t, i, start))
            return;
        p->committed = end;
        p->committed_seconds = t->words.words[i].end - start;
    }
}

static int reserve(struct partial_text *p, uint32_t count)
{
    if (count <= p->room)
        return 0;
    size_t room = 2 * (size_t)count;
    uint32_t *tokens = realloc(p->tokens, room * sizeof(*tokens));
    p->tokens = tokens ? tokens : p->tokens;
    double *stable_since = realloc(p->stable_since, room * sizeof(*stable_since));
    p->stable_since = stable_since ? stable_since : p->stable_since;
    float *confidence = realloc(p->confidence, room * sizeof(*confidence));
    p->confidence = confidence ? confidence : p->confidence;
    if (!tokens || !stable_since || !confidence)
        return -ENOMEM;
    p->room = (uint32_t)room;
    return 0;
}

static int store_draft(struct partial_text *p, const struct transcript *t)
{
    uint32_t common = count_common_tokens(p, &t->search), count = t->search.count;
    int result = reserve(p, count);
    if (result < 0)
        return result;
    for (uint32_t i = common; i < count; i++) {
        p->tokens[i] = t->search.tokens[i];
        p->stable_since[i] = t->encoded_seconds;
    }
    p->count = count;
    for (size_t i = 0, token = 0; i < t->words.count; i++)
        while (token < t->words.ends[i])
            p->confidence[token++] = t->words.words[i].confidence;
    return 0;
}

/* ---- Updates ---- */

static int mark_committed(const struct partial_text *p, struct transcript *t)
{
    char *text = vocabulary_text(p->vocabulary, p->tokens, p->committed);
    if (!text)
        return -ENOMEM;
    t->committed = strlen(text);
    free(text);
    while (t->committed_words < t->words.count && t->words.ends[t->committed_words] <= p->committed)
        t->committed_words++;
    return 0;
}

/*
 * Whether a rejected text leaves the shown one in place for now: in the middle of a word the next
 * text is often better, and text that flickers is worse than text that lags.
 */
static bool keeps_shown_text(struct partial_text *p, const struct transcript *t)
{
    if (!t->dropped) {
        p->accepted_at = t->encoded_seconds;
        return false;
    }
    return p->count > p->committed && t->encoded_seconds - p->accepted_at < RETRACT_SECONDS;
}

int partial_text_update(struct partial_text *partial, const float *samples, size_t count,
                        double start, struct transcript *transcript)
{
    const struct beam_draft draft = {partial->tokens, partial->count, partial->committed};
    const struct segment_sound sound = {.samples = samples, .count = count, .start = start};
    int result = recognizer_recognise_partial(partial->recognizer, &sound, &draft, transcript);
    if (result != 0)
        return result < 0 ? result : PARTIAL_UNCHANGED;
    if (keeps_shown_text(partial, transcript)) {
        recognizer_transcript_finish(transcript);
        return PARTIAL_REJECTED;
    }
    commit(partial, transcript, start);
    result = store_draft(partial, transcript);
    if (result == 0)
        result = mark_committed(partial, transcript);
    if (result < 0)
        recognizer_transcript_finish(transcript);
    return result;
}
