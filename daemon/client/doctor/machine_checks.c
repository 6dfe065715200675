// SPDX-License-Identifier: MIT
/* Models, plugins, hearken-decode and microphones: what works without a daemon. */
#include "daemon/client/doctor/checks.h"
#include "daemon/client/models/model_folder.h"
#include "daemon/client/models/model_index.h"
#include "daemon/common/installed_hint.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Models ---- */

static void check_installed(const struct index_entry *entry, const char *path,
                            const struct findings *findings)
{
    char codes[512], advice[400];
    struct hearken_error error;
    bool listed = entry->addresses[0];
    snprintf(advice, sizeof(advice),
             listed ? "get it anew: hearken model rm %s; hearken model get %s"
                    : "install it anew: its package hearken-model-..., or make install",
             entry->name, entry->name);
    if (hearken_model_file_languages(path, codes, sizeof(codes), &error) < 0)
        findings_add(findings, VERDICT_PROBLEM, advice, "%s: %s", entry->name, error.message);
    else
        findings_add(findings, VERDICT_OK, NULL, "%s is installed: %s", entry->name, path);
}

static void check_default(const struct findings *findings)
{
    char path[PATH_MAX];
    struct hearken_model *model;
    struct hearken_error error;
    int result = hearken_find_model(NULL, path, sizeof(path))
                     ? hearken_model_open(path, NULL, &model, &error)
                     : hearken_fail(&error, -ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
    if (result == 0) {
        findings_add(findings, VERDICT_OK, NULL, "the default model opens: %s, backend %s",
                     hearken_model_name(model), hearken_model_backend(model));
        hearken_model_destroy(model);
        return;
    }
    installed_hint_add(path, result, &error);
    findings_add(findings, VERDICT_PROBLEM,
                 result == -ENOENT   ? "install the package hearken-model-en; or hearken model get "
                                       "whisper-base.en, and name it with --model"
                 : result == -EACCES ? "let this user read it: chmod a+r, and a+x its folders"
                 : result == -ENODEV ? "see the plugins: hearken plugins -v"
                                     : "install it anew: the package hearken-model-en",
                 "the default model does not open: %s", error.message);
}

void check_models(const struct address *address, struct findings *findings)
{
    char path[PATH_MAX];
    struct model_index *index;
    struct hearken_error error;
    const struct index_entry *entry;
    (void)address;
    int result = model_index_create(&index, &error);
    if (result < 0)
        findings_add(findings, VERDICT_PROBLEM, "repair or remove that list of models", "%s",
                     error.message);
    for (size_t i = 0; result == 0 && (entry = model_index_at(index, i)); i++)
        if (model_folder_find(entry->name, path, sizeof(path)))
            check_installed(entry, path, findings);
    if (result == 0)
        model_index_destroy(index);
    check_default(findings);
}

/* ---- Plugins ---- */

struct plugin_findings {
    const struct findings *findings;
    unsigned usable;
};

/* The best one comes first. */
static void report_plugin(void *context, const struct hearken_plugin_report *report)
{
    struct plugin_findings *plugins = context;
    const char *name = report->name ? report->name : report->path;
    if (report->score > 0)
        findings_add(plugins->findings, VERDICT_OK, NULL, "%s%s: %s", name,
                     plugins->usable++ ? "" : " is chosen", report->reason);
    else
        findings_add(plugins->findings, VERDICT_NOTE,
                     "nothing if another one can run; else see hearken plugins -v",
                     "%s cannot %s here: %s", name, report->score < 0 ? "be loaded" : "run",
                     report->reason);
}

void check_plugins(const struct address *address, struct findings *findings)
{
    struct plugin_findings plugins = {.findings = findings};
    struct hearken_backend_options options;
    struct hearken_error error;
    (void)address;
    hearken_backend_options_init(&options);
    const char *advice = "install hearken anew: the package libhearken0, or make install";
    if (hearken_plugins_list(&options, report_plugin, &plugins, &error) < 0)
        findings_add(findings, VERDICT_PROBLEM, advice, "%s", error.message);
    else if (plugins.usable == 0)
        findings_add(findings, VERDICT_PROBLEM, advice, "no plugin can run here");
}

/* ---- hearken-decode ---- */

void check_decoder(const struct address *address, struct findings *findings)
{
    char path[PATH_MAX];
    (void)address;
    if (!hearken_find_decoder(path, sizeof(path)))
        findings_add(findings, VERDICT_PROBLEM, "unset HEARKEN_DECODER",
                     "the path of hearken-decode is too long");
    else if (access(path, X_OK) == 0)
        findings_add(findings, VERDICT_OK, NULL, "%s is there", path);
    else
        findings_add(findings, VERDICT_NOTE, "install the package hearken-decode",
                     "%s: %s; MP4, M4A, MOV, Matroska, WebM, AAC, AMR and WMA are refused", path,
                     strerror(errno));
}

/* ---- Microphones ---- */

struct heard {
    char name[200]; /* of the default device, or else the first */
    bool has_default;
};

static void note_device(void *context, const struct hearken_device *device)
{
    struct heard *heard = context;
    if (!heard->name[0] || (device->is_default && !heard->has_default))
        snprintf(heard->name, sizeof(heard->name), "%s (%s)", device->name, device->system);
    heard->has_default |= device->is_default;
}

/* A device that records, "pcmC0D0c", and that this user may not open; false: there is none. */
static bool find_forbidden_device(char *path, size_t size)
{
    bool found = false;
    const struct dirent *entry;
    DIR *folder = opendir("/dev/snd");
    while (folder && !found && (entry = readdir(folder))) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, "pcm", 3) != 0 || entry->d_name[length - 1] != 'c')
            continue;
        snprintf(path, size, "/dev/snd/%s", entry->d_name);
        found = access(path, R_OK | W_OK) < 0 && errno == EACCES;
    }
    if (folder)
        closedir(folder);
    return found;
}

void check_sound(const struct address *address, struct findings *findings)
{
    struct heard heard = {0};
    struct hearken_error error;
    char path[PATH_MAX];
    (void)address;
    long count = hearken_devices_list(note_device, &heard, &error);
    if (count > 0)
        findings_add(findings, VERDICT_OK, NULL, "%ld microphone%s, %s%s", count,
                     count > 1 ? "s" : "", heard.has_default ? "the default one " : "", heard.name);
    else if (find_forbidden_device(path, sizeof(path)))
        findings_add(findings, VERDICT_PROBLEM, "sudo usermod -aG audio $USER, then log in again",
                     "%s: %s", path, strerror(EACCES));
    else
        findings_add(findings, VERDICT_NOTE,
                     "plug one in and start the sound server (PipeWire, PulseAudio); recordings "
                     "need none",
                     "%s", count < 0 ? error.message : "there is no microphone");
}
