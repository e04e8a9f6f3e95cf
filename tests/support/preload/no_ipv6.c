/*
 * no_ipv6 - a kernel without IPv6, as ipv6.disable=1 makes it
 *
 * For LD_PRELOAD, tests only: there are no sockets of that family.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int
socket(int family, int type, int protocol)
{
	if (family == AF_INET6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, family, type, protocol);
}
