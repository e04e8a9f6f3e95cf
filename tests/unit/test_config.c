#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/config.h"
#include "common/config.h"
#include "frontend/config.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ARGS_MAX 8
#define SECRET "hush-4711"

static const char *const levels[] = { "debug", "info", NULL };

struct settings {
	char *token;
	char *text;
	uint64_t timeout_ms;
	int level;
	struct endpoint_list listen;
};

static const struct config_option options[] = {
	{ .name = "USERLI_TOKEN",
	    .type = CONFIG_STRING,
	    .flags = CONFIG_SECRET | CONFIG_REQUIRED,
	    .fallback = "",
	    .help = "The token.",
	    .offset = offsetof(struct settings, token) },
	{ .name = "USERLI_TEXT",
	    .type = CONFIG_STRING,
	    .fallback = "default",
	    .help = "A text.",
	    .offset = offsetof(struct settings, text) },
	{ .name = "USERLI_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "5s",
	    .min = 100,
	    .max = 300000,
	    .help = "How long.",
	    .offset = offsetof(struct settings, timeout_ms) },
	{ .name = "LOG_LEVEL",
	    .type = CONFIG_CHOICE,
	    .fallback = "info",
	    .choices = levels,
	    .help = "How much.",
	    .offset = offsetof(struct settings, level) },
	{ .name = "LISTEN_ADDR",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = "",
	    .syntax = ENDPOINT_HTTP,
	    .help = "Where.",
	    .offset = offsetof(struct settings, listen) },
};
static const char *const foreign[] = { "BACKEND_URLS", "LOOKUP_SECRET", NULL };
static const struct config_program program = { .name = "userli-test",
	.summary = "Tests.",
	.options = options,
	.count = COUNT(options),
	.settings_size = sizeof(struct settings),
	.foreign = foreign };

/* --- One start of a program, and what came of it ------------------------- */

struct start {
	const char *argv[ARGS_MAX]; /* without the program's name */
	const char *envp[ARGS_MAX];
	/* Filled by run() */
	int exit_code; /* -1: the program would run */
	const char *whole_argv[ARGS_MAX + 1];
	struct config *config;
	char out[8192];
	char err[8192];
};

static void
slurp(FILE *from, char *to, size_t size)
{
	rewind(from);
	to[fread(to, 1, size - 1, from)] = '\0';
	(void)fclose(from);
}

/* config_main() with its output caught. */
static void
run_program(const struct config_program *p, struct start *s)
{
	const char **argv = s->whole_argv;
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int real_out = dup(STDOUT_FILENO);
	int real_err = dup(STDERR_FILENO);
	int argc = 1;

	argv[0] = p->name;
	assert_non_null(out);
	assert_non_null(err);
	for (; s->argv[argc - 1] != NULL; argc++)
		argv[argc] = s->argv[argc - 1];
	(void)fflush(stdout);
	(void)dup2(fileno(out), STDOUT_FILENO);
	(void)dup2(fileno(err), STDERR_FILENO);
	s->exit_code = -1;
	s->config = config_main(p, argc, (char *const *)argv,
	    (char *const *)s->envp, &s->exit_code);
	(void)fflush(stdout);
	(void)dup2(real_out, STDOUT_FILENO);
	(void)dup2(real_err, STDERR_FILENO);
	(void)close(real_out);
	(void)close(real_err);
	slurp(out, s->out, sizeof s->out);
	slurp(err, s->err, sizeof s->err);
	assert_int_equal(s->config != NULL, s->exit_code == -1);
	/* Whatever happens, a secret stays one. */
	assert_null(strstr(s->out, "hush"));
	assert_null(strstr(s->err, "hush"));
}

static void
run(struct start *s)
{
	run_program(&program, s);
}

static const struct settings *
settings_of(const struct start *s)
{
	if (s->config == NULL)
		fail_msg("exit %d: %s", s->exit_code, s->err);
	return config_settings(s->config);
}

static void
expect_error(struct start *s, int exit_code, const char *part)
{
	run(s);
	if (s->exit_code != exit_code || strstr(s->err, part) == NULL)
		fail_msg("want %d %s; got %d %s", exit_code, part, s->exit_code,
		    s->err);
	assert_string_equal(s->out, "");
}

static size_t
count_warnings(const struct config *config)
{
	const char *const *w = config_warnings(config);
	size_t n = 0;

	while (w[n] != NULL) {
		assert_null(strstr(w[n], "hush"));
		n++;
	}
	return n;
}

