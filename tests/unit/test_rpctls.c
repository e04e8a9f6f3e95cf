#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpctls.h"
#include "tests/unit/certificates.h"

enum {
	CERT,
	KEY,
	CA,
	FILES
};

struct fixture {
	char folder[32];
	char paths[FILES][64];
	struct rpctls_files files;
	struct log *log;
	int log_pipe[2];
};

static struct {
	struct certificate ca, other_ca, backend, frontend, both, old, future;
} made;

/* --- Fixture ------------------------------------------------------------- */

static void
write_file(struct fixture *f, int which, const char *text)
{
	FILE *file = fopen(f->paths[which], "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(f->paths[which], 0600), 0);
}

static void
write_files(struct fixture *f, const struct certificate *own,
    const struct certificate *ca)
{
	write_file(f, CERT, own->cert);
	write_file(f, KEY, own->key);
	write_file(f, CA, ca->cert);
}

static int
setup(void **state)
{
	static const char *const names[FILES] = { "cert", "key", "ca" };
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	(void)strcpy(f->folder, "/tmp/rpctls-XXXXXX");
	if (mkdtemp(f->folder) == NULL || pipe(f->log_pipe) != 0)
		return -1;
	for (int i = 0; i < FILES; i++)
		(void)snprintf(f->paths[i], sizeof f->paths[i], "%s/%s",
		    f->folder, names[i]);
	f->files = (struct rpctls_files){ .cert = f->paths[CERT],
		.key = f->paths[KEY],
		.ca = f->paths[CA],
		.server_name = "",
		.side = RPCTLS_LISTENS };
	f->log = log_new(&(struct log_options){ .level = LOG_LEVEL_INFO,
	    .format = LOG_FORMAT_JSON,
	    .fd = f->log_pipe[1] });
	write_files(f, &made.backend, &made.ca);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < FILES; i++)
		(void)unlink(f->paths[i]);
	(void)rmdir(f->folder);
	log_free(f->log);
	(void)close(f->log_pipe[0]);
	(void)close(f->log_pipe[1]);
	free(f);
	return 0;
}

static struct rpctls *
must_load(struct fixture *f)
{
	struct error error;
	struct rpctls *t = rpctls_new(&f->files, f->log, &error);

	if (t == NULL)
		fail_msg("%s", error.text);
	return t;
}

