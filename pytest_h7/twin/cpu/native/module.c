/* The extension module `_native`: cores, and the board that runs them. Limited API: one binary for CPython 3.10 on.
 *
 * The host's functions are looked up once and called with the core as first argument; registers that it maps are
 * answered by functions of their own. What any of them raises ends the run in front of the instruction and comes
 * out of `run`; the class given as bus fault is what firmware sees as one. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <string.h>
#include <structmember.h>

#include "h7core.h"
#include "portable.h"
#include "schedule.h"
#include "snapshot.h"

enum { READ, WRITE, SLEPT, WOKE, EVENT_SENT, RESET_REQUESTED, HALT_CHANGED, EXCEPTION_CHANGED, CALLBACKS };
static const char *const callback_name[CALLBACKS] = {
    "core_read", "core_write", "core_slept", "core_woke", "event_sent", "reset_requested", "halt_changed",
    "exception_changed"};

/* A register that two functions answer in place of the host: reader(master) and writer(value, master). */
struct mapped_register {
    uint32_t address, size;
    PyObject *way; /* (reader, writer, master), NULL if there is none */
};
enum { REGISTER_BITS = 10, REGISTERS = 1 << REGISTER_BITS };

typedef struct {
    PyObject_HEAD
    struct h7_core *core;
    struct mapped_register mapped[REGISTERS]; /* a new one replaces that of the same hash */
    PyObject *callback[CALLBACKS];
    PyObject *bus_fault;
    PyObject *error[3]; /* type, value, traceback of what a callback raised */
} Core;

/* ---- calls into Python -------------------------------------------------------------------------------- */

