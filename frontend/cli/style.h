/*
 * style - colours, where somebody sees them
 *
 * Escape sequences when standard output is a terminal that has colours and
 * NO_COLOR (no-color.org) is not set; empty strings otherwise.
 */
#ifndef FRONTEND_CLI_STYLE_H
#define FRONTEND_CLI_STYLE_H

#include <stdbool.h>

enum style {
	STYLE_NONE, /* ends all others */
	STYLE_BOLD,
	STYLE_FAINT,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
};

const char *style(enum style which);

/* Whether standard output is a terminal that understands cursor movements. */
bool style_is_terminal(void);

#endif
