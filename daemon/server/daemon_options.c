// SPDX-License-Identifier: MIT
#include "daemon/server/daemon_options.h"

#include "daemon/server/sockets.h"
#include "include/internal/option_error.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef HEARKEN_SYSCONFDIR
#define HEARKEN_SYSCONFDIR "/etc"
#endif

static const char help[] =
    "Usage: hearkend [OPTION]...\n"
    "\n"
    "Recognises speech for programs that connect to its socket: hearken(1), Home Assistant\n"
    "and other clients of the Wyoming protocol. It stays in the foreground and logs to\n"
    "standard error. SIGTERM stops it after the running requests, SIGHUP reloads the\n"
    "configuration.\n"
    "\n"
    "  -m, --model FILE          the model (model.file)\n"
    "  -b, --backend NAME        the compute plugin, or auto (compute.backend)\n"
    "      --plugin-dir DIR      the directory of the plugins (compute.plugin_directory)\n"
    "      --cpu-mask LIST       instruction sets not to use (compute.cpu_mask)\n"
    "  -s, --socket PATH         the Unix socket (server.socket)\n"
    "      --tcp ADDRESS:PORT    also listen on this address (server.tcp)\n"
    "      --http ADDRESS:PORT|PATH\n"
    "                            serve HTTP there: the API of OpenAI, health and metrics\n"
    "                            (http.listen)\n"
    "\n"
    "  -c, --config FILE         read this configuration instead of\n"
    "                            ~/.config/hearken/hearkend.conf or, if there is none,\n"
    "                            " HEARKEN_SYSCONFDIR "/hearken/hearkend.conf\n"
    "  -o, --set SECTION.NAME=VALUE\n"
    "                            any other setting; overrides the configuration\n"
    "      --check-config        check the configuration and exit\n"
    "      --help-config         print a configuration that explains all settings\n"
    "\n"
    "  -v, --verbose             log everything (log.level=debug)\n"
    "  -q, --quiet               log errors only (log.level=error)\n"
    "  -h, --help                print this\n"
    "  -V, --version             print the version\n"
    "\n"
    "Try it:\n"
    "  hearkend --socket /tmp/hearken.sock &\n"
    "  hearken --socket /tmp/hearken.sock transcribe recording.wav\n"
    "\n"
    "More: hearkend(8), hearkend.conf(5).\n";

void options_print_help(FILE *stream)
{
    fputs(help, stream);
}

enum {
    OPTION_PLUGIN_DIRECTORY = 256,
    OPTION_CPU_MASK,
    OPTION_TCP,
    OPTION_HTTP,
    OPTION_CHECK,
    OPTION_HELP_CONFIGURATION,
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"backend", required_argument, NULL, 'b'},
    {"plugin-dir", required_argument, NULL, OPTION_PLUGIN_DIRECTORY},
    {"cpu-mask", required_argument, NULL, OPTION_CPU_MASK},
    {"socket", required_argument, NULL, 's'},
    {"tcp", required_argument, NULL, OPTION_TCP},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, 'o'},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"help-config", optional_argument, NULL, OPTION_HELP_CONFIGURATION},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int add_override(struct options *options, const char *name, const char *value)
{
    char **overrides =
        realloc(options->overrides, (options->override_count + 1) * sizeof(*overrides));
    if (!overrides)
        return -ENOMEM;
    options->overrides = overrides;
    char *assignment;
    if (asprintf(&assignment, "%s%s", name, value) < 0)
        return -ENOMEM;
    overrides[options->override_count++] = assignment;
    return 0;
}

static int name_file(struct options *options, const char *path, struct hearken_error *error)
{
    if (!*path)
        return hearken_fail(error, -EINVAL, "--config: expected FILE, got an empty argument");
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    free(options->file);
    options->file = copy;
    options->file_named = true;
    return 0;
}

static int choose_help(struct options *options, const char *argument, struct hearken_error *error)
{
    options->action = OPTIONS_HELP_CONFIGURATION;
    if (!argument)
        return 0;
    options->action = OPTIONS_HELP_MANUAL;
    if (strcmp(argument, "man") == 0)
        return 0;
    snprintf(error->message, sizeof(error->message),
             "--help-config: got %.100s, expected nothing or man", argument);
    return -EINVAL;
}

/* `option`: what getopt found, '?' or ':'. */
static int bad_usage(int option, const char *argument, struct hearken_error *error)
{
    char reason[480];
    option_error(long_options, option, argument, option_name(long_options, optopt), "a value",
                 reason, sizeof(reason));
    return hearken_fail(error, -EINVAL, "%s; try hearkend --help", reason);
}

static int refuse_operand(const char *operand, struct hearken_error *error)
{
    return hearken_fail(error, -EINVAL, "%.200s: hearkend takes options only; try hearkend --help",
                        *operand ? operand : "an empty argument");
}

