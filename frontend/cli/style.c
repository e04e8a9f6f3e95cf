#include "frontend/cli/style.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
style_is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && term != NULL && term[0] != '\0' &&
	    strcmp(term, "dumb") != 0;
}

const char *
style(enum style which)
{
	static const char *const sequences[] = {
		[STYLE_NONE] = "\033[0m",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_FAINT] = "\033[2m",
		[STYLE_GOOD] = "\033[32m",
		[STYLE_WARN] = "\033[33m",
		[STYLE_BAD] = "\033[31m",
	};
	const char *no_color = getenv("NO_COLOR");

	if ((no_color != NULL && no_color[0] != '\0') || !style_is_terminal())
		return "";
	return sequences[which];
}
