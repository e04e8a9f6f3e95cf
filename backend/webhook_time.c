#include "backend/webhook_time.h"

#include <time.h>

/* The bytes not read yet. */
struct cursor {
	const char *at, *end;
};

static bool
take(struct cursor *c, char want)
{
	if (c->at == c->end || *c->at != want)
		return false;
	c->at++;
	return true;
}

/* Exactly so many digits, for a number of at most max. */
static bool
take_number(struct cursor *c, int digits, int max, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++) {
		if (c->at == c->end || *c->at < '0' || *c->at > '9')
			return false;
		*out = *out * 10 + (*c->at++ - '0');
	}
	return *out <= max;
}

static bool
take_fraction(struct cursor *c)
{
	const char *first;

	if (!take(c, '.'))
		return true;
	first = c->at;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > first;
}

/* "Z", "+01:00" or "-0130", in seconds east. */
static bool
take_offset(struct cursor *c, int64_t *out)
{
	int hours;
	int minutes;
	bool west;

	*out = 0;
	if (take(c, 'Z') || take(c, 'z'))
		return true;
	west = take(c, '-');
	if (!west && !take(c, '+'))
		return false;
	if (!take_number(c, 2, 23, &hours))
		return false;
	(void)take(c, ':');
	if (!take_number(c, 2, 59, &minutes))
		return false;
	*out = (int64_t)(hours * 60 + minutes) * 60 * (west ? -1 : 1);
	return true;
}

bool
webhook_time_read(struct slice text, int64_t *out)
{
	struct cursor c = { text.ptr, text.ptr + text.len };
	struct tm tm = { 0 };
	struct tm whole;
	int64_t offset;

	if (!take_number(&c, 4, 9999, &tm.tm_year) || !take(&c, '-') ||
	    !take_number(&c, 2, 12, &tm.tm_mon) || !take(&c, '-') ||
	    !take_number(&c, 2, 31, &tm.tm_mday) ||
	    (!take(&c, 'T') && !take(&c, 't')) ||
	    !take_number(&c, 2, 23, &tm.tm_hour) || !take(&c, ':') ||
	    !take_number(&c, 2, 59, &tm.tm_min) || !take(&c, ':') ||
	    !take_number(&c, 2, 60, &tm.tm_sec) || !take_fraction(&c) ||
	    !take_offset(&c, &offset) || c.at != c.end)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	whole = tm;
	*out = (int64_t)timegm(&whole) - offset;
	/* What there is not, as the 31st of June, comes out as another day;
	 * a leap second as the next minute, which is as good. */
	return tm.tm_mon >= 0 &&
	    (tm.tm_sec == 60 ||
		(whole.tm_mon == tm.tm_mon && whole.tm_mday == tm.tm_mday));
}
