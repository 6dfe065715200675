// SPDX-License-Identifier: MIT
#include "daemon/client/batch/item_work.h"

#include "daemon/client/output/output.h"
#include "daemon/common/json_text.h"
#include "daemon/common/peer_value.h"
#include "daemon/common/source_channels.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DERIVED_ID 32 /* hexadecimal digits */

#define MICROSECOND 1000 /* nanoseconds */

const char *const failure_class_names[] = {
    [FAILURE_NONE] = "none",         [FAILURE_UNREADABLE] = "unreadable",
    [FAILURE_NO_AUDIO] = "no audio", [FAILURE_TOO_LONG] = "too long",
    [FAILURE_OPTIONS] = "options",   [FAILURE_CRASH] = "crash",
    [FAILURE_MISMATCH] = "mismatch", [FAILURE_IO] = "io",
    [FAILURE_MEMORY] = "memory",     [FAILURE_STORE] = "store",
};

/* An item at work. */
struct work {
    const struct item_setup *setup;
    const struct manifest_item *item;
    struct stream_settings settings;
    struct fetched fetched;
    json_t *header; /* what the result is known by */
    struct recognition recognition;
    struct transcript transcript;
    double border;       /* a time between segments, of which all before it are there */
    size_t border_count; /* how many these are */
    double saved;        /* the border of the last resume point */
    json_t *warnings;    /* about the recording; NULL: none */
    struct hearken_error error;
};

static int fail_memory(struct hearken_error *error)
{
    return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
}

/* ---- What an item is known by ---- */

int item_settings(const struct item_setup *setup, const struct manifest_item *item,
                  struct stream_settings *settings, struct hearken_error *error)
{
    struct hearken_error problem;
    struct hearken_stream_options options;
    if (stream_settings_copy(&setup->settings, settings) < 0)
        return fail_memory(error);
    int result = item->options ? stream_settings_add_json(settings, item->options, &problem) : 0;
    if (result < 0)
        return hearken_fail(error, result, "options: %s", problem.message);
    hearken_stream_options_init(&options);
    stream_settings_apply(settings, &options);
    if (options.partial_seconds > 0)
        return hearken_fail(error, -EINVAL, "partial_seconds: expected 0, as nobody waits");
    return 0;
}

/* The settings as an object; NULL: no memory. */
static json_t *settings_object(const struct stream_settings *settings)
{
    json_t *request = json_pack("{s:{}}", "hearken"), *object = NULL;
    if (request && stream_settings_describe(settings, request) == 0)
        object = json_incref(json_object_get(request, "hearken"));
    json_decref(request);
    return object;
}

static void hash_item(const struct item_setup *setup, const struct manifest_item *item,
                      const char *options, char sha256[SHA256_TEXT])
{
    crypto_hash_sha256_state state;
    unsigned char sum[crypto_hash_sha256_BYTES];
    const char *const parts[] = {item->url, setup->model_sha256, options};
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) /* each with its 0 */
        crypto_hash_sha256_update(&state, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
    crypto_hash_sha256_final(&state, sum);
    sodium_bin2hex(sha256, SHA256_TEXT, sum, sizeof(sum));
}

int item_name(const struct item_setup *setup, struct manifest_item *item,
              struct hearken_error *error)
{
    struct stream_settings settings;
    char sha256[SHA256_TEXT];
    int result = item_settings(setup, item, &settings, error);
    if (result == 0 && !item->id) {
        json_t *object = settings_object(&settings);
        char *options = object ? json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
        if (options) {
            hash_item(setup, item, options, sha256);
            item->id = strndup(sha256, DERIVED_ID);
        }
        if (!item->id)
            result = fail_memory(error);
        free(options);
        json_decref(object);
    }
    stream_settings_finish(&settings);
    return result;
}

