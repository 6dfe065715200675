// SPDX-License-Identifier: MIT
#include "daemon/client/live/listen_command.h"

#include "daemon/client/live/live_event.h"
#include "daemon/client/live/live_local.h"
#include "daemon/client/live/live_output.h"
#include "daemon/client/live/live_remote.h"
#include "daemon/client/program/commands.h"
#include "daemon/client/program/message.h"
#include "daemon/client/program/signals.h"
#include "daemon/client/program/stream_arguments.h"

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

static const struct option listen_options[] = {
    HEADING("Output"),
    CHOICE('f', "format", "FORMAT", live_format_names, FIELD(format),
           "text (default: a line for each segment; on a terminal also what may still change, "
           "dimmed) or json (a line for each event: text with committed part and words, voice, "
           "microphone)"),
    FLAG('\0', "type", FIELD(type),
         "type final text into the window that has the focus, with wtype, ydotool or xdotool"),
    FLAG('m', "meter", FIELD(meter), "show the level on the terminal"),
    FLAG('q', "quiet", FIELD(quiet), "do not tell what happens to the microphone"),

    HEADING("Recognition"),
    NUMBER('b', "beam", 1, 16, FIELD(stream.beam), "hypotheses kept; more is slower"),
    STRING('l', "language", "CODE", FIELD(stream.language),
           "the language that is spoken, de or en ..., or auto to find it in the sound (default: "
           "the daemon's)"),
    LIST('s', "set", "NAME=VALUE", FIELD(stream.settings),
         "a setting of [recognition] in hearkend.conf(5); may be repeated"),
    LIST('\0', "custom-words", "LIST", FIELD(stream.words),
         "names and rare words to listen for, between commas, instead of those in the "
         "configuration; may be repeated"),
    LIST('\0', "custom-words-file", "FILE", FIELD(stream.word_files),
         "a file of them, one a line; may be repeated"),
    STRING('\0', "model", "NAME|FILE", FIELD(stream.model),
           "the model: one of the daemon's, which hearken status lists (default: its first), or "
           "with --local a file or an installed one (default: hearken-en)"),

    HEADING("Daemon"),
    FLAG('\0', "hold", FIELD(hold), "begin to listen at hearken start or toggle only"),
    STRING('\0', "socket", "PATH", FIELD(address.socket),
           "the daemon's socket (default: $XDG_RUNTIME_DIR/hearken/hearken.sock, else "
           "/run/hearken/hearken.sock)"),
    STRING('\0', "tcp", "HOST:PORT", FIELD(address.tcp),
           "the daemon's address; its [capture] clients must allow it"),
    SECONDS("timeout", FIELD(address.timeout),
            "give up on a daemon that does not begin to listen, or tell the last text, in so long "
            "(default 5, and 15 for the last text; 0: never)"),

    HEADING("Without a daemon"),
    FLAG('\0', "local", FIELD(local), "use a microphone and open the model in this process"),
    STRING('d', "device", "DEVICE", FIELD(capture.device),
           "an index, a name or a part of one, as hearken devices lists them (default: the "
           "system's default)"),
    NUMBER('\0', "rate", HEARKEN_RATE_MIN, HEARKEN_RATE_MAX, FIELD(capture.rate),
           "frames a second to ask it for (default: its own)"),
    NUMBER('\0', "channels", 1, HEARKEN_CHANNELS_MAX, FIELD(capture.channels),
           "channels to ask it for (default: its own, at most 2)"),
    STRING('\0', "backend", "NAME", FIELD(backend.backend),
           "the plugin that computes (default auto: the best that can run here)"),
    STRING('\0', "plugin-dir", "DIR", FIELD(backend.plugin_directory), "where the plugins are"),
    NUMBER('\0', "threads", 0, 1024, FIELD(backend.threads),
           "threads of one computation (default 0: the plugin's choice)"),

    HEADING("Other"),
};

/* All that one run needs. */
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
        return "--hold needs a daemon, which hearken toggle talks to";
    if (!listen->local && names_device)
        return "--device, --rate and --channels go with --local; hearkend has them in its "
               "configuration: [capture] device";
    if (!listen->local && names_local)
        return "--backend, --plugin-dir and --threads go with --local; hearkend has them in its "
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

/* The output has told of its own errors. */
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
    session->resize = live_wait_open_resize();
    int code = EXIT_FAILED;
    if (session->interrupt < 0 || session->resize < 0)
        message_error(NULL, "signals cannot be waited for");
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
    int count = options_parse(command, argc, argv, &listen);
    if (count < 0)
        return options_exit_code(count);
    const char *problem = contradiction(&listen);
    if (problem)
        return usage_error(command, "%s", problem);
    if (address_check(&listen.address, &error) < 0)
        return usage_error(command, "%s", error.message);
    struct session session = {.listen = &listen};
    int code = stream_arguments_read(&listen.stream, command, listen.local, &session.settings);
    if (code == EXIT_GOOD)
        code = open_and_run(&session);
    stream_settings_finish(&session.settings);
    return code;
}

const struct command listen_command = {
    .name = "listen",
    .operands = "",
    .summary = "Write down what is said into a microphone, while it is said",
    .description =
        "The microphone is the daemon's, which several may listen to, or with --local one of this\n"
        "process. On a terminal, words that will not change any more are plain, the others "
        "dimmed;\n"
        "elsewhere each segment is a line as soon as it is complete. SIGINT (Ctrl-C), SIGTERM or\n"
        "SIGHUP end it, after the text of what was said until then; a second one at once, and so\n"
        "does one while --local opens the model.\n"
        "\n"
        "hearken start, stop and toggle hold it and let it go on: bind hearken toggle to a key.\n"
        "\n"
        "Exit status: 0 it was ended, 1 something failed, 2 the command line is wrong, 3 no "
        "daemon\n"
        "answers.\n",
    .examples = "  hearken listen --meter\n"
                "  hearken listen --type --hold\n"
                "  hearken listen -f json | jq 'select(.type == \"final\")'\n"
                "  hearken listen --local --device usb\n",
    .options = listen_options,
    .option_count = OPTION_COUNT(listen_options),
    .run = run_listen,
};