static int apply_option(struct options *options, int option, const char *argument,
                        struct hearken_error *error)
{
    switch (option) {
    case 'm':
        return add_override(options, "model.file=", argument);
    case 'b':
        return add_override(options, "compute.backend=", argument);
    case OPTION_PLUGIN_DIRECTORY:
        return add_override(options, "compute.plugin_directory=", argument);
    case OPTION_CPU_MASK:
        return add_override(options, "compute.cpu_mask=", argument);
    case 's':
        return add_override(options, "server.socket=", argument);
    case OPTION_TCP:
        return add_override(options, "server.tcp=", argument);
    case OPTION_HTTP:
        return add_override(options, "http.listen=", argument);
    case 'o':
        return add_override(options, "", argument);
    case 'v':
        return add_override(options, "log.level=", "debug");
    case 'q':
        return add_override(options, "log.level=", "error");
    case 'c':
        return name_file(options, argument, error);
    case OPTION_CHECK:
        options->action = OPTIONS_CHECK;
        return 0;
    case OPTION_HELP_CONFIGURATION:
        return choose_help(options, argument, error);
    case 'h':
        options->action = OPTIONS_HELP;
        return 0;
    default:
        options->action = OPTIONS_VERSION;
        return 0;
    }
}

/* ---- Standard paths ---- */

static int use_if_present(struct options *options, const char *directory, const char *rest)
{
    char *path;
    if (asprintf(&path, "%s%s", directory, rest) < 0)
        return -ENOMEM;
    if (access(path, F_OK) == 0)
        options->file = path;
    else
        free(path);
    return 0;
}

static int find_file(struct options *options)
{
    static const char file[] = "/hearken/hearkend.conf";
    const char *configuration = secure_getenv("XDG_CONFIG_HOME");
    const char *home = secure_getenv("HOME");
    int result = 0;
    if (configuration && configuration[0] == '/')
        result = use_if_present(options, configuration, file);
    else if (home && home[0] == '/')
        result = use_if_present(options, home, "/.config/hearken/hearkend.conf");
    if (result == 0 && !options->file)
        result = use_if_present(options, HEARKEN_SYSCONFDIR, file);
    return result;
}

int options_parse(struct options *options, int count, char *const *arguments,
                  struct hearken_error *error)
{
    *options = (struct options){.action = OPTIONS_RUN};
    int result = 0;
    optind = 0; /* start afresh: glibc resets its state */
    opterr = 0;
    for (;;) {
        int index = optind > 0 ? optind : 1;
        int option = getopt_long(count, arguments, "-:m:b:s:c:o:vqhV", long_options, NULL);
        if (option < 0)
            break;
        if (option == 1) /* an operand, by "-" */
            return refuse_operand(optarg, error);
        if (option == '?' || option == ':')
            return bad_usage(option, arguments[index], error);
        result = apply_option(options, option, optarg, error);
        if (result == -ENOMEM)
            snprintf(error->message, sizeof(error->message), "out of memory");
        if (result < 0)
            return result;
    }
    if (optind < count)
        return refuse_operand(arguments[optind], error);
    if (!options->file && find_file(options) < 0) {
        snprintf(error->message, sizeof(error->message), "out of memory");
        return -ENOMEM;
    }
    return 0;
}

void options_finish(struct options *options)
{
    for (size_t i = 0; i < options->override_count; i++)
        free(options->overrides[i]);
    free(options->overrides);
    free(options->file);
    *options = (struct options){0};
}

/* An address, or a path that begins with a slash. */
static int check_address_or_path(const char *setting, const char *address,
                                 struct hearken_error *error)
{
    return *address == '/' ? socket_check_unix(address, error)
                           : socket_check_tcp(setting, address, error);
}

/* Errors that would otherwise appear only at the start. An empty setting is valid. */
static int check_addresses(const struct settings *settings, setting_problem_callback *callback,
                           void *context)
{
    struct hearken_error error;
    int result = 0;
    if (*settings->socket != '\0' && socket_check_unix(settings->socket, &error) < 0) {
        callback(context, error.message);
        result = -EINVAL;
    }
    if (*settings->tcp != '\0' && socket_check_tcp("tcp", settings->tcp, &error) < 0) {
        callback(context, error.message);
        result = -EINVAL;
    }
    if (*settings->http != '\0' && check_address_or_path("http", settings->http, &error) < 0) {
        callback(context, error.message);
        result = -EINVAL;
    }
    if (*settings->agent != '\0' && check_address_or_path("agent", settings->agent, &error) < 0) {
        callback(context, error.message);
        result = -EINVAL;
    }
    return result;
}

int options_load_settings(const struct options *options, struct settings *settings,
                          setting_problem_callback *callback, void *context)
{
    int status = settings_init(settings);
    if (status < 0) {
        callback(context, "out of memory");
        return status;
    }
    if (options->file)
        status = settings_read_file(settings, options->file, callback, context);
    for (size_t i = 0; i < options->override_count; i++) {
        int result = settings_apply_override(settings, options->overrides[i], callback, context);
        if (status == 0)
            status = result;
    }
    if (check_addresses(settings, callback, context) < 0 && status == 0)
        status = -EINVAL;
    if (status == 0)
        status = settings_load_custom_words(settings, callback, context);
    if (status < 0)
        settings_finish(settings);
    return status;
}