static json_t *recording_identity(const struct manifest_item *item,
                                  const struct fetch_identity *identity)
{
    const char *sha256 = identity->sha256[0] ? identity->sha256 : item->sha256;
    uint64_t bytes = identity->bytes > 0 ? identity->bytes : item->bytes;
    json_t *object = json_pack("{s:I}", "bytes", (json_int_t)bytes);
    int result = object ? 0 : -1;
    if (result == 0 && *sha256)
        result = json_object_set_new(object, "sha256", json_string(sha256));
    if (result == 0 && identity->modified)
        result = json_object_set_new(object, "modified_us",
                                     json_integer(identity->modified / MICROSECOND));
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* NULL: no memory. */
static json_t *make_header(const struct item_setup *setup, const struct manifest_item *item,
                           const struct stream_settings *settings,
                           const struct fetch_identity *identity)
{
    const char *slash = strrchr(setup->model_file, '/');
    return json_pack("{s:s, s:o, s:o, s:{s:o, s:s}, s:o, s:s}", "id", item->id, "url",
                     json_from_text(item->url), "recording", recording_identity(item, identity),
                     "model", "file", json_from_text(slash ? slash + 1 : setup->model_file),
                     "sha256", setup->model_sha256, "options", settings_object(settings), "hearken",
                     hearken_version());
}

/* ---- Whether an earlier run has done it ---- */

/* Whether a recording that was done is the one that is there now. Its bytes are read only where it
 * cannot be told otherwise. */
static bool is_same_recording(const struct item_setup *setup, const struct manifest_item *item,
                              const json_t *header)
{
    const json_t *recording = json_object_get(header, "recording");
    const char *sha256 = peer_string(recording, "sha256");
    json_int_t bytes = json_integer_value(json_object_get(recording, "bytes"));
    bool same_url = strcmp(peer_string(header, "url"), item->url) == 0;
    struct fetch_identity now;
    struct fetched fetched;
    if (item->sha256[0])
        return strcmp(sha256, item->sha256) == 0;
    if (setup->fetch->words[0])
        return same_url && (item->bytes == 0 || (json_int_t)item->bytes == bytes);
    if (fetch_look(setup->fetch, item, &now, NULL) < 0)
        return same_url; /* gone: there is nothing that would give another result */
    if ((json_int_t)now.bytes != bytes)
        return false;
    if (same_url &&
        now.modified / MICROSECOND == json_integer_value(json_object_get(recording, "modified_us")))
        return true;
    bool same = *sha256 && fetch_open(setup->fetch, item, setup->interrupt, &fetched, NULL) == 0;
    if (same) {
        same = strcmp(fetched.identity.sha256, sha256) == 0;
        fetch_close(&fetched);
    }
    return same;
}

static bool matches(const struct item_setup *setup, const struct manifest_item *item,
                    const json_t *header)
{
    const json_t *model = json_object_get(header, "model");
    struct stream_settings settings;
    if (strcmp(peer_string(model, "sha256"), setup->model_sha256) != 0)
        return false;
    bool same = false;
    if (item_settings(setup, item, &settings, NULL) == 0) {
        json_t *options = settings_object(&settings);
        same = options && json_equal(options, json_object_get(header, "options"));
        json_decref(options);
    }
    stream_settings_finish(&settings);
    return same && is_same_recording(setup, item, header);
}

bool item_is_done(const struct item_setup *setup, const struct manifest_item *item,
                  struct item_outcome *outcome)
{
    static const struct {
        enum store_folder folder;
        enum item_state state;
    } places[] = {{STORE_RESULTS, ITEM_PUBLISHED}, {STORE_FAILED, ITEM_FAILED}};
    char name[STORE_NAME];
    result_store_name(item->id, name);
    *outcome = (struct item_outcome){.state = ITEM_LEFT};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        json_t *found = result_store_read(setup->store, places[i].folder, name);
        if (found && matches(setup, item, json_object_get(found, "batch"))) {
            outcome->state = places[i].state;
            outcome->before = true;
            outcome->seconds =
                places[i].state == ITEM_PUBLISHED ? peer_seconds(found, "seconds") : 0;
        }
        json_decref(found);
        if (outcome->state != ITEM_LEFT)
            return true;
    }
    return false;
}

/* ---- Failures ---- */

