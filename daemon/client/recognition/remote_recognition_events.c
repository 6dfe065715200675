// SPDX-License-Identifier: MIT
#include "daemon/client/program/peer_json.h"
#include "daemon/client/recognition/remote_recognition.h"
#include "daemon/common/wyoming.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_words(struct transcript_segment *segment, const json_t *words)
{
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        int result = transcript_segment_add_word(
            segment, peer_string(word, "text"), peer_seconds(word, "start"),
            peer_seconds(word, "end"), peer_seconds(word, "confidence"));
        if (result < 0)
            return result;
    }
    return 0;
}

static int no_memory(struct hearken_error *error)
{
    snprintf(error->message, sizeof(error->message), "%s", strerror(ENOMEM));
    return -ENOMEM;
}

/* The texts of an alignment's tokens; "" for what is no text. To be freed; NULL: no memory. */
static const char **token_texts(const json_t *alignment, size_t tokens)
{
    const json_t *texts = json_object_get(alignment, "texts");
    const char **found = calloc(tokens + 1, sizeof(*found));
    for (size_t i = 0; found && i < tokens; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        found[i] = text ? text : "";
    }
    return found;
}

/* The payload's little endian numbers; aligned, which a payload need not be. */
static float *copy_weights(const uint8_t *payload, size_t count)
{
    float *weights = malloc((count + 1) * sizeof(*weights));
    for (size_t i = 0; weights && i < count; i++) {
        const uint8_t *at = payload + 4 * i;
        uint32_t bits =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        memcpy(&weights[i], &bits, sizeof(bits));
    }
    return weights;
}

/* Tells of a segment, with its alignment if there is a whole one. */
static int tell_aligned(struct recognition *recognition, struct transcript_segment *segment,
                        const struct wyoming_event *event)
{
    const json_t *data = json_object_get(event->data, "alignment");
    size_t count = event->payload_length / 4;
    size_t tokens = peer_count(data, "tokens", UINT32_MAX);
    size_t steps = peer_count(data, "steps", UINT32_MAX);
    if (tokens == 0 || steps == 0 || tokens > count || steps > count || tokens * steps != count)
        return recognition_tell(recognition, segment, NULL);
    const char **texts = token_texts(data, tokens);
    float *weights = copy_weights(event->payload, count);
    struct hearken_alignment alignment = {
        .tokens = (uint32_t)tokens,
        .steps = (uint32_t)steps,
        .start = peer_seconds(data, "start"),
        .step_seconds = peer_seconds(data, "step_seconds"),
        .texts = texts,
        .weights = weights,
    };
    int result = texts && weights ? recognition_tell(recognition, segment, &alignment) : -ENOMEM;
    free(weights);
    free(texts);
    return result;
}

static int tell_segment(struct recognition *recognition, struct transcript_segment *segment,
                        const struct wyoming_event *event)
{
    const json_t *data = event->data;
    transcript_segment_time(segment, peer_seconds(data, "start"), peer_seconds(data, "end"),
                            peer_seconds(data, "confidence"));
    if (transcript_segment_language(segment, peer_string(data, "language"),
                                    peer_seconds(data, "language_probability")) < 0 ||
        add_words(segment, json_object_get(data, "words")) < 0)
        return -ENOMEM;
    return tell_aligned(recognition, segment, event);
}

static int take_segment(struct recognition *recognition, const struct wyoming_event *event,
                        struct hearken_error *error)
{
    if (strcmp(peer_string(event->data, "type"), "final") != 0)
        return 0;
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment =
        transcript_add(&transcript, peer_string(event->data, "text"));
    int result = segment ? tell_segment(recognition, segment, event) : -ENOMEM;
    transcript_finish(&transcript);
    return result == -ENOMEM ? no_memory(error) : result;
}

/* A server without our extension has said nothing yet: its text is one segment without times. */
static int take_transcript(struct recognition *recognition, const json_t *data,
                           struct hearken_error *error)
{
    const char *text = peer_string(data, "text");
    text += strspn(text, " ");
    if (recognition->heard || !*text)
        return 1;
    struct transcript transcript;
    transcript_init(&transcript);
    struct transcript_segment *segment = transcript_add(&transcript, text);
    int result = segment ? recognition_tell(recognition, segment, NULL) : -ENOMEM;
    transcript_finish(&transcript);
    if (result == -ENOMEM)
        return no_memory(error);
    return result < 0 ? result : 1;
}

static int take_error(const json_t *data, struct hearken_error *error)
{
    const char *text = peer_string(data, "text"), *code = peer_string(data, "code");
    snprintf(error->message, sizeof(error->message), "the daemon says: %s%s%s%s",
             *text ? text : "error", *code ? " (" : "", code, *code ? ")" : "");
    return -EPROTO;
}

int remote_event(struct recognition *recognition, const struct wyoming_event *event,
                 struct hearken_error *error)
{
    if (strcmp(event->type, "hearken-segment") == 0)
        return take_segment(recognition, event, error);
    if (strcmp(event->type, "transcript") == 0)
        return take_transcript(recognition, event->data, error);
    if (strcmp(event->type, "error") == 0)
        return take_error(event->data, error);
    return 0;
}
