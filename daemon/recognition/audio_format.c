// SPDX-License-Identifier: MIT
#include "daemon/recognition/audio_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* A whole number of the event's data; `fallback` (0: none) where it is absent. */
static int read_number(const struct wyoming_event *event, const char *key, uint32_t minimum,
                       uint32_t maximum, uint32_t fallback, uint32_t *number,
                       struct hearken_error *error)
{
    const json_t *value = json_object_get(event->data, key);
    if ((!value || json_is_null(value)) && fallback > 0) {
        *number = fallback;
        return 0;
    }
    json_int_t given = json_is_integer(value) ? json_integer_value(value) : -1;
    if (given >= (json_int_t)minimum && given <= (json_int_t)maximum) {
        *number = (uint32_t)given;
        return 0;
    }
    if (json_is_integer(value))
        snprintf(error->message, sizeof(error->message),
                 "%s: %s: got %" JSON_INTEGER_FORMAT ", expected a whole number from %" PRIu32
                 " to %" PRIu32,
                 event->type, key, json_integer_value(value), minimum, maximum);
    else
        snprintf(error->message, sizeof(error->message),
                 "%s: %s: expected a whole number from %" PRIu32 " to %" PRIu32, event->type, key,
                 minimum, maximum);
    return -EINVAL;
}

static const enum hearken_sample_type types_of_width[] = {
    [1] = HEARKEN_SAMPLE_U8,
    [2] = HEARKEN_SAMPLE_S16,
    [3] = HEARKEN_SAMPLE_S24,
    [4] = HEARKEN_SAMPLE_S32,
};

uint32_t audio_format_width(enum hearken_sample_type type)
{
    uint32_t width = 1;
    while (width < 4 && types_of_width[width] != type)
        width++;
    return width;
}

int audio_format_read(const struct wyoming_event *event, const struct hearken_audio_format *known,
                      struct hearken_audio_format *format, struct hearken_error *error)
{
    uint32_t width = 0;
    int result = read_number(event, "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX,
                             known ? known->rate : 0, &format->rate, error);
    if (result == 0)
        result = read_number(event, "width", 1, 4, known ? audio_format_width(known->type) : 0,
                             &width, error);
    if (result == 0)
        result = read_number(event, "channels", 1, HEARKEN_CHANNELS_MAX,
                             known ? known->channels : 0, &format->channels, error);
    if (result == 0)
        format->type = types_of_width[width];
    return result;
}
