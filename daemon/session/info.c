// SPDX-License-Identifier: MIT
#include "daemon/session/info.h"

#include "daemon/common/json_text.h"
#include "daemon/common/resident_memory.h"
#include "daemon/microphone/microphone_hub.h"

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static json_t *describe_model(const struct model_entry *entry)
{
    const struct model_facts *facts = &entry->facts;
    return json_pack(
        "{s:o, s:{s:o, s:o}, s:b, s:o, s:o, s:O}", "name", json_from_text(model_entry_name(entry)),
        "attribution", "name", json_from_text(text_or_empty(facts->author)), "url",
        json_from_text(text_or_empty(facts->url)), "installed", entry->file_status.st_ino != 0,
        "description", json_from_text(text_or_empty(facts->description)), "version",
        json_from_text(text_or_empty(facts->version)), "languages", facts->languages);
}

static const char *state_of(const struct model_entry *entry)
{
    if (!entry->model)
        return "not loaded";
    return entry->model->state == SERVED_LOADING ? "loading" : "loaded";
}

static json_t *describe_loading(const struct model_entry *entry)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "name", json_from_text(model_entry_name(entry)),
                     "file", json_from_text(entry->file), "state", state_of(entry), "backend",
                     entry->backend ? json_from_text(entry->backend) : json_null());
}

/* The default model comes first. */
static json_t *list_models(const struct catalogue *models,
                           json_t *(*describe)(const struct model_entry *entry))
{
    json_t *list = json_array();
    for (size_t i = 0; i < models->list.count; i++)
        if (json_array_append_new(list, describe(&models->list.entries[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Lists the other services as empty: some clients fail if they are missing. */
json_t *info_describe(const struct service *service)
{
    json_t *program =
        json_pack("{s:s, s:{s:s, s:s}, s:b, s:s, s:s, s:o, s:b, s:b, s:b, s:b}", "name",
                  PROGRAM_NAME, "attribution", "name", "hearken", "url", "", "installed", 1,
                  "description", "offline speech recognition", "version", hearken_version(),
                  "models", list_models(&service->models, describe_model),
                  "supports_transcript_streaming", 1, "requires_external_vad", 1,
                  "prefers_auto_gain_enabled", 1, "prefers_noise_reduction_enabled", 0);
    return json_pack("{s:[o], s:[], s:[], s:[], s:[], s:[], s:[]}", "asr", program, "tts", "handle",
                     "intent", "wake", "mic", "snd");
}

json_t *info_status(const struct service *service)
{
    const struct request_totals *totals = &service->totals;
    const struct work_load load = workers_load(service->workers);
    double factor = totals->audio_seconds > 0 ? totals->busy_seconds / totals->audio_seconds : 0;
    const char *device = microphone_hub_device(service->hub);
    const struct model_entry *default_model = catalogue_find(&service->models, "");
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:f, s:i, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:f, s:f, s:f, "
        "s:I, s:i, s:o, s:o, s:O?, s:O?}",
        "version", hearken_version(), "model", json_from_text(model_entry_name(default_model)),
        "model_file", json_from_text(default_model->file), "backend",
        default_model->backend ? json_from_text(default_model->backend) : json_null(),
        "uptime_seconds", (double)(uv_hrtime() - service->started) * 1e-9, "connections",
        (int)service->connections, "requests", (json_int_t)totals->finished, "requests_failed",
        (json_int_t)totals->failed, "requests_abandoned", (json_int_t)totals->abandoned,
        "requests_running", (json_int_t)totals->running, "workers",
        (int)workers_count(service->workers), "workers_busy", (int)load.busy, "live_workers_busy",
        (int)load.urgent_busy, "queued", (int)load.waiting, "audio_seconds", totals->audio_seconds,
        "recognition_seconds", totals->busy_seconds, "real_time_factor", factor, "memory_bytes",
        (json_int_t)resident_memory(), "listeners", (int)microphone_hub_subscribers(service->hub),
        "microphone", device ? json_from_text(device) : json_null(), "models",
        list_models(&service->models, describe_loading), "http", service->http_addresses, "wyoming",
        service->wyoming_addresses);
}
