// SPDX-License-Identifier: MIT
#include "frontend/capture/device_probe.h"

#include <alsa/asoundlib.h>
#include <portaudio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sets parameters too, any that the device accepts: ALSA's pulse plugin connects to its source only
 * then, so a successful open alone proves nothing.
 */
static bool can_be_set_up(const char *pcm_name)
{
    snd_pcm_t *pcm;
    snd_pcm_hw_params_t *parameters;
    if (snd_pcm_open(&pcm, pcm_name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK) < 0)
        return false;
    bool good = snd_pcm_hw_params_malloc(&parameters) == 0;
    if (good) {
        good =
            snd_pcm_hw_params_any(pcm, parameters) >= 0 && snd_pcm_hw_params(pcm, parameters) >= 0;
        snd_pcm_hw_params_free(parameters);
    }
    snd_pcm_close(pcm);
    return good;
}

bool capture_device_name_place(const char *name, int *card, int *device)
{
    const char *place = name + capture_device_name_length(name);
    return sscanf(place, " (hw:%d,%d)", card, device) == 2 && *card >= 0 && *device >= 0;
}

/* PortAudio's names of cards' devices start with the card's name and ": ". */
static bool is_of_card(const char *name, int card)
{
    char *card_name;
    if (snd_card_get_name(card, &card_name) < 0)
        return false;
    size_t length = strlen(card_name);
    bool same = strncmp(name, card_name, length) == 0 && name[length] == ':';
    free(card_name);
    return same;
}

static bool is_on_a_card(const char *name, int device)
{
    int card = -1;
    while (snd_card_next(&card) == 0 && card >= 0) {
        char pcm_name[64];
        snprintf(pcm_name, sizeof(pcm_name), "hw:%d,%d", card, device);
        if (is_of_card(name, card) && can_be_set_up(pcm_name))
            return true;
    }
    return false;
}

enum presence device_presence(const struct device_identity *identity)
{
    int card, device;
    bool here;
    if (identity->system != paALSA)
        return PRESENCE_UNKNOWN;
    if (capture_device_name_place(identity->name, &card, &device))
        here = is_on_a_card(identity->name, device);
    else
        here = can_be_set_up(identity->name);
    return here ? PRESENCE_PRESENT : PRESENCE_ABSENT;
}

/* ---- In a thread ---- */

static void *probe_thread(void *context)
{
    struct device_probe *probe = context;
    probe->presence = device_presence(&probe->identity);
    atomic_store(&probe->done, true);
    return NULL;
}

/* The thread blocks all signals: they belong to the program's own threads. */
int device_probe_begin(struct device_probe *probe, const struct device_identity *identity)
{
    sigset_t all, before;
    probe->identity = *identity;
    atomic_store(&probe->done, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = -pthread_create(&probe->thread, NULL, probe_thread, probe);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    probe->running = result == 0;
    return result;
}

bool device_probe_collect(struct device_probe *probe)
{
    if (!probe->running || !atomic_load(&probe->done))
        return false;
    device_probe_finish(probe);
    return true;
}

void device_probe_finish(struct device_probe *probe)
{
    if (probe->running)
        pthread_join(probe->thread, NULL);
    probe->running = false;
}
