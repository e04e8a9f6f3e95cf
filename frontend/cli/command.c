#include "frontend/cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/config_number.h"
#include "common/quote.h"

enum {
	OPTION_ADDR = 256, /* beyond any short option */
	OPTION_ADMIN,
	OPTION_CONFIG,
	OPTION_EXPLAIN,
	OPTION_HELP,
	OPTION_JSON,
	OPTION_POSTFIX,
	OPTION_TIMEOUT,
	OPTION_VIA,
	OPTION_WATCH,
};

static const struct option all_options[] = {
	{ "addr", required_argument, NULL, OPTION_ADDR },
	{ "admin", required_argument, NULL, OPTION_ADMIN },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "explain", no_argument, NULL, OPTION_EXPLAIN },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "postfix", required_argument, NULL, OPTION_POSTFIX },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "via", required_argument, NULL, OPTION_VIA },
	{ "watch", required_argument, NULL, OPTION_WATCH },
};

#define OPTIONS (sizeof all_options / sizeof all_options[0])

void
command_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, COMMAND_PROGRAM ": ");
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
}

enum command_exit
command_usage(const struct command *self, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, COMMAND_PROGRAM ": %s: ", self->name);
	(void)vfprintf(stderr, format, args);
	(void)fprintf(
	    stderr, " (see '" COMMAND_PROGRAM " %s --help')\n", self->name);
	va_end(args);
	return COMMAND_USAGE;
}

const char *
command_printable(struct slice text, char *out, size_t size)
{
	size_t len = text.len < size ? text.len : size - 1;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		out[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	out[len] = '\0';
	return out;
}

/* As "10s"; a mere number is one of seconds, as for other tools' -w. */
static bool
parse_duration(const struct command *self, const char *name, const char *text,
    uint64_t *out)
{
	const char *duration = text;
	char shown[QUOTE_SIZE];
	char seconds[16];

	if (strspn(text, "0123456789") == strlen(text) && strlen(text) < 8) {
		(void)snprintf(seconds, sizeof seconds, "%ss", text);
		duration = seconds;
	}
	if (config_number_duration(duration, out) == CONFIG_NUMBER_OK &&
	    *out > 0 && *out <= UINT32_MAX)
		return true;
	(void)command_usage(self,
	    "%s %s is no duration above zero; write it as 500ms, 10s or 1m",
	    name, quote_value(slice_of(text), shown));
	return false;
}

/* The options that the command accepts, and --help; zeroes end the list. */
static void
select_options(
    const char *const *accepted, struct option out[static OPTIONS + 2])
{
	static const struct option help = { "help", no_argument, NULL,
		OPTION_HELP };
	size_t n = 0;

	memset(out, 0, (OPTIONS + 2) * sizeof out[0]);
	for (; *accepted != NULL; accepted++) {
		for (size_t i = 0; i < OPTIONS; i++) {
			if (strcmp(all_options[i].name, *accepted) == 0)
				out[n++] = all_options[i];
		}
	}
	out[n] = help;
}

/* After getopt_long() has returned '?'. */
static const char *
unknown_option(char *const argv[], char shown[static QUOTE_SIZE])
{
	/* Within "-abc" optind still stands on the whole. */
	char letter[] = { '-', (char)optopt, '\0' };
	bool is_letter = optopt > 0 && optopt < OPTION_ADDR;

	return quote_value(
	    slice_of(is_letter ? letter : argv[optind - 1]), shown);
}

/* Take one option; false when it is none, or its value is wrong. */
static bool
take_option(const struct command *self, int option,
    struct command_options *options, char *const argv[])
{
	char shown[QUOTE_SIZE];

	switch (option) {
	case OPTION_ADDR:
		options->address = optarg;
		return true;
	case OPTION_ADMIN:
		options->admin = optarg;
		return true;
	case OPTION_CONFIG:
		options->config = optarg;
		return true;
	case OPTION_POSTFIX:
		options->postfix = optarg;
		return true;
	case OPTION_EXPLAIN:
		options->explain = true;
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case OPTION_TIMEOUT:
		return parse_duration(
		    self, "--timeout", optarg, &options->timeout_ms);
	case OPTION_VIA:
		options->via = optarg;
		return true;
	case OPTION_WATCH:
		return parse_duration(
		    self, "--watch", optarg, &options->watch_ms);
	case ':':
		(void)command_usage(self, "%s needs a value", argv[optind - 1]);
		return false;
	default:
		(void)command_usage(self,
		    "unknown option %s; what starts with '-' and is none goes "
		    "after '--'",
		    unknown_option(argv, shown));
		return false;
	}
}

static bool
is_accepted(const char *const *accepted, const char *name)
{
	while (*accepted != NULL && strcmp(*accepted, name) != 0)
		accepted++;
	return *accepted != NULL;
}

bool
command_parse(const struct command *self, int argc, char *const argv[],
    const char *const *accepted, struct command_options *options, int *operand,
    enum command_exit *status)
{
	struct option known[OPTIONS + 2];
	bool has_watch = is_accepted(accepted, "watch");
	int option;

	select_options(accepted, known);
	optind = 0; /* glibc: start afresh */
	*status = COMMAND_USAGE;
	while ((option = getopt_long(argc, argv, has_watch ? ":hw:" : ":h",
		    known, NULL)) != -1) {
		if (option == 'w')
			option = OPTION_WATCH;
		if (option == OPTION_HELP || option == 'h') {
			(void)fputs(self->help, stdout);
			*status = COMMAND_OK;
			return false;
		}
		if (!take_option(self, option, options, argv))
			return false;
	}
	*operand = optind;
	return true;
}
