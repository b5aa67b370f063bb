#include "console.h"

#include "clocks.h"
#include "core.h"

#define BAUD 115200u
#define QUEUE_SIZE 256u /* a power of two: the indices count on and wrap by themselves */
#define TX_PIN_AF 7u
#define RX_PIN_AF 7u
#define PIN_ALTERNATE 2u

void USART3_IRQHandler(void);

/* One side writes, the other reads; one of the two is the interrupt. */
struct queue {
    volatile uint32_t written;
    volatile uint32_t read;
    char characters[QUEUE_SIZE];
};

static struct queue transmit;
static struct queue receive;

static bool put(struct queue *queue, char character)
{
    if (queue->written - queue->read == QUEUE_SIZE) {
        return false;
    }
    queue->characters[queue->written % QUEUE_SIZE] = character;
    __asm volatile("" ::: "memory");
    queue->written = queue->written + 1;
    return true;
}

static bool get(struct queue *queue, char *character)
{
    if (queue->written == queue->read) {
        return false;
    }
    *character = queue->characters[queue->read % QUEUE_SIZE];
    __asm volatile("" ::: "memory");
    queue->read = queue->read + 1;
    return true;
}

/* The interrupt fetches from the queue; before console_start, USART3 has no clock and must not be touched. */
static void transmit_queued(void)
{
    if (RCC_APB1LENR & RCC_APB1LENR_USART3EN_Msk) {
        USART3_CR1 |= USART3_CR1_TXEIE_TXFNFIE_Msk;
    }
}

void console_write(const char *text)
{
    for (; *text; ++text) {
        while (!put(&transmit, *text)) {
            transmit_queued();
            wfi();
        }
    }
    transmit_queued();
}

void console_start(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIODEN_Msk);
    SET_FIELD(GPIOD_AFRH, AFSEL8, TX_PIN_AF);
    SET_FIELD(GPIOD_AFRH, AFSEL9, RX_PIN_AF);
    SET_FIELD(GPIOD_MODER, MODE8, PIN_ALTERNATE);
    SET_FIELD(GPIOD_MODER, MODE9, PIN_ALTERNATE);

    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_USART3EN_Msk);
    USART3_BRR = (PCLK1_HZ + BAUD / 2u) / BAUD;
    USART3_CR1 = USART3_CR1_UE_Msk | USART3_CR1_TE_Msk | USART3_CR1_RE_Msk | USART3_CR1_RXNEIE_RXFNEIE_Msk;
    enable_interrupt(USART3_IRQn, 3);
    transmit_queued();
}

void USART3_IRQHandler(void)
{
    const uint32_t status = USART3_ISR;

    if (status & USART3_ISR_RXNE_RXFNE_Msk) {
        put(&receive, (char)USART3_RDR); /* lost if the queue is full */
    }
    if (status & USART3_ISR_ORE_Msk) {
        USART3_ICR = USART3_ICR_ORECF_Msk;
    }
    if (status & USART3_ISR_TXE_TXFNF_Msk && USART3_CR1 & USART3_CR1_TXEIE_TXFNFIE_Msk) {
        char character;

        if (get(&transmit, &character)) {
            USART3_TDR = (uint8_t)character;
        } else {
            USART3_CR1 &= ~USART3_CR1_TXEIE_TXFNFIE_Msk;
        }
    }
}

bool console_read_line(char line[static CONSOLE_LINE_SIZE])
{
    static char partial[CONSOLE_LINE_SIZE];
    static uint32_t length;
    char character;

    while (get(&receive, &character)) {
        if (character != '\r' && character != '\n') {
            if (length < CONSOLE_LINE_SIZE - 1u) {
                partial[length++] = character;
            }
        } else if (length) {
            for (uint32_t i = 0; i < length; ++i) {
                line[i] = partial[i];
            }
            line[length] = '\0';
            length = 0;
            return true;
        }
    }
    return false;
}