/* --- A directory with files ---------------------------------------------- */

static char directory[] = "/tmp/test_config.XXXXXX";

static int
make_directory(void **state)
{
	(void)state;
	(void)umask(022);
	return mkdtemp(directory) == NULL ? -1 : 0;
}

/* The path of a file in the directory; valid until the fourth next call. */
static const char *
path_of(const char *name)
{
	static char paths[4][128];
	static size_t next;
	char *path = paths[next++ % COUNT(paths)];

	(void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
	return path;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)unlink(path_of("file"));
	(void)unlink(path_of("USERLI_TOKEN"));
	return rmdir(directory);
}

static const char *
file_with(const char *name, struct slice bytes, mode_t mode)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, f), bytes.len);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

/* "NAME=directory/file", for an environment. */
static const char *
assign(const char *name, const char *value)
{
	static char texts[4][256];
	static size_t next;
	char *text = texts[next++ % COUNT(texts)];

	(void)snprintf(text, sizeof texts[0], "%s=%s", name, value);
	return text;
}

/* --- Sources -------------------------------------------------------------- */

static void
a_flag_beats_the_environment_beats_the_file_beats_the_default(void **state)
{
	static const uint64_t want_ms[] = { 5000, 1000, 2000, 3000 };
	const char *file =
	    file_with("file", SLICE("USERLI_TIMEOUT=1s\n"), 0644);

	(void)state;
	for (size_t i = 0; i < COUNT(want_ms); i++) {
		struct start s = { .envp = { "USERLI_TOKEN=" SECRET } };
		size_t argc = 0;

		if (i >= 1) {
			s.argv[argc++] = "--config";
			s.argv[argc++] = file;
		}
		if (i >= 2)
			s.envp[1] = "USERLI_TIMEOUT=2s";
		if (i >= 3)
			s.argv[argc++] = "--userli-timeout=3s";
		run(&s);
		assert_int_equal(settings_of(&s)->timeout_ms, want_ms[i]);
		config_free(s.config);
	}
}

static void
a_reload_reads_the_same_places_as_they_are_now(void **state)
{
	static const char file_text[] = "USERLI_TIMEOUT=1s\n";
	const char *file = file_with("file", SLICE(file_text), 0644);
	const char *secret =
	    file_with("USERLI_TOKEN", SLICE(SECRET "-old\n"), 0600);
	struct start s = { .argv = { "--config", file },
		.envp = { assign("USERLI_TOKEN_FILE", secret) } };
	struct error error = { "" };
	struct config *again;

	(void)state;
	run(&s);
	assert_string_equal(settings_of(&s)->token, SECRET "-old");
	(void)file_with("file", SLICE("USERLI_TIMEOUT=2s\n"), 0644);
	(void)file_with("USERLI_TOKEN", SLICE(SECRET "-new\n"), 0600);
	again = config_reload(s.config, &error);
	assert_non_null(again);
	assert_string_equal(
	    ((const struct settings *)config_settings(again))->token,
	    SECRET "-new");
	assert_int_equal(
	    ((const struct settings *)config_settings(again))->timeout_ms,
	    2000);
	/* The old values stay, until they are freed. */
	assert_string_equal(settings_of(&s)->token, SECRET "-old");
	config_free(s.config);
	assert_int_equal(unlink(secret), 0);
	assert_null(config_reload(again, &error));
	assert_non_null(strstr(error.text, "USERLI_TOKEN"));
	assert_null(strstr(error.text, "hush"));
	config_free(again);
}

static void
an_empty_variable_counts_as_unset_and_an_empty_flag_does_not(void **state)
{
	struct start s = { .envp = { "USERLI_TOKEN=" SECRET,
			       "USERLI_TEXT=", "USERLI_TIMEOUT=", "LOG_TYPO=",
			       "USERLI_TOKEN_FILE=" } };
	struct start empty = { .argv = { "--userli-text", "" },
		.envp = { "USERLI_TOKEN=" SECRET } };

	(void)state;
	run(&s);
	assert_string_equal(settings_of(&s)->text, "default");
	assert_int_equal(settings_of(&s)->timeout_ms, 5000);
	assert_int_equal(settings_of(&s)->listen.count, 0);
	assert_int_equal(count_warnings(s.config), 0);
	config_free(s.config);
	run(&empty);
	assert_string_equal(settings_of(&empty)->text, "");
	config_free(empty.config);
}

