#include "example.h"

#define BAUD 115200u
#define USART3_FUNCTION 7u

enum { MODER = 0, IDR = 4, BSRR = 6, AFRL = 8 }; /* words from the base of a port (RM0399 section 12.4) */

void SystemInit(void);
void Error_Handler(void);

__attribute__((weak)) void SystemInit(void)
{
}

__attribute__((noreturn)) void Error_Handler(void)
{
    for (;;) {
    }
}

static volatile uint32_t *port_registers(char port)
{
    return &GPIOA_MODER + (&GPIOB_MODER - &GPIOA_MODER) * (port - 'A');
}

static void set_bits(volatile uint32_t *target, uint32_t place, uint32_t width, uint32_t value)
{
    const uint32_t mask = ((1u << width) - 1u) << place * width;

    *target = (*target & ~mask) | value << place * width;
}

void configure_pin(char port, uint32_t pin, enum pin_mode mode, uint32_t function)
{
    volatile uint32_t *registers = port_registers(port);

    enable_clock(&RCC_AHB4ENR, 1u << (port - 'A'));
    set_bits(&registers[AFRL + pin / 8u], pin % 8u, 4, function);
    set_bits(&registers[MODER], pin, 2, mode);
}

void write_pin(char port, uint32_t pin, bool high)
{
    port_registers(port)[BSRR] = high ? 1u << pin : 1u << (pin + 16u);
}

bool read_pin(char port, uint32_t pin)
{
    return port_registers(port)[IDR] >> pin & 1u;
}

/* Register reads cross slow buses: ask only now and then. */
#define TURNS_BETWEEN_READS 50u

void wait_until_set(const volatile uint32_t *status, uint32_t mask)
{
    while ((*status & mask) != mask) {
        pause(TURNS_BETWEEN_READS);
    }
}

void wait_until_clear(const volatile uint32_t *status, uint32_t mask)
{
    while (*status & mask) {
        pause(TURNS_BETWEEN_READS);
    }
}

void pause(uint32_t turns)
{
    while (turns--) {
        __asm volatile("nop");
    }
}

void console_start(uint32_t kernel_hz)
{
    configure_pin('D', 8, PIN_ALTERNATE, USART3_FUNCTION);
    configure_pin('D', 9, PIN_ALTERNATE, USART3_FUNCTION);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_USART3EN_Msk);
    USART3_BRR = (kernel_hz + BAUD / 2u) / BAUD;
    USART3_CR1 = USART3_CR1_UE_Msk | USART3_CR1_TE_Msk | USART3_CR1_RE_Msk;
    wait_until_set(&USART3_ISR, USART3_ISR_TEACK_Msk);
}

void print(const char *text)
{
    for (; *text; ++text) {
        wait_until_set(&USART3_ISR, USART3_ISR_TXE_TXFNF_Msk);
        USART3_TDR = (uint8_t)*text;
    }
    wait_until_set(&USART3_ISR, USART3_ISR_TC_Msk);
}

void print_value(const char *label, uint32_t number)
{
    char digits[11];

    append_number(digits, number);
    print(label);
    print("=");
    print(digits);
    print("\r\n");
}
