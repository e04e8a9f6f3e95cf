#include "common/spare_memory.h"

#include <malloc.h>

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
static size_t
unused(void)
{
	return mallinfo2().fordblks;
}

static void
let_go(void)
{
	(void)malloc_trim(0);
}
#else
static size_t
unused(void)
{
	return 0;
}

static void
let_go(void)
{
}
#endif

static void
on_tick(uv_timer_t *timer)
{
	struct spare_memory *s = timer->data;
	size_t now = unused();

	if (now < s->least) {
		s->least = now;
	} else if (now - s->least >= SPARE_MEMORY_BYTES) {
		let_go();
		/* It still counts what it has told the kernel to take. */
		s->least = unused();
	}
}

void
spare_memory_init(struct spare_memory *s, uv_loop_t *loop)
{
	(void)uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	s->least = unused();
	(void)uv_timer_start(
	    &s->timer, on_tick, SPARE_MEMORY_TICK_MS, SPARE_MEMORY_TICK_MS);
	uv_unref((uv_handle_t *)&s->timer);
}

void
spare_memory_close(struct spare_memory *s)
{
	uv_close((uv_handle_t *)&s->timer, NULL);
}
