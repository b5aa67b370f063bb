/* Cross-trigger interface of a core, and the matrix that connects it to the other core's and to the system's (Arm
 * DDI0480, CTI; DDI0489F chapter 10; RM0399 chapter 63, cross-trigger interfaces).
 *
 * An event at a trigger input goes, on the channels that CTIINEN gives it, to the outputs that CTIOUTEN gives these
 * channels: here, and through CTIGATE everywhere else. Input 0 is a pulse: the core has entered Debug state. Output
 * 0 asks the core to halt; it stays, as 1 and 2 do, until CTIINTACK, and not before the channel is silent. 1 and 2,
 * interrupts, lead nowhere on this chip. Output 7, a pulse, ends Debug state. A channel may also be held by
 * CTIAPPSET.
 *
 * What a core does to the other while it runs takes effect where their times meet: at the end of the slice, which
 * is short while both interfaces are enabled (schedule.c). */
#include "debug.h"

enum {
    CONTROL = 0x000,
    INTACK = 0x010,
    APPSET = 0x014,
    APPCLEAR = 0x018,
    APPPULSE = 0x01C,
    INEN = 0x020,
    INEN_END = INEN + 4 * H7_CTI_TRIGGERS,
    OUTEN = 0x0A0,
    OUTEN_END = OUTEN + 4 * H7_CTI_TRIGGERS,
    TRIGINSTATUS = 0x130,
    TRIGOUTSTATUS = 0x134,
    CHINSTATUS = 0x138,
    CHOUTSTATUS = 0x13C,
    GATE = 0x140,
};
enum { HALTED = 0, ACKNOWLEDGED = 7 /* outputs that stay */, RESTART = 1 << 7, CHANNELS = (1 << H7_CTI_CHANNELS) - 1 };

void h7_cti_reset(struct h7_core *core) { core->cti = (struct h7_cti){.gate = CHANNELS}; }

uint32_t h7_core_channels(const struct h7_core *core) {
    return core->cti.enabled ? core->cti.application & core->cti.gate : 0;
}

/* The channels that something else than this interface holds. */
static uint32_t channels_in(const struct h7_core *core) {
    return core->cti.matrix | (core->peer ? h7_core_channels(core->peer) : 0);
}

/* The outputs that some channels lead to. */
static uint32_t outputs_of(const struct h7_cti *cti, uint32_t channels) {
    uint32_t outputs = 0;
    for (uint32_t number = 0; cti->enabled && number < H7_CTI_TRIGGERS; number++) {
        outputs |= (uint32_t)((cti->out[number] & channels) != 0) << number;
    }
    return outputs;
}

void h7_cti_deliver(struct h7_core *core) {
    uint32_t arriving = core->cti.arriving;
    core->cti.arriving = 0;
    if (arriving & RESTART) {
        h7_debug_restart(core);
    }
    if (arriving & H7_CTI_DEBUG_REQUEST) {
        h7_debug_request(core);
    }
}

static void trigger(struct h7_core *core, uint32_t outputs) {
    if (!outputs) {
        return;
    }
    core->cti.outputs |= outputs & ACKNOWLEDGED;
    core->cti.arriving |= outputs;
    if (core->peer && core->peer->in_run && !core->in_run) {
        h7_core_stop(core->peer);
    } else {
        h7_cti_deliver(core);
    }
}

/* An event on channels, as this interface sees it. */
static void arrive(struct h7_core *core, uint32_t channels) { trigger(core, outputs_of(&core->cti, channels)); }

/* An event on channels that begins here. */
static void send(struct h7_core *core, uint32_t channels) {
    if (!core->cti.enabled || !channels) {
        return;
    }
    arrive(core, channels);
    if (core->peer) {
        arrive(core->peer, channels & core->cti.gate);
    }
}

/* Outputs that channels have come to hold by a change of what leads to them. */
static void follow(struct h7_core *core) {
    const struct h7_cti *cti = &core->cti;
    uint32_t held = outputs_of(cti, cti->application | channels_in(core)) & ACKNOWLEDGED;
    trigger(core, held & ~cti->outputs);
}

void h7_cti_halted(struct h7_core *core) { send(core, core->cti.in[HALTED]); }

void h7_core_set_channels(struct h7_core *core, uint32_t held, uint32_t pulses) {
    core->cti.matrix = held & CHANNELS;
    arrive(core, pulses & CHANNELS);
    follow(core);
}

bool h7_cti_read(const struct h7_core *core, uint32_t offset, uint32_t *value) {
    const struct h7_cti *cti = &core->cti;
    if (offset >= INEN && offset < INEN_END) {
        *value = cti->in[(offset - INEN) / 4];
        return true;
    }
    if (offset >= OUTEN && offset < OUTEN_END) {
        *value = cti->out[(offset - OUTEN) / 4];
        return true;
    }
    switch (offset) {
    case CONTROL:
        *value = cti->enabled;
        return true;
    case APPSET:
        *value = cti->application;
        return true;
    case INTACK:
    case APPCLEAR:
    case APPPULSE:
        *value = 0;
        return true;
    case TRIGINSTATUS:
        *value = core->debug.halted;
        return true;
    case TRIGOUTSTATUS:
        *value = cti->outputs;
        return true;
    case CHINSTATUS:
        *value = channels_in(core);
        return true;
    case CHOUTSTATUS:
        *value = h7_core_channels(core);
        return true;
    case GATE:
        *value = cti->gate;
        return true;
    default:
        return false;
    }
}

bool h7_cti_write(struct h7_core *core, uint32_t offset, uint32_t value) {
    struct h7_cti *cti = &core->cti;
    uint32_t channels = value & CHANNELS;
    if (offset >= INEN && offset < INEN_END) {
        cti->in[(offset - INEN) / 4] = (uint8_t)channels;
    } else if (offset >= OUTEN && offset < OUTEN_END) {
        cti->out[(offset - OUTEN) / 4] = (uint8_t)channels;
    } else if (offset == CONTROL) {
        cti->enabled = value & 1;
    } else if (offset == INTACK) {
        cti->outputs &= ~value;
    } else if (offset == APPSET) {
        channels &= ~cti->application;
        cti->application |= channels;
        send(core, channels);
    } else if (offset == APPCLEAR) {
        cti->application &= ~channels;
    } else if (offset == APPPULSE) {
        send(core, channels);
    } else if (offset == GATE) {
        cti->gate = channels;
    } else {
        return offset >= TRIGINSTATUS && offset < GATE;
    }
    follow(core);
    if (core->peer) {
        follow(core->peer);
    }
    return true;
}