/* BaseException.add_note, which CPython 3.10 does not have; what is reported shows the note there as well. */
static void add_note(PyObject *error, const char *text) {
    PyObject *note = PyUnicode_FromString(text);
    PyObject *notes = PyObject_GetAttrString(error, "__notes__");
    if (!notes) {
        PyErr_Clear();
        notes = PyList_New(0);
    }
    if (!note || !notes || PyList_Append(notes, note) < 0 ||
        PyObject_SetAttrString(error, "__notes__", notes) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(notes);
    Py_XDECREF(note);
}

/* Keep the exception that is set, for `raise_error`; the first one if there are several. */
static void keep_error(Core *self) {
    self->core->aborted = true;
    if (self->error[0]) {
        PyErr_Clear();
        return;
    }
    PyErr_Fetch(&self->error[0], &self->error[1], &self->error[2]);
    PyErr_NormalizeException(&self->error[0], &self->error[1], &self->error[2]);
    char text[80];
    PyOS_snprintf(text, sizeof text, "raised while the core executed the instruction at 0x%08X",
                  (unsigned)self->core->r[15]);
    add_note(self->error[1], text);
}

static enum h7_bus answer(Core *self) {
    if (PyErr_ExceptionMatches(self->bus_fault)) {
        PyErr_Clear();
        return H7_BUS_FAULT;
    }
    keep_error(self);
    return H7_BUS_ABORT;
}

/* A multiplicative hash, which keeps the registers of a peripheral and of its neighbours apart. */
static struct mapped_register *mapping_of(Core *self, uint32_t address, uint32_t size) {
    return &self->mapped[(address << 3 | size) * 0x9E3779B1u >> (32 - REGISTER_BITS)];
}

/* Return a new reference to the functions for an access, because it may unmap them; NULL if the host serves it. */
static PyObject *way_to(Core *self, uint32_t address, uint32_t size) {
    struct mapped_register *mapping = mapping_of(self, address, size);
    if (mapping->address != address || mapping->size != size) {
        return NULL;
    }
    Py_XINCREF(mapping->way);
    return mapping->way;
}

static void unmap_registers(Core *self) {
    for (int index = 0; index < REGISTERS; index++) {
        Py_CLEAR(self->mapped[index].way);
    }
}

static enum h7_bus bus_read(void *context, struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value) {
    (void)core;
    Core *self = context;
    PyObject *way = way_to(self, address, size), *result;
    if (way) {
        result = PyObject_CallFunctionObjArgs(PyTuple_GetItem(way, 0), PyTuple_GetItem(way, 2), NULL);
        Py_DECREF(way);
    } else {
        result = PyObject_CallFunction(self->callback[READ], "OII", self, address, size);
    }
    if (!result) {
        return answer(self);
    }
    *value = (uint32_t)PyLong_AsUnsignedLongMask(result);
    Py_DECREF(result);
    return PyErr_Occurred() ? answer(self) : H7_BUS_OK;
}

static enum h7_bus bus_write(void *context, struct h7_core *core, uint32_t address, uint32_t size, uint32_t value) {
    (void)core;
    Core *self = context;
    PyObject *way = way_to(self, address, size), *result;
    if (way) {
        PyObject *number = PyLong_FromUnsignedLong(value);
        result = PyObject_CallFunctionObjArgs(PyTuple_GetItem(way, 1), number, PyTuple_GetItem(way, 2), NULL);
        Py_DECREF(number);
        Py_DECREF(way);
    } else {
        result = PyObject_CallFunction(self->callback[WRITE], "OIII", self, address, size, value);
    }
    if (!result) {
        return answer(self);
    }
    Py_DECREF(result);
    return H7_BUS_OK;
}

static void notify(Core *self, int which) {
    PyObject *result = PyObject_CallFunctionObjArgs(self->callback[which], self, NULL);
    if (!result) {
        keep_error(self);
        h7_core_stop(self->core);
    }
    Py_XDECREF(result);
}

static void slept(void *context, struct h7_core *core) { (void)core; notify(context, SLEPT); }
static void woke(void *context, struct h7_core *core) { (void)core; notify(context, WOKE); }
static void event_sent(void *context, struct h7_core *core) { (void)core; notify(context, EVENT_SENT); }
static void reset_requested(void *context, struct h7_core *core) { (void)core; notify(context, RESET_REQUESTED); }
static void halt_changed(void *context, struct h7_core *core) { (void)core; notify(context, HALT_CHANGED); }
static void exception_changed(void *context, struct h7_core *core) {
    (void)core;
    notify(context, EXCEPTION_CHANGED);
}

/* Return None, or raise what a callback raised. */
static PyObject *none_or_error(Core *self) {
    if (self->error[0]) {
        PyErr_Restore(self->error[0], self->error[1], self->error[2]);
        self->error[0] = self->error[1] = self->error[2] = NULL;
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the type ----------------------------------------------------------------------------------------- */

static int core_init(Core *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"model", "host", "bus_fault", NULL};
    int model;
    PyObject *host, *bus_fault;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "iOO", names, &model, &host, &bus_fault)) {
        return -1;
    }
    for (int index = 0; index < CALLBACKS; index++) {
        PyObject *function = PyObject_GetAttrString(host, callback_name[index]);
        if (!function) {
            return -1;
        }
        Py_XDECREF(self->callback[index]);
        self->callback[index] = function;
    }
    Py_INCREF(bus_fault);
    Py_XDECREF(self->bus_fault);
    self->bus_fault = bus_fault;
    struct h7_host functions = {self,       bus_read,        bus_write,    slept,            woke,
                                event_sent, reset_requested, halt_changed, exception_changed};
    h7_core_free(self->core);
    self->core = h7_core_new((enum h7_model)model, &functions);
    if (!self->core) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int core_traverse(Core *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    for (int index = 0; index < CALLBACKS; index++) {
        Py_VISIT(self->callback[index]);
    }
    for (int index = 0; index < REGISTERS; index++) {
        Py_VISIT(self->mapped[index].way);
    }
    Py_VISIT(self->bus_fault);
    for (int index = 0; index < 3; index++) {
        Py_VISIT(self->error[index]);
    }
    return 0;
}

static int core_clear(Core *self) {
    for (int index = 0; index < CALLBACKS; index++) {
        Py_CLEAR(self->callback[index]);
    }
    unmap_registers(self);
    Py_CLEAR(self->bus_fault);
    for (int index = 0; index < 3; index++) {
        Py_CLEAR(self->error[index]);
    }
    return 0;
}

static void core_dealloc(Core *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    core_clear(self);
    h7_core_free(self->core);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- methods ------------------------------------------------------------------------------------------ */

static PyObject *core_run(Core *self, PyObject *cycles) {
    long long count = PyLong_AsLongLong(cycles);
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (count > 0) {
        h7_core_run(self->core, (uint64_t)count);
    }
    return none_or_error(self);
}

static PyObject *core_stop(Core *self, PyObject *unused) {
    (void)unused;
    h7_core_stop(self->core);
    Py_RETURN_NONE;
}

static PyObject *core_set_irq(Core *self, PyObject *arguments) {
    unsigned irq;
    int level;
    if (!PyArg_ParseTuple(arguments, "Ip", &irq, &level)) {
        return NULL;
    }
    h7_core_set_irq(self->core, irq, level);
    return none_or_error(self);
}

static PyObject *core_pulse_irq(Core *self, PyObject *irq) {
    unsigned long number = PyLong_AsUnsignedLong(irq);
    if (PyErr_Occurred()) {
        return NULL;
    }
    h7_core_pulse_irq(self->core, (uint32_t)number);
    return none_or_error(self);
}

static PyObject *core_set_event(Core *self, PyObject *unused) {
    (void)unused;
    h7_core_set_event(self->core);
    return none_or_error(self);
}

static PyObject *core_wake_pending(Core *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(h7_core_wake_pending(self->core));
}

static PyObject *core_wake_if_pending(Core *self, PyObject *unused) {
    (void)unused;
    h7_core_wake_if_pending(self->core);
    return none_or_error(self);
}

static PyObject *core_cycles_to_tick(Core *self, PyObject *unused) {
    (void)unused;
    uint64_t cycles = h7_core_cycles_to_tick(self->core);
    if (cycles == H7_NEVER) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLongLong(cycles);
}

static PyObject *core_reset(Core *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"vector_table", "debug", NULL};
    unsigned vector_table;
    int debug = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "I|$p", names, &vector_table, &debug)) {
        return NULL;
    }
    h7_core_reset(self->core, vector_table, debug);
    return none_or_error(self);
}

