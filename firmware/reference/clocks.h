/* The clock tree of the reference application. */
#ifndef CLOCKS_H
#define CLOCKS_H

#define HSE_HZ 8000000u     /* from the MCO output of the ST-LINK, so in bypass mode */
#define CM7_HZ 400000000u   /* the most that direct SMPS supply allows */
#define CM4_HZ 200000000u   /* HCLK */
#define PCLK1_HZ 100000000u /* also the kernel clock of USART3 */

/* Raise the core voltage and run CM7 from PLL1. Calls Error_Handler if the flash does not take its timing. */
void clocks_start(void);

#endif
