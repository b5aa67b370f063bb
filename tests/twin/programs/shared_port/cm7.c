/* Each core toggles a pin of the same port. With -DATOMIC=0 a write of one core undoes what the other has written since
 * the read before it. */
#include "toggle.h"

int main(void)
{
    toggle(4);
    for (;;) {
        wfi();
    }
}
