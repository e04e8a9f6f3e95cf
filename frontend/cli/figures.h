/*
 * figures - what 'userli-bridge stat' shows, and where the daemons tell it
 *
 * One const table; a line of it is a figure of both tiers, or of one.  Pure.
 */
#ifndef FRONTEND_CLI_FIGURES_H
#define FRONTEND_CLI_FIGURES_H

#include "frontend/cli/exposition.h"

enum figure_tier {
	FIGURE_FRONTEND,
	FIGURE_BACKEND,
	FIGURE_TIERS,
};

enum figure_kind {
	FIGURE_RATE,     /* a counter's, per second */
	FIGURE_GAUGE,    /* as it is */
	FIGURE_TOTAL,    /* a counter, since the start */
	FIGURE_QUANTILE, /* of a histogram, in seconds */
	FIGURE_SHARE,    /* of one counter's rate in it and another's */
};

struct figure {
	const char *group;
	const char *name;
	enum figure_kind kind;
	double q;                                    /* of FIGURE_QUANTILE */
	struct exposition_selector of[FIGURE_TIERS]; /* metric NULL: none */
	struct exposition_selector rest; /* of FIGURE_SHARE: the others */
};

extern const struct figure figures[];
extern const size_t figures_count;

/* Which daemon wrote it; FIGURE_TIERS for none of ours. */
enum figure_tier figure_tier_of(const struct exposition *e);

/* The figure between two expositions that many seconds apart; NaN when there
 * is none. */
double figure_value(const struct figure *f, enum figure_tier tier,
    const struct exposition *before, const struct exposition *now,
    double seconds);

#endif
