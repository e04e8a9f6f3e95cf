#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/activation.h"

static void
pass(const char *pid, const char *fds)
{
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	if (pid != NULL)
		assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
	if (fds != NULL)
		assert_int_equal(setenv("LISTEN_FDS", fds, 1), 0);
}

static void
sockets_passed_to_this_process_are_counted(void **state)
{
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
	pass(pid, "1");
	assert_int_equal(activation_count(), 1);
	pass(pid, "12");
	assert_int_equal(activation_count(), 12);
	pass(pid, "0");
	assert_int_equal(activation_count(), 0);
	pass(NULL, NULL);
}

static void
what_is_not_for_this_process_is_passed_over(void **state)
{
	static const char *const counts[] = { NULL, "", "-1", "+1", "x", "1x",
		" 1", "1001", "99999999999999999999" };
	static const char *const pids[] = { NULL, "", "1", "x", "-1",
		"99999999999999999999" };
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		pass(pid, counts[i]);
		assert_int_equal(activation_count(), 0);
	}
	for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++) {
		pass(pids[i], "1");
		assert_int_equal(activation_count(), 0);
	}
	pass(NULL, NULL);
}

static void
an_internet_socket_is_described_as_it_is_configured(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof v4;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char want[64];
	char got[ACTIVATION_TEXT_MAX];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&v4, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&v4, &len), 0);
	(void)snprintf(
	    want, sizeof want, "127.0.0.1:%u", (unsigned)ntohs(v4.sin_port));
	activation_describe(fd, got);
	assert_string_equal(got, want);
	(void)close(fd);
}

static void
a_unix_socket_is_described_by_its_path_however_long(void **state)
{
	struct sockaddr_un longest = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char want[sizeof longest.sun_path + 1] = { 0 };
	char got[ACTIVATION_TEXT_MAX];

	(void)state;
	/* unix(7): it need not be NUL-terminated; slashes add no folders. */
	memset(longest.sun_path, '/', sizeof longest.sun_path);
	(void)snprintf(
	    want, sizeof want, "/tmp/test_activation.%ld", (long)getpid());
	memcpy(longest.sun_path + sizeof longest.sun_path - strlen(want), want,
	    strlen(want));
	memcpy(want, longest.sun_path, sizeof longest.sun_path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&longest, sizeof longest), 0);
	activation_describe(fd, got);
	(void)unlink(want);
	assert_string_equal(got, want);
	(void)close(fd);
}

static void
what_has_no_address_is_described_all_the_same(void **state)
{
	char got[ACTIVATION_TEXT_MAX];
	int pair[2];

	(void)state;
	activation_describe(-1, got);
	assert_string_equal(got, "?");
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	activation_describe(pair[0], got);
	assert_string_equal(got, "?");
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_passed_to_this_process_are_counted),
		cmocka_unit_test(what_is_not_for_this_process_is_passed_over),
		cmocka_unit_test(
		    an_internet_socket_is_described_as_it_is_configured),
		cmocka_unit_test(
		    a_unix_socket_is_described_by_its_path_however_long),
		cmocka_unit_test(what_has_no_address_is_described_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
