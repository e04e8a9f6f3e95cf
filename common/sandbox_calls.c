#include "common/sandbox_calls.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sandbox_lists.h"

#define LOW UINT64_C(0xffffffff) /* of an int, whose upper half may be any */
#define SOCKET_KIND UINT64_C(0xf)

/* Where clone() has its flags: clone(2), "C library/kernel differences". */
#if defined(__s390__)
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* Holds where (argument & mask) == value. */
static struct scmp_arg_cmp
masked(unsigned argument, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = mask,
		.datum_b = value };
}

/* A filter being made; the first failure stays. */
struct filter {
	scmp_filter_ctx context;
	int status;
};

static void
keep(struct filter *f, int status)
{
	if (f->status == 0)
		f->status = status;
}

/* What this libseccomp has no name for has no rule, and falls to the default.
 */
static void
add(struct filter *f, uint32_t action, const char *name, unsigned count,
    const struct scmp_arg_cmp *arguments)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number != __NR_SCMP_ERROR)
		keep(f,
		    seccomp_rule_add_array(
			f->context, action, number, count, arguments));
}

static void
add_all(struct filter *f, uint32_t action, const char *const *names)
{
	for (; *names != NULL; names++)
		add(f, action, *names, 0, NULL);
}

static void
allow_if(struct filter *f, const char *name, unsigned argument, uint64_t mask,
    uint64_t value)
{
	struct scmp_arg_cmp compare = masked(argument, mask, value);

	add(f, SCMP_ACT_ALLOW, name, 1, &compare);
}

static void
allow_socket(struct filter *f, const char *name, uint64_t family, uint64_t kind)
{
	struct scmp_arg_cmp compare[] = {
		masked(0, LOW, family),
		masked(1, SOCKET_KIND, kind),
	};

	add(f, SCMP_ACT_ALLOW, name, 2, compare);
}

static void
add_sockets(struct filter *f)
{
	static const uint64_t families[] = { AF_UNIX, AF_INET, AF_INET6 };
	struct scmp_arg_cmp netlink[] = {
		masked(0, LOW, AF_NETLINK),
		masked(2, LOW, NETLINK_ROUTE),
	};

	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
		allow_socket(f, "socket", families[i], SOCK_STREAM);
		allow_socket(f, "socket", families[i], SOCK_DGRAM);
	}
	add(f, SCMP_ACT_ALLOW, "socket", 2, netlink);
	allow_if(f, "socketpair", 0, LOW, AF_UNIX);
}

/* A thread, not a process.  clone3() hides its flags in memory, where no filter
 * looks: without it the C library takes clone(). */
static void
add_threads(struct filter *f)
{
	struct scmp_arg_cmp process = masked(CLONE_FLAGS, CLONE_THREAD, 0);

	allow_if(f, "clone", CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD);
	if (!SANDBOX_SANITIZED)
		add(f, SCMP_ACT_KILL_PROCESS, "clone", 1, &process);
}

static void
add_limited(struct filter *f)
{
	struct scmp_arg_cmp itself = masked(0, LOW, (uint64_t)getpid());
	struct scmp_arg_cmp reading = masked(2, UINT64_MAX, 0);
	static const uint64_t protections[] = { PROT_NONE, PROT_WRITE,
		PROT_EXEC };
	static const uint64_t controls[] = { FIONBIO, FIONREAD, FIOCLEX, TCGETS,
		TIOCGWINSZ };

	add(f, SCMP_ACT_ALLOW, "tgkill", 1, &itself);
	add(f, SCMP_ACT_ALLOW, "prlimit64", 1, &reading);
	for (size_t i = 0; i < sizeof protections / sizeof protections[0]; i++)
		for (int j = 0; j < 2; j++)
			allow_if(f, j == 0 ? "mmap" : "mmap2", 2,
			    PROT_WRITE | PROT_EXEC, protections[i]);
	allow_if(f, "mprotect", 2, PROT_EXEC, 0);
	for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
		allow_if(f, "ioctl", 1, LOW, controls[i]);
	allow_if(f, "prctl", 0, LOW, PR_SET_NAME);
}

static void
set(struct filter *f, enum scmp_filter_attr attribute, uint32_t value)
{
	keep(f, seccomp_attr_set(f->context, attribute, value));
}

static void
set_attributes(struct filter *f)
{
	set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	/* A tree instead of a list, for kernels that do not remember which
	 * calls always pass (before 5.11). */
	set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Kernels before 5.16 would slow the whole process down otherwise,
	 * against attacks of code that is compiled while it runs. */
	set(f, SCMP_FLTATR_CTL_SSB, 1);
	/* Another architecture's numbers: an attempt to get around. */
	set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
}

bool
sandbox_calls_limit(enum sandbox_calls extra, struct error *error)
{
	struct filter f = { .context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS)) };

	if (f.context == NULL) {
		error_set(error, "libseccomp failed");
		return false;
	}
	set_attributes(&f);
	add_all(&f, SCMP_ACT_ALLOW, sandbox_common);
	if (extra & SANDBOX_CALLS_FILES)
		add_all(&f, SCMP_ACT_ALLOW, sandbox_files);
	if (extra & SANDBOX_CALLS_OWNERS)
		add_all(&f, SCMP_ACT_ALLOW, sandbox_owners);
	if (SANDBOX_SANITIZED)
		add_all(&f, SCMP_ACT_ALLOW, sandbox_sanitizers);
	else
		add_all(&f, SCMP_ACT_KILL_PROCESS, sandbox_forbidden);
	add_sockets(&f);
	add_threads(&f);
	add_limited(&f);
	if (f.status == 0)
		f.status = seccomp_load(f.context);
	seccomp_release(f.context);
	if (f.status != 0)
		error_set(error, "%s", strerror(-f.status));
	return f.status == 0;
}
