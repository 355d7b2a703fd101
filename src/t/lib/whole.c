#include "whole.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

pid_t
whole_start(const char *const argv[], const char *output)
{
	pid_t child = fork();
	int in, out;

	if (child < 0)
		die(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (child > 0)
		return child;
	in = open("/dev/null", O_RDONLY);
	out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(EX_OSERR);
	execv(argv[0], (char *const *)(void *)argv);
	fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(EX_UNAVAILABLE);
}

int
whole_stop(pid_t child)
{
	int status = 0;

	kill(child, SIGTERM);
	if (waitpid(child, &status, 0) != child)
		die(EX_OSERR, "cannot wait for a child: %s", strerror(errno));
	return status;
}

void
whole_write_port(const char *path, int port)
{
	char temporary[1024];

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	whole_write_file(temporary, "%d\n", port);
	if (rename(temporary, path) != 0)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

int
whole_wait_for_port(const char *path)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int tries, port;

	for (tries = 0; tries < 1000; tries++) {
		FILE *f = fopen(path, "r");

		if (f != NULL) {
			if (fscanf(f, "%d", &port) != 1)
				die(EX_IOERR, "%s holds no port", path);
			fclose(f);
			return port;
		}
		nanosleep(&moment, NULL);
	}
	die(EX_UNAVAILABLE, "%s did not appear", path);
}

void
whole_write_file(const char *path, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list ap;
	int n = -1;

	if (f != NULL) {
		va_start(ap, fmt);
		n = vfprintf(f, fmt, ap);
		va_end(ap);
	}
	if (f == NULL || n < 0 || fclose(f) != 0)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

void
whole_remove(const char *path)
{
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || (d = opendir(path)) == NULL) {
		unlink(path);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		char below[1024];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		whole_remove(below);
	}
	closedir(d);
	rmdir(path);
}

uint64_t
whole_digest(uint64_t digest, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n-- > 0)
		digest = (digest ^ *p++) * UINT64_C(1099511628211);
	return digest;
}
