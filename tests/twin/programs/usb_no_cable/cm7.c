/* CM7 starts USB2_OTG_FS as a device in the steps of ST's driver, without VBUS sensing and without a cable: the core
 * resets, flushes and changes its mode; then nobody resets the bus, and the device is suspended. */
#include "example.h"

#define FORCE_DEVICE (1u << 30)
#define PHYSEL (1u << 6)
#define PRETEND_VBUS (3u << 6)
#define ALL_FIFOS (0x10u << 6)

volatile uint32_t resets, suspends;

void OTG_FS_IRQHandler(void)
{
    const uint32_t flags = USB2_OTG_FS_GINTSTS & USB2_OTG_FS_GINTMSK;

    USB2_OTG_FS_GINTSTS = flags;
    resets += flags & USB2_OTG_FS_GINTSTS_USBRST_Msk ? 1u : 0u;
    suspends += flags & USB2_OTG_FS_GINTSTS_USBSUSP_Msk ? 1u : 0u;
}

int main(void)
{
    console_start(RESET_HZ);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_USB2OTGFSEN_Msk);
    USB2_OTG_FS_GUSBCFG |= PHYSEL;
    wait_until_set(&USB2_OTG_FS_GRSTCTL, USB2_OTG_FS_GRSTCTL_AHBIDL_Msk);
    USB2_OTG_FS_GRSTCTL |= USB2_OTG_FS_GRSTCTL_CSRST_Msk;
    wait_until_clear(&USB2_OTG_FS_GRSTCTL, USB2_OTG_FS_GRSTCTL_CSRST_Msk);
    print("reset\r\n");
    USB2_OTG_FS_GUSBCFG |= FORCE_DEVICE;
    wait_until_clear(&USB2_OTG_FS_GINTSTS, USB2_OTG_FS_GINTSTS_CMOD_Msk);
    USB2_OTG_FS_DCTL |= USB2_OTG_FS_DCTL_SDIS_Msk;
    USB2_OTG_FS_GOTGCTL |= PRETEND_VBUS;
    USB2_OTG_FS_GRSTCTL = USB2_OTG_FS_GRSTCTL_TXFFLSH_Msk | ALL_FIFOS;
    wait_until_clear(&USB2_OTG_FS_GRSTCTL, USB2_OTG_FS_GRSTCTL_TXFFLSH_Msk);
    USB2_OTG_FS_GRSTCTL = USB2_OTG_FS_GRSTCTL_RXFFLSH_Msk;
    wait_until_clear(&USB2_OTG_FS_GRSTCTL, USB2_OTG_FS_GRSTCTL_RXFFLSH_Msk);
    USB2_OTG_FS_GINTMSK = USB2_OTG_FS_GINTSTS_USBRST_Msk | USB2_OTG_FS_GINTSTS_USBSUSP_Msk;
    USB2_OTG_FS_GINTSTS = 0xBFFFFFFFu;
    USB2_OTG_FS_GAHBCFG |= USB2_OTG_FS_GAHBCFG_GINT_Msk;
    enable_interrupt(OTG_FS_IRQn, 5);
    USB2_OTG_FS_DCTL &= ~USB2_OTG_FS_DCTL_SDIS_Msk;
    print("connected\r\n");
    for (;;) {
        wfi();
    }
}
