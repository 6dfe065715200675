// SPDX-License-Identifier: MIT
#include "daemon/client/live/listen_command.h"

#include "daemon/client/live/live_event.h"
#include "daemon/client/live/live_local.h"
#include "daemon/client/live/live_output.h"
#include "daemon/client/live/live_remote.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/standard_error.h"
#include "daemon/client/program/stream_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct listen {
    struct address address;
    unsigned format;
    bool meter, type, hold, quiet, local;
    struct hearken_backend_options backend;
    struct hearken_capture_options capture;
    struct stream_arguments stream;
};

#define FIELD(name) offsetof(struct listen, name)

static const struct command_option listen_options[] = {
    HEADING("Output"),
    CHOICE('f', "format", "FORMAT", live_format_names, FIELD(format),
           "text (default: one line per segment; on a terminal also partial text, dimmed) or json "
           "(one line per event: text with committed part and words, voice, microphone)"),
    FLAG('\0', "type", FIELD(type),
         "type final text into the focused window, with wtype, ydotool or xdotool"),
    FLAG('m', "meter", FIELD(meter), "show the level on the terminal"),
    FLAG('q', "quiet", FIELD(quiet), "do not report events of the microphone"),

    HEADING("Recognition"),
    BEAM_OPTION,
    STRING('l', "language", "CODE", FIELD(stream.language),
           "the language that is spoken (de, en, ...), or auto to detect it (default: the "
           "daemon's)"),
    LIST('s', "set", "NAME=VALUE", FIELD(stream.settings),
         "a setting of [recognition] in hearkend.conf(5); may be repeated"),
    CUSTOM_WORD_OPTIONS,
    MODEL_OPTION('\0'),

    HEADING("Daemon"),
    FLAG('\0', "hold", FIELD(hold), "do not listen until hearken start or toggle"),
    SOCKET_OPTION,
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp),
           "the daemon's address; its setting capture.clients must allow this"),
    SECONDS("timeout", FIELD(address.timeout),
            "give up if the daemon does not start listening, or send the last text, within this "
            "time (default 5, and 15 for the last text; 0: never)"),

    HEADING("Without a daemon"),
    FLAG('\0', "local", FIELD(local), "use a microphone and open the model in this process"),
    STRING('d', "device", "DEVICE", FIELD(capture.device),
           "an index, a name or a part of one, as hearken devices lists them (default: the "
           "system's default)"),
    NUMBER('\0', "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX, FIELD(capture.rate),
           "frames per second to request from the device (default: its own)"),
    NUMBER('\0', "channels", 1, HEARKEN_CHANNELS_MAX, FIELD(capture.channels),
           "channels to request from the device (default: its own, at most 2)"),
    BACKEND_OPTIONS,
    THREADS_OPTION,

    HEADING("Other"),
};

/* State of one run. */
struct session {
    const struct listen *listen;
    struct stream_settings settings;
    struct live_output output;
    struct typist typist;
    int interrupt, resize;
};

static const char *contradiction(const struct listen *listen)
{
    bool names_local =
        listen->backend.backend || listen->backend.plugin_directory || listen->backend.threads > 0;
    bool names_device = listen->capture.device || listen->capture.rate || listen->capture.channels;
    if (listen->local && address_is_set(&listen->address))
        return "--local needs no --socket, --tcp or --timeout";
    if (listen->local && listen->hold)
        return "--hold needs a daemon, for hearken toggle";
    if (!listen->local && names_device)
        return "--device, --rate and --channels need --local; hearkend has them in its "
               "configuration: [capture] device";
    if (!listen->local && names_local)
        return "--backend, --plugin-dir and --threads need --local; hearkend has them in its "
               "configuration";
    return NULL;
}

static void on_resized(void *context)
{
    live_output_resized(context);
}

static void on_log(void *context, enum hearken_log_level level, const char *message)
{
    if (level <= HEARKEN_LOG_WARNING)
        live_output_message(context, message);
}

static int listen_remotely(struct session *session, struct hearken_error *error)
{
    const struct live_remote remote = {
        .address = &session->listen->address,
        .settings = &session->settings,
        .hold = session->listen->hold,
        .interrupt = session->interrupt,
        .resize = session->resize,
        .callback = live_output_handle,
        .resized = on_resized,
        .context = &session->output,
    };
    return live_remote_listen(&remote, error);
}

