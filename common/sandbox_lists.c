#include "common/sandbox_lists.h"

#include <stddef.h>

const char *const sandbox_common[] = {
	/* sockets */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname",
	"getsockopt", "listen", "recv", "recvfrom", "recvmmsg", "recvmsg",
	"send", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
	/* descriptors */
	"close", "close_range", "dup", "dup2", "dup3", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "eventfd", "eventfd2", "fcntl", "fcntl64", "pipe",
	"pipe2", "poll", "ppoll", "ppoll_time64", "pselect6", "read", "readv",
	"select", "write", "writev",
	/* files, as far as Landlock lets it */
	"_llseek", "access", "chmod", "faccessat", "faccessat2", "fchmod",
	"fchmodat", "fstat", "fstat64", "fstatat64", "fstatfs", "getcwd",
	"getdents", "getdents64", "lseek", "lstat", "lstat64", "newfstatat",
	"open", "openat", "pread64", "readlink", "readlinkat", "stat", "stat64",
	"statx", "unlink", "unlinkat",
	/* memory */
	"brk", "madvise", "mremap", "munmap",
	/* threads and signals */
	"arch_prctl", "exit", "exit_group", "futex", "futex_time64",
	"futex_waitv", "get_robust_list", "getcpu", "membarrier", "pause",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"sched_getaffinity", "sched_yield", "set_robust_list",
	"set_tid_address", "sigaltstack", "sigreturn",
	/* time */
	"clock_getres", "clock_getres_time64", "clock_gettime",
	"clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64",
	"getitimer", "gettimeofday", "nanosleep", "setitimer", "time",
	"timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
	"timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create",
	"timerfd_settime",
	/* who and where */
	"getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32",
	"getpid", "getppid", "getrandom", "getrlimit", "getrusage", "gettid",
	"getuid", "getuid32", "sysinfo", "times", "ugetrlimit", "uname", NULL
};

const char *const sandbox_files[] = { "fallocate", "fdatasync", "flock",
	"fsync", "ftruncate", "ftruncate64", "pwrite64", "rename", "renameat",
	"renameat2", NULL };

const char *const sandbox_owners[] = { "chown", "chown32", "fchown", "fchown32",
	"fchownat", "lchown", "lchown32", NULL };

const char *const sandbox_sanitizers[] = { "clone", "execve", "fork", "kill",
	"mlock", "mmap", "mprotect", "personality", "prctl", "prlimit64",
	"process_vm_readv", "ptrace", "rt_tgsigqueueinfo", "tgkill", "tkill",
	"wait4", "waitid", NULL };

const char *const sandbox_forbidden[] = {
	/* another program, another process; clone() has its own rule */
	"execve", "execveat", "fork", "vfork",
	/* a look into other processes */
	"pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace",
	/* another identity */
	"capset", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid",
	"setgid32", "setgroups", "setgroups32", "setregid", "setregid32",
	"setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid",
	"setreuid32", "setuid", "setuid32",
	/* another view of the system */
	"chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount",
	"mount_setattr", "move_mount", "open_by_handle_at", "open_tree",
	"pivot_root", "setns", "umount", "umount2", "unshare",
	/* the kernel itself */
	"acct", "add_key", "bpf", "create_module", "delete_module",
	"finit_module", "init_module", "ioperm", "iopl", "kexec_file_load",
	"kexec_load", "keyctl", "perf_event_open", "quotactl", "reboot",
	"request_key", "swapoff", "swapon", "syslog", "userfaultfd",
	/* the clock */
	"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_settime",
	"clock_settime64", "settimeofday", "stime", NULL
};
