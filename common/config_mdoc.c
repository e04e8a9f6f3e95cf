/* mdoc(7), for the manual's page of the settings. */
#include <string.h>

#include "common/config.h"
#include "common/config_value.h"

#define LINE_MAX_COLUMNS 72

/* Prose, filled into lines that no word makes a macro. */
struct prose {
	FILE *out;
	size_t column;
};

static void
end_line(struct prose *p)
{
	if (p->column > 0)
		(void)fputc('\n', p->out);
	p->column = 0;
}

static void
write_word(struct prose *p, const char *word, size_t len)
{
	if (p->column > 0 && p->column + len >= LINE_MAX_COLUMNS)
		end_line(p);
	if (p->column > 0)
		(void)fputc(' ', p->out);
	else if (word[0] == '.' || word[0] == '\'')
		(void)fputs("\\&", p->out);
	for (size_t i = 0; i < len; i++)
		(void)fputs(
		    word[i] == '\\' ? "\\e" : (const char[]){ word[i], '\0' },
		    p->out);
	p->column += len + 1;
	/* A sentence starts a line, as mdoc wants it. */
	if (word[len - 1] == '.')
		end_line(p);
}

static void
write_prose(struct prose *p, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (len > 0)
			write_word(p, text, len);
		text += len;
		text += *text == ' ';
	}
}

static void
write_default(struct prose *p, const struct config_option *option)
{
	char allowed[CONFIG_ALLOWED_SIZE];
	char text[2 * CONFIG_ALLOWED_SIZE];
	bool required = (option->flags & CONFIG_REQUIRED) != 0;

	config_value_allowed(option, allowed);
	(void)snprintf(text, sizeof text, "%s%s; %s.",
	    required ? "Required" : "Default: ",
	    required                          ? ""
		: option->fallback[0] != '\0' ? option->fallback
					      : "empty",
	    allowed);
	write_prose(p, text);
}

void
config_mdoc(const struct config_program *program, FILE *out)
{
	struct prose p = { .out = out };

	for (size_t i = 0; i < program->count; i++) {
		const struct config_option *option = &program->options[i];

		(void)fprintf(out, ".It Ev %s\n", option->name);
		write_prose(&p, option->help);
		end_line(&p);
		write_default(&p, option);
		end_line(&p);
		if (option->flags & CONFIG_SECRET)
			(void)fprintf(out,
			    "A secret, also read from the file that\n"
			    ".Ev %s_FILE\nnames.\n",
			    option->name);
		if (option->flags & CONFIG_RELOAD)
			(void)fputs("Read again on\n.Dv SIGHUP .\n", out);
	}
}
