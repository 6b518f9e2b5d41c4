@file:JvmName("Shop")

package com.example.shop

import java.time.Instant
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map

const val MAX_ITEMS = 100
private val DEFAULT_RATES = mapOf("de" to 19, "fr" to 20)

typealias Handler<T> = suspend (T) -> Result<Unit>

/** What can be bought. */
interface Priced {
    val price: Long

    /** The price with tax. */
    fun gross(rate: Int): Long = price * (100 + rate) / 100
}

/**
 * A thing on a shelf.
 *
 * @property sku the number printed on it
 */
@Serializable
data class Item(
    val sku: String,
    override val price: Long,
    val tags: Set<String> = emptySet(),
) : Priced {
    init {
        require(price >= 0) { "a negative price" }
    }

    val cheap: Boolean
        get() = price < 100

    companion object {
        fun parse(line: String): Item {
            val (sku, price) = line.split(';')
            return Item(sku, price.toLong())
        }
    }
}

enum class State(val label: String) {
    OPEN("open"),
    PAID("paid") {
        override fun next() = SENT
    },
    SENT("sent");

    open fun next(): State = entries[ordinal + 1]
}

sealed class Event {
    data class Added(val item: Item) : Event()
    data class Removed(val sku: String) : Event()
    object Cleared : Event()
}

object Registry {
    private val handlers = mutableListOf<Handler<Event>>()

    fun register(handler: Handler<Event>) {
        handlers += handler
    }
}

/** Keeps orders and tells others what happens to them. */
class OrderService(
    private val store: OrderStore,
    private val clock: () -> Instant,
) {
    private val log = logger()
    private val pending = ArrayDeque<Event>()

    constructor(store: OrderStore) : this(store, Instant::now)

    /** Adds an item, or says why that cannot be. */
    @Throws(ShopException::class)
    suspend fun add(order: Long, item: Item): Result<Unit> {
        val found = store.find(order) ?: return Result.failure(ShopException("no order $order"))
        if (found.items.size >= MAX_ITEMS) {
            log.warn("order {} is full", order)
            return Result.failure(ShopException("order $order is full"))
        }
        store.save(found.copy(items = found.items + item, changed = clock()))
        pending.addLast(Event.Added(item))
        return Result.success(Unit)
    }

    suspend fun remove(order: Long, sku: String): Result<Unit> {
        val found = store.find(order) ?: return Result.failure(ShopException("no order $order"))
        val (gone, kept) = found.items.partition { it.sku == sku }
        if (gone.isEmpty()) {
            return Result.failure(ShopException("no $sku in order $order"))
        }
        store.save(found.copy(items = kept, changed = clock()))
        pending.addLast(Event.Removed(sku))
        return Result.success(Unit)
    }

    /** Sends what is paid; orders of one country go together, in the order in which they came. */
    suspend fun send(orders: List<Long>, carrier: Carrier): Map<String, Int> {
        val found = orders.mapNotNull { store.find(it) }.filter { it.state == State.PAID }
        val byCountry = found.groupBy { it.country }
        return byCountry.mapValues { (country, group) ->
            val parcels = group.flatMap { order -> order.items.chunked(10) { Parcel(order, it) } }
            val accepted = parcels.count { carrier.accepts(country, it) }
            log.info("{} of {} parcels to {}", accepted, parcels.size, country)
            group.forEach { store.save(it.copy(state = State.SENT, changed = clock())) }
            accepted
        }
    }

    fun watch(order: Long): Flow<State> = store.changes(order).map { it.state }

    private suspend fun flush(handlers: List<Handler<Event>>) {
        while (true) {
            val event = pending.removeFirstOrNull() ?: break
            for (handler in handlers) {
                handler(event).onFailure { log.error("a handler failed", it) }
            }
        }
    }
}

fun List<Item>.total(rate: Int): Long = sumOf { it.gross(rate) }

fun main(args: Array<String>) {
    val service = OrderService(FileStore(args.first()))
    println(service)
}
