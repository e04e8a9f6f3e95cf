/*
 * fail_call - one system call of a program fails, as its man page allows
 *
 * For LD_PRELOAD, tests only.  The file that FAIL_CALL names is mapped (struct
 * control); it counts the calls of each function below, those of libnng apart
 * by the return address, and holds a plan: which call fails, and how.  Both
 * may be read and written at any time, from before the start on.
 *
 * What cannot fail on a kernel that works is left alone: descriptors of
 * events, epoll_ctl(2) but for EPOLL_CTL_ADD, fcntl(2).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Those of what a descriptor is stand together, in the order of enum kind. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(read_file) X(read_socket) X(read_pipe) X(read_other) \
	X(readv_file) X(readv_socket) X(readv_pipe) X(readv_other) \
	X(write_file) X(write_socket) X(write_pipe) X(write_other) \
	X(writev_file) X(writev_socket) X(writev_pipe) X(writev_other) \
	X(write_log) X(recv) X(recvfrom) X(recvmsg) X(send) X(sendto) X(sendmsg) \
	X(accept) X(accept4) X(socket) X(socketpair) X(bind) X(listen) \
	X(connect) X(getsockname) X(setsockopt) X(shutdown) \
	X(epoll_create1) X(epoll_add) X(epoll_wait) X(epoll_pwait) X(poll) \
	X(eventfd) X(pipe) X(pipe2) X(close) \
	X(open) X(fopen) X(opendir) X(stat) X(fstat) X(lstat) X(access) \
	X(fsync) X(rename) X(flock) X(unlink) X(chmod) X(mmap) \
	X(getaddrinfo) X(getrandom) X(pthread_create) X(timer_create) \
	X(setrlimit)
/* clang-format on */

enum function {
#define ENUMERATE(name) FUNCTION_##name,
	FUNCTIONS(ENUMERATE) COUNT
};

enum kind {
	KIND_FILE,
	KIND_SOCKET,
	KIND_PIPE,
	KIND_OTHER
};

static const char *const names[] = {
#define NAME(name) #name,
	FUNCTIONS(NAME)
};

/* tests/support/failing.py knows it. */
struct control {
	/* function * 2 + 1 for libnng's calls */
	_Atomic uint64_t what;
	_Atomic int64_t error;
	_Atomic int64_t countdown; /* 1: the next such call fails */
	_Atomic uint64_t fired;
	struct {
		char name[16];
		_Atomic uint64_t calls[2];
	} functions[COUNT];
};

static struct control *control;
static uintptr_t nng_start, nng_end;

static int
find_nng(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "/libnng.so") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		nng_start = info->dlpi_addr + part->p_vaddr;
		nng_end = nng_start + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("FAIL_CALL");
	struct control *map;
	int fd;

	if (path == NULL)
		return;
	fd = (int)syscall(
	    SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	(void)dl_iterate_phdr(find_nng, NULL);
	if (ftruncate(fd, sizeof *map) == 0) {
		map = (struct control *)syscall(SYS_mmap, NULL, sizeof *map,
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED) {
			for (int i = 0; i < COUNT; i++)
				(void)snprintf(map->functions[i].name,
				    sizeof map->functions[i].name, "%s",
				    names[i]);
			control = map;
		}
	}
	(void)syscall(SYS_close, fd);
}

/* Count a call; true with errno when the plan says that it fails. */
static bool
fails(enum function function, const void *caller)
{
	uintptr_t address = (uintptr_t)caller;
	bool is_nng = address >= nng_start && address < nng_end;

	if (control == NULL)
		return false;
	atomic_fetch_add(&control->functions[function].calls[is_nng], 1);
	if (atomic_load(&control->countdown) <= 0 ||
	    atomic_load(&control->what) != (uint64_t)function * 2 + is_nng ||
	    atomic_fetch_sub(&control->countdown, 1) != 1)
		return false;
	atomic_store(&control->fired, 1);
	errno = (int)atomic_load(&control->error);
	return true;
}

static enum function
of_kind(enum function first, int fd)
{
	struct stat st;
	enum kind kind = KIND_OTHER;
	int before = errno;

	/* Not by fstat(3), which is one of those below. */
	if (syscall(SYS_fstat, fd, &st) == 0) {
		if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
			kind = KIND_FILE;
		else if (S_ISSOCK(st.st_mode))
			kind = KIND_SOCKET;
		else if (S_ISFIFO(st.st_mode))
			kind = KIND_PIPE;
	}
	errno = before;
	return (enum function)(first + kind);
}

/* ISO C knows no conversion from an object's pointer. */
#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

#define FAILS(function) fails(function, __builtin_return_address(0))

#define WRAP(type, name, parameters, arguments, function, failure) \
	type name parameters                                       \
	{                                                          \
		REAL(name);                                        \
		if (FAILS(function))                               \
			return failure;                            \
		return real arguments;                             \
	}

WRAP(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n),
    of_kind(FUNCTION_read_file, fd), -1)
WRAP(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n),
    of_kind(FUNCTION_readv_file, fd), -1)
WRAP(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n),
    fd == STDERR_FILENO ? FUNCTION_write_log : of_kind(FUNCTION_write_file, fd),
    -1)
WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n),
    of_kind(FUNCTION_writev_file, fd), -1)
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags),
    FUNCTION_recv, -1)
WRAP(ssize_t, recvfrom,
    (int fd, void *to, size_t n, int flags, struct sockaddr *a, socklen_t *l),
    (fd, to, n, flags, a, l), FUNCTION_recvfrom, -1)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags),
    FUNCTION_recvmsg, -1)
