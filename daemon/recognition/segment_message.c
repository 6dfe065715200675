// SPDX-License-Identifier: MIT
#include "daemon/recognition/segment_message.h"

#include "daemon/common/json_text.h"
#include "daemon/common/wyoming.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Rounds to 1 / scale: further digits would be noise. */
static json_t *rounded(double value, double scale)
{
    return isfinite(value) ? json_real(round(value * scale) / scale) : json_real(0);
}

/* json_object_set_new that accumulates failures in `status`. */
static void put(json_t *object, const char *key, json_t *value, int *status)
{
    *status |= json_object_set_new(object, key, value);
}

static int put_span(json_t *object, const char *text, double start, double end, float confidence)
{
    int result = 0;
    put(object, "text", json_from_text(text), &result);
    put(object, "start", rounded(start, 1e3), &result);
    put(object, "end", rounded(end, 1e3), &result);
    put(object, "confidence", rounded(confidence, 1e4), &result);
    return result;
}

static int put_words(json_t *data, const struct hearken_event *event, double origin)
{
    json_t *words = json_array();
    int result = 0;
    for (size_t i = 0; i < event->word_count; i++) {
        const struct hearken_word *word = &event->words[i];
        json_t *item = json_object();
        result |=
            put_span(item, word->text, origin + word->start, origin + word->end, word->confidence);
        result |= json_array_append_new(words, item);
    }
    put(data, "words", words, &result);
    put(data, "committed_words", json_integer((json_int_t)event->committed_words), &result);
    put(data, "no_speech_probability", rounded(event->no_speech_probability, 1e4), &result);
    return result;
}

static int copy_weights(struct segment_message *segment, const struct hearken_alignment *alignment)
{
    size_t count = (size_t)alignment->tokens * alignment->steps;
    segment->weights = malloc(count * sizeof(float));
    if (!segment->weights)
        return -1;
    segment->weights_length = count * sizeof(float);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &alignment->weights[i], sizeof(bits));
        bits = htole32(bits);
        memcpy(segment->weights + i * sizeof(bits), &bits, sizeof(bits));
    }
    return 0;
}

static json_t *describe_alignment(const struct hearken_alignment *alignment, double origin)
{
    json_t *texts = json_array();
    int result = 0;
    for (uint32_t i = 0; i < alignment->tokens; i++)
        result |= json_array_append_new(texts, json_from_text(alignment->texts[i]));
    json_t *item = json_object();
    put(item, "tokens", json_integer(alignment->tokens), &result);
    put(item, "steps", json_integer(alignment->steps), &result);
    put(item, "start", rounded(origin + alignment->start, 1e3), &result);
    put(item, "step_seconds", rounded(alignment->step_seconds, 1e6), &result);
    put(item, "texts", texts, &result);
    if (result == 0)
        return item;
    json_decref(item);
    return NULL;
}

/* null if the payload would exceed the limit of a peer (wyoming_limits_default). */
static int put_alignment(struct segment_message *segment, const struct hearken_alignment *alignment,
                         double origin)
{
    size_t limit = wyoming_limits_default.payload / sizeof(float);
    int result = 0;
    if (alignment->tokens == 0 || alignment->steps == 0 ||
        alignment->steps > limit / alignment->tokens) {
        put(segment->data, "alignment", json_null(), &result);
        return result;
    }
    put(segment->data, "alignment", describe_alignment(alignment, origin), &result);
    return result < 0 ? result : copy_weights(segment, alignment);
}

/* Wyoming's timestamps are milliseconds. */
static int init_voice(struct segment_message *segment, const char *name, double time,
                      uint32_t channel)
{
    *segment = (struct segment_message){
        .event = name,
        .voice = true,
        .start = time,
        .data = json_pack("{s:I}", "timestamp", (json_int_t)llround(time * 1000)),
    };
    int result = segment->data ? 0 : -1;
    if (channel > 0)
        put(segment->data, "channel", json_integer(channel), &result);
    if (result == 0)
        return 0;
    segment_message_finish(segment);
    return -ENOMEM;
}

int segment_message_init(struct segment_message *segment, const struct hearken_event *event,
                         bool words, double origin)
{
    double start = origin + event->start;
    if (event->type == HEARKEN_EVENT_VOICE_STARTED)
        return init_voice(segment, "voice-started", start, event->channel);
    if (event->type == HEARKEN_EVENT_VOICE_STOPPED)
        return init_voice(segment, "voice-stopped", start, event->channel);
    *segment = (struct segment_message){
        .event = "hearken-segment",
        .final = event->type == HEARKEN_EVENT_FINAL,
        .start = start,
        .data = json_object(),
    };
    int result = 0;
    put(segment->data, "type", json_string(segment->final ? "final" : "partial"), &result);
    result |= put_span(segment->data, event->text, start, origin + event->end, event->confidence);
    put(segment->data, "committed", json_integer((json_int_t)event->committed), &result);
    if (event->channel > 0)
        put(segment->data, "channel", json_integer(event->channel), &result);
    if (event->language_probability > 0) {
        put(segment->data, "language", json_from_text(event->language), &result);
        put(segment->data, "language_probability", rounded(event->language_probability, 1e4),
            &result);
    }
    if (words && result == 0)
        result = put_words(segment->data, event, origin);
    if (event->alignment && result == 0)
        result = put_alignment(segment, event->alignment, origin);
    if (result == 0)
        return 0;
    segment_message_finish(segment);
    return -ENOMEM;
}

void segment_message_finish(struct segment_message *segment)
{
    json_decref(segment->data);
    free(segment->weights);
    *segment = (struct segment_message){0};
}

json_t *segment_message_alignment(const struct segment_message *segment)
{
    json_t *described = json_object_get(segment->data, "alignment");
    if (!json_is_object(described) || !segment->weights)
        return json_incref(described);
    size_t size =
        sodium_base64_encoded_len(segment->weights_length, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(size);
    json_t *alignment = text ? json_copy(described) : NULL;
    if (alignment) {
        sodium_bin2base64(text, size, segment->weights, segment->weights_length,
                          sodium_base64_VARIANT_ORIGINAL);
        if (json_object_set_new(alignment, "weights", json_string(text)) < 0) {
            json_decref(alignment);
            alignment = NULL;
        }
    }
    free(text);
    return alignment;
}
