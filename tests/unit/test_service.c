#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/service_fixture.h"

/*
 * What a process of its own ends with: its exit status, or 1000 and the
 * signal.  fn returns the status; it must not use cmocka's assertions, which
 * would go on with the next test there.
 */
static int
status_of(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

static void
each_signal_drains_once_and_the_loop_runs_empty(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;

		open_fixture(&f, NULL);
		assert_int_equal(raise(signals[i]), 0);
		assert_int_equal(f.drains, 0); /* only on the loop */
		run(&f);
		assert_int_equal(f.drains, 1);
		assert_true(f.service.draining);
		assert_true(logged(
		    &f, signals[i] == SIGTERM ? "\"SIGTERM\"" : "\"SIGINT\""));
		close_fixture(&f);
	}
}

struct two {
	int first, second;
};

static int
signal_twice(void *arg)
{
	const struct two *two = arg;
	struct fixture f;

	open_fixture(&f, NULL);
	f.stay = true;
	(void)raise(two->first);
	while (f.drains == 0)
		(void)uv_run(&f.loop, UV_RUN_ONCE);
	if (logged(&f, "exiting at once"))
		return 2;
	(void)raise(two->second);
	run(&f);
	return 1;
}

static void
a_second_signal_exits_at_once(void **state)
{
	static const struct {
		struct two signals;
		int want;
	} cases[] = {
		{ { SIGTERM, SIGTERM }, 143 },
		{ { SIGINT, SIGINT }, 130 },
		{ { SIGTERM, SIGINT }, 130 },
		{ { SIGINT, SIGTERM }, 143 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct two two = cases[i].signals;

		assert_int_equal(status_of(signal_twice, &two), cases[i].want);
	}
}

static void
hangup_reloads_each_time_but_not_while_draining(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, reload);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(raise(SIGHUP), 0);
		run(&f);
		assert_int_equal(f.reloads, i);
	}
	f.service.draining = true;
	assert_int_equal(raise(SIGHUP), 0);
	while (!logged(&f, "SIGHUP ignored"))
		(void)uv_run(&f.loop, UV_RUN_ONCE);
	assert_int_equal(f.reloads, 2);
	drain(&f);
	run(&f);
	close_fixture(&f);
}

static void
hangup_without_a_reload_hook_is_ignored(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, NULL);
	assert_int_equal(raise(SIGHUP), 0);
	while (!logged(&f, "SIGHUP ignored"))
		(void)uv_run(&f.loop, UV_RUN_ONCE);
	drain(&f);
	run(&f);
	close_fixture(&f);
}

static int
end_by_default(void *arg)
{
	struct fixture f;

	(void)arg;
	open_fixture(&f, NULL);
	drain(&f);
	run(&f);
	(void)raise(SIGTERM);
	return 1;
}

static void
a_signal_after_the_stop_has_its_default_effect(void **state)
{
	(void)state;
	assert_int_equal(status_of(end_by_default, NULL), 1000 + SIGTERM);
}

static int
write_to_nobody(void *arg)
{
	struct fixture f;
	int ends[2];

	(void)arg;
	open_fixture(&f, NULL);
	if (pipe(ends) != 0 || close(ends[0]) != 0)
		return 1;
	return write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
}

static void
a_broken_pipe_is_an_error_and_no_signal(void **state)
{
	(void)state;
	assert_int_equal(status_of(write_to_nobody, NULL), 0);
}

static void *
signals_blocked_here(void *arg)
{
	sigset_t *set = arg;

	(void)pthread_sigmask(SIG_BLOCK, NULL, set);
	return NULL;
}

static int
block_first(void *arg)
{
	struct fixture f;
	pthread_t thread;
	sigset_t there;
	sigset_t here;

	(void)arg;
	service_block_signals();
	(void)raise(SIGTERM); /* too early for a drain: it must wait */
	if (pthread_create(&thread, NULL, signals_blocked_here, &there) != 0 ||
	    pthread_join(thread, NULL) != 0)
		return 2;
	if (sigismember(&there, SIGTERM) != 1 ||
	    sigismember(&there, SIGINT) != 1 ||
	    sigismember(&there, SIGHUP) != 1 ||
	    sigismember(&there, SIGSEGV) != 0)
		return 3;
	open_fixture(&f, NULL);
	(void)signals_blocked_here(&here);
	if (sigismember(&here, SIGTERM) != 0)
		return 4;
	run(&f);
	return f.drains == 1 ? 0 : 5;
}

static void
blocked_signals_wait_for_the_loop_and_spare_other_threads(void **state)
{
	(void)state;
	assert_int_equal(status_of(block_first, NULL), 0);
}

static int
drain_forever(void *arg)
{
	struct fixture f;

	(void)arg;
	open_fixture(&f, NULL);
	f.stay = true;
	f.limit_ms = 20;
	(void)raise(SIGTERM);
	run(&f);
	return 1;
}

static int
drain_and_hang(void *arg)
{
	struct fixture f;

	(void)arg;
	open_fixture(&f, NULL);
	f.limit_ms = 1;
	(void)raise(SIGTERM);
	run(&f);
	while (f.drains == 1) /* as a call that never returns */
		(void)pause();
	return 1;
}

static void
a_drain_that_takes_too_long_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(
	    status_of(drain_forever, NULL), SERVICE_EXIT_TEMPORARY);
	assert_int_equal(
	    status_of(drain_and_hang, NULL), SERVICE_EXIT_TEMPORARY);
}

static int
drain_in_time(void *arg)
{
	struct fixture f;

	(void)arg;
	open_fixture(&f, NULL);
	f.limit_ms = 60000;
	(void)raise(SIGTERM);
	run(&f); /* the limit does not keep the loop alive */
	return f.drains == 1 ? 0 : 1;
}

static void
a_drain_in_time_is_not_held_up_by_its_limit(void **state)
{
	(void)state;
	assert_int_equal(status_of(drain_in_time, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_signal_drains_once_and_the_loop_runs_empty),
		cmocka_unit_test(a_second_signal_exits_at_once),
		cmocka_unit_test(
		    hangup_reloads_each_time_but_not_while_draining),
		cmocka_unit_test(hangup_without_a_reload_hook_is_ignored),
		cmocka_unit_test(
		    a_signal_after_the_stop_has_its_default_effect),
		cmocka_unit_test(a_broken_pipe_is_an_error_and_no_signal),
		cmocka_unit_test(
		    blocked_signals_wait_for_the_loop_and_spare_other_threads),
		cmocka_unit_test(a_drain_that_takes_too_long_ends_the_process),
		cmocka_unit_test(a_drain_in_time_is_not_held_up_by_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