/* Why the library could not read a recording: it says so in words alone. */
static enum failure_class class_of_words(const char *message)
{
    static const struct {
        const char *words;
        enum failure_class class;
    } known[] = {
        {"the decoder died", FAILURE_CRASH},
        {"the decoder hangs", FAILURE_CRASH},
        {"decoding it takes too long", FAILURE_CRASH},
        {"it has no audio track", FAILURE_NO_AUDIO},
        {"is empty", FAILURE_NO_AUDIO},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(message, known[i].words))
            return known[i].class;
    return FAILURE_UNREADABLE;
}

/* Of an error while the recording was got or read. */
static enum failure_class class_of_reading(int result, const char *message)
{
    switch (result) {
    case -EINVAL:
        return class_of_words(message);
    case -EFBIG:
        return FAILURE_TOO_LONG;
    case -EISDIR:
        return FAILURE_UNREADABLE;
    case -EBADMSG:
        return FAILURE_MISMATCH;
    case -ENOMEM:
        return FAILURE_MEMORY;
    default:
        return FAILURE_IO;
    }
}

/* Publishes why there is no result. */
static void give_up(struct work *work, struct item_outcome *outcome, enum failure_class class)
{
    const struct result_store *store = work->setup->store;
    const struct manifest_item *item = work->item;
    struct fetch_identity identity = work->fetched.identity;
    struct item_outcome published;
    if (item_is_done(work->setup, item, &published) && published.state == ITEM_PUBLISHED) {
        *outcome = published; /* by another process, meanwhile */
        attempts_forget(store, item->id);
        return;
    }
    char name[STORE_NAME];
    result_store_name(item->id, name);
    if (identity.bytes == 0 && fetch_look(work->setup->fetch, item, &identity, NULL) < 0)
        identity = (struct fetch_identity){0};
    json_t *object =
        json_pack("{s:s, s:o, s:o}", "class", failure_class_names[class], "reason",
                  json_from_text(outcome->error.message), "batch",
                  work->header ? json_incref(work->header)
                               : make_header(work->setup, item, &work->settings, &identity));
    struct hearken_error error;
    if (result_store_write_json(store, STORE_FAILED, name, object, &error) < 0) {
        *outcome = (struct item_outcome){ITEM_ENDED, FAILURE_STORE, false, 0, error};
        return;
    }
    outcome->state = ITEM_FAILED;
    outcome->class = class;
    if (class != FAILURE_IO && class != FAILURE_MEMORY)
        result_store_remove(store, STORE_RESULTS, name); /* of another recording or model */
    result_store_remove(store, STORE_PARTIAL, name);
    attempts_forget(store, item->id);
}

/* What passes may be tried again: in this run, if this was not the last time, and then in others.
 */
static void settle_failure(struct work *work, bool last, struct item_outcome *outcome)
{
    const struct result_store *store = work->setup->store;
    enum failure_class class = outcome->class;
    bool passes = class == FAILURE_IO || class == FAILURE_MEMORY;
    outcome->state = ITEM_FAULT;
    if (!passes && class != FAILURE_CRASH && class != FAILURE_MISMATCH) {
        give_up(work, outcome, class);
    } else if (!last) {
        attempts_end(store, work->item->id, NULL);
    } else if (!passes || attempts_read(store, work->item->id).faults + 1 >= ATTEMPTS_MAX) {
        give_up(work, outcome, class);
    } else {
        attempts_end(store, work->item->id, failure_class_names[class]);
    }
}

/* ---- Resume points ---- */

static int save(const struct work *work)
{
    struct hearken_error error;
    const struct transcript before = {.segment_count = work->border_count,
                                      .segments = work->transcript.segments};
    char name[STORE_NAME];
    result_store_name(work->item->id, name);
    if (work->border <= work->saved)
        return 0;
    json_t *object = json_pack("{s:O, s:I, s:o}", "batch", work->header, "samples",
                               (json_int_t)llround(work->border * HEARKEN_RATE), "segments",
                               json_segments(&before));
    return result_store_write_json(work->setup->store, STORE_PARTIAL, name, object, &error);
}

