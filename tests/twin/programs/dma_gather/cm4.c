/* DMA2 reads the input pins of port E at each edge of PE0 (line 0 of EXTI, through a request generator), into two
 * buffers in turns; CM4 is only told when one is full. */
#include "example.h"

#define GENERATOR0 1u
#define EXTI0_TRIGGER 6u
#define RISING 1u
#define HALF_WORD 1u
#define PORT_E 4u
#define SAMPLES 4u

static volatile uint16_t *const first = (volatile uint16_t *)0x30020000u;
static volatile uint16_t *const second = (volatile uint16_t *)0x30020100u;
volatile uint32_t full, sum[4];

void DMA2_Stream0_IRQHandler(void)
{
    const volatile uint16_t *const buffer = DMA2_S0CR & DMA2_S0CR_CT_Msk ? first : second; /* the other is in use */

    DMA2_LIFCR = DMA2_LIFCR_CTCIF0_Msk;
    for (uint32_t i = 0; i < SAMPLES; ++i) {
        sum[full % 4u] += buffer[i] >> 8;
    }
    full = full + 1;
}

int main(void)
{
    configure_pin('E', 0, PIN_INPUT, 0);
    for (uint32_t pin = 8; pin < 16; ++pin) {
        configure_pin('E', pin, PIN_INPUT, 0);
    }
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SET_FIELD(SYSCFG_EXTICR1, EXTI0, PORT_E);
    EXTI_RTSR1 |= 1u;
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk | RCC_AHB1ENR_DMA2EN_Msk); /* both for DMAMUX1 */
    enable_clock(&RCC_AHB2ENR, RCC_AHB2ENR_SRAM2EN_Msk);
    DMAMUX1_RG0CR = EXTI0_TRIGGER | RISING << DMAMUX1_RG0CR_GPOL_Pos | DMAMUX1_RG0CR_GE_Msk;
    DMAMUX1_C8CR = GENERATOR0;
    DMA2_S0PAR = (uint32_t)&GPIOE_IDR;
    DMA2_S0M0AR = (uint32_t)first;
    DMA2_S0M1AR = (uint32_t)second;
    DMA2_S0NDTR = SAMPLES;
    DMA2_S0CR = DMA2_S0CR_DBM_Msk | DMA2_S0CR_CIRC_Msk | DMA2_S0CR_MINC_Msk | DMA2_S0CR_TCIE_Msk |
                HALF_WORD << DMA2_S0CR_PSIZE_Pos | HALF_WORD << DMA2_S0CR_MSIZE_Pos;
    DMA2_S0CR |= DMA2_S0CR_EN_Msk;
    enable_interrupt(DMA2_Stream0_IRQn, 5);
    for (;;) {
        wfi();
    }
}
