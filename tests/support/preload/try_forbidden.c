/*
 * try_forbidden - what an attacker would do who has taken a daemon over
 *
 * For LD_PRELOAD, tests only.  The file that TRY_FORBIDDEN names holds a
 * struct order; with SIGUSR2 the program does what it says, by bare system
 * calls as injected code would, and writes what came of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct order {
	char what[32];
	char path[200];
	int32_t done;   /* 1 once it has been tried */
	int32_t result; /* what the call returned, or -errno */
};

static struct order *order;

static long
bind_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	long fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(
	    address.sun_path, sizeof address.sun_path, "%.100s", path);
	return syscall(SYS_bind, fd, &address, sizeof address);
}

static long
map(int protection)
{
	return syscall(SYS_mmap, NULL, 4096, protection,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1
	    ? -1
	    : 0;
}

static long
make_executable(void)
{
	void *memory =
	    mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return syscall(SYS_mprotect, memory, 4096, PROT_READ | PROT_EXEC);
}

static long
spawn(long flags)
{
	long child = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);

	if (child == 0)
		(void)syscall(SYS_exit_group, 0);
	return child;
}

static long
run_program(void)
{
	char *arguments[] = { (char[]){ "true" }, NULL };
	char *none[] = { NULL };

	return syscall(SYS_execve, "/bin/true", arguments, none);
}

static long
of_files(const char *what, const char *path)
{
	if (strcmp(what, "read") == 0)
		return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	if (strcmp(what, "create") == 0)
		return syscall(
		    SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);
	if (strcmp(what, "remove") == 0)
		return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (strcmp(what, "list") == 0)
		return syscall(
		    SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (strcmp(what, "bind") == 0)
		return bind_at(path);
	errno = EINVAL;
	return -1;
}

static long
of_the_system(const char *what)
{
	static const char nothing[256];

	if (strcmp(what, "execve") == 0)
		return run_program();
	if (strcmp(what, "fork") == 0)
		return spawn(0);
	if (strcmp(what, "namespace") == 0)
		return syscall(SYS_unshare, CLONE_NEWUTS);
	if (strcmp(what, "ptrace") == 0)
		return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
	if (strcmp(what, "setuid") == 0)
		return syscall(SYS_setuid, getuid());
	if (strcmp(what, "mount") == 0)
		return syscall(SYS_mount, "x", "/nowhere", "tmpfs", 0, NULL);
	if (strcmp(what, "chroot") == 0)
		return syscall(SYS_chroot, "/nowhere");
	if (strcmp(what, "bpf") == 0)
		return syscall(SYS_bpf, BPF_MAP_CREATE, nothing, 72);
	if (strcmp(what, "perf") == 0)
		return syscall(SYS_perf_event_open, nothing, 0, -1, -1, 0);
	if (strcmp(what, "module") == 0)
		return syscall(SYS_init_module, nothing, sizeof nothing, "");
	if (strcmp(what, "keyctl") == 0)
		return syscall(SYS_keyctl, 0, 0, 0);
	if (strcmp(what, "other_memory") == 0)
		return syscall(
		    SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
	errno = EINVAL;
	return -1;
}

static long
of_others(const char *what)
{
	if (strcmp(what, "raw_packets") == 0)
		return syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0);
	if (strcmp(what, "raw_ip") == 0)
		return syscall(SYS_socket, AF_INET, SOCK_RAW, 1);
	if (strcmp(what, "kernel_crypto") == 0)
		return syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0);
	if (strcmp(what, "kill") == 0)
		return syscall(SYS_kill, getppid(), 0);
	if (strcmp(what, "tgkill") == 0)
		return syscall(SYS_tgkill, getppid(), getppid(), 0);
	if (strcmp(what, "write_and_run") == 0)
		return map(PROT_WRITE | PROT_EXEC);
	if (strcmp(what, "make_executable") == 0)
		return make_executable();
	if (strcmp(what, "dumpable") == 0)
		return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (strcmp(what, "memfd") == 0)
		return syscall(SYS_memfd_create, "x", 0);
	if (strcmp(what, "io_uring") == 0)
		return syscall(425, 1, NULL); /* io_uring_setup */
	if (strcmp(what, "limits") == 0)
		return syscall(SYS_prlimit64, 0, RLIMIT_CORE,
		    &(struct rlimit){ 0, 0 }, NULL);
	if (strcmp(what, "terminal") == 0)
		return syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x");
	return of_the_system(what);
}

static void
on_order(int signal)
{
	long result;

	(void)signal;
	result = order->path[0] != '\0' ? of_files(order->what, order->path)
					: of_others(order->what);
	order->result = (int32_t)(result < 0 ? -errno : result);
	order->done = 1;
}

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("TRY_FORBIDDEN");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	struct sigaction action = { .sa_handler = on_order };
	void *memory;

	if (fd < 0)
		return;
	memory = mmap(
	    NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (memory == MAP_FAILED)
		return;
	order = memory;
	(void)sigaction(SIGUSR2, &action, NULL);
}
