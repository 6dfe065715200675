// SPDX-License-Identifier: MIT
#include "daemon/api/metrics_page.h"

#include "daemon/common/resident_memory.h"
#include "daemon/microphone/microphone_hub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static void head(FILE *page, const char *name, const char *type, const char *help)
{
    fprintf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *page, const char *name, const char *type, const char *help, double value)
{
    head(page, name, type, help);
    fprintf(page, "%s %.15g\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void label(FILE *page, const char *name, const char *value)
{
    fprintf(page, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', page);
        if (*value == '\n')
            fputs("\\n", page);
        else
            fputc(*value, page);
    }
    fputc('"', page);
}

static void histogram(FILE *page, const char *name, const char *help, const double *bounds,
                      const struct histogram *values)
{
    uint64_t count = 0;
    head(page, name, "histogram", help);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += values->counts[i];
        fprintf(page, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds[i], count);
    }
    count += values->counts[HISTOGRAM_BUCKETS];
    fprintf(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    fprintf(page, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name, values->sum, name, count);
}

/* ---- Requests ---- */

static void requests_total(FILE *page, const struct service *service)
{
    static const char *const protocols[] = {[REQUEST_WYOMING] = "wyoming",
                                            [REQUEST_HTTP] = "http",
                                            [REQUEST_REALTIME] = "realtime",
                                            [REQUEST_DEEPGRAM] = "deepgram",
                                            [REQUEST_VOSK] = "vosk"};
    static const char *const results[] = {
        [REQUEST_FINISHED] = "ok", [REQUEST_FAILED] = "failed", [REQUEST_ABANDONED] = "abandoned"};
    const struct request_totals *totals = &service->totals;
    const char *standard = model_entry_name(&service->models.list.entries[0]);
    head(page, "hearken_requests_total", "counter", "Requests that are over.");
    for (size_t i = 0; i < totals->model_count; i++)
        for (unsigned protocol = 0; protocol < REQUEST_PROTOCOLS; protocol++)
            for (unsigned result = 0; result < REQUEST_RESULTS; result++) {
                const struct model_totals *model = &totals->models[i];
                if (model->requests[protocol][result] == 0)
                    continue;
                fprintf(page, "hearken_requests_total{protocol=\"%s\",", protocols[protocol]);
                label(page, "model", *model->name ? model->name : standard);
                fprintf(page, ",result=\"%s\"} %" PRIu64 "\n", results[result],
                        model->requests[protocol][result]);
            }
}

static void requests(FILE *page, const struct service *service)
{
    const struct request_totals *totals = &service->totals;
    const struct work_load load = workers_load(service->workers);
    struct work_totals work = workers_totals(service->workers);
    requests_total(page, service);
    single(page, "hearken_requests_running", "gauge", "Requests that are received or recognised.",
           (double)totals->running + service->admitted);
    single(page, "hearken_requests_waiting", "gauge", "Requests whose audio waits for a worker.",
           load.waiting);
    single(page, "hearken_audio_seconds_total", "counter", "Sound that was recognised, in seconds.",
           work.sound);
    single(page, "hearken_recognition_seconds_total", "counter",
           "Time that workers spent on recognition, in seconds.", work.spent);
    histogram(page, "hearken_request_duration_seconds", "From a request to its result.",
              histogram_time_bounds, &totals->duration);
    histogram(page, "hearken_queue_duration_seconds", "From a request to a worker.",
              histogram_time_bounds, &totals->queue);
    histogram(page, "hearken_audio_duration_seconds", "Length of recordings.",
              histogram_length_bounds, &totals->audio);
    histogram(page, "hearken_first_text_seconds", "From a request to its first text.",
              histogram_time_bounds, &totals->first_text);
    histogram(page, "hearken_final_latency_seconds", "From the end of the audio to the last text.",
              histogram_time_bounds, &totals->final_latency);
    single(page, "hearken_workers", "gauge", "Workers for recordings, and as many for live speech.",
           workers_count(service->workers));
    head(page, "hearken_workers_busy", "gauge", "Workers that recognise.");
    fprintf(page, "hearken_workers_busy{kind=\"recordings\"} %u\n", load.busy);
    fprintf(page, "hearken_workers_busy{kind=\"live\"} %u\n", load.urgent_busy);
}

static void models(FILE *page, const struct catalogue *catalogue)
{
    head(page, "hearken_model_loaded", "gauge", "Whether a model is loaded.");
    for (size_t i = 0; i < catalogue->list.count; i++) {
        const struct model_entry *entry = &catalogue->list.entries[i];
        fputs("hearken_model_loaded{", page);
        label(page, "model", model_entry_name(entry));
        fputc(',', page);
        label(page, "backend", entry->backend ? entry->backend : "");
        fprintf(page, "} %d\n", entry->model && entry->model->state == SERVED_READY);
    }
}

static void others(FILE *page, const struct service *service)
{
    head(page, "hearken_connections", "gauge", "Open connections.");
    fprintf(page, "hearken_connections{protocol=\"http\"} %u\n",
            service->http_connections - service->websockets);
    fprintf(page, "hearken_connections{protocol=\"websocket\"} %u\n", service->websockets);
    fprintf(page, "hearken_connections{protocol=\"wyoming\"} %u\n",
            service->connections - service->http_connections);
    single(page, "hearken_listeners", "gauge", "Clients that listen to the microphone.",
           microphone_hub_subscribers(service->hub));
    head(page, "hearken_decode_failures_total", "counter", "Uploads that were not recognised.");
    fprintf(page, "hearken_decode_failures_total{class=\"not_audio\"} %" PRIu64 "\n",
            service->decode_failures.not_audio);
    fprintf(page, "hearken_decode_failures_total{class=\"system\"} %" PRIu64 "\n",
            service->decode_failures.system);
    head(page, "hearken_build_info", "gauge", "The version.");
    fputs("hearken_build_info{", page);
    label(page, "version", hearken_version());
    fputs("} 1\n", page);
}

/* ---- The process ---- */

static void process(FILE *page, const struct service *service)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    double uptime = (double)(uv_hrtime() - service->started) * 1e-9;
    single(page, "process_cpu_seconds_total", "counter", "Processor time, in seconds.", seconds);
    single(page, "process_resident_memory_bytes", "gauge", "Resident memory, in bytes.",
           (double)resident_memory());
    single(page, "process_start_time_seconds", "gauge", "Start, in seconds of Unix time.",
           (double)time(NULL) - uptime);
}

void metrics_page_show(struct http_exchange *exchange)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *page = open_memstream(&bytes, &length);
    if (page) {
        requests(page, exchange->service);
        models(page, &exchange->service->models);
        others(page, exchange->service);
        process(page, exchange->service);
    }
    if (page && fclose(page) == 0)
        http_exchange_answer_bytes(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", bytes,
                                   length);
    else
        http_exchange_answer(exchange, 503, NULL);
    free(bytes);
}
