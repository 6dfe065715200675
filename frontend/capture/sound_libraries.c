// SPDX-License-Identifier: MIT
#include "frontend/capture/sound_libraries.h"

#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <portaudio.h>

/* Their symbols become global, as those of linked libraries are: sound_system.c looks for some of
 * them and of JACK's by name. */
static void *load(const char *library)
{
    return dlopen(library, RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE);
}

int sound_libraries_load(struct hearken_error *error)
{
    static const char *const libraries[] = {"libasound.so.2", "libportaudio.so.2"};
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        void *handle = load(libraries[i]);
        if (!handle)
            return hearken_fail(error, -EIO,
                                "%s, which microphones need, cannot be loaded (Debian has it in "
                                "libportaudio2): %s",
                                libraries[i], dlerror());
        dlclose(handle);
    }
    return 0;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): parameters and arguments are lists in parentheses */
/* `name_` of the library that was loaded, or `absent`. */
#define FORWARD(result_type, absent, name_, parameters, arguments)                                 \
    result_type name_ parameters                                                                   \
    {                                                                                              \
        result_type(*function) parameters;                                                         \
        *(void **)&function = dlsym(RTLD_DEFAULT, #name_);                                         \
        return function ? function arguments : (absent);                                           \
    }
#define FORWARD_NOTHING(name_, parameters, arguments)                                              \
    void name_ parameters                                                                          \
    {                                                                                              \
        void(*function) parameters;                                                                \
        *(void **)&function = dlsym(RTLD_DEFAULT, #name_);                                         \
        if (function)                                                                              \
            function arguments;                                                                    \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

FORWARD(PaError, paNotInitialized, Pa_Initialize, (void), ())
FORWARD(PaError, paNotInitialized, Pa_Terminate, (void), ())
FORWARD(const char *, "PortAudio is not loaded", Pa_GetErrorText, (PaError code), (code))
FORWARD(const PaHostErrorInfo *, NULL, Pa_GetLastHostErrorInfo, (void), ())
FORWARD(const PaHostApiInfo *, NULL, Pa_GetHostApiInfo, (PaHostApiIndex index), (index))
FORWARD(PaDeviceIndex, paNotInitialized, Pa_GetDeviceCount, (void), ())
FORWARD(PaDeviceIndex, paNoDevice, Pa_GetDefaultInputDevice, (void), ())
FORWARD(const PaDeviceInfo *, NULL, Pa_GetDeviceInfo, (PaDeviceIndex index), (index))
FORWARD(PaError, paNotInitialized, Pa_OpenStream,
        (PaStream * *stream, const PaStreamParameters *input, const PaStreamParameters *output,
         double rate, unsigned long frames, PaStreamFlags flags, PaStreamCallback *callback,
         void *context),
        (stream, input, output, rate, frames, flags, callback, context))
FORWARD(PaError, paNotInitialized, Pa_SetStreamFinishedCallback,
        (PaStream * stream, PaStreamFinishedCallback *callback), (stream, callback))
FORWARD(PaError, paNotInitialized, Pa_StartStream, (PaStream * stream), (stream))
FORWARD(PaError, paNotInitialized, Pa_AbortStream, (PaStream * stream), (stream))
FORWARD(PaError, paNotInitialized, Pa_CloseStream, (PaStream * stream), (stream))

FORWARD(int, -ENOSYS, snd_lib_error_set_handler, (snd_lib_error_handler_t handler), (handler))
FORWARD(int, -ENOSYS, snd_config_update_ref, (snd_config_t * *top), (top))
FORWARD(int, -ENOSYS, snd_config_search,
        (snd_config_t * config, const char *key, snd_config_t **result), (config, key, result))
FORWARD_NOTHING(snd_config_unref, (snd_config_t * config), (config))
FORWARD(int, -ENOSYS, snd_card_next, (int *card), (card))
FORWARD(int, -ENOSYS, snd_card_get_name, (int card, char **name), (card, name))
FORWARD(int, -ENOSYS, snd_pcm_open,
        (snd_pcm_t * *pcm, const char *name, snd_pcm_stream_t stream, int mode),
        (pcm, name, stream, mode))
FORWARD(int, -ENOSYS, snd_pcm_close, (snd_pcm_t * pcm), (pcm))
FORWARD(int, -ENOSYS, snd_pcm_hw_params_malloc, (snd_pcm_hw_params_t * *parameters), (parameters))
FORWARD_NOTHING(snd_pcm_hw_params_free, (snd_pcm_hw_params_t * parameters), (parameters))
FORWARD(int, -ENOSYS, snd_pcm_hw_params_any, (snd_pcm_t * pcm, snd_pcm_hw_params_t *parameters),
        (pcm, parameters))
FORWARD(int, -ENOSYS, snd_pcm_hw_params, (snd_pcm_t * pcm, snd_pcm_hw_params_t *parameters),
        (pcm, parameters))
