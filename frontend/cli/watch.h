/*
 * watch - the same again and again, until the user has seen enough
 *
 * On a terminal each round takes the place of the one before; elsewhere they
 * follow each other.
 */
#ifndef FRONTEND_CLI_WATCH_H
#define FRONTEND_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Before a round is printed. */
void watch_begin(bool live);

/* After it; false when standard output takes no more. */
bool watch_end(void) __attribute__((warn_unused_result));

void watch_sleep(uint64_t ms);

#endif