static void
each_line_of_a_file_is_read_as_sh_and_systemd_read_it(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "USERLI_TEXT=a b", "a b" },
		{ "  USERLI_TEXT = a  ", "a" },
		{ "export USERLI_TEXT=a", "a" },
		{ "export\tUSERLI_TEXT=a", "a" },
		{ "USERLI_TEXT=\"a b \"", "a b " },
		{ "USERLI_TEXT='a \"b'", "a \"b" },
		{ "USERLI_TEXT=\"a # b\" # c", "a # b" },
		{ "USERLI_TEXT=a # b", "a" },
		{ "USERLI_TEXT=a#b", "a#b" },
		{ "USERLI_TEXT=a\\nb", "a\\nb" },
		{ "USERLI_TEXT=a=b", "a=b" },
		{ "USERLI_TEXT=a\r", "a" },
		{ "USERLI_TEXT=", "default" },
		{ "USERLI_TEXT=\"\"", "default" },
		{ "USERLI_TEXT= # nothing", "default" },
		{ "# USERLI_TEXT=a", "default" },
		{ "\n \t \n\nUSERLI_TEXT=a", "a" },
		{ "BACKEND_URLS=x\nLOOKUP_SECRET_FILE=y", "default" },
		{ "", "default" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct start s = {
			.argv = { "--config",
			    file_with("file", slice_of(cases[i].line), 0644) },
			.envp = { "USERLI_TOKEN=" SECRET }
		};

		run(&s);
		assert_string_equal(settings_of(&s)->text, cases[i].want);
		assert_int_equal(count_warnings(s.config), 0);
		config_free(s.config);
	}
}

static void
each_wrong_line_of_a_file_is_named_by_number(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "USERLI_TIMOUT=1s", "did you mean USERLI_TIMEOUT" },
		{ "ELSE=1", "\"ELSE\" is not a setting of userli-test" },
		{ "userli_text=a", "\"userli_text\" is not a setting" },
		{ "=a", "\"\" is not a setting" },
		{ SECRET, "has no '='" },
		{ "USERLI_TOKEN=\"" SECRET, "USERLI_TOKEN: the value's quote" },
		{ "USERLI_TEXT='a' b", "USERLI_TEXT: something follows" },
		{ "USERLI_TEXT=\"a\"b", "USERLI_TEXT: something follows" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct start s = { .envp = { "USERLI_TOKEN=" SECRET } };
		char text[256];
		char want[256];

		(void)snprintf(
		    text, sizeof text, "# one\n\n%s\n#", cases[i].line);
		s.argv[0] = "--config";
		s.argv[1] = file_with("file", slice_of(text), 0644);
		(void)snprintf(want, sizeof want, "%s:3: ", s.argv[1]);
		expect_error(&s, 78, want);
		if (strstr(s.err, cases[i].want) == NULL)
			fail_msg("%s: %s", cases[i].line, s.err);
	}
}

static void
a_line_that_overrides_an_earlier_one_is_a_warning(void **state)
{
	struct start s = { .envp = { "USERLI_TOKEN=" SECRET } };

	(void)state;
	s.argv[0] = "--config";
	s.argv[1] =
	    file_with("file", SLICE("USERLI_TEXT=a\n\nUSERLI_TEXT=b\n"), 0644);
	run(&s);
	assert_string_equal(settings_of(&s)->text, "b");
	assert_int_equal(count_warnings(s.config), 1);
	assert_non_null(strstr(config_warnings(s.config)[0], "line 1"));
	config_free(s.config);
}

static void
a_file_that_cannot_be_read_is_named(void **state)
{
	struct start missing = { .argv = { "--config=/nonexistent" } };
	struct start is_directory = { .argv = { "--config", directory } };
	struct start binary = { .argv = { "--config",
				    file_with("file", SLICE("A\0B"), 0644) } };

	(void)state;
	expect_error(&missing, 78, "/nonexistent cannot be read: No such file");
	expect_error(&is_directory, 78, directory);
	expect_error(&binary, 78, "NUL");
}

/* --- Secrets -------------------------------------------------------------- */

