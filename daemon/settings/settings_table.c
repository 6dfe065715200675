// SPDX-License-Identifier: MIT
#include "daemon/settings/settings.h"

#define FIELD(name) offsetof(struct settings, name)

/* Sections before the options of streams. */
static const struct setting first_settings[] = {
    {
        .section = "model",
        .name = "file",
        .type = SETTING_TEXT,
        .change = SETTING_MODEL,
        .offset = FIELD(model_file),
        .standard = "",
        .meaning = "the model installed with hearkend",
        .help = "The model to recognise with: a GGUF file, or the name of one that is installed, "
                "hearken-en, hearken-en-light or hearken-en-small. What has neither a slash nor "
                "ends in .gguf or .bin is a name. A section [model NAME] with a file of its own "
                "adds one that clients choose by that name, which no other model has, nor this "
                "one's file for itself.",
    },
    {
        .section = "model",
        .name = "keep",
        .type = SETTING_SWITCH,
        .change = SETTING_RELOAD,
        .offset = FIELD(model_keep),
        .standard = "on",
        .help = "Keep this model loaded. Off releases it too when nobody uses it; the next request "
                "then waits until it is loaded again.",
    },
    {
        .section = "model",
        .name = "release_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(model_release_seconds),
        .maximum = 1000000,
        .standard = "600",
        .help = "Models are released when nobody has used them for so long. 0 keeps what has been "
                "loaded.",
    },
    {
        .section = "compute",
        .name = "backend",
        .type = SETTING_TEXT,
        .change = SETTING_MODEL,
        .offset = FIELD(backend),
        .standard = "auto",
        .help = "The plugin that computes: cpu, opencl, reference or another one. With auto the "
                "fastest that can run here is taken, and the next one if its device fails; one "
                "that is named and cannot run is an error.",
    },
    {
        .section = "compute",
        .name = "plugin_directory",
        .type = SETTING_TEXT,
        .change = SETTING_MODEL,
        .offset = FIELD(plugin_directory),
        .standard = "",
        .meaning = "the directory installed with hearkend",
        .help = "Where the plugins are.",
    },
    {
        .section = "compute",
        .name = "cpu_mask",
        .type = SETTING_TEXT,
        .change = SETTING_MODEL,
        .offset = FIELD(cpu_mask),
        .standard = "",
        .meaning = "none",
        .help = "Instruction sets to do without, separated by commas.",
    },
    {
        .section = "compute",
        .name = "threads",
        .type = SETTING_COUNT,
        .change = SETTING_MODEL,
        .offset = FIELD(threads),
        .maximum = 1024,
        .standard = "0",
        .help = "Threads that share one computation. 0 leaves it to the backend: cpu takes one for "
                "each core that it may run on, but not the slow ones of a processor with cores of "
                "several kinds, and no more than the quotas of its control groups allow "
                "(CPUQuota= of systemd, --cpus of containers).",
    },
};

