#include "frontend/cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define CELL_BYTES_MAX 300

void
table_init(struct table *t, size_t columns)
{
	*t = (struct table){ .columns = columns };
}

void
table_fini(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ .columns = t->columns };
}

void
table_add(struct table *t, enum style how, const char *format, ...)
{
	char text[CELL_BYTES_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	t->cells = mem_realloc(t->cells, (t->count + 1) * sizeof t->cells[0]);
	t->cells[t->count++] = (struct table_cell){ mem_strdup(text), how };
}

void
table_end_row(struct table *t)
{
	while (t->count % t->columns != 0)
		table_add(t, STYLE_NONE, "%s", "");
}

/* Characters, as far as each byte that is no continuation begins one. */
static size_t
width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
print_cell(const struct table_cell *cell, size_t padded, bool right, FILE *out)
{
	size_t n = width(cell->text);
	int pad = (int)(padded > n ? padded - n : 0);
	bool styled = cell->style != STYLE_NONE;

	(void)fprintf(out, "%*s%s%s%s%*s", right ? pad : 0, "",
	    styled ? style(cell->style) : "", cell->text,
	    styled ? style(STYLE_NONE) : "", right ? 0 : pad, "");
}

void
table_print(const struct table *t, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->count; i++) {
		size_t n = width(t->cells[i].text);

		if (n > widths[i % t->columns])
			widths[i % t->columns] = n;
	}
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;
		bool right = t->numbers && column > 0;

		print_cell(&t->cells[i], last && !right ? 0 : widths[column],
		    right, out);
		(void)fputs(last ? "\n" : "  ", out);
	}
}
