/*
 * status_private - what the files of the status module share
 *
 * Included by common/status*.c alone.  The ring holds what was read, not what
 * follows from it: a rate is the difference of two samples.
 */
#ifndef COMMON_STATUS_PRIVATE_H
#define COMMON_STATUS_PRIVATE_H

#include "common/status.h"

enum status_outcome {
	STATUS_SUCCESS,
	STATUS_NOTFOUND,
	STATUS_ERROR,
	STATUS_OUTCOMES,
};

struct status_sample {
	uint64_t at_ns;
	double outcomes[STATUS_OUTCOMES];
	struct metrics_buckets durations;
	double *figures; /* one for each item, then one for each rule */
	double *wholes;  /* likewise, of all series of the family */
};

struct status {
	struct metrics *metrics;
	const struct status_tier *tier;
	const char *name;
	void *arg;
	double started;
	uv_timer_t timer;
	size_t count; /* samples taken; the ring holds the last of them */
	struct status_sample ring[STATUS_SAMPLES + 1];
	struct status_sample now; /* taken for an answer */
};

/* The sample so many before the newest, or the oldest there is. */
const struct status_sample *status_back(const struct status *s, size_t back);

/* Read everything into out, whose arrays are there. */
void status_read(struct status *s, struct status_sample *out);

/* The figure of an item or rule (index i) from now back; NaN if unknown. */
double status_figure(const struct status *s, size_t i, enum status_kind kind);

/* Outcomes a second between two samples. */
double status_rate(const struct status_sample *from,
    const struct status_sample *to, enum status_outcome outcome);

#endif
