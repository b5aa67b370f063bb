#include "parts.h"

int main(void) {
    sorting();
    checksums();
    bignum();
    strings();
    structs();
    wide();
    floats();
    control();
    fflush(stdout);
    return 0;
}
