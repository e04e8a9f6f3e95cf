/*
 * bench_figures - what a run has seen: answers by outcome, latencies, failures
 *
 * One struct for the whole run, of fixed size; counting allocates nothing.
 * Times are of uv_hrtime().
 */
#ifndef FRONTEND_CLI_BENCH_FIGURES_H
#define FRONTEND_CLI_BENCH_FIGURES_H

#include <stdio.h>

#include "frontend/cli/bench_expect.h"
#include "frontend/cli/bench_histogram.h"

#define BENCH_EXAMPLE_MAX 300 /* bytes */

#define BENCH_STATUSES (SOCKETMAP_PERM + 1)

struct bench_figures {
	uint64_t from_ns, to_ns; /* the measured part; to_ns 0: not over */
	uint64_t in_time;        /* answers that came within it */
	struct bench_histogram answers[BENCH_STATUSES]; /* by status */
	struct bench_histogram recent; /* since the last live line */
	uint64_t wrong;                /* not as expected; also counted above */
	uint64_t unchecked;            /* the file of answers has none */
	uint64_t lost;                 /* no answer: closed or none in time */
	uint64_t malformed;            /* connections that sent no socketmap */
	uint64_t reconnects;
	char example[BENCH_EXAMPLE_MAX]; /* the first wrong answer */
};

/* Forget everything, measure from now on. */
void bench_figures_start(struct bench_figures *f, uint64_t now_ns);

/* Count an answer; expected may be NULL.  Neither this nor the next counts what
 * was due before the measuring began. */
void bench_figures_answer(struct bench_figures *f,
    const struct bench_expected *expected, const struct reply *reply,
    uint64_t due_ns, uint64_t now_ns);

/* Count a request that has no answer. */
void bench_figures_lost(struct bench_figures *f, uint64_t due_ns);

/* All answers. */
uint64_t bench_figures_answered(const struct bench_figures *f);

/* What a report says beside the figures. */
struct bench_setting {
	const char *address;
	size_t connections;
	size_t pipeline;
	double rate;     /* 0: closed loop */
	uint64_t unsent; /* due in an open loop, never asked */
};

/* Once to_ns is set. */
void bench_figures_print(const struct bench_figures *f,
    const struct bench_setting *setting, FILE *out);
void bench_figures_print_json(const struct bench_figures *f,
    const struct bench_setting *setting, FILE *out);

/* Rewrite the line on a terminal, and count recent anew. */
void bench_figures_print_live(
    struct bench_figures *f, uint64_t now_ns, FILE *out);

#endif
