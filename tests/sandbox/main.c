/*
 * userli-sandbox - userli's Postfix API over a JSON file, with faults on call
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/mem.h"
#include "server.h"
#include "tls.h"

#define EXIT_USAGE 64
#define EXIT_UNAVAILABLE 69
#define EXIT_CONFIG 78

#define LISTEN_DEFAULT "127.0.0.1:8000"
#define LISTEN_MAX 16

struct options {
	const char *directory;
	const char *listen[LISTEN_MAX];
	size_t listen_count;
	const char *listen_unix[LISTEN_MAX];
	size_t listen_unix_count;
	const char *prefix;
	const char *tls_cert;
	const char *tls_key;
	bool quiet;
};

struct signals {
	struct server *server;
	uv_signal_t hup;
	uv_signal_t term;
	uv_signal_t interrupt;
};

static const char help[] =
    "usage: userli-sandbox --directory FILE [options]\n"
    "\n"
    "Serves userli's Postfix API from a JSON file, for tests and for trying\n"
    "things out.  Never for production.\n"
    "\n"
    "  --directory FILE     domains, users, aliases, settings, tokens;\n"
    "                       SIGHUP reads it again\n"
    "  --listen HOST:PORT   numeric; port 0 takes a free one; http:// or\n"
    "                       https:// before it overrides the default, which\n"
    "                       is https if there is a certificate; may be\n"
    "                       repeated (" LISTEN_DEFAULT " if nothing is\n"
    "                       listened on otherwise)\n"
    "  --listen-unix PATH   http on a UNIX socket; may be repeated\n"
    "  --prefix /PATH       the API is below this path\n"
    "  --tls-cert PEM       certificate chain for https\n"
    "  --tls-key PEM        its key\n"
    "  --quiet              no line for each request on stderr\n"
    "  --help, --version\n"
    "\n"
    "While it runs: GET, DELETE /_sandbox/stats; GET, PUT, DELETE\n"
    "/_sandbox/faults; GET, PUT /_sandbox/directory.\n";

static int
usage(const char *what)
{
	fprintf(stderr, "userli-sandbox: %s\n", what);
	fprintf(stderr, "Try userli-sandbox --help.\n");
	return EXIT_USAGE;
}

static const struct option longs[] = {
	{ "directory", required_argument, NULL, 'd' },
	{ "listen", required_argument, NULL, 'l' },
	{ "listen-unix", required_argument, NULL, 'u' },
	{ "prefix", required_argument, NULL, 'p' },
	{ "tls-cert", required_argument, NULL, 'c' },
	{ "tls-key", required_argument, NULL, 'k' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* Read the command line; -1 to go on, or the exit status. */
static int
read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			o->directory = optarg;
			break;
		case 'l':
			if (o->listen_count == LISTEN_MAX)
				return usage("too many --listen");
			o->listen[o->listen_count++] = optarg;
			break;
		case 'u':
			if (o->listen_unix_count == LISTEN_MAX)
				return usage("too many --listen-unix");
			o->listen_unix[o->listen_unix_count++] = optarg;
			break;
		case 'p':
			o->prefix = optarg;
			break;
		case 'c':
			o->tls_cert = optarg;
			break;
		case 'k':
			o->tls_key = optarg;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("userli-sandbox " PROJECT_VERSION);
			return EXIT_SUCCESS;
		default:
			return usage("unknown or incomplete option");
		}
	}
	if (optind < argc)
		return usage("takes options only");
	return -1;
}

static int
check_options(struct options *o)
{
	size_t len = strlen(o->prefix);

	if (o->directory == NULL)
		return usage("--directory is required");
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return usage("--tls-cert and --tls-key go together");
	if (len > 0 && (o->prefix[0] != '/' || o->prefix[len - 1] == '/'))
		return usage(
		    "--prefix begins with a / and does not end in one");
	if (o->listen_count + o->listen_unix_count == 0)
		o->listen[o->listen_count++] = LISTEN_DEFAULT;
	return -1;
}

static bool
listen_tcp(struct server *s, const char *address, struct error *error)
{
	static const char http[] = "http://";
	static const char https[] = "https://";
	bool secure = s->tls != NULL;

	if (strncmp(address, http, sizeof http - 1) == 0) {
		address += sizeof http - 1;
		secure = false;
	} else if (strncmp(address, https, sizeof https - 1) == 0) {
		address += sizeof https - 1;
		secure = true;
	}
	if (secure && s->tls == NULL) {
		error_set(error, "https needs --tls-cert and --tls-key");
		return false;
	}
	return server_listen_tcp(s, address, secure, error);
}

static bool
listen_all(struct server *s, const struct options *o, struct error *error)
{
	for (size_t i = 0; i < o->listen_count; i++)
		if (!listen_tcp(s, o->listen[i], error))
			return false;
	for (size_t i = 0; i < o->listen_unix_count; i++)
		if (!server_listen_unix(s, o->listen_unix[i], error))
			return false;
	return true;
}

static void
signals_stop(struct signals *g)
{
	uv_close((uv_handle_t *)&g->hup, NULL);
	uv_close((uv_handle_t *)&g->term, NULL);
	uv_close((uv_handle_t *)&g->interrupt, NULL);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct signals *g = handle->data;

	if (number == SIGHUP) {
		server_reload(g->server);
		return;
	}
	server_stop(g->server);
	signals_stop(g);
}

static void
signals_start(struct signals *g, struct server *s)
{
	struct {
		uv_signal_t *handle;
		int number;
	} watched[] = {
		{ &g->hup, SIGHUP },
		{ &g->term, SIGTERM },
		{ &g->interrupt, SIGINT },
	};

	g->server = s;
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
		if (uv_signal_init(s->loop, watched[i].handle) != 0 ||
		    uv_signal_start(
			watched[i].handle, on_signal, watched[i].number) != 0)
			abort(); /* no descriptors this early */
		watched[i].handle->data = g;
	}
}

/* Several hundred connections are to work whatever the shell's limit is. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int
run(const struct options *o, struct error *error)
{
	struct server s;
	struct signals g;
	uv_loop_t loop;
	struct tls_context *tls = NULL;
	int status = EXIT_CONFIG;

	if (uv_loop_init(&loop) != 0)
		abort(); /* no descriptors this early */
	if (!server_init(&s, &loop, o->directory, error))
		goto cleanup;
	s.prefix = o->prefix;
	s.quiet = o->quiet;
	if (o->tls_cert != NULL) {
		tls = tls_context_new(o->tls_cert, o->tls_key, error);
		if (tls == NULL)
			goto cleanup;
		s.tls = tls;
	}
	signals_start(&g, &s);
	if (listen_all(&s, o, error)) {
		status = EXIT_SUCCESS;
	} else {
		status = EXIT_UNAVAILABLE;
		server_stop(&s);
		signals_stop(&g);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
cleanup:
	tls_context_free(tls);
	server_fini(&s);
	(void)uv_loop_close(&loop);
	return status;
}

int
main(int argc, char **argv)
{
	struct options o = { .prefix = "" };
	struct error error;
	int status = read_options(&o, argc, argv);

	if (status == -1)
		status = check_options(&o);
	if (status != -1)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	status = run(&o, &error);
	if (status != EXIT_SUCCESS)
		fprintf(stderr, "userli-sandbox: %s\n", error.text);
	return status;
}
