/*
 * load_figures - what a load generator saw: counts, latencies, examples
 *
 * One struct per phase of a run.  Latencies count up to FIGURES_MS_MAX, with a
 * resolution of 0.1 ms.  No limits but those below; single thread.
 */
#ifndef TESTS_SUPPORT_LOAD_FIGURES_H
#define TESTS_SUPPORT_LOAD_FIGURES_H

#include <stdint.h>
#include <stdio.h>

#define FIGURES_MS_MAX 30000
#define FIGURES_BUCKETS (FIGURES_MS_MAX * 10)
#define FIGURES_SECONDS_MAX 600
#define FIGURES_EXAMPLES_MAX 10
#define FIGURES_REASONS_MAX 20
#define FIGURES_TEXT_MAX 400
#define FIGURES_TARGETS_MAX 8

/* How a request ended, or what else happened on a connection. */
enum figures_event {
	FIGURES_OK,       /* as expected, and found */
	FIGURES_NOTFOUND, /* as expected, and not found */
	FIGURES_TEMP,
	FIGURES_TIMEOUT,
	FIGURES_PERM,
	FIGURES_WRONG,       /* neither what was expected nor a failure */
	FIGURES_LOST,        /* the connection ended, or nothing came in time */
	FIGURES_CROSSED,     /* sent when the server had closed: never read */
	FIGURES_SURPLUS,     /* bytes that nobody asked for */
	FIGURES_CLOSED,      /* by the server, between requests */
	FIGURES_UNCONNECTED, /* a connection that could not be made */
	FIGURES_UNSENT,      /* an arrival that found no free connection */
	FIGURES_EVENTS,
};

struct figures_second {
	uint32_t right;
	uint32_t failed;
	float max_ms;
};

struct figures_reason {
	uint64_t count;
	char text[FIGURES_TEXT_MAX];
};

struct figures {
	char name[64];
	uint64_t started_ns;
	uint64_t last_right_ns;
	uint64_t gap_ns; /* the longest time without a right answer */
	uint64_t counts[FIGURES_EVENTS];
	uint64_t by_target[FIGURES_TARGETS_MAX]; /* right answers */
	double right_max_ms;
	double failed_max_ms;
	uint32_t right[FIGURES_BUCKETS + 1];
	uint32_t failed[FIGURES_BUCKETS + 1];
	struct figures_second seconds[FIGURES_SECONDS_MAX];
	size_t example_count;
	char examples[FIGURES_EXAMPLES_MAX][FIGURES_TEXT_MAX];
	size_t reason_count;
	struct figures_reason reasons[FIGURES_REASONS_MAX];
};

/* Forget everything; name is copied, and cut if need be. */
void figures_start(struct figures *f, const char *name, uint64_t now_ns);

/* Count a right answer of the target-th address. */
void figures_right(struct figures *f, enum figures_event event, size_t target,
    uint64_t asked_ns, uint64_t now_ns);

/* Count TEMP, TIMEOUT or PERM; its text counts as a reason. */
void figures_failed(struct figures *f, enum figures_event event,
    const char *text, uint64_t asked_ns, uint64_t now_ns);

/* Count anything else; what is kept as an example unless NULL. */
void figures_count(
    struct figures *f, enum figures_event event, const char *what);

/* One line of JSON. */
void figures_print(const struct figures *f, uint64_t now_ns, FILE *out);

#endif
