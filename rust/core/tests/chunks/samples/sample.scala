package com.example.shop

import scala.collection.mutable
import scala.concurrent.{ExecutionContext, Future}

/** What can be bought. */
trait Priced {
  def price: Long

  /** The price with tax. */
  def gross(rate: Int): Long = price * (100 + rate) / 100
}

sealed abstract class Event
final case class Added(item: Item, at: Long) extends Event
final case class Removed(sku: String, at: Long) extends Event
case object Cleared extends Event

/** A thing on a shelf.
  *
  * @param sku the number printed on it
  */
final case class Item(sku: String, price: Long, tags: Set[String] = Set.empty) extends Priced {
  require(price >= 0, "a negative price")

  def cheap: Boolean = price < 100
}

object Item {
  type Line = String

  implicit val ordering: Ordering[Item] = Ordering.by(_.price)

  def parse(line: Line): Option[Item] = line.split(';') match {
    case Array(sku, price) => price.toLongOption.map(Item(sku, _))
    case _                 => None
  }

  def unapply(line: Line): Option[Item] = parse(line)
}

enum State(val label: String):
  case Open extends State("open")
  case Paid extends State("paid")
  case Sent extends State("sent")

  def next: State = State.fromOrdinal(ordinal + 1)

object Rates {
  val byCountry: Map[String, Int] = Map(
    "at" -> 20,
    "be" -> 21,
    "de" -> 19,
    "es" -> 21,
    "fr" -> 20,
    "it" -> 22,
  )
}

/** Keeps orders and tells others what happens to them. */
@deprecated("use the actors", since = "2.0")
class OrderService(store: OrderStore, clock: () => Long)(implicit ec: ExecutionContext) {
  private val pending = mutable.Queue.empty[Event]

  def this(store: OrderStore)(implicit ec: ExecutionContext) = this(store, () => now())

  /** Adds an item, or says why that cannot be. */
  @throws[ShopException]
  def add(order: Long, item: Item): Future[Unit] =
    for {
      found <- store.find(order)
      _     <- if (found.items.size >= OrderService.MaxItems) {
        Future.failed(new ShopException(s"order $order is full"))
      } else {
        store.save(found.copy(items = found.items :+ item, changed = clock()))
      }
    } yield pending.enqueue(Added(item, clock()))

  def remove(order: Long, sku: String): Future[Unit] =
    store.find(order).flatMap { found =>
      val (gone, kept) = found.items.partition(_.sku == sku)
      if (gone.isEmpty) {
        Future.failed(new ShopException(s"no $sku in order $order"))
      } else {
        pending.enqueue(Removed(sku, clock()))
        store.save(found.copy(items = kept, changed = clock()))
      }
    }

  /** Sends what is paid; orders of one country go together, in the order in which they came. */
  def send(orders: Seq[Long], carrier: Carrier): Future[Map[String, Int]] =
    Future.traverse(orders)(store.find).map { found =>
      found.filter(_.state == State.Paid).groupBy(_.country).map { case (country, group) =>
        val parcels = group.flatMap(order => order.items.grouped(10).map(Parcel(order, _)))
        val accepted = parcels.count(carrier.accepts(country, _))
        log(s"$accepted of ${parcels.size} parcels to $country")
        group.foreach(order => store.save(order.copy(state = State.Sent, changed = clock())))
        country -> accepted
      }
    }

  /** Hands what happened to everybody who wants to know, in the order in which it happened. */
  def flush(handlers: Seq[Event => Future[Unit]]): Future[Unit] = {
    def deliver(event: Event): Future[Unit] =
      Future.traverse(handlers)(handler => handler(event)).map(_ => ())

    val events = pending.dequeueAll(_ => true)
    events.foldLeft(Future.unit) { (before, event) =>
      before.flatMap(_ => deliver(event)).recover {
        case failure: ShopException => log(failure.getMessage)
      }
    }
  }
}

object OrderService {
  val MaxItems = 100
}

given Conversion[String, State] = label => State.values.find(_.label == label).get

extension (items: List[Item])
  def total(rate: Int): Long = items.map(_.gross(rate)).sum

@main def run(path: String): Unit =
  println(OrderService(FileStore(path)))