static PyObject *core_halt(Core *self, PyObject *arguments) {
    unsigned reason = H7_DFSR_HALTED;
    if (!PyArg_ParseTuple(arguments, "|I", &reason)) {
        return NULL;
    }
    h7_core_halt(self->core, reason);
    return none_or_error(self);
}

static PyObject *core_read_debug(Core *self, PyObject *address) {
    unsigned long place = PyLong_AsUnsignedLong(address);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(h7_core_read_debug(self->core, (uint32_t)place));
}

static PyObject *core_write_debug(Core *self, PyObject *arguments) {
    unsigned address, value;
    if (!PyArg_ParseTuple(arguments, "II", &address, &value)) {
        return NULL;
    }
    h7_core_write_debug(self->core, address, value);
    return none_or_error(self);
}

static PyObject *core_set_channels(Core *self, PyObject *arguments) {
    unsigned held, pulses;
    if (!PyArg_ParseTuple(arguments, "II", &held, &pulses)) {
        return NULL;
    }
    h7_core_set_channels(self->core, held, pulses);
    return none_or_error(self);
}

static PyObject *core_map(Core *self, PyObject *arguments) {
    unsigned address, size;
    unsigned long long pointer;
    int writable;
    if (!PyArg_ParseTuple(arguments, "IIKp", &address, &size, &pointer, &writable)) {
        return NULL;
    }
    if (!h7_core_map(self->core, address, size, (void *)(uintptr_t)pointer, writable)) {
        PyErr_SetString(PyExc_ValueError, "a core takes 48 memories at multiples of 1 KB");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *core_unmap(Core *self, PyObject *arguments) {
    unsigned address, size;
    if (!PyArg_ParseTuple(arguments, "II", &address, &size)) {
        return NULL;
    }
    h7_core_unmap(self->core, address);
    Py_RETURN_NONE;
}

static PyObject *core_guard(Core *self, PyObject *arguments) {
    unsigned address;
    unsigned long long pointer;
    if (!PyArg_ParseTuple(arguments, "IK", &address, &pointer)) {
        return NULL;
    }
    h7_core_guard(self->core, address, (const uint8_t *)(uintptr_t)pointer);
    Py_RETURN_NONE;
}

static PyObject *core_map_register(Core *self, PyObject *arguments) {
    unsigned address, size;
    PyObject *way;
    if (!PyArg_ParseTuple(arguments, "IIO!", &address, &size, &PyTuple_Type, &way)) {
        return NULL;
    }
    if (PyTuple_Size(way) != 3) {
        PyErr_SetString(PyExc_ValueError, "the way to a register is (reader, writer, master)");
        return NULL;
    }
    struct mapped_register *mapping = mapping_of(self, address, size);
    PyObject *previous = mapping->way;
    Py_INCREF(way);
    *mapping = (struct mapped_register){address, size, way};
    Py_XDECREF(previous);
    Py_RETURN_NONE;
}

static PyObject *core_unmap_registers(Core *self, PyObject *unused) {
    (void)unused;
    unmap_registers(self);
    Py_RETURN_NONE;
}

static PyObject *core_invalidate(Core *self, PyObject *arguments) {
    unsigned address, length;
    if (!PyArg_ParseTuple(arguments, "II", &address, &length)) {
        return NULL;
    }
    h7_core_invalidate(self->core, address, length);
    Py_RETURN_NONE;
}

static PyObject *core_component(Core *self, PyObject *arguments) {
    unsigned base;
    int stored;
    if (!PyArg_ParseTuple(arguments, "Ip", &base, &stored)) {
        return NULL;
    }
    if (!h7_core_component(self->core, base, stored)) {
        PyErr_SetString(PyExc_ValueError, "too many components on the private bus");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *core_component_word(Core *self, PyObject *arguments) {
    unsigned address, value;
    if (!PyArg_ParseTuple(arguments, "II", &address, &value)) {
        return NULL;
    }
    h7_core_component_word(self->core, address, value);
    Py_RETURN_NONE;
}

static PyObject *core_register(Core *self, PyObject *selector) {
    unsigned long number = PyLong_AsUnsignedLong(selector);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(h7_core_register(self->core, (uint32_t)number));
}

static PyObject *core_set_register(Core *self, PyObject *arguments) {
    unsigned selector, value;
    if (!PyArg_ParseTuple(arguments, "II", &selector, &value)) {
        return NULL;
    }
    h7_core_set_register(self->core, selector, value);
    Py_RETURN_NONE;
}

static PyObject *core_connect(Core *self, PyObject *other) {
    if (!PyObject_TypeCheck(other, Py_TYPE((PyObject *)self)) && Py_TYPE(other) != Py_TYPE((PyObject *)self)) {
        PyErr_SetString(PyExc_TypeError, "a core connects to a core");
        return NULL;
    }
    h7_core_connect(self->core, ((Core *)other)->core);
    Py_RETURN_NONE;
}

static PyObject *core_save(Core *self, PyObject *unused) {
    (void)unused;
    PyObject *state = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)h7_core_state_size(self->core));
    if (state) {
        h7_core_save(self->core, PyBytes_AsString(state));
    }
    return state;
}

static PyObject *core_restore(Core *self, PyObject *state) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(state, &bytes, &size) < 0) {
        return NULL;
    }
    if ((size_t)size != h7_core_state_size(self->core)) {
        PyErr_SetString(PyExc_ValueError, "the state is not one of this core");
        return NULL;
    }
    unmap_registers(self);
    h7_core_restore(self->core, bytes);
    Py_RETURN_NONE;
}

