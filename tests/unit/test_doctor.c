#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/cli/doctor_maps.h"
#include "frontend/cli/doctor_socket.h"

static char settings[] = "queue_directory = /var/spool/postfix\n"
			 "virtual_alias_maps = hash:/etc/x,"
			 "proxy:socketmap:inet:[::1]:10001:alias\n"
			 "virtual_mailbox_domains =\n"
			 "virtual_mailbox_maps = "
			 "socketmap:unix:userli/socketmap:mailbox\n"
			 "default_process_limit = 50\n";
static char services[] =
    "smtp       inet  n - y - -  smtpd\n"
    "submission inet  n - n - 7  smtpd -o smtpd_sasl_auth_enable=yes\n"
    "cleanup    unix  n - - - 0  cleanup\n"
    "short line\n"
    "\n"
    "proxymap   unix  - - n - 3  proxymap\n";
static char nothing[] = "";
static char types[] = "hash\nsocketmap\n";

static const struct postconf pc = { settings, services, nothing, types };

static void
assert_slice(struct slice got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static void
settings_are_found_by_their_whole_name(void **state)
{
	(void)state;
	assert_slice(
	    postconf_value(&pc, "queue_directory"), "/var/spool/postfix");
	assert_slice(postconf_value(&pc, "virtual_mailbox_domains"), "");
	assert_slice(postconf_value(&pc, "queue"), "");
	assert_int_equal(postconf_number(&pc, "default_process_limit", 1), 50);
	assert_int_equal(postconf_number(&pc, "queue_directory", 9), 9);
	assert_true(postconf_has_type(&pc, "socketmap"));
	assert_false(postconf_has_type(&pc, "socket"));
}

static void
services_are_read_with_their_chroot_and_their_limit(void **state)
{
	struct slice rest = slice_of(services);
	struct postconf_service s;

	(void)state;
	assert_true(postconf_next_service(&rest, &s));
	assert_slice(s.name, "smtp");
	assert_true(s.chroot);
	assert_int_equal(s.maxproc, -1);
	assert_true(postconf_next_service(&rest, &s));
	assert_slice(s.command, "smtpd");
	assert_false(s.chroot);
	assert_int_equal(s.maxproc, 7);
	assert_true(postconf_next_service(&rest, &s));
	assert_slice(s.command, "cleanup");
	assert_int_equal(s.maxproc, 0);
	assert_true(postconf_next_service(&rest, &s));
	assert_slice(s.name, "proxymap");
	assert_false(postconf_next_service(&rest, &s));
	assert_true(postconf_chrooted(&pc, "smtpd"));
	assert_false(postconf_chrooted(&pc, "proxymap"));
}

static void
a_table_is_taken_apart(void **state)
{
	static const struct {
		const char *word, *address, *name;
		bool ok, proxied, is_unix;
	} cases[] = {
		{ "socketmap:inet:127.0.0.1:10001:alias", "127.0.0.1:10001",
		    "alias", true, false, false },
		{ "proxy:socketmap:inet:[::1]:10001:alias", "[::1]:10001",
		    "alias", true, true, false },
		{ "socketmap:unix:userli/socketmap:domain", "userli/socketmap",
		    "domain", true, false, true },
		{ "hash:/etc/aliases", "", "", false, false, false },
		{ "socketmap:tcp:a:1:b", "", "", false, false, false },
		{ "socketmap:unix:", "", "", false, false, false },
		{ "", "", "", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct doctor_reference r;

		assert_int_equal(
		    doctor_reference_parse(slice_of(cases[i].word), &r),
		    cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_slice(r.address, cases[i].address);
		assert_slice(r.name, cases[i].name);
		assert_int_equal(r.proxied, cases[i].proxied);
		assert_int_equal(r.is_unix, cases[i].is_unix);
	}
}

static void
count(void *arg, const char *setting, const struct doctor_reference *r)
{
	size_t *n = arg;

	(void)setting, (void)r;
	++*n;
}

static void
tables_are_found_among_others(void **state)
{
	size_t n = 0;

	(void)state;
	doctor_references(&pc, count, &n);
	assert_int_equal(n, 2);
}

static void
a_path_means_what_the_process_sees(void **state)
{
	static const struct {
		const char *path, *want;
		bool chroot;
	} cases[] = {
		{ "userli/s", "/q/userli/s", false },
		{ "userli/s", "/q/userli/s", true },
		{ "/run/s", "/run/s", false },
		{ "/run/s", "/q/run/s", true },
	};
	char out[DOCTOR_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		doctor_socket_path(
		    SLICE("/q"), slice_of(cases[i].path), cases[i].chroot, out);
		assert_string_equal(out, cases[i].want);
	}
}

static void
modes_decide_for_owner_group_and_others_in_turn(void **state)
{
	static const struct {
		mode_t mode;
		bool owner, group, other;
	} cases[] = {
		{ 0600, true, false, false },
		{ 0660, true, true, false },
		{ 0606, true, false, true },
		{ 0066, false, true, true },
	};
	char path[] = "/tmp/ub-doctor-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const gid_t ours = getegid();
	const gid_t others = ours + 1;
	struct error error;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_false(doctor_socket_allows(path, geteuid(), &ours, 1, &error));
	assert_non_null(strstr(error.text, "is no socket"));
	(void)close(fd);
	(void)unlink(path);
	assert_false(doctor_socket_allows(path, geteuid(), &ours, 1, &error));
	assert_non_null(strstr(error.text, "No such file"));
	memcpy(address.sun_path, path, sizeof path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(
		    doctor_socket_allows(path, geteuid(), &others, 1, &error),
		    cases[i].owner);
		assert_int_equal(
		    doctor_socket_allows(path, geteuid() + 1, &ours, 1, &error),
		    cases[i].group);
		assert_int_equal(doctor_socket_allows(
				     path, geteuid() + 1, &others, 1, &error),
		    cases[i].other);
	}
	(void)close(fd);
	(void)unlink(path);
}

static void
count_problem(
    void *arg, enum findings_kind kind, const char *text, const char *fix)
{
	(void)text;
	if (kind == FINDINGS_PROBLEM)
		(void)snprintf(arg, 200, "%s", fix);
}

static void
limits_count_each_process_that_asks(void **state)
{
	char fix[200] = "";
	struct findings f = { .sink = count_problem, .arg = fix };

	(void)state;
	/* smtpd 50 and 7, cleanup 50, proxymap 3. */
	doctor_limits(&pc, 110, &f);
	assert_int_equal(f.problems, 0);
	doctor_limits(&pc, 109, &f);
	assert_int_equal(f.problems, 1);
	assert_string_equal(fix, "SOCKETMAP_MAX_CONNECTIONS=220");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_found_by_their_whole_name),
		cmocka_unit_test(
		    services_are_read_with_their_chroot_and_their_limit),
		cmocka_unit_test(a_table_is_taken_apart),
		cmocka_unit_test(tables_are_found_among_others),
		cmocka_unit_test(a_path_means_what_the_process_sees),
		cmocka_unit_test(
		    modes_decide_for_owner_group_and_others_in_turn),
		cmocka_unit_test(limits_count_each_process_that_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