/* What has been logged so far. */
static const char *
logged(struct fixture *f)
{
	static char text[8192];
	ssize_t n;

	assert_true(write(f->log_pipe[1], "\n", 1) == 1);
	n = read(f->log_pipe[0], text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

/* --- Loading ------------------------------------------------------------- */

static void
good_files_are_held_in_memory(void **state)
{
	struct fixture *f = *state;
	struct rpctls *t = must_load(f);
	struct nngsock_tls out;

	assert_ptr_equal(rpctls_material(t, "name", &out), &out);
	assert_string_equal(out.cert, made.backend.cert);
	assert_string_equal(out.key, made.backend.key);
	assert_string_equal(out.ca, made.ca.cert);
	assert_string_equal(out.server_name, "name");
	assert_false(out.any_name);
	assert_string_equal(logged(f), "\n");
	rpctls_free(t);
	f->files.server_name = "pool";
	t = must_load(f);
	(void)rpctls_material(t, "name", &out);
	assert_string_equal(out.server_name, "pool");
	(void)rpctls_material(t, NULL, &out);
	assert_null(out.server_name);
	rpctls_free(t);
}

static void
without_files_there_is_no_tls_and_no_error(void **state)
{
	struct fixture *f = *state;
	struct nngsock_tls out;
	struct error error;
	struct rpctls *t;

	f->files.cert = f->files.key = f->files.ca = "";
	assert_true(rpctls_check(&f->files, &error));
	t = must_load(f);
	assert_null(rpctls_material(t, NULL, &out));
	assert_false(rpctls_usable_as_client(t));
	assert_int_equal(rpctls_expires(t), 0);
	assert_true(rpctls_reload(t, &error));
	assert_null(rpctls_material(t, NULL, &out));
	assert_null(rpctls_material(NULL, NULL, &out));
	assert_string_equal(logged(f), "\n");
	rpctls_free(t);
}

static void
some_of_the_files_are_an_error_that_names_a_missing_one(void **state)
{
	struct fixture *f = *state;
	static const char *const names[FILES] = { "RPC_TLS_CERT", "RPC_TLS_KEY",
		"RPC_TLS_CA" };

	for (unsigned set = 1; set < 7; set++) {
		struct rpctls_files files = f->files;
		struct error error;

		files.cert = set & 1 ? files.cert : "";
		files.key = set & 2 ? files.key : "";
		files.ca = set & 4 ? files.ca : "";
		assert_false(rpctls_check(&files, &error));
		for (int i = 0; i < FILES; i++) {
			size_t len = strlen(names[i]);

			if (strncmp(error.text, names[i], len) == 0)
				assert_false(set & 1u << i);
		}
		assert_non_null(strstr(error.text, "or none of them"));
	}
}

/* What is in the file, and what the error says beside its variable and path. */
static void
a_file_that_cannot_be_used_is_named_with_the_remedy(void **state)
{
	static const char encrypted[] =
	    "-----BEGIN RSA PRIVATE KEY-----\n"
	    "Proc-Type: 4,ENCRYPTED\n"
	    "DEK-Info: AES-128-CBC,9F1A3C5D7E9B1D3F5A7C9E1B3D5F7A9C\n\n"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	    "-----END RSA PRIVATE KEY-----\n";
	const struct {
		int which;
		const char *variable;
		const char *text; /* NULL: no file */
		const char *want;
	} cases[] = {
		{ CERT, "RPC_TLS_CERT", NULL, "cannot be read: No such file" },
		{ KEY, "RPC_TLS_KEY", NULL, "cannot be read: No such file" },
		{ CA, "RPC_TLS_CA", NULL, "cannot be read: No such file" },
		{ CERT, "RPC_TLS_CERT", "", "is not PEM" },
		{ KEY, "RPC_TLS_KEY", "\x30\x82", "is not PEM" },
		{ CA, "RPC_TLS_CA", "hello", "is not PEM" },
		{ CERT, "RPC_TLS_CERT",
		    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
		    "CERTIFICATE-----\n",
		    "no certificate that can be read" },
		{ CERT, "RPC_TLS_CERT", made.backend.key, "no certificate" },
		{ CA, "RPC_TLS_CA", made.backend.key, "no certificate" },
		{ KEY, "RPC_TLS_KEY", made.backend.cert, "no private key" },
		{ KEY, "RPC_TLS_KEY", encrypted, "is encrypted" },
		{ KEY, "RPC_TLS_KEY", made.both.key,
		    "is not the key of the first certificate" },
		{ CERT, "RPC_TLS_KEY", made.both.cert,
		    "is not the key of the first certificate" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct error error = { "" };
		bool ok;

		write_files(f, &made.backend, &made.ca);
		if (cases[i].text == NULL)
			assert_int_equal(unlink(f->paths[cases[i].which]), 0);
		else
			write_file(f, cases[i].which, cases[i].text);
		ok = rpctls_check(&f->files, &error);
		if (ok || strstr(error.text, cases[i].want) == NULL ||
		    strncmp(error.text, cases[i].variable,
			strlen(cases[i].variable)) != 0 ||
		    strstr(error.text, f->folder) == NULL)
			fail_msg("%zu: %d \"%s\", want \"%s: … %s\"", i, ok,
			    error.text, cases[i].variable, cases[i].want);
		if (cases[i].text != NULL && strlen(cases[i].text) > 20)
			assert_null(strstr(error.text, "-----BEGIN EC"));
	}
}

static void
a_file_that_is_no_text_or_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error error;
	FILE *file = fopen(f->paths[CERT], "a");

	assert_non_null(file);
	assert_int_equal(fputc('\0', file), 0);
	assert_int_equal(fclose(file), 0);
	assert_false(rpctls_check(&f->files, &error));
	assert_non_null(strstr(error.text, "is not PEM"));
	assert_int_equal(truncate(f->paths[CERT], RPCTLS_FILE_MAX + 1), 0);
	assert_false(rpctls_check(&f->files, &error));
	assert_non_null(strstr(error.text, "too large"));
	f->files.cert = f->folder;
	assert_false(rpctls_check(&f->files, &error));
	assert_non_null(strstr(error.text, "directory"));
}

static void
a_certificate_for_the_other_side_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct error error;

	write_files(f, &made.frontend, &made.ca);
	assert_false(rpctls_check(&f->files, &error));
	assert_non_null(strstr(error.text, "serverAuth"));
	f->files.side = RPCTLS_DIALS;
	assert_true(rpctls_check(&f->files, &error));
	write_files(f, &made.backend, &made.ca);
	assert_false(rpctls_check(&f->files, &error));
	assert_non_null(strstr(error.text, "clientAuth"));
	write_files(f, &made.both, &made.ca);
	assert_true(rpctls_check(&f->files, &error));
}

/* --- Warnings and what is known ------------------------------------------ */

static void
what_may_be_meant_so_is_a_warning(void **state)
{
	struct fixture *f = *state;
	struct rpctls *t;

	assert_int_equal(chmod(f->paths[KEY], 0604), 0);
	t = must_load(f);
	assert_non_null(strstr(logged(f), "chmod"));
	rpctls_free(t);

	write_files(f, &made.old, &made.ca);
	t = must_load(f);
	assert_non_null(strstr(logged(f), "has expired"));
	rpctls_free(t);

	write_files(f, &made.future, &made.ca);
	t = must_load(f);
	assert_non_null(strstr(logged(f), "is not yet valid"));
	rpctls_free(t);

	write_files(f, &made.backend, &made.other_ca);
	t = must_load(f);
	assert_non_null(strstr(logged(f), "not of a CA"));
	rpctls_free(t);
}

static void
a_client_certificate_is_one_that_our_own_listener_believes(void **state)
{
	const struct {
		const struct certificate *own, *ca;
		bool want;
	} cases[] = {
		{ &made.both, &made.ca, true },
		{ &made.backend, &made.ca, false }, /* serves only */
		{ &made.both, &made.other_ca, false },
		{ &made.old, &made.ca, false },
		{ &made.future, &made.ca, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rpctls *t;

		write_files(f, cases[i].own, cases[i].ca);
		t = must_load(f);
		if (rpctls_usable_as_client(t) != cases[i].want)
			fail_msg("%zu: want %d", i, cases[i].want);
		rpctls_free(t);
	}
}

static void
the_time_of_expiry_is_a_metric(void **state)
{
	struct fixture *f = *state;
	struct rpctls *t = must_load(f);
	struct metrics *m = metrics_new();
	struct buffer text;
	char want[80];
	double days = (double)(rpctls_expires(t) - (int64_t)time(NULL)) / 86400;

	assert_true(days > 29.9 && days < 30.1);
	rpctls_add_metrics(t, m);
	buffer_init(&text, 65536);
	assert_true(metrics_write(m, &text));
	assert_true(buffer_append(&text, "", 1));
	(void)snprintf(want, sizeof want,
	    METRICS_PREFIX "rpc_tls_certificate_expires_seconds %lld\n",
	    (long long)rpctls_expires(t));
	assert_non_null(strstr(buffer_slice(&text).ptr, want));
	buffer_fini(&text);
	metrics_free(m);
	rpctls_free(t);
}

/* --- Reloading ----------------------------------------------------------- */

static void
reload_takes_what_can_be_used_and_keeps_the_old_otherwise(void **state)
{
	struct fixture *f = *state;
	struct rpctls *t = must_load(f);
	struct nngsock_tls out;
	struct error error;

	write_files(f, &made.both, &made.other_ca);
	assert_true(rpctls_reload(t, &error));
	assert_non_null(rpctls_material(t, NULL, &out));
	assert_string_equal(out.cert, made.both.cert);
	assert_string_equal(out.key, made.both.key);
	assert_string_equal(out.ca, made.other_ca.cert);

	write_file(f, KEY, "half written");
	assert_false(rpctls_reload(t, &error));
	assert_non_null(strstr(error.text, "RPC_TLS_KEY"));
	write_files(f, &made.old, &made.ca);
	assert_false(rpctls_reload(t, &error));
	assert_non_null(strstr(error.text, "has expired"));
	assert_int_equal(unlink(f->paths[CA]), 0);
	assert_false(rpctls_reload(t, &error));
	assert_non_null(rpctls_material(t, NULL, &out));
	assert_string_equal(out.cert, made.both.cert);
	assert_string_equal(out.key, made.both.key);
	assert_string_equal(out.ca, made.other_ca.cert);
	rpctls_free(t);
}

/* --- Main ---------------------------------------------------------------- */

static int
make_certificates(void **state)
{
	const struct {
		struct certificate *out;
		struct certificate_wish wish;
	} wishes[] = {
		{ &made.ca, { .common_name = "ca" } },
		{ &made.other_ca, { .common_name = "other ca" } },
		{ &made.backend,
		    { .ca = &made.ca,
			.common_name = "b",
			.for_server = true } },
		{ &made.frontend,
		    { .ca = &made.ca,
			.common_name = "f",
			.for_client = true } },
		{ &made.both,
		    { .ca = &made.ca,
			.common_name = "x",
			.for_server = true,
			.for_client = true } },
		{ &made.old,
		    { .ca = &made.ca,
			.common_name = "x",
			.from_days = -9,
			.to_days = -2 } },
		{ &made.future,
		    { .ca = &made.ca,
			.common_name = "x",
			.from_days = 2,
			.to_days = 9 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
		certificate_make(wishes[i].out, &wishes[i].wish);
	return 0;
}

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(good_files_are_held_in_memory),
		WITH_FIXTURE(without_files_there_is_no_tls_and_no_error),
		WITH_FIXTURE(
		    some_of_the_files_are_an_error_that_names_a_missing_one),
		WITH_FIXTURE(
		    a_file_that_cannot_be_used_is_named_with_the_remedy),
		WITH_FIXTURE(a_file_that_is_no_text_or_too_large_is_refused),
		WITH_FIXTURE(a_certificate_for_the_other_side_is_an_error),
		WITH_FIXTURE(what_may_be_meant_so_is_a_warning),
		WITH_FIXTURE(
		    a_client_certificate_is_one_that_our_own_listener_believes),
		WITH_FIXTURE(the_time_of_expiry_is_a_metric),
		WITH_FIXTURE(
		    reload_takes_what_can_be_used_and_keeps_the_old_otherwise),
	};

	return cmocka_run_group_tests(tests, make_certificates, NULL);
}