static PyObject *get_cycles(Core *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(h7_cycles(self->core));
}
static PyObject *get_running(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(h7_core_running(self->core));
}
static PyObject *get_halted(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->core->debug.halted);
}
static PyObject *get_lockup(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->core->lockup);
}
static PyObject *get_depth(Core *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(self->core->sleep);
}
static PyObject *get_channels(Core *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(h7_core_channels(self->core));
}
static PyObject *get_clocked(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->core->clocked_in_sleep);
}
static int set_clocked(Core *self, PyObject *value, void *unused) {
    (void)unused;
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth < 0) {
        return -1;
    }
    self->core->clocked_in_sleep = truth;
    return 0;
}
static PyObject *get_jumps(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(!self->core->busy.disabled);
}
static int set_jumps(Core *self, PyObject *value, void *unused) {
    (void)unused;
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth < 0) {
        return -1;
    }
    h7_core_set_jumps(self->core, truth);
    return 0;
}

static PyObject *get_reports(Core *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->core->reports_exceptions);
}
static int set_reports(Core *self, PyObject *value, void *unused) {
    (void)unused;
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth < 0) {
        return -1;
    }
    self->core->reports_exceptions = truth;
    return 0;
}

#define METHOD(NAME, HOW) {#NAME, (PyCFunction)(void (*)(void))core_##NAME, HOW, NULL}
static PyMethodDef methods[] = {
    METHOD(run, METH_O),
    {"stop_after_instruction", (PyCFunction)(void (*)(void))core_stop, METH_NOARGS, NULL},
    METHOD(set_irq, METH_VARARGS),
    METHOD(pulse_irq, METH_O),
    METHOD(set_event, METH_NOARGS),
    METHOD(wake_pending, METH_NOARGS),
    METHOD(wake_if_pending, METH_NOARGS),
    METHOD(cycles_to_tick, METH_NOARGS),
    METHOD(reset, METH_VARARGS | METH_KEYWORDS),
    METHOD(halt, METH_VARARGS),
    METHOD(read_debug, METH_O),
    METHOD(write_debug, METH_VARARGS),
    METHOD(set_channels, METH_VARARGS),
    METHOD(map, METH_VARARGS),
    METHOD(unmap, METH_VARARGS),
    METHOD(guard, METH_VARARGS),
    METHOD(map_register, METH_VARARGS),
    METHOD(unmap_registers, METH_NOARGS),
    METHOD(invalidate, METH_VARARGS),
    METHOD(component, METH_VARARGS),
    METHOD(component_word, METH_VARARGS),
    METHOD(register, METH_O),
    METHOD(set_register, METH_VARARGS),
    METHOD(connect, METH_O),
    METHOD(save, METH_NOARGS),
    METHOD(restore, METH_O),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"cycles", (getter)get_cycles, NULL, NULL, NULL},   {"running", (getter)get_running, NULL, NULL, NULL},
    {"halted", (getter)get_halted, NULL, NULL, NULL},   {"lockup", (getter)get_lockup, NULL, NULL, NULL},
    {"sleep_depth", (getter)get_depth, NULL, NULL, NULL},
    {"channels", (getter)get_channels, NULL, NULL, NULL},
    {"clocked_in_sleep", (getter)get_clocked, (setter)set_clocked, NULL, NULL},
    {"skips_busy_loops", (getter)get_jumps, (setter)set_jumps, NULL, NULL},
    {"reports_exceptions", (getter)get_reports, (setter)set_reports, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, (void *)core_init},         {Py_tp_dealloc, (void *)core_dealloc},
    {Py_tp_traverse, (void *)core_traverse}, {Py_tp_clear, (void *)core_clear},
    {Py_tp_methods, methods},                {Py_tp_getset, properties},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pytest_h7.twin.cpu._native.NativeCore",
    .basicsize = sizeof(Core),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* ---- events ------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    struct h7_board *native;
    PyObject *core[H7_CORES];
    PyObject *error[3]; /* what an event raised */
} Board;