/* The rest of [recognition], and the sections behind it. */
static const struct setting last_settings[] = {
    {
        .section = "recognition",
        .name = "custom_words",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(custom_words),
        .standard = "",
        .meaning = "none",
        .help =
            "Names and rare words, or phrases, between commas, that are likelier than the model "
            "thinks. Clients may bring a list of their own instead.",
    },
    {
        .section = "recognition",
        .name = "custom_words_file",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(custom_words_file),
        .standard = "",
        .meaning = "none",
        .help = "A file with more of them, one a line. Both together may hold 2000 of at most 100 "
                "bytes each.",
    },
    {
        .section = "capture",
        .name = "device",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_device),
        .standard = "",
        .meaning = "the system's default",
        .help = "The microphone that clients of hearken listen hear: an index, a name or a part of "
                "one, as hearken devices lists them.",
    },
    {
        .section = "capture",
        .name = "rate",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_rate),
        .maximum = HEARKEN_RATE_MAX,
        .standard = "0",
        .help = "Frames a second to ask it for. 0 means its own.",
    },
    {
        .section = "capture",
        .name = "channels",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_channels),
        .maximum = HEARKEN_CHANNELS_MAX,
        .standard = "0",
        .help = "Channels to ask it for; their mean is heard. 0 means its own, at most 2.",
    },
    {
        .section = "capture",
        .name = "buffer_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_buffer_seconds),
        .minimum = 0.5,
        .maximum = 60,
        .standard = "10",
        .help = "Sound that is kept while the daemon has no time for it. Beyond it sound is lost.",
    },
    {
        .section = "capture",
        .name = "release",
        .type = SETTING_CHOICE,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_release),
        .words = (const char *const[]){"when-idle", "when-held", "never", NULL},
        .standard = "when-idle",
        .help = "When the microphone is given back: when the last client has left, also while all "
                "clients are paused (hearken stop), which makes the next start a little slower, or "
                "never once it was needed.",
    },
    {
        .section = "capture",
        .name = "clients",
        .type = SETTING_CHOICE,
        .change = SETTING_RELOAD,
        .offset = FIELD(capture_clients),
        .words = (const char *const[]){"none", "local", "all", NULL},
        .standard = "local",
        .help = "Who may listen to the microphone: nobody, those on the Unix socket, or those on "
                "TCP too, for whom there is no password.",
    },
    {
        .section = "server",
        .name = "socket",
        .type = SETTING_TEXT,
        .change = SETTING_RESTART,
        .offset = FIELD(socket),
        .standard = "",
        .meaning = "hearken.sock in $RUNTIME_DIRECTORY, /run/hearken (for root) or "
                   "$XDG_RUNTIME_DIR/hearken",
        .help = "The Unix socket to listen on, unless systemd hands one over.",
    },
    {
        .section = "server",
        .name = "socket_mode",
        .type = SETTING_MODE,
        .change = SETTING_RESTART,
        .offset = FIELD(socket_mode),
        .maximum = 0777,
        .standard = "0600",
        .help =
            "Who may connect to the Unix socket: its file mode, in octal. A folder that the daemon "
            "makes for it lets the same users in. One that is there already may not, as "
            "$XDG_RUNTIME_DIR, which is its user's alone; then the log has a warning.",
    },
    {
        .section = "server",
        .name = "tcp",
        .type = SETTING_TEXT,
        .change = SETTING_RESTART,
        .offset = FIELD(tcp),
        .standard = "",
        .meaning = "no TCP",
        .help = "Address and port to listen on as well, such as 127.0.0.1:10300 or [::1]:10300. "
                "The protocol knows no passwords: do not open it to a network that you do not "
                "trust.",
    },
    {
        .section = "server",
        .name = "workers",
        .type = SETTING_COUNT,
        .change = SETTING_RESTART,
        .offset = FIELD(workers),
        .maximum = 1024,
        .standard = "0",
        .help = "How many recognitions run at the same time; others take turns. Live speech "
                "has as many workers for itself and goes before recordings. 0 means one for each "
                "processor.",
    },
    {
        .section = "server",
        .name = "agent",
        .type = SETTING_TEXT,
        .change = SETTING_RESTART,
        .offset = FIELD(agent),
        .standard = "",
        .meaning = "none",
        .help = "Address and port, such as 127.0.0.1:10301, or path of a Unix socket at which "
                "load balancers ask how much room there is (agent-check of HAProxy). A path "
                "begins with a slash; socket_mode applies to it. Whoever connects is told, and "
                "can do no more.",
    },
    {
        .section = "http",
        .name = "listen",
        .type = SETTING_TEXT,
        .change = SETTING_RESTART,
        .offset = FIELD(http),
        .standard = "",
        .meaning = "no HTTP",
        .help = "Address and port, such as 127.0.0.1:8080, or path of a Unix socket at which to "
                "serve HTTP: a page for live text, the interface of OpenAI, live speech over "
                "WebSockets, health and metrics. A path begins with a slash; server.socket_mode "
                "applies to it.",
    },
    {
        .section = "http",
        .name = "tokens_file",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_tokens_file),
        .standard = "",
        .meaning = "any key is accepted, or none",
        .help = "A file with the keys that clients must send, one a line: the key itself or "
                "sha256: and the SHA-256 of it in hexadecimal. Lines that begin with # are "
                "comments.",
    },
    {
        .section = "http",
        .name = "allow_anonymous",
        .type = SETTING_SWITCH,
        .change = SETTING_RESTART,
        .offset = FIELD(http_allow_anonymous),
        .standard = "off",
        .help = "Serve HTTP without tokens_file also on addresses that other machines can reach.",
    },
    {
        .section = "http",
        .name = "allow_origins",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_allow_origins),
        .standard = "",
        .meaning = "none",
        .help = "Origins of web pages that may use the interface (CORS, WebSockets), such as "
                "https://chat.example.org, separated by spaces. * allows all of them.",
    },
    {
        .section = "http",
        .name = "upload_mib",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_upload_mib),
        .minimum = 1,
        .maximum = 65536,
        .standard = "1024",
        .help = "The largest body of a request, in MiB. Uploads are kept in an unnamed file in "
                "$TMPDIR or /tmp until they are recognised.",
    },
    {
        .section = "http",
        .name = "decoder",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_decoder),
        .standard = "",
        .meaning = "where it is installed",
        .help = "Path of hearken-decode, a program that is started for uploads that hearkend does "
                "not read itself: MP4, M4A, WebM, AAC, AMR, WMA and others. none refuses them.",
    },
    {
        .section = "http",
        .name = "requests",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_requests),
        .minimum = 1,
        .maximum = 100000,
        .standard = "64",
        .help = "The most recordings that are received or recognised at a time, of all protocols, "
                "and sessions over WebSockets. Beyond it HTTP clients are told to try again later "
                "(503, Retry-After).",
    },
    {
        .section = "http",
        .name = "model_aliases",
        .type = SETTING_TEXT,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_model_aliases),
        .standard = "whisper-1 gpt-transcribe gpt-4o-transcribe gpt-4o-mini-transcribe "
                    "gpt-4o-transcribe-diarize",
        .help = "Names that stand for the default model, separated by spaces.",
    },
    {
        .section = "http",
        .name = "strict_models",
        .type = SETTING_SWITCH,
        .change = SETTING_RELOAD,
        .offset = FIELD(http_strict_models),
        .standard = "off",
        .help = "Refuse names of models that are neither configured nor aliases. Off takes the "
                "default model, with a line in the log.",
    },
    {
        .section = "limits",
        .name = "connections",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(connections),
        .minimum = 1,
        .maximum = 100000,
        .standard = "100",
        .help =
            "Connections at the same time. One more is told so and closed. The daemon raises its "
            "limit of open files to what these need; where the system does not let it, fewer "
            "are taken, which it says at the start.",
    },
    {
        .section = "limits",
        .name = "audio_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(audio_seconds),
        .minimum = 1,
        .maximum = 1e6,
        .standard = "14400",
        .help = "The longest recording that one request may send.",
    },
    {
        .section = "limits",
        .name = "audio_queue_kib",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(audio_queue_kib),
        .minimum = 64,
        .maximum = 1048576,
        .standard = "2048",
        .help = "Audio of a connection that may wait for the recogniser, in KiB. Beyond it the "
                "daemon reads no more from that client until there is room.",
    },
    {
        .section = "limits",
        .name = "result_queue_kib",
        .type = SETTING_COUNT,
        .change = SETTING_RELOAD,
        .offset = FIELD(result_queue_kib),
        .minimum = 64,
        .maximum = 1048576,
        .standard = "16384",
        .help = "Results of a connection that may wait for the client to read them, in KiB. "
                "Beyond it the client is disconnected.",
    },
    {
        .section = "timeouts",
        .name = "idle_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(idle_seconds),
        .maximum = 1e6,
        .standard = "600",
        .help = "A client that asks for nothing this long is disconnected. 0 means never.",
    },
    {
        .section = "timeouts",
        .name = "stall_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(stall_seconds),
        .minimum = 0.1,
        .maximum = 1e6,
        .standard = "30",
        .help = "A client that stops this long within a message or a request, or in reading its "
                "results, is disconnected.",
    },
    {
        .section = "timeouts",
        .name = "lame_duck_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(lame_duck_seconds),
        .maximum = 1e6,
        .standard = "0",
        .help = "When told to stop, hearkend tells load balancers so (/health/ready, "
                "server.agent) and serves on for this long before it accepts nothing more: as "
                "long as they need to notice. systemd's TimeoutStopSec has to be more than this "
                "and drain_seconds together.",
    },
    {
        .section = "timeouts",
        .name = "drain_seconds",
        .type = SETTING_NUMBER,
        .change = SETTING_RELOAD,
        .offset = FIELD(drain_seconds),
        .maximum = 1e6,
        .standard = "20",
        .help = "When it accepts nothing more, hearkend lets requests finish for this long.",
    },
    {
        .section = "log",
        .name = "level",
        .type = SETTING_CHOICE,
        .change = SETTING_RELOAD,
        .offset = FIELD(log_level),
        .words = (const char *const[]){"error", "warning", "info", "debug", NULL},
        .standard = "info",
        .help = "What to write to the log: this and what is more important.",
    },
};

