/* descriptors.c: getting rid of open descriptors. */
#include "base/descriptors.h"

#include <sys/resource.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void
descriptors_to_null(bool keep_stderr)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	if (!keep_stderr)
		dup2(fd, 2);
	if (fd > 2)
		close(fd);
}

static bool
is_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags != -1 && (flags & FD_CLOEXEC) == 0;
}

/* poll(2) says of many descriptors at once which of them are open. */
void
descriptors_close(int keep, bool inherited_only)
{
	enum { BATCH = 256, FD_MAX = 65536 };
	struct pollfd p[BATCH];
	struct rlimit rl;
	int end = FD_MAX;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < FD_MAX)
		end = (int)rl.rlim_cur;
	for (int first = 3; first < end; first += BATCH) {
		int n = end - first < BATCH ? end - first : BATCH;

		for (int i = 0; i < n; i++)
			p[i] = (struct pollfd){.fd = first + i};
		if (poll(p, (nfds_t)n, 0) < 0)
			continue;
		for (int i = 0; i < n; i++)
			if ((p[i].revents & POLLNVAL) == 0 && p[i].fd != keep &&
			    (!inherited_only || is_inherited(p[i].fd)))
				close(p[i].fd);
	}
}
