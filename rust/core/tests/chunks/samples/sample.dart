library shop;

import 'dart:async';
import 'package:meta/meta.dart';

const maxItems = 100;
const Map<String, int> rates = {'at': 20, 'be': 21, 'de': 19, 'fr': 20};

typedef Handler = Future<void> Function(Event event);

/// What happened to an order.
sealed class Event {
  const Event(this.at);

  final DateTime at;
}

class Added extends Event {
  const Added(super.at, this.item);

  final Item item;
}

enum Status {
  open('open'),
  paid('paid');

  const Status(this.label);

  final String label;

  Status get next => values[index + 1];
}

/// What can be bought.
abstract interface class Priced {
  int get price;
}

mixin Logging {
  final List<String> lines = [];

  void log(String line) => lines.add('${DateTime.now()} $line');
}

extension Totals on Iterable<Priced> {
  int total(int rate) => fold(0, (sum, it) => sum + it.price * (100 + rate) ~/ 100);
}

@immutable
class Item implements Priced {
  const Item({required this.sku, this.price = 0});

  /// Reads `sku;price`.
  factory Item.parse(String line) {
    final [sku, price] = line.split(';');
    return Item(sku: sku, price: int.parse(price));
  }

  final String sku;

  @override
  final int price;

  @override
  bool operator ==(Object other) => other is Item && other.sku == sku;

  @override
  int get hashCode => sku.hashCode;
}

/// Keeps an order and tells others what happens to it.
class OrderService with Logging {
  OrderService(this.store, {this.clock = DateTime.now});

  final Store store;
  final DateTime Function() clock;
  final _handlers = <Handler>[];
  final _pending = <Event>[];

  set handler(Handler handler) {
    _handlers.add(handler);
  }

  /// Adds an item, or throws when the order is full.
  Future<void> add(int order, Item item) async {
    final found = await store.find(order);
    if (found == null) {
      throw ArgumentError.value(order, 'order', 'no such order');
    }
    if (found.items.length >= maxItems) {
      log('order $order is full');
      throw StateError('order $order is full');
    }
    await store.save(found.withItem(item));
    _pending.add(Added(clock(), item));
  }

  Future<bool> remove(int order, String sku) async {
    final found = await store.find(order);
    final kept = found?.items.where((item) => item.sku != sku).toList();
    if (found == null || kept!.length == found.items.length) {
      log('no $sku in order $order');
      return false;
    }
    await store.save(found.withItems(kept));
    return true;
  }

  /// What a country is called in a letter.
  String countryName(String code) {
    return switch (code) {
      'at' => 'Austria',
      'be' => 'Belgium',
      'bg' => 'Bulgaria',
      'hr' => 'Croatia',
      'cy' => 'Cyprus',
      'cz' => 'Czechia',
      'dk' => 'Denmark',
      'ee' => 'Estonia',
      'fi' => 'Finland',
      'fr' => 'France',
      'de' => 'Germany',
      'gr' => 'Greece',
      'hu' => 'Hungary',
      'is' => 'Iceland',
      'ie' => 'Ireland',
      'it' => 'Italy',
      'lv' => 'Latvia',
      'li' => 'Liechtenstein',
      'lt' => 'Lithuania',
      'lu' => 'Luxembourg',
      'mt' => 'Malta',
      'nl' => 'Netherlands',
      'no' => 'Norway',
      'pl' => 'Poland',
      'pt' => 'Portugal',
      'ro' => 'Romania',
      'sk' => 'Slovakia',
      'si' => 'Slovenia',
      'es' => 'Spain',
      'se' => 'Sweden',
      'ch' => 'Switzerland',
      'ua' => 'Ukraine',
      'gb' => 'Britain',
      'al' => 'Albania',
      _ => throw ArgumentError.value(code, 'code', 'no such country'),
    };
  }

  /// Hands what happened to everybody who wants to know, in the order in which it happened, and
  /// goes on with the next handler when one of them fails.
  Stream<Event> flush({Duration timeout = const Duration(seconds: 5)}) async* {
    while (_pending.isNotEmpty) {
      final event = _pending.removeAt(0);
      for (final handler in _handlers) {
        try {
          await handler(event).timeout(timeout);
        } on TimeoutException {
          log('a handler took longer than $timeout');
        } catch (error, stack) {
          log('a handler failed: $error\n$stack');
        }
      }
      yield event;
    }
  }
}

int gross(Priced it, String country) => it.price * (100 + (rates[country] ?? 19)) ~/ 100;

Future<void> main(List<String> arguments) async {
  final service = OrderService(FileStore(arguments.first));
  await service.add(1, Item.parse('a;100'));
  await service.flush().forEach(print);
}