static void
a_secret_comes_from_each_place_and_print_tells_only_which(void **state)
{
	const char *file = file_with("file", SLICE(SECRET "\n"), 0600);
	const char *from_file = assign("USERLI_TOKEN_FILE", file);
	const char *credentials = assign("CREDENTIALS_DIRECTORY", directory);
	const struct {
		struct start start;
		const char *source;
	} cases[] = {
		{ { .envp = { "USERLI_TOKEN=" SECRET } }, "environment" },
		{ { .envp = { from_file } }, "secret file /" },
		{ { .envp = { credentials } }, "credential /" },
		{ { .envp = { credentials, from_file } }, "secret file /" },
		{ { .envp = { credentials, "USERLI_TOKEN=" SECRET } },
		    "environment" },
		{ { .argv = { "--userli-token-file", file } },
		    "secret file /" },
		{ { .argv = { "--userli-token-file", file },
		      .envp = { "USERLI_TOKEN=other" } },
		    "secret file /" },
	};

	(void)state;
	(void)file_with("USERLI_TOKEN", SLICE(SECRET), 0600);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct start s = cases[i].start;
		char want[64];
		size_t argc = 0;

		run(&s);
		assert_string_equal(settings_of(&s)->token, SECRET);
		assert_int_equal(count_warnings(s.config), 0);
		config_free(s.config);
		while (s.argv[argc] != NULL)
			argc++;
		s.argv[argc] = "--print-config";
		run(&s);
		(void)snprintf(want, sizeof want, "USERLI_TOKEN=(set)  # %s",
		    cases[i].source);
		if (strstr(s.out, want) == NULL)
			fail_msg("want %s; got %s", want, s.out);
	}
	(void)unlink(path_of("USERLI_TOKEN"));
}

static void
a_missing_credential_is_no_error_of_its_own(void **state)
{
	struct start s = { .envp = {
			       assign("CREDENTIALS_DIRECTORY", directory) } };

	(void)state;
	expect_error(&s, 78, "USERLI_TOKEN: is required and not set");
	assert_null(strstr(s.err, "cannot be read"));
}

