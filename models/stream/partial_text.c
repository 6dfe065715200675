// SPDX-License-Identifier: MIT
#include "models/stream/partial_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * A word is committed if it ends this long before the end of what was heard, has been the same for
 * so much sound, and the speller is this sure of it, now and at the last look. One that the speller
 * is less sure of has to stay for longer, so that it does not hold up what follows
 * (docs/streaming.md has the figures).
 */
static const struct {
    double margin, unchanged; /* seconds */
    float confidence;
} rules[] = {
    {1.5, 1.5, 0.8f},
    {6, 6, 0.65f},
};

/* Where nothing is known of the heads that times are read from, so many words have to follow, and
 * the speller has to be surer. */
#define MARGIN_WORDS      4u
#define MARGIN_CONFIDENCE 0.8f
/* Of the longest segment, at its end: where it can still be cut, nothing is committed. */
#define CUT_SECONDS 4.0

/* Text that is not believed any more is taken back after so much more sound. */
#define DOUBT_SECONDS 1.5

struct partial_text {
    struct recognizer *recognizer;
    const struct vocabulary *vocabulary;
    uint32_t *tokens; /* [count], of the last look */
    double *since;    /* [count]: seconds that were heard when each, and all before, came to stay */
    float *confidence; /* [count]: of its word, at the last look */
    uint32_t count, room;
    uint32_t committed; /* of them */
    double believed;    /* seconds of the segment when a look was believed last */
    double longest;     /* seconds of a segment in which words can be committed */
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
    p->longest = (double)recognizer_max_samples(recognizer) / HEARKEN_RATE;
    p->longest -= p->longest / 2 < CUT_SECONDS ? p->longest / 2 : CUT_SECONDS;
    *partial = p;
    return 0;
}

void partial_text_destroy(struct partial_text *partial)
{
    if (!partial)
        return;
    free(partial->tokens);
    free(partial->since);
    free(partial->confidence);
    free(partial);
}

void partial_text_begin(struct partial_text *partial)
{
    recognizer_begin(partial->recognizer);
    partial->count = partial->committed = 0;
    partial->believed = 0;
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

/* How many tokens at the start are those of the last look. */
static uint32_t count_agreed(const struct partial_text *p, const struct beam_result *now)
{
    uint32_t most = now->count < p->count ? now->count : p->count, count = 0;
    while (count < most && p->tokens[count] == now->tokens[count])
        count++;
    return count;
}

/* Whether the last look had the end of a word there as well. */
static bool ended_before(const struct partial_text *p, uint32_t end)
{
    return end == p->count || vocabulary_starts_word(p->vocabulary, p->tokens[end]);
}

static bool is_settled(const struct partial_text *p, const struct transcript *t, size_t word,
                       double start)
{
    double end = t->words.words[word].end - start, heard = t->heard_seconds;
    double since = p->since[t->words.ends[word] - 1];
    if (end > p->longest)
        return false;
    float confidence =
        fminf(t->words.words[word].confidence, p->confidence[t->words.ends[word] - 1]);
    if (!recognizer_aligns(p->recognizer) &&
        (word + MARGIN_WORDS >= t->words.count || confidence < MARGIN_CONFIDENCE))
        return false;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (end + rules[i].margin <= heard && since + rules[i].unchanged <= heard &&
            confidence >= rules[i].confidence)
            return true;
    return false;
}

/* Takes words in order, up to the first that has to wait. */
static void commit(struct partial_text *p, const struct transcript *t, double start)
{
    uint32_t agreed = count_agreed(p, &t->search);
    for (size_t i = 0; i < t->words.count; i++) {
        uint32_t end = t->words.ends[i];
        if (end <= p->committed)
            continue;
        if (end > agreed || !ended_before(p, end) || !is_settled(p, t, i, start))
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
    double *since = realloc(p->since, room * sizeof(*since));
    p->since = since ? since : p->since;
    float *confidence = realloc(p->confidence, room * sizeof(*confidence));
    p->confidence = confidence ? confidence : p->confidence;
    if (!tokens || !since || !confidence)
        return -ENOMEM;
    p->room = (uint32_t)room;
    return 0;
}

static int remember(struct partial_text *p, const struct transcript *t)
{
    uint32_t agreed = count_agreed(p, &t->search), count = t->search.count;
    int result = reserve(p, count);
    if (result < 0)
        return result;
    for (uint32_t i = agreed; i < count; i++) {
        p->tokens[i] = t->search.tokens[i];
        p->since[i] = t->heard_seconds;
    }
    p->count = count;
    for (size_t i = 0, token = 0; i < t->words.count; i++)
        while (token < t->words.ends[i])
            p->confidence[token++] = t->words.words[i].confidence;
    return 0;
}

/* ---- Looking ---- */

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

/* Looks that are not believed take nothing back for a while: in the middle of a word the next one
 * is often better, and text that comes and goes is worse than text that waits. */
static bool wait_for_another(struct partial_text *p, const struct transcript *t)
{
    if (!t->dropped) {
        p->believed = t->heard_seconds;
        return false;
    }
    return p->count > p->committed && t->heard_seconds - p->believed < DOUBT_SECONDS;
}

int partial_text_update(struct partial_text *partial, const float *samples, size_t count,
                        double start, struct transcript *transcript)
{
    const struct beam_draft draft = {partial->tokens, partial->count, partial->committed};
    int result = recognizer_recognise_partial(partial->recognizer, samples, count, start, &draft,
                                              transcript);
    if (result != 0)
        return result < 0 ? result : PARTIAL_UNCHANGED;
    if (wait_for_another(partial, transcript)) {
        transcript_finish(transcript);
        return PARTIAL_REJECTED;
    }
    commit(partial, transcript, start);
    result = remember(partial, transcript);
    if (result == 0)
        result = mark_committed(partial, transcript);
    if (result < 0)
        transcript_finish(transcript);
    return result;
}
