/*
 * service_fixture - the least daemon that has a service
 */
#ifndef TESTS_UNIT_SERVICE_FIXTURE_H
#define TESTS_UNIT_SERVICE_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/service.h"

/* A daemon with nothing in it but a handle that keeps its loop turning. */
struct fixture {
	uv_loop_t loop;
	uv_timer_t work;
	struct log *log;
	int log_pipe[2];
	struct service service;
	unsigned drains;
	unsigned reloads;
	bool stay;         /* drain() leaves everything open */
	uint64_t limit_ms; /* 0: none */
};

static inline void
never(uv_timer_t *timer)
{
	(void)timer;
}

static inline void
drain(void *arg)
{
	struct fixture *f = arg;

	f->drains++;
	if (f->limit_ms > 0)
		service_limit_drain(&f->service, f->limit_ms);
	if (f->stay)
		return;
	uv_close((uv_handle_t *)&f->work, NULL);
	service_stop(&f->service);
}

static inline void
reload(void *arg)
{
	struct fixture *f = arg;

	f->reloads++;
	uv_stop(&f->loop);
}

static inline void
open_fixture(struct fixture *f, void (*on_reload)(void *))
{
	struct service_hooks hooks = { drain, on_reload, f };
	struct error error;

	*f = (struct fixture){ .drains = 0 };
	if (uv_loop_init(&f->loop) != 0 ||
	    pipe2(f->log_pipe, O_NONBLOCK | O_CLOEXEC) != 0 ||
	    uv_timer_init(&f->loop, &f->work) != 0 ||
	    uv_timer_start(&f->work, never, 3600000, 0) != 0)
		abort();
	f->log = log_new(&(struct log_options){ .level = LOG_LEVEL_INFO,
	    .format = LOG_FORMAT_JSON,
	    .fd = f->log_pipe[1] });
	if (!service_init(&f->service, &f->loop, f->log, &hooks, &error))
		abort();
}

static inline void
run(struct fixture *f)
{
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
}

static inline void
close_fixture(struct fixture *f)
{
	assert_int_equal(uv_loop_close(&f->loop), 0);
	log_free(f->log);
	(void)close(f->log_pipe[0]);
	(void)close(f->log_pipe[1]);
}

static inline bool
logged(struct fixture *f, const char *what)
{
	char text[4096] = "";
	ssize_t n = read(f->log_pipe[0], text, sizeof text - 1);

	return n > 0 && strstr(text, what) != NULL;
}

#endif