typedef struct {
    PyObject_HEAD
    struct h7_event event;
    PyObject *action; /* NULL unless it is scheduled; then the queue owns a reference to the event */
    Board *board;     /* borrowed: a board outlives its queue, which it empties */
} Event;

static PyObject *event_type;

static Event *event_of(struct h7_event *event) { return (Event *)((char *)event - offsetof(Event, event)); }

static void happen(struct h7_event *event) {
    Event *self = event_of(event);
    Board *board = self->board;
    PyObject *action = self->action;
    self->action = NULL;
    self->board = NULL;
    PyObject *result = PyObject_CallObject(action, NULL);
    if (!result) {
        PyErr_Fetch(&board->error[0], &board->error[1], &board->error[2]);
        h7_board_abort(board->native);
    }
    Py_XDECREF(result);
    Py_DECREF(action);
    Py_DECREF((PyObject *)self);
}

static PyObject *event_cancel(Event *self, PyObject *unused) {
    (void)unused;
    if (self->action) {
        h7_board_cancel(self->board->native, &self->event);
        self->board = NULL;
        Py_CLEAR(self->action);
        Py_DECREF((PyObject *)self);
    }
    Py_RETURN_NONE;
}

static void event_dealloc(Event *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->action);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *event_pending(Event *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->action != NULL);
}
static PyObject *event_time(Event *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->event.time);
}

