/*
 * replay.c: a main() for the fuzz targets where there is no libFuzzer: runs every file of each folder
 * given through the target that the folder is named after.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* The target gets memory of exactly the file's size, so that ASan sees a read past its end. */
static void
replay_file(fuzz_fn *target, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data = NULL;
	size_t size = 0;

	if (f != NULL && fstat(fileno(f), &st) == 0) {
		size = (size_t)st.st_size;
		data = malloc(size > 0 ? size : 1);
	}
	if (data == NULL || fread(data, 1, size, f) != size) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(f);
	target(data, size);
	free(data);
}

static unsigned
replay_folder(const char *folder)
{
	fuzz_fn *target = fuzz_target(folder);
	DIR *d = target != NULL ? opendir(folder) : NULL;
	unsigned n = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		replay_file(target, path);
		n++;
	}
	if (d != NULL)
		closedir(d);
	if (n == 0)
		fprintf(stderr, "%s: no inputs, or no target of that name\n", folder);
	return n;
}

int
main(int argc, char **argv)
{
	unsigned all = 0, n;

	for (int i = 1; i < argc; i++) {
		n = replay_folder(argv[i]);
		if (n == 0)
			return EXIT_FAILURE;
		all += n;
	}
	printf("%d fuzz targets: %u inputs\n", argc - 1, all);
	return all > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
