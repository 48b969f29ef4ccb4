// SPDX-License-Identifier: Apache-2.0
/* In place of libFuzzer: plays the inputs that are named, in any build, and says which one it is at. */
#include "fuzz.h"

#define INPUT_MAX (1U << 20U)

static bool play(const char *path)
{
    static uint8_t input[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    size_t len = fread(input, 1, sizeof input, file);
    bool whole = feof(file) != 0;
    fclose(file); // NOLINT(cert-err33-c): it was read
    if (!whole) {
        fprintf(stderr, "%s: not an input that can be read\n", path);
        return false;
    }
    printf("%s\n", path);
    fflush(stdout);
    uint8_t *exact = malloc(len != 0 ? len : 1); /* so that a read behind its end is seen */
    demand(exact != NULL);
    memcpy(exact, input, len);
    demand(LLVMFuzzerTestOneInput(exact, len) == 0);
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++)
        good = play(argv[i]) && good;
    return good ? 0 : 1;
}