static int read_segments(const json_t *list, struct transcript *transcript)
{
    int result = json_is_array(list) ? 0 : -EINVAL;
    for (size_t i = 0; i < json_array_size(list) && result == 0; i++) {
        const json_t *object = json_array_get(list, i);
        struct transcript_segment *segment =
            transcript_add(transcript, peer_string(object, "text"));
        result = segment ? transcript_segment_read_json(segment, object, 0) : -ENOMEM;
    }
    return result;
}

/* Takes over what an earlier run has left of the same recording. */
static void load(struct work *work)
{
    char name[STORE_NAME];
    result_store_name(work->item->id, name);
    json_t *object = result_store_read(work->setup->store, STORE_PARTIAL, name);
    json_int_t samples = json_integer_value(json_object_get(object, "samples"));
    if (samples > 0 && (double)samples < work->setup->longest * HEARKEN_RATE &&
        json_equal(json_object_get(object, "batch"), work->header) &&
        read_segments(json_object_get(object, "segments"), &work->transcript) == 0) {
        work->border = work->saved = (double)samples / HEARKEN_RATE;
        work->border_count = work->transcript.segment_count;
    } else {
        transcript_finish(&work->transcript);
    }
    json_decref(object);
    work->recognition.resume = work->border;
}

/* ---- The work ---- */

static int on_segment(void *context, struct transcript_segment *segment)
{
    struct work *work = context;
    int result = transcript_move_segment(&work->transcript, segment);
    if (result == 0)
        transcript_sort_last(&work->transcript);
    else
        fail_memory(&work->error);
    return result;
}

static void on_progress(void *context, double seconds)
{
    struct work *work = context;
    work->transcript.seconds = seconds;
}

static int check_length(struct work *work, double seconds)
{
    if (seconds <= work->setup->longest)
        return 0;
    return hearken_fail(&work->error, -EFBIG, "%.300s: longer than %g seconds, the limit",
                        work->item->url, work->setup->longest);
}

/* An attempt that has come further than those before it is the first of the rest. */
static void begin_anew(const struct work *work)
{
    attempts_end(work->setup->store, work->item->id, NULL);
    attempts_begin(work->setup->store, work->item->id, NULL);
}

static int on_border(void *context, double border)
{
    struct work *work = context;
    int result = check_length(work, work->transcript.seconds);
    if (result < 0 || border <= work->border)
        return result;
    work->border = border;
    work->border_count = work->transcript.segment_count;
    if (border - work->saved < work->setup->keep)
        return 0;
    if (save(work) == 0)
        begin_anew(work);
    work->saved = border; /* without a resume point it goes on all the same */
    return 0;
}

/* Returns whether sound is missing. */
static bool collect_warnings(struct work *work, bool *crashed)
{
    struct hearken_source_warning warning;
    bool lossy = false;
    *crashed = false;
    for (size_t i = 0; hearken_source_warning(work->recognition.source, i, &warning); i++) {
        if (!work->warnings)
            work->warnings = json_array();
        json_array_append_new(work->warnings, json_from_text(warning.message));
        lossy = lossy || warning.lossy;
        *crashed = *crashed || class_of_words(warning.message) == FAILURE_CRASH;
        if (warning.lossy)
            hearken_fail(&work->error, 0, "%s", warning.message);
    }
    return lossy;
}

/* Of a recording that was read to its end. */
static enum failure_class judge(struct work *work)
{
    bool crashed, lossy = collect_warnings(work, &crashed);
    if (crashed)
        return FAILURE_CRASH;
    if (lossy && work->transcript.segment_count == 0)
        return FAILURE_UNREADABLE;
    if (work->transcript.seconds > 0)
        return FAILURE_NONE;
    hearken_fail(&work->error, 0, "%.300s: has no sound in it", work->item->url);
    return FAILURE_NO_AUDIO;
}

/* With the source open. -ECANCELED: stopped. */
static int recognise(struct work *work, enum failure_class *class)
{
    const struct item_setup *setup = work->setup;
    struct recognition *recognition = &work->recognition;
    int result = check_length(work, hearken_source_duration(recognition->source));
    *class = FAILURE_TOO_LONG;
    if (result < 0)
        return result;
    result =
        source_channels_separate(recognition->source, stream_settings_channels(&work->settings),
                                 &recognition->channels, &work->error);
    *class = FAILURE_OPTIONS;
    if (result < 0)
        return result;
    load(work);
    result = local_recognise(setup->local, &work->settings, recognition, &work->error);
    if (result == -EINVAL)
        return result;
    *class = result == 0 ? judge(work) : class_of_reading(result, work->error.message);
    return result == 0 && *class != FAILURE_NONE ? -EIO : result;
}

