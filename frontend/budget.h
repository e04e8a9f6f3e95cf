/*
 * budget - how many calls may be asked a second time
 *
 * Pure.  Each new call earns a share of a token, each one that is moved to
 * another backend costs one: for long, moved calls cannot exceed that share of
 * the traffic, so that a pool in trouble is not asked twice as much.  What has
 * been saved covers the loss of one backend under full load.
 */
#ifndef FRONTEND_BUDGET_H
#define FRONTEND_BUDGET_H

#include <stdbool.h>

#define BUDGET_SHARE 0.2  /* tokens for each new call */
#define BUDGET_MAX 5000.0 /* tokens saved at the most, and at start */

struct budget {
	double tokens;
};

static inline void
budget_init(struct budget *b)
{
	b->tokens = BUDGET_MAX;
}

static inline void
budget_earn(struct budget *b)
{
	b->tokens += BUDGET_SHARE;
	if (b->tokens > BUDGET_MAX)
		b->tokens = BUDGET_MAX;
}

/* False when nothing is left. */
static inline bool
budget_spend(struct budget *b)
{
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

#endif
