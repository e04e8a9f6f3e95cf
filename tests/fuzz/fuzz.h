/*
 * fuzz - what every fuzz target shares
 *
 * A target is one file, fuzz_<module>.c, which drives a module through its
 * public header with bytes that libFuzzer makes.  It looks for crashes, and for
 * answers that cannot be: fuzz_check() ends the run with the input kept.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/slice.h"

/* libFuzzer's entry, https://llvm.org/docs/LibFuzzer.html */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_fail(what)                                               \
	do {                                                          \
		(void)fprintf(                                        \
		    stderr, "%s:%d: %s\n", __FILE__, __LINE__, what); \
		abort();                                              \
	} while (0)

#define fuzz_check(claim)                             \
	do {                                          \
		if (!(claim))                         \
			fuzz_fail("not so: " #claim); \
	} while (0)

/* Take the first byte off the input, to choose by; 0 when there is none. */
static inline uint8_t
fuzz_choice(struct slice *in)
{
	if (in->len == 0)
		return 0;
	in->ptr++;
	in->len--;
	return (uint8_t)in->ptr[-1];
}

static inline struct slice
fuzz_input(const uint8_t *data, size_t size)
{
	return (struct slice){ (const char *)data, size };
}

#endif
