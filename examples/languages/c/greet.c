#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    const char *greeting = getenv("GREETING");
    if (count < 2) {
        fprintf(stderr, "nobody to greet\n");
        return 3;
    }
    for (int i = 1; i < count; i++)
        printf("%s, %s!\n", greeting ? greeting : "Hello", words[i]);
    long bytes = 0;
    while (getchar() != EOF)
        bytes++;
    printf("%ld bytes of standard input\n", bytes);
}
