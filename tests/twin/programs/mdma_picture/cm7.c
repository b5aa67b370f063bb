/* MDMA cuts the middle out of a picture in AXI SRAM, row by row, to DTCM; then a list of two settings fills another
 * picture: its left half from one colour, its right half from another. */
#include "example.h"

#define WIDTH 16u
#define HEIGHT 8u
#define CUT_WIDTH 8u
#define CUT_HEIGHT 4u
#define UP 2u
#define WORD 2u
#define WHOLE 3u

typedef uint32_t node[10]; /* TCR, BNDTR, SAR, DAR, BRUR, LAR, TBR, -, MAR, MDR */

static volatile uint8_t *const picture = (volatile uint8_t *)0x24003000u;
static volatile uint8_t *const halves = (volatile uint8_t *)0x24004000u;
static volatile uint32_t *const colours = (volatile uint32_t *)0x24005000u;
static volatile uint32_t *const right_half = (volatile uint32_t *)0x24005100u;
volatile uint8_t cut[CUT_WIDTH * CUT_HEIGHT] __attribute__((aligned(4)));
volatile uint32_t completed;

void MDMA_IRQHandler(void)
{
    if (MDMA_GISR0 & 1u && MDMA_C0ISR & MDMA_C0ISR_CTCIF0_Msk) {
        MDMA_C0IFCR = 0x1Fu;
        completed = completed + 1;
    }
}

static void run(uint32_t number)
{
    MDMA_C0CR = MDMA_C0CR_CTCIE_Msk | MDMA_C0CR_EN_Msk;
    MDMA_C0CR |= MDMA_C0CR_SWRQ_Msk;
    while (completed < number) {
        wfi();
    }
}

static uint32_t control(uint32_t source_increment)
{
    return source_increment | UP << MDMA_C0TCR_DINC_Pos | WORD << MDMA_C0TCR_SINCOS_Pos |
           WORD << MDMA_C0TCR_DINCOS_Pos | WORD << MDMA_C0TCR_SSIZE_Pos | WORD << MDMA_C0TCR_DSIZE_Pos |
           (CUT_WIDTH - 1u) << MDMA_C0TCR_TLEN_Pos | WHOLE << MDMA_C0TCR_TRGM_Pos | MDMA_C0TCR_SWRM_Msk;
}

int main(void)
{
    uint32_t matching = 0;

    console_start(RESET_HZ);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; ++i) {
        picture[i] = (uint8_t)i;
    }
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_MDMAEN_Msk);
    enable_interrupt(MDMA_IRQn, 5);

    MDMA_C0TCR = control(UP);
    MDMA_C0BNDTR = (CUT_HEIGHT - 1u) << MDMA_C0BNDTR_BRC_Pos | CUT_WIDTH;
    MDMA_C0SAR = (uint32_t)&picture[2u * WIDTH + 4u];
    MDMA_C0DAR = (uint32_t)cut;
    MDMA_C0BRUR = WIDTH - CUT_WIDTH;
    MDMA_C0TBR = MDMA_C0TBR_DBUS_Msk; /* DTCM is at the AHBS port of the CM7 */
    run(1);
    for (uint32_t i = 0; i < sizeof cut; ++i) {
        const uint32_t row = 2u + i / CUT_WIDTH, column = 4u + i % CUT_WIDTH;

        matching += cut[i] == row * WIDTH + column ? 1u : 0u;
    }
    print_value("matching", matching);

    colours[0] = 0x11111111u;
    colours[1] = 0x22222222u;
    right_half[0] = control(0);
    right_half[1] = (HEIGHT - 1u) << MDMA_C0BNDTR_BRC_Pos | WIDTH / 2u;
    right_half[2] = (uint32_t)&colours[1];
    right_half[3] = (uint32_t)&halves[WIDTH / 2u];
    right_half[4] = (WIDTH / 2u) << MDMA_C0BRUR_DUV_Pos;
    for (uint32_t word = 5; word < 10; ++word) {
        right_half[word] = 0;
    }
    MDMA_C0TCR = control(0);
    MDMA_C0BNDTR = (HEIGHT - 1u) << MDMA_C0BNDTR_BRC_Pos | WIDTH / 2u;
    MDMA_C0SAR = (uint32_t)&colours[0];
    MDMA_C0DAR = (uint32_t)halves;
    MDMA_C0BRUR = (WIDTH / 2u) << MDMA_C0BRUR_DUV_Pos;
    MDMA_C0TBR = 0;
    MDMA_C0LAR = (uint32_t)right_half;
    run(2);
    print_value("left", halves[WIDTH * (HEIGHT - 1u) + WIDTH / 2u - 1u]);
    print_value("right", halves[WIDTH * (HEIGHT - 1u) + WIDTH / 2u]);
    for (;;) {
        wfi();
    }
}
