#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/service_fixture.h"

/* The manager's end: bound to a path, or to an abstract name the kernel gave,
 * whose sockets exist as long as they are open. */
static int
manager(bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t); /* unix(7): autobind */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[sizeof address.sun_path + 2];

	assert_true(fd >= 0);
	if (!abstract) {
		static unsigned serial;

		(void)snprintf(address.sun_path, sizeof address.sun_path,
		    "/tmp/test_service.%ld.%u", (long)getpid(), serial++);
		len = sizeof address;
	}
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	len = sizeof address;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	if (abstract) {
		size_t name = len - offsetof(struct sockaddr_un, sun_path) - 1;

		text[0] = '@';
		memcpy(text + 1, address.sun_path + 1, name);
		text[1 + name] = '\0';
	} else {
		strcpy(text, address.sun_path);
	}
	assert_int_equal(setenv("NOTIFY_SOCKET", text, 1), 0);
	return fd;
}

static void
close_manager(int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (path != NULL && path[0] == '/')
		(void)unlink(path);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)close(fd);
}

static void
assert_told(int fd, const char *want)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[256] = "";

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("got \"%s\", want \"%s…\"", got, want);
}

static void
assert_told_nothing(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void
the_manager_is_told_of_each_step(void **state)
{
	(void)state;
	for (int abstract = 0; abstract < 2; abstract++) {
		int fd = manager(abstract);
		struct fixture f;

		open_fixture(&f, reload);
		assert_told_nothing(fd);
		service_ready(&f.service);
		assert_told(fd, "READY=1");
		assert_int_equal(raise(SIGHUP), 0);
		run(&f);
		assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=");
		assert_told(fd, "READY=1");
		assert_int_equal(raise(SIGTERM), 0);
		run(&f);
		assert_told(fd, "STOPPING=1");
		assert_told_nothing(fd);
		close_fixture(&f);
		close_manager(fd);
	}
}

static void
a_manager_that_cannot_be_reached_is_no_obstacle(void **state)
{
	static char too_long[300];
	static const char *const given[] = { "/nonexistent/notify", "relative",
		"@", "vsock:2:1234", too_long };

	(void)state;
	memset(too_long, 'a', sizeof too_long - 1);
	too_long[0] = '/';
	for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
		struct fixture f;

		assert_int_equal(setenv("NOTIFY_SOCKET", given[i], 1), 0);
		open_fixture(&f, NULL);
		service_ready(&f.service);
		assert_true(logged(&f, "\"warn\""));
		drain(&f);
		run(&f);
		close_fixture(&f);
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

static void
nothing_is_logged_without_a_manager(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	open_fixture(&f, NULL);
	service_ready(&f.service);
	assert_false(logged(&f, ""));
	drain(&f);
	run(&f);
	close_fixture(&f);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void
the_watchdog_is_fed_from_the_loop(void **state)
{
	int fd = manager(true);
	char pid[32];
	struct fixture f;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	(void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
	assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "20000", 1), 0);
	open_fixture(&f, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&p, 1, 0), 0);
		(void)uv_run(&f.loop, UV_RUN_ONCE);
		assert_told(fd, "WATCHDOG=1");
	}
	drain(&f);
	run(&f);
	assert_told_nothing(fd);
	close_fixture(&f);
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("WATCHDOG_USEC");
	close_manager(fd);
}

static void
a_watchdog_of_another_process_is_left_alone(void **state)
{
	static const struct {
		const char *usec, *pid;
	} cases[] = {
		{ "20000", "1" },
		{ "20000", "" },
		{ "20000", "x" },
		{ "", NULL },
		{ "-1", NULL },
		{ "0", NULL },
		{ "20000x", NULL },
		{ "99999999999999999999999999", NULL },
	};
	int fd = manager(true);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture f;

		assert_int_equal(setenv("WATCHDOG_USEC", cases[i].usec, 1), 0);
		if (cases[i].pid != NULL)
			assert_int_equal(
			    setenv("WATCHDOG_PID", cases[i].pid, 1), 0);
		else
			(void)unsetenv("WATCHDOG_PID");
		open_fixture(&f, NULL);
		if (uv_is_active((uv_handle_t *)&f.service.watchdog))
			fail_msg("case %zu is active", i);
		drain(&f);
		run(&f);
		close_fixture(&f);
	}
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("WATCHDOG_USEC");
	close_manager(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_is_told_of_each_step),
		cmocka_unit_test(
		    a_manager_that_cannot_be_reached_is_no_obstacle),
		cmocka_unit_test(nothing_is_logged_without_a_manager),
		cmocka_unit_test(the_watchdog_is_fed_from_the_loop),
		cmocka_unit_test(a_watchdog_of_another_process_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
