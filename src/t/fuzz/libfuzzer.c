/* libfuzzer.c: what libFuzzer calls. The target is the one that the program is named after. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fuzz_fn *target;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	target = fuzz_target((*argv)[0]);
	if (target == NULL) {
		fprintf(stderr, "%s: call it fuzz_NAME, after a target\n", (*argv)[0]);
		exit(EXIT_FAILURE);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	target(data, size);
	return 0;
}
