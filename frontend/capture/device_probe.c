// SPDX-License-Identifier: MIT
#include "frontend/capture/device_probe.h"

#include <alsa/asoundlib.h>
#include <portaudio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Opening alone does not tell: the pulse plugin looks for its source only when parameters are set.
 * Any that the device likes will do.
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
    return here ? PRESENCE_HERE : PRESENCE_ABSENT;
}

/* ---- In a thread ---- */

static void *inquire(void *context)
{
    struct device_probe *inquiry = context;
    inquiry->presence = device_presence(&inquiry->identity);
    atomic_store(&inquiry->answered, true);
    return NULL;
}

/* Signals are the program's: its own threads are to get them. */
int device_probe_begin(struct device_probe *inquiry, const struct device_identity *identity)
{
    sigset_t all, before;
    inquiry->identity = *identity;
    atomic_store(&inquiry->answered, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = -pthread_create(&inquiry->thread, NULL, inquire, inquiry);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    inquiry->asked = result == 0;
    return result;
}

bool device_probe_take(struct device_probe *inquiry)
{
    if (!inquiry->asked || !atomic_load(&inquiry->answered))
        return false;
    device_probe_finish(inquiry);
    return true;
}

void device_probe_finish(struct device_probe *inquiry)
{
    if (inquiry->asked)
        pthread_join(inquiry->thread, NULL);
    inquiry->asked = false;
}
