#include "frontend/cli/watch.h"

#include <stdio.h>
#include <time.h>

#include "frontend/cli/style.h"

void
watch_begin(bool live)
{
	/* Home, and clear what follows: no flicker, and the scrollback keeps
	 * what was there before. */
	if (live && style_is_terminal())
		(void)fputs("\033[H\033[J", stdout);
}

bool
watch_end(void)
{
	return fflush(stdout) == 0;
}

void
watch_sleep(uint64_t ms)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	(void)nanosleep(&pause, NULL);
}
