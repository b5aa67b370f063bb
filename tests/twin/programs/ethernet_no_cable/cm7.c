/* CM7 starts the Ethernet controller in RMII in the steps of ST's driver, finds the PHY by its address and asks it for a
 * link, without a cable. */
#include "example.h"

#define RMII 4u
#define ETH_FUNCTION 11u
#define MDC_HCLK_BY_16 2u
#define READ 3u
#define SPECIAL_MODES 18u
#define STATUS 1u
#define LINK (1u << 2)

static uint32_t phy_read(uint32_t phy, uint32_t number)
{
    ETH_MACMDIOAR = phy << ETH_MACMDIOAR_PA_Pos | number << ETH_MACMDIOAR_RDA_Pos |
                    MDC_HCLK_BY_16 << ETH_MACMDIOAR_CR_Pos | READ << ETH_MACMDIOAR_GOC_Pos | ETH_MACMDIOAR_MB_Msk;
    wait_until_clear(&ETH_MACMDIOAR, ETH_MACMDIOAR_MB_Msk);
    return ETH_MACMDIODR & 0xFFFFu;
}

int main(void)
{
    static const struct { char port; uint8_t pin; } pins[] = {
        {'A', 1}, {'A', 2}, {'A', 7}, {'B', 13}, {'C', 1}, {'C', 4}, {'C', 5}, {'G', 11}, {'G', 13},
    };
    uint32_t address = 0;

    console_start(RESET_HZ);
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SET_FIELD(SYSCFG_PMCR, EPIS_SEL, RMII);
    for (uint32_t i = 0; i < sizeof(pins) / sizeof(pins[0]); ++i) {
        configure_pin(pins[i].port, pins[i].pin, PIN_ALTERNATE, ETH_FUNCTION);
    }
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ETH1MACEN_Msk | RCC_AHB1ENR_ETH1TXEN_Msk | RCC_AHB1ENR_ETH1RXEN_Msk);
    ETH_DMAMR |= ETH_DMAMR_SWR_Msk;
    wait_until_clear(&ETH_DMAMR, ETH_DMAMR_SWR_Msk);
    print("reset\r\n");

    while (address < 32u && (phy_read(address, SPECIAL_MODES) & 0x1Fu) != address) {
        ++address;
    }
    print_value("phy", address);
    phy_read(address, STATUS); /* twice: the bit keeps a lost link until it is read */
    print_value("link", phy_read(address, STATUS) & LINK ? 1u : 0u);

    ETH_MACCR = ETH_MACCR_FES_Msk | ETH_MACCR_DM_Msk;
    ETH_MTLTxQOMR = ETH_MTLTxQOMR_TSF_Msk;
    ETH_MTLTxQOMR |= ETH_MTLTxQOMR_FTQ_Msk;
    wait_until_clear(&ETH_MTLTxQOMR, ETH_MTLTxQOMR_FTQ_Msk);
    ETH_MACCR |= ETH_MACCR_TE_Msk | ETH_MACCR_RE_Msk;
    print("started\r\n");
    for (;;) {
        wfi();
    }
}
