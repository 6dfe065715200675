// SPDX-License-Identifier: MIT
#include "daemon/client/live/live_output.h"

#include "daemon/client/live/live_event.h"
#include "daemon/client/output/output.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/common/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A microphone that gives only digital silence for this long is reported. */
#define SILENCE_SECONDS 3.0
#define SILENCE         0x1p-16f

const char *const live_format_names[] = {"text", "json", NULL};

void live_output_init(struct live_output *output)
{
    bool drawn = isatty(STDOUT_FILENO) && output->format == LIVE_FORMAT_TEXT;
    if (!setlocale(LC_CTYPE, "C.UTF-8")) /* for the width of characters */
        setlocale(LC_CTYPE, "");
    live_terminal_init(&output->terminal, drawn ? STDOUT_FILENO : STDERR_FILENO,
                       drawn || output->meter);
    output->on_terminal = drawn && output->terminal.enabled;
    output->silent_since = -1;
    *output->device = '\0';
}

void live_output_finish(struct live_output *output)
{
    live_terminal_finish(&output->terminal);
}

void live_output_resized(struct live_output *output)
{
    live_terminal_draw(&output->terminal);
}

void live_output_message(struct live_output *output, const char *line)
{
    if (output->quiet)
        return;
    live_terminal_clear(&output->terminal);
    message_error(NULL, line);
    live_terminal_draw(&output->terminal);
}

/* ---- Lines on standard output ---- */

static int fail_output(void)
{
    message_error("standard output", strerror(errno ? errno : EIO));
    return -EIO;
}

/* Flushes, so that a reader gets each line at once. */
static int end_line(struct live_output *output)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail_output();
    live_terminal_draw(&output->terminal);
    return 0;
}

static int print_text(struct live_output *output, const char *text)
{
    live_terminal_clear(&output->terminal);
    printf("%s\n", text);
    return end_line(output);
}

static int print_object(struct live_output *output, json_t *object)
{
    live_terminal_clear(&output->terminal);
    if (json_print_line(stdout, object) < 0) {
        errno = ENOMEM;
        return fail_output();
    }
    return end_line(output);
}

/* ---- JSON ---- */