static int listen_locally(struct session *session, struct hearken_error *error)
{
    struct live_local local = {
        .model = session->listen->stream.model,
        .backend = session->listen->backend,
        .capture = session->listen->capture,
        .settings = &session->settings,
        .interrupt = session->interrupt,
        .resize = session->resize,
        .callback = live_output_handle,
        .resized = on_resized,
        .context = &session->output,
    };
    local.backend.log = local.capture.log = on_log;
    local.backend.log_context = local.capture.log_context = &session->output;
    return live_local_listen(&local, error);
}

/* Reports the error, unless the output has already reported its own. */
static int exit_code(int result, const struct hearken_error *error)
{
    if (result < 0 && result != -ECANCELED && *error->message)
        message_error(NULL, error->message);
    if (result == -ENOTCONN)
        return EXIT_NO_DAEMON;
    return result < 0 && result != -ECANCELED ? EXIT_FAILED : EXIT_GOOD;
}

static int run_session(struct session *session)
{
    const struct listen *listen = session->listen;
    struct hearken_error error = {""};
    session->output = (struct live_output){
        .format = (enum live_format)listen->format,
        .meter = listen->meter,
        .quiet = listen->quiet,
        .advice = listen->local ? "--device chooses one"
                                : "device in [capture] of hearkend.conf chooses one",
        .typist = listen->type ? &session->typist : NULL,
    };
    if (listen->type && typist_init(&session->typist, session->interrupt, &error) < 0)
        return exit_code(-ENOENT, &error);
    live_output_init(&session->output);
    int result = listen->local ? listen_locally(session, &error) : listen_remotely(session, &error);
    live_output_finish(&session->output);
    return exit_code(result, &error);
}

static int open_and_run(struct session *session)
{
    session->interrupt = signals_open();
    session->resize = signals_open_resize();
    int code = EXIT_FAILED;
    if (session->interrupt < 0 || session->resize < 0)
        message_error(NULL, "cannot wait for signals");
    else
        code = run_session(session);
    close(session->resize);
    close(session->interrupt);
    return code;
}

int listen_and_type(const struct address *address)
{
    const struct listen listen = {.address = *address, .type = true};
    struct session session = {.listen = &listen};
    return open_and_run(&session);
}

static int run_listen(const struct command *command, int argc, char **argv)
{
    struct listen listen = {0};
    struct hearken_error error;
    hearken_capture_options_init(&listen.capture);
    hearken_backend_options_init(&listen.backend);
    int count = options_parse(command, argc, argv, &listen);
    if (count < 0)
        return options_exit_code(count);
    const char *problem = contradiction(&listen);
    if (problem)
        return usage_error(command, "%s", problem);
    if (address_check(&listen.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    struct session session = {.listen = &listen};
    int code = stream_settings_read(&session.settings, &listen.stream, command, listen.local);
    if (code == EXIT_GOOD)
        code = open_and_run(&session);
    stream_settings_finish(&session.settings);
    return code;
}

const struct command listen_command = {
    .name = "listen",
    .operands = "",
    .summary = "Transcribe speech from a microphone while it is spoken",
    .description =
        "The microphone is the daemon's, which several clients can share, or with --local one of\n"
        "this process. On a terminal, words that can no longer change are plain, the others\n"
        "dimmed; elsewhere each segment is written as a line when it is complete. SIGINT "
        "(Ctrl-C),\n"
        "SIGTERM or SIGHUP end the command after the last text; a second signal ends it at once,\n"
        "and so does one while --local opens the model.\n"
        "\n"
        "hearken start, stop and toggle resume and hold it: bind hearken toggle to a key.\n"
        "\n"
        "Exit status: 0 ended by a signal, 1 something failed, 2 the command line is wrong, 3 no\n"
        "daemon answers.\n",
    .examples = "  hearken listen --meter\n"
                "  hearken listen --type --hold\n"
                "  hearken listen -f json | jq 'select(.type == \"final\")'\n"
                "  hearken listen --local --device usb\n",
    .options = listen_options,
    .option_count = OPTION_COUNT(listen_options),
    .run = run_listen,
};