static void
a_secret_file_loses_one_newline_and_nothing_else(void **state)
{
	static const struct {
		struct slice bytes;
		const char *want; /* NULL: refused */
		const char *error;
	} cases[] = {
		{ { "a b ", 4 }, "a b ", NULL },
		{ { "a\n", 2 }, "a", NULL },
		{ { "a\n\n", 3 }, NULL, "control character" },
		{ { "a\r\n", 3 }, NULL, "control character" },
		{ { "a\0b", 3 }, NULL, "NUL" },
		{ { "", 0 }, NULL, "is empty" },
		{ { "\n", 1 }, NULL, "is empty" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *path = file_with("file", cases[i].bytes, 0600);
		struct start s = { .envp = {
				       assign("USERLI_TOKEN_FILE", path) } };

		if (cases[i].want == NULL) {
			expect_error(&s, 78, cases[i].error);
			assert_non_null(strstr(s.err, "USERLI_TOKEN"));
			assert_null(strstr(s.err, "is required"));
			continue;
		}
		run(&s);
		assert_string_equal(settings_of(&s)->token, cases[i].want);
		config_free(s.config);
	}
}

static void
a_secret_file_that_cannot_be_used_is_named(void **state)
{
	static char large[65537];
	const char *path;
	struct start missing = { .envp = { "USERLI_TOKEN_FILE=/nonexistent" } };
	struct start too_large;
	struct start largest;

	(void)state;
	expect_error(
	    &missing, 78, "USERLI_TOKEN_FILE: \"/nonexistent\" cannot");
	assert_null(strstr(missing.err, "is required"));

	memset(large, 'x', sizeof large);
	path = file_with("file", (struct slice){ large, sizeof large }, 0600);
	too_large =
	    (struct start){ .envp = { assign("USERLI_TOKEN_FILE", path) } };
	expect_error(&too_large, 78, "too large");
	(void)file_with("file", (struct slice){ large, 65536 }, 0600);
	largest =
	    (struct start){ .envp = { assign("USERLI_TOKEN_FILE", path) } };
	run(&largest);
	assert_int_equal(strlen(settings_of(&largest)->token), 65536);
	config_free(largest.config);
}

static void
a_secret_and_its_file_in_one_place_is_an_error(void **state)
{
	struct start environment = { .envp = { "USERLI_TOKEN=" SECRET,
					 "USERLI_TOKEN_FILE=/nonexistent" } };
	struct start file = { .argv = { "--config",
				  file_with("file",
				      SLICE("USERLI_TOKEN=" SECRET "\n"
					    "USERLI_TOKEN_FILE=/x\n"),
				      0600) } };

	(void)state;
	expect_error(&environment, 78,
	    "USERLI_TOKEN and USERLI_TOKEN_FILE are both set");
	assert_null(strstr(environment.err, "is required"));
	expect_error(&file, 78, "USERLI_TOKEN and USERLI_TOKEN_FILE");
}

static void
a_secret_that_everybody_can_read_is_a_warning(void **state)
{
	static const struct {
		bool is_config;
		mode_t mode;
		size_t want;
	} cases[] = {
		{ false, 0644, 1 },
		{ false, 0640, 0 },
		{ true, 0604, 1 },
		{ true, 0600, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice bytes = cases[i].is_config
		    ? SLICE("USERLI_TOKEN=" SECRET "\n")
		    : SLICE(SECRET "\n");
		const char *path = file_with("file", bytes, cases[i].mode);
		struct start s = { .argv = { cases[i].is_config
					   ? "--config"
					   : "--userli-token-file",
				       path } };

		run(&s);
		assert_string_equal(settings_of(&s)->token, SECRET);
		assert_int_equal(count_warnings(s.config), cases[i].want);
		if (cases[i].want > 0)
			assert_non_null(
			    strstr(config_warnings(s.config)[0], path));
		config_free(s.config);
	}
}

/* --- Names -----------------------------------------------------------------
 */

static void
unknown_names_warn_and_suggest_but_foreign_ones_do_not(void **state)
{
	struct start s = { .envp = { "USERLI_TOKEN=" SECRET,
			       "USERLI_TIMOUT=" SECRET, "BACKEND_URLS=x",
			       "LOOKUP_SECRET_FILE=x", "PATH=/bin", "LOG_=x",
			       "no equals sign" } };

	(void)state;
	run(&s);
	(void)settings_of(&s);
	assert_int_equal(count_warnings(s.config), 1);
	assert_non_null(strstr(config_warnings(s.config)[0],
	    "\"USERLI_TIMOUT\" is set in the environment"));
	assert_non_null(strstr(
	    config_warnings(s.config)[0], "did you mean USERLI_TIMEOUT?"));
	assert_string_equal(s.err, ""); /* the program logs them itself */
	config_free(s.config);

	s.argv[0] = "--check-config";
	run(&s);
	assert_int_equal(s.exit_code, 0);
	assert_string_equal(s.out, "configuration ok\n");
	assert_non_null(strstr(s.err, "userli-test: warning: "));
}

static void
every_prefix_of_the_bridge_is_watched(void **state)
{
	static const char *const names[] = { "USERLI_X=1", "SOCKETMAP_X=1",
		"BACKEND_X=1", "LOOKUP_X=1", "RPC_X=1", "LOG_X=1",
		"METRICS_X=1" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct start s = { .envp = {
				       "USERLI_TOKEN=" SECRET, names[i] } };

		run(&s);
		(void)settings_of(&s);
		assert_int_equal(count_warnings(s.config), 1);
		config_free(s.config);
	}
}

/* --- The command line -------------------------------------------------------
 */

static void
each_wrong_command_line_exits_64_and_says_why(void **state)
{
	static const struct {
		const char *argv[ARGS_MAX];
		const char *want;
	} cases[] = {
		{ { "--userli-token", SECRET }, "USERLI_TOKEN_FILE" },
		{ { "--userli-token=" SECRET }, "--userli-token-file" },
		{ { "--userli-tokn=" SECRET }, "\"--userli-tokn\" is not" },
		{ { "USERLI_TOKEN=" SECRET }, "\"USERLI_TOKEN\" is not" },
		{ { "--USERLI-TEXT", "x" }, "is not an option" },
		{ { "--userli_text", "x" }, "is not an option" },
		{ { "--userli-text" }, "needs a value" },
		{ { "--config" }, "needs a value" },
		{ { "--config", "a", "--config", "b" }, "twice" },
		{ { "--help=x" }, "is not an option" },
		{ { "--listen-addr", ":1", "x" }, "\"x\" is not expected" },
		{ { "-h" }, "is not expected" },
		{ { "--" }, "is not expected" },
		{ { "" }, "is not expected" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct start s = { .exit_code = 0 };

		memcpy(s.argv, cases[i].argv, sizeof s.argv);
		expect_error(&s, 64, cases[i].want);
	}
}

static void
help_and_version_need_no_valid_configuration(void **state)
{
	struct start version = { .argv = { "--version", "--nonsense" },
		.envp = { "USERLI_TIMEOUT=never" } };
	struct start help = { .argv = { "--userli-timeout=never", "--help" } };

	(void)state;
	run(&version);
	assert_int_equal(version.exit_code, 0);
	assert_string_equal(version.out, "userli-test " PROJECT_VERSION "\n");
	run(&help);
	assert_int_equal(help.exit_code, 0);
	assert_non_null(strstr(help.out, "Usage: userli-test "));
	assert_string_equal(help.err, "");
}

static void
help_lists_each_option_in_two_lines(void **state)
{
	static const char *const want[] = {
		"\n  USERLI_TOKEN    (required)  text, secret\n"
		"      The token.\n",
		"\n  USERLI_TEXT     default     text\n      A text.\n",
		"\n  USERLI_TIMEOUT  5s          100ms to 5m, SIGHUP applies "
		"it\n      How long.\n",
		"\n  LOG_LEVEL       info        debug or info\n"
		"      How much.\n",
		"\n  LISTEN_ADDR     (empty)     list of :port or host:port\n"
		"      Where.\n",
	};
	static const char *const flags[] = { "--config FILE", "--check-config ",
		"--print-config ", "--help ", "--version ", "--x-y-z VALUE" };
	struct start s = { .argv = { "--help" } };

	(void)state;
	run(&s);
	for (size_t i = 0; i < COUNT(want); i++)
		if (strstr(s.out, want[i]) == NULL)
			fail_msg("want %s in %s", want[i], s.out);
	for (size_t i = 0; i < COUNT(flags); i++)
		assert_non_null(strstr(s.out, flags[i]));
}

static void
every_error_is_told_at_once(void **state)
{
	struct start s = { .argv = { "--userli-timeout", "5 sec" },
		.envp = { "LOG_LEVEL=loud", "LISTEN_ADDR=nowhere" } };

	(void)state;
	expect_error(&s, 78,
	    "userli-test: USERLI_TIMEOUT: \"5 sec\" is not a duration: write "
	    "it as 5s, 1m30s or 500ms (allowed: 100ms to 5m)\n");
	assert_non_null(strstr(s.err, "\nuserli-test: LOG_LEVEL: \"loud\""));
	assert_non_null(strstr(s.err, "userli-test: USERLI_TOKEN: is req"));
	assert_non_null(strstr(s.err, "userli-test: LISTEN_ADDR: \"nowhere\""));
	for (size_t i = 0; i < 2; i++) { /* check and print refuse it too */
		s.argv[2] = i == 0 ? "--check-config" : "--print-config";
		expect_error(&s, 78, "LOG_LEVEL");
	}
}

static void
print_shows_every_value_with_its_source(void **state)
{
	const char *file =
	    file_with("file", SLICE("USERLI_TEXT='a # \"b'\n"), 0644);
	struct start s = { .argv = { "--print-config", "--config", file,
			       "--listen-addr", ":1, :2" },
		.envp = { "LOG_LEVEL=debug", "USERLI_TOKEN=" SECRET } };
	char want[512];

	(void)state;
	(void)snprintf(want, sizeof want,
	    "USERLI_TOKEN=(set)  # environment\n"
	    "USERLI_TEXT='a # \"b'  # file %s\n"
	    "USERLI_TIMEOUT=5s  # default\n"
	    "LOG_LEVEL=debug  # environment\n"
	    "LISTEN_ADDR=\":1, :2\"  # flag\n",
	    file);
	run(&s);
	assert_int_equal(s.exit_code, 0);
	assert_string_equal(s.out, want);
}

static void
what_print_shows_reads_back_as_the_same_but_for_secrets(void **state)
{
	struct start s = { .argv = { "--print-config" },
		.envp = { "LOG_LEVEL=debug", "USERLI_TOKEN=" SECRET,
		    "USERLI_TEXT=a 'b' #c" } };
	char text[4096];
	struct start back;

	(void)state;
	run(&s);
	(void)snprintf(text, sizeof text, "%s",
	    strchr(s.out, '\n') + 1); /* without the secret's line */
	back = (struct start){
		.argv = { "--config", file_with("file", slice_of(text), 0644) },
		.envp = { "USERLI_TOKEN=" SECRET },
	};
	run(&back);
	assert_string_equal(settings_of(&back)->text, "a 'b' #c");
	assert_int_equal(settings_of(&back)->level, 0);
	config_free(back.config);

	(void)file_with("file", slice_of(s.out), 0600);
	back = (struct start){ .argv = { "--config", path_of("file") } };
	expect_error(&back, 78, "in place of a secret");
}

static void
a_default_may_be_another_settings_value(void **state)
{
	static const struct config_option pair[] = {
		{ .name = "USERLI_FIRST",
		    .type = CONFIG_DURATION,
		    .fallback = "5s",
		    .help = "The first.",
		    .offset = 0 },
		{ .name = "USERLI_SECOND",
		    .type = CONFIG_DURATION,
		    .fallback = "USERLI_FIRST",
		    .help = "The second.",
		    .offset = sizeof(uint64_t) },
	};
	static const struct config_program p = { .name = "userli-test",
		.summary = "Tests.",
		.options = pair,
		.count = COUNT(pair),
		.settings_size = 2 * sizeof(uint64_t) };
	static const struct {
		struct start start;
		uint64_t want[2];
	} cases[] = {
		{ { .envp = { NULL } }, { 5000, 5000 } },
		{ { .envp = { "USERLI_FIRST=2s" } }, { 2000, 2000 } },
		{ { .envp = { "USERLI_SECOND=3s" } }, { 5000, 3000 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct start s = cases[i].start;

		run_program(&p, &s);
		assert_memory_equal(
		    settings_of(&s), cases[i].want, sizeof cases[i].want);
		config_free(s.config);
	}
}

/* --- The programs' own tables ------------------------------------------------
 */

static void
the_programs_defaults_are_valid_and_their_names_are_shared_in_peace(
    void **state)
{
	static const struct config_program *const programs[] = {
		&frontend_program, &backend_program
	};

	(void)state;
	for (size_t i = 0; i < COUNT(programs); i++) {
		const struct config_program *other = programs[1 - i];

		for (size_t j = 0; j < other->count; j++) {
			char name[64];
			struct start s = { .envp = { name } };

			if (other->options[j].fallback[0] == '\0')
				continue;
			(void)snprintf(name, sizeof name, "%s=%s",
			    other->options[j].name, other->options[j].fallback);
			if (programs[i] == &backend_program)
				s.envp[1] = "USERLI_TOKEN=" SECRET;
			run_program(programs[i], &s);
			(void)settings_of(&s);
			if (count_warnings(s.config) > 0)
				fail_msg("%s", config_warnings(s.config)[0]);
			config_free(s.config);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_default_may_be_another_settings_value),
		cmocka_unit_test(
		    a_flag_beats_the_environment_beats_the_file_beats_the_default),
		cmocka_unit_test(
		    a_reload_reads_the_same_places_as_they_are_now),
		cmocka_unit_test(
		    an_empty_variable_counts_as_unset_and_an_empty_flag_does_not),
		cmocka_unit_test(
		    each_line_of_a_file_is_read_as_sh_and_systemd_read_it),
		cmocka_unit_test(each_wrong_line_of_a_file_is_named_by_number),
		cmocka_unit_test(
		    a_line_that_overrides_an_earlier_one_is_a_warning),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(
		    a_secret_comes_from_each_place_and_print_tells_only_which),
		cmocka_unit_test(a_missing_credential_is_no_error_of_its_own),
		cmocka_unit_test(
		    a_secret_file_loses_one_newline_and_nothing_else),
		cmocka_unit_test(a_secret_file_that_cannot_be_used_is_named),
		cmocka_unit_test(
		    a_secret_and_its_file_in_one_place_is_an_error),
		cmocka_unit_test(a_secret_that_everybody_can_read_is_a_warning),
		cmocka_unit_test(
		    unknown_names_warn_and_suggest_but_foreign_ones_do_not),
		cmocka_unit_test(every_prefix_of_the_bridge_is_watched),
		cmocka_unit_test(each_wrong_command_line_exits_64_and_says_why),
		cmocka_unit_test(help_and_version_need_no_valid_configuration),
		cmocka_unit_test(help_lists_each_option_in_two_lines),
		cmocka_unit_test(every_error_is_told_at_once),
		cmocka_unit_test(print_shows_every_value_with_its_source),
		cmocka_unit_test(
		    what_print_shows_reads_back_as_the_same_but_for_secrets),
		cmocka_unit_test(
		    the_programs_defaults_are_valid_and_their_names_are_shared_in_peace),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
