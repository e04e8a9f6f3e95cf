/*
 * table - text in columns
 *
 * Collects cells row by row and prints them aligned.  Columns are counted in
 * characters.  At most TABLE_COLUMNS_MAX columns.
 */
#ifndef FRONTEND_CLI_TABLE_H
#define FRONTEND_CLI_TABLE_H

#include <stdio.h>

#include "frontend/cli/style.h"

#define TABLE_COLUMNS_MAX 20

struct table {
	struct table_cell {
		char *text; /* owned */
		enum style style;
	} * cells; /* columns of each row, one after the other */
	size_t count;
	size_t columns;
	bool numbers; /* all columns but the first are right-aligned */
};

void table_init(struct table *t, size_t columns);
void table_fini(struct table *t);

/* The next cell; a row is full when it has as many as there are columns. */
void table_add(struct table *t, enum style how, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fill the row up with empty cells. */
void table_end_row(struct table *t);

/* Print all rows; the last column is not padded. */
void table_print(const struct table *t, FILE *out);

#endif
