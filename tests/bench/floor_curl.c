/*
 * floor_curl - how fast libcurl's multi interface can fetch at all
 *
 *   floor-curl TRANSFERS SECONDS URL
 *
 * Keeps so many transfers of the same URL under way, each begun anew as soon as
 * it ends, over kept connections, in one thread on libuv.  Prints one line of
 * JSON: fetches a second, and how many failed.  A measure to hold the backend's
 * fetches against and nothing to run otherwise.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct watched {
	uv_poll_t poll;
	int fd;
};

struct floor {
	CURLM *multi;
	uv_timer_t timer;
	uv_idle_t soon; /* a timeout of 0 */
	uv_timer_t end;
	struct curl_slist *headers;
	const char *url;
	uint64_t done, failed;
};

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static void
start(struct floor *f, CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_URL, f->url);
	(void)curl_multi_add_handle(f->multi, easy);
}

static void
check_finished(struct floor *f)
{
	CURLMsg *message;
	int ignored;

	while ((message = curl_multi_info_read(f->multi, &ignored)) != NULL) {
		CURL *easy = message->easy_handle;
		long status = 0;

		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		f->done++;
		f->failed += message->data.result != CURLE_OK || status != 200;
		(void)curl_multi_remove_handle(f->multi, easy);
		start(f, easy);
	}
}

static void
act(struct floor *f, int fd, int what)
{
	int running;

	(void)curl_multi_socket_action(f->multi, fd, what, &running);
	check_finished(f);
}

static void
on_socket_event(uv_poll_t *poll, int status, int events)
{
	struct watched *w = (struct watched *)poll;

	(void)status;
	act(poll->data, w->fd,
	    (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
		(events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct floor *f = arg;
	struct watched *w = mine;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			(void)uv_poll_stop(&w->poll);
		return 0;
	}
	if (w == NULL) {
		w = calloc(1, sizeof *w);
		if (w == NULL ||
		    uv_poll_init(uv_default_loop(), &w->poll, fd) != 0)
			exit(1);
		w->fd = fd;
		w->poll.data = f;
		(void)curl_multi_assign(f->multi, fd, w);
	}
	(void)uv_poll_start(&w->poll,
	    (what & CURL_POLL_IN ? UV_READABLE : 0) |
		(what & CURL_POLL_OUT ? UV_WRITABLE : 0),
	    on_socket_event);
	return 0;
}

static void
on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_soon(uv_idle_t *soon)
{
	(void)uv_idle_stop(soon);
	act(soon->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_set_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct floor *f = arg;

	(void)multi;
	(void)uv_timer_stop(&f->timer);
	(void)uv_idle_stop(&f->soon);
	if (timeout_ms == 0)
		(void)uv_idle_start(&f->soon, on_soon);
	else if (timeout_ms > 0)
		(void)uv_timer_start(
		    &f->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void
on_end(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void
start_transfers(struct floor *f, long transfers)
{
	for (long i = 0; i < transfers; i++) {
		CURL *easy = curl_easy_init();

		if (easy == NULL)
			exit(1);
		(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
		(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->headers);
		start(f, easy);
	}
}

int
main(int argc, char **argv)
{
	static struct floor f;
	long transfers = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
	double seconds = argc == 4 ? strtod(argv[2], NULL) : 0;
	uv_loop_t *loop = uv_default_loop();
	uint64_t began;

	if (transfers < 1 || seconds <= 0) {
		(void)fprintf(
		    stderr, "usage: floor-curl TRANSFERS SECONDS URL\n");
		return 64;
	}
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	f.url = argv[3];
	f.multi = curl_multi_init();
	f.headers = curl_slist_append(
	    NULL, "Authorization: Bearer 0123456789abcdef0123456789abcdef");
	(void)uv_timer_init(loop, &f.timer);
	(void)uv_timer_init(loop, &f.end);
	(void)uv_idle_init(loop, &f.soon);
	f.timer.data = f.end.data = f.soon.data = &f;
	(void)curl_multi_setopt(f.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(f.multi, CURLMOPT_SOCKETDATA, &f);
	(void)curl_multi_setopt(
	    f.multi, CURLMOPT_TIMERFUNCTION, on_set_timeout);
	(void)curl_multi_setopt(f.multi, CURLMOPT_TIMERDATA, &f);
	(void)curl_multi_setopt(f.multi, CURLMOPT_MAXCONNECTS, transfers);
	(void)uv_timer_start(&f.end, on_end, (uint64_t)(seconds * 1000), 0);
	began = uv_hrtime();
	start_transfers(&f, transfers);
	(void)uv_run(loop, UV_RUN_DEFAULT);
	printf("{\"per_second\":%.1f,\"failed\":%llu}\n",
	    (double)f.done * 1e9 / (double)(uv_hrtime() - began),
	    (unsigned long long)f.failed);
	return 0;
}