static PyMethodDef event_methods[] = {
    {"cancel", (PyCFunction)(void (*)(void))event_cancel, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef event_properties[] = {
    {"pending", (getter)event_pending, NULL, NULL, NULL},
    {"time", (getter)event_time, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot event_slots[] = {
    {Py_tp_dealloc, (void *)event_dealloc},
    {Py_tp_methods, event_methods},
    {Py_tp_getset, event_properties},
    {0, NULL},
};
static PyType_Spec event_spec = {
    .name = "pytest_h7.twin.cpu._native.Event",
    .basicsize = sizeof(Event),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = event_slots,
};

/* ---- the board ---------------------------------------------------------------------------------------- */

static PyObject *core_type;

static void cancel_all(Board *self) {
    for (struct h7_event *event; (event = h7_board_first_event(self->native));) {
        Py_XDECREF(event_cancel(event_of(event), NULL));
    }
}

static int board_init(Board *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"one", "other", NULL};
    PyObject *core[H7_CORES] = {NULL};
    PyTypeObject *type = (PyTypeObject *)core_type;
    if (self->native || !PyArg_ParseTupleAndKeywords(arguments, keywords, "O!O!", names, type, &core[0], type, &core[1])) {
        return -1;
    }
    struct h7_core *native[H7_CORES];
    for (int index = 0; index < H7_CORES; index++) {
        Py_INCREF(core[index]);
        self->core[index] = core[index];
        native[index] = ((Core *)core[index])->core;
    }
    self->native = h7_board_new(native);
    if (!self->native) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int board_traverse(Board *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->core[0]);
    Py_VISIT(self->core[1]);
    for (struct h7_event *event = h7_board_first_event(self->native); event;
         event = h7_board_next_event(self->native, event)) {
        Py_VISIT(event_of(event)->action);
    }
    return 0;
}

static int board_clear(Board *self) {
    cancel_all(self);
    Py_CLEAR(self->core[0]);
    Py_CLEAR(self->core[1]);
    for (int index = 0; index < 3; index++) {
        Py_CLEAR(self->error[index]);
    }
    return 0;
}

static void board_dealloc(Board *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    board_clear(self);
    h7_board_free(self->native);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *board_schedule(Board *self, PyObject *arguments) {
    unsigned long long delay;
    PyObject *action;
    if (!PyArg_ParseTuple(arguments, "KO", &delay, &action)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)event_type, Py_tp_alloc);
    Event *event = (Event *)allocate((PyTypeObject *)event_type, 0);
    if (!event) {
        return NULL;
    }
    event->event.action = happen;
    if (!h7_board_schedule(self->native, &event->event, delay)) {
        Py_DECREF((PyObject *)event);
        return PyErr_NoMemory();
    }
    Py_INCREF(action);
    event->action = action;
    event->board = self;
    Py_INCREF((PyObject *)event);
    return (PyObject *)event;
}

static PyObject *board_run_for(Board *self, PyObject *duration) {
    unsigned long long picoseconds = PyLong_AsUnsignedLongLong(duration);
    if (PyErr_Occurred()) {
        return NULL;
    }
    h7_board_run(self->native, picoseconds);
    for (int index = 0; index < H7_CORES; index++) {
        Core *core = (Core *)self->core[index];
        if (core->error[0]) {
            return none_or_error(core);
        }
    }
    if (self->error[0]) {
        PyErr_Restore(self->error[0], self->error[1], self->error[2]);
        self->error[0] = self->error[1] = self->error[2] = NULL;
        return NULL;
    }
    Py_RETURN_NONE;
}

static Core *core_of(Board *self, PyObject *core) {
    if (core != self->core[0] && core != self->core[1]) {
        PyErr_SetString(PyExc_ValueError, "not a core of this board");
        return NULL;
    }
    return (Core *)core;
}

static PyObject *board_touch(Board *self, PyObject *argument) {
    Core *core = core_of(self, argument);
    if (!core) {
        return NULL;
    }
    h7_board_touch(self->native, core->core);
    return none_or_error(core);
}

static PyObject *board_set_clock(Board *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"", "on", NULL};
    PyObject *argument;
    int on;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O$p", names, &argument, &on)) {
        return NULL;
    }
    Core *core = core_of(self, argument);
    if (!core) {
        return NULL;
    }
    h7_board_set_clock(self->native, core->core, on);
    return none_or_error(core);
}

static PyObject *board_set_frequency(Board *self, PyObject *arguments) {
    PyObject *argument;
    unsigned long long hz;
    if (!PyArg_ParseTuple(arguments, "OK", &argument, &hz)) {
        return NULL;
    }
    Core *core = core_of(self, argument);
    if (!core) {
        return NULL;
    }
    if (hz == 0 || hz > 1000000000000u / 1000) {
        PyErr_SetString(PyExc_ValueError, "a core's clock is between 1 Hz and 1 GHz");
        return NULL;
    }
    h7_board_set_frequency(self->native, core->core, hz);
    return none_or_error(core);
}

/* ---- save and restore: (state, ((event, action, time, order), ...)) ------------------------------------ */

static int not_while_running(Board *self) {
    if (h7_board_is_running(self->native)) {
        PyErr_SetString(PyExc_RuntimeError, "the board runs: save and restore between runs");
        return -1;
    }
    return 0;
}

static PyObject *board_save(Board *self, PyObject *unused) {
    (void)unused;
    struct h7_board_state state;
    if (not_while_running(self) < 0) {
        return NULL;
    }
    PyObject *events = PyList_New(0);
    if (!events) {
        return NULL;
    }
    for (struct h7_event *next = h7_board_first_event(self->native); next;
         next = h7_board_next_event(self->native, next)) {
        Event *event = event_of(next);
        PyObject *entry = Py_BuildValue("OOKK", event, event->action, (unsigned long long)next->time,
                                        (unsigned long long)next->order);
        if (!entry || PyList_Append(events, entry) < 0) {
            Py_XDECREF(entry);
            Py_DECREF(events);
            return NULL;
        }
        Py_DECREF(entry);
    }
    h7_board_save(self->native, &state);
    return Py_BuildValue("y#N", (const char *)&state, (Py_ssize_t)sizeof state, events);
}

static int put_back(Board *self, PyObject *entry) {
    PyObject *event, *action;
    unsigned long long time, order;
    if (!PyArg_ParseTuple(entry, "O!OKK", (PyTypeObject *)event_type, &event, &action, &time, &order)) {
        return -1;
    }
    Event *of = (Event *)event;
    of->event.time = time;
    of->event.order = order;
    if (!h7_board_put_back(self->native, &of->event)) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(action);
    Py_INCREF(event);
    of->action = action;
    of->board = self;
    return 0;
}

static PyObject *board_restore(Board *self, PyObject *arguments) {
    const char *bytes;
    Py_ssize_t size;
    PyObject *events;
    struct h7_board_state state;
    if (not_while_running(self) < 0 ||
        !PyArg_ParseTuple(arguments, "(y#O!)", &bytes, &size, &PyList_Type, &events)) {
        return NULL;
    }
    if ((size_t)size != sizeof state) {
        PyErr_SetString(PyExc_ValueError, "the state is not one of a board");
        return NULL;
    }
    memcpy(&state, bytes, sizeof state);
    cancel_all(self);
    h7_board_restore(self->native, &state);
    for (Py_ssize_t index = 0; index < PyList_Size(events); index++) {
        if (put_back(self, PyList_GetItem(events, index)) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *board_now(Board *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(h7_board_now(self->native));
}

#define BOARD_METHOD(NAME, HOW) {#NAME, (PyCFunction)(void (*)(void))board_##NAME, HOW, NULL}
static PyMethodDef board_methods[] = {
    BOARD_METHOD(schedule, METH_VARARGS),       BOARD_METHOD(run_for, METH_O),
    BOARD_METHOD(touch, METH_O),                BOARD_METHOD(set_clock, METH_VARARGS | METH_KEYWORDS),
    BOARD_METHOD(set_frequency, METH_VARARGS),
    {"save", (PyCFunction)(void (*)(void))board_save, METH_NOARGS, NULL},
    {"restore", (PyCFunction)(void (*)(void))board_restore, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef board_properties[] = {
    {"now", (getter)board_now, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot board_slots[] = {
    {Py_tp_init, (void *)board_init},         {Py_tp_dealloc, (void *)board_dealloc},
    {Py_tp_traverse, (void *)board_traverse}, {Py_tp_clear, (void *)board_clear},
    {Py_tp_methods, board_methods},           {Py_tp_getset, board_properties},
    {0, NULL},
};
static PyType_Spec board_spec = {
    .name = "pytest_h7.twin.cpu._native.NativeBoard",
    .basicsize = sizeof(Board),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = board_slots,
};

/* ---- the module --------------------------------------------------------------------------------------- */

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_native", .m_size = -1};

static PyObject *add_type(PyObject *module, const char *name, PyType_Spec *of) {
    PyObject *type = PyType_FromSpec(of);
    if (!type || PyModule_AddObjectRef(module, name, type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return type;
}

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module || !(core_type = add_type(module, "NativeCore", &spec)) ||
        !(event_type = add_type(module, "Event", &event_spec)) || !add_type(module, "NativeBoard", &board_spec)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
