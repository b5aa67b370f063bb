/* Instructions of the DSP extension (and UMAAL) that execute.c does not do itself. */
#ifndef H7_DSP_H
#define H7_DSP_H

#include "h7core.h"

/* Execute an instruction with operation H7_OP_DSP. */
void h7_dsp(struct h7_core *core, const struct h7_insn *insn);

#endif