WRAP(ssize_t, send, (int fd, const void *from, size_t n, int flags),
    (fd, from, n, flags), FUNCTION_send, -1)
WRAP(ssize_t, sendto,
    (int fd, const void *from, size_t n, int flags, const struct sockaddr *a,
	socklen_t l),
    (fd, from, n, flags, a, l), FUNCTION_sendto, -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags), FUNCTION_sendmsg, -1)
WRAP(int, accept, (int fd, struct sockaddr *a, socklen_t *l), (fd, a, l),
    FUNCTION_accept, -1)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *l, int flags),
    (fd, a, l, flags), FUNCTION_accept4, -1)
WRAP(int, socket, (int family, int type, int protocol),
    (family, type, protocol), FUNCTION_socket, -1)
WRAP(int, socketpair, (int family, int type, int protocol, int fds[2]),
    (family, type, protocol, fds), FUNCTION_socketpair, -1)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t l), (fd, a, l),
    FUNCTION_bind, -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), FUNCTION_listen, -1)
WRAP(int, getsockname, (int fd, struct sockaddr *a, socklen_t *l), (fd, a, l),
    FUNCTION_getsockname, -1)
WRAP(int, setsockopt,
    (int fd, int level, int name, const void *value, socklen_t l),
    (fd, level, name, value, l), FUNCTION_setsockopt, -1)
WRAP(int, shutdown, (int fd, int how), (fd, how), FUNCTION_shutdown, -1)
WRAP(int, epoll_create1, (int flags), (flags), FUNCTION_epoll_create1, -1)
WRAP(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms),
    (fd, e, n, ms), FUNCTION_epoll_wait, -1)
WRAP(int, epoll_pwait,
    (int fd, struct epoll_event *e, int n, int ms, const sigset_t *mask),
    (fd, e, n, ms, mask), FUNCTION_epoll_pwait, -1)
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms),
    FUNCTION_poll, -1)
WRAP(int, eventfd, (unsigned value, int flags), (value, flags),
    FUNCTION_eventfd, -1)
WRAP(int, pipe, (int fds[2]), (fds), FUNCTION_pipe, -1)
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), FUNCTION_pipe2, -1)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode),
    FUNCTION_fopen, NULL)
WRAP(DIR *, opendir, (const char *path), (path), FUNCTION_opendir, NULL)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), FUNCTION_stat,
    -1)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st),
    FUNCTION_lstat, -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), FUNCTION_fstat, -1)
WRAP(int, access, (const char *path, int mode), (path, mode), FUNCTION_access,
    -1)
WRAP(int, fsync, (int fd), (fd), FUNCTION_fsync, -1)
WRAP(int, rename, (const char *from, const char *to), (from, to),
    FUNCTION_rename, -1)
WRAP(int, flock, (int fd, int what), (fd, what), FUNCTION_flock, -1)
WRAP(int, unlink, (const char *path), (path), FUNCTION_unlink, -1)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), FUNCTION_chmod,
    -1)
WRAP(void *, mmap, (void *at, size_t n, int what, int flags, int fd, off_t o),
    (at, n, what, flags, fd, o), FUNCTION_mmap, MAP_FAILED)
WRAP(ssize_t, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags),
    FUNCTION_getrandom, -1)
WRAP(int, timer_create, (clockid_t clock, struct sigevent *e, timer_t *timer),
    (clock, e, timer), FUNCTION_timer_create, -1)

/* The error is what these return; getaddrinfo(3) has codes of its own. */
WRAP(int, getaddrinfo,
    (const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **out),
    (host, service, hints, out), FUNCTION_getaddrinfo, errno)
WRAP(int, pthread_create,
    (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *),
	void *arg),
    (thread, attributes, run, arg), FUNCTION_pthread_create, errno)

/* Interrupted or not, the descriptor is gone; see the man page. */
int
close(int fd)
{
	bool failed;

	REAL(close);
	failed = FAILS(FUNCTION_close);
	return real(fd) != 0 || failed ? -1 : 0;
}

/* What a signal interrupts goes on all the same. */
int
connect(int fd, const struct sockaddr *a, socklen_t l)
{
	REAL(connect);
	if (!FAILS(FUNCTION_connect))
		return real(fd, a, l);
	if (errno == EINTR) {
		(void)real(fd, a, l);
		errno = EINTR;
	}
	return -1;
}

int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	int error;

	REAL(epoll_ctl);
	if (operation != EPOLL_CTL_ADD || !FAILS(FUNCTION_epoll_add))
		return real(epoll, operation, fd, event);
	error = errno;
	/* EEXIST comes before what a new one might lack. */
	if (real(epoll, EPOLL_CTL_ADD, fd, event) != 0)
		return -1;
	(void)real(epoll, EPOLL_CTL_DEL, fd, event);
	errno = error;
	return -1;
}

int
setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
	REAL(setrlimit);
	return FAILS(FUNCTION_setrlimit) ? -1 : real(what, limit);
}

#define OPEN(name)                                     \
	int name(const char *path, int flags, ...)     \
	{                                              \
		mode_t mode = 0;                       \
		va_list args;                          \
                                                       \
		REAL(name);                            \
		if (FAILS(FUNCTION_open))              \
			return -1;                     \
		if (flags & (O_CREAT | __O_TMPFILE)) { \
			va_start(args, flags);         \
			mode = va_arg(args, mode_t);   \
			va_end(args);                  \
		}                                      \
		return real(path, flags, mode);        \
	}

OPEN(open)
OPEN(open64)
