/*
 * error - why something could not be started, in words
 *
 * For start-up and configuration only; a lookup's outcome is data.  The text
 * names the thing, the value and the remedy, without a final newline.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

struct error {
	char text[512];
};

/* Set the text; what does not fit is cut. */
void error_set(struct error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
