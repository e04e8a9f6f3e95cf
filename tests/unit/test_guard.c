#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/guard.h"
#include "common/service.h"

#define TICK_MS 60
#define LIMIT_MS ((uint64_t)GUARD_TICKS * TICK_MS)

/* What a child's loop does. */
struct plan {
	uint64_t stall_at_ms; /* 0: never */
	uint64_t stall_ms;
	uint64_t end_ms;
	bool stop_before;
};

static void
on_end(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void
sit_out(uint64_t ms)
{
	uint64_t until = uv_hrtime() + ms * 1000000;

	/* A signal ends a sleep early; what hangs goes on hanging. */
	while (uv_hrtime() < until)
		uv_sleep(5);
}

static void
on_hang(uv_timer_t *timer)
{
	const struct plan *plan = timer->data;

	sit_out(plan->stall_ms);
}

static _Noreturn void
live(const struct plan *plan)
{
	uv_loop_t loop;
	uv_timer_t stall;
	uv_timer_t end;
	struct guard guard = { .on = false };

	(void)uv_loop_init(&loop);
	(void)uv_timer_init(&loop, &stall);
	(void)uv_timer_init(&loop, &end);
	stall.data = (void *)(uintptr_t)plan;
	guard_start(&guard, &loop, TICK_MS);
	if (plan->stop_before)
		guard_stop(&guard);
	if (plan->stall_at_ms > 0)
		(void)uv_timer_start(&stall, on_hang, plan->stall_at_ms, 0);
	(void)uv_timer_start(&end, on_end, plan->end_ms, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	guard_stop(&guard);
	guard_stop(&guard);
	uv_close((uv_handle_t *)&stall, NULL);
	uv_close((uv_handle_t *)&end, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	_exit(uv_loop_close(&loop) == 0 ? 0 : 1);
}

static pid_t
start(const struct plan *plan)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		live(plan);
	return pid;
}

static int
end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
a_loop_that_hangs_ends_the_process(void **state)
{
	struct plan plan = {
		.stall_at_ms = 50, .stall_ms = 60000, .end_ms = 70000
	};
	uint64_t began = uv_hrtime();
	uint64_t took_ms;

	(void)state;
	assert_int_equal(end_of(start(&plan)), SERVICE_EXIT_TEMPORARY);
	took_ms = (uv_hrtime() - began) / 1000000;
	assert_true(took_ms >= LIMIT_MS && took_ms < 30000);
}

static void
a_loop_that_turns_is_left_alone(void **state)
{
	struct plan plan = { .end_ms = 3 * LIMIT_MS };

	(void)state;
	assert_int_equal(end_of(start(&plan)), 0);
}

static void
a_short_stall_is_forgiven(void **state)
{
	struct plan plan = { .stall_at_ms = 50,
		.stall_ms = LIMIT_MS / 2,
		.end_ms = 2 * LIMIT_MS };

	(void)state;
	assert_int_equal(end_of(start(&plan)), 0);
}

/* However the stops fall between two ticks. */
static void
a_process_that_was_stopped_goes_on(void **state)
{
	struct plan plan = { .end_ms = 6 * LIMIT_MS };
	pid_t pid = start(&plan);

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		uv_sleep(50 + (unsigned int)(i * TICK_MS / 4));
		assert_int_equal(kill(pid, SIGSTOP), 0);
		uv_sleep((unsigned int)LIMIT_MS + TICK_MS);
		assert_int_equal(kill(pid, SIGCONT), 0);
	}
	assert_int_equal(end_of(pid), 0);
}

static void
the_signal_of_a_stranger_means_nothing(void **state)
{
	struct plan plan = { .end_ms = LIMIT_MS };
	pid_t pid = start(&plan);

	(void)state;
	uv_sleep(100);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(kill(pid, GUARD_SIGNAL), 0);
		uv_sleep(10);
	}
	assert_int_equal(end_of(pid), 0);
}

static void
what_hangs_after_the_guard_was_stopped_is_not_its_business(void **state)
{
	struct plan plan = { .stop_before = true,
		.stall_at_ms = 10,
		.stall_ms = 2 * LIMIT_MS,
		.end_ms = 3 * LIMIT_MS };

	(void)state;
	assert_int_equal(end_of(start(&plan)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_that_hangs_ends_the_process),
		cmocka_unit_test(a_loop_that_turns_is_left_alone),
		cmocka_unit_test(a_short_stall_is_forgiven),
		cmocka_unit_test(a_process_that_was_stopped_goes_on),
		cmocka_unit_test(the_signal_of_a_stranger_means_nothing),
		cmocka_unit_test(
		    what_hangs_after_the_guard_was_stopped_is_not_its_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
