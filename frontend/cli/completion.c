#include <stdio.h>
#include <string.h>

#include "common/quote.h"
#include "frontend/cli/commands.h"

#define OPTION_MAX 40 /* bytes */

static const char help[] =
    "Usage: userli-bridge completion bash|zsh|fish\n"
    "\n"
    "Prints a script that has the shell complete commands, options and words:\n"
    "\n"
    "  bash  userli-bridge completion bash >\n"
    "        ~/.local/share/bash-completion/completions/userli-bridge\n"
    "  zsh   userli-bridge completion zsh > DIR/_userli-bridge, in a DIR of\n"
    "        $fpath\n"
    "  fish  userli-bridge completion fish >\n"
    "        ~/.config/fish/completions/userli-bridge.fish\n"
    "\n"
    "Exit status: 0, 64 usage.\n";

/* What a command takes beside options. */
static const char *
words_of(const struct command *c)
{
	static const struct {
		const char *name, *words;
	} known[] = {
		{ "query", "alias domain mailbox senders" },
		{ "cache", "stat get flush alias domain mailbox senders all" },
		{ "drain", "frontend backend" },
		{ "resume", "frontend backend" },
		{ "log-level", "frontend backend debug info warn error" },
		{ "stat", "frontend backend" },
		{ "completion", "bash zsh fish" },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, c->name) == 0)
			return known[i].words;
	}
	return "";
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || c == '-';
}

/* Take the next option off *text, as a command's help describes it: at the
 * beginning of a line, after blanks.  False at the end. */
static bool
next_option(const char **text, char out[static OPTION_MAX])
{
	const char *at;

	while ((at = strstr(*text, "\n  ")) != NULL) {
		size_t n = 0;

		*text = at + 1;
		at += strspn(at, "\n ");
		/* "-c, --connections" */
		if (at[0] == '-' && at[1] != '-' && at[1] != '\0' &&
		    at[2] == ',')
			at += strlen("-c, ");
		if (strncmp(at, "-w ", 3) == 0) {
			memcpy(out, "--watch", sizeof "--watch");
			return true;
		}
		while (is_name(at[n]))
			n++;
		if (n < 3 || n >= OPTION_MAX || strncmp(at, "--", 2) != 0)
			continue;
		memcpy(out, at, n);
		out[n] = '\0';
		return true;
	}
	return false;
}

/* Options and words of one command, separated by blanks. */
static void
print_words(const struct command *c)
{
	const char *text = c->help;
	char option[OPTION_MAX];
	char last[OPTION_MAX] = "";

	(void)printf("--help");
	while (next_option(&text, option)) {
		if (strcmp(option, last) != 0)
			(void)printf(" %s", option);
		memcpy(last, option, sizeof last);
	}
	(void)printf("%s%s", words_of(c)[0] != '\0' ? " " : "", words_of(c));
}

/* Text within single quotes, for any of the shells. */
static void
print_quoted(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			(void)fputs("\u2019", stdout);
		else
			(void)putchar(*text);
	}
}

static void
print_cases(const char *indent, const char *format)
{
	for (const struct command *const *c = commands; *c != NULL; c++) {
		(void)printf("%s%s) %s", indent, (*c)->name, format);
		print_words(*c);
		(void)printf("' ;;\n");
	}
}

static void
print_bash(void)
{
	(void)printf("# bash completion for " COMMAND_PROGRAM "\n"
		     "_userli_bridge() {\n"
		     "\tlocal words=''\n"
		     "\tCOMPREPLY=()\n"
		     "\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n"
		     "\t--via) words='socketmap backend userli' ;;\n"
		     "\t--addr | --timeout | --watch | -w) return ;;\n"
		     "\t--admin | --config | --postfix) ;;\n"
		     "\t*)\n"
		     "\t\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		     "\t\t\twords='--help --version");
	for (const struct command *const *c = commands; *c != NULL; c++)
		(void)printf(" %s", (*c)->name);
	(void)printf("'\n"
		     "\t\telse\n"
		     "\t\t\tcase ${COMP_WORDS[1]} in\n");
	print_cases("\t\t\t", "words='");
	(void)printf(
	    "\t\t\tesac\n"
	    "\t\tfi\n"
	    "\t\t;;\n"
	    "\tesac\n"
	    "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
	    "\"${COMP_WORDS[COMP_CWORD]}\")\n"
	    "}\n"
	    "complete -o default -F _userli_bridge " COMMAND_PROGRAM "\n");
}

static void
print_zsh(void)
{
	(void)printf("#compdef " COMMAND_PROGRAM "\n"
		     "local -a list\n"
		     "if (( CURRENT == 2 )); then\n"
		     "\tlist=(\n");
	for (const struct command *const *c = commands; *c != NULL; c++) {
		(void)printf("\t\t'%s:", (*c)->name);
		print_quoted((*c)->summary);
		(void)printf("'\n");
	}
	(void)printf("\t)\n"
		     "\t_describe command list\n"
		     "\treturn\n"
		     "fi\n"
		     "case ${words[CURRENT-1]} in\n"
		     "--via) compadd -- socketmap backend userli; return ;;\n"
		     "--admin|--config|--postfix) _files; return ;;\n"
		     "esac\n"
		     "local choices=''\n"
		     "case ${words[2]} in\n");
	print_cases("", "choices='");
	(void)printf("esac\n"
		     "compadd -- ${=choices} || _files\n");
}

static void
print_fish(void)
{
	(void)printf("# fish completion for " COMMAND_PROGRAM "\n");
	for (const struct command *const *c = commands; *c != NULL; c++) {
		const char *text = (*c)->help;
		char option[OPTION_MAX];
		char last[OPTION_MAX] = "";

		(void)printf("complete -c " COMMAND_PROGRAM
			     " -n __fish_use_subcommand -f -a %s -d '",
		    (*c)->name);
		print_quoted((*c)->summary);
		(void)printf("'\n");
		while (next_option(&text, option)) {
			if (strcmp(option, last) == 0)
				continue;
			memcpy(last, option, sizeof last);
			(void)printf("complete -c " COMMAND_PROGRAM
				     " -n '__fish_seen_subcommand_from %s' -l "
				     "%s\n",
			    (*c)->name, option + 2);
		}
		if (words_of(*c)[0] != '\0')
			(void)printf("complete -c " COMMAND_PROGRAM
				     " -n '__fish_seen_subcommand_from %s' -a "
				     "'%s'\n",
			    (*c)->name, words_of(*c));
	}
	(void)printf("complete -c " COMMAND_PROGRAM " -n "
		     "'__fish_seen_subcommand_from query' -l via -x -a "
		     "'socketmap backend userli'\n");
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { NULL };
	struct command_options options = { 0 };
	enum command_exit status;
	char shown[QUOTE_SIZE];
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at != 1)
		return command_usage(
		    self, "one shell is needed: bash, zsh or fish");
	if (strcmp(argv[at], "bash") == 0)
		print_bash();
	else if (strcmp(argv[at], "zsh") == 0)
		print_zsh();
	else if (strcmp(argv[at], "fish") == 0)
		print_fish();
	else
		return command_usage(self, "%s is none of bash, zsh and fish",
		    quote_value(slice_of(argv[at]), shown));
	return COMMAND_OK;
}

const struct command command_completion = {
	.name = "completion",
	.summary = "print a shell's completion script",
	.help = help,
	.run = run,
};