static json_t *segment_object(const struct live_event *event)
{
    bool final = event->type == LIVE_FINAL;
    size_t length = strlen(event->segment->text);
    size_t committed = final || event->committed > length ? length : event->committed;
    char *sure = strndup(event->segment->text, committed);
    json_t *object = json_pack("{s:s, s:o}", "type", final ? "final" : "partial", "committed",
                               sure ? json_from_text(sure) : NULL);
    json_t *segment = json_segment(event->segment);
    if (!object || json_object_update(object, segment) < 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(segment);
    free(sure);
    return object;
}

static json_t *capture_object(const struct hearken_capture_event *event)
{
    static const char *const names[] = {"started", "lost", "fell-back", "returned", "overrun"};
    json_t *object = json_pack("{s:s, s:s, s:o, s:I, s:I}", "type", "capture", "event",
                               names[event->type], "device", json_from_text(event->device), "rate",
                               (json_int_t)event->rate, "channels", (json_int_t)event->channels);
    if (event->reason)
        json_object_set_new(object, "reason", json_from_text(event->reason));
    if (event->type == HEARKEN_CAPTURE_OVERRUN)
        json_object_set_new(object, "lost_seconds", json_rounded(event->lost_seconds));
    return object;
}

static json_t *event_object(const struct live_event *event)
{
    switch (event->type) {
    case LIVE_PARTIAL:
    case LIVE_FINAL:
        return segment_object(event);
    case LIVE_VOICE_STARTED:
    case LIVE_VOICE_STOPPED:
        return json_pack("{s:s, s:o}", "type",
                         event->type == LIVE_VOICE_STARTED ? "voice-started" : "voice-stopped",
                         "time", json_rounded(event->time));
    case LIVE_CAPTURE:
        return capture_object(event->capture);
    case LIVE_LEVEL:
        return json_pack("{s:s, s:o, s:f, s:f}", "type", "level", "time", json_rounded(event->time),
                         "rms", (double)event->level.rms, "peak", (double)event->level.peak);
    case LIVE_LISTENING:
        return json_pack("{s:s, s:b}", "type", "hearing", "hearing", event->listening);
    }
    return NULL;
}

/* ---- Text ---- */

static int handle_partial(struct live_output *output, const struct live_event *event)
{
    if (!output->on_terminal)
        return 0;
    int result = live_terminal_text(&output->terminal, event->segment->text, event->committed);
    live_terminal_draw(&output->terminal);
    return result;
}

static int type_text(struct live_output *output, const char *text)
{
    struct hearken_error error = {""};
    char *spaced;
    if (asprintf(&spaced, "%s ", text) < 0)
        return -ENOMEM;
    int result = typist_type(output->typist, spaced, &error);
    free(spaced);
    if (result < 0 && *error.message) {
        live_terminal_clear(&output->terminal);
        message_error(NULL, error.message);
    }
    return result;
}

static int handle_final(struct live_output *output, const struct live_event *event)
{
    live_terminal_text(&output->terminal, "", 0);
    int result = 0;
    if (output->format == LIVE_FORMAT_TEXT)
        result = print_text(output, event->segment->text);
    if (result == 0 && output->typist)
        result = type_text(output, event->segment->text);
    return result;
}

/* ---- The microphone ---- */

static void report_silence(struct live_output *output)
{
    char line[512];
    output->silence_reported = true;
    snprintf(
        line, sizeof(line),
        "no sound comes from %.200s: it may be muted, or the wrong microphone; hearken devices "
        "lists them; %s",
        *output->device ? output->device : "the microphone", output->advice);
    live_output_message(output, line);
}

/* Silence after a signal is not reported: the user may have muted the microphone. */
static void watch_silence(struct live_output *output, const struct live_event *event)
{
    output->had_signal |= event->level.peak >= SILENCE;
    if (output->had_signal || output->silence_reported)
        return;
    if (output->silent_since < 0)
        output->silent_since = event->time;
    else if (event->time - output->silent_since >= SILENCE_SECONDS)
        report_silence(output);
}

static void handle_level(struct live_output *output, const struct live_event *event)
{
    char line[METER_WIDTH + 32];
    watch_silence(output, event);
    if (!output->meter)
        return;
    meter_draw(&event->level, line, sizeof(line));
    live_terminal_status(&output->terminal, line);
    live_terminal_draw(&output->terminal);
}

static void name_device(const struct hearken_capture_event *event, const char *before, char *line,
                        size_t size)
{
    snprintf(line, size, "%s%s (%u Hz, %u channel%s)", before, event->device, (unsigned)event->rate,
             (unsigned)event->channels, event->channels == 1 ? "" : "s");
}

void capture_message(const struct hearken_capture_event *event, char *line, size_t size)
{
    switch (event->type) {
    case HEARKEN_CAPTURE_STARTED:
        name_device(event, "listening to ", line, size);
        return;
    case HEARKEN_CAPTURE_LOST:
        snprintf(line, size, "lost %s: %s", event->device, event->reason);
        return;
    case HEARKEN_CAPTURE_FELL_BACK:
        name_device(event, "listening to the default meanwhile, ", line, size);
        return;
    case HEARKEN_CAPTURE_RETURNED:
        name_device(event, "listening again to ", line, size);
        return;
    case HEARKEN_CAPTURE_OVERRUN:
        snprintf(line, size, "audio was lost %" PRIu64 " times so far, %.2f s of it unread",
                 event->overruns, event->lost_seconds);
        return;
    }
    snprintf(line, size, "event %d", (int)event->type);
}

static void handle_capture(struct live_output *output, const struct hearken_capture_event *event)
{
    char line[512];
    output->silent_since = -1;
    output->had_signal = output->silence_reported = false;
    snprintf(output->device, sizeof(output->device), "%s", event->device);
    capture_message(event, line, sizeof(line));
    live_output_message(output, line);
}

static void handle_listening(struct live_output *output, bool listening)
{
    output->silent_since = -1;
    live_terminal_status(&output->terminal, "");
    live_output_message(output, listening ? "listening" : "paused: hearken toggle resumes");
}

/* ---- Interface ---- */

int live_output_handle(void *context, const struct live_event *event)
{
    struct live_output *output = context;
    int result = 0;
    if (output->format == LIVE_FORMAT_JSON && (event->type != LIVE_LEVEL || output->meter))
        result = print_object(output, event_object(event));
    if (result < 0)
        return result;
    switch (event->type) {
    case LIVE_PARTIAL:
        return handle_partial(output, event);
    case LIVE_FINAL:
        return handle_final(output, event);
    case LIVE_CAPTURE:
        handle_capture(output, event->capture);
        return 0;
    case LIVE_LEVEL:
        handle_level(output, event);
        return 0;
    case LIVE_LISTENING:
        handle_listening(output, event->listening);
        return 0;
    case LIVE_VOICE_STARTED:
    case LIVE_VOICE_STOPPED:
        return 0;
    }
    return 0;
}
