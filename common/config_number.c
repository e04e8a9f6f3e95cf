#include "common/config_number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FRACTION_SCALE_MAX 1000000

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
add_overflows(uint64_t *sum, uint64_t n)
{
	return __builtin_add_overflow(*sum, n, sum);
}

static bool
multiply_overflows(uint64_t *product, uint64_t n)
{
	return __builtin_mul_overflow(*product, n, product);
}

/*
 * The digits at *text, which moves behind them; OK without any digit leaves
 * *text where it was.
 */
static enum config_number_status
read_digits(const char **text, unsigned base, uint64_t *out)
{
	enum config_number_status status = CONFIG_NUMBER_OK;

	*out = 0;
	for (; is_digit(**text); ++*text) {
		unsigned digit = (unsigned)(**text - '0');

		if (digit >= base)
			return CONFIG_NUMBER_MALFORMED;
		if (multiply_overflows(out, base) || add_overflows(out, digit))
			status = CONFIG_NUMBER_TOO_LARGE;
	}
	return status;
}

enum config_number_status
config_number_whole(const char *text, unsigned base, uint64_t *out)
{
	const char *end = text;
	enum config_number_status status = read_digits(&end, base, out);

	return end == text || *end != '\0' ? CONFIG_NUMBER_MALFORMED : status;
}

/* The unit at *text in ns, which moves behind it; 0 if there is none. */
static uint64_t
read_unit(const char **text)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		/* ms before m, or "ms" would be minutes */
		{ "ms", 1000000 },
		{ "us", 1000 },
		{ "\xc2\xb5s", 1000 }, /* the micro sign, as Go prints it */
		{ "ns", 1 },
		{ "h", UINT64_C(3600000000000) },
		{ "m", UINT64_C(60000000000) },
		{ "s", 1000000000 },
	};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*text, units[i].name, n) == 0) {
			*text += n;
			return units[i].ns;
		}
	}
	return 0;
}

/* One "1.5s" at *text, added to *ns. */
static enum config_number_status
read_duration_part(const char **text, uint64_t *ns)
{
	const char *start = *text;
	uint64_t fraction = 0;
	uint64_t scale = 1;
	uint64_t beyond = 0;
	uint64_t whole;
	uint64_t unit;
	enum config_number_status status = read_digits(text, 10, &whole);
	bool has_digits = *text != start;

	if (**text == '.') {
		for (++*text; is_digit(**text); ++*text) {
			has_digits = true;
			/* Six digits times an hour's ns still fit 64 bits;
			 * of further ones it counts that they are not 0. */
			if (scale < FRACTION_SCALE_MAX) {
				fraction =
				    fraction * 10 + (uint64_t)(**text - '0');
				scale *= 10;
			} else if (**text != '0') {
				beyond = 1;
			}
		}
	}
	unit = read_unit(text);
	if (!has_digits || unit == 0)
		return CONFIG_NUMBER_MALFORMED;
	if (status != CONFIG_NUMBER_OK || multiply_overflows(&whole, unit) ||
	    add_overflows(ns, whole) ||
	    add_overflows(ns, fraction * unit / scale + beyond))
		return CONFIG_NUMBER_TOO_LARGE;
	return CONFIG_NUMBER_OK;
}

enum config_number_status
config_number_duration(const char *text, uint64_t *ms)
{
	enum config_number_status worst = CONFIG_NUMBER_OK;
	uint64_t ns = 0;

	*ms = 0;
	if (strcmp(text, "0") == 0)
		return CONFIG_NUMBER_OK;
	do {
		enum config_number_status status =
		    read_duration_part(&text, &ns);

		if (status == CONFIG_NUMBER_MALFORMED)
			return status;
		if (status != CONFIG_NUMBER_OK)
			worst = status;
	} while (*text != '\0');
	*ms = ns / 1000000 + (ns % 1000000 >= 500000);
	if (*ms == 0 && ns > 0)
		*ms = 1;
	return worst;
}

enum config_number_status
config_number_size(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = { { "", 0 }, { "K", 10 }, { "KiB", 10 }, { "M", 20 },
		{ "MiB", 20 }, { "G", 30 }, { "GiB", 30 } };
	const char *end = text;
	enum config_number_status status = read_digits(&end, 10, bytes);

	if (end == text)
		return CONFIG_NUMBER_MALFORMED;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcasecmp(end, units[i].name) != 0)
			continue;
		if (multiply_overflows(bytes, UINT64_C(1) << units[i].shift))
			return CONFIG_NUMBER_TOO_LARGE;
		return status;
	}
	return CONFIG_NUMBER_MALFORMED;
}

/* A limit of a range, in the largest unit that divides it. */
void
config_number_format(enum config_type type, uint64_t value, char out[static 32])
{
	static const struct {
		enum config_type type;
		uint64_t size;
		const char *name;
	} units[] = {
		{ CONFIG_DURATION, 3600000, "h" },
		{ CONFIG_DURATION, 60000, "m" },
		{ CONFIG_DURATION, 1000, "s" },
		{ CONFIG_DURATION, 1, "ms" },
		{ CONFIG_SIZE, UINT64_C(1) << 30, "GiB" },
		{ CONFIG_SIZE, UINT64_C(1) << 20, "MiB" },
		{ CONFIG_SIZE, UINT64_C(1) << 10, "KiB" },
	};

	for (size_t i = 0; value > 0 && i < sizeof units / sizeof units[0];
	     i++) {
		if (units[i].type != type || value % units[i].size != 0)
			continue;
		(void)snprintf(out, 32, "%" PRIu64 "%s", value / units[i].size,
		    units[i].name);
		return;
	}
	(void)snprintf(
	    out, 32, type == CONFIG_OCTAL ? "%04" PRIo64 : "%" PRIu64, value);
}