#define FIRST_COUNT (sizeof(first_settings) / sizeof(first_settings[0]))
#define LAST_COUNT  (sizeof(last_settings) / sizeof(last_settings[0]))

static const enum setting_type types[] = {
    [HEARKEN_OPTION_NUMBER] = SETTING_NUMBER, [HEARKEN_OPTION_COUNT] = SETTING_COUNT,
    [HEARKEN_OPTION_SWITCH] = SETTING_SWITCH, [HEARKEN_OPTION_CHOICE] = SETTING_CHOICE,
    [HEARKEN_OPTION_TEXT] = SETTING_STRING,
};

/* Every option of a stream is a setting of [recognition]. */
static struct setting setting_of(const struct hearken_option *option)
{
    bool is_text = option->type == HEARKEN_OPTION_TEXT;
    return (struct setting){
        .section = "recognition",
        .name = option->name,
        .type = types[option->type],
        .change = SETTING_RELOAD,
        .offset = FIELD(recognition) + option->offset,
        .minimum = option->minimum,
        .maximum = is_text ? (double)option->size - 1 : option->maximum,
        .words = option->choices,
        .standard = option->standard_text,
        .meaning = option->meaning,
        .help = option->help,
    };
}

bool setting_at(size_t index, struct setting *setting)
{
    if (index < FIRST_COUNT) {
        *setting = first_settings[index];
        return true;
    }
    index -= FIRST_COUNT;
    const struct hearken_option *option = hearken_stream_option(index);
    if (option) {
        *setting = setting_of(option);
        return true;
    }
    for (size_t i = 0; hearken_stream_option(i); i++)
        index--;
    if (index >= LAST_COUNT)
        return false;
    *setting = last_settings[index];
    return true;
}
