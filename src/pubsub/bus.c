/* bus.c - the port's wrappers: one per slot, with the counters.
 * The receiving thread and the acknowledging one count beside each other, so the counters are added to atomically. */
#include <sluice/bus.h>

static void count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static enum sl_code counted(struct sl_bus *bus, enum sl_code code, uint64_t *counter, size_t n)
{
    if (code == SL_OK)
        count(counter, n);
    else
        count(&bus->counters.errors, 1);
    return code;
}

void sl_bus_destroy(struct sl_bus **bus)
{
    if (*bus)
        (*bus)->ops->destroy(*bus);
    *bus = NULL;
}

static void release_pins(struct sl_bus_batch *batch)
{
    for (struct sl_bus_pin *pin = batch->pins; pin; pin = pin->next)
        pin->release(pin->arg);
    batch->pins = NULL;
}

/* Emptied, and its memory kept for what comes next. */
static void batch_reset(struct sl_bus_batch *batch)
{
    release_pins(batch);
    sl_arena_reset(&batch->arena);
    batch->messages = NULL;
    batch->n = batch->bytes = 0;
    batch->end = false;
}

enum sl_code sl_bus_receive(struct sl_bus *bus, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                            struct sl_err *err)
{
    batch_reset(out);
    enum sl_code code = bus->ops->receive(bus, max_n ? max_n : 1, max_bytes, timeout_ms, out, err);
    return counted(bus, code, &bus->counters.received, out->n);
}

enum sl_code sl_bus_ack(struct sl_bus *bus, const struct sl_bus_batch *batch, struct sl_err *err)
{
    return counted(bus, bus->ops->ack(bus, batch, err), &bus->counters.acked, batch->n);
}

bool sl_bus_can_publish(const struct sl_bus *bus)
{
    return bus->ops->publish != NULL;
}

enum sl_code sl_bus_publish(struct sl_bus *bus, const char *topic, const char *data, size_t len, const char *attributes, struct sl_err *err)
{
    if (!bus->ops->publish)
        return sl_fail(err, SL_INTERNAL, "the %s bus can't publish, and was asked to: topic %s", bus->ops->name, topic);
    return counted(bus, bus->ops->publish(bus, topic, data, len, attributes, err), &bus->counters.published, 1);
}

enum sl_code sl_bus_publish_all(struct sl_bus *bus, const char *topic, const struct sl_outgoing *messages, size_t n, size_t *done,
                                struct sl_err *err)
{
    enum sl_code code = SL_OK;
    *done = 0;
    if (bus->ops->publish_all && n > 0) {
        code = counted(bus, bus->ops->publish_all(bus, topic, messages, n, err), &bus->counters.published, n);
        *done = code == SL_OK ? n : 0;
        return code;
    }
    for (; code == SL_OK && *done < n; *done += code == SL_OK)
        code = sl_bus_publish(bus, topic, messages[*done].data, messages[*done].len, messages[*done].attributes, err);
    return code;
}

int64_t sl_bus_silent_ms(struct sl_bus *bus, const struct sl_phase *phase, int64_t now_us)
{
    return bus->ops->silent_ms(bus, phase, now_us);
}

void sl_bus_backlog(struct sl_bus *bus, int64_t *undelivered, int64_t *leased)
{
    *undelivered = *leased = -1;
    if (bus->ops->backlog)
        bus->ops->backlog(bus, undelivered, leased);
}

void sl_bus_batch_fini(struct sl_bus_batch *batch)
{
    release_pins(batch);
    sl_arena_fini(&batch->arena);
    *batch = (struct sl_bus_batch){0};
}
