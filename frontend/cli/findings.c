#include "frontend/cli/findings.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/slice.h"
#include "frontend/cli/command.h"
#include "frontend/cli/style.h"

#define TEXT_MAX 1000

static void
clear_doing(void)
{
	if (style_is_terminal())
		(void)fputs("\r\033[K", stdout);
}

static void
say(struct findings *f, enum findings_kind kind, const char *text,
    const char *fix)
{
	static const struct {
		const char *word;
		enum style style;
	} kinds[] = {
		[FINDINGS_OK] = { "ok", STYLE_GOOD },
		[FINDINGS_NOTE] = { "note", STYLE_WARN },
		[FINDINGS_PROBLEM] = { "FINDING", STYLE_BAD },
	};
	char clean[TEXT_MAX];

	f->problems += kind == FINDINGS_PROBLEM;
	if (f->sink != NULL) {
		f->sink(f->arg, kind, text, fix);
		return;
	}
	clear_doing();
	(void)printf("  %s%-7s%s  %s\n", style(kinds[kind].style),
	    kinds[kind].word, style(STYLE_NONE),
	    command_printable(slice_of(text), clean, sizeof clean));
	if (fix != NULL)
		(void)printf("           %s->%s %s\n", style(STYLE_BOLD),
		    style(STYLE_NONE),
		    command_printable(slice_of(fix), clean, sizeof clean));
	(void)fflush(stdout);
}

void
findings_section(struct findings *f, const char *title)
{
	if (f->sink != NULL)
		return;
	clear_doing();
	(void)printf("%s%s%s\n", style(STYLE_BOLD), title, style(STYLE_NONE));
	(void)fflush(stdout);
}

void
findings_doing(struct findings *f, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	if (f->sink != NULL || !style_is_terminal())
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	(void)printf("\r\033[K  %s...%s %s", style(STYLE_FAINT),
	    style(STYLE_NONE), text);
	(void)fflush(stdout);
}

void
findings_ok(struct findings *f, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	say(f, FINDINGS_OK, text, NULL);
}

void
findings_note(struct findings *f, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	say(f, FINDINGS_NOTE, text, NULL);
}

void
findings_problem(struct findings *f, const char *fix, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	say(f, FINDINGS_PROBLEM, text, fix);
}