static int open_and_recognise(struct work *work, enum failure_class *class)
{
    const struct item_setup *setup = work->setup;
    int result =
        fetch_open(setup->fetch, work->item, setup->interrupt, &work->fetched, &work->error);
    if (result == 0) {
        work->header = make_header(setup, work->item, &work->settings, &work->fetched.identity);
        result = work->header ? 0 : fail_memory(&work->error);
    }
    if (result == 0)
        result = fetch_open_source(&work->fetched, work->item->url, &setup->source,
                                   &work->recognition.source, &work->error);
    if (result < 0) {
        *class = class_of_reading(result, work->error.message);
        return result;
    }
    result = recognise(work, class);
    hearken_source_destroy(work->recognition.source);
    return result;
}

static int publish(struct work *work)
{
    const struct result_store *store = work->setup->store;
    char name[STORE_NAME];
    result_store_name(work->item->id, name);
    json_t *object = json_transcript(work->item->url, &work->transcript, NULL);
    if (object && work->warnings && json_object_set(work->header, "warnings", work->warnings) < 0) {
        json_decref(object);
        object = NULL;
    }
    if (object && json_object_set(object, "batch", work->header) < 0) {
        json_decref(object);
        object = NULL;
    }
    int result = result_store_write_json(store, STORE_RESULTS, name, object, &work->error);
    if (result < 0)
        return result;
    result_store_remove(store, STORE_FAILED, name);
    result_store_remove(store, STORE_PARTIAL, name);
    attempts_forget(store, work->item->id);
    return 0;
}

static void attempt(struct work *work, bool last, struct item_outcome *outcome)
{
    enum failure_class class = FAILURE_NONE;
    int result = open_and_recognise(work, &class);
    if (result == -ECANCELED) {
        if (work->header)
            save(work);
        attempts_end(work->setup->store, work->item->id, NULL);
        return;
    }
    if (result == 0)
        result = publish(work);
    outcome->class = class;
    outcome->error = work->error;
    if (result == 0) {
        outcome->state = ITEM_PUBLISHED;
        outcome->seconds = work->transcript.seconds;
    } else if (class == FAILURE_NONE) {
        attempts_end(work->setup->store, work->item->id, NULL);
        outcome->state = ITEM_ENDED;
        outcome->class = FAILURE_STORE;
    } else {
        settle_failure(work, last, outcome);
    }
}

void item_do(const struct item_setup *setup, const struct manifest_item *item, bool last,
             struct item_outcome *outcome)
{
    struct work work = {
        .setup = setup,
        .item = item,
        .fetched = {.file = -1},
        .recognition = {.interrupt = setup->interrupt,
                        .segment = on_segment,
                        .progress = on_progress,
                        .border = on_border,
                        .context = &work},
    };
    *outcome = (struct item_outcome){.state = ITEM_LEFT};
    transcript_init(&work.transcript);
    int result = item_settings(setup, item, &work.settings, &outcome->error);
    unsigned unended = attempts_read(setup->store, item->id).unended;
    if (result == 0 && unended >= ATTEMPTS_MAX) {
        hearken_fail(&outcome->error, 0, "%.300s: %u starts without an end", item->url, unended);
        give_up(&work, outcome, FAILURE_CRASH);
    } else if (result == 0) {
        atomic_fetch_add(setup->begun, 1); /* before the journal can tell of it */
        result = attempts_begin(setup->store, item->id, &outcome->error);
        if (result == 0)
            attempt(&work, last, outcome);
    }
    if (result < 0)
        outcome->state = ITEM_ENDED;
    transcript_finish(&work.transcript);
    stream_settings_finish(&work.settings);
    json_decref(work.header);
    json_decref(work.warnings);
    fetch_close(&work.fetched);
}
