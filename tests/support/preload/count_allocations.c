/*
 * count_allocations - how often a program asks for memory, and for whom
 *
 * For LD_PRELOAD, tests only: counts calls of malloc(), calloc(), realloc() and
 * their aligned relatives in the file that COUNT_ALLOCATIONS names, which is
 * mapped and may be read at any time: see struct counts.  What libnng asks for
 * counts apart, by the return address of the call.
 */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALLERS_MAX 62

/* glibc's own names; dlsym(3) would itself ask for memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* 64-bit words, in this order. */
struct counts {
	_Atomic uint64_t nng;
	_Atomic uint64_t others;
	/* The first different callers among the others. */
	struct {
		_Atomic uint64_t address;
		_Atomic uint64_t count;
	} callers[CALLERS_MAX];
};

static struct counts *counts;
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
		uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		nng_start = start;
		nng_end = start + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("COUNT_ALLOCATIONS");
	int fd =
	    path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *map;

	if (fd < 0)
		return;
	(void)dl_iterate_phdr(find_nng, NULL);
	if (ftruncate(fd, sizeof *counts) == 0) {
		map = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
		if (map != MAP_FAILED)
			counts = map;
	}
	(void)close(fd);
}

static void
count(void *caller)
{
	uintptr_t address = (uintptr_t)caller;

	if (counts == NULL)
		return;
	if (address >= nng_start && address < nng_end) {
		atomic_fetch_add(&counts->nng, 1);
		return;
	}
	atomic_fetch_add(&counts->others, 1);
	for (int i = 0; i < CALLERS_MAX; i++) {
		uint64_t free_slot = 0;

		if (atomic_load(&counts->callers[i].address) != address &&
		    !atomic_compare_exchange_strong(
			&counts->callers[i].address, &free_slot, address))
			continue;
		atomic_fetch_add(&counts->callers[i].count, 1);
		return;
	}
}

void *
malloc(size_t size)
{
	count(__builtin_return_address(0));
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_memalign(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	count(__builtin_return_address(0));
	*out = __libc_memalign(alignment, size);
	return *out == NULL ? 12 : 0; /* ENOMEM */
}
